// Hours in which alerts that are not severe wait, in the local time of a place.
import { wallClock } from '../../wall-clock.ts';
import { type QuietHours, rankOf } from '../rules/rule.ts';
import type { Severity } from '../seams.ts';

const dayMinutes = 1_440;
const minutesOf = (timeZone: string, ms: number): number => Math.floor(wallClock(ms, timeZone).seconds / 60);

/** The end of the quiet hours that the instant is in; undefined outside of them, and for what is too severe to wait. */
export function quietUntil(quiet: QuietHours, severity: Severity, ms: number): number | undefined {
  if (rankOf(severity) >= rankOf(quiet.below)) return undefined;
  const { fromMinutes: from, toMinutes: to, timeZone } = quiet;
  const isInside = (minutes: number) =>
    from <= to ? minutes >= from && minutes < to : minutes >= from || minutes < to;
  const now = minutesOf(timeZone, ms);
  if (!isInside(now)) return undefined;
  const end = startOfMinute(ms) + ((to - now + dayMinutes) % dayMinutes) * 60_000;
  // Where clocks are changed in between it is an hour off: moved to the minute that shows `to`.
  const off = ((to - minutesOf(timeZone, end) + dayMinutes + dayMinutes / 2) % dayMinutes) - dayMinutes / 2;
  let moved = end + off * 60_000;
  // Clocks that are put forward may leave out `to`: the first minute after the gap is the end.
  while (isInside(minutesOf(timeZone, moved))) moved += 60_000;
  return moved;
}

const startOfMinute = (ms: number): number => ms - (ms % 60_000);
