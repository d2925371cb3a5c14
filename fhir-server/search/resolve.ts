// Criteria on other resources are resolved from the inside out: what the innermost criterion finds, if it is little, is
// what the next link asks for by its keys, and so on outwards, so that each step is a short walk through an index and no
// step depends on what the planner believes of the others. What finds too much is left to be tested the other way round,
// resource by resource (joins.ts). https://hl7.org/fhir/R4/search.html#chaining, #has
import type { Criterion } from '#fhir-model';
import { currentTable } from '../store/layout.ts';
import { findByUrl, isByUrl } from './canonical-links.ts';
import { groups, scopeCondition } from './conditions.ts';
import { type Criteria, DRIVER_ROWS_MAX, drivenMatches, drivers } from './drive.ts';
import { ofParam, rowsOf } from './index-tests.ts';
import { lookUpAll } from './look-up.ts';
import type { PageContext } from './page.ts';
import { createSql, type SqlBuilder, statementFor } from './sql-text.ts';
import { allConditions, conditionContext, isFound, where } from './where.ts';
import { withinOf } from './within.ts';

/** How much may be looked at to resolve one link, and to make a page of what it leads to. */
export interface Effort {
  /** Resources that the inner criterion finds, and keys that it yields. */
  linkRowsMax: number;
  /** Rows of the table that drives the search. */
  driverRowsMax: number;
  /** Keys of which the newest resources that refer to each are put together. */
  newestKeysMax: number;
  /** What the newest resources are full of is not looked for: testing the newest of the outer ones leads to a page sooner. */
  skipsFrequent: boolean;
}

/** 3,000 resources, and what refers to them, are found in some 10 ms. */
export const LITTLE: Effort = {
  linkRowsMax: 3000,
  driverRowsMax: DRIVER_ROWS_MAX,
  newestKeysMax: 500,
  skipsFrequent: true,
};
/** Some 100 ms: where nothing cheaper leads to a page. */
export const MUCH: Effort = {
  linkRowsMax: 20_000,
  driverRowsMax: 50_000,
  newestKeysMax: 20_000,
  skipsFrequent: false,
};

/** A type with no more resources is read through, where no index finds what is asked for. */
const TYPE_ROWS_MAX = 20_000;

/** Of the newest SAMPLE resources, so many make a criterion frequent: 0.5 ms, against 30 for the bitmap of 600,000. */
const SAMPLE = 500;
const SAMPLE_FREQUENT_MIN = 10;

/** The select that makes of `m` (rids of what the inner criterion finds on a type) the keys that the link asks for. */
type KeysOf = (sql: SqlBuilder) => string;

interface Link {
  page: PageContext;
  effort: Effort;
  query: Criteria;
  keysOf: KeysOf;
}

interface Row {
  few: boolean;
  key: bigint | null;
}

type Found = string[] | undefined;

/** `ctes` make `n`, whose `few` tells whether they stayed within bounds, and `m`, empty otherwise. */
async function keysOf({ page, effort, keysOf }: Link, sql: SqlBuilder, ctes: string): Promise<Found> {
  const { linkRowsMax } = effort;
  const text = `with ${ctes} select n.few, k.key from n left join (${keysOf(sql)} limit ${sql.value(linkRowsMax + 1)}) k on true`;
  const rows = await page.db.query<Row>(statementFor(text), sql.values);
  if (!rows[0]?.few || rows.length > linkRowsMax) return undefined;
  return rows.flatMap(({ key }) => (key === null ? [] : [String(key)]));
}

/** The CTEs `n` and `m` of up to linkRowsMax matches. A condition without columns, `allowed`, is tested before anything is read. */
function within(sql: SqlBuilder, { effort }: Link, matches: string, allowed: string): string {
  const max = effort.linkRowsMax;
  return `d as materialized (${matches} limit ${sql.value(max + 1)}),
    n as materialized (select ${allowed} and (select count(*) from d) <= ${sql.value(max)} as few),
    m as materialized (select rid from d where (select few from n))`;
}

async function byDriver(link: Link, group: readonly Criterion[]): Promise<Found> {
  const sql = createSql();
  return keysOf(link, sql, drivenMatches(link.page, sql, link.query, group, link.effort.linkRowsMax));
}

/** By tokens or ids: PostgreSQL stops at the limit. */
async function byTokens(link: Link): Promise<Found> {
  const { page, query, effort } = link;
  const sql = createSql();
  const table = currentTable(query.type);
  const conditions = allConditions(page, sql, query);
  if (!effort.skipsFrequent) {
    return keysOf(link, sql, within(sql, link, `select m.rid from ${table} m where ${conditions}`, 'true'));
  }
  const sample = `select * from ${table} order by rid desc limit ${sql.value(SAMPLE)}`;
  const tested = where(conditionContext(page, sql, 'probe'), groups(query.criteria.filter(isFound)));
  const rare = `f as materialized (select count(*) < ${sql.value(SAMPLE_FREQUENT_MIN)} as rare from (${sample}) m where ${tested})`;
  const matches = `select m.rid from ${table} m where (select rare from f) and ${conditions}`;
  return keysOf(link, sql, `${rare}, ${within(sql, link, matches, '(select rare from f)')}`);
}

/** Of a type with few resources: whatever is asked of them. */
async function byReading(link: Link): Promise<Found> {
  const { page, query } = link;
  const sql = createSql();
  const table = currentTable(query.type);
  const small = `s as materialized (select count(*) <= ${sql.value(TYPE_ROWS_MAX)} as small
      from (select 1 from ${table} limit ${sql.value(TYPE_ROWS_MAX + 1)}) y)`;
  const matches = `select m.rid from ${table} m where (select small from s) and ${allConditions(page, sql, query)}`;
  return keysOf(link, sql, `${small}, ${within(sql, link, matches, '(select small from s)')}`);
}

/** Whether something in it was left to be tested resource by resource. */
function isLeft(page: PageContext, criterion: Criterion): boolean {
  const { chain, has, logic } = criterion;
  if (logic) return logic.criteria.some((each) => isLeft(page, each));
  return (chain ?? has) !== undefined && !page.joins?.has(criterion);
}

/** What a search for the criterion on the type finds, as keys; undefined when that is too much, or no way leads to it. */
async function keysFor(page: PageContext, effort: Effort, type: string, criterion: Criterion, keys: KeysOf) {
  const criteria = criterion.logic?.op === 'and' ? criterion.logic.criteria : [criterion];
  const link: Link = { page, effort, query: { type, criteria, sort: [] }, keysOf: keys };
  for (const group of drivers(page, link.query)) {
    const found = await byDriver(link, group);
    if (found) return found;
  }
  if (criteria.some(isFound)) return byTokens(link);
  return criteria.some((each) => isLeft(page, each)) ? undefined : byReading(link);
}

/** `m`, where the access scope has a say as resources. */
function visible(page: PageContext, sql: SqlBuilder, type: string): string {
  const scope = scopeCondition(conditionContext(page, sql, 'join'), 't');
  return scope === 'true'
    ? 'm t'
    : `(select t.rid from m join ${currentTable(type)} t on t.rid = m.rid where ${scope}) t`;
}

/** The keys of the resources themselves: what a chain's references point at. */
const ownKeys =
  (page: PageContext, type: string): KeysOf =>
  (sql) =>
    `select r.key from ${visible(page, sql, type)} join ${currentTable(type)} r on r.rid = t.rid`;

/** What the resources refer to through the parameter. */
const referredKeys =
  (page: PageContext, { type, param }: NonNullable<Criterion['has']>): KeysOf =>
  (sql) =>
    `select distinct x.target as key from ${visible(page, sql, type)} cross join lateral ${rowsOf('index_reference', 't')} x
      where ${ofParam(sql, 'x', param)}`;

async function chainKeys(page: PageContext, effort: Effort, chain: NonNullable<Criterion['chain']>): Promise<Found> {
  const found = new Set<string>();
  for (const { type, criterion } of chain) {
    await resolveOne(page, effort, criterion);
    const keys = await keysFor(page, effort, type, criterion, ownKeys(page, type));
    if (!keys) return undefined;
    for (const key of keys) found.add(key);
  }
  return found.size > effort.linkRowsMax ? undefined : [...found];
}

async function hasKeys(
  page: PageContext,
  effort: Effort,
  criterion: Criterion,
  has: NonNullable<Criterion['has']>,
): Promise<Found> {
  await resolveOne(page, effort, has.criterion);
  const keys = await keysFor(page, effort, has.type, has.criterion, referredKeys(page, has));
  const named = page.canonicals?.get(criterion)?.keys ?? [];
  return keys && [...new Set([...keys, ...named])];
}

/** Whether all is known that the chain asks of contained resources. */
async function resolveWithin(page: PageContext, effort: Effort, chain: Criterion): Promise<boolean> {
  const within = withinOf(page, chain);
  for (const { criterion } of within) await resolveOne(page, effort, criterion);
  return !within.some(({ criterion }) => isLeft(page, criterion));
}

async function resolveOne(page: PageContext, effort: Effort, criterion: Criterion): Promise<void> {
  const { chain, has, logic } = criterion;
  for (const each of logic?.criteria ?? []) await resolveOne(page, effort, each);
  if (!(chain || has) || page.joins?.has(criterion)) return;
  const keys = chain ? await chainKeys(page, effort, chain) : await hasKeys(page, effort, criterion, has!);
  if (!keys || !(await resolveWithin(page, effort, criterion))) return;
  page.joins ??= new Map();
  page.joins.set(criterion, keys);
}

/** Looks up what the criteria mean by canonical URL, the innermost first: from these on SQL finds no way. */
async function linkAll(page: PageContext, criteria: readonly Criterion[]): Promise<void> {
  for (const criterion of criteria) {
    const { chain = [], has, logic } = criterion;
    const inner = [...chain.map((link) => link.criterion), ...(has ? [has.criterion] : [])];
    await linkAll(page, [...inner, ...(logic?.criteria ?? [])]);
    if (!isByUrl(page, criterion) || page.canonicals?.has(criterion)) continue;
    for (const each of inner) await resolveOne(page, LITTLE, each);
    await findByUrl(page, criterion);
  }
}

/** Looks up what SQL can't find of the criteria, for each way that a search is run. */
export async function prepare(page: PageContext, criteria: readonly Criterion[]): Promise<void> {
  await lookUpAll(page, criteria);
  await linkAll(page, criteria);
}

/**
 * Finds the other resources that the criteria are about, as far as the effort allows; the page's SQL then asks by their
 * keys.
 */
export async function resolveJoins(page: PageContext, criteria: readonly Criterion[], effort: Effort): Promise<void> {
  await prepare(page, criteria);
  for (const criterion of criteria) await resolveOne(page, effort, criterion);
}
