// Observation as OBX with NTE: HL7 v2.9 chapter 7.4.2. One with components becomes one OBX each, under a common OBX-4
import type { Json, JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, noPlace, objects, text } from '../building.ts';
import { notesOf } from '../notes.ts';
import { rangeText } from '../range.ts';
import { fieldsOf, fieldValue } from '../table.ts';
import { obx } from '../tables/result.ts';
import { cwe } from '../types/coded.ts';
import { ei, inUseFirst } from '../types/identifier.ts';
import { absentValue, type ObxValue, obxValue } from '../value.ts';

/** HL7 table 0085. What is entered in error is posted as wrong (W), so that the receiver takes it away. */
const statusCodes: Readonly<Record<string, string>> = {
  registered: 'I',
  preliminary: 'P',
  final: 'F',
  amended: 'C',
  corrected: 'C',
  cancelled: 'X',
  'entered-in-error': 'W',
};

/** Why there is no value: HL7 v2.9 chapter 7.4.2.11. */
const absentCodes: Readonly<Record<string, string>> = { 'not-asked': 'N', 'not-performed': 'X' };

export const obxStatus = (status: Json | undefined): string | undefined => ownValue(statusCodes, text(status));

const reasonOf = ({ dataAbsentReason: reason }: JsonObject): string | undefined =>
  isObject(reason) ? text(objects(reason.coding)[0]?.code) : undefined;

function absentStatus(observation: JsonObject): string | undefined {
  return observation.status === 'final' ? ownValue(absentCodes, reasonOf(observation)) : undefined;
}

const statusOf = (observation: JsonObject): string | undefined =>
  absentStatus(observation) ?? obxStatus(observation.status);

/** OBX without a value has no reason; what OBX-11 says needs none. */
function valueOrReason(building: Building, observation: Resource, holder: JsonObject): ObxValue | undefined {
  const value = obxValue(building, holder);
  const { dataAbsentReason: reason } = holder;
  if (value !== undefined || !isObject(reason) || reasonOf(holder) === 'unknown') return value;
  return holder === observation && absentStatus(observation) !== undefined ? undefined : absentValue(building, reason);
}

/** Numbers the OBX of one order. */
export interface ObxSeries {
  /** OBX-1. */
  next(): string;
  /** OBX-4 of a group: 1, 2 … */
  group(): string;
  /** OBX-4 of the next one of this OBX-3 in that group. */
  sub(code: FieldValue, group?: string): string | undefined;
}

/** The code with its system, else the words. */
const keyOf = (code: FieldValue): unknown[] => {
  const parts: readonly unknown[] = Array.isArray(code) ? code : [code];
  return parts[0] === undefined ? [parts[1]] : [parts[0], parts[2]];
};

export function obxSeries(): ObxSeries {
  let [count, groups] = [0, 0];
  const seen = new Map<string, number>();
  return {
    next: () => String(++count),
    group: () => String(++groups),
    // A second one of the same OBX-3 and OBX-4 would take the first one's place, and 1, 2, 3 would be lines of one text.
    sub(code, group) {
      const key = JSON.stringify([group, ...keyOf(code)]);
      const place = (seen.get(key) ?? 0) + 1;
      seen.set(key, place);
      return place === 1 ? group : `${group ?? '0'}.${place}`;
    },
  };
}

const sameCode = (one: Json | undefined, other: Json | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** The observation's OBX and the notes on it. */
export function observationSegments(building: Building, observation: Resource, series: ObxSeries): SegmentValue[] {
  const components = objects(observation.component);
  const notes = notesOf(building, observation.note);
  noPlace(building, observation, ['focus']);
  if (statusOf(observation) === undefined) building.warnings.add('Observation.status unknown has no code in OBX-11');
  if (components.length === 0) return [obxOf(building, observation, observation, series), ...notes];
  const repeated = components.every(({ code }) => sameCode(code, observation.code));
  if (repeated && isOneObx(building, observation, components))
    return [repeatedObx(building, observation, components, series), ...notes];
  const group = series.group();
  const hasValue = obxValue(building, observation) !== undefined;
  if (!hasValue && !repeated) noPlace(building, observation, ['interpretation']);
  const own = !hasValue ? [] : [obxOf(building, observation, observation, series, group)];
  const { referenceRange, interpretation } = observation;
  const common: JsonObject = repeated ? { referenceRange: referenceRange!, interpretation: interpretation! } : {};
  const each = components.map((component) => obxOf(building, observation, { ...common, ...component }, series, group));
  return [...own, ...each.slice(0, 1), ...notes, ...each.slice(1)];
}

/** `holder`: the observation itself or a component, whose code, value, range and interpretation it is. */
function obxOf(
  building: Building,
  observation: Resource,
  holder: JsonObject,
  series: ObxSeries,
  group?: string,
): SegmentValue {
  const value = valueOrReason(building, observation, holder);
  const common = fieldsOf(obx, building, observation);
  const own = holder === observation ? {} : { ...fieldsOf(obx, building, holder) };
  const { 8: _interpretation, ...shared } = common;
  const all = holder === observation ? common : { ...shared, ...own };
  return {
    name: 'OBX',
    fields: {
      ...all,
      ...{ 1: series.next(), 2: value?.type, 4: series.sub(all[3], group), 5: value?.value, 6: value?.unit },
      ...{
        7: rangeText(building, objects(holder.referenceRange), value?.unit),
        11: statusOf(observation),
        18: device(building, observation),
      },
    },
  };
}

/**
 * OBX has one type (OBX-2) and one unit (OBX-6) for all repetitions: 1 g and 500 mg would be read as 500 g. Repetitions of a text
 * are its lines. What one of them says of itself alone, as that it is high, or why it is missing, needs an OBX of its own.
 */
function isOneObx(building: Building, observation: Resource, components: readonly JsonObject[]): boolean {
  const values = components.flatMap((component) => obxValue(building, component) ?? []);
  const kinds = new Set(values.map(({ type, unit }) => JSON.stringify([type, unit])));
  const areTexts = values.length > 1 && values.some(({ type, value }) => type === 'TX' || isRepeated(value));
  const areAlike = components.every((component) => ownWords.every((name) => component[name] === undefined));
  return kinds.size < 2 && !areTexts && areAlike && obxValue(building, observation) === undefined;
}

const ownWords = ['interpretation', 'referenceRange', 'dataAbsentReason'] as const;
const isRepeated = (value: FieldValue): boolean => isObject(value) && 'repetitions' in value;

/** Components of the observation's own code are the repetitions of OBX-5. */
function repeatedObx(
  building: Building,
  observation: Resource,
  components: readonly JsonObject[],
  series: ObxSeries,
): SegmentValue {
  const values = components.flatMap((component) => obxValue(building, component) ?? []);
  const [first] = values;
  const segment = obxOf(building, observation, observation, series);
  const repetitions = values.map(({ value }) => value as FieldValue & string);
  const five = repetitions.length === 0 ? undefined : fieldValue(repetitions);
  return { name: 'OBX', fields: { ...segment.fields, 2: first?.type, 5: five, 6: first?.unit } };
}

/** OBX-18, the equipment's identifier (EI). */
function device(building: Building, observation: Resource): FieldValue {
  const found = building.graph.resolve(observation.device);
  const logical = isObject(observation.device) ? observation.device.identifier : undefined;
  const identifier = inUseFirst(objects(found?.identifier))[0] ?? (isObject(logical) ? logical : undefined);
  return ei(building, identifier);
}

/** A text as a result of its own: a report's conclusion. */
export function textResult(
  building: Building,
  code: JsonObject,
  value: string,
  status: string | undefined,
  series: ObxSeries,
) {
  const made = obxValue(building, { valueString: value })!;
  const three = cwe(building, code);
  const fields = { 1: series.next(), 2: made.type, 3: three, 4: series.sub(three), 5: made.value, 11: status };
  return { name: 'OBX', fields };
}
