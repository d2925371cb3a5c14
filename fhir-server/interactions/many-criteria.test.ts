// Criteria of more entries, and with more matches, than one look at them has: https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { CerebraError, Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { assertStoreSound, createNarrowScope, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { matchEach } from './match-each.ts';
import { parseCriteria } from './search.ts';
import { transaction } from './transaction.ts';

const context = { scope: everything };

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const patient = (value: string, more: object = {}): Resource => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:m', value }],
  ...more,
});
const post = (resource: Resource, ifNoneExist?: string): TransactionEntry => ({
  ...{ method: 'POST', url: 'Patient', resource },
  ...(ifNoneExist === undefined ? {} : { ifNoneExist }),
});

test('700 conditional creates: created, and found again', async () => {
  const entries = Array.from({ length: 700 }, (_, i) => post(patient(`${i}`), `identifier=urn:m|${i}`));
  const created = await transaction(core, entries, context);
  assert.deepEqual(new Set(created.map(({ status }) => status)), new Set([201]));
  const found = await transaction(core, entries, context);
  assert.deepEqual(
    found.map(({ status, id }) => [status, id]),
    created.map(({ id }) => [200, id]),
  );
});

test('what many criteria match is kept once, and no more of it than is told', async () => {
  const name = [{ family: 'x'.repeat(1000) }];
  const put = (id: string): TransactionEntry => ({
    ...{ method: 'PUT', url: `Patient/${id}` },
    resource: { ...patient(id, { name }), id },
  });
  await transaction(core, [put('kept-1'), put('kept-2')], context);
  const matched = (texts: string[]) => {
    const queries = new Map(texts.map((text) => [text, parseCriteria(core, 'Patient', text, 'x')]));
    return matchEach(core, queries, { ...context, db }, undefined, 2000);
  };
  const byId = (i: number) => `_id=kept-1&_lastUpdated=gt2000-01-${i}`;
  const byNumbers = (i: number) => `identifier=urn:m|kept-1,urn:m|none-${i}`;
  for (const one of [byId, byNumbers]) {
    const found = await matched(Array.from({ length: 20 }, (_, i) => one(10 + i)));
    const all = [...found.values()].flat();
    assert.deepEqual([all.length, new Set(all).size], [20, 1]);
  }
  await assert.rejects(matched(['_id=kept-1', '_id=kept-2']), { code: 'too-costly' });
  await assert.rejects(matched(['kept-1', 'kept-2'].map((id) => `identifier=urn:m|${id}`)), { code: 'too-costly' });
  assert.equal((await matched(['_id=kept-1,kept-2'])).get('_id=kept-1,kept-2')!.length, 2);
});

test('nothing is under way any more when what they match is refused', async () => {
  let underWay = 0;
  const counted = async <T>(result: Promise<T>): Promise<T> => {
    underWay++;
    return result.finally(() => underWay--);
  };
  const counting: Db = { ...db, query: (statement, values) => counted(db.query(statement, values)) };
  const texts = Array.from({ length: 20 }, (_, i) => `_id=kept-1,kept-2&_lastUpdated=gt2000-01-${10 + i}`);
  const queries = new Map(texts.map((text) => [text, parseCriteria(core, 'Patient', text, 'x')]));
  await assert.rejects(matchEach(core, queries, { ...context, db: counting }, undefined, 2000), { code: 'too-costly' });
  assert.equal(underWay, 0);
});

test('what an entry creates is found behind what updates create, which is none of its criteria’s business', async () => {
  const name = [{ family: 'Twin' }];
  const put = (id: string): TransactionEntry => ({
    ...{ method: 'PUT', url: `Patient/${id}` },
    resource: { ...patient(id, { name }), id },
  });
  const entries = [
    ...['a', 'b', 'c', 'd'].map(put),
    post(patient('posted', { name })),
    ...['e', 'f', 'g', 'h'].map(put),
    post(patient('conditional', { name }), 'family=twin'),
  ];
  await assert.rejects(transaction(core, entries, context), (error: CerebraError) => {
    assert.deepEqual(
      [error.code, error.issues[0]!.expression],
      ['invalid', ['Bundle.entry[9].request', 'Bundle.entry[4]']],
    );
    return true;
  });
  const others = entries.filter((_, index) => index !== 4);
  const results = await transaction(core, others, context);
  assert.deepEqual(new Set(results.map(({ status }) => status)), new Set([201]));
});

test('a conditional create among deletions does not take those that are left for none', async () => {
  const gender = 'unknown';
  const count = 1_200;
  const created = await transaction(
    core,
    Array.from({ length: count }, (_, i) => post(patient(`left-${i}`, { gender }))),
    context,
  );
  const deletions = created
    .slice(0, count - 50)
    .map(({ id }): TransactionEntry => ({ method: 'DELETE', url: `Patient/${id}` }));
  const entry = post(patient('among', { gender }), 'gender=unknown');
  await assert.rejects(transaction(core, [...deletions, entry], context), { code: 'multiple-matches', status: 412 });
});

test('of several criteria each is met by any of its values', async () => {
  const identifier = ['any-1', 'any-3'].map((value) => ({ system: 'urn:m', value }));
  const [created] = await transaction(core, [post(patient('', { identifier }))], context);
  const met = 'identifier=urn:m|any-1,urn:m|any-2&identifier=urn:m|any-3';
  const [found] = await transaction(core, [post(patient('other'), met)], context);
  assert.deepEqual([found!.status, found!.id], [200, created!.id]);
  const unmet = 'identifier=urn:m|any-1,urn:m|any-3&identifier=urn:m|any-2';
  const [another] = await transaction(core, [post(patient('other'), unmet)], context);
  assert.equal(another!.status, 201);
});

test('the same criteria in another order are the same', async () => {
  const resource = patient('ordered', { gender: 'other', birthDate: '1901-02-03' });
  const entries = ['gender=other&birthdate=1901-02-03', 'birthdate=1901-02-03&gender=other'];
  const [created, found] = await transaction(
    core,
    entries.map((criteria) => post(resource, criteria)),
    context,
  );
  assert.deepEqual([created!.status, found!.status, found!.id], [201, 200, created!.id]);
});

test('criteria match nothing that the access hides', async () => {
  const narrow = { scope: createNarrowScope() };
  const hidden: TransactionEntry = {
    ...{ method: 'PUT', url: 'Patient/hidden-one' },
    resource: patient('hidden', { id: 'hidden-one', active: true }),
  };
  await transaction(core, [hidden], context);
  const url = 'Patient?identifier=urn:m|hidden';
  const reading: TransactionEntry = {
    ...{ method: 'POST', url: 'Basic' },
    resource: { resourceType: 'Basic', code: { text: 'x' }, subject: { reference: url } },
  };
  await assert.rejects(transaction(core, [reading], narrow), { code: 'precondition-failed' });
  const [deleted] = await transaction(core, [{ method: 'DELETE', url }], narrow);
  assert.equal(deleted!.op, 'none');
  const [created] = await transaction(core, [post(patient('hidden'), 'identifier=urn:m|hidden')], narrow);
  assert.equal(created!.status, 201);
  const [updated] = await transaction(core, [{ method: 'PUT', url, resource: patient('hidden') }], narrow);
  assert.deepEqual([updated!.id, updated!.version], [created!.id, 2]);
  // Who sees both can't tell which is meant.
  await assert.rejects(transaction(core, [reading], context), { code: 'multiple-matches' });
});

test('the store is sound afterwards', () => assertStoreSound({ db }));
