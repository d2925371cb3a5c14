// Messages that arrive late: what a resource says is as of its message's time (EVN-2, else MSH-7), which it carries along,
// so that an older message is told from a newer one. HL7 v2.9 chapter 2.13.9.7
import type { Json, JsonObject } from '#fhir-model';
import type { Hl7Message } from '../message/message.ts';
import { dateTime, type Zone } from './datetime.ts';

const messageTimeUrl = 'urn:cerebra:hl7v2-message-time';

/**
 * A visit's status and its place have times of their own, those of the events that last told of them: other messages about the visit,
 * newer ones too, say nothing of them. So has whether a patient is in use, of one who was deleted (A29).
 */
const ownTimeUrls = {
  status: 'urn:cerebra:hl7v2-status-time',
  place: 'urn:cerebra:hl7v2-place-time',
  active: 'urn:cerebra:hl7v2-active-time',
} as const;

export type OwnTime = keyof typeof ownTimeUrls;

/**
 * EVN-2, else MSH-7, as an instant; a day without a time of day is its beginning. An EVN-2 of that kind says less than an MSH-7 of
 * the same day: as its beginning, it would make the message older than all else of that day.
 */
export function messageTime(message: Hl7Message, zone: Zone): string | undefined {
  const [recorded, sent] = [message.get('EVN-2')?.trim(), message.get('MSH-7')?.trim()];
  const isVague = recorded?.length === 8 && sent?.startsWith(recorded) === true;
  return (isVague ? undefined : instantOf(recorded, zone)) ?? instantOf(sent, zone);
}

/** Clocks of senders differ from ours by minutes. */
const aheadMaxMs = 3_600_000;

/**
 * The message's time, or that of its arrival where it is further ahead than clocks differ: one message from a wrong clock, or
 * of a sender whose time zone is set wrong, would otherwise hold back all that is said of the same resources until its time has come.
 */
export function timeAsOf(
  sent: string | undefined,
  receivedMs: number | undefined,
  warn: () => void,
): string | undefined {
  if (sent === undefined || receivedMs === undefined || Date.parse(sent) <= receivedMs + aheadMaxMs) return sent;
  warn();
  return new Date(receivedMs).toISOString();
}

/** A DTM as an instant: years and months alone are none. */
export function instantOf(dtm: string | undefined, zone: Zone): string | undefined {
  const text = dtm?.trim();
  if (text === undefined || text.length < 8) return undefined;
  const value = dateTime(/^\d{8}$/.test(text) ? `${text}000000` : text, zone);
  return value?.includes('T') ? value : undefined;
}

/** Sets `meta.extension` of the resource; `time` as `2026-03-01T08:00:00+01:00`. */
export const stampWith = (resource: JsonObject, time: string | undefined): void => mark(resource, messageTimeUrl, time);

export const stampOwn = (resource: JsonObject, what: OwnTime, time: string | undefined): void =>
  mark(resource, ownTimeUrls[what], time);

function mark(resource: JsonObject, url: string, time: string | undefined): void {
  if (time === undefined) return;
  const meta = (resource.meta ?? {}) as JsonObject;
  const others = extensionsOf(meta).filter((extension) => extension.url !== url);
  resource.meta = { ...meta, extension: [...others, { url, valueInstant: time }] };
}

/** The time that a resource carries. */
export const stampText = (resource: JsonObject): string | undefined => markOf(resource, messageTimeUrl);

/** In milliseconds since 1970. */
export const stampMs = (resource: JsonObject): number | undefined => msOf(stampText(resource));

/** When its status or place was told, as text. */
export const ownTime = (resource: JsonObject, what: OwnTime): string | undefined => markOf(resource, ownTimeUrls[what]);

export function msOf(time: string | undefined): number | undefined {
  const ms = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}

function markOf(resource: JsonObject, url: string): string | undefined {
  const found = extensionsOf((resource.meta ?? {}) as JsonObject).find((extension) => extension.url === url);
  return found === undefined ? undefined : String(found.valueInstant);
}

/** Both resources' meta as one: the later one's extensions replace those of the same url. */
export function unitedMeta(existing: Json | undefined, incoming: Json | undefined): JsonObject {
  const before = (existing ?? {}) as JsonObject;
  const after = (incoming ?? {}) as JsonObject;
  const replaced = new Set(extensionsOf(after).map((extension) => extension.url));
  const extension = [...extensionsOf(before).filter((one) => !replaced.has(one.url)), ...extensionsOf(after)];
  return { ...before, ...after, ...(extension.length > 0 && { extension }) };
}

function extensionsOf(meta: JsonObject): JsonObject[] {
  return Array.isArray(meta.extension) ? (meta.extension as JsonObject[]) : [];
}

export interface Order {
  /** Told when a message is older than what is there. */
  warnings: { add(text: string): void };
  /** What nothing newer has told of is taken all the same: late.ts. */
  fills?: true;
  /** Of two of the same time the one that has come further stays: how far the resource has come, as a number. */
  rank?: (resource: JsonObject) => number;
}

/** Whether what is there is to stay as it is: it is newer, or of the same time and further. */
export function isOutdated(existing: JsonObject, incoming: JsonObject, { rank, warnings, fills }: Order): boolean {
  const [before, after] = [stampMs(existing), stampMs(incoming)];
  if (before === undefined || after === undefined || after > before) return false;
  const outdated = after < before || (rank !== undefined && rank(incoming) < rank(existing));
  const fate = fills === true ? 'only what nothing newer tells of is taken' : 'it stays as it is';
  if (outdated) warnings.add(`${String(incoming.resourceType)}: older than what is stored; ${fate}`);
  return outdated;
}
