// ServiceRequest as ORC and OBR, alone and around its results: HL7 v2.9 chapters 4.5.1 and 4.5.3
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, objects, takes, text } from '../building.ts';
import { segmentOf } from '../table.ts';
import { obr, orc } from '../tables/order.ts';
import { ei, identifierTypeOf, inUseFirst, ofType, ownIdentifier } from '../types/identifier.ts';
import { priorityOf, startOf, timingOf } from './timing.ts';

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
  const numbers = inUseFirst(objects(resource.identifier));
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
  status = ownValue(statusCodes, text(request.status)),
): SegmentValue {
  const timing = takes(building, 'TQ1') ? undefined : timingOf(building, request);
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
  const early = !takes(building, 'TQ1');
  return segmentOf(obr, building, request, {
    ...{ 1: '1', 2: numbers.placer, 3: numbers.filler },
    ...(early ? { 5: priorityOf(request), 6: startOf(request), 27: timingOf(building, request) } : {}),
    ...more,
  });
}
