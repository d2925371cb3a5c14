// Dates and times of different precision: https://hl7.org/fhirpath/#comparison

const TEMPORAL =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,12})?))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

interface Temporal {
  /** Year, month, day, hour, minute, second, as far as they go. */
  parts: number[];
  offsetMinutes: number | undefined;
}

function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined) return undefined;
  if (zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith('-') ? -minutes : minutes;
}

function parse(text: string): Temporal | undefined {
  const match = TEMPORAL.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1, 7).filter((part) => part !== undefined);
  return { parts: parts.map(Number), offsetMinutes: offsetOf(match[7]) };
}

const TIME = /^(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,12})?))?)?$/;

function parseTime(text: string): Temporal | undefined {
  const parts = TIME.exec(text)
    ?.slice(1)
    .filter((part) => part !== undefined);
  return parts && { parts: parts.map(Number), offsetMinutes: undefined };
}

/** Seconds on one clock for all. */
function seconds({ parts, offsetMinutes }: Temporal): number {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute - (offsetMinutes ?? 0)) / 1000 + second;
}

/** To the second, in one time zone: the texts have the order of the times. Most periods are so. */
function areAlike(a: string, b: string): boolean {
  return (
    a.length === b.length && a.length > 19 && a.charAt(10) === 'T' && a.endsWith(b.slice(19)) && a.charAt(19) !== '.'
  );
}

/**
 * Negative, 0 or positive as `a` is before, at or after `b`; 'open' where one is less precise than the other and the same as
 * far as it goes, or only one has a time zone; undefined when one is no date.
 */
export function compareTemporals(a: string, b: string): number | 'open' | undefined {
  if (a === b) return 0;
  if (areAlike(a, b)) return a < b ? -1 : 1;
  const x = parse(a);
  const y = parse(b);
  if (x === undefined || y === undefined) return undefined;
  if (x.parts.length === 6 && y.parts.length === 6) {
    return (x.offsetMinutes === undefined) === (y.offsetMinutes === undefined) ? seconds(x) - seconds(y) : 'open';
  }
  return compareParts(x, y);
}

/** The same of times of day. */
export function compareTimes(a: string, b: string): number | 'open' | undefined {
  const x = parseTime(a);
  const y = parseTime(b);
  return x === undefined || y === undefined ? undefined : compareParts(x, y);
}

function compareParts(x: Temporal, y: Temporal): number | 'open' {
  const common = Math.min(x.parts.length, y.parts.length);
  for (let at = 0; at < common; at++) {
    const difference = (x.parts[at] ?? 0) - (y.parts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.parts.length === y.parts.length ? 0 : 'open';
}
