import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testDatabase } from '#platform/testing';
import { assertStoreSound, everything, nothing, testCore } from '../testing.ts';
import { insertEach } from './insert-many.ts';
import { prepare, storeCreate, storeDelete } from './store.ts';

describe('gathered statements', () => {
  it('write and read a hundred resources of several types, soundly', async (t) => {
    const db = await testDatabase(t);
    const { store } = await testCore(db);
    const resources = Array.from({ length: 100 }, (_, i) =>
      i % 3 === 0
        ? { resourceType: 'Patient', name: [{ family: `Fam\\"ily ü ${i}` }], birthDate: '1970-01-01' }
        : { resourceType: 'Basic', code: { text: `{"x":${i}}`, coding: [{ system: 'urn:test', code: `c,${i}` }] } },
    );
    const created = await Promise.all(resources.map((resource) => storeCreate(store, resource, everything)));
    assert.deepEqual(new Set(created.map(({ status, version }) => `${status} ${version}`)), new Set(['201 1']));
    const read = await Promise.all(created.map(({ type, id }) => store.read({ type, id, scope: everything })));
    assert.deepEqual(
      read.map((one) => one!.body),
      created.map(({ body }) => body),
    );
    await assertStoreSound(store);
  });

  it('tell apart what is there, deleted, unknown and out of scope', async (t) => {
    const db = await testDatabase(t);
    const { store } = await testCore(db);
    const make = () => storeCreate(store, { resourceType: 'Basic', code: { text: 'x' } }, everything);
    const [there, gone] = await Promise.all([make(), make()]);
    await storeDelete(store, 'Basic', gone.id, undefined, everything);
    const ask = (id: string, scope = everything) => store.read({ type: 'Basic', id, scope });
    const [a, b, c, d] = await Promise.all([ask(there.id), ask(gone.id), ask('never'), ask(there.id, nothing)]);
    assert.deepEqual([a?.version, a?.deleted, b?.version, b?.deleted, c, d], [1, false, 2, true, undefined, undefined]);
  });

  it('write none when one id is taken', async (t) => {
    const db = await testDatabase(t);
    const { store } = await testCore(db);
    const basic = (id: string) =>
      prepare(store, { resourceType: 'Basic', code: { text: 'x' } }, id, store.clock.now(), everything);
    await insertEach(db, [basic('taken')]);
    await assert.rejects(insertEach(db, [basic('new'), basic('taken')]), { code: '23505' });
    const rows = await db.query<{ id: string }>({ text: 'select id from resource order by id' });
    assert.deepEqual(rows, [{ id: 'taken' }]);
    await assertStoreSound(store);
  });
});
