import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase, waitFor } from '../testing/index.ts';
import { sqlState } from './errors.ts';

const pid = { text: 'select pg_backend_pid() as pid' };

test('statements under way share a connection and run one after the other; then the pool has it back', async (t) => {
  const db = await testDatabase(t);
  await db.query({ text: 'create table told (n serial, what text)' });
  const add = { name: 'told_add', text: 'insert into told (what) values ($1) returning pg_backend_pid() as pid' };
  const pids = (
    await Promise.all(['a', 'b', 'c', 'd'].map((what) => db.inLine.query<{ pid: number }>(add, [what])))
  ).flat();
  assert.equal(new Set(pids.map((one) => one.pid)).size, 1);
  const told = await db.query({ text: 'select what from told order by n' });
  assert.deepEqual(told, [{ what: 'a' }, { what: 'b' }, { what: 'c' }, { what: 'd' }]);
  assert.equal(await db.inLine.queryCount({ text: 'delete from told' }), 4);
  const { total, idle, waiting } = db.stats();
  assert.deepEqual([idle, waiting], [total, 0]);
});

test('what one is refused for is no matter of those behind it', async (t) => {
  const db = await testDatabase(t);
  await db.query({ text: 'create table once (n int primary key)' });
  const add = { name: 'once_add', text: 'insert into once values ($1::int)' };
  const settled = await Promise.allSettled([1, 1, 2, 'x', 3].map((n) => db.inLine.query(add, [n])));
  assert.deepEqual(
    settled.map((one) => (one.status === 'fulfilled' ? 'there' : sqlState(one.reason))),
    ['there', '23505', 'there', '22P02', 'there'],
  );
  assert.deepEqual(await db.query({ text: 'select n from once order by n' }), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  const { total, idle } = db.stats();
  assert.equal(idle, total);
});

test('a connection that is lost fails what is under way on it, and nothing after', async (t) => {
  const db = await testDatabase(t);
  const sleeping = 'select pg_sleep(60) as in_line';
  const under = [{ text: sleeping }, pid, pid].map((statement) => db.inLine.query(statement));
  const settled = Promise.allSettled(under);
  const find = { text: `select pid from pg_stat_activity where state = 'active' and query = $1` };
  const [found] = await waitFor(async () => {
    const rows = await db.query<{ pid: number }>(find, [sleeping]);
    return rows.length > 0 && rows;
  }, 'the statement');
  await db.query({ text: 'select pg_terminate_backend($1)' }, [found!.pid]);
  assert.deepEqual(
    (await settled).map((one) => (one.status === 'rejected' ? one.reason.code : one.value)),
    ['unavailable', 'unavailable', 'unavailable'],
  );
  const [next] = await db.inLine.query<{ pid: number }>(pid);
  assert.notEqual(next!.pid, found!.pid);
  await waitFor(() => db.stats().idle === db.stats().total, 'the pool has them back');
});

test('a connection that PostgreSQL ends is given to nobody who asks in the same turn', async (t) => {
  const db = await testDatabase(t);
  const sleeping = 'select pg_sleep(60) as alone';
  const next = db.inLine.query({ text: sleeping }).catch(async (error) => ({
    code: error.code,
    rows: await Promise.all([db.query(pid), db.inLine.query(pid)]),
  }));
  const find = { text: `select pid from pg_stat_activity where state = 'active' and query = $1` };
  const [found] = await waitFor(async () => {
    const rows = await db.query<{ pid: number }>(find, [sleeping]);
    return rows.length > 0 && rows;
  }, 'the statement');
  await db.query({ text: 'select pg_terminate_backend($1)' }, [found!.pid]);
  const { code, rows } = (await next) as { code: string; rows: { pid: number }[][] };
  assert.equal(code, 'unavailable');
  assert.ok(rows.flat().every((row) => row.pid !== found!.pid));
});

test('no more is sent in line once the pool is closed', async (t) => {
  const db = await testDatabase(t);
  const under = db.inLine.query(pid);
  const closed = db.close();
  await assert.rejects(db.inLine.query(pid), { code: 'unavailable' });
  assert.equal((await under).length, 1);
  await closed;
});
