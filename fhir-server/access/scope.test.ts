// Under the scope `nothing` no path shows or changes anything: each of them is asked here.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { type BatchParts, batch, runEntry } from '../interactions/batch.ts';
import { type BundleRequest, postBundle } from '../interactions/bundle.ts';
import type { Core } from '../interactions/core.ts';
import { history } from '../interactions/history.ts';
import { parseQuery, search, searchPairs, searchType } from '../interactions/search.ts';
import { transaction } from '../interactions/transaction.ts';
import { createReader, createWriter } from '../ports.ts';
import { readCurrent, readMany, readVersion } from '../store/read.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { everything, nothing, testCore } from '../testing.ts';

let db: Db;
let core: Core;
const onFault = () => {};
const parts = (): BatchParts => ({
  core,
  scope: nothing,
  answer: (entry, index) => runEntry(core, entry, index, nothing),
  shown: (result) => result,
  onFault,
});

const patient = {
  resourceType: 'Patient',
  id: 'p',
  name: [{ family: 'Test' }],
  birthDate: '2000-01-01',
  identifier: [{ value: 'i' }],
};
const observation = {
  resourceType: 'Observation',
  id: 'o',
  status: 'final',
  code: { coding: [{ code: 'c' }] },
  subject: { reference: 'Patient/p' },
  effectiveDateTime: '2024-01-01',
  valueQuantity: { value: 1 },
};

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  for (const one of [patient, patient, observation]) await storeUpdate(core.store, one, one.id, undefined, everything);
  await storeUpdate(core.store, { resourceType: 'Patient', id: 'gone' }, 'gone', undefined, everything);
  await storeDelete(core.store, 'Patient', 'gone', undefined, everything);
});

const everyRow = {
  text: `select (select array_agg(r::text order by rid) from resource r) as now,
    (select array_agg(h::text order by seq) from resource_history h) as before,
    (select array_agg(c::text order by seq) from change c) as changes,
    (select count(*) from index_date) + (select count(*) from index_string) + (select count(*) from index_reference) as indexed`,
};

describe('reading', () => {
  test('read, vread and the deleted', async () => {
    assert.equal(await createReader(core).read('Patient', 'p', nothing), undefined);
    assert.equal(await readCurrent(db, 'Patient', 'gone', nothing), undefined, 'not even that it was deleted');
    for (const version of [1, 2]) assert.equal(await readVersion(db, 'Patient', 'p', version, nothing), undefined);
    assert.deepEqual(await readMany(db, 'Patient', ['p'], nothing), []);
  });

  test('history of an instance, a type and the system', async () => {
    const [blind, seeing] = [nothing, everything].map((scope) => ({ scope, db }));
    const pairs: [string, string][] = [
      ['_at', 'le2999'],
      ['_since', '1999'],
    ];
    for (const asked of [[], pairs]) {
      await assert.rejects(history(core, { type: 'Patient', id: 'p' }, asked, blind!, false), { code: 'not-found' });
      for (const target of [{ type: 'Patient' }, {}]) {
        assert.equal((JSON.parse(await history(core, target, asked, blind!, false)) as Resource).entry, undefined);
        assert.ok((JSON.parse(await history(core, target, asked, seeing!, false)) as Resource).entry);
      }
    }
    const count: [string, string][] = [['_count', '0']];
    assert.equal((JSON.parse(await history(core, {}, count, blind!, false)) as Resource).total, 0);
  });

  const searches: [string, string][] = [
    ['Patient', ''],
    ['Patient', '_id=p'],
    ['Patient', '_id:not=x'],
    ['Patient', 'identifier=i'],
    ['Patient', 'identifier:not=x'],
    ['Patient', 'name=test'],
    ['Patient', 'birthdate=2000'],
    ['Patient', '_lastUpdated=ge2000'],
    ['Patient', 'gender:missing=true'],
    ['Patient', '_sort=birthdate'],
    ['Patient', '_sort=-_lastUpdated,name'],
    ['Patient', '_revinclude=Observation:subject'],
    ['Observation', 'code=c'],
    ['Observation', 'code=c&_sort=-date'],
    ['Observation', 'subject=Patient/p'],
    ['Observation', 'subject:Patient.name=test'],
    ['Observation', 'patient.identifier=i'],
    ['Observation', 'value-quantity=1'],
    ['Observation', '_include=Observation:subject'],
    ['Observation', '_include=*'],
  ];
  for (const [type, query] of searches) {
    test(`${type}?${query}`, async () => {
      const pairs = searchPairs(query);
      const seen = await search(core, parseQuery(core, type, pairs, true), { scope: everything, db });
      assert.equal(seen.resources.length, 1, 'everything sees it');
      for (const more of ['', '&_total=accurate', '&_total=estimate', '&_count=0', '&_summary=count']) {
        const found = await search(core, parseQuery(core, type, searchPairs(query + more), true), {
          scope: nothing,
          db,
        });
        assert.deepEqual([found.resources, found.included], [[], []]);
        assert.ok(!found.total, `total${more}`);
      }
      assert.equal(
        (JSON.parse(await searchType(core, { type, pairs, strict: true }, { scope: nothing, db })) as Resource).entry,
        undefined,
      );
      assert.deepEqual((await createReader(core).search(type, query, nothing)).resources, []);
    });
  }

  test('by GET in a batch or transaction', async () => {
    const gets: TransactionEntry[] = ['Patient/p', 'Patient/p/_history/1'].map((url) => ({ method: 'GET', url }));
    for (const entry of gets)
      await assert.rejects(transaction(core, [entry], { scope: nothing }), { code: 'not-found' });
    const results = await batch(parts(), gets);
    assert.deepEqual(
      results.map((result) => result.kind === 'failed' && result.status),
      [404, 404],
    );
    const [found] = await transaction(core, [{ method: 'GET', url: 'Patient?_id=p' }], { scope: nothing });
    assert.equal((JSON.parse(found!.body) as Resource).total, 0);
  });
});

describe('writing', () => {
  const forbidden = { code: 'forbidden', status: 403 };
  const fresh = { resourceType: 'Patient' };
  const entries: [string, TransactionEntry][] = [
    ['create', { method: 'POST', url: 'Patient', resource: fresh }],
    [
      'conditional create that would find',
      { method: 'POST', url: 'Patient', resource: fresh, ifNoneExist: 'identifier=i' },
    ],
    [
      'conditional create that would create',
      { method: 'POST', url: 'Patient', resource: fresh, ifNoneExist: 'identifier=none' },
    ],
    ['update', { method: 'PUT', url: 'Patient/p', resource: patient }],
    ['update as create', { method: 'PUT', url: 'Patient/new', resource: { ...fresh, id: 'new' } }],
    ['update with If-Match', { method: 'PUT', url: 'Patient/p', resource: patient, ifMatch: 'W/"2"' }],
    ['conditional update', { method: 'PUT', url: 'Patient?identifier=i', resource: fresh }],
    ['delete', { method: 'DELETE', url: 'Patient/p' }],
    ['delete of what is not there', { method: 'DELETE', url: 'Patient/none' }],
    ['conditional delete', { method: 'DELETE', url: 'Patient?identifier=i' }],
  ];
  for (const [name, entry] of entries) {
    test(name, async () => {
      const before = await db.query(everyRow);
      await assert.rejects(runEntry(core, entry, 0, nothing), forbidden);
      await assert.rejects(transaction(core, [entry], { scope: nothing }), forbidden);
      const [result] = await batch(parts(), [entry]);
      assert.equal(result?.kind === 'failed' && result.status, 403);
      assert.deepEqual(await db.query(everyRow), before);
    });
  }

  test('the store itself, createIfAbsent and a posted Bundle', async () => {
    const before = await db.query(everyRow);
    await assert.rejects(storeCreate(core.store, fresh, nothing), forbidden);
    await assert.rejects(storeUpdate(core.store, patient, 'p', undefined, nothing), forbidden);
    await assert.rejects(storeDelete(core.store, 'Patient', 'p', undefined, nothing), forbidden);
    await assert.rejects(createWriter(core).createIfAbsent([{ ...fresh, id: 'new' }], { scope: nothing }), forbidden);
    const bundle = (type: string) => ({
      resourceType: 'Bundle',
      type,
      entry: [{ request: { method: 'DELETE', url: 'Patient/p' } }],
    });
    const answer = () => Promise.reject(new Error('nothing is read'));
    const request: BundleRequest = { scope: nothing, prefer: 'minimal', answer, onFault };
    await assert.rejects(postBundle(core, bundle('transaction'), request), forbidden);
    assert.match(await postBundle(core, bundle('batch'), request), /"status":"403 Forbidden"/);
    assert.deepEqual(await db.query(everyRow), before);
  });
});
