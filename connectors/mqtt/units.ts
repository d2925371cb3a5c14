// Units as devices write them -> UCUM (https://ucum.org/ucum), and conversion between UCUM units.
import { createRequire } from 'node:module';

// Spellings that are no UCUM but mean one thing only. Compared without case unless listed with a reason.
const aliases: ReadonlyMap<string, string> = new Map([
  ['bpm', '/min'],
  ['beats/min', '/min'],
  ['beats/minute', '/min'],
  ['breaths/min', '/min'],
  ['breaths/minute', '/min'],
  ['brpm', '/min'],
  ['rpm', '/min'],
  ['1/min', '/min'],
  ['per minute', '/min'],
  ['mmhg', 'mm[Hg]'],
  ['mm hg', 'mm[Hg]'],
  ['°c', 'Cel'],
  ['℃', 'Cel'],
  ['degc', 'Cel'],
  ['deg c', 'Cel'],
  ['celsius', 'Cel'],
  ['°f', '[degF]'],
  ['℉', '[degF]'],
  ['degf', '[degF]'],
  ['deg f', '[degF]'],
  ['fahrenheit', '[degF]'],
  ['percent', '%'],
  ['pct', '%'],
  ['lb', '[lb_av]'],
  ['lbs', '[lb_av]'],
  ['pound', '[lb_av]'],
  ['pounds', '[lb_av]'],
  ['oz', '[oz_av]'],
  ['in', '[in_i]'],
  ['inch', '[in_i]'],
  ['inches', '[in_i]'],
  ['ft', '[ft_i]'],
  ['kgs', 'kg'],
  ['kg/m²', 'kg/m2'],
  ['kg/m^2', 'kg/m2'],
  ['mgdl', 'mg/dL'],
  ['mg/dl', 'mg/dL'],
  ['mmol/l', 'mmol/L'],
]);

// UCUM's own `C` is coulomb and `F` farad; no device means those by a body temperature, but only there.
const temperatureLetters: ReadonlyMap<string, string> = new Map([
  ['C', 'Cel'],
  ['F', '[degF]'],
]);

interface Conversion {
  status: 'succeeded' | 'failed' | 'error';
  toVal: number | null;
}
interface Validation {
  status: 'valid' | 'invalid' | 'error';
  ucumCode: string | null;
}
interface UcumUtils {
  convertUnitTo(from: string, value: number, to: string): Conversion;
  validateUnitString(unit: string): Validation;
}

// The library takes 27 ms and 19 MB of resident memory; a site whose devices already send UCUM's own codes never loads it.
let loaded: UcumUtils | undefined;
function ucum(): UcumUtils {
  if (!loaded) {
    const library = createRequire(import.meta.url)('@lhncbc/ucum-lhc') as {
      UcumLhcUtils: { getInstance(): UcumUtils };
    };
    loaded = library.UcumLhcUtils.getInstance();
  }
  return loaded;
}

export const unitCharactersMax = 64;
const validUnits = new Map<string, boolean>();
const validUnitsMax = 1000;

/** The UCUM code an alias stands for, or the text itself. */
export function unitCodeOf(unit: string, canonicalUnit?: string): string {
  const letter = canonicalUnit === 'Cel' ? temperatureLetters.get(unit) : undefined;
  return letter ?? aliases.get(unit.trim().toLowerCase().replaceAll(/\s+/g, ' ')) ?? unit.trim();
}

/** Whether `code` is valid UCUM, case-sensitive. Answers are remembered: validation costs up to 1 ms. */
export function isUcum(code: string): boolean {
  const known = validUnits.get(code);
  if (known !== undefined) return known;
  const valid = validate(code);
  if (validUnits.size >= validUnitsMax) validUnits.clear();
  validUnits.set(code, valid);
  return valid;
}

function validate(code: string): boolean {
  // The library throws on names like `constructor`, and accepts some names of units with ucumCode set to the real code.
  try {
    const result = ucum().validateUnitString(code);
    return result.status === 'valid' && result.ucumCode === code;
  } catch {
    return false;
  }
}

/**
 * `value` of `from` in `to` (UCUM codes); undefined when they measure different things. The result keeps one digit more
 * than `significantDigits` (at least four): 98.6 [degF] is 37 Cel, 212 [lb_av] is 96.16 kg.
 */
export function convert(from: string, value: number, to: string, significantDigits: number): number | undefined {
  try {
    const { status, toVal } = ucum().convertUnitTo(from, value, to);
    if (status !== 'succeeded' || toVal === null || !Number.isFinite(toVal)) return undefined;
    return Number(toVal.toPrecision(Math.min(Math.max(significantDigits, 3) + 1, 15)));
  } catch {
    return undefined;
  }
}
