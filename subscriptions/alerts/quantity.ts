// What a value measures, in the unit of a limit: https://hl7.org/fhir/R4/datatypes.html#Quantity, https://ucum.org/ucum
import { convertDecimal, decimalText, isNumber, type Json, type JsonObject, UCUM, ucumUnit } from '#fhir-model';
import { ownValue } from '#platform';

export type Comparator = '' | '<' | '<=' | '>=' | '>';

export interface Measured {
  value: number;
  comparator: Comparator;
  /** UCUM; '' where there is none or it can't be told. */
  unit: string;
  /** As reported: comparator, value and unit, `6.9 mmol/L`. */
  text: string;
  /** Of what, where that is known. */
  substance?: Substance;
}

/** What makes masses and amounts of one substance comparable. */
export interface Substance {
  /** g/mol */
  molarMass?: number;
  /** Equivalents in one mol. */
  valence?: number;
}

export interface Limits {
  low?: number | undefined;
  high?: number | undefined;
}

/** As systems write units that have no UCUM code with them, in lower case. */
const written: Readonly<Record<string, string>> = {
  'mmol/l': 'mmol/L',
  'meq/l': 'meq/L',
  'eq/l': 'eq/L',
  'umol/l': 'umol/L',
  'nmol/l': 'nmol/L',
  'mol/l': 'mol/L',
  'umol/ml': 'umol/mL',
  'mmol/dl': 'mmol/dL',
  'mg/dl': 'mg/dL',
  'mg/l': 'mg/L',
  'g/dl': 'g/dL',
  'g/l': 'g/L',
  'ng/ml': 'ng/mL',
  mmhg: 'mm[Hg]',
  'mm[hg]': 'mm[Hg]',
  'mm hg': 'mm[Hg]',
  kpa: 'kPa',
  '°c': 'Cel',
  c: 'Cel',
  cel: 'Cel',
  ºc: 'Cel',
  '℃': 'Cel',
  degc: 'Cel',
  '°f': '[degF]',
  f: '[degF]',
  ºf: '[degF]',
  '℉': '[degF]',
  degf: '[degF]',
  bpm: '/min',
  'beats/min': '/min',
  'breaths/min': '/min',
  '1/min': '/min',
  ph: '[pH]',
  'gm/dl': 'g/dL',
  'gm/l': 'g/L',
  'mcg/l': 'ug/L',
  'mcg/dl': 'ug/dL',
  'mcg/ml': 'ug/mL',
  'mcmol/l': 'umol/L',
  torr: 'mm[Hg]',
  s: 's',
  sec: 's',
  seconds: 's',
  'mosm/kg': 'mosm/kg',
  percent: '%',
};

/** Of counts of cells: giga and tera in a litre. */
const counts: Readonly<Record<string, string>> = {
  ...{ 'g/l': '10*9/L', 'gpt/l': '10*9/L', '/nl': '10*9/L', 't/l': '10*12/L', 'tpt/l': '10*12/L', '/pl': '10*12/L' },
};
const volumes: Readonly<Record<string, string>> = {
  ...{ ul: 'uL', mcl: 'uL', mm3: 'uL', 'mm^3': 'uL', cmm: 'uL', cumm: 'uL', ml: 'mL', l: 'L' },
};

/** `K/uL`, `x10E3/uL`, `10^9/L`, `X10(3)/MCL`, `Thousand/uL`: a power of ten in a volume. */
function countIn(lower: string): string | undefined {
  const [, thousand, power, volume] =
    /^(?:(k|thousand|thou|tsd\.?)|x?10(?:\*{1,2}|\^|e|\()(\d{1,2})\)?)\/([a-z0-9^]+)$/.exec(lower.replace(/\s/g, '')) ??
    [];
  const of = ownValue(volumes, volume);
  return of === undefined ? ownValue(counts, lower) : `10*${thousand === undefined ? power : 3}/${of}`;
}

const unitCharactersMax = 60;

const comparators = new Set<unknown>(['<', '<=', '>=', '>']);

/** A Quantity, or a bare number; undefined for what has no value. */
export function measuredOf(value: Json | undefined): Measured | undefined {
  if (isNumber(value))
    return { value: Number(decimalText(value)), comparator: '', unit: '1', text: decimalText(value) };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const quantity = value as JsonObject;
  if (!isNumber(quantity.value)) return undefined;
  const digits = decimalText(quantity.value);
  const comparator = (comparators.has(quantity.comparator) ? quantity.comparator : '') as Comparator;
  return { value: Number(digits), comparator, unit: unitOf(quantity), text: textOf(quantity, comparator + digits) };
}

const textOf = ({ unit, code }: JsonObject, digits: string): string => {
  const shown = typeof unit === 'string' ? unit.trim() : code;
  return typeof shown === 'string' && shown !== '' ? `${digits} ${shown.slice(0, unitCharactersMax)}` : digits;
};

/** A code of another system than UCUM says nothing; then, or without one, the text is tried. */
function unitOf({ system, code, unit }: JsonObject): string {
  const coded = system === undefined || system === UCUM ? code : undefined;
  const text = typeof coded === 'string' ? coded : unit;
  if (typeof text !== 'string') return '';
  const trimmed = text.trim().replace(/[µμ]/g, 'u');
  if (ucumUnit(trimmed)) return trimmed;
  const lower = trimmed.toLowerCase();
  return ownValue(written, lower) ?? countIn(lower) ?? '';
}

/**
 * What else may be meant by it: systems that know capitals only write `G/L` and `C`, which UCUM reads as gauss in a litre and as coulomb. Which
 * it is the wanted unit tells.
 */
const alsoMeant = (unit: string): string[] => {
  const lower = unit.toLowerCase();
  return [ownValue(written, lower), countIn(lower)].filter((one) => one !== undefined && one !== unit) as string[];
};

/**
 * The value in another unit; undefined where they are not comparable. Mass and amount of substance are where the substance's
 * molar mass is known, equivalents and amount of substance where its valence is.
 */
export function inUnit(measured: Measured, wanted: string): number | undefined {
  const { value, unit } = measured;
  if (unit === wanted) return value;
  if (unit === '') return undefined;
  const found = valueIn(measured, wanted);
  if (found !== undefined) return found;
  for (const other of alsoMeant(unit)) {
    const meant = valueIn({ ...measured, unit: other }, wanted);
    if (meant !== undefined) return meant;
  }
  return undefined;
}

function valueIn({ value, unit, substance = {} }: Measured, wanted: string): number | undefined {
  const direct = converted(value, unit, wanted);
  if (direct !== undefined) return direct;
  const [from, perMole] = inMoles(unit, substance);
  const [to, wantedPerMole] = inMoles(wanted, substance);
  const amount = converted(value / perMole, from, to);
  if (amount !== undefined) return amount * wantedPerMole;
  const { molarMass } = substance;
  if (molarMass === undefined) return undefined;
  const grams = converted(value, from, 'g/L');
  if (grams !== undefined) return scaled(converted(grams / molarMass, 'mol/L', to), wantedPerMole);
  return scaled(converted(value / perMole, from, 'mol/L'), molarMass, (litre) => converted(litre, 'g/L', to));
}

const scaled = (
  value: number | undefined,
  by: number,
  then: (value: number) => number | undefined = (same) => same,
): number | undefined => (value === undefined ? undefined : then(value * by));

/** `meq/L` of something with a known valence is that part of `mmol/L`; other units as they are. */
function inMoles(unit: string, { valence }: Substance): [unit: string, perMole: number] {
  const found = /^([munp]?)eq\/(.+)$/i.exec(unit);
  return found && valence !== undefined ? [`${found[1]!.toLowerCase()}mol/${found[2]}`, valence] : [unit, 1];
}

function converted(value: number, from: string, to: string): number | undefined {
  const text = convertDecimal(String(value), from, to);
  return text === undefined ? undefined : Number(text);
}

/** Which limit a value lies beyond; the limits themselves are not beyond. */
export function beyond(level: number, comparator: Comparator, { low, high }: Limits): 'low' | 'high' | undefined {
  const under = low ?? Number.NEGATIVE_INFINITY;
  const over = high ?? Number.POSITIVE_INFINITY;
  // `<2.8` lies below 2.8; `>6.0` may be anything above: it is beyond only from the limit on.
  if (comparator === '<') return level <= under ? 'low' : undefined;
  if (comparator === '>') return level >= over ? 'high' : undefined;
  if (comparator !== '>=' && level < under) return 'low';
  if (comparator !== '<=' && level > over) return 'high';
  return undefined;
}
