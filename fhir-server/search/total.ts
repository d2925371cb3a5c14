// Bundle.total and _total: https://hl7.org/fhir/R4/search.html#total
import type { Criterion, SearchQuery } from '#fhir-model';
import { currentTable } from '../store/layout.ts';
import { drivenMatches, drivers, withoutDrivers } from './drive.ts';
import { countOrBringUp } from './kept-totals.ts';
import type { PageContext } from './page.ts';
import { MUCH, resolveJoins } from './resolve.ts';
import { createSql, statementFor } from './sql-text.ts';
import { allConditions } from './where.ts';

async function countDriven(page: PageContext, query: SearchQuery, group: readonly Criterion[]) {
  const sql = createSql();
  const text = `with ${drivenMatches(page, sql, query, group)} select few, (select count(*) from m) as n from n`;
  const rows = await page.db.query<{ few: boolean; n: bigint }>(statementFor(text), sql.values);
  return rows[0]!.few ? Number(rows[0]!.n) : undefined;
}

/** By the rows of one index table, where these are few. */
async function countByDrivers(page: PageContext, query: SearchQuery): Promise<number | undefined> {
  await resolveJoins(page, query.criteria, MUCH);
  for (const group of [...drivers(page, query), ...withoutDrivers(page, query)]) {
    const found = await countDriven(page, query, group);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function countAll(page: PageContext, query: SearchQuery): Promise<number> {
  if (page.totals) return countOrBringUp(page, query, page.totals);
  const sql = createSql();
  const text = `select count(*) as n from ${currentTable(query.type)} m where ${allConditions(page, sql, query)}`;
  const rows = await page.db.query<{ n: bigint }>(statementFor(text), sql.values);
  return Number(rows[0]!.n);
}

/** The number of matches. */
export const countMatches = async (page: PageContext, query: SearchQuery): Promise<number> =>
  (await countByDrivers(page, query)) ?? countAll(page, query);

interface Plan {
  Plan: { 'Plan Rows': number };
}

/** What the planner expects, at the cost of planning alone. */
async function expectedRows({ db }: PageContext, text: string, values: unknown[]): Promise<number> {
  const rows = await db.query<{ 'QUERY PLAN': Plan[] | string }>({ text: `explain (format json) ${text}` }, values);
  const plan = rows[0]!['QUERY PLAN'];
  const parsed = (typeof plan === 'string' ? JSON.parse(plan) : plan) as Plan[];
  return parsed[0]!.Plan['Plan Rows'];
}

/** A type with no more resources is counted in some 20 ms. */
const SMALL_ROWS = 20_000;

/**
 * What the planner expects, where counting would be dear. Of index rows it has no statistics for a single parameter, and none
 * at all of what has just been written: it expected 3 of 54 patients, fewer than stood on the page.
 */
export async function estimateMatches(page: PageContext, query: SearchQuery): Promise<number> {
  const counted = await countByDrivers(page, query);
  if (counted !== undefined) return counted;
  const table = currentTable(query.type);
  if ((await expectedRows(page, `select 1 from ${table}`, [])) <= SMALL_ROWS) return countAll(page, query);
  const sql = createSql();
  return expectedRows(page, `select 1 from ${table} m where ${allConditions(page, sql, query)}`, sql.values);
}
