// DTM (HL7 v2.9 chapter 2A.3.22) to dateTime, date, instant and time: https://hl7.org/fhir/R4/datatypes.html#dateTime

/** The offset that holds where a time names none. */
export interface Zone {
  /** `Z` or `+02:00`, for a wall-clock time given as if it were UTC, in milliseconds. */
  offsetAt(wallMs: number): string;
}

export function fixedZone(offset: string): Zone {
  return { offsetAt: () => offset };
}

/** An IANA zone. Throws RangeError for an unknown name. */
export function namedZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  if (name === 'UTC') return fixedZone('Z');
  const offsetOf = (ms: number): string => {
    const text =
      format
        .formatToParts(ms)
        .find((part) => part.type === 'timeZoneName')
        ?.value.slice(3) ?? '';
    // Local mean time had seconds (Monrovia until 1972: -00:44:30), which FHIR's offsets have not.
    return text === '' ? 'Z' : text.slice(0, '+00:00'.length);
  };
  return {
    // What the clocks go back over means the first of the two, and what they leave out is of a clock that has not been changed:
    // https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5. So no time comes before one that a clock showed earlier.
    offsetAt(wallMs) {
      const before = offsetOf(wallMs - dayMs);
      const after = offsetOf(wallMs + dayMs);
      const holds = (offset: string): boolean => offsetOf(wallMs - offsetMs(offset)) === offset;
      return before === after || holds(before) || !holds(after) ? before : after;
    },
  };
}

/** More than any offset: clocks change less often. */
const dayMs = 86_400_000;

function offsetMs(offset: string): number {
  const match = /^([+-])(\d\d):(\d\d)$/.exec(offset);
  if (!match) return 0;
  return (match[1] === '-' ? -60_000 : 60_000) * (Number(match[2]) * 60 + Number(match[3]));
}

interface Dtm {
  year: string;
  month: string | undefined;
  day: string | undefined;
  hour: string | undefined;
  minute: string;
  second: string;
  fraction: string;
  offset: string | undefined;
}

const dtm = /^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9})?)?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?$/;

/** ISO 8601's mark of UTC, which DTM has not and some senders write. */
const utcMark = /(?<=^\d{10,14}(?:\.\d*)?)Z$/;

function parse(text: string | undefined): Dtm | undefined {
  const match = text === undefined ? null : dtm.exec(text.trim().replace(utcMark, '+0000'));
  if (!match) return undefined;
  const [, year = '', month, day, hour, minute = '00', second = '00', fraction = '', sign, zoneHour, zoneMinute] =
    match;
  if (year === '0000' || !isDay(year, month, day)) return undefined;
  const isDaysEnd = hour === '24' && /^0*$/.test(minute + second + fraction);
  if ((Number(hour ?? 0) > 23 && !isDaysEnd) || Number(minute) > 59 || Number(second) > 59) return undefined;
  // +14:00 (Kiritimati) is the furthest.
  if (Number(zoneMinute ?? 0) > 59 || Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0) > 14 * 60) return undefined;
  const offset = sign === undefined ? undefined : `${sign}${zoneHour}:${zoneMinute}`;
  const parsed = { year, month, day, hour, minute, second, fraction, offset };
  return isDaysEnd ? nextDay(parsed) : parsed;
}

/**
 * 2400 is the end of the day in ISO 8601, and what some laboratories and timed orders write. HL7 v2 writes midnight as 0000
 * of the day that begins, and FHIR has no hour 24, so that it becomes 00:00 of the next day.
 */
function nextDay(time: Dtm): Dtm | undefined {
  const next = new Date(Date.parse(`${dateText(time)}T00:00:00Z`) + 86_400_000).toISOString();
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)T/.exec(next) ?? [];
  return year === undefined ? undefined : { ...time, year, month, day, hour: '00' };
}

function isDay(year: string, month: string | undefined, day: string | undefined): boolean {
  if (month === undefined) return true;
  const monthNumber = Number(month);
  if (monthNumber < 1 || monthNumber > 12) return false;
  if (day === undefined) return true;
  const days = monthNumber === 2 && isLeapYear(Number(year)) ? 29 : monthDays[monthNumber - 1]!;
  return Number(day) >= 1 && Number(day) <= days;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function dateText({ year, month, day }: Dtm): string {
  return [year, month, day].filter((part) => part !== undefined).join('-');
}

/** Precision as sent: year, month, day, or second with offset; FHIR has no hours or minutes alone. Undefined if no DTM. */
export function dateTime(text: string | undefined, zone: Zone): string | undefined {
  if (text === undefined || text.length > textMax) return undefined;
  const known = recent.get(text);
  if (known?.zone === zone) return known.value;
  if (recent.size >= recentMax) recent.clear();
  const value = readDateTime(text, zone);
  recent.set(text, { zone, value });
  return value;
}

/** A message says the same time in many of its segments: half of the times of an ORU^R01 are read once. */
const recent = new Map<string, { zone: Zone; value: string | undefined }>();
const recentMax = 64;
/** Characters; a DTM has 29 at most. */
const textMax = 64;

function readDateTime(text: string, zone: Zone): string | undefined {
  const parsed = parse(text);
  if (parsed === undefined || parsed.hour === undefined) return parsed === undefined ? undefined : dateText(parsed);
  const { hour, minute, second, fraction } = parsed;
  const wall = `${dateText(parsed)}T${hour}:${minute}:${second}`;
  const offset = parsed.offset ?? zone.offsetAt(Date.parse(`${wall}Z`));
  return `${wall}${fraction === '' ? '' : `.${fraction}`}${offset}`;
}

/** The day, month or year, without the time of day. */
export function date(text: string | undefined): string | undefined {
  const parsed = parse(text);
  return parsed === undefined ? undefined : dateText(parsed);
}

/** Only for a value that has at least the hour. */
export function instant(text: string | undefined, zone: Zone): string | undefined {
  const value = dateTime(text, zone);
  return value?.includes('T') ? value : undefined;
}

/** TM: HH[MM[SS[.S]]]; an offset is left out, FHIR's time has none. 2400 shows on a clock as 0000. */
export function time(text: string | undefined): string | undefined {
  const match = /^(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,9})?)?)?(?:[+-]\d{4})?$/.exec(text?.trim() ?? '');
  if (!match) return undefined;
  const [, hour = '', minute = '00', second = '00', fraction = ''] = match;
  if (hour === '24' && /^[0.]*$/.test(minute + second + fraction)) return `00:00:00${fraction}`;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  return `${hour}:${minute}:${second}${fraction}`;
}

/** The offset a DTM carries, `+02:00`. */
export function offsetOf(text: string | undefined): string | undefined {
  return parse(text)?.offset;
}
