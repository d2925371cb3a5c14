// OBX-5 by OBX-2 to Observation.value[x]: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], OBX[Observation-Component],
// SN[Quantity], SN[Range], SN[Ratio]); the types of HL7 table 0125
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Part } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { address, codeableConcept, contactPoint, displayName, drPeriod, humanName } from '../datatypes.ts';
import { dateTime, time } from '../datetime.ts';
import { decimal } from '../decimal.ts';
import { cqQuantity } from '../types/cq.ts';
import { type Unit, unitOf } from '../units.ts';

/** `{ valueQuantity: … }` and the like; {} when there is no value. */
export type ValueElement = JsonObject;

type ValueMapper = (mapping: Mapping, value: Part, unit: Unit) => ValueElement | undefined;

const comparators = new Set(['<', '<=', '>', '>=']);

function quantity(text: string | undefined, unit: Unit, comparator?: string): JsonObject | undefined {
  const value = text === undefined ? undefined : decimal(text);
  return value === undefined ? undefined : { value, comparator: comparator || undefined, ...unit };
}

function asText(text: string | undefined): ValueElement | undefined {
  const valueString = text?.replaceAll('\r\n', '\n').trimEnd();
  return valueString === undefined || valueString.trim() === '' ? undefined : { valueString };
}

/**
 * With a unit (OBX-6) a number sent as text is a quantity all the same: monitors and older laboratories send their numbers as
 * ST, and neither the unit nor what watches values must miss them. Other figures (`1,5`, `10-20`) keep the unit in the text, as
 * the guide has it for SN; words (`trace`) have none.
 */
function text(mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const sent = value.whole;
  if (unit.unit === undefined || sent === undefined || !figures.test(sent)) return asText(sent);
  return numeric(mapping, value, unit) ?? asText(`${sent.trimEnd()} ${unit.unit}`);
}

/** Digits and what stands around them in numbers, ranges and ratios. */
const figures = /^(?=[^\d\n]*\d)[\d\s<>=≤≥~≈±+*,.:/^xXeE-]+$/;

/** Also `<15` and `>= 100`, which laboratories send as NM though it is none. */
function numeric(_mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const sent = value.whole ?? '';
  const plain = quantity(sent, unit);
  if (plain !== undefined) return { valueQuantity: plain };
  const match = /^\s*(<=|>=|<|>)\s*(\S+)\s*$/.exec(sent);
  const valueQuantity = match ? quantity(match[2], unit, match[1]) : undefined;
  return valueQuantity && { valueQuantity };
}

function structuredNumeric(_mapping: Mapping, value: Part, unit: Unit): ValueElement | undefined {
  const comparator = value.component(1).text ?? '';
  const first = value.component(2).text;
  const separator = value.component(3).text ?? '';
  const second = value.component(4).text;
  if (comparator === '<>' || separator === '+') return asText(words([comparator, first, separator, second, unit.unit]));
  const plain = comparator === '' || comparator === '=';
  if (separator === '' && second === undefined && (plain || comparators.has(comparator))) {
    const valueQuantity = quantity(first, unit, plain ? undefined : comparator);
    return valueQuantity && { valueQuantity };
  }
  const low = quantity(first, unit);
  const high = quantity(second, unit);
  if (low === undefined || high === undefined) return undefined;
  if (separator === '-' && plain) return { valueRange: { low, high } };
  if (separator !== ':' && separator !== '/') return undefined;
  if (!plain && !comparators.has(comparator)) return undefined;
  return { valueRatio: { numerator: plain ? low : { ...low, comparator }, denominator: high } };
}

function words(parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
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

const period: ValueMapper = (mapping, value) => {
  const valuePeriod = drPeriod(mapping, value);
  return valuePeriod && { valuePeriod };
};

const clock: ValueMapper = (_mapping, value) => {
  const valueTime = time(value.text);
  return valueTime === undefined ? undefined : { valueTime };
};

/** Its own unit, else that of OBX-6. */
const composite: ValueMapper = (mapping, value, unit) => {
  const found = cqQuantity(mapping, value);
  return found && { valueQuantity: found.unit === undefined ? { ...found, ...unit } : found };
};

const personName: ValueMapper = (mapping, value) => asText(displayName(humanName(mapping, value, 'XPN')));
const person: ValueMapper = (mapping, value) =>
  asText(displayName(humanName(mapping, value, 'XCN')) ?? value.component(1).text);
const place: ValueMapper = (mapping, value) => {
  const found = address(mapping, value);
  return (
    found &&
    asText(
      ([found.line, found.city, found.state, found.postalCode, found.country].flat() as string[])
        .filter(Boolean)
        .join(', '),
    )
  );
};
const contact: ValueMapper = (mapping, value) =>
  asText(contactPoint(mapping, value, undefined)?.value as string | undefined);
/** EI: the number, and whose it is. */
const entity: ValueMapper = (_mapping, value) =>
  assigned(value.component(1).text, value.component(2).text ?? value.component(3).text);
/** CX and XON have the authority further back. */
const numbered: ValueMapper = (_mapping, value) => assigned(value.component(1).text, value.component(4).text);
const organization: ValueMapper = (_mapping, value) =>
  assigned(value.component(1).text, value.component(10).text ?? value.component(3).text);

function assigned(name: string | undefined, by: string | undefined): ValueElement | undefined {
  return asText(words([name, by && `(${by})`]));
}

/** MO, and CP whose price is a MO: amount and currency. */
const money: ValueMapper = (_mapping, value) => {
  const price = value.component(1);
  return asText(words([price.subcomponent(1), price.subcomponent(2), value.component(2)].map((part) => part.text)));
};
/** VR of old: two values that are a range in words. */
const valueRange: ValueMapper = (_mapping, value) =>
  asText([value.component(1).text, value.component(2).text].filter((part) => part !== undefined).join('-'));

const mappers: Readonly<Record<string, ValueMapper>> = {
  NM: numeric,
  SI: numeric,
  SN: structuredNumeric,
  NR: numericRange,
  CQ: composite,
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
  TM: clock,
  DR: period,
  XPN: personName,
  PN: personName,
  XCN: person,
  CN: person,
  XAD: place,
  AD: place,
  XTN: contact,
  TN: contact,
  EI: entity,
  CX: numbered,
  CK: numbered,
  XON: organization,
  MO: money,
  CP: money,
  VR: valueRange,
};

/** Types whose repetitions are lines of one text. */
const textTypes = new Set(['ST', 'TX', 'FT', '']);

export interface ObservedValue {
  /** Of the observation, when there is one value. */
  value: ValueElement;
  /** Of its components, when the field repeats. */
  components: ValueElement[];
}

const nothing: ObservedValue = { value: {}, components: [] };

/**
 * What cannot be read as its type becomes valueString, as sent: nothing is dropped, nothing is guessed. One repetition
 * gives value[x], several give components (the guide's OBX[Observation-Component]); lines of text are joined.
 */
export function observedValue(mapping: Mapping, valueType: string, field: Part, unit: Unit): ObservedValue {
  if (field.raw === '') return nothing;
  const repetitions = field.repetitions();
  const areFigures = unit.unit !== undefined && repetitions.every(({ whole }) => figures.test(whole ?? ''));
  if (textTypes.has(valueType) && repetitions.length > 1 && !areFigures) {
    const lines = repetitions.map((line) => line.whole ?? '').join('\n');
    return { value: asText(lines) ?? {}, components: [] };
  }
  const values: ValueElement[] = [];
  for (const part of repetitions) {
    const value = one(mapping, valueType, part, unit);
    if (value !== undefined) values.push(value);
  }
  return values.length > 1 ? { value: {}, components: values } : { value: values[0] ?? {}, components: [] };
}

function one(mapping: Mapping, valueType: string, part: Part, unit: Unit): ValueElement | undefined {
  const mapper = ownValue(mappers, valueType) ?? text;
  const value = mapper(mapping, part, unit);
  if (value !== undefined || mapper === text) return value;
  const asSent = text(mapping, part, unit);
  if (asSent !== undefined) mapping.warnings.add(`OBX-5: not a ${valueType}; kept as text`);
  return asSent;
}

/** OBX-6 as the unit of quantities. */
export function observedUnit(mapping: Mapping, field: Part): Unit {
  return field.raw === '' ? {} : unitOf(field, mapping.facility);
}
