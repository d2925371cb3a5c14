// First pages of searches by one token, `Observation?code=…` or what is polled, `Task?status=requested`. A walk to the newest 20
// of one in 30 looks at 600 rows, which is most of what the page costs; so which resources it found is kept, and looked at
// again with those that were changed since, as kept-totals.ts does with totals. The result is that of one snapshot: what
// matches now and did not then was changed by a transaction that the first statement had not seen. Where nothing of the type
// has changed, the text itself is the page: no body is read and sent again.
import { currentTable } from '../store/layout.ts';
import { steady } from '../store/sql.ts';
import { decidingToken } from './by-token.ts';
import { CHANGES_MAX, type Changed, type Seen } from './changed-types.ts';
import type { Asked, Found } from './page.ts';
import { bodyOf } from './page-bytes.ts';
import { type PageText, textSql } from './page-text.ts';
import { createSql, type Sql, statementFor } from './sql-text.ts';

/** What a page was made of. */
interface Kept extends Seen {
  /** Numbers of its resources, as PostgreSQL writes an array. */
  rids: string;
  /** All that there was: else there are older ones that are not known, at least two are kept, and the last of `rids` is the oldest. */
  whole: boolean;
  untilMs: number;
  /** As it was found, where its text is kept too. */
  found?: PageText;
  /** Nothing of the type had changed when it was asked for last: it may well be so again. */
  quiet: boolean;
}

const KEPT_MAX = 2000;
/**
 * Then it is looked for anew, however often it was asked for meanwhile: a host that has taken over the database may lack the last
 * changes, and no change tells of that.
 */
const KEPT_MS = 60_000;
/** Of all texts, in characters. */
const TEXTS_LENGTH_MAX = 16 * 1024 * 1024;
/** Of one. */
const TEXT_LENGTH_MAX = 512 * 1024;
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
    select (select count(*)::int from a) as changes, exists (select from a where a.type = ${type}::smallint) as changed,
      t.* from (${textSql(asked, sql, rows)}) t`;
  return { text, values: sql.values };
}

/** Undefined where the page is not known to be whole. */
async function bringUp(page: KeptPage): Promise<Looked | undefined> {
  const { asked, kept } = page;
  const { text, values } = keptSql(page);
  const [row] = await asked.page.db.query<PageText & { changes: number; changed: boolean }>(statementFor(text), values);
  const found = row!;
  const isWhole =
    found.changes <= CHANGES_MAX &&
    found.epoch === kept.epoch &&
    found.bodies === found.length &&
    (kept.whole || found.length >= asked.limit);
  return isWhole ? { found, quiet: !found.changed } : undefined;
}

interface Looked {
  found: Found;
  quiet: boolean;
}

/** Undefined where the text is not kept, or may not be the page any more. */
async function unchanged(
  { asked, kept }: KeptPage,
  changedSince: (horizon: string) => Promise<Changed>,
): Promise<Looked | undefined> {
  if (!kept.found || !kept.quiet) return undefined;
  const { horizon, epoch, changes, types } = await changedSince(kept.horizon);
  const isSame =
    epoch === kept.epoch &&
    changes <= CHANGES_MAX &&
    !types.includes(asked.page.totals!.layout.codeOf(asked.query.type));
  return isSame ? { found: { ...kept.found, horizon, epoch }, quiet: true } : undefined;
}

/** By name, in the order in which they were asked for last. */
function createPages() {
  const pages = new Map<string, Kept>();
  let textsLength = 0;
  const remove = (name: string): void => {
    textsLength -= pages.get(name)?.found?.text?.length ?? 0;
    pages.delete(name);
  };
  return {
    get: (name: string): Kept | undefined => pages.get(name),
    remove,
    set(name: string, kept: Kept): void {
      remove(name);
      pages.set(name, kept);
      textsLength += kept.found?.text?.length ?? 0;
      while (pages.size > KEPT_MAX || textsLength > TEXTS_LENGTH_MAX) remove(pages.keys().next().value!);
    },
  };
}

/** Of one process: each keeps its own. `changedSince`: changed-types.ts. */
export function createKeptPages(changedSince: (horizon: string) => Promise<Changed>) {
  const pages = createPages();
  const keep = (name: string, asked: Asked, { found, quiet }: Looked, untilMs: number): void => {
    if (Array.isArray(found) || found.kept === undefined || found.bodies < found.length) {
      pages.remove(name);
      return;
    }
    const isShort = (found.text?.length ?? 0) <= TEXT_LENGTH_MAX;
    pages.set(name, {
      ...{ rids: found.kept, horizon: found.horizon!, epoch: found.epoch!, quiet },
      whole: found.length < asked.limit,
      untilMs,
      ...(isShort && { found }),
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
      const { nowMs } = asked.page;
      const page = kept && kept.untilMs > nowMs ? { asked, token, kept } : undefined;
      const known = page && ((await unchanged(page, changedSince)) ?? (await bringUp(page)));
      const looked = known ?? { found: await alone(asked), quiet: true };
      keep(name, asked, looked, known && page ? page.kept.untilMs : nowMs + KEPT_MS);
      return looked.found;
    };
    return find();
  };
}
