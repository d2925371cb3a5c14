// Small parts of SQL that the store's statements share.
import type { Statement } from '#platform';

const statements = new Map<string, Statement>();

/** The prepared statement of that name, its text made on first use. The names are a closed set: type × index shape. */
export function named(name: string, text: () => string): Statement {
  let statement = statements.get(name);
  if (!statement) {
    statement = { name, text: text() };
    statements.set(name, statement);
  }
  return statement;
}

/** For `to_timestamp($n::float8)`. A double holds milliseconds since 1970 exactly. */
export const seconds = (ms: number): number => ms / 1000;
