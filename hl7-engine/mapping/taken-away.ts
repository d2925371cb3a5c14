// Items of a list that a message takes away by naming them (ROL-2, PRT-2: DE). They stand in its resource only while that is
// written, so that their references become those to what is stored, as all others do; merge() takes them out again.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { compact, list } from './compact.ts';

const takenUrl = 'urn:cerebra:hl7v2-taken-away';

const isTaken = ({ extension }: JsonObject): boolean => list(extension).some(({ url }) => url === takenUrl);

/** With what is taken away of the element; nothing where that is nothing. */
export function takingAway(element: string, items: readonly JsonObject[]): Pick<TransactionEntry, 'prune'> {
  if (items.length === 0) return {};
  const taken = items.map((item) => ({ ...compact(item), extension: [{ url: takenUrl, valueBoolean: true }] }));
  return { prune: (resource) => ({ ...resource, [element]: [...list(resource[element]), ...taken] }) };
}

/** What the message says of the resource, and what it takes away of the element. */
export function withoutTaken(incoming: Resource, element: string): { told: Resource; taken: JsonObject[] } {
  const items = list(incoming[element]);
  const taken = items.filter(isTaken);
  if (taken.length === 0) return { told: incoming, taken };
  const { [element]: _items, ...told } = incoming;
  const others = items.filter((item) => !isTaken(item));
  return { told: (others.length > 0 ? { ...told, [element]: others } : told) as Resource, taken };
}
