// db.until(): queries that end when a signal aborts.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { testDatabase, waitFor } from '../testing/index.ts';
import type { Db } from './types.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

/** Statements of this database that run, those that look for them left out. */
async function running(marker: string): Promise<number> {
  const rows = await db.query<{ n: bigint }>(
    {
      text: `select count(*) as n from pg_stat_activity
        where state = 'active' and pid <> pg_backend_pid() and query like '%' || $1 || '%'`,
    },
    [marker],
  );
  return Number(rows[0]!.n);
}

const sleep = (marker: string) => ({ text: `select pg_sleep(600), '${marker}'` });

describe('until', () => {
  test('yields what the query yields while the signal is at rest', async () => {
    const signal = new AbortController().signal;
    assert.deepEqual(await db.until(signal).query({ name: 'until_one', text: 'select $1::int as n' }, [1]), [{ n: 1 }]);
    assert.equal(await db.until(signal).queryCount({ text: 'select 1 union select 2' }), 2);
    assert.equal(db.stats().total, db.stats().idle);
  });

  test('an abort rejects with its reason, and PostgreSQL stops', async () => {
    const controller = new AbortController();
    const query = db.until(controller.signal).query(sleep('stopped-by-abort'));
    const rejected = assert.rejects(query, (error) => error === controller.signal.reason);
    await waitFor(async () => (await running('stopped-by-abort')) === 1, 'the statement to run');
    controller.abort(new Error('enough'));
    await rejected;
    await waitFor(async () => (await running('stopped-by-abort')) === 0, 'the statement to end');
    await waitFor(() => db.stats().total === db.stats().idle, 'the connection to be given back');
  });

  test('with a signal that has aborted nothing is sent', async () => {
    const reason = new Error('before');
    const query = db.until(AbortSignal.abort(reason)).query({ text: 'select 1' });
    await assert.rejects(query, (error) => error === reason);
    assert.equal(db.stats().total, db.stats().idle);
  });

  test('a cancelled connection is not used again: what comes next is not cancelled', async () => {
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const cancelled = db.until(controller.signal).query({ text: 'select pg_sleep(600)' });
      const settled = assert.rejects(cancelled);
      await db.query({ text: 'select 1' });
      controller.abort(new Error('enough'));
      await settled;
      const rows = await Promise.all(
        Array.from({ length: 5 }, () =>
          db.query<{ ok: boolean }>({ text: 'select pg_sleep(0.001) is not null as ok' }),
        ),
      );
      assert.ok(rows.every(([row]) => row!.ok));
    }
  });

  test("errors are the query's own", async () => {
    const { signal } = new AbortController();
    await assert.rejects(db.until(signal).query({ text: 'select 1/0' }), { code: '22012' });
    assert.deepEqual(await db.until(signal).query({ text: 'select 1 as n' }), [{ n: 1 }]);
  });
});
