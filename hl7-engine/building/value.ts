// Observation.value[x] as OBX-2, OBX-5 and OBX-6: what mapping/clinical/value.ts reads, the other way round; HL7 table 0125
import { isNumber, type Json, type JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, RepetitionValue } from '../message/build.ts';
import { type Building, isObject, since, text } from './building.ts';
import { cwe } from './types/coded.ts';
import { digitsOf } from './types/number.ts';
import { unitOf } from './types/registry.ts';
import { dtm, tm } from './types/time.ts';

export interface ObxValue {
  /** OBX-2. */
  type: string;
  value: FieldValue;
  unit?: FieldValue;
}

const number = (quantity: Json | undefined): string | undefined =>
  isObject(quantity) && isNumber(quantity.value) ? digitsOf(quantity.value) : undefined;

function quantity(building: Building, value: Json): ObxValue | undefined {
  const digits = number(value);
  if (digits === undefined) return undefined;
  const { comparator } = value as JsonObject;
  const unit = unitOf(building, value);
  return text(comparator) === undefined
    ? { type: 'NM', value: digits, unit }
    : { type: 'SN', value: [text(comparator), digits], unit };
}

/** `1 mg : 24 h`: SN has one unit for both ends. */
function pairText(first: JsonObject, separator: string, second: JsonObject): ObxValue {
  const side = (end: JsonObject): string =>
    [`${text(end.comparator) ?? ''}${number(end) ?? ''}`, text(end.unit) ?? text(end.code) ?? ''].join(' ').trim();
  return textual(`${side(first)} ${separator} ${side(second)}`);
}

/** An amount in some time is of two units, and a ratio of one to nothing is none. */
function ratio(building: Building, { numerator, denominator }: JsonObject): ObxValue | undefined {
  if (!isObject(numerator) || !isObject(denominator)) return undefined;
  if (number(numerator) === undefined || number(denominator) === undefined) return undefined;
  const isAlike = sameUnit(building, numerator, denominator) && denominator.comparator === undefined;
  return isAlike ? pair(building, numerator, ':', denominator) : pairText(numerator, ':', denominator);
}

function range(building: Building, { low, high }: JsonObject): ObxValue | undefined {
  const units = [low, high].filter((end) => unitOf(building, end) !== undefined);
  const isAlike = units.length < 2 || sameUnit(building, low, high);
  return isAlike ? pair(building, low, '-', high) : pairText(low as JsonObject, '-', high as JsonObject);
}

const sameUnit = (building: Building, one: Json | undefined, other: Json | undefined): boolean =>
  JSON.stringify(unitOf(building, one)) === JSON.stringify(unitOf(building, other));

/** Both ends have one unit: that of OBX-6. */
function pair(
  building: Building,
  first: Json | undefined,
  separator: string,
  second: Json | undefined,
): ObxValue | undefined {
  const [low, high] = [number(first), number(second)];
  const comparator = isObject(first) ? text(first.comparator) : undefined;
  const unit = unitOf(building, first) ?? unitOf(building, second);
  if (low === undefined && high === undefined) return undefined;
  if (low === undefined) return { type: 'SN', value: ['<=', high], unit };
  if (high === undefined) return { type: 'SN', value: ['>=', low], unit };
  return { type: 'SN', value: [comparator, low, separator, high], unit };
}

/** Lines are repetitions: ST has one, and neither ST nor TX has formatting. */
export function lines(words: string): FieldValue {
  const all = words.split(/\r\n|\r|\n/);
  return all.length === 1 ? all[0]! : { repetitions: all };
}

const stringCharactersMax = 199;

const textual = (words: string): ObxValue =>
  words.length > stringCharactersMax || /[\r\n]/.test(words)
    ? { type: 'TX', value: lines(words) }
    : { type: 'ST', value: words };

const yesNo = (value: boolean): RepetitionValue => (value ? ['Y', 'Yes', 'HL70136'] : ['N', 'No', 'HL70136']);

const coded = (building: Building): string => (since(building, '2.5') ? 'CWE' : 'CE');
const moment = (building: Building): string => (since(building, '2.6') ? 'DTM' : 'TS');

type Maker = (building: Building, value: Json) => ObxValue | undefined;

const typed = (type: string, value: FieldValue | undefined): ObxValue | undefined =>
  value === undefined ? undefined : { type, value };

const makers: Readonly<Record<string, Maker>> = {
  valueQuantity: quantity,
  valueCodeableConcept: (building, value) => typed(coded(building), cwe(building, value)),
  valueString: (_building, value) => (typeof value === 'string' ? textual(value) : undefined),
  valueBoolean: (building, value) =>
    typeof value === 'boolean' ? { type: coded(building), value: yesNo(value) } : undefined,
  valueInteger: (_building, value) => (isNumber(value) ? typed('NM', digitsOf(value)) : undefined),
  valueRange: (building, value) => (isObject(value) ? range(building, value) : undefined),
  valueRatio: (building, value) => (isObject(value) ? ratio(building, value) : undefined),
  valueTime: (_building, value) => typed('TM', tm(value)),
  valueDateTime: (building, value) => typed(moment(building), dtm(value)),
  valuePeriod: (_building, value) =>
    isObject(value) ? { type: 'DR', value: [dtm(value.start), dtm(value.end)] } : undefined,
  valueSampledData: (building, value) => (isObject(value) ? sampled(building, value) : undefined),
};

/** One series is one repetition of NA; several channels are one repetition a moment, as MA. */
function sampled(building: Building, { data, dimensions, origin, factor, period }: JsonObject): ObxValue | undefined {
  const unit = unitOf(building, origin);
  if (typeof data !== 'string') return undefined;
  // Numbers as they are measured: with another origin than 0 or factor than 1 they would have to be computed.
  const isAsMeasured =
    Number(number(origin)) === 0 && (factor === undefined || Number(number({ value: factor })) === 1);
  if (!isAsMeasured) return undefined;
  if (period !== undefined) building.warnings.add('Observation.valueSampledData.period has no place in OBX-5');
  const samples = data.split(' ').map((sample) => (/^[ELU]$/.test(sample) ? '' : sample));
  const width = typeof dimensions === 'number' ? dimensions : 1;
  if (width <= 1) return { type: 'NA', value: samples, unit };
  const rows = Array.from({ length: Math.ceil(samples.length / width) }, (_, row) =>
    samples.slice(row * width, (row + 1) * width),
  );
  return { type: 'NA', value: { repetitions: rows }, unit };
}

/** Of an Observation or a component; undefined where it has no value, or one that OBX-5 has no type for. */
export function obxValue(building: Building, holder: JsonObject): ObxValue | undefined {
  for (const [name, value] of Object.entries(holder)) {
    if (!name.startsWith('value') || value === undefined) continue;
    const made = ownValue(makers, name)?.(building, value);
    if (made === undefined) building.warnings.add(`Observation.${name} has no place in OBX-5`);
    return made;
  }
  return undefined;
}

/** Why there is no value, in words and code where a value would be: no state of a result (OBX-11) says it. */
export const absentValue = (building: Building, reason: JsonObject): ObxValue | undefined =>
  typed(coded(building), cwe(building, reason));
