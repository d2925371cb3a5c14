// ServiceRequest as ORC, OBR, NTE and TQ1, alone and around its results: HL7 v2.9 chapters 4.5.1 and 4.5.3
import type { Json, JsonObject, Resource } from '#fhir-model';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, objects, since, text } from '../building.ts';
import { segmentOf } from '../table.ts';
import { obr, orc, priorityCodes } from '../tables/order.ts';
import { ei, identifierTypeOf, ofType, ownIdentifier } from '../types/identifier.ts';
import { cq } from '../types/registry.ts';
import { dtm } from '../types/time.ts';

/** Table 0038. */
const statusCodes: Readonly<Record<string, string>> = {
  'on-hold': 'HD',
  revoked: 'CA',
  completed: 'CM',
  'entered-in-error': 'ER',
};

/** Numbers of an order that say nothing of who placed or fills it. */
const otherNumbers = /^(?:FILL|PGN|FGN|ACSN|SAMN)$/;

export const placerOf = (resource: Resource): JsonObject | undefined => {
  const numbers = objects(resource.identifier);
  return ofType(numbers, 'PLAC') ?? numbers.find((one) => !otherNumbers.test(identifierTypeOf(one) ?? ''));
};

export const fillerOf = (resource: Resource): JsonObject | undefined => ofType(objects(resource.identifier), 'FILL');

export interface OrderNumbers {
  placer: FieldValue;
  filler: FieldValue;
}

/** Without any number the request's id is the placer's. */
export function requestNumbers(building: Building, request: Resource): OrderNumbers {
  const filler = fillerOf(request);
  const placer = placerOf(request) ?? (filler === undefined ? ownIdentifier(building, request.id) : undefined);
  return { placer: ei(building, placer), filler: ei(building, filler) };
}

export function orcSegment(
  building: Building,
  request: Resource,
  control: string,
  numbers: OrderNumbers,
  status = statusCodes[text(request.status) ?? ''],
): SegmentValue {
  const timing = since(building, '2.5') ? undefined : timingOf(request);
  return segmentOf(orc, building, request, {
    ...{ 1: control, 2: numbers.placer, 3: numbers.filler, 5: status, 7: timing, 8: parentOf(building, request) },
  });
}

/** ORC-8 (EIP): the order that this one is part of, by its number. */
function parentOf(building: Building, request: Resource): FieldValue {
  const [parent] = objects(request.basedOn);
  const found = building.graph.resolve(parent);
  const logical = isObject(parent?.identifier) ? parent.identifier : undefined;
  const isFiller = logical !== undefined && identifierTypeOf(logical) === 'FILL';
  const placer = found === undefined ? (isFiller ? undefined : logical) : placerOf(found);
  const filler = found === undefined ? (isFiller ? logical : undefined) : fillerOf(found);
  if (placer === undefined && filler === undefined) return undefined;
  return [ei(building, placer), ei(building, filler)];
}

/** OBR of the request; `more` goes before what it says. */
export function obrSegment(
  building: Building,
  request: Resource,
  numbers: OrderNumbers,
  more: Readonly<Record<number, FieldValue>> = {},
): SegmentValue {
  const early = !since(building, '2.5');
  return segmentOf(obr, building, request, {
    ...{ 1: '1', 2: numbers.placer, 3: numbers.filler },
    ...(early ? { 5: priorityOf(request), 6: dtm(startOf(request)), 27: timingOf(request) } : {}),
    ...more,
  });
}

const priorityOf = (request: Resource): string | undefined => priorityCodes[text(request.priority) ?? ''];

function startOf(request: Resource): Json | undefined {
  const period = isObject(request.occurrencePeriod) ? request.occurrencePeriod : {};
  const repeat = isObject(request.occurrenceTiming) ? request.occurrenceTiming.repeat : undefined;
  const bounds = isObject(repeat) && isObject(repeat.boundsPeriod) ? repeat.boundsPeriod : {};
  return request.occurrenceDateTime ?? period.start ?? bounds.start;
}

function endOf(request: Resource): Json | undefined {
  const period = isObject(request.occurrencePeriod) ? request.occurrencePeriod : {};
  const repeat = isObject(request.occurrenceTiming) ? request.occurrenceTiming.repeat : undefined;
  const bounds = isObject(repeat) && isObject(repeat.boundsPeriod) ? repeat.boundsPeriod : {};
  return period.end ?? bounds.end;
}

/** TQ of old: start, end and priority are its fourth, fifth and sixth. */
function timingOf(request: Resource): FieldValue {
  const parts = [
    undefined,
    repeatOf(request),
    undefined,
    dtm(startOf(request)),
    dtm(endOf(request)),
    priorityOf(request),
  ];
  return parts.some((part) => part !== undefined) ? parts : undefined;
}

/** A repeat pattern as table 0335 names it, or as Q<n>H and the like. */
function repeatOf(request: Resource): string | undefined {
  const timing = isObject(request.occurrenceTiming) ? request.occurrenceTiming : {};
  const coded = isObject(timing.code) ? text(objects(timing.code.coding)[0]?.code) : undefined;
  const repeat = isObject(timing.repeat) ? timing.repeat : {};
  const letter = ({ s: 'S', min: 'M', h: 'H', d: 'D', wk: 'W' } as Record<string, string>)[
    text(repeat.periodUnit) ?? ''
  ];
  if (coded !== undefined || letter === undefined || typeof repeat.period !== 'number') return coded;
  const frequency = typeof repeat.frequency === 'number' ? repeat.frequency : 1;
  if (frequency === 1) return `Q${repeat.period}${letter}`;
  const daily: Readonly<Record<number, string>> = { 2: 'BID', 3: 'TID', 4: 'QID' };
  return letter === 'D' && repeat.period === 1 ? daily[frequency] : undefined;
}

/** TQ1, from 2.5 on. */
export function timingSegments(building: Building, request: Resource): SegmentValue[] {
  if (!since(building, '2.5')) return [];
  const fields = {
    2: cq(building, request.quantityQuantity),
    3: repeatOf(request),
    7: dtm(startOf(request)),
    8: dtm(endOf(request)),
    9: priorityOf(request),
  };
  if (Object.values(fields).every((field) => field === undefined)) return [];
  return [{ name: 'TQ1', fields: { 1: '1', ...fields, 3: fields[3] === undefined ? undefined : [[fields[3]]] } }];
}
