// OBX-5 by OBX-2 to Observation.value[x]: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], SN[Quantity], SN[Range], SN[Ratio])
import type { JsonObject } from '#fhir-model';
import type { Part } from '../message/message.ts';
import type { Mapping } from './context.ts';
import { codeableConcept, drPeriod } from './datatypes.ts';
import { dateTime, time } from './datetime.ts';
import { decimal, decimalText } from './decimal.ts';
import type { Unit } from './units.ts';

/** `{ valueQuantity: … }` and the like; {} when there is no value. */
export type ValueElement = JsonObject;

type ValueMapper = (mapping: Mapping, value: Part, unit: Unit) => ValueElement | undefined;

const comparators = new Set(['<', '<=', '>', '>=']);

function quantity(text: string | undefined, unit: Unit, comparator?: string): JsonObject | undefined {
  const value = text === undefined ? undefined : decimal(text);
  return value === undefined ? undefined : { value, comparator: comparator || undefined, ...unit };
}

function text(_mapping: Mapping, value: Part): ValueElement | undefined {
  const whole = value.whole?.replaceAll('\r\n', '\n').trimEnd();
  return whole === undefined || whole.trim() === '' ? undefined : { valueString: whole };
}

/** Also `<15` and `>= 100`, which laboratories send as NM though it is none. */
function numeric(_mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const match = /^\s*(<=|>=|<|>)?\s*(\S+)\s*$/.exec(value.whole ?? '');
  const valueQuantity = match ? quantity(match[2], unit, match[1]) : undefined;
  return valueQuantity && { valueQuantity };
}

function structuredNumeric(_mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const comparator = value.component(1).text ?? '';
  const first = value.component(2).text;
  const separator = value.component(3).text ?? '';
  const second = value.component(4).text;
  if (comparator === '<>') return undefined;
  const plain = comparator === '' || comparator === '=';
  if (separator === '' && second === undefined && (plain || comparators.has(comparator))) {
    const valueQuantity = quantity(first, unit, plain ? undefined : comparator);
    return valueQuantity && { valueQuantity };
  }
  const low = quantity(first, unit);
  const high = quantity(second, unit);
  if (!plain || low === undefined || high === undefined) return undefined;
  if (separator === '-') return { valueRange: { low, high } };
  if (separator === ':' || separator === '/') return { valueRatio: { numerator: low, denominator: high } };
  return undefined;
}

function numericRange(_mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const low = quantity(value.component(1).text, unit);
  const high = quantity(value.component(2).text, unit);
  return low === undefined && high === undefined ? undefined : { valueRange: { low, high } };
}

function coded(mapping: Mapping, value: Part): ValueElement | undefined {
  const valueCodeableConcept = codeableConcept(mapping, value);
  return valueCodeableConcept && { valueCodeableConcept };
}

function moment(mapping: Mapping, value: Part): ValueElement | undefined {
  const valueDateTime = dateTime(value.text, mapping.zone);
  return valueDateTime === undefined ? undefined : { valueDateTime };
}

const mappers: Readonly<Record<string, ValueMapper>> = {
  NM: numeric,
  SN: structuredNumeric,
  NR: numericRange,
  ST: text,
  TX: text,
  FT: text,
  CE: coded,
  CWE: coded,
  CNE: coded,
  CF: coded,
  IS: coded,
  ID: coded,
  DT: moment,
  TS: moment,
  DTM: moment,
  TM: (_mapping, value) => {
    const valueTime = time(value.text);
    return valueTime === undefined ? undefined : { valueTime };
  },
  DR: (mapping, value) => {
    const valuePeriod = drPeriod(mapping, value);
    return valuePeriod && { valuePeriod };
  },
};

/** Types whose repetitions are lines of one text. */
const textTypes = new Set(['ST', 'TX', 'FT', '']);

export interface ObservedValue {
  /** Of the observation, when there is one value. */
  value: ValueElement;
  /** Of its components, when the field repeats. */
  components: ValueElement[];
}

/**
 * What cannot be read as its type becomes valueString, as sent: nothing is dropped, nothing is guessed. One repetition
 * gives value[x], several give components (the guide's OBX[Observation-Component]); lines of text are joined.
 */
export function observedValue(mapping: Mapping, valueType: string, field: Part, unit: Unit): ObservedValue {
  const repetitions = field.repetitions();
  if (textTypes.has(valueType) && repetitions.length > 1) {
    const lines = repetitions.map((line) => line.whole ?? '').join('\n');
    return { value: { valueString: lines }, components: [] };
  }
  const values = repetitions.map((part) => one(mapping, valueType, part, unit)).filter((value) => value !== undefined);
  return values.length > 1 ? { value: {}, components: values } : { value: values[0] ?? {}, components: [] };
}

function one(mapping: Mapping, valueType: string, part: Part, unit: Unit): ValueElement | undefined {
  const mapper = mappers[valueType] ?? text;
  const value = mapper(mapping, part, unit);
  if (value !== undefined || mapper === text) return value;
  const asSent = text(mapping, part);
  if (asSent !== undefined) mapping.warnings.add(`OBX-5: not a ${valueType}; kept as text`);
  return asSent;
}

const rangeForm = /^\s*([+-]?\d*\.?\d+)\s*(?:-|–|to)\s*([+-]?\d*\.?\d+)\s*$/i;
const limitForm = /^\s*(<=|>=|<|>)\s*([+-]?\d*\.?\d+)\s*$/;

/** OBX-7: always its text; `3.5-5.1`, `< 5` and `> 60` also as quantities. */
export function referenceRange(field: Part, unit: Unit): JsonObject | undefined {
  const sent = field.whole?.trim();
  if (sent === undefined || !/[\p{L}\p{N}]/u.test(sent)) return undefined;
  const bounds = rangeForm.exec(sent);
  if (bounds) {
    const [low, high] = [decimalText(bounds[1]!), decimalText(bounds[2]!)];
    if (low !== undefined && high !== undefined && Number(low) <= Number(high)) {
      return { low: quantity(low, unit), high: quantity(high, unit), text: sent };
    }
  }
  const limit = limitForm.exec(sent);
  if (limit) return { [limit[1]!.startsWith('<') ? 'high' : 'low']: quantity(limit[2], unit), text: sent };
  return { text: sent };
}
