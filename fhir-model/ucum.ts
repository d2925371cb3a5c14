// Units of measure by UCUM's grammar: https://ucum.org/ucum, https://hl7.org/fhir/R4/ucum.html
import { libraryUnit } from './ucum-library.ts';

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

function read(code: string): UcumUnit | undefined {
  // UCUM's characters: printable ASCII without the space.
  if (code.length > UNIT_CHARACTERS_MAX || !/^[!-~]+$/.test(code)) return undefined;
  const { unit, retMsg = [] } = libraryUnit(code) ?? {};
  // What it only guesses at, as `mg` for `milligram`, it tells in a message.
  if (unit?.csCode_ === undefined || retMsg.length > 0) return undefined;
  const name = String(unit.name_ ?? '').replace(/<\/?sup>/g, '');
  const powers = unit.dim_?.dimVec_?.join() ?? '';
  const meaning = `${powers};${unit.magnitude_}`;
  // Arbitrary units, as `[iU]`, are comparable with no other: https://ucum.org/ucum, arbitrary units
  const dimension = unit.isArbitrary_ ? code : powers;
  return name === '' || name === code ? { meaning, dimension } : { name, meaning, dimension };
}

/** The unit that a UCUM code (case sensitive) stands for; undefined for what is not UCUM. */
export function ucumUnit(code: string): UcumUnit | undefined {
  if (units.has(code)) return units.get(code);
  const unit = read(code);
  if (units.size >= UNITS_MAX) units.clear();
  units.set(code, unit);
  return unit;
}
