// The change stream: what was committed, in an order that no late commit upsets. `fhir-server` never learns who listens.
import type { Change, ChangeCursor, ChangeFeed, EntryResult, VersionKey } from '#fhir-model';
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

function bodiesSql(type: string): string {
  return `select v.id, v.version, coalesce(r.body, h.body) as body
    from unnest(${steady('$1::text[]')}, ${steady('$2::int[]')}) as v(id, version)
    left join ${currentTable(type)} r on r.id = v.id and r.version = v.version
    left join ${historyTable(type)} h on h.id = v.id and h.version = v.version`;
}

/** `Type/id/version` → body, for versions of one type. */
async function bodies(db: Queryable, type: string, rows: Omit<VersionKey, 'type'>[]): Promise<[string, string][]> {
  const statement = named(`change_bodies_${type}`, () => bodiesSql(type));
  const found = await db.query<{ id: string; version: number; body: string | null }>(statement, [
    rows.map((row) => row.id),
    rows.map((row) => row.version),
  ]);
  return found.map((row) => [`${type}/${row.id}/${row.version}`, row.body ?? '']);
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
  const read = async (db: Queryable, cursor: ChangeCursor, limit: number): Promise<Change[]> => {
    const rows = await db.query<ChangeRow>(nextChanges, [cursor.xid, cursor.seq, limit]);
    const types = rows.map((row) => layout.nameOf(row.type));
    const texts = rows.map((row, i) => recent.take(`${types[i]}/${row.id}/${row.version}`));
    const missing = rows.flatMap((row, i) => (row.op === 'd' || texts[i] !== undefined ? [] : [i]));
    for (const [type, group] of Map.groupBy(missing, (i) => types[i]!)) {
      const found = new Map(
        await bodies(
          db,
          type,
          group.map((i) => rows[i]!),
        ),
      );
      for (const i of group) texts[i] = found.get(`${type}/${rows[i]!.id}/${rows[i]!.version}`);
    }
    return rows.map(({ xid, seq, id, version, op, updated }, i) => {
      const body = texts[i] ?? '';
      return { xid, seq, type: types[i]!, id, version, op: OPS[op], updatedMs: updated, body };
    });
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
