// Results that other results led to (OBR-26, OBR-29, OBR-50): HL7 v2.9 chapter 7.4.1.26, a culture's organism and its
// susceptibilities being the case it is made for. The child is derivedFrom its parent, which has it as a member.
import type { JsonObject } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { eipIdentifier } from '../identifiers.ts';
import type { Order } from './order.ts';

/** References of the message's results, by order number, code and sub-id; undefined where none is a parent. */
export type Parents = Map<string, string> | undefined;

/** Keeps nothing for a message without OBR-26, as nearly all are. */
export function parentsOf({ message }: Mapping): Parents {
  const linked = message.segments.some((segment) => segment.name === 'OBR' && segment.field(26).raw !== '');
  return linked ? new Map() : undefined;
}

function keyOf(number: string, code: string | undefined, subId: string | undefined): string {
  return JSON.stringify([number, code ?? null, subId ?? null]);
}

/** So that a later order of the message finds it as its parent. */
export function rememberResult(parents: Parents, { placer, filler }: Order, obx: Segment, reference: string): void {
  if (parents === undefined) return;
  const code = obx.field(3).component(1).text;
  const subId = obx.field(4).text;
  for (const identifier of [placer, filler]) {
    if (identifier === undefined) continue;
    const key = keyOf(identifier.value, code, subId);
    if (!parents.has(key)) parents.set(key, reference);
  }
}

/** Elements of the child's observations; of the parent in another message only its order's number is known. */
export function linkParent(mapping: Mapping, parents: Parents, obr: Segment): JsonObject | undefined {
  const result = obr.field(26);
  if (result.raw === '') return undefined;
  const order = [obr.field(50), obr.field(29)].find((field) => !field.isEmpty);
  if (order === undefined) return undefined;
  const reference = parentOf(parents, order.repetition(1), result);
  if (reference !== undefined) return { derivedFrom: [{ reference }] };
  const identifier =
    eipIdentifier(mapping, order.component(2), 'order-filler', 'FILL') ??
    eipIdentifier(mapping, order.component(1), 'order-placer', 'PLAC');
  const display = [result.component(1).subcomponent(2).text, result.component(3).text].filter(Boolean).join(': ');
  return identifier && { derivedFrom: [{ type: 'Observation', identifier, display: display || undefined }] };
}

/** PRL: the parent's OBX-3, its OBX-4, and its value in words. */
function parentOf(parents: Parents, numbers: Part, prl: Part): string | undefined {
  const code = prl.component(1).subcomponent(1).text;
  const subId = prl.component(2).text;
  for (const number of [numbers.component(2).text, numbers.component(1).text]) {
    const found = number === undefined ? undefined : parents?.get(keyOf(number, code, subId));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Puts the children of the message into the hasMember of their parents; call it once, when all results are there. */
export function linkMembers(mapping: Mapping): void {
  const byUrl = new Map(mapping.entries.map((entry) => [entry.url, entry.resource]));
  for (const { url, resource } of mapping.entries) {
    if (resource?.resourceType !== 'Observation') continue;
    for (const { reference } of (resource.derivedFrom as JsonObject[] | undefined) ?? []) {
      const parent = byUrl.get(String(reference));
      if (parent?.resourceType !== 'Observation') continue;
      const members = (parent.hasMember ?? []) as JsonObject[];
      members.push({ reference: url });
      parent.hasMember = members;
    }
  }
}
