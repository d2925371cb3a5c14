// What a visit has been: Encounter.location, classHistory, statusHistory and participant after an event.
// https://hl7.org/fhir/R4/encounter-definitions.html#Encounter.location
import type { JsonObject, Resource } from '#fhir-model';
import { list } from '../compact.ts';
import { keyed } from '../late.ts';
import type { Removable } from '../taken-away.ts';
import type { VisitEvent } from './visit-events.ts';

const placeOf = ({ location }: JsonObject): string => {
  const { reference, display } = (location ?? {}) as JsonObject;
  return String(reference ?? display);
};

const isTemporary = ({ extension }: JsonObject): boolean => list(extension).length > 0;

const isCurrent = (one: JsonObject): boolean => one.status === 'active' && !isTemporary(one);

const isPlanned = ({ status }: JsonObject): boolean => status === 'planned' || status === 'reserved';

function withPeriod(one: JsonObject, bounds: { start?: string | undefined; end?: string | undefined }): JsonObject {
  const period = { ...(one.period as JsonObject | undefined) };
  if (bounds.start !== undefined) period.start ??= bounds.start;
  if (bounds.end !== undefined) period.end = bounds.end;
  return Object.keys(period).length > 0 ? { ...one, period } : one;
}

function reopened({ period, ...one }: JsonObject): JsonObject {
  const start = (period as JsonObject | undefined)?.start;
  return { ...one, status: 'active', ...(start === undefined ? {} : { period: { start } }) };
}

/** What was told late began, as far as is known, when it was told: it does not end before that (per-1). */
function withEnd(one: JsonObject, at: string | undefined): JsonObject {
  const start = (one.period as JsonObject | undefined)?.start as string | undefined;
  const isBefore = Date.parse(String(at)) < Date.parse(String(start));
  return withPeriod(one, { end: isBefore ? start : at });
}

const ended = (one: JsonObject, at: string | undefined): JsonObject => ({ ...withEnd(one, at), status: 'completed' });

/**
 * Encounter.location after the event; `at` is when it took place. Places where the patient has been stay, with their time;
 * what the message does not speak of stays as it is.
 */
export function locationsAfter(
  before: unknown,
  incoming: unknown,
  { movement }: VisitEvent,
  at: string | undefined,
): JsonObject[] {
  const was = list(before);
  const sent = list(incoming);
  if (movement === 'leave') return left(was, sent, at);
  if (movement === 'undo') return undone(was, sent, at);
  if (movement === 'unplan') return was.filter((one) => !isPlanned(one));
  const now = sent.find(isCurrent);
  // Of a visit that has a place already such an event changes none: what PV1-3 says beside it may be older than the last move.
  const stays = now === undefined || (movement === 'keep' && was.some(isCurrent));
  const kept = stays ? was : moved(was, now, at);
  return withOthers(
    kept,
    sent.filter((one) => one !== now),
  );
}

/** Fields of PV1 that say of a place that there is none (`""`). */
export interface NoPlace {
  /** PV1-3. */
  now: boolean;
  /** PV1-11. */
  temporary: boolean;
  /** PV1-42. */
  pending: boolean;
}

/** Where the patient is not any more has been a place of the visit; what was only to be goes. */
export function withoutPlaces(places: readonly JsonObject[], none: NoPlace, at: string | undefined): JsonObject[] {
  const isLeft = (one: JsonObject): boolean =>
    one.status === 'active' && (isTemporary(one) ? none.temporary : none.now);
  const isOff = ({ status }: JsonObject): boolean => status === 'reserved' && none.pending;
  return places.filter((one) => !isOff(one)).map((one) => (isLeft(one) ? ended(one, at) : one));
}

/** The patient is at `now`: the place before it ends, unless it is the same. */
function moved(was: readonly JsonObject[], now: JsonObject, at: string | undefined): JsonObject[] {
  const same = was.find((one) => isCurrent(one) && placeOf(one) === placeOf(now));
  if (same !== undefined) return was.map((one) => (one !== same && isCurrent(one) ? ended(one, at) : one));
  const others = was.filter((one) => !(isPlanned(one) && placeOf(one) === placeOf(now)));
  return [...others.map((one) => (isCurrent(one) ? ended(one, at) : one)), withPeriod(now, { start: at })];
}

function left(was: readonly JsonObject[], sent: readonly JsonObject[], at: string | undefined): JsonObject[] {
  const last = sent.find(isCurrent);
  const open = last === undefined || was.some((one) => placeOf(one) === placeOf(last)) ? was : [...was, last];
  return withOthers(
    open.filter((one) => !isPlanned(one)).map((one) => (one.status === 'active' ? ended(one, at) : one)),
    sent.filter((one) => one.status === 'completed'),
  );
}

/** A transfer or discharge that was not: the place that it led to goes, the one before is where the patient is. */
function undone(was: readonly JsonObject[], sent: readonly JsonObject[], at: string | undefined): JsonObject[] {
  const now = sent.find(isCurrent);
  if (now === undefined) {
    const last = was.findLast((one) => !isPlanned(one));
    return was.map((one) => (one === last ? reopened(one) : one));
  }
  const earlier = was.findLast((one) => placeOf(one) === placeOf(now));
  const kept = was.filter((one) => one === earlier || !isCurrent(one));
  if (earlier === undefined) return [...kept, withPeriod(now, { start: at })];
  return kept.map((one) => (one === earlier ? reopened(one) : one));
}

/** PV1-6, PV1-11, PV1-42, PV1-43: by place and status once each. */
function withOthers(was: readonly JsonObject[], sent: readonly JsonObject[]): JsonObject[] {
  const sends = (test: (one: JsonObject) => boolean): boolean => sent.some(test);
  // A new plan, and a new place for the time being, take the place of the former.
  const kept = was.flatMap((one) => {
    if (isPlanned(one) && sends(isPlanned)) return [];
    if (
      one.status === 'active' &&
      isTemporary(one) &&
      sends((other) => isTemporary(other) && other.status === 'active')
    )
      return placeOf(one) === placeOf(sent.find((other) => isTemporary(other) && other.status === 'active')!)
        ? []
        : [ended(one, undefined)];
    return [one];
  });
  const known = new Set(kept.map(placeOf));
  return [
    ...sent.filter((one) => one.status === 'completed' && !known.has(placeOf(one))),
    ...kept,
    ...sent.filter((one) => one.status !== 'completed'),
  ];
}

/** Adds to statusHistory and classHistory what the encounter was until `at`, where it is another now. */
export function addHistory(existing: Resource, merged: Resource, at: string | undefined): void {
  const end = at ?? (existing.meta?.lastUpdated as string | undefined);
  if (existing.status !== merged.status && typeof existing.status === 'string') {
    const before = list(existing.statusHistory);
    const item = { status: existing.status, period: span(before, existing, end) };
    merged.statusHistory = [...before, item];
  }
  const [was, now] = [existing.class, merged.class] as [JsonObject | undefined, JsonObject | undefined];
  if (was?.code !== undefined && was.code !== now?.code) {
    const before = list(existing.classHistory);
    merged.classHistory = [...before, { class: was, period: span(before, existing, end) }];
  }
}

/** From the end of the item before, else the visit's beginning; never an end before it (constraint per-1). */
function span(before: readonly JsonObject[], existing: Resource, end: string | undefined): JsonObject {
  const last = before.at(-1)?.period as JsonObject | undefined;
  const start = (last?.end ?? (existing.period as JsonObject | undefined)?.start) as string | undefined;
  if (end === undefined) return start === undefined ? {} : { start };
  return start === undefined || Date.parse(start) > Date.parse(end) ? { end } : { start, end };
}

/** What a participant is to the visit: ATND and the like. */
export const kindOf = ({ type }: JsonObject): string => {
  const [concept] = list(type);
  return String(list(concept?.coding)[0]?.code ?? concept?.text);
};

const personOf = ({ individual }: JsonObject): string => {
  const { reference, display } = (individual ?? {}) as JsonObject;
  return String(reference ?? display);
};

export const withoutKinds = (participants: unknown, kinds: ReadonlySet<string>): JsonObject[] =>
  list(participants).filter((one) => !kinds.has(kindOf(one)));

/** Participants of whom ROL and PRT take some away. */
export const people: Removable = {
  element: 'participant',
  keyOf: (one) => JSON.stringify([kindOf(one), personOf(one)]),
  partOf: (one) => keyed('participant', kindOf(one)),
};

/** Participants of the kinds that the message names take the place of the former, which end where the event says so. */
export function participantsAfter(
  before: unknown,
  incoming: unknown,
  { participants }: VisitEvent,
  at: string | undefined,
): JsonObject[] {
  const was = list(before);
  const sent = list(incoming);
  const kinds = new Set(sent.map(kindOf));
  const people = new Set(sent.map((one) => `${kindOf(one)} ${personOf(one)}`));
  const isSent = (one: JsonObject): boolean => people.has(`${kindOf(one)} ${personOf(one)}`);
  const kept = was.filter((one) => !kinds.has(kindOf(one)));
  const history = was.filter((one) => kinds.has(kindOf(one)) && !isSent(one));
  const former = history.flatMap((one) => {
    if ((one.period as JsonObject | undefined)?.end !== undefined) return [one];
    return kindOf(one) === participants?.code && participants.undone === undefined ? [withEnd(one, at)] : [];
  });
  const start = participants === undefined || participants.undone ? undefined : at;
  const now = sent.map((one) => {
    const same = was.find((other) => kindOf(other) === kindOf(one) && personOf(other) === personOf(one));
    const since = (same?.period as JsonObject | undefined)?.start as string | undefined;
    return withPeriod(one, { start: since ?? (kindOf(one) === participants?.code && !same ? start : undefined) });
  });
  return [...kept, ...former, ...now];
}
