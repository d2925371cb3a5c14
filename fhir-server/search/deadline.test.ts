// A search is stopped when its time is up or its client gone.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { before, describe, test } from 'node:test';
import { type Db, isCerebraError, type Queryable } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { everything, testCore } from '../testing.ts';
import { bounded } from './deadline.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const asleep = {
  text: `select count(*) as n from pg_stat_activity
    where query like 'select pg_sleep%' and state = 'active' and datname = current_database()`,
};
const atRest = () =>
  waitFor(async () => {
    const rows = await db.query<{ n: bigint }>(asleep);
    return rows[0]!.n === 0n && db.stats().total === db.stats().idle;
  }, 'PostgreSQL to stop');
const sleep = (within: Queryable) => within.query({ text: 'select pg_sleep(600)' });

describe('bounded', () => {
  test('time that is up is too-costly', async () => {
    await assert.rejects(bounded({ db }, 100, sleep), (error) => {
      assert.ok(isCerebraError(error, 'too-costly'));
      assert.match(error.message, /stopped after 100 ms/);
      return true;
    });
    await atRest();
  });

  test('a client that has gone ends it', async () => {
    const socket = new EventEmitter();
    const search = bounded({ db, socket }, 600_000, sleep);
    const ended = assert.rejects(search, (error) => isCerebraError(error, 'client-closed'));
    await waitFor(() => db.stats().idle < db.stats().total, 'the statement to be sent');
    socket.emit('close');
    await ended;
    await atRest();
    assert.equal(socket.listenerCount('close'), 0);
  });

  test('nothing is left behind by one that succeeds', async () => {
    const socket = new EventEmitter();
    assert.equal(await bounded({ db, socket }, 600_000, async () => 5), 5);
    assert.equal(socket.listenerCount('close'), 0);
  });

  test("the connection's own timeout is too-costly too; other errors stay what they are", async () => {
    const inTransaction = db.tx(async (tx) => {
      await tx.query({ text: 'set local statement_timeout = 50' });
      return bounded({ db: tx }, 600_000, sleep);
    });
    await assert.rejects(inTransaction, (error) => isCerebraError(error, 'too-costly'));
    await assert.rejects(
      bounded({ db }, 600_000, (within) => within.query({ text: 'select 1/0' })),
      { code: '22012' },
    );
  });
});

test('a search that has no time left is refused as a whole', async () => {
  const core = await testCore(db);
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holder = db.tx(async (tx) => {
    await tx.query({ text: 'lock table r_patient in access exclusive mode' });
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const hurried = { ...core, limits: { ...core.limits, searchTimeoutMs: 100 } };
  const query = parseQuery(core, 'Patient', searchPairs('gender=male'), true);
  await assert.rejects(search(hurried, query, { scope: everything, db }), (error) =>
    isCerebraError(error, 'too-costly'),
  );
  held.resolve();
  await holder;
  assert.deepEqual((await search(core, query, { scope: everything, db })).resources, []);
});

describe('what is told of a search that took too long', () => {
  const general = 'narrow it by further criteria, or leave out _total, _sort or includes';
  const cases: [text: string, told: string, expression?: string][] = [
    ['status=final', general],
    ['_sort=-date,status', general],
    ['_sort=_lastUpdated', general],
    [
      '_sort=status,date',
      'to sort by status, a token, all that match are read: narrow it by further criteria, or begin with another rule, as in _sort=date,status',
      '_sort',
    ],
    [
      '_sort=-code',
      'to sort by code, a token, all that match are read: narrow it by further criteria, or begin with another rule, as in _sort=_lastUpdated,code',
      '_sort',
    ],
    [
      '_content=zebra&_sort=status',
      '_content has no index, so the resources that the other criteria leave are read: put more of them beside it',
      '_content',
    ],
    [
      'subject:text=jim',
      'subject:text has no index, so the resources that the other criteria leave are read: put more of them beside it',
      'subject:text',
    ],
  ];
  test('is what makes it dear', async () => {
    const core = await testCore(db);
    const hurried = { ...core, limits: { ...core.limits, searchTimeoutMs: 50 } };
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holder = db.tx(async (tx) => {
      await tx.query({ text: 'lock table r_observation in access exclusive mode' });
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    for (const [text, told, expression] of cases) {
      const query = parseQuery(core, 'Observation', searchPairs(text), true);
      await assert.rejects(search(hurried, query, { scope: everything, db }), (error) => {
        assert.ok(isCerebraError(error, 'too-costly'));
        assert.equal(error.message, `The search was stopped after 50 ms: ${told}`);
        assert.deepEqual(error.issues[0]!.expression, expression && [expression]);
        return true;
      });
    }
    held.resolve();
    await holder;
  });
});
