// https://hl7.org/fhir/R4/http.html#patch between others' changes, and under an AccessScope
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parseJson, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { parsePatch } from '../patch/apply.ts';
import { readCurrent } from '../store/read.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, nothing, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { type PatchRequest, patchById, patchWhere } from './patch.ts';
import { parseCriteria } from './search.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const put = (id: string, family: string, rest: object = {}) =>
  storeUpdate(core.store, { resourceType: 'Patient', id, name: [{ family }], ...rest }, id, undefined, everything);

const current = async (id: string): Promise<Resource> =>
  JSON.parse((await readCurrent(db, 'Patient', id, everything))!.body) as Resource;

async function request(document: object, ifVersion?: number, scope = everything): Promise<PatchRequest> {
  return { type: 'Patient', patch: await parsePatch(core, 'merge-patch', document as Resource), ifVersion, scope };
}

/** A core in which `work` is done, `times` times, after a patch has read and before it writes. */
function interrupted(times: number, work: () => Promise<unknown>): Core {
  let left = times;
  const update: Core['store']['update'] = async (one) => {
    if (left-- > 0) await work();
    return core.store.update(one);
  };
  return { ...core, store: { ...core.store, update } };
}

test('another’s change in between is kept', async () => {
  await put('a', 'A');
  const by = interrupted(3, () => put('a', 'B', { active: true }));
  const result = await patchById(by, await request({ gender: 'female' }), 'a');
  assert.equal(result.version, 5);
  const { name, gender, active } = await current('a');
  assert.deepEqual([name, gender, active], [[{ family: 'B' }], 'female', true]);
});

test('after many lost races it is done under a lock', async () => {
  await put('b', 'B');
  const by = interrupted(8, () => put('b', 'B'));
  const result = await patchById(by, await request({ gender: 'male' }), 'b');
  assert.deepEqual([result.status, result.version, (await current('b')).gender], [200, 10, 'male']);
});

test('the version of If-Match is the one that is patched', async () => {
  await put('c', 'C');
  const by = interrupted(1, () => put('c', 'D'));
  await assert.rejects(patchById(by, await request({ gender: 'male' }, 1), 'c'), { code: 'precondition-failed' });
  assert.equal((await current('c')).gender, undefined);
});

test('what is deleted in between stays so', async () => {
  await put('d', 'D');
  const by = interrupted(1, () => storeDelete(core.store, 'Patient', 'd', undefined, everything));
  await assert.rejects(patchById(by, await request({ gender: 'male' }), 'd'), { code: 'deleted' });
});

test('by criteria, what stops matching in between is not patched', async () => {
  await put('e', 'Echo');
  const by = interrupted(1, () => put('e', 'Other'));
  const query = parseCriteria(core, 'Patient', 'family=echo', 'url');
  await assert.rejects(patchWhere(by, await request({ gender: 'male' }), query), { code: 'not-found' });
  assert.equal((await current('e')).gender, undefined);
});

test('by criteria, after many lost races it is done under a lock', async () => {
  await put('i', 'India');
  const query = parseCriteria(core, 'Patient', 'family=india', 'url');
  const by = interrupted(16, () => put('i', 'India'));
  const result = await patchWhere(by, await request({ gender: 'male' }), query);
  assert.deepEqual([result.status, (await current('i')).gender], [200, 'male']);
});

test('by criteria under the lock, what has stopped matching is not patched', async () => {
  await put('j', 'Juliett');
  const query = parseCriteria(core, 'Patient', 'family=juliett', 'url');
  let left = 8;
  const by = interrupted(8, () => put('j', --left === 0 ? 'Other' : 'Juliett'));
  await assert.rejects(patchWhere(by, await request({ gender: 'male' }), query), { code: 'not-found' });
  assert.equal((await current('j')).gender, undefined);
});

test('a result that is not valid changes nothing', async () => {
  await put('f', 'F');
  await assert.rejects(patchById(core, await request({ gender: 'x' }), 'f'), { code: 'structure' });
  assert.equal((await current('f')).meta?.versionId, '1');
});

test('without access there is nothing to patch, and no write', async () => {
  await put('g', 'Golf');
  const asked = await request({ gender: 'male' }, undefined, nothing);
  await assert.rejects(patchById(core, asked, 'g'), { code: 'forbidden' });
  const query = parseCriteria(core, 'Patient', 'family=golf', 'url');
  await assert.rejects(patchWhere(core, asked, query), { code: 'forbidden' });
  assert.equal((await current('g')).meta?.versionId, '1');
});

test('digits that were stored once are stored again', async () => {
  const text = '{"resourceType":"Patient","id":"h","extension":[{"url":"http://e","valueDecimal":1.10}]}';
  await storeUpdate(core.store, parseJson(text).exact as Resource, 'h', undefined, everything);
  const { body } = await patchById(core, await request({ active: true }), 'h');
  assert.match(body, /"valueDecimal":1\.10/);
});

test('the store is sound afterwards', () => assertStoreSound({ db }));
