// How PostgreSQL's text output becomes JavaScript values: https://www.postgresql.org/docs/current/datatype.html
import pg from 'pg';

type Parser = (text: string) => unknown;

const oid = {
  int8: 20,
  int8Array: 1016,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  timestamptzArray: 1185,
  xid8: 5069,
  xid8Array: 271,
} as const;

const asText: Parser = (text) => text;

/** Years of four digits, UTC, and no more than milliseconds: what this server writes. */
const USUAL_LENGTH_MAX = '2026-01-31 12:34:56.789+00'.length;

/**
 * `2026-01-31 12:34:56.789012+00` → milliseconds since 1970, microseconds cut off. `infinity` → ±Infinity. The usual form
 * takes 0.2 µs, any other 1 µs.
 */
export function parseTimestamptz(text: string): number {
  if (text.length <= USUAL_LENGTH_MAX && text.endsWith('+00') && text.charCodeAt(10) === 0x20) {
    const usual = Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
    if (!Number.isNaN(usual)) return usual;
  }
  return parseAnyTimestamptz(text);
}

function parseAnyTimestamptz(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (text === '-infinity') return Number.NEGATIVE_INFINITY;
  const match =
    /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?$/.exec(
      text,
    );
  if (!match) throw new RangeError('timestamptz of an unknown form');
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHour, zoneMinute = 0, zoneSecond = 0, bc] =
    match;
  const date = new Date(0);
  // setUTCFullYear takes years below 100 as they are; Date.UTC would add 1900.
  date.setUTCFullYear(bc ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.slice(0, 3).padEnd(3, '0')));
  const zoneSeconds = Number(zoneHour) * 3600 + Number(zoneMinute) * 60 + Number(zoneSecond);
  return date.getTime() - (sign === '-' ? -1000 : 1000) * zoneSeconds;
}

function arrayOf(element: Parser): Parser {
  const parseTexts = pg.types.getTypeParser(1009 as number, 'text') as unknown as (text: string) => (string | null)[];
  return (text) => parseTexts(text).map((item) => (item === null ? null : element(item)));
}

const parsers = new Map<number, Parser>([
  [oid.int8, BigInt],
  [oid.xid8, BigInt],
  [oid.int8Array, arrayOf(BigInt)],
  [oid.xid8Array, arrayOf(BigInt)],
  [oid.timestamptz, parseTimestamptz as Parser],
  [oid.timestamptzArray, arrayOf(parseTimestamptz)],
  [oid.date, asText],
  [oid.timestamp, asText],
]);

/** For the pool's `types`: ours where we have one, else pg's own. pg's global table is left alone. */
export const typeParsers = {
  getTypeParser(typeOid: number, format?: 'text' | 'binary'): Parser {
    return (
      (format === 'binary' ? undefined : parsers.get(typeOid)) ??
      (pg.types.getTypeParser(typeOid, format as 'text') as unknown as Parser)
    );
  },
};
