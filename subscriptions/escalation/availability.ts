// Whether somebody is on call at an instant: https://hl7.org/fhir/R4/practitionerrole-definitions.html#PractitionerRole.availableTime
// Hours are those of a clock on the wall, in the configured time zone.
import { type Json, type JsonObject, objectsOf } from '#fhir-model';
import { days, type WallClock, wallClock } from '../wall-clock.ts';

/** Periods with a date only, or less, are whole days, months or years of the zone. https://hl7.org/fhir/R4/datatypes.html#Period */
export function isWithin(period: Json | undefined, atMs: number, timeZone: string): boolean {
  const { start, end } = (period ?? {}) as JsonObject;
  return (
    (typeof start !== 'string' || compare(start, atMs, timeZone) <= 0) &&
    (typeof end !== 'string' || compare(end, atMs, timeZone) >= 0)
  );
}

/** Where the dateTime stands to the instant: before (-1), after (1), or the instant lies within what it names (0). */
function compare(dateTime: string, atMs: number, timeZone: string): number {
  if (dateTime.includes('T')) {
    const ms = Date.parse(dateTime);
    // 23:59:59 is the whole second: the next period begins with the one after it.
    const lastMs = /:\d\d\.\d/.test(dateTime) ? ms : ms + 999;
    return lastMs < atMs ? -1 : ms > atMs ? 1 : 0;
  }
  const date = wallClock(atMs, timeZone).date.slice(0, dateTime.length);
  return dateTime < date ? -1 : dateTime > date ? 1 : 0;
}

/** `08:00:00` in seconds. */
function secondsOf(time: Json | undefined): number | undefined {
  const match = typeof time === 'string' ? /^(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?$/.exec(time) : null;
  return match ? Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3] ?? 0) : undefined;
}

const daySeconds = 24 * 3600;

/** A time has no 24:00: 23:59, and 59 seconds of any minute, stand for the instant after it. */
function endOf(time: Json | undefined): number {
  const end = secondsOf(time) ?? daySeconds;
  if (end >= daySeconds - 60) return daySeconds;
  return end % 60 === 59 ? end + 1 : end;
}

/** Without a day every day is meant. An end before the start is on the next day: the night belongs to the day it begins. */
function covers(time: JsonObject, { day, seconds }: WallClock): boolean {
  const on = Array.isArray(time.daysOfWeek) && time.daysOfWeek.length > 0 ? time.daysOfWeek : days;
  const today = on.includes(day);
  if (time.allDay === true) return today;
  const start = secondsOf(time.availableStartTime) ?? 0;
  const end = endOf(time.availableEndTime);
  if (start < end) return today && seconds >= start && seconds < end;
  const yesterday = on.includes(days[(days.indexOf(day) + 6) % 7]!);
  return (today && seconds >= start) || (yesterday && seconds < end);
}

/** Of a PractitionerRole by itself: active, in its period, not away, and within its hours where it has some. */
export function isAvailable(role: JsonObject, atMs: number, timeZone: string): boolean {
  if (role.active === false || !isWithin(role.period, atMs, timeZone)) return false;
  // Without a period it says what it is, not when.
  const away = objectsOf(role.notAvailable).filter(({ during }) => during !== undefined);
  if (away.some(({ during }) => isWithin(during, atMs, timeZone))) return false;
  const hours = objectsOf(role.availableTime);
  const clock = wallClock(atMs, timeZone);
  return hours.length === 0 || hours.some((time) => covers(time, clock));
}
