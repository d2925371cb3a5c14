// Keyset paging: a page goes on after the last row's sort keys and rid, so that it neither skips nor repeats while
// others write. https://hl7.org/fhir/R4/http.html#paging
import { CerebraError } from '#platform';

export interface Cursor {
  /** Sort keys of the last row as text; null where it has no value. Empty for the default order. */
  keys: (string | null)[];
  rid: string;
}

export const encodeCursor = (cursor: Cursor): string =>
  Buffer.from(JSON.stringify([cursor.rid, ...cursor.keys])).toString('base64url');

const bad = (): CerebraError =>
  new CerebraError(
    'invalid-parameter',
    'This _cursor is not one of a link of this search: start again at the first page',
    {
      expression: ['_cursor'],
    },
  );

export type KeyCast = 'bigint' | 'numeric' | 'text';

const isBigint = (text: string): boolean =>
  /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);

/** Whether the text is a key that a column of that type can have had. */
const isKey: Record<KeyCast, (text: string) => boolean> = {
  bigint: isBigint,
  numeric: (text) => /^-?\d{1,400}(?:\.\d{1,400})?$/.test(text),
  text: (text) => text.length <= 200 && !text.includes('\u0000'),
};

/** Throws `invalid-parameter` for anything that encodeCursor did not make for a search with keys of these types. */
export function decodeCursor(text: string, casts: readonly KeyCast[]): Cursor {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw bad();
  }
  if (!Array.isArray(parts) || parts.length !== casts.length + 1) throw bad();
  const [rid, ...keys] = parts as unknown[];
  if (typeof rid !== 'string' || !isBigint(rid)) throw bad();
  const known = keys.every((key, i) => key === null || (typeof key === 'string' && isKey[casts[i]!](key)));
  if (!known) throw bad();
  return { rid, keys: keys as (string | null)[] };
}
