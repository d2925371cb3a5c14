// A formula over one concept as an SQL condition on the row `c` of a system's concept table.
import { asArray } from './code-system.ts';
import { eclSql, REFSET_PROPERTY } from './ecl.ts';
import { foldCode } from './system-codes.ts';
import { type TableSystem, tableOf } from './tables.ts';
import type { Field, Formula } from './value-set-formula.ts';
import { wholePattern } from './value-set-regex.ts';

export interface Ground {
  table: TableSystem;
  /** Where the codes stand that the formula names as places in the hierarchy. */
  places: ReadonlyMap<string, { n: number; descendants: number }>;
  /** `$7` */
  parameter(value: unknown): string;
}

const columns = new Set(['code', 'display', 'definition', 'status']);

/** Some property of the concept fulfils the test; `p` is the property's row. */
function propertySql({ table, parameter }: Ground, code: string, test: string): string {
  const property = tableOf('concept_property', table.cs);
  return `exists (select from ${property} p where p.n = c.n and p.code = ${parameter(code)}${test})`;
}

function valueSql(ground: Ground, field: Field, test: (value: string) => string): string {
  if (typeof field === 'string') return columns.has(field) ? `coalesce(${test(`c.${field}`)}, false)` : 'false';
  return propertySql(ground, field.property, ` and ${test('p.value')}`);
}

const LOINC = 'http://loinc.org';

const PART = /^LP\d+-\d$/;

/**
 * Whether some of the values may be the name of a part: LOINC's axes are parts, a Coding each, or their names where the
 * release has no part links. Names have no index: 100,000 rows of an axis are read for them, for codes of parts none but theirs.
 */
export const mayBeNames = (
  { url, about }: Pick<TableSystem, 'url' | 'about'>,
  property: string,
  values: readonly string[],
): boolean =>
  url === LOINC &&
  asArray(about.property).some(({ code, type }) => code === property && type === 'Coding') &&
  !values.every((value) => PART.test(value));

/**
 * Filters name parts by their code, or by their name in any case: R4's value set of document types has `SCALE_TYP = Doc`, US
 * Core's `DOC`.
 */
export function oneOfSql({ table, parameter }: Ground, field: Field, values: readonly string[], value: string): string {
  const listed = `${value} = any(${parameter([...values])}::text[])`;
  if (typeof field === 'string' || !mayBeNames(table, field.property, values)) return listed;
  const names = parameter(values.map(foldCode));
  return `(${listed} or lower(coalesce(p.display, p.value) collate "C") = any(${names}::text[]))`;
}

function existsSql(ground: Ground, field: Field): string {
  if (typeof field === 'string') return columns.has(field) ? `c.${field} is not null` : 'false';
  if (field.property !== 'parent') return propertySql(ground, field.property, '');
  return `exists (select from ${tableOf('concept_lineage', ground.table.cs)} l where l.n = c.n and l.parents <> '{}')`;
}

/**
 * One look into an index for each concept that is tested. Without the limit the planner may read all that lies below
 * first: 137,000 numbers for a page of twenty.
 */
const isThere = (rows: string): string => `coalesce((select true ${rows} limit 1), false)`;

function hierarchySql(ground: Ground, formula: Formula & { code: string }): string {
  const { cs } = ground.table;
  const place = `${ground.parameter(ground.places.get(formula.code)!.n)}::int`;
  const closure = tableOf('concept_closure', cs);
  const child = tableOf('concept_child', cs);
  const below = isThere(`from ${closure} k where k.ancestor = ${place} and k.descendant = c.n`);
  switch (formula.kind) {
    case 'childOf':
      return isThere(`from ${child} k where k.parent = ${place} and k.child = c.n`);
    case 'parentOf':
      return isThere(`from ${child} k where k.parent = c.n and k.child = ${place}`);
    case 'leafBelow':
      return `(${below} and not ${isThere(`from ${child} k where k.parent = c.n`)})`;
    case 'above':
    case 'below': {
      const found =
        formula.kind === 'below'
          ? below
          : `c.n = any(array(select unnest(ancestors) from ${tableOf('concept_lineage', cs)} where n = ${place}))`;
      return formula.self ? `(c.n = ${place} or ${found})` : found;
    }
    default:
      return 'false';
  }
}

/** The numbers that the expression selects; its parameters join those that are there. */
export function eclSource({ table, parameter }: Ground, expression: string): string {
  const values: unknown[] = [];
  const text = eclSql(expression, table.cs, values);
  return text.replace(/\$(\d+)/g, (_, i: string) => parameter(values[Number(i) - 1]));
}

/** SQL that is true or false, never null: it may be negated. */
export function conditionSql(ground: Ground, formula: Formula): string {
  const { table, parameter } = ground;
  switch (formula.kind) {
    case 'all':
      return 'true';
    case 'none':
      return 'false';
    case 'inactive':
      return 'c.inactive';
    case 'abstract':
      return 'c.abstract';
    case 'codes': {
      const fold = (code: string): string => (table.caseSensitive ? code : foldCode(code));
      const codes = parameter([...formula.codes].map(fold));
      return `${table.caseSensitive ? 'c.code' : 'lower(c.code)'} = any(${codes}::text[])`;
    }
    case 'and':
    case 'or':
      return `(${formula.of.map((part) => conditionSql(ground, part)).join(` ${formula.kind} `)})`;
    case 'not':
      return `not ${conditionSql(ground, formula.of)}`;
    case 'value':
      return valueSql(ground, formula.field, (value) => oneOfSql(ground, formula.field, formula.anyOf, value));
    case 'regex':
      return valueSql(ground, formula.field, (value) => `${value} ~ ${parameter(wholePattern(formula.pattern))}`);
    case 'exists':
      return existsSql(ground, formula.field);
    case 'member':
      return propertySql(ground, REFSET_PROPERTY, ` and p.value = ${parameter(formula.of)}`);
    case 'ecl':
      return `c.n in (${eclSource(ground, formula.expression)})`;
    default:
      return hierarchySql(ground, formula);
  }
}

const wordsQuery = ({ parameter }: Ground, words: readonly string[]): string =>
  // Letters and digits only: nothing in them means anything to tsquery.
  `${parameter(words.map((word) => `'${word}':*`).join(' & '))}::tsquery`;

/** As wordsSql, of one concept after another. */
export function eachWordSql(ground: Ground, words: readonly string[]): string {
  const query = wordsQuery(ground, words);
  const own = `c.words @@ ${query}`;
  if (ground.table.designations === 0) return own;
  const designation = tableOf('concept_designation', ground.table.cs);
  return `(${own} or exists (select from ${designation} d where d.n = c.n and d.words @@ ${query}))`;
}

/** Each word begins a word of code or display, or all of them begin words of one designation. */
export function wordsSql(ground: Ground, words: readonly string[]): string {
  const { table } = ground;
  const query = wordsQuery(ground, words);
  const own = `c.words @@ ${query}`;
  if (table.designations === 0) return own;
  const designation = tableOf('concept_designation', table.cs);
  return `c.n = any(array(select w.n from ${tableOf('concept', table.cs)} w where w.words @@ ${query}
    union select d.n from ${designation} d where d.words @@ ${query}))`;
}
