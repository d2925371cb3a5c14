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
  new CerebraError('invalid-parameter', 'This _cursor is not one of a link of this search: start again at the first page', {
    expression: ['_cursor'],
  });

/** Throws `invalid-parameter` for anything that encodeCursor did not make for a search with `keys` sort keys. */
export function decodeCursor(text: string, keys: number): Cursor {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw bad();
  }
  if (!Array.isArray(parts) || parts.length !== keys + 1) throw bad();
  const [rid, ...rest] = parts as unknown[];
  if (typeof rid !== 'string' || !/^-?\d{1,18}$/.test(rid)) throw bad();
  if (!rest.every((key) => key === null || (typeof key === 'string' && key.length <= 200))) throw bad();
  return { rid, keys: rest as (string | null)[] };
}

