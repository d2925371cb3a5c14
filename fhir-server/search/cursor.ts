// Keyset paging: a page goes on after the last row's sort keys and rid, so that it neither skips nor repeats while
// others write. https://hl7.org/fhir/R4/http.html#paging
import type { SearchQuery } from '#fhir-model';
import { CerebraError } from '#platform';

export interface Cursor {
  /** Sort keys of the last row as text; null where it has no value. Empty for the default order. */
  keys: (string | null)[];
  rid: string;
  /** How many parameters of the search were criteria. */
  given?: number;
}

export const encodeCursor = ({ rid, keys, given }: Cursor): string =>
  Buffer.from(JSON.stringify([rid, ...keys, ...(given === undefined ? [] : [given])])).toString('base64url');

const bad = (): CerebraError =>
  new CerebraError(
    'invalid-parameter',
    'This _cursor is not one of a link of this search: start again at the first page',
    {
      expression: ['_cursor'],
    },
  );

export type KeyCast = 'bigint' | 'numeric' | 'text';
/** What a key may be: of its column's type, or the time of a change as milliseconds. */
export type KeyKind = KeyCast | 'instant';

const isBigint = (text: string): boolean =>
  /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);

/** The years 1 to 9999. PostgreSQL has no timestamp for most of the others that a bigint can tell. */
const isInstant = (text: string): boolean =>
  isBigint(text) && Number(text) >= -62_135_596_800_000 && Number(text) < 253_402_300_800_000;

/** Whether the text is a key that a column of that type can have had. */
const isKey: Record<KeyKind, (text: string) => boolean> = {
  bigint: isBigint,
  instant: isInstant,
  numeric: (text) => /^-?\d{1,400}(?:\.\d{1,400})?$/.test(text),
  text: (text) => text.length <= 200 && !text.includes('\u0000'),
};

/** Throws `invalid-parameter` for anything that encodeCursor did not make for a search with keys of these types. */
export function decodeCursor(text: string, kinds: readonly KeyKind[]): Cursor {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw bad();
  }
  if (!Array.isArray(parts)) throw bad();
  const last: unknown = parts.at(-1);
  const given = typeof last === 'number' ? last : undefined;
  const [rid, ...keys] = given === undefined ? (parts as unknown[]) : parts.slice(0, -1);
  if (keys.length !== kinds.length) throw bad();
  if (typeof rid !== 'string' || !isBigint(rid)) throw bad();
  const known = keys.every((key, i) => key === null || (typeof key === 'string' && isKey[kinds[i]!](key)));
  if (!known) throw bad();
  return { rid, keys: keys as (string | null)[], ...(given !== undefined && { given }) };
}

/**
 * Throws where the page before had criteria that this one has not: a custom parameter that was taken away meanwhile would be
 * ignored, and what follows be of all resources.
 */
export function assertSameSearch({ given = 0 }: Cursor, query: Pick<SearchQuery, 'given' | 'ignored'>): void {
  if (given <= (query.given ?? 0)) return;
  const [name] = query.ignored;
  if (name === undefined) throw bad();
  throw new CerebraError(
    'unknown-parameter',
    `'${name.slice(0, 80)}' is a search parameter no more, so that the search can't go on: start again at the first page`,
    { expression: [name] },
  );
}
