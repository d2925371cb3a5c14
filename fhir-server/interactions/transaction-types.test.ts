// Look-ups and locks of types that come together often are one statement for all of them; of others one for each type.
// https://hl7.org/fhir/R4/http.html#transaction
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { random, testDatabase } from '#platform/testing';
import { createReader } from '../ports.ts';
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

describe('what is locked with the look-ups', () => {
  const device = (value: string, more: object = {}): Resource => ({
    resourceType: 'Device',
    identifier: [{ system: 'urn:t', value }],
    ...more,
  });
  const where = (value: string) => `identifier=urn:t|${value}`;
  /** As a message: a person and a device by criteria, two results with ids of their own. */
  const message = (value: string, note: string): TransactionEntry[] => [
    post(patient(`ahead-${value}`), { ifNoneExist: where(`ahead-${value}`) }),
    {
      method: 'PUT',
      url: `Device?${where(`ahead-${value}`)}`,
      resource: device(`ahead-${value}`, { lotNumber: note }),
    },
    put({ ...observation, issued: note }, `ahead-${value}-1`),
    put({ ...observation, issued: note }, `ahead-${value}-2`),
  ];
  const send = (list: TransactionEntry[]) => transaction(core, list, context);
  const versions = (results: { op: string; version: number }[]) => results.map(({ op, version }) => `${op} ${version}`);

  test('is locked once more where criteria find what they have not found before', async () => {
    const made = await send([post(patient('ahead-1')), post(device('ahead-1'))]);
    const note = '2026-01-01T00:00:00Z';
    const results = await send(message('1', note));
    assert.deepEqual(versions(results), ['none 1', 'update 2', 'create 1', 'create 1']);
    assert.deepEqual(
      results.slice(0, 2).map(({ id }) => id),
      made.map(({ id }) => id),
    );
    assert.deepEqual(versions(await send(message('1', note))), [...['none 1', 'update 3', 'update 2', 'update 2']]);
    await assertStoreSound(core.store);
  });

  test('takes numbers for what was thought to be there already', async () => {
    await send(message('2', '2026-01-01T00:00:00Z'));
    const known = await send(message('2', '2026-01-01T00:00:00Z'));
    await send([{ method: 'DELETE', url: `Patient/${known[0]!.id}` }]);
    const results = await send(message('2', '2026-01-01T00:00:00Z'));
    assert.deepEqual(versions(results), ['create 1', 'update 3', 'update 3', 'update 3']);
    await assertStoreSound(core.store);
  });

  test('keeps no two of many apart: each is done, once', async () => {
    const next = random(41);
    const made: string[] = [];
    const one = async () => {
      const value = `many-${next(4)}`;
      const note = `2026-01-01T00:00:0${next(10)}Z`;
      const id = made[next(made.length + 1)];
      const changes = id === undefined ? [] : [put(device('ahead-by-id', { lotNumber: note }), id)];
      const [, changed] = await send(message(value, note));
      made.push(changed!.id);
      if (changes.length > 0) await send([...changes, ...message(`own-${made.length}`, note)]);
    };
    await Promise.all(Array.from({ length: 60 }, one));
    await assertStoreSound(core.store);
    for (let i = 0; i < 4; i++) {
      const { resources } = await createReader(core).search('Patient', where(`ahead-many-${i}`), everything);
      assert.equal(resources.length, 1);
    }
  });
});
