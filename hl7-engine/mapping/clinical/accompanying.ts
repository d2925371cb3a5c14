// OBX that go along with an order that no report answers: of drugs, diets and supplies, and of what was dispensed or given.
// HL7 v2.9 chapters 4.6 to 4.9 and 4A.3
import type { JsonObject } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { joinedTexts, type ObxGroup } from './groups.ts';
import { addObservation, isDocument } from './observation.ts';
import type { Order } from './order.ts';

/** What observations go along with, and what they are known by. */
export interface Accompanied {
  key: string;
  also: JsonObject;
  /** Where OBX-14 is empty. */
  effective?: string | undefined;
}

/** Weight, answers to questions, or what was seen when something was given. */
export function addAccompanying(
  mapping: Mapping,
  { group, subject }: Order,
  observations: readonly ObxGroup[],
  place: Accompanied,
): void {
  for (const one of joinedTexts(observations)) {
    if (isDocument(one.obx)) {
      mapping.warnings.add('OBX: a document outside a report has no place; left out');
      continue;
    }
    addObservation(mapping, one, {
      ...place,
      group: group.group,
      patient: subject.patient,
      encounter: subject.encounter,
      status: 'final',
    });
  }
}

/** `request`: what the order has become. */
export function ofRequest({ key }: Order, request: string | undefined, kind = 'medication'): Accompanied {
  return {
    key: JSON.stringify([kind, key]),
    also: request === undefined ? {} : { basedOn: [{ reference: request }] },
  };
}
