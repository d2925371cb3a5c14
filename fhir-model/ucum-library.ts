// The library that knows UCUM's units: https://ucum.org/ucum
import { createRequire } from 'node:module';

/** What it says of a unit. */
export interface LibraryUnit {
  /** Of `1` it is a number; none at all for names like `constructor`. */
  csCode_?: string | number;
  name_?: string | number;
  magnitude_: number | null;
  dim_: { dimVec_: number[] | null } | null;
  cnv_: string | null;
  isArbitrary_: boolean;
  moleExp_: number;
}

interface UcumUtils {
  getSpecifiedUnit(code: string, how: 'validate'): { unit: LibraryUnit | null; retMsg: string[] };
}

// 27 ms and 19 MB of resident memory: loaded when the first unit is asked for.
let loaded: UcumUtils | undefined;

/** The unit, and what it had to guess; undefined where it throws, as on some names that objects have by themselves. */
export function libraryUnit(code: string): { unit: LibraryUnit | null; retMsg: string[] } | undefined {
  loaded ??= (
    createRequire(import.meta.url)('@lhncbc/ucum-lhc') as { UcumLhcUtils: { getInstance(): UcumUtils } }
  ).UcumLhcUtils.getInstance();
  try {
    return loaded.getSpecifiedUnit(code, 'validate');
  } catch {
    return undefined;
  }
}
