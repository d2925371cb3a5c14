// Exact totals of frequent values: https://hl7.org/fhir/R4/search.html#total
// Counting what a frequent code finds reads most of the table (1.3 s for 126,000 of 1.4 million Observations), since
// PostgreSQL tells from the rows alone which of them are there. So a total that took long is kept, with what its snapshot
// had seen, and brought up to date by the changes since: less what they replaced, plus what there is now. Nothing is
// estimated: the result is the count of one snapshot, as if all had been counted.
import { type Criterion, type Extractor, matches, parseJson, type Resource, type SearchQuery } from '#fhir-model';
import { hash64 } from '../store/hash.ts';
import { currentTable, historyTable } from '../store/layout.ts';
import { isJoin, textOf } from './joins.ts';
import type { PageContext } from './page.ts';
import { createSql, statementFor } from './sql-text.ts';
import { allConditions } from './where.ts';

/** Quicker ones are not worth keeping. */
const SLOW_MS = 25;
const KEPT_MAX = 500;
/** Then it is counted anew: rows that an earlier version of the server has indexed may differ from what it would say now. */
const KEPT_MS = 600_000;
const NAME_CHARACTERS_MAX = 1000;
/** More changes than this since the last time, and counting anew is quicker. */
const CHANGES_MAX = 5000;
/** Replaced versions are matched in memory, some 50 µs each. */
const REPLACED_MAX = 500;

interface Kept {
  n: number;
  /** The oldest transaction that was running: all before it were counted. */
  horizon: string;
  /** Changes of later transactions that were counted too. */
  seen: bigint[];
  epoch: bigint;
  untilMs: number;
}

const kept = new WeakMap<object, Map<string, Kept>>();

function keptFor(owner: object): Map<string, Kept> {
  const known = kept.get(owner) ?? new Map<string, Kept>();
  kept.set(owner, known);
  return known;
}

const isSimple = (criterion: Criterion): boolean =>
  !isJoin(criterion) &&
  criterion.modifier === undefined &&
  criterion.param.type !== 'special' &&
  criterion.param.type !== 'composite' &&
  // Not all rows may be indexed by it, while in memory all are.
  !criterion.param.custom &&
  criterion.values.every((value) => !('prefix' in value) || value.prefix !== 'ap');

/** What look-up.ts has found a criterion to stand for: when that has changed, the total is another's. */
function foundText({ found }: PageContext, criterion: Criterion): string {
  const values = found?.get(criterion)?.values;
  return values ? hash64(JSON.stringify(values)) : '';
}

/** The search as a name; undefined when its total can't be brought up to date by looking at the changed resources alone. */
function nameOf(page: PageContext, query: SearchQuery): string | undefined {
  const { scope } = page;
  if (scope.kind !== 'everything' || !query.criteria.every(isSimple)) return undefined;
  // Not by its name alone: whatever a _filter asks, it is called `_filter`.
  const parts = query.criteria.map((criterion) => `${textOf(criterion)}${foundText(page, criterion)}`);
  const name = [query.type, ...parts].join('\n\n');
  return name.length <= NAME_CHARACTERS_MAX ? name : undefined;
}

/** What tells of a later statement what this one has seen. */
const SEEN = `pg_snapshot_xmin(pg_current_snapshot())::text as horizon, (select n from index_epoch) as epoch,
  array(select c.seq from change c where c.xid >= pg_snapshot_xmin(pg_current_snapshot()) limit ${CHANGES_MAX + 1}) as seen`;

interface SeenRow {
  horizon: string;
  epoch: bigint;
  seen: bigint[];
}

async function countAnew(page: PageContext, query: SearchQuery): Promise<Kept> {
  const sql = createSql();
  const count = `select count(*) from ${currentTable(query.type)} m where ${allConditions(page, sql, query)}`;
  const statement = statementFor(`select (${count}) as n, ${SEEN}`);
  const [row] = await page.db.query<SeenRow & { n: bigint }>(statement, sql.values);
  const { n, ...rest } = row!;
  return { ...rest, n: Number(n), untilMs: page.nowMs + KEPT_MS };
}

interface Delta extends SeenRow {
  /** Ids that changed, and the version that each had before; 0: none. */
  ids: string[];
  before: number[];
  changes: number;
  /** One of them was deleted, expunged and made anew: its versions are counted from the start again, and say nothing of the former ones. */
  reborn: boolean;
  /** Of these ids those that match now. */
  now: bigint;
}

async function deltaOf(page: PageContext, query: SearchQuery, typeCode: number, last: Kept): Promise<Delta> {
  const sql = createSql();
  const [horizon, seen, type] = [sql.value(last.horizon), sql.value(last.seen), sql.value(typeCode)];
  const conditions = allConditions(page, sql, query);
  const text = `with a as materialized (select c.type, c.id, c.version, c.seq from change c
      where c.xid >= ${horizon}::xid8 and c.seq <> all(${seen}::bigint[]) limit ${CHANGES_MAX + 1}),
    g as materialized (select a.id, min(a.version) - 1 as before, (array_agg(a.version order by a.seq))[1] > min(a.version) as reborn
      from a where a.type = ${type}::smallint group by a.id)
    select array(select g.id from g order by g.id) as ids, array(select g.before from g order by g.id) as before,
      (select count(*) from a)::int as changes, exists (select from g where g.reborn) as reborn, ${SEEN},
      (select count(*) from ${currentTable(query.type)} m where m.id in (select g.id from g) and ${conditions}) as now`;
  const [row] = await page.db.query<Delta>(statementFor(text), sql.values);
  return row!;
}

/** How many of the replaced versions matched; undefined when one is not to be had any more. */
async function countReplaced(
  page: PageContext,
  query: SearchQuery,
  extract: Extractor,
  { ids, before }: Delta,
): Promise<number | undefined> {
  const wanted = ids.map((id, i) => ({ id, version: before[i]! })).filter(({ version }) => version > 0);
  if (wanted.length === 0) return 0;
  if (wanted.length > REPLACED_MAX) return undefined;
  const rows = await page.db.query<{ body: string | null }>(
    {
      text: `select h.body from unnest($1::text[], $2::int[]) as w(id, version)
        join ${historyTable(query.type)} h on h.id = w.id and h.version = w.version`,
    },
    [wanted.map(({ id }) => id), wanted.map(({ version }) => version)],
  );
  if (rows.length < wanted.length) return undefined;
  return rows.filter(({ body }) => {
    if (body === null) return false;
    const resource = parseJson(body).exact as Resource;
    return matches(query, extract(resource), resource);
  }).length;
}

async function bringUp(
  page: PageContext,
  query: SearchQuery,
  { extract, layout }: TotalContext,
  last: Kept,
): Promise<Kept | undefined> {
  const delta = await deltaOf(page, query, layout.codeOf(query.type), last);
  if (delta.epoch !== last.epoch || delta.changes > CHANGES_MAX || delta.reborn) return undefined;
  const replaced = await countReplaced(page, query, extract, delta);
  if (replaced === undefined) return undefined;
  const { horizon, seen, epoch } = delta;
  return { ...last, n: last.n - replaced + Number(delta.now), horizon, seen, epoch };
}

/** Of the store. */
export interface TotalContext {
  extract: Extractor;
  layout: { codeOf(type: string): number };
  /** Totals that take as long are kept; 25 ms unless told. */
  slowMs?: number;
}

/** The number of matches, all of them counted or a kept total brought up to date. `owner` is what totals are kept for. */
export async function countOrBringUp(page: PageContext, query: SearchQuery, owner: TotalContext): Promise<number> {
  const totals = keptFor(owner);
  const name = nameOf(page, query);
  const known = name === undefined ? undefined : totals.get(name);
  const last = known && known.untilMs > page.nowMs ? known : undefined;
  const startedMs = performance.now();
  const found = (last && (await bringUp(page, query, owner, last))) ?? (await countAnew(page, query));
  const isSlow = last !== undefined || performance.now() - startedMs >= (owner.slowMs ?? SLOW_MS);
  if (name === undefined || !isSlow || found.seen.length > CHANGES_MAX) return found.n;
  totals.delete(name);
  // The one that was not asked for longest goes.
  if (totals.size >= KEPT_MAX) totals.delete(totals.keys().next().value!);
  totals.set(name, found);
  return found.n;
}
