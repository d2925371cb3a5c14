// Whom $member-match means, by what stands on the card, and how long its failures are remembered:
// https://hl7.org/fhir/us/davinci-hrex/OperationDefinition-member-match.html
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeUpdate } from '../store/store.ts';
import { emptyStore, everything, testCore } from '../testing.ts';
import { featuresOf } from './match-features.ts';
import { findMember, memberIdentifier } from './member-match-find.ts';
import { createGuard, FAILURES_MAX } from './member-match-guard.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

beforeEach(() => emptyStore(db));

const person: JsonObject = { name: [{ family: 'Testmember', given: ['Alpha'] }], birthDate: '1980-01-02' };
const asked: Resource = { resourceType: 'Patient', ...person };
const card = (more: JsonObject): Resource => ({ resourceType: 'Coverage', ...more });

/** A patient and its coverage. */
async function member(id: string, more: JsonObject, onCard: JsonObject): Promise<void> {
  const patient = { resourceType: 'Patient', id, ...person, ...more };
  const coverage = {
    ...{ resourceType: 'Coverage', id: `c-${id}`, status: 'active', payor: [{ display: 'Payer' }] },
    ...{ beneficiary: { reference: `Patient/${id}` }, ...onCard },
  };
  for (const one of [patient, coverage]) await storeUpdate(core.store, one, one.id, undefined, everything);
}

const found = async (patient: Resource, coverage: Resource): Promise<string> => {
  try {
    return (await findMember(core, patient, coverage, everything)).id!;
  } catch (error) {
    return (error as { issues: { code: string }[] }).issues[0]!.code;
  }
};

describe('the member', () => {
  test('is nobody where neither card has a subscriber’s number and their identifiers differ', async () => {
    await member('m', {}, { identifier: [{ system: 'urn:card', value: '1' }] });
    assert.equal(await found(asked, card({ identifier: [{ system: 'urn:card', value: '2' }] })), 'not-found');
    assert.equal(await found(asked, card({ identifier: [{ system: 'urn:card', value: '1' }] })), 'm');
  });

  test('is found among patients whose photographs are too large to be read at once', async () => {
    const photo = [{ contentType: 'image/png', data: 'AAAA'.repeat(8_500_000) }];
    await member('m', { photo }, { subscriberId: 'S-1' });
    await member('n', {}, { subscriberId: 'S-2' });
    assert.equal(await found(asked, card({ subscriberId: 'S-2' })), 'n');
    assert.equal(await found(asked, card({ subscriberId: 'S-1' })), 'm');
  });

  test('is told from a twin of the same name by the order of birth', async () => {
    const number = { subscriberId: 'S-1' };
    // All else is the same, so that each is likely enough to be the other.
    const same = {
      ...{ gender: 'female', telecom: [{ system: 'phone', value: '030 1234567' }] },
      address: [{ line: ['Hauptstr. 1'], city: 'Berlin', postalCode: '10115' }],
    };
    await member('first', { ...same, multipleBirthInteger: 1 }, number);
    await member('second', { ...same, multipleBirthInteger: 2 }, number);
    assert.equal(await found({ ...asked, ...same, multipleBirthInteger: 2 }, card(number)), 'second');
    assert.equal(await found({ ...asked, ...same }, card(number)), 'multiple-matches');
  });

  test('has a given name that agrees, and a dependent’s number where both cards have one', async () => {
    await member('nameless', { name: [{ family: 'Testmember' }] }, { subscriberId: 'S-1' });
    assert.equal(await found(asked, card({ subscriberId: 'S-1' })), 'not-found');
    await member('m', {}, { subscriberId: 'S-1', dependent: '01' });
    assert.equal(await found(asked, card({ subscriberId: 'S-1', dependent: '02' })), 'not-found');
    assert.equal(await found(asked, card({ subscriberId: 'S-1', dependent: '01' })), 'm');
  });
});

describe('the identifier by which the member is asked for', () => {
  const identified = (id: string, ...identifier: JsonObject[]): Resource => ({
    ...{ resourceType: 'Patient', id, ...person, identifier },
  });

  test('is none that is old or temporary', async () => {
    const type = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MB' }] };
    const patient = identified(
      'm',
      { type, system: 'urn:member', value: 'old', use: 'old' },
      { type, system: 'urn:member', value: 'temp', use: 'temp' },
      { system: 'urn:mrn', value: '7' },
    );
    await storeUpdate(core.store, patient, 'm', undefined, everything);
    const { system, value } = await memberIdentifier(core, patient, everything);
    assert.deepEqual([system, value], ['urn:mrn', '7']);
  });

  test('may be one that a patient who was merged into this one has kept', async () => {
    const number = { system: 'urn:mrn', value: '7' };
    const link = [{ other: { reference: 'Patient/m' }, type: 'replaced-by' }];
    const former = { ...identified('former', number), link };
    await storeUpdate(core.store, former, 'former', undefined, everything);
    await storeUpdate(core.store, identified('m', number), 'm', undefined, everything);
    const { system, value } = await memberIdentifier(core, identified('m', number), everything);
    assert.deepEqual([system, value], ['urn:mrn', '7']);
  });
});

describe('failures', () => {
  const of = (i: number) => featuresOf({ name: [{ family: `Family${i}`, given: ['X'] }], birthDate: `day ${i}` });
  const person = of(0);
  /** Each is remembered by its birth date and by its name: 5,000 of them are all that is remembered. */
  const fill = (guard: ReturnType<typeof createGuard>, from: number, count: number): void => {
    for (let i = from; i < from + count; i++) guard.failed(of(i));
  };

  test('of whom they are about lately are remembered, those of the oldest are not', () => {
    const guard = createGuard({ now: () => 0 });
    for (let i = 1; i < FAILURES_MAX; i++) guard.failed(person);
    fill(guard, 1, 4_999);
    guard.failed(person);
    fill(guard, 5_000, 10);
    assert.throws(() => guard.assertAllowed(person), { code: 'too-many-requests' });
    fill(guard, 6_000, 5_000);
    guard.assertAllowed(person);
  });
});
