// $meta and its like where a profile is null: https://hl7.org/fhir/R4/json.html#null
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { JsonObject, Meta, Resource } from '#fhir-model';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { prepare, storeUpdate } from '../store/store.ts';
import { lockRows } from '../store/write-many.ts';
import { updateOne } from '../store/write-one.ts';
import { everything, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

const extension = [{ url: 'urn:why', valueString: 'none yet' }];

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  const meta = {
    profile: ['urn:p:a', null, 'urn:p:b'],
    _profile: [null, { extension }, { id: 'b' }],
    tag: [{ system: 'urn:t', code: 'x' }],
  } as unknown as Meta;
  await storeUpdate(core.store, { resourceType: 'Patient', meta }, 'p1', undefined, everything);
});

/** The labels that the operation answers with. */
async function labels(name: string, target: { type?: string; id?: string }, meta?: JsonObject): Promise<JsonObject> {
  const resource: Resource = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: meta ?? {} }] };
  const answer = await invoke(core, {
    ...{ target: { name, ...target }, method: meta ? 'POST' : 'GET', pairs: [], scope: everything, strict: true },
    ...(meta ? { resource } : {}),
  });
  const { parameter } = (answer as { resource: Resource }).resource as unknown as {
    parameter: { valueMeta: JsonObject }[];
  };
  const { versionId: _version, lastUpdated: _updated, ...told } = parameter[0]!.valueMeta;
  return told;
}

test('what is in use of a type and of all leaves it out', async () => {
  const used = { profile: ['urn:p:a', 'urn:p:b'], tag: [{ system: 'urn:t', code: 'x' }] };
  assert.deepEqual(await labels('meta', { type: 'Patient' }), used);
  assert.deepEqual(await labels('meta', {}), used);
});

test('what is added and deleted leaves it where it is, with the extensions of each profile', async () => {
  const at = { type: 'Patient', id: 'p1' };
  const tag = [{ system: 'urn:t', code: 'x' }];
  assert.deepEqual(await labels('meta-add', at, { profile: ['urn:p:c', 'urn:p:b'] }), {
    profile: ['urn:p:a', null, 'urn:p:b', 'urn:p:c'],
    _profile: [null, { extension }, { id: 'b' }, null],
    tag,
  });
  assert.deepEqual(await labels('meta-delete', at, { profile: ['urn:p:a', 'urn:p:c'], tag }), {
    profile: [null, 'urn:p:b'],
    _profile: [{ extension }, { id: 'b' }],
  });
});

test('what somebody else has added meanwhile is no change, and makes no version', async () => {
  const { store } = core;
  const tag = [{ system: 'urn:t', code: 'same' }];
  await storeUpdate(store, { resourceType: 'Patient' }, 'p2', undefined, everything);
  const waits = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  let added: Promise<JsonObject> | undefined;
  await store.db.tx(async (tx) => {
    await lockRows(tx, 'Patient', ['p2'], everything);
    added = labels('meta-add', { type: 'Patient', id: 'p2' }, { tag });
    await waitFor(async () => (await store.db.query({ text: waits })).length === 1, 'the other one to wait');
    const tagged: Resource = { resourceType: 'Patient', meta: { tag } as unknown as Meta };
    await updateOne(tx, prepare(store, tagged, 'p2', store.clock.now(), everything), undefined, everything);
  });
  assert.deepEqual(await added, { tag });
  assert.equal((await store.read({ type: 'Patient', id: 'p2', scope: everything }))!.version, 2);
});
