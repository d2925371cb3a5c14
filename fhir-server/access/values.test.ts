// Scopes with values, of which several are under way at a time: what is written lies within its writer's, and no statement
// that several share mixes two of them up.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, Resource, TransactionEntry } from '#fhir-model';
import type { CerebraError, Db } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { type BatchParts, batch, runEntry } from '../interactions/batch.ts';
import type { Core } from '../interactions/core.ts';
import { patchById } from '../interactions/patch.ts';
import { transaction } from '../interactions/transaction.ts';
import { invoke } from '../operations/invoke.ts';
import { createOperations } from '../operations/registry.ts';
import { createWriter } from '../ports.ts';
import { readCurrent } from '../store/read.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { compiled, type ScopeSql, scopeKey, scopeSql } from './scope.ts';

/** Of these patients and what has them as its subject, with two values of its own. */
interface PatientsScope {
  kind: 'patients';
  ids: string[];
}

const subjectOf = (resource: Resource): string => (resource.subject as { reference?: string })?.reference ?? '';

function patientsSql({ ids }: PatientsScope): ScopeSql {
  const references = ids.map((id) => `Patient/${id}`);
  return {
    name: '_patients',
    condition: (
      alias,
      first,
    ) => `((${alias}.body::json ->> 'resourceType' = 'Patient' and ${alias}.id = any($${first}::text[]))
      or ${alias}.body::json #>> '{subject,reference}' = any($${first + 1}::text[]))`,
    values: [ids, references],
    writes: true,
    admits: (resource, id) =>
      resource.resourceType === 'Patient' ? ids.includes(id) : references.includes(subjectOf(resource)),
  };
}

Object.assign(compiled, { patients: patientsSql });
const of = (...ids: string[]) => ({ kind: 'patients', ids }) as unknown as AccessScope;

let db: Db;
let core: Core;

type Stored = Resource & { id: string };
const patient = (id: string, more: object = {}): Stored => ({ resourceType: 'Patient', id, ...more });
const observation = (id: string, subject: string, more: object = {}): Stored => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { text: 'c' }, subject: { reference: subject } },
  ...{ identifier: [{ value: id }], ...more },
});
const put = (resource: Stored, scope: AccessScope) => storeUpdate(core.store, resource, resource.id, undefined, scope);

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  core.operations = createOperations(core, { log: testLog(), expunge: true });
  const patients = ['mine', 'mine-too', 'other'].map((id) => patient(id));
  for (const one of [...patients, observation('o', 'Patient/mine')]) await put(one, everything);
});

const everyRow = {
  text: `select (select array_agg(r::text order by rid) from resource r) as now,
    (select array_agg(h::text order by seq) from resource_history h) as before,
    (select array_agg(c::text order by seq) from change c) as changes,
    (select count(*) from index_reference) as referring`,
};

describe('what would lie outside of the scope is refused before anything is stored', () => {
  const scope = of('mine', 'mine-too');
  const outside = observation('new', 'Patient/other');
  const { id: _, ...fresh } = outside;
  const moved = observation('o', 'Patient/other');
  const entries: [string, TransactionEntry][] = [
    ['create', { method: 'POST', url: 'Observation', resource: fresh }],
    ['a patient of its own', { method: 'POST', url: 'Patient', resource: { resourceType: 'Patient' } }],
    ['conditional create', { method: 'POST', url: 'Observation', resource: fresh, ifNoneExist: 'identifier=none' }],
    ['update as create', { method: 'PUT', url: 'Observation/new', resource: outside }],
    ['update', { method: 'PUT', url: 'Observation/o', resource: moved }],
    ['update with If-Match', { method: 'PUT', url: 'Observation/o', resource: moved, ifMatch: 'W/"1"' }],
    ['conditional update', { method: 'PUT', url: 'Observation?identifier=o', resource: fresh }],
    ['conditional update that creates', { method: 'PUT', url: 'Observation?identifier=none', resource: fresh }],
    [
      'without a subject',
      { method: 'PUT', url: 'Observation/o', resource: { ...moved, subject: { display: 'mine' } } },
    ],
  ];
  const parts = (): BatchParts => ({
    ...{ core, scope, onFault: () => {} },
    shown: (result) => result,
    answer: (entry, index) => runEntry(core, entry, index, scope),
  });
  for (const [name, entry] of entries) {
    test(name, async () => {
      const before = await db.query(everyRow);
      const type = entry.url.split(/\W/)[0];
      const text = `This access does not allow storing this ${type}: it would lie outside of what the access is to. Check whom and what it refers to`;
      const forbidden = { code: 'forbidden', status: 403 };
      const alone = await runEntry(core, entry, 0, scope).then(
        () => assert.fail('it was stored'),
        (error: CerebraError) => error,
      );
      assert.equal(alone.status, 403);
      assert.ok(alone.message.endsWith(text), alone.message);
      const fine: TransactionEntry = {
        method: 'PUT',
        url: 'Observation/fine',
        resource: observation('fine', 'Patient/mine'),
      };
      const place = {
        ...forbidden,
        issues: [
          {
            severity: 'error',
            code: 'forbidden',
            diagnostics: `${type}: ${text}`,
            expression: ['Bundle.entry[1].resource'],
          },
        ],
      };
      await assert.rejects(transaction(core, [fine, entry], { scope }), place);
      const [result] = await batch(parts(), [entry]);
      assert.equal(result?.kind === 'failed' && result.status, 403);
      assert.deepEqual(await db.query(everyRow), before);
    });
  }

  test('patches, and creations of other rooms', async () => {
    const before = await db.query(everyRow);
    const forbidden = { code: 'forbidden', status: 403 };
    const patch = (existing: Resource) => ({ ...existing, subject: { reference: 'Patient/other' } });
    const request = { type: 'Observation', patch, ifVersion: undefined, scope };
    await assert.rejects(patchById(core, request, 'o'), forbidden);
    const some = [observation('fine', 'Patient/mine'), observation('new', 'Patient/other')];
    await assert.rejects(createWriter(core).createIfAbsent(some, { scope }), forbidden);
    await assert.rejects(storeCreate(core.store, fresh, scope), forbidden);
    assert.deepEqual(await db.query(everyRow), before);
  });

  test('references that $merge would move to somebody else', async () => {
    const before = await db.query(everyRow);
    const refer = (name: string, id: string) => ({ name, valueReference: { reference: `Patient/${id}` } });
    const parameter = [refer('source-patient', 'mine'), refer('target-patient', 'mine-too')];
    const merge = (as: AccessScope) =>
      invoke(core, {
        ...{ target: { name: 'merge', type: 'Patient' }, method: 'POST', pairs: [], scope: as, strict: true },
        resource: { resourceType: 'Parameters', parameter },
      });
    // The operation also stores a Provenance, which has no subject.
    await assert.rejects(merge(scope), { code: 'forbidden', status: 403 });
    assert.deepEqual(await db.query(everyRow), before);
  });

  test('what lies within is written as ever', async () => {
    const stored = await put(observation('within', 'Patient/mine'), scope);
    assert.equal(stored.version, 1);
    const again = await put(observation('within', 'Patient/mine-too'), scope);
    assert.equal(again.version, 2);
    const urn = 'urn:uuid:6f0b1a52-3f0c-4a8e-9a3b-0c7d1d1c7e11';
    const bundle: TransactionEntry[] = [
      { method: 'PUT', url: 'Patient/mine', resource: patient('mine', { active: true }), fullUrl: urn },
      { method: 'POST', url: 'Observation', resource: { ...fresh, subject: { reference: urn } } },
    ];
    const results = await transaction(core, bundle, { scope });
    assert.deepEqual(
      results.map(({ status }) => status),
      [200, 201],
    );
    await assertStoreSound(core.store);
  });
});

describe('requests of the same moment under scopes of one name', () => {
  const COUNT = 48;
  const places = Array.from({ length: COUNT }, (_, i) => i);
  const owner = (i: number) => (i % 2 === 0 ? 'mine' : 'other');
  /** Each asks for one of its own and for one of the other's. */
  const asked = (i: number) => ({ own: `r-${i}`, foreign: `r-${(i + 1) % COUNT}`, scope: of(owner(i)) });

  before(async () => {
    for (const i of places) await put(observation(`r-${i}`, `Patient/${owner(i)}`), everything);
  });

  test('have other keys, but for the same values', () => {
    assert.equal(scopeSql(of('mine')).name, scopeSql(of('other')).name);
    assert.notEqual(scopeKey(of('mine')), scopeKey(of('other')));
    assert.equal(scopeKey(of('mine')), scopeKey(of('mine')));
    assert.equal(scopeKey(everything), '');
  });

  test('read', async () => {
    const read = async (id: string, scope: AccessScope) =>
      (await core.store.read({ type: 'Observation', id, scope }))?.id;
    const found = await Promise.all(
      places.map((i) => Promise.all([read(asked(i).own, asked(i).scope), read(asked(i).foreign, asked(i).scope)])),
    );
    assert.deepEqual(
      found,
      places.map((i) => [`r-${i}`, undefined]),
    );
  });

  test('update', async () => {
    const outcome = (id: string, i: number) =>
      put(observation(id, `Patient/${owner(i)}`, { status: 'amended' }), asked(i).scope).then(
        ({ version }) => version,
        ({ status }) => status,
      );
    const outcomes = await Promise.all(
      places.map((i) => Promise.all([outcome(asked(i).own, i), outcome(asked(i).foreign, i)])),
    );
    assert.deepEqual(
      outcomes,
      places.map(() => [2, 403]),
    );
  });

  test('create and update by criteria', async () => {
    const conditional = async (method: 'POST' | 'PUT', criteria: string, i: number) => {
      const { id: _id, ...resource } = observation('x', `Patient/${owner(i)}`, { identifier: [{ value: criteria }] });
      const query = `identifier=${criteria}`;
      const entry: TransactionEntry =
        method === 'POST'
          ? { method, url: 'Observation', resource, ifNoneExist: query }
          : { method, url: `Observation?${query}`, resource };
      const result = await runEntry(core, entry, 0, asked(i).scope);
      return [
        result.status,
        (await readCurrent(db, 'Observation', result.id, everything))!.body.includes(`Patient/${owner(i)}`),
      ];
    };
    const outcomes = await Promise.all(
      places.map((i) =>
        Promise.all([
          conditional('POST', `r-${i}`, i),
          conditional('PUT', `r-${i}`, i),
          conditional('POST', `new-${i}`, i),
        ]),
      ),
    );
    assert.deepEqual(
      outcomes.flat(2),
      places.flatMap(() => [200, true, 200, true, 201, true]),
    );
  });

  test('delete', async () => {
    const remove = async (id: string, scope: AccessScope) =>
      (await storeDelete(core.store, 'Observation', id, undefined, scope)).op;
    // The others' first, which are there as long as nobody who may deletes them.
    const foreign = await Promise.all(places.map((i) => remove(asked(i).foreign, asked(i).scope)));
    const own = await Promise.all(places.map((i) => remove(asked(i).own, asked(i).scope)));
    assert.deepEqual(new Set(foreign), new Set(['none']));
    assert.deepEqual(new Set(own), new Set(['delete']));
    await assertStoreSound(core.store);
  });
});
