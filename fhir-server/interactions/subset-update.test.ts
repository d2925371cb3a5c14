// A part of a resource is not stored over the whole: https://hl7.org/fhir/R4/search.html#elements
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { readCurrent } from '../store/read.ts';
import { everything, testCore } from '../testing.ts';
import { runEntry } from './batch.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const whole: Resource = { resourceType: 'Patient', id: 'w', gender: 'female', name: [{ family: 'Whole' }] };
const mark = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };
const tagged = (tag: object): Resource => ({
  resourceType: 'Patient',
  id: 'w',
  gender: 'female',
  meta: { tag: [tag] } as never,
});
const put = (resource: Resource, url = 'Patient/w'): TransactionEntry => ({ method: 'PUT', url, resource });
const run = (entry: TransactionEntry) => runEntry(core, entry, 0, everything);
const refused = (error: unknown): boolean =>
  error instanceof CerebraError &&
  error.status === 422 &&
  error.issues[0]?.code === 'business-rule' &&
  error.issues[0].expression?.[0] === 'Bundle.entry[0].resource.meta.tag';

test('an update with the tag SUBSETTED is refused, by id, by criteria and in a transaction', async () => {
  await run(put(whole));
  const part = tagged(mark);
  await assert.rejects(run(put(part)), refused);
  await assert.rejects(run(put(part, 'Patient?_id=w')), refused);
  await assert.rejects(transaction(core, [put(part)], { scope: everything }), refused);
  const { body, version } = (await readCurrent(db, 'Patient', 'w', everything))!;
  assert.deepEqual([version, JSON.parse(body).name], [1, whole.name]);
});

test('a create takes nothing’s place; the code in another system is another tag', async () => {
  const created = await run({ method: 'POST', url: 'Patient', resource: tagged(mark) });
  assert.equal(created.status, 201);
  const updated = await run(put(tagged({ system: 'urn:other', code: 'SUBSETTED' })));
  assert.equal(updated.status, 200);
});
