// First pages of searches by one token, `Observation?code=…` or what is polled, `Task?status=requested`. A walk to the newest 20
// of one in 30 looks at 600 rows, which is most of what the page costs; so which resources it found is kept, and looked at
// again with those that were changed since, as kept-totals.ts does with totals. The result is that of one snapshot: what
// matches now and did not then was changed by a transaction that the first statement had not seen.
import { currentTable } from '../store/layout.ts';
import { steady } from '../store/sql.ts';
import { decidingToken } from './by-token.ts';
import type { Asked, Found } from './page.ts';
import { bodyOf } from './page-bytes.ts';
import { type PageText, textSql } from './page-text.ts';
import { createSql, type Sql, statementFor } from './sql-text.ts';

/** What a page was made of. */
interface Kept {
  /** Numbers of its resources, as PostgreSQL writes an array. */
  rids: string;
  /** The oldest transaction that was running. */
  horizon: string;
  epoch: bigint;
  /** All that there was: else there are older ones that are not known, at least two are kept, and the last of `rids` is the oldest. */
  whole: boolean;
  untilMs: number;
}

const KEPT_MAX = 2000;
const KEPT_MS = 60_000;
/** Of all types. Looking at these costs less than a walk. */
const CHANGES_MAX = 200;
/** Longer pages are rare, and cost less for what they have. */
const LIMIT_MAX = 128;

interface KeptPage {
  asked: Asked;
  token: string;
  kept: Kept;
}

/** Undefined for all but texts of first pages of one token, newest first, seen without restriction. */
function tokenOf({ query, cursor, limit, between, page }: Asked): string | undefined {
  if (!between || cursor !== undefined || limit > LIMIT_MAX || query.sort.length > 0) return undefined;
  return page.scope.kind === 'everything' && page.totals ? decidingToken(query) : undefined;
}

function keptSql({ asked, token, kept }: KeptPage): Sql {
  const { query, page, limit } = asked;
  const sql = createSql();
  // What is older than all that are known, and matches since, need not be the next.
  const oldest = kept.whole ? '0' : kept.rids.slice(kept.rids.lastIndexOf(',') + 1, -1);
  const typeCode = page.totals!.layout.codeOf(query.type);
  const [horizon, type, wanted, rids, from] = [kept.horizon, typeCode, token, kept.rids, oldest].map(sql.value);
  const table = currentTable(query.type);
  // Found in the order of the index, so that no bodies are sorted: a quarter less.
  const rows = `select r.rid, r.id, ${bodyOf(asked, 'r', 'r.rid desc')} from ${table} r
    where r.rid = any(${rids}::bigint[] || array(select rid from c)) and r.rid >= ${from}::bigint
      and ${wanted}::bigint = any(r.tokens)
    order by r.rid desc limit ${sql.value(limit)}`;
  const text = `with a as materialized (select c.type, c.id from change c where c.xid >= ${steady(`${horizon}::xid8`)}
      order by c.xid, c.seq limit ${CHANGES_MAX + 1}),
    c as materialized (select r.rid from a join ${table} r on r.id = a.id where a.type = ${type}::smallint)
    select (select count(*)::int from a) as changes, t.* from (${textSql(asked, sql, rows)}) t`;
  return { text, values: sql.values };
}

/** Undefined where the page is not known to be whole. */
async function bringUp(page: KeptPage): Promise<Found | undefined> {
  const { asked, kept } = page;
  const { text, values } = keptSql(page);
  const [found] = await asked.page.db.query<PageText & { changes: number }>(statementFor(text), values);
  const isWhole =
    found!.changes <= CHANGES_MAX &&
    found!.epoch === kept.epoch &&
    found!.bodies === found!.length &&
    (kept.whole || found!.length >= asked.limit);
  return isWhole ? found : undefined;
}

/** Of one process: each keeps its own. */
export function createKeptPages() {
  const pages = new Map<string, Kept>();
  const keep = (name: string, asked: Asked, found: Found): void => {
    pages.delete(name);
    if (Array.isArray(found) || found.kept === undefined || found.bodies < found.length) return;
    // The one that was not asked for longest goes.
    if (pages.size >= KEPT_MAX) pages.delete(pages.keys().next().value!);
    pages.set(name, {
      ...{ rids: found.kept, horizon: found.horizon!, epoch: found.epoch! },
      whole: found.length < asked.limit,
      untilMs: asked.page.nowMs + KEPT_MS,
    });
  };
  /** Undefined for a search of another kind; `alone` finds a page that is not kept. */
  return (given: Asked, alone: (asked: Asked) => Promise<Found>): Promise<Found> | undefined => {
    const token = tokenOf(given);
    if (token === undefined) return undefined;
    const asked: Asked = { ...given, keeps: true };
    const name = `${asked.query.type} ${asked.limit} ${token}`;
    const find = async (): Promise<Found> => {
      const kept = pages.get(name);
      const known = kept && kept.untilMs > asked.page.nowMs ? await bringUp({ asked, token, kept }) : undefined;
      const found = known ?? (await alone(asked));
      keep(name, asked, found);
      return found;
    };
    return find();
  };
}
