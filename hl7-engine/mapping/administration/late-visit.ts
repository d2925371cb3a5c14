// What a message about a visit still says that is older than what is stored: when the visit began, what became of it and where the
// patient is, where nothing newer has said that. An update after the discharge may come before it, a new doctor before the transfer.
import type { JsonObject, Resource } from '#fhir-model';
import { list } from '../compact.ts';
import { type Fillable, filled } from '../late.ts';
import { clear } from '../merge.ts';
import { msOf, type OwnTime, ownTime, stampOwn } from '../ordering.ts';
import type { VisitEvent } from './visit-events.ts';
import { addHistory, kindOf, locationsAfter } from './visit-history.ts';

/** What undoes the end of a visit takes away. */
export const reopenedPaths = ['period.end', 'hospitalization.dischargeDisposition', 'hospitalization.destination'];

/** Statuses of visits that are over. */
export const ended: ReadonlySet<string> = new Set(['finished', 'cancelled', 'entered-in-error']);

/** What an older message may change. Where the visit is, what it was and how it ended the newer ones and its status say. */
export const lateElements: Fillable = {
  elements: new Set(
    'type serviceType priority reasonCode hospitalization serviceProvider account episodeOfCare extension diagnosis participant'.split(
      ' ',
    ),
  ),
  byKey: { extension: (one) => String(one.url), participant: kindOf },
  parts: new Set(['hospitalization']),
};

interface Late {
  event: VisitEvent;
  /** When it took place. */
  at: string | undefined;
  /** What the message deletes. */
  cleared: readonly string[];
}

/** `existing`, the same object, where the message says nothing of what is not known better. */
export function lateVisit(existing: Resource, incoming: Resource, { event, at, cleared }: Late): Resource {
  const told = filled(existing, withoutEnd(incoming), { cleared, rules: lateElements });
  const changed = withBeginning(withClass(told, incoming), incoming);
  return withPlace(withStatus(changed, incoming, event, at), incoming, event, at);
}

function withStatus(existing: Resource, incoming: Resource, event: VisitEvent, at: string | undefined): Resource {
  const isOver = ended.has(String(existing.status));
  // That a visit is over some event has said, whenever that was.
  if (!isNewer('status', existing, incoming, !isOver)) return existing;
  const changed: Resource = { ...existing, status: incoming.status! };
  stampOwn(changed, 'status', ownTime(incoming, 'status'));
  if (event.reopens) for (const path of reopenedPaths) clear(changed, path);
  if (incoming.status === 'finished') withEnd(changed, incoming);
  // Where the patient is newer messages say; whether the patient is here at all, the status.
  const leaves = event.movement === 'leave' || event.movement === 'unplan' ? event.movement : undefined;
  const movement = leaves ?? (event.reopens && isOver ? 'undo' : 'keep');
  setPlaces(changed, locationsAfter(existing.location, [], { movement }, at));
  addHistory(existing, changed, at);
  return changed;
}

function withPlace(existing: Resource, incoming: Resource, { movement }: VisitEvent, at: string | undefined): Resource {
  if (movement === 'leave') return existing;
  const isNowhere = !list(existing.location).some(({ status }) => status === 'active' || status === 'completed');
  if (!isNewer('place', existing, incoming, isNowhere)) return existing;
  const changed: Resource = { ...existing };
  stampOwn(changed, 'place', ownTime(incoming, 'place'));
  const moved = ended.has(String(existing.status)) ? 'leave' : movement;
  setPlaces(changed, locationsAfter(existing.location, incoming.location, { movement: moved }, at));
  return changed;
}

function setPlaces(visit: Resource, places: JsonObject[]): void {
  if (places.length > 0) visit.location = places;
  else delete visit.location;
}

/** Whether the event tells where the patient is. */
export const saysPlace = ({ movement }: VisitEvent, places: readonly JsonObject[]): boolean =>
  movement === 'leave' ||
  ((movement === 'arrive' || movement === 'undo') && places.some(({ status }) => status === 'active'));

/** Whether the message says it, and later than what is known of it; `otherwise` where nothing says when that was. */
function isNewer(what: OwnTime, existing: Resource, incoming: Resource, otherwise: boolean): boolean {
  const [before, now] = [msOf(ownTime(existing, what)), msOf(ownTime(incoming, what))];
  if (now === undefined) return false;
  return before === undefined ? otherwise : now > before;
}

function withoutEnd(incoming: Resource): Resource {
  if (incoming.hospitalization === undefined) return incoming;
  const {
    dischargeDisposition: _how,
    destination: _where,
    ...hospitalization
  } = incoming.hospitalization as JsonObject;
  return { ...incoming, hospitalization };
}

/** The class that R4 asks for, where no newer message has one. */
function withClass(existing: Resource, { class: sent }: Resource): Resource {
  const codes = [existing.class, sent].map((one) => (one as JsonObject | undefined)?.code);
  return codes[0] === 'UNK' && codes[1] !== 'UNK' ? { ...existing, class: sent! } : existing;
}

function withEnd(changed: Resource, { period: sent, hospitalization: left }: Resource): void {
  const period = { ...(sent as JsonObject | undefined), ...(changed.period as JsonObject | undefined) };
  const isSound = period.start === undefined || !(Date.parse(String(period.start)) > Date.parse(String(period.end)));
  if (isSound) changed.period = period;
  const { dischargeDisposition, destination } = (left ?? {}) as JsonObject;
  const parts = Object.entries({ dischargeDisposition, destination }).filter(([, value]) => value !== undefined);
  if (parts.length === 0) return;
  changed.hospitalization = {
    ...(Object.fromEntries(parts) as JsonObject),
    ...(changed.hospitalization as JsonObject | undefined),
  };
}

/** An admission that comes after what followed it says when the visit began, which nothing has said yet. */
function withBeginning(existing: Resource, { period: sent }: Resource): Resource {
  const { start } = (sent ?? {}) as JsonObject;
  const period = (existing.period ?? {}) as JsonObject;
  if (start === undefined || period.start !== undefined) return existing;
  const isOrdered = period.end === undefined || Date.parse(String(start)) <= Date.parse(String(period.end));
  return isOrdered ? { ...existing, period: { start, ...period } } : existing;
}
