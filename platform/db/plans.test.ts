// How PostgreSQL is to plan what connections ask: https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testDatabase } from '../testing/index.ts';
import type { Queryable } from './types.ts';

it('no query is compiled, however costly it is expected to be', async (t) => {
  const db = await testDatabase(t);
  assert.deepEqual(await db.query({ text: 'SHOW jit' }), [{ jit: 'off' }]);
  assert.deepEqual(await db.tx((tx) => tx.query({ text: 'SHOW jit' })), [{ jit: 'off' }]);
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
