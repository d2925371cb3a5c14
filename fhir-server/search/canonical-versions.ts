// :below of canonical references, whose versions it passes over or tells the beginning of:
// https://hl7.org/fhir/R4/search.html#versions
import { type Criterion, canonicalPaths, type SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { currentTable } from '../store/layout.ts';
import type { PageContext } from './page.ts';
import { createSql, jsonOf, statementFor } from './sql-text.ts';
import { allConditions } from './where.ts';

/** Versions of one URL that are referred to. */
const VERSIONS_MAX = 1_000;

/** `1` begins `1`, `1.0` and `1-rc`, not `10`. */
function begins(version: string, start: string): boolean {
  if (!version.startsWith(start)) return false;
  return version.length === start.length || !/[A-Za-z0-9]$/.test(start) || !/[A-Za-z0-9]/.test(version[start.length]!);
}

/**
 * The references that are there to versions of the URL which begin so. They are indexed as hashes only, so they are read from
 * the resources that refer to the URL, 10 to 20 µs each; the search's time limit ends what is too much.
 */
async function versionsOf(page: PageContext, criterion: Criterion, url: string, start: string): Promise<string[]> {
  const sql = createSql();
  const { param, name } = criterion;
  const { modifier: _, ...any } = { ...criterion, values: [{ kind: 'reference' as const, text: url, url }] };
  const conditions = allConditions(page, sql, { criteria: [any] });
  const text = `select distinct v #>> '{}' as url
    from (select ${jsonOf('m.body')} as json from ${currentTable(param.resourceType)} m where ${conditions} offset 0) j,
      unnest(${sql.value(canonicalPaths(param, page.definitions))}::text[]) path,
      jsonb_path_query(j.json, path::jsonpath, '{}', true) v
    where starts_with(v #>> '{}', ${sql.value(`${url}|${start}`)}) limit ${VERSIONS_MAX + 1}`;
  const rows = await page.db.query<{ url: string }>(statementFor(text), sql.values);
  if (rows.length > VERSIONS_MAX) {
    throw new CerebraError('too-costly', `More than ${VERSIONS_MAX} versions of this URL are referred to`, {
      expression: [name],
    });
  }
  return rows.map((row) => row.url).filter((found) => begins(found.slice(url.length + 1), start));
}

/** The URLs that the value stands for; undefined where the parameter reads no canonical references. */
export async function canonicalsBelow(
  page: PageContext,
  criterion: Criterion,
  value: SearchValue,
): Promise<SearchValue[] | undefined> {
  if (value.kind !== 'reference' || value.url === undefined) return undefined;
  if (canonicalPaths(criterion.param, page.definitions).length === 0) return undefined;
  const bar = value.url.indexOf('|');
  if (bar === -1) return [value];
  const [url, start] = [value.url.slice(0, bar), value.url.slice(bar + 1)];
  const found = await versionsOf(page, criterion, url, start);
  return [value, ...found.map((each): SearchValue => ({ kind: 'reference', text: value.text, url: each }))];
}
