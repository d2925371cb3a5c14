import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLog, type Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { takeUpRestored } from './restored.ts';

/** Far ahead of the test's cluster. */
const AHEAD = 1_000_000_000_000;

type Place = [xid: number | string, seq: number];

const sql = (db: Db, text: string, values?: unknown[]) => db.query<Record<string, unknown>>({ text }, values);

async function xminOf(db: Db): Promise<number> {
  const [row] = await sql(db, 'select pg_snapshot_xmin(pg_current_snapshot())::text as xmin');
  return Number(row!.xmin);
}

async function addChanges(db: Db, places: Place[]): Promise<void> {
  for (const [xid, seq] of places) {
    const text = `insert into change (xid, seq, updated, version, type, op, id) values ($1::text::xid8, $2::bigint, now(), 1, 1, 'c', 'p')`;
    await sql(db, text, [String(xid), seq]);
  }
}

const setCursor = (db: Db, [xid, seq]: Place) =>
  sql(db, `update dispatcher set xid = $1, seq = $2 where name = 'subscriptions'`, [xid, seq]);

/** What the dispatcher reads next, and all changes in the order of the stream. */
async function stream(db: Db): Promise<{ next: number[]; all: number[] }> {
  const next = await sql(
    db,
    `select c.seq from change c, dispatcher d where d.name = 'subscriptions' and (c.xid, c.seq) > (d.xid::text::xid8, d.seq)
      and c.xid < pg_snapshot_xmin(pg_current_snapshot()) order by c.xid, c.seq`,
  );
  const all = await sql(db, 'select seq from change order by xid, seq');
  return { next: next.map(({ seq }) => Number(seq)), all: all.map(({ seq }) => Number(seq)) };
}

async function take(db: Db): Promise<object[]> {
  const said: string[] = [];
  await takeUpRestored(db, createLog({ level: 'info', destination: { write: (line) => said.push(line) } }));
  return said.map((line) => {
    const { changes, consumers, msg } = JSON.parse(line) as Record<string, unknown>;
    return { changes, consumers, msg };
  });
}

const msg = 'the database was restored into another PostgreSQL: places in its change stream are numbered anew';

test('a database that goes on in its own PostgreSQL is left as it is', async (t: TestContext) => {
  const db = await testDatabase(t);
  const xid = (await xminOf(db)) - 1;
  await addChanges(db, [[xid, 1]]);
  await setCursor(db, [xid, 1]);
  assert.deepEqual(await take(db), []);
  assert.deepEqual(await sql(db, 'select xid, seq from dispatcher'), [{ xid: BigInt(xid), seq: 1n }]);
});

test('what was restored keeps its order, and what is owed is owed still', async (t: TestContext) => {
  const db = await testDatabase(t);
  const written = (await xminOf(db)) - 1;
  // A transaction that began before another and ended after it has the smaller number and the greater seq.
  await addChanges(db, [
    [5, 1],
    [AHEAD, 4],
    [AHEAD, 5],
    [AHEAD + 7, 2],
    [AHEAD + 9, 6],
    [written, 7],
  ]);
  await setCursor(db, [AHEAD, 5]);
  await sql(db, `insert into subscriber (id, channel, state, version) values ('s', 'rest-hook', 'active', 1)`);
  const owe = `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id)
    values ('s', 1, $1, 5, now(), 1, 'Patient', 'p')`;
  await sql(db, owe, [AHEAD]);
  assert.deepEqual(await stream(db), { next: [], all: [1, 7, 4, 5, 2, 6] });

  assert.deepEqual(await take(db), [{ changes: 6, consumers: 1, msg }]);

  // What has been written since the restore is told as well.
  assert.deepEqual(await stream(db), { next: [2, 6, 7], all: [1, 4, 5, 2, 6, 7] });
  const found = await sql(
    db,
    'select count(*)::int as n from delivery d join change c on c.xid::text::bigint = d.change_xid and c.seq = d.change_seq',
  );
  assert.deepEqual(found, [{ n: 1 }]);
  assert.deepEqual(await take(db), [], 'once');
});

/** One change for each of `count` transactions, the latest with the smallest seq; the dispatcher has had three. */
async function addWaiting(db: Db, count: number): Promise<void> {
  await sql(
    db,
    `insert into change (xid, seq, updated, version, type, op, id)
      select ($1::bigint + n)::text::xid8, $2::int - n, now(), 1, 1, 'c', n::text from generate_series(1, $2::int) n`,
    [AHEAD, count],
  );
  await setCursor(db, [AHEAD + 3, count - 3]);
}

const waiting = (count: number): number[] => Array.from({ length: count - 3 }, (_, i) => count - 4 - i);

test('more transactions that wait than the new cluster has had', async (t: TestContext) => {
  const db = await testDatabase(t);
  const count = (await xminOf(db)) + 50;
  if (count > 100_000) return t.skip('this cluster has had too many');
  await addWaiting(db, count);
  await take(db);
  assert.deepEqual((await stream(db)).next, waiting(count));
});

test('a transaction that was open before, of another database too, is waited for', async (t: TestContext) => {
  const db = await testDatabase(t);
  const release = Promise.withResolvers<void>();
  const open = Promise.withResolvers<number>();
  const held = db.tx(async (tx) => {
    const [row] = await tx.query<{ xid: string }>({ text: 'select pg_current_xact_id()::text as xid' });
    open.resolve(Number(row!.xid));
    await release.promise;
  });
  // Counted from its own number: others of the cluster may have taken any number of them since the oldest that is open.
  const count = (await Promise.race([open.promise, held.then(() => 0)])) + 50;
  if (count > 100_000) {
    release.resolve();
    await held;
    return t.skip('this cluster has had too many');
  }
  await addWaiting(db, count);
  let looks = 0;
  const query: Db['query'] = (statement, values) => {
    if (statement.text.includes('as missing')) looks++;
    return db.query(statement, values);
  };
  let ended = false;
  const taken = take(Object.create(db, { query: { value: query } })).finally(() => (ended = true));
  await waitFor(() => looks > 1 || ended, 'a second look');
  assert.equal(ended, false);
  assert.equal((await stream(db)).next.length, 0);
  release.resolve();
  await held;
  assert.deepEqual(await taken, [{ changes: count, consumers: 1, msg }]);
  assert.deepEqual((await stream(db)).next, waiting(count));
});
