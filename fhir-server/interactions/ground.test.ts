// What a transaction locks, and in which order.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EntryResult, TransactionEntry } from '#fhir-model';
import { testDatabase, waitFor } from '#platform/testing';
import { resourceKey } from '../store/layout.ts';
import { lockAll } from '../store/locks.ts';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

const signed = (id: string): number => Number(BigInt.asIntN(32, BigInt(resourceKey('Patient', id))));
/** As pg_locks has it. */
const unsigned = (id: string): number => signed(id) >>> 0;

test('what criteria match for the first time is locked in order where others have it, not behind what was locked ahead', async () => {
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

describe('what criteria match for the first time, with others beside it', async () => {
  const db = await testDatabase();
  const core = await testCore(db);
  let attempts = 0;
  const counted: Core = {
    ...core,
    store: {
      ...core.store,
      db: {
        ...db,
        tx: (work, options) => {
          attempts++;
          return db.tx(work, options);
        },
      },
    },
  };

  const both = (value: string): TransactionEntry[] => [
    { method: 'PUT', url: 'Patient/by-id', resource: { resourceType: 'Patient', id: 'by-id', active: true } },
    {
      ...{ method: 'PUT', url: `Patient?identifier=${value}` },
      resource: { resourceType: 'Patient', identifier: [{ value }], active: true },
    },
  ];

  async function stored(value: string): Promise<string> {
    const id = `found-${value}`;
    const resource = { resourceType: 'Patient', id, identifier: [{ value }] };
    await storeUpdate(core.store, resource, id, undefined, everything);
    attempts = 0;
    return id;
  }

  const outline = (results: EntryResult[]) => results.map(({ status, id, version }) => [status, id, version]);

  test('is locked at once where nobody has it', async () => {
    const id = await stored('free');
    const results = await transaction(counted, both('free'), { scope: everything });
    assert.deepEqual(outline(results), [
      [201, 'by-id', 1],
      [200, id, 2],
    ]);
    assert.equal(attempts, 1);
  });

  test('is waited for by another attempt where somebody has its row', async () => {
    const id = await stored('taken');
    const held = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const other = db.tx(async (tx) => {
      await tx.query({ text: 'select 1 from r_patient where id = $1 for update' }, [id]);
      held.resolve();
      await end.promise;
    });
    await held.promise;
    const written = transaction(counted, both('taken'), { scope: everything });
    await waitFor(() => attempts === 2, 'another attempt');
    end.resolve();
    await other;
    assert.deepEqual(outline(await written), [
      [200, 'by-id', 2],
      [200, id, 2],
    ]);
    await assertStoreSound(core.store);
  });
});
