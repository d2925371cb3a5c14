// A term is there whenever a resource with it is, whoever wrote first and whatever was rolled back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { createReader, createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { storeCreate, storeDelete } from './store.ts';
import { createTerms } from './terms.ts';

const condition = (display: string, id = 'x') =>
  ({
    ...{ resourceType: 'Condition', id, subject: { reference: 'Patient/p' } },
    code: { coding: [{ system: 'http://s', code: 'c', display }] },
  }) as Resource & { id: string };

const found = async (core: Core, text: string): Promise<number> =>
  (await createReader(core).search('Condition', `code:text=${text}&_count=1000`, everything)).resources.length;

const stored = async (db: Db): Promise<number> =>
  Number((await db.query<{ n: bigint }>({ text: `select count(*) as n from term where kind = 't'` }))[0]!.n);

test('what a rolled back transaction brought is brought again', async (t) => {
  const db = await testDatabase(t);
  const core = await testCore(db);
  const writer = createWriter(core);
  const failing = { scope: everything, within: () => Promise.reject(new Error('rolled back')) };
  for (let i = 0; i < 100; i++) {
    await assert.rejects(writer.createIfAbsent([condition('Asthma', `f${i}`)], failing), /rolled back/);
  }
  assert.equal(await stored(db), 0);
  await writer.createIfAbsent([condition('Asthma')], { scope: everything });
  assert.equal(await found(core, 'asthma'), 1);
  await assertStoreSound({ db });
});

test('a text that is stored is not written again, also after a restart', async (t) => {
  const db = await testDatabase(t);
  const core = await testCore(db);
  for (let i = 0; i < 300; i++) await storeCreate(core.store, condition('Gout'), everything);
  // Looked up in the background after some dozen.
  await waitFor(async () => {
    const before = await stored(db);
    await storeCreate(core.store, condition('Gout'), everything);
    return (await stored(db)) === before;
  }, 'the text is known');
  const before = await stored(db);
  const again = await testCore(db);
  for (let i = 0; i < 10; i++) await storeCreate(again.store, condition('Gout'), everything);
  assert.equal(await stored(db), before);
  assert.ok((await found(core, 'gout')) >= 310);
});

test('a text whose term leads to the token of former times gets the present one as well', async (t) => {
  const db = await testDatabase(t);
  const core = await testCore(db);
  await storeCreate(core.store, condition('Sjögren'), everything);
  await db.query({ text: `update term set token = token + 1 where kind = 't'` });
  const again = await testCore(db);
  assert.equal(await found(again, 'sjogren'), 0);
  await storeCreate(again.store, condition('Sjögren'), everything);
  assert.equal(await found(again, 'sjogren'), 2);
  // By what is looked up in the background, too.
  for (let i = 0; i < 100; i++) await storeCreate(core.store, condition('Sjögren'), everything);
  assert.ok((await found(again, 'sjogren')) === 102);
});

test('it stays for others when the resource that brought it goes', async (t) => {
  const db = await testDatabase(t);
  const core = await testCore(db);
  const first = await storeCreate(core.store, condition('Scurvy'), everything);
  const known = await createTerms(db);
  await storeCreate({ ...core.store, terms: known }, condition('Scurvy'), everything);
  await storeDelete(core.store, 'Condition', first.id, undefined, everything);
  assert.equal(await found(core, 'scurvy'), 1);
});

test('many writers at once of the same new texts neither wait for each other nor lose one', async (t) => {
  const db = await testDatabase(t);
  const cores = await Promise.all([testCore(db), testCore(db)]);
  const texts = Array.from({ length: 20 }, (_, i) => `Text${i}`);
  const writes = texts.flatMap((text, i) =>
    cores.map(async (core, c) => {
      const order = c === 0 ? texts : texts.toReversed();
      const many = order.map((each, n) => condition(each, `c${c}-${i}-${n}`));
      await createWriter(core).createIfAbsent(many, { scope: everything });
      await storeCreate(core.store, condition(text), everything);
    }),
  );
  await Promise.all(writes);
  for (const text of texts) assert.ok((await found(cores[0]!, text)) >= 42, text);
  await assertStoreSound({ db });
});

test('when it can not be told what is committed, terms go on being written', async (t) => {
  const db = await testDatabase(t);
  let asked = 0;
  const terms = await createTerms({
    ...db,
    query: (statement, values) => {
      if (statement.name !== 'terms_committed') return db.query(statement, values);
      asked++;
      return Promise.reject(new Error('gone'));
    },
  });
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 200; i++) {
      const value = `x${i}`;
      assert.equal(terms.has({ kind: 't', param: 1, value, system: '', token: '1', name: `t1|0|${value}` }), false);
    }
    await waitFor(() => asked > round, 'what is committed was asked');
  }
});
