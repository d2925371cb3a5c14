import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { loadCoreResources, type Resource } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { emptyStore, everything, testCore } from '../testing.ts';
import { createTextCache } from './cache.ts';
import { createCanonicals } from './canonicals.ts';

const db = await testDatabase();
let core: Core;

beforeEach(async () => {
  await emptyStore(db);
  core = await testCore(db);
});

const url = 'http://test.example/ValueSet/colours';
const valueSet = (version?: string, more: Partial<Resource> = {}): Resource => ({
  ...{ resourceType: 'ValueSet', url, status: 'active', ...(version === undefined ? {} : { version }) },
  ...more,
});

const versionOf = async (canonical: string): Promise<unknown> =>
  (await core.canonicals.find('ValueSet', canonical))?.version;

test('stored versions: the very one, the latest, the latest that begins so', async () => {
  for (const version of ['1.9.0', '1.10.0', '1.10.0-beta', undefined]) {
    await storeCreate(core.store, valueSet(version), everything);
  }
  assert.equal(await versionOf(url), '1.10.0');
  assert.equal(await versionOf(`${url}|1.9.0`), '1.9.0');
  assert.equal(await versionOf(`${url}|1`), '1.10.0');
  assert.equal(await core.canonicals.find('ValueSet', `${url}|2`), undefined);
  assert.equal(await core.canonicals.find('CodeSystem', url), undefined);
  assert.deepEqual(await core.canonicals.versions('ValueSet', url), ['1.10.0', '1.10.0-beta', '1.9.0', '']);
});

test('of two with the same version the one that was written last counts', async () => {
  await storeCreate(core.store, valueSet('1', { title: 'first' }), everything);
  await storeCreate(core.store, valueSet('1', { title: 'second' }), everything);
  assert.equal((await core.canonicals.find('ValueSet', `${url}|1`))?.title, 'second');
});

test('R4’s own lie beneath what is stored', async () => {
  const own = 'http://hl7.org/fhir/ValueSet/administrative-gender';
  assert.equal(await versionOf(own), '4.0.1');
  assert.equal(await versionOf(`${own}|4.0`), '4.0.1');
  const patient = await core.canonicals.find('StructureDefinition', 'http://hl7.org/fhir/StructureDefinition/Patient');
  assert.equal(patient?.name, 'Patient');
  await storeCreate(core.store, valueSet('1.0', { url: own }), everything);
  assert.equal(await versionOf(own), '1.0');
  assert.equal(await versionOf(`${own}|4.0.1`), '4.0.1');
  assert.deepEqual(await core.canonicals.versions('ValueSet', own), ['1.0', '4.0.1']);
});

test('what this process writes counts at once, and is told by the generation', async () => {
  assert.equal(await core.canonicals.find('ValueSet', url), undefined);
  const before = core.canonicals.generation;
  const { id } = await storeCreate(core.store, valueSet('1'), everything);
  assert.ok(core.canonicals.generation > before);
  assert.equal(await versionOf(url), '1');
  await storeUpdate(core.store, valueSet('2', { id }), id, undefined, everything);
  assert.equal(await versionOf(url), '2');
  await storeDelete(core.store, 'ValueSet', id, undefined, everything);
  assert.equal(await core.canonicals.find('ValueSet', url), undefined);
  const settled = core.canonicals.generation;
  await storeCreate(core.store, { resourceType: 'Patient' }, everything);
  assert.equal(core.canonicals.generation, settled);
});

test('what another process writes is seen when it is asked for', async () => {
  let nowMs = 0;
  const canonicals = createCanonicals({
    ...{ db, parameters: core.parameters, coreResources: loadCoreResources, scope: everything },
    now: () => nowMs,
  });
  assert.equal(await canonicals.find('ValueSet', url), undefined);
  const before = canonicals.generation;
  await storeCreate(core.store, valueSet('1'), everything);
  nowMs = 999;
  assert.equal(await canonicals.find('ValueSet', url), undefined);
  assert.equal(canonicals.generation, before);
  nowMs = 1000;
  assert.equal((await canonicals.find('ValueSet', url))?.version, '1');
  assert.ok(canonicals.generation > before);
});

test('the same object is given again; many who ask at once read once', async () => {
  await storeCreate(core.store, valueSet('1'), everything);
  const found = await Promise.all([1, 2, 3].map(() => core.canonicals.find('ValueSet', url)));
  assert.equal(found[0]?.version, '1');
  assert.ok(found.every((one) => one === found[0]));
});

test('names that can’t be one', async () => {
  for (const canonical of ['', '#contained', '|1', `http://x/${'y'.repeat(2000)}`, 'urn:uuid:none']) {
    assert.equal(await core.canonicals.find('ValueSet', canonical), undefined, canonical.slice(0, 20));
  }
  for (const type of ['Patient', 'NoType', '', 'constructor']) {
    assert.equal(await core.canonicals.find(type, url), undefined, type);
  }
});

test('the scope of the server decides what counts', async () => {
  await storeCreate(core.store, valueSet('1'), everything);
  const parts = { db, parameters: core.parameters, coreResources: loadCoreResources };
  const canonicals = createCanonicals({ ...parts, scope: { kind: 'nothing' } });
  assert.equal(await canonicals.find('ValueSet', url), undefined);
});

test('the cache is bounded by text and by number; least recently used go first', () => {
  const cache = createTextCache<string>(10, 3);
  for (const key of ['a', 'b', 'c']) cache.set(key, key, 3);
  assert.equal(cache.get('a'), 'a');
  cache.set('d', 'd', 3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => cache.get(key)),
    ['a', undefined, 'c', 'd'],
  );
  cache.set('e', 'e', 10);
  assert.deepEqual(
    ['a', 'c', 'd', 'e'].map((key) => cache.get(key)),
    [undefined, undefined, undefined, 'e'],
  );
  cache.set('f', 'f', 11);
  assert.equal(cache.get('f'), undefined);
  cache.drop('e', 'another');
  assert.equal(cache.get('e'), 'e');
  cache.clear();
  assert.equal(cache.get('e'), undefined);
});
