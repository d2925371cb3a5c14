// Look-ups and locks of types that come together often are one statement for all of them; of others one for each type.
// https://hl7.org/fhir/R4/http.html#transaction
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let core: Core;

before(async () => {
  core = await testCore(await testDatabase());
});

const context = { scope: everything };
const patient = (value: string): Resource => ({ resourceType: 'Patient', identifier: [{ system: 'urn:t', value }] });
const observation: Resource = { resourceType: 'Observation', status: 'final', code: { text: 't' } };
const post = (resource: Resource, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  ...{ method: 'POST', url: resource.resourceType, resource },
  ...more,
});
const put = (resource: Resource, id: string): TransactionEntry => ({
  ...{ method: 'PUT', url: `${resource.resourceType}/${id}`, resource: { ...resource, id } },
});

const ROUNDS = 30;
const named = (round: number) => `often-${round}`;
const entries = (round: number): TransactionEntry[] => {
  const device = { resourceType: 'Device', identifier: [{ system: 'urn:t', value: named(round) }] };
  return [
    post(patient(named(round)), { ifNoneExist: `identifier=urn:t|${named(round)}` }),
    { method: 'PUT', url: `Device?identifier=urn:t|${named(round)}`, resource: device },
    put(observation, named(round)),
    put(patient('often'), named(round)),
  ];
};
const anyOfTwo = (round: number) =>
  post(patient('often-none'), { ifNoneExist: `identifier=urn:t|often-nobody,urn:t|${named(round)}` });
const write = async (list: TransactionEntry[]) =>
  (await transaction(core, list, context)).map(({ op, version }) => `${op} ${version}`);
const gone = (round: number): TransactionEntry[] => [
  { method: 'DELETE', url: `Device?identifier=urn:t|${named(round)}` },
  { method: 'DELETE', url: `Observation/${named(round)}` },
];

test('have the same effect each time: created, found and changed, deleted, created anew', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    assert.deepEqual(await write(entries(round)), ['create 1', 'create 1', 'create 1', 'create 1']);
    const again = await write([...entries(round), anyOfTwo(round)]);
    assert.deepEqual(again, ['none 1', 'update 2', 'update 2', 'update 2', 'none 1']);
    assert.deepEqual(await write(gone(round)), ['delete 3', 'delete 3']);
    assert.deepEqual(await write(entries(round)), ['none 1', 'create 1', 'create 4', 'update 3']);
  }
  await assertStoreSound(core.store);
});

test('several matches are told of all the same', async () => {
  await transaction(core, [post(patient('often-twice')), post(patient('often-twice'))], context);
  const [, ...rest] = entries(ROUNDS);
  const twice = post(patient('x'), { ifNoneExist: 'identifier=urn:t|often-twice' });
  await assert.rejects(write([twice, ...rest]), { code: 'multiple-matches', status: 412 });
});
