// Dates as ranges of their precision: https://hl7.org/fhir/R4/search.html#date and https://hl7.org/fhir/R4/datatypes.html#dateTime

/** Milliseconds since 1970 UTC, both inclusive. */
export interface DateRange {
  lo: number;
  hi: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const ZERO = 48;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `count` digits at `at` as a number, -1 if one of them is no digit. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

const monthDays = (year: number, month: number): number =>
  month === 2 && isLeap(year) ? 29 : (MONTH_DAYS[month - 1] as number);

/** Days since 1970-01-01 of the proleptic Gregorian calendar, counting years from March (Date.UTC misreads years below 100). */
function epochDays(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** Offset in ms of the zone at `at` up to the end of the text; NaN if it is none. `+` may have been decoded to a space. */
function zoneMs(text: string, at: number): number {
  if (at === text.length) return 0;
  const sign = text[at];
  if (sign === 'Z') return at + 1 === text.length ? 0 : Number.NaN;
  if ((sign !== '+' && sign !== '-' && sign !== ' ') || text.length !== at + 6 || text[at + 3] !== ':')
    return Number.NaN;
  const hours = digits(text, at + 1, 2);
  const minutes = digits(text, at + 4, 2);
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return Number.NaN;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
}

/** The fraction of a second at `at`: where it ends, its whole milliseconds, and the width its digits leave open. */
function fraction(text: string, at: number): { end: number; ms: number; widthMs: number } | undefined {
  let end = at;
  while (digits(text, end, 1) >= 0) end++;
  if (end === at) return undefined;
  const widthMs = end - at === 1 ? 100 : end - at === 2 ? 10 : 1;
  return { end, ms: digits(text, at, Math.min(end - at, 3)) * widthMs, widthMs };
}

/** The range of the time that starts at `at`, on the day that starts at `dayMs`. */
function timeRange(text: string, at: number, dayMs: number): DateRange | undefined {
  const hour = digits(text, at, 2);
  const minute = digits(text, at + 3, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || text[at + 2] !== ':') return undefined;
  let lo = dayMs + (hour * 60 + minute) * MINUTE_MS;
  let widthMs = MINUTE_MS;
  let end = at + 5;
  if (text[end] === ':') {
    const second = digits(text, end + 1, 2);
    if (second < 0 || second > 60) return undefined;
    lo += second * 1000;
    widthMs = 1000;
    end += 3;
    if (text[end] === '.') {
      const part = fraction(text, end + 1);
      if (part === undefined) return undefined;
      lo += part.ms;
      widthMs = part.widthMs;
      end = part.end;
    }
  }
  const offsetMs = zoneMs(text, end);
  if (Number.isNaN(offsetMs)) return undefined;
  lo -= offsetMs;
  return { lo, hi: lo + widthMs - 1 };
}

/**
 * The range that a FHIR date, dateTime or instant covers: `2013` the year, `2013-01-14` the day, `…T10:00` the minute.
 * Without a zone it is UTC. Undefined if the text is no such date or names a day that does not exist.
 */
export function parseDateRange(text: string): DateRange | undefined {
  const length = text.length;
  const year = digits(text, 0, 4);
  if (year < 1) return undefined;
  if (length === 4) return { lo: epochDays(year, 1, 1) * DAY_MS, hi: epochDays(year + 1, 1, 1) * DAY_MS - 1 };
  const month = digits(text, 5, 2);
  if (text[4] !== '-' || month < 1 || month > 12) return undefined;
  const firstMs = epochDays(year, month, 1) * DAY_MS;
  if (length === 7) return { lo: firstMs, hi: firstMs + monthDays(year, month) * DAY_MS - 1 };
  const day = digits(text, 8, 2);
  if (text[7] !== '-' || day < 1 || day > monthDays(year, month)) return undefined;
  const dayMs = firstMs + (day - 1) * DAY_MS;
  if (length === 10) return { lo: dayMs, hi: dayMs + DAY_MS - 1 };
  return text[10] === 'T' ? timeRange(text, 11, dayMs) : undefined;
}
