// SQL text with its values: values never enter the text.
import { CerebraError, type Statement } from '#platform';

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
const NOT_TEXT = '(?<!\\\\)(\\\\\\\\)*\\\\u(0000|d[89a-f])';

/** Numbers of 200 digits, or of exponents of four: jsonb refuses those that numeric can't hold, from 1e131072 on. */
const LONG_NUMBER = '([:,[])-?([0-9.]{200}[-+0-9.eE]*|[0-9.]+[eE][-+]?0*[1-9][0-9]{3}[0-9]*)';

/** What such a number has in a body that is too short for the digits: numeric takes 16,383 behind the point. */
const LONG_EXPONENT = '[:,[]-?[0-9.]+[eE][-+]?[0-9]{4}';
const SHORT_BYTES = 15_000;

/**
 * A body as jsonb, without such numbers, since nobody reads numbers of it: one that is refused would stop every search. Most are
 * short and have none: one of 800 characters takes 15 µs so, and 78 where each of its numbers is measured.
 */
export const jsonOf = (body: string): string =>
  `case when octet_length(${body}) < ${SHORT_BYTES} and ${body} !~ '${NOT_TEXT}|${LONG_EXPONENT}' then ${body}::jsonb
    when ${body} !~ '${NOT_TEXT}' then regexp_replace(${body}, '${LONG_NUMBER}', '\\1null', 'g')::jsonb end`;

/** A message of PostgreSQL's protocol counts parameters up to 65,535; some are left for the access scope and the page's text. */
const VALUES_MAX = 65_000;

export function createSql(): SqlBuilder {
  const values: unknown[] = [];
  let aliases = 0;
  return {
    values,
    value(value) {
      if (values.length >= VALUES_MAX) {
        const text = `The search comes to more than ${VALUES_MAX} comparisons, units that mean the same included: give fewer alternatives`;
        throw new CerebraError('too-costly', text);
      }
      values.push(value);
      return `$${values.length}`;
    },
    alias: () => `t${++aliases}`,
  };
}

/** Shapes that are prepared by name; PostgreSQL keeps a plan of each per connection, some 20 kB. */
const NAMED_SHAPES_MAX = 500;
/** Longer ones have hundreds of alternatives, and are as long as these happen to be many. */
const NAMED_CHARACTERS_MAX = 20_000;
const names = new Map<string, string>();

/** Common shapes become prepared statements: the text has no values in it, so a shape is a text. */
export function statementFor(text: string): Statement {
  let name = names.get(text);
  if (!name) {
    if (names.size >= NAMED_SHAPES_MAX || text.length > NAMED_CHARACTERS_MAX) return { text, planned: 'by-values' };
    name = `search_${names.size}`;
    names.set(text, name);
  }
  return { name, text, planned: 'by-values' };
}
