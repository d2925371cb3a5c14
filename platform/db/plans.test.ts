// How PostgreSQL is to plan what connections ask: https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { beforeDrop, testConnection, testDatabase, testLog } from '../testing/index.ts';
import { connectDb } from './connect.ts';
import type { Db, Queryable } from './types.ts';

it('no query is compiled, and pages out of order are not taken for costly unless somebody says so', async (t) => {
  const connection = await testConnection(t);
  const connect = () => {
    const db = connectDb({ ...connection, poolMax: 1, log: testLog() });
    beforeDrop(connection.database, () => db.close());
    return db;
  };
  const settings = async (db: Db) => [
    ...(await db.query<object>({ text: 'SHOW jit' })),
    ...(await db.tx((tx) => tx.query<object>({ text: 'SHOW random_page_cost' }))),
  ];
  const first = connect();
  assert.deepEqual(await settings(first), [{ jit: 'off' }, { random_page_cost: '1.1' }]);
  await first.query({ text: `alter database "${connection.database}" set random_page_cost = 2.5` });
  assert.deepEqual(await settings(connect()), [{ jit: 'off' }, { random_page_cost: '2.5' }]);
});

it('a transaction that keeps plans plans once, and by their values what says so', async (t) => {
  const db = await testDatabase(t);
  await db.query({ text: 'CREATE TABLE t (n int)' });
  const mode = async (queries: Queryable, planned?: 'by-values') =>
    (
      await queries.query<{ mode: string }>({
        text: `SELECT current_setting('plan_cache_mode') AS mode`,
        ...(planned && { planned }),
      })
    )[0]!.mode;
  for (const readsFirst of [false, true]) {
    const modes = await db.tx(
      async (tx) => [await mode(tx), ...(await Promise.all([mode(tx, 'by-values'), mode(tx, 'by-values'), mode(tx)]))],
      { readsFirst, keepsPlans: true },
    );
    assert.deepEqual(modes, ['force_generic_plan', 'auto', 'auto', 'force_generic_plan']);
  }
  assert.equal(await db.tx((tx) => mode(tx, 'by-values')), 'auto');
  assert.equal(await mode(db), 'auto');
  const find = { name: 'find', text: 'SELECT n FROM t WHERE n = $1' };
  const plans = await db.tx(
    async (tx) => {
      for (let n = 0; n < 8; n++) assert.equal(await tx.queryCount(find, [n]), 0);
      return tx.query({
        text: `SELECT generic_plans::int AS kept, custom_plans::int AS made FROM pg_prepared_statements WHERE name = 'find'`,
      });
    },
    { keepsPlans: true },
  );
  assert.deepEqual(plans, [{ kept: 8, made: 0 }]);
});
