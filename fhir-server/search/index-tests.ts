// The parts that SQL conditions on index rows are put together from: https://hl7.org/fhir/R4/search.html
import type { AccessScope, Criterion, SearchParam } from '#fhir-model';
import { indexedAs } from '../store/index-rows.ts';
import type { CanonicalLink } from './by-url.ts';
import type { SqlBuilder } from './sql-text.ts';
import type { Places } from './within.ts';

export interface ConditionContext {
  sql: SqlBuilder;
  scope: AccessScope;
  resourceTypes: readonly string[];
  /** For `ap` on dates. */
  nowMs: number;
  /**
   * `join`: index rows as `rid in (…)`, for the planner to choose the way; `probe`: looked up row by row, where few
   * resources are left to be tested.
   */
  style: 'join' | 'probe';
  /** Of criteria on other resources, where resolve.ts has found them: see there. */
  joins?: ReadonlyMap<Criterion, readonly string[]> | undefined;
  /** What look-up.ts has put in the place of criteria. */
  found?: ReadonlyMap<Criterion, Criterion> | undefined;
  /** What chains ask of contained resources. */
  within?: ReadonlyMap<Criterion, Places> | undefined;
  /** What chains and `_has` mean by canonical URL. */
  canonicals?: ReadonlyMap<Criterion, CanonicalLink> | undefined;
}

/** The index rows `x` of a parameter. */
export function ofParam(sql: SqlBuilder, x: string, param: SearchParam): string {
  const [first, ...rest] = indexedAs(param);
  if (rest.length === 0) return `${x}.param = ${sql.value(first!.key)}`;
  return `${x}.param = any(${sql.value([first!, ...rest].map(({ key }) => key))}::int[])`;
}

/**
 * `column` is `value`, which few rows have, as the planner is made to believe: where it has no statistics it takes each of the
 * three conditions for one row of 200. By one alone it expected thousands of rows of a resource; what a chain tests of so many
 * is so dear that it found no difference between ways to them, and read the whole table: of 700,000 references 20 ms for each
 * resource of a walk, 22 s a page, now 8 ms. With statistics nothing changes.
 */
export const isOf = (column: string, value: string): string =>
  `${column} = ${value} and ${column} + 0 = ${value} and ${column} - 0 = ${value}`;

/**
 * The rows of one resource in an index table. OFFSET 0 keeps every other condition out: without statistics the planner
 * takes an index that begins with `param` and reads all values of the parameter for each resource (4 ms instead of 0.01).
 */
export const rowsOf = (table: string, m: string): string =>
  `(select * from ${table} where ${isOf('rid', `${m}.rid`)} offset 0)`;

/** A condition that rows of an index table meet, for a criterion or for several that mean the same row. */
export interface IndexTest {
  table: string;
  param: SearchParam;
  test(x: string): string;
  /** Conditions that an index finds, one of which each such row meets and no other row; absent: the test is one. */
  arms?(x: string): string[];
}

/** The resource `m` has an index row that meets the test. */
export function inIndex(ctx: ConditionContext, { table, param, test }: IndexTest, m: string): string {
  const x = ctx.sql.alias();
  const where = `where ${ofParam(ctx.sql, x, param)} and ${test(x)}`;
  if (ctx.style === 'join') return `${m}.rid in (select ${x}.rid from ${table} ${x} ${where})`;
  return `exists (select 1 from ${rowsOf(table, m)} ${x} ${where})`;
}

/** The rids that meet the test, some more than once. */
export function indexedRids(ctx: ConditionContext, { table, param, test, arms }: IndexTest): string {
  const x = ctx.sql.alias();
  const from = `select ${x}.rid from ${table} ${x} where ${ofParam(ctx.sql, x, param)}`;
  return (arms?.(x) ?? [test(x)]).map((one) => `${from} and ${one}`).join(' union all ');
}

export const or = (parts: string[]): string => (parts.length === 1 ? parts[0]! : `(${parts.join(' or ')})`);

const hasAny = (ctx: ConditionContext, column: string, hashes: readonly string[]): string =>
  `${column} ${hashes.length === 1 ? '@>' : '&&'} ${ctx.sql.value(`{${hashes.join(',')}}`)}::bigint[]`;

/** The resource has one of the tokens. */
export const hasTokens = (ctx: ConditionContext, m: string, hashes: readonly string[]): string =>
  hasAny(ctx, `${m}.tokens`, hashes);

/** The resource has one of the facts; in a row without facts they are among the tokens. */
export const factsOf = (m: string): string => `coalesce(${m}.facts, ${m}.tokens)`;
export const hasFacts = (ctx: ConditionContext, m: string, hashes: readonly string[]): string =>
  hasAny(ctx, factsOf(m), hashes);

/** Where the values of a criterion are: one of them is to be there. */
export interface Hashes {
  tokens: string[];
  facts: string[];
}

export function hasHashes(ctx: ConditionContext, m: string, { tokens, facts }: Hashes): string {
  const parts = tokens.length > 0 ? [hasTokens(ctx, m, tokens)] : [];
  if (facts.length > 0) parts.push(hasFacts(ctx, m, facts));
  return parts.length === 0 ? 'false' : or(parts);
}

/** LIKE patterns: the client's `%`, `_` and `\` stand for themselves. */
export const like = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/** The B-tree of strings holds the first 100 characters: of PostgreSQL's, which are code points. */
export const INDEXED_CHARACTERS = 100;

/** What `left(text, 100)` yields. */
export const indexedText = (text: string): string =>
  text.length <= INDEXED_CHARACTERS
    ? text
    : [...text.slice(0, 2 * INDEXED_CHARACTERS)].slice(0, INDEXED_CHARACTERS).join('');

/** The row's value begins so; folded. */
export function startsWith(ctx: ConditionContext, x: string, text: string): string {
  const head = ctx.sql.value(`${like(indexedText(text))}%`);
  const short = `left(${x}.value, ${INDEXED_CHARACTERS}) like ${head}`;
  if (text.length <= INDEXED_CHARACTERS) return short;
  return `(${short} and ${x}.value like ${ctx.sql.value(`${like(text)}%`)})`;
}
