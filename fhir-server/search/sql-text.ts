// SQL text with its values: values never enter the text.
import type { Statement } from '#platform';

export interface Sql {
  text: string;
  values: unknown[];
}

export interface SqlBuilder {
  /** Adds a value, yields its placeholder `$n`. */
  value(value: unknown): string;
  /** A new table alias. */
  alias(): string;
  readonly values: unknown[];
}

/** Escapes that JSON text may have and jsonb refuses: NUL and halves of surrogate pairs. Of such a resource nothing is read. */
export const NOT_JSONB = '(?<!\\\\)(\\\\\\\\)*\\\\u(0000|d[89a-f])';

export function createSql(): SqlBuilder {
  const values: unknown[] = [];
  let aliases = 0;
  return {
    values,
    value(value) {
      values.push(value);
      return `$${values.length}`;
    },
    alias: () => `t${++aliases}`,
  };
}

/** Shapes that are prepared by name; PostgreSQL keeps a plan of each per connection, some 20 kB. */
const NAMED_SHAPES_MAX = 500;
const names = new Map<string, string>();

/** Common shapes become prepared statements: the text has no values in it, so a shape is a text. */
export function statementFor(text: string): Statement {
  let name = names.get(text);
  if (!name) {
    if (names.size >= NAMED_SHAPES_MAX) return { text, planned: 'by-values' };
    name = `search_${names.size}`;
    names.set(text, name);
  }
  return { name, text, planned: 'by-values' };
}
