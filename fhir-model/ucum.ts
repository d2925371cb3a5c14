// Units of measure by UCUM's grammar: https://ucum.org/ucum, https://hl7.org/fhir/R4/ucum.html
import { createRequire } from 'node:module';

interface Unit {
  /** Of `1` it is a number; none at all for names like `constructor`. */
  csCode_?: string | number;
  name_?: string | number;
  magnitude_: number | null;
  dim_: { dimVec_: number[] | null } | null;
  isArbitrary_: boolean;
}
interface UcumUtils {
  getSpecifiedUnit(code: string, how: 'validate'): { unit: Unit | null; retMsg: string[] };
}

export interface UcumUnit {
  /** In words, as `milligram per deciliter`; absent where UCUM has none. */
  name?: string;
  /** Two units of the same meaning have the same: dimension and magnitude. */
  meaning: string;
  /** Comparable units have the same. */
  dimension: string;
}

/** Longer ones are no units that anybody writes, and parsing takes time by their length. */
const UNIT_CHARACTERS_MAX = 200;
const UNITS_MAX = 5_000;
const units = new Map<string, UcumUnit | undefined>();

// 27 ms and 19 MB of resident memory: loaded when the first unit is asked for.
let loaded: UcumUtils | undefined;
function ucum(): UcumUtils {
  loaded ??= (
    createRequire(import.meta.url)('@lhncbc/ucum-lhc') as { UcumLhcUtils: { getInstance(): UcumUtils } }
  ).UcumLhcUtils.getInstance();
  return loaded;
}

function read(code: string): UcumUnit | undefined {
  // UCUM's characters: printable ASCII without the space.
  if (code.length > UNIT_CHARACTERS_MAX || !/^[!-~]+$/.test(code)) return undefined;
  try {
    const { unit, retMsg } = ucum().getSpecifiedUnit(code, 'validate');
    // What it only guesses at, as `mg` for `milligram`, it tells in a message.
    if (unit?.csCode_ === undefined || retMsg.length > 0) return undefined;
    const name = String(unit.name_ ?? '').replace(/<\/?sup>/g, '');
    const powers = unit.dim_?.dimVec_?.join() ?? '';
    const meaning = `${powers};${unit.magnitude_}`;
    // Arbitrary units, as `[iU]`, are comparable with no other: https://ucum.org/ucum, arbitrary units
    const dimension = unit.isArbitrary_ ? code : powers;
    return name === '' || name === code ? { meaning, dimension } : { name, meaning, dimension };
  } catch {
    return undefined; // The library throws on some names that objects have by themselves.
  }
}

/** The unit that a UCUM code (case sensitive) stands for; undefined for what is not UCUM. */
export function ucumUnit(code: string): UcumUnit | undefined {
  if (units.has(code)) return units.get(code);
  const unit = read(code);
  if (units.size >= UNITS_MAX) units.clear();
  units.set(code, unit);
  return unit;
}
