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

/** The number of matches. */
export async function countMatches(page: PageContext, query: SearchQuery): Promise<number> {
  await resolveJoins(page, query.criteria, MUCH);
  for (const group of [...drivers(page, query), ...withoutDrivers(page, query)]) {
    const found = await countDriven(page, query, group);
    if (found !== undefined) return found;
  }
  if (page.totals) return countOrBringUp(page, query, page.totals);
  const sql = createSql();
  const text = `select count(*) as n from ${currentTable(query.type)} m where ${allConditions(page, sql, query)}`;
  const rows = await page.db.query<{ n: bigint }>(statementFor(text), sql.values);
  return Number(rows[0]!.n);
}

interface Plan {
  Plan: { 'Plan Rows': number };
}

/** What the planner expects, at the cost of planning alone. */
export async function estimateMatches(page: PageContext, query: SearchQuery): Promise<number> {
  await resolveJoins(page, query.criteria, MUCH);
  const sql = createSql();
  const text = `explain (format json) select 1 from ${currentTable(query.type)} m where ${allConditions(page, sql, query)}`;
  const rows = await page.db.query<{ 'QUERY PLAN': Plan[] | string }>({ text }, sql.values);
  const plan = rows[0]!['QUERY PLAN'];
  const parsed = (typeof plan === 'string' ? JSON.parse(plan) : plan) as Plan[];
  return parsed[0]!.Plan['Plan Rows'];
}
