import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CerebraError } from '../errors.ts';
import { emptyConnection, testDatabase, testLog, waitFor } from '../testing/index.ts';
import { connectDb } from './connect.ts';
import { databaseError, sqlState } from './errors.ts';

const hasCode = (code: string) => (error: unknown) =>
  error instanceof CerebraError && error.code === code && error.cause !== undefined;

describe('query', () => {
  it('yields values in the promised types', async (t) => {
    const db = await testDatabase(t);
    const text = `SELECT 9007199254740993::int8 AS int8, '{1,NULL,-2}'::int8[] AS int8s, 7::int4 AS int4,
      1.00::numeric AS numeric, '2026-01-31 12:00:00.123456Z'::timestamptz AS instant, '2026-01-31'::date AS date,
      ARRAY['a','b,"c"'] AS texts, pg_typeof(pg_current_xact_id())::text AS xid_type, '18446744073709551615'::xid8 AS xid,
      NULL::int8 AS nothing, ARRAY['2026-01-31 12:00:00Z'::timestamptz] AS instants, '2026-01-31 12:00:00'::timestamp AS local`;
    const instant = Date.UTC(2026, 0, 31, 12);
    assert.deepEqual(await db.query({ text }), [
      {
        int8: 9007199254740993n,
        int8s: [1n, null, -2n],
        int4: 7,
        numeric: '1.00',
        instant: instant + 123,
        date: '2026-01-31',
        texts: ['a', 'b,"c"'],
        xid_type: 'xid8',
        xid: 18446744073709551615n,
        nothing: null,
        instants: [instant],
        local: '2026-01-31 12:00:00',
      },
    ]);
  });

  it('prepares a named statement once a connection', async (t) => {
    const db = await testDatabase(t);
    const prepared = await db.tx(async (tx) => {
      const statement = { name: 'add_one', text: 'SELECT $1::int4 + 1 AS n' };
      assert.deepEqual(await tx.query(statement, [1]), [{ n: 2 }]);
      assert.deepEqual(await tx.query(statement, [2]), [{ n: 3 }]);
      return tx.query({ text: 'SELECT name FROM pg_prepared_statements' });
    });
    assert.deepEqual(prepared, [{ name: 'add_one' }]);
  });

  it('counts rows', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    assert.equal(await db.queryCount({ text: 'INSERT INTO t SELECT generate_series(1, $1::int)' }, [5]), 5);
    assert.equal(await db.queryCount({ text: 'UPDATE t SET n = 0 WHERE n > 3' }), 2);
    assert.equal(await db.queryCount({ text: 'SELECT n FROM t' }), 5);
  });

  it('keeps PostgreSQL’s own errors', async (t) => {
    const db = await testDatabase(t);
    await assert.rejects(db.query({ text: 'SELECT 1/0' }), (error) => sqlState(error) === '22012');
  });

  it('takes values, never text', async (t) => {
    const db = await testDatabase(t);
    const hostile = `'; DROP TABLE t; --`;
    assert.deepEqual(await db.query({ text: 'SELECT $1::text AS v' }, [hostile]), [{ v: hostile }]);
  });

  it('fails with timeout when a statement takes too long', async (t) => {
    const db = connectDb({ ...(await emptyConnection(t)), poolMax: 1, log: testLog(), statementTimeoutMs: 1_000 });
    try {
      await assert.rejects(db.query({ text: 'SELECT pg_sleep(60)' }), hasCode('timeout'));
      assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
    } finally {
      await db.close();
    }
  });

  it('ends a transaction that waits too long for its next statement, so that its locks are free', async (t) => {
    const connection = await emptyConnection(t);
    const still = connectDb({ ...connection, poolMax: 1, log: testLog(), idleTransactionTimeoutMs: 100 });
    const other = connectDb({ ...connection, poolMax: 1, log: testLog() });
    try {
      await other.query({ text: 'CREATE TABLE held (id integer)' });
      // It begins in one write with its first statement: between the two it waits for nobody.
      const waiting = still.tx(
        async (tx) => {
          await tx.query({ text: 'LOCK TABLE held' });
          await other.query({ text: 'INSERT INTO held VALUES (1)' });
          await tx.query({ text: 'INSERT INTO held VALUES (2)' });
        },
        { readsFirst: true },
      );
      await assert.rejects(waiting, hasCode('unavailable'));
      assert.deepEqual(await other.query({ text: 'SELECT id FROM held' }), [{ id: 1 }]);
      assert.deepEqual(await still.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
    } finally {
      await Promise.all([still.close(), other.close()]);
    }
  });

  it('fails with unavailable where no server is', async () => {
    const db = connectDb({ host: '/nonexistent', port: 1, user: 'x', database: 'x', poolMax: 1, log: testLog() });
    await assert.rejects(db.query({ text: 'SELECT 1' }), hasCode('unavailable'));
    await assert.rejects(
      db.tx(async () => {}),
      hasCode('unavailable'),
    );
    await db.close();
  });

  it('fails with unavailable when no connection gets free in time', async (t) => {
    const db = connectDb({ ...(await emptyConnection(t)), poolMax: 1, log: testLog(), acquireTimeoutMs: 5_000 });
    await db.tx(() => assert.rejects(db.query({ text: 'SELECT 1' }), hasCode('unavailable')));
    await db.close();
  });

  it('survives the loss of its connections', async (t) => {
    const db = await testDatabase(t);
    const other = await testDatabase(t);
    const [{ pid, name }] = (await db.query<{ pid: number; name: string }>({
      text: 'SELECT pg_backend_pid() AS pid, current_database() AS name',
    })) as [{ pid: number; name: string }];
    const sleeping = assert.rejects(db.query({ text: 'SELECT pg_sleep(60)' }), hasCode('unavailable'));
    const cut = { text: 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1' };
    await waitFor(async () => {
      const busy = { text: `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'` };
      return (await other.query(busy, [pid])).length === 1;
    }, 'the query to run');
    await other.query(cut, [name]);
    await sleeping;
    assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
  });

  it('cuts a connection that nobody gives back when closed', async (t) => {
    const db = connectDb({ ...(await emptyConnection(t)), poolMax: 2, log: testLog(), closeTimeoutMs: 10 });
    const held = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const work = db.tx(async (tx) => {
      entered.resolve();
      await held.promise;
      await tx.query({ text: 'SELECT 1' });
    });
    await entered.promise;
    await db.close();
    held.resolve();
    await assert.rejects(work, hasCode('unavailable'));
  });

  it('keeps so many connections as are asked for, however long they are idle', async (t) => {
    const connection = await emptyConnection(t);
    for (const poolMin of [0, 1]) {
      const db = connectDb({ ...connection, poolMax: 2, poolMin, log: testLog() });
      t.mock.timers.enable({ apis: ['setTimeout'] });
      try {
        await Promise.all([1, 2].map(() => db.query({ text: 'SELECT 1' })));
        t.mock.timers.tick(120_000);
        assert.equal(db.stats().total, poolMin);
      } finally {
        t.mock.timers.reset();
        await db.close();
      }
    }
  });

  it('fails with unavailable once closed', async (t) => {
    const db = connectDb({ ...(await emptyConnection(t)), poolMax: 1, log: testLog() });
    await db.query({ text: 'SELECT 1' });
    await Promise.all([db.close(), db.close()]);
    await assert.rejects(db.query({ text: 'SELECT 1' }), hasCode('unavailable'));
    assert.deepEqual(db.stats(), { total: 0, idle: 0, waiting: 0 });
  });
});

describe('tx', () => {
  it('commits what it did', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    const result = await db.tx(async (tx) => {
      await tx.query({ text: 'INSERT INTO t VALUES (1)' });
      return 'done';
    });
    assert.equal(result, 'done');
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), [{ n: 1 }]);
  });

  it('rolls back when the work throws, and the connection is used again', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    const fault = new Error('x');
    const work = db.tx(async (tx) => {
      await tx.query({ text: 'INSERT INTO t VALUES (1)' });
      throw fault;
    });
    await assert.rejects(work, fault);
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), []);
    assert.equal(db.stats().total, 1);
  });

  it('that reads first is one transaction all the same, whatever it comes to', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    const readsFirst = { readsFirst: true };
    const insert = (n: number, fault?: Error) =>
      db.tx(async (tx) => {
        const [before] = await tx.query<{ started: string }>({
          text: 'SELECT xact_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()',
        });
        assert.equal(await tx.queryCount({ text: 'INSERT INTO t VALUES ($1)' }, [n]), 1);
        const [after] = await tx.query<{ started: string }>({
          text: 'SELECT xact_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()',
        });
        assert.deepEqual(after, before);
        if (fault) throw fault;
        return n;
      }, readsFirst);
    assert.equal(await insert(1), 1);
    const fault = new Error('x');
    await assert.rejects(insert(2, fault), fault);
    await assert.rejects(
      db.tx(() => Promise.reject(fault), readsFirst),
      fault,
    );
    assert.equal(await db.tx(async () => 'nothing asked', readsFirst), 'nothing asked');
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), [{ n: 1 }]);
    assert.equal(db.stats().total, 1);
  });

  it('that reads first throws what its first query throws, and a lost connection as unavailable', async (t) => {
    const db = await testDatabase(t);
    const readsFirst = { readsFirst: true };
    const ask = (text: string) => db.tx((tx) => tx.query({ text }), readsFirst);
    await assert.rejects(ask('SELECT 1/0'), { code: '22012' });
    await assert.rejects(ask('SELECT pg_terminate_backend(pg_backend_pid())'), hasCode('unavailable'));
    assert.deepEqual(await ask('SELECT 1 AS n'), [{ n: 1 }]);
  });

  it('runs pipelined statements in order', async (t) => {
    const db = await testDatabase(t);
    const results = await db.tx((tx) =>
      Promise.all([
        tx.query({ text: 'CREATE TABLE t (n int)' }),
        tx.query({ name: 'insert_t', text: 'INSERT INTO t VALUES ($1) RETURNING n' }, [1]),
        tx.query({ name: 'insert_t', text: 'INSERT INTO t VALUES ($1) RETURNING n' }, [2]),
        tx.query({ text: 'SELECT sum(n)::int AS n FROM t' }),
      ]),
    );
    assert.deepEqual(results, [[], [{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
  });

  it('rolls all pipelined statements back when one fails', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int PRIMARY KEY)' });
    const insert = { name: 'insert_t', text: 'INSERT INTO t VALUES ($1)' };
    const work = db.tx((tx) => Promise.all([1, 1, 2, 3].map((n) => tx.query(insert, [n]))));
    await assert.rejects(work, (error) => sqlState(error) === '23505');
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), []);
    assert.equal(await db.queryCount(insert, [1]), 1);
  });

  it('tells why it failed, though the error of a later statement comes first', async (t) => {
    const db = await testDatabase(t);
    const late = async (work: Promise<unknown>) => {
      try {
        await work;
      } catch (error) {
        for (let i = 0; i < 10; i++) await undefined;
        throw error;
      }
    };
    const work = db.tx((tx) =>
      Promise.all([
        late(tx.query({ text: 'SELECT 1/0' })),
        tx.query({ text: 'SELECT 1' }),
        tx.query({ text: 'SELECT 2' }),
      ]),
    );
    await assert.rejects(work, (error) => sqlState(error) === '22012');
  });

  it('commits what is queued, and throws what one of those is refused for, or what its caller makes of it', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int PRIMARY KEY)' });
    const insert = { name: 'insert_t', text: 'INSERT INTO t VALUES ($1)' };
    const queued = (numbers: number[], options: object, errorOf?: (error: unknown) => unknown) =>
      db.tx(async (tx) => {
        await tx.query({ text: 'SELECT 1' });
        for (const n of numbers) tx.queue(insert, [n], errorOf);
        return numbers.length;
      }, options);
    for (const [at, options] of [{}, { readsFirst: true }].entries()) {
      const n = 10 * at;
      assert.equal(await queued([n + 1, n + 2], options), 2);
      await assert.rejects(queued([n + 3, n + 1, n + 4], options), { code: '23505' });
      const other = new Error('taken');
      await assert.rejects(
        queued([n + 1, n + 4, n + 2], options, () => other),
        other,
      );
    }
    const rows = await db.query<{ n: number }>({ text: 'SELECT n FROM t ORDER BY n' });
    assert.deepEqual(
      rows.map(({ n }) => n),
      [1, 2, 11, 12],
    );
    assert.equal(db.stats().total, 1);
  });

  it('that queues throws what failed first, and unavailable when its connection is lost', async (t) => {
    const db = await testDatabase(t);
    const work = db.tx(async (tx) => tx.queue({ text: 'SELECT pg_terminate_backend(pg_backend_pid())' }));
    await assert.rejects(work, hasCode('unavailable'));
    const other = new Error('taken');
    const behind = db.tx(async (tx) => {
      tx.queue({ text: 'SELECT 1/0' }, undefined, () => other);
      await tx.query({ text: 'SELECT 1' });
    });
    await assert.rejects(behind, other);
    const swallowed = db.tx(async (tx) => {
      await tx.query({ text: 'SELECT 1/0' }).catch(() => {});
      tx.queue({ text: 'SELECT 1' });
    });
    await assert.rejects(swallowed, { code: '22012' });
    assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
  });

  it('fails when a failed statement was swallowed', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    const work = db.tx(async (tx) => {
      await tx.query({ text: 'INSERT INTO t VALUES (1)' });
      await tx.query({ text: 'SELECT 1/0' }).catch(() => {});
    });
    await assert.rejects(work, (error) => error instanceof CerebraError && error.code === 'internal');
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), []);
  });

  it('fails with unavailable when its connection is lost between two statements', async (t) => {
    const db = await testDatabase(t);
    const other = await testDatabase(t);
    const work = db.tx(async (tx) => {
      const [row] = await tx.query<{ pid: number }>({ text: 'SELECT pg_backend_pid() AS pid' });
      await other.query({ text: 'SELECT pg_terminate_backend($1, 10000)' }, [row?.pid]);
      await tx.query({ text: 'SELECT 1' });
    });
    await assert.rejects(work, hasCode('unavailable'));
    assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
  });

  it('keeps 100 at once apart on 20 connections', async (t) => {
    const db = await testDatabase(t);
    await db.query({ text: 'CREATE TABLE t (n int)' });
    const add = (n: number) =>
      db.tx(async (tx) => {
        await tx.query({ text: 'INSERT INTO t VALUES ($1)' }, [n]);
        if (n % 2) throw new Error('odd');
      });
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => add(n)));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 50);
    assert.deepEqual(await db.query({ text: 'SELECT count(*) AS n, sum(n % 2) AS odd FROM t' }), [{ n: 50n, odd: 0n }]);
  });
});

describe('databaseError', () => {
  it('leaves what is no database error alone', () => {
    const error = new CerebraError('duplicate', 'x');
    assert.equal(databaseError(error), error);
    assert.equal(databaseError('x'), 'x');
    const other = new TypeError('x');
    assert.equal(databaseError(other), other);
  });

  it('takes every connection failure for unavailable', () => {
    for (const code of ['57P01', '57P03', '53300', '08006', 'ECONNREFUSED']) {
      assert.equal((databaseError(Object.assign(new Error('x'), { code })) as CerebraError).code, 'unavailable');
    }
  });

  it('takes lock and statement timeouts for timeout', () => {
    for (const code of ['57014', '55P03']) {
      assert.equal((databaseError(Object.assign(new Error('x'), { code })) as CerebraError).code, 'timeout');
    }
  });
});
