// Items of a list that a message takes away by naming them (ROL-2, PRT-2: DE). They stand in its resource only while that is
// written, so that their references become those to what is stored, as all others do; merge() takes them out again. Each is
// remembered by itself, so that an older message does not bring it back, and brings the others.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { compact, list } from './compact.ts';
import { asOfMs, asOfText, deletedMs, keyed, withDeleted } from './late.ts';
import { stampMs, stampText } from './ordering.ts';

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

/** A list of which messages take items away. */
export interface Removable {
  element: string;
  /** What tells an item from the others. */
  keyOf(item: JsonObject): string;
  /** What late.ts calls the items that one message tells of together. */
  partOf(item: JsonObject): string;
}

const nameOf = ({ element, keyOf }: Removable, item: JsonObject): string => keyed(element, keyOf(item));

const withItems = (resource: Resource, element: string, items: readonly JsonObject[]): Resource => {
  const { [element]: _items, ...rest } = resource;
  return (items.length > 0 ? { ...rest, [element]: items } : rest) as Resource;
};

/** What the message says, without items that a newer one has taken away, and those that what it took away had replaced. */
export function withoutTakenSince(existing: Resource | undefined, told: Resource, what: Removable): Resource {
  const [items, now] = [list(told[what.element]), stampMs(told)];
  if (existing === undefined || now === undefined || items.length === 0) return told;
  const isKept = (name: string): boolean => now >= (deletedMs(existing, name) ?? now);
  const left = items.filter((one) => isKept(nameOf(what, one)) && isKept(what.partOf(one)));
  return left.length === items.length ? told : withItems(told, what.element, left);
}

/** Without the items that the message takes away; of one that is older than what is stored, without those that are older still. */
export function withoutItems(
  existing: Resource,
  { taken, incoming, isLate = false }: { taken: readonly JsonObject[]; incoming: Resource; isLate?: boolean },
  what: Removable,
): Resource {
  const [items, now] = [list(existing[what.element]), stampMs(incoming)];
  const gone = new Set(taken.map(what.keyOf));
  const isOlder = (one: JsonObject): boolean =>
    now !== undefined && (asOfMs(existing, what.partOf(one)) ?? Number.POSITIVE_INFINITY) < now;
  const left = items.filter((one) => !gone.has(what.keyOf(one)) || (isLate && !isOlder(one)));
  return left.length === items.length ? existing : withItems(existing, what.element, left);
}

/**
 * The resource remembers which items the message has taken away. Where these were all of a part, what they had replaced does not
 * come back either: that there are none is as of when they were told.
 */
export function rememberingTaken(
  resource: Resource,
  { taken, incoming, existing }: { taken: readonly JsonObject[]; incoming: Resource; existing: Resource | undefined },
  what: Removable,
): Resource {
  const { element, keyOf, partOf } = what;
  const names = taken.map((one) => nameOf(what, one));
  const remembered = withDeleted(resource, names, stampText(incoming));
  if (existing === undefined || taken.length === 0) return remembered;
  const [gone, stay] = [new Set(taken.map(keyOf)), new Set(list(resource[element]).map(partOf))];
  const parts = new Set(list(existing[element]).flatMap((one) => (gone.has(keyOf(one)) ? [partOf(one)] : [])));
  const emptied = [...parts.difference(stay)];
  return emptied.reduce((all, part) => withDeleted(all, [part], asOfText(existing, part)), remembered);
}
