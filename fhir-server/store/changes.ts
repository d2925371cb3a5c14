// The change stream: what was committed, in an order that no late commit upsets. `fhir-server` never learns who listens.
import type { ChangeCursor, ChangeFeed, EntryResult, VersionKey } from '#fhir-model';
import type { Queryable, Statement } from '#platform';
import { currentTable, historyTable, type Layout } from './layout.ts';
import { createRecentBodies } from './recent-bodies.ts';
import { named, steady } from './sql.ts';

/** Of one reading. It stands in the statement, so that what PostgreSQL expects of it does not rise with the table. */
const ROWS_MAX = 10_000;

/**
 * Rows of transactions that had ended when the snapshot was taken, and none that a running one could still precede:
 * every xid below the snapshot's xmin has committed or rolled back.
 */
const nextChanges: Statement = {
  name: 'next_changes',
  text: `select * from (select xid, seq, type, id, version, op, updated from change
      where (xid, seq) > (${steady('$1::xid8')}, ${steady('$2::bigint')}) and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by xid, seq limit ${ROWS_MAX}) c
    order by xid, seq limit ${steady('$3::bigint')}`,
};

const feedEnd: Statement = {
  name: 'feed_end',
  text: `select pg_snapshot_xmin(pg_current_snapshot()) as xid`,
};

const feedEdges: Statement = {
  name: 'feed_edges',
  text: `select (select xid from change order by xid, seq limit 1) as first,
      (select xid from change order by xid desc, seq desc limit 1) as last`,
};
const feedSince: Statement = {
  name: 'feed_since',
  text: `select updated from change where xid >= ${steady('$1::xid8')} order by xid, seq limit 1`,
};

/** A transaction begins, and so dates its changes, before it has its xid. */
const startsBeforeMs = 600_000;

/** By halves of the xids, which rise with time: `updated` has no index. 40 looks of 0.1 ms. */
async function sinceInstant(db: Queryable, updatedMs: number): Promise<ChangeCursor> {
  const [edges] = await db.query<{ first: bigint | null; last: bigint | null }>(feedEdges);
  let low = edges?.first ?? 0n;
  let high = edges?.last ?? 0n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    const [row] = await db.query<{ updated: number }>(feedSince, [middle]);
    if (row && row.updated < updatedMs - startsBeforeMs) low = middle;
    else high = middle - 1n;
  }
  return { xid: low, seq: 0n };
}

interface ChangeRow {
  xid: bigint;
  seq: bigint;
  type: number;
  id: string;
  version: number;
  op: 'c' | 'u' | 'd';
  updated: number;
}

const OPS = { c: 'create', u: 'update', d: 'delete' } as const;

/**
 * Texts of one type that are read at once, beside the first: 500 changes with documents of 50 MB would be more than a process has, and
 * again after each start.
 */
const BYTES_MAX = 16 * 1024 * 1024;

function bodiesSql(type: string): string {
  return `select v.id, v.version, coalesce(r.body, h.body) as body
    from unnest(${steady('$1::text[]')}, ${steady('$2::int[]')}) as v(id, version)
    left join ${currentTable(type)} r on r.id = v.id and r.version = v.version
    left join ${historyTable(type)} h on h.id = v.id and h.version = v.version`;
}

/** The texts up to that many bytes, in the order of the versions; nothing is unpacked to count them. */
function boundedSql(type: string): string {
  return `select id, version, case when place = 1 or bytes <= ${BYTES_MAX} then body end as body, place > 1 and bytes > ${BYTES_MAX} as "left"
    from (select v.id, v.version, v.place, coalesce(r.body, h.body) as body,
        sum(octet_length(coalesce(r.body, h.body))) over (order by v.place) as bytes
      from unnest(${steady('$1::text[]')}, ${steady('$2::int[]')}) with ordinality as v(id, version, place)
      left join ${currentTable(type)} r on r.id = v.id and r.version = v.version
      left join ${historyTable(type)} h on h.id = v.id and h.version = v.version) b`;
}

type Version = Omit<VersionKey, 'type'>;

const idsOf = (rows: readonly Version[]) => [rows.map(({ id }) => id), rows.map(({ version }) => version)];

const keyOf = (type: string, { id, version }: Version): string => `${type}/${id}/${version}`;

/** `Type/id/version` → body, for versions of one type. */
async function bodies(db: Queryable, type: string, rows: readonly Version[]): Promise<[string, string][]> {
  const statement = named(`change_bodies_${type}`, () => bodiesSql(type));
  const found = await db.query<Version & { body: string | null }>(statement, idsOf(rows));
  return found.map((row) => [keyOf(type, row), row.body ?? '']);
}

/** The same, without those that are too many bytes. */
async function boundedBodies(db: Queryable, type: string, rows: readonly Version[]): Promise<Map<string, string>> {
  const statement = named(`change_texts_${type}`, () => boundedSql(type));
  const found = await db.query<Version & { body: string | null; left: boolean }>(statement, idsOf(rows));
  return new Map(found.filter(({ left }) => !left).map((row) => [keyOf(type, row), row.body ?? '']));
}

async function bodiesOf(db: Queryable, versions: readonly VersionKey[]): Promise<string[]> {
  const texts = new Map<string, string>();
  for (const [type, group] of Map.groupBy(versions, (one) => one.type)) {
    for (const [key, body] of await bodies(db, type, group)) texts.set(key, body);
  }
  return versions.map(({ type, id, version }) => texts.get(`${type}/${id}/${version}`) ?? '');
}

export interface ChangeStream {
  feed: ChangeFeed;
  /** To be called after each commit, with what it wrote. */
  committed(results: readonly EntryResult[]): void;
}

/** `readHere`: the feed is read in this process, which then keeps the bodies that it has just written. */
export function createChangeStream(layout: Layout, readHere: boolean): ChangeStream {
  const listeners = new Set<() => void>();
  const recent = createRecentBodies();
  const read: ChangeFeed['read'] = async (db, cursor, limit) => {
    const rows = await db.query<ChangeRow>(nextChanges, [cursor.xid, cursor.seq, limit]);
    const types = rows.map((row) => layout.nameOf(row.type));
    const texts = rows.map((row, i) => (row.op === 'd' ? '' : recent.take(keyOf(types[i]!, row))));
    const missing = rows.flatMap((_, i) => (texts[i] === undefined ? [i] : []));
    for (const [type, group] of Map.groupBy(missing, (i) => types[i]!)) {
      const some = group.map((i) => rows[i]!);
      const found = await boundedBodies(db, type, some);
      for (const i of group) texts[i] = found.get(keyOf(type, rows[i]!));
    }
    const left = texts.indexOf(undefined);
    const changes = rows.slice(0, left < 0 ? rows.length : left).map(({ xid, seq, id, version, op, updated }, i) => {
      return { xid, seq, type: types[i]!, id, version, op: OPS[op], updatedMs: updated, body: texts[i]! };
    });
    return { changes, more: left >= 0 || rows.length === limit };
  };
  return {
    feed: {
      read,
      bodies: bodiesOf,
      async end(db) {
        const rows = await db.query<{ xid: bigint }>(feedEnd);
        // Everything below xmin is past; a row of xmin itself has a seq above 0.
        return { xid: rows[0]!.xid, seq: 0n };
      },
      since: sinceInstant,
      onCommit(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    committed(results) {
      if (readHere && listeners.size > 0) for (const result of results) recent.keep(result);
      for (const listener of listeners) listener();
    },
  };
}
