// Events that are no resource changes by themselves: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.eventTrigger
// An event has happened when something that says so is committed: a Provenance whose activity is the event's code, with the
// resources it is about as targets (each HL7v2 message leaves one, its activity being the trigger event of table 0003), or a
// MessageHeader with that eventCoding and its focus.
import {
  type AccessScope,
  type Change,
  type ChangeFeed,
  type Json,
  type JsonObject,
  objectsOf,
  parseReference,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import type { Db } from '#platform';
import { codedOf } from './read-topic.ts';
import type { Coded, EventTrigger } from './topic.ts';

/** What a resource says to have happened, and to what: `Encounter/1`. */
export interface HappenedEvent {
  codes: Coded[];
  focus: { type: string; id: string }[];
}

/** By type of the resource that tells of it. */
const carriers: Readonly<Record<string, (resource: Resource) => { codings: Json[]; references: JsonObject[] }>> = {
  Provenance: ({ activity, target }) => ({
    codings: objectsOf((activity as JsonObject | null | undefined)?.coding),
    references: objectsOf(target),
  }),
  MessageHeader: ({ eventCoding, focus }) => ({
    codings: eventCoding === undefined ? [] : [eventCoding],
    references: objectsOf(focus),
  }),
};

export const carriesEvents = (type: string): boolean => Object.hasOwn(carriers, type);

/** Undefined for what tells of none. `baseUrl`: our own FHIR base, which references may begin with. */
export function eventOf(resource: Resource, baseUrl: string | undefined): HappenedEvent | undefined {
  const read = carriesEvents(resource.resourceType) ? carriers[resource.resourceType] : undefined;
  if (!read) return undefined;
  const { codings, references } = read(resource);
  const codes = codings.flatMap(codedOf);
  const named = references.flatMap(({ reference }) => {
    const found = typeof reference === 'string' ? parseReference(reference, baseUrl) : undefined;
    return found?.kind === 'local' && found.type !== undefined && found.id !== undefined
      ? [{ type: found.type, id: found.id }]
      : [];
  });
  const focus = [...new Map(named.map((one) => [`${one.type}/${one.id}`, one])).values()];
  return codes.length > 0 && focus.length > 0 ? { codes, focus } : undefined;
}

/** Patients that were merged into this one: what has happened to them is told of it from then on, and happens to nobody again. */
export const replacedBy = ({ link }: Resource): string[] =>
  objectsOf(link).flatMap(({ type, other }) => {
    const { reference } = (other ?? {}) as JsonObject;
    return type === 'replaces' && typeof reference === 'string' ? [reference] : [];
  });

/** A code without system is asked for in whichever. */
export const isEvent = ({ event }: EventTrigger, { codes }: HappenedEvent): boolean =>
  event.some((asked) =>
    codes.some((one) => one.code === asked.code && (asked.system === '' || one.system === asked.system)),
  );

export interface EventPorts {
  db: Db;
  feed: Pick<ChangeFeed, 'read'>;
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
}

/** Changes of one transaction that are looked through for the focus of an event. */
const changesMax = 1_000;

/**
 * The changes that an event is about: those of the same transaction, else the versions that are stored now. Without those of which
 * there is no resource (any more).
 */
export async function focusChanges(
  { db, feed, reader, scope }: EventPorts,
  carrier: Change,
  focus: HappenedEvent['focus'],
  batch: readonly Change[],
): Promise<Change[]> {
  const found: Change[] = [];
  let whole: readonly Change[] | undefined;
  for (const { type, id } of focus) {
    const isFocus = (one: Change) =>
      one.xid === carrier.xid && one.type === type && one.id === id && one.op !== 'delete';
    let change = batch.find(isFocus);
    if (!change) {
      // The transaction may have begun in the batch before, or go on in the next.
      whole ??= (await feed.read(db, { xid: carrier.xid, seq: 0n }, changesMax)).changes;
      change = whole.find(isFocus) ?? (await storedChange({ reader, scope }, carrier, { type, id }));
    }
    if (change) found.push(change);
  }
  return found;
}

async function storedChange(
  { reader, scope }: Pick<EventPorts, 'reader' | 'scope'>,
  carrier: Change,
  { type, id }: { type: string; id: string },
): Promise<Change | undefined> {
  const stored = await reader.read(type, id, scope);
  if (!stored || stored.deleted) return undefined;
  const { version, body } = stored;
  // It happens now, however long ago that version was written: by its own instant what is owed of it would be too old to be kept.
  const { xid, seq, updatedMs } = carrier;
  return { xid, seq, type, id, version, op: 'update', updatedMs, body };
}
