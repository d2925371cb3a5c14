// What a transaction locks, and in which order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase, waitFor } from '#platform/testing';
import { resourceKey } from '../store/layout.ts';
import { lockAll } from '../store/locks.ts';
import { storeUpdate } from '../store/store.ts';
import { everything, testCore } from '../testing.ts';
import { transaction } from './transaction.ts';

const signed = (id: string): number => Number(BigInt.asIntN(32, BigInt(resourceKey('Patient', id))));
/** As pg_locks has it. */
const unsigned = (id: string): number => signed(id) >>> 0;

test('what criteria match for the first time is locked in order too, not behind what was locked ahead', async () => {
  const db = await testDatabase();
  const core = await testCore(db);
  const before = Array.from({ length: 64 }, (_, n) => `u${n}`).find((id) => signed(id) < signed('d'))!;
  const identifier = [{ value: 'first' }];
  await storeUpdate(core.store, { resourceType: 'Patient', id: 'd' }, 'd', undefined, everything);
  await storeUpdate(core.store, { resourceType: 'Patient', id: before, identifier }, before, undefined, everything);
  const held = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const other = db.tx(async (tx) => {
    await lockAll(tx, 'resource', [resourceKey('Patient', before)]);
    held.resolve();
    await end.promise;
  });
  await held.promise;
  const written = transaction(
    core,
    [
      { method: 'PUT', url: 'Patient/d', resource: { resourceType: 'Patient', id: 'd', active: true } },
      {
        ...{ method: 'PUT', url: 'Patient?identifier=first' },
        resource: { resourceType: 'Patient', identifier, active: true },
      },
    ],
    { scope: everything },
  );
  const locks = `select pid, granted, objid::int8::float8 as key from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`;
  const rowsOf = () => db.query<{ pid: number; granted: boolean; key: number }>({ text: locks });
  const waiting = await waitFor(
    async () => (await rowsOf()).find(({ granted, key }) => !granted && key === unsigned(before)),
    'the transaction to wait for the other',
  );
  const ofIt = (await rowsOf()).filter(({ pid, granted }) => granted && pid === waiting.pid);
  assert.equal(
    ofIt.some(({ key }) => key === unsigned('d')),
    false,
  );
  end.resolve();
  await other;
  const results = await written;
  assert.deepEqual(
    results.map(({ status, id, version }) => ({ status, id, version })),
    [
      { status: 200, id: 'd', version: 2 },
      { status: 200, id: before, version: 2 },
    ],
  );
});
