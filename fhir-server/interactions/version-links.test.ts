// References that become ones to a version, and versions of what entries bring:
// https://hl7.org/fhir/extensions/StructureDefinition-resolve-as-version-specific.html, https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Json, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { createReader } from '../ports.ts';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

const URN = 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000cccc';
const URL = 'http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific';
const asking = [{ url: URL, valueBoolean: true }];
const context = { scope: everything };

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const patient = (value: string, more: JsonObject = {}): Resource => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:v', value }],
  ...more,
});
const provenance = (...target: Json[]): Resource => ({
  resourceType: 'Provenance',
  recorded: '2026-01-01T00:00:00Z',
  agent: [{ who: { display: 'somebody' } }],
  target,
});
const post = (resource: Resource, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  ...{ method: 'POST', url: resource.resourceType, resource },
  ...more,
});
/** Stores another version of `Patient/[id]`, whose identifier is its id. */
const put = (id: string, more: JsonObject = {}) =>
  storeUpdate(core.store, { ...patient(id, more), id }, id, undefined, everything);
const targetOf = async (id: string): Promise<unknown> =>
  (JSON.parse((await createReader(core).read('Provenance', id, everything))!.body) as Resource).target;

describe('resolve-as-version-specific', () => {
  test('of what a conditional create finds: the version that is there', async () => {
    await put('found');
    await put('found', { active: true });
    const found = post(patient('found'), { fullUrl: URN, ifNoneExist: 'identifier=urn:v|found' });
    const entries = [found, post(provenance({ reference: URN, extension: asking }))];
    const [, referring] = await transaction(core, entries, context);
    assert.deepEqual(await targetOf(referring!.id), [{ reference: 'Patient/found/_history/2' }]);
  });

  test('one asks and another does not; other extensions stay, and one that says no asks for nothing', async () => {
    const other = { url: 'http://example.org/other', valueBoolean: true };
    const no = { url: URL, valueBoolean: false };
    const entry = post(
      provenance(
        { reference: URN, extension: [other, ...asking] },
        { reference: URN, extension: [no] },
        { reference: URN },
      ),
    );
    const entries = [post(patient('new'), { fullUrl: URN }), entry];
    const [created, referring] = await transaction(core, entries, context);
    const reference = `Patient/${created!.id}`;
    assert.deepEqual(await targetOf(referring!.id), [
      { reference: `${reference}/_history/1`, extension: [other] },
      { reference, extension: [no] },
      { reference },
    ]);
  });

  test('another attempt tells the version that it writes', async () => {
    await put('raced');
    let attempts = 0;
    // Whoever wins the race writes between the two attempts.
    const tx: Db['tx'] = async (run, options) => {
      if (attempts === 1) await put('raced', { gender: 'other' });
      return db.tx(run, options);
    };
    const raced: Core = { ...core, store: { ...core.store, db: { ...db, tx } } };
    const lost = async () => {
      if (++attempts === 1) throw Object.assign(new Error('lost'), { code: '40001' });
    };
    const update: TransactionEntry = {
      method: 'PUT',
      url: 'Patient/raced',
      resource: { ...patient('raced', { active: true }), id: 'raced' },
    };
    const entries = [update, post(provenance({ reference: 'Patient/raced', extension: asking }))];
    const [written, referring] = await transaction(raced, entries, { ...context, within: lost });
    assert.deepEqual([attempts, written!.version], [2, 3]);
    assert.deepEqual(await targetOf(referring!.id), [{ reference: 'Patient/raced/_history/3' }]);
  });
});

test('only what is created anew takes the version that its entry had elsewhere', async () => {
  await put('known');
  const elsewhere = (id: string) => `http://example.org/fhir/Patient/${id}`;
  const meta = { versionId: '3' };
  const entries: TransactionEntry[] = [
    post(patient('elsewhere', { meta }), { fullUrl: elsewhere('a') }),
    post(patient('known', { meta }), { fullUrl: elsewhere('b'), ifNoneExist: 'identifier=urn:v|known' }),
    {
      ...{ method: 'PUT', url: 'Patient/updated', fullUrl: elsewhere('c') },
      resource: { ...patient('updated', { meta }), id: 'updated' },
    },
    post(provenance(...['a', 'b', 'c'].map((id) => ({ reference: `${elsewhere(id)}/_history/3` })))),
  ];
  const results = await transaction(core, entries, context);
  assert.deepEqual(await targetOf(results[3]!.id), [
    { reference: `Patient/${results[0]!.id}/_history/1` },
    { reference: `${elsewhere('b')}/_history/3` },
    { reference: `${elsewhere('c')}/_history/3` },
  ]);
});

test('the store is sound afterwards', () => assertStoreSound({ db }));
