// What a caller may not see, no operation shows or changes: each is called with access to nothing.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { OperationAnswer, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, nothing, testCore } from '../testing.ts';
import { invoke, type OperationTarget } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

const ref = (reference: string) => ({ reference });

const profile = (name: string, baseDefinition: string): Resource => ({
  ...{ resourceType: 'StructureDefinition', url: `urn:${name}`, name, status: 'draft', kind: 'resource' },
  ...{ abstract: false, type: 'Patient', derivation: 'constraint', baseDefinition },
  differential: { element: [{ id: 'Patient.name', path: 'Patient.name', short: 'Hidden' }] },
});

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog(), expunge: true });
  const scene: (Resource & { id: string })[] = [
    { resourceType: 'Patient', id: 'p', meta: { tag: [{ code: 't' }] } },
    { resourceType: 'Encounter', id: 'e', status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/p') },
    {
      resourceType: 'Observation',
      id: 'o',
      status: 'final',
      code: { coding: [{ code: 'c' }] },
      subject: ref('Patient/p'),
    },
    {
      ...{ resourceType: 'Composition', id: 'c', status: 'final', type: { text: 'x' }, date: '2020', title: 'x' },
      author: [ref('Patient/p')],
    },
    {
      ...{ resourceType: 'DocumentReference', id: 'd', status: 'current', subject: ref('Patient/p') },
      content: [{ attachment: { url: 'Binary/1' } }],
    },
    { ...profile('s', 'http://hl7.org/fhir/StructureDefinition/Patient'), id: 's' },
  ];
  for (const resource of scene) {
    await storeUpdate(core.store, resource, resource.id, undefined, everything);
    await storeUpdate(core.store, { ...resource, language: 'en' }, resource.id, undefined, everything);
  }
});

type Outcome = { refused: string } | { answer: OperationAnswer };

async function call(target: OperationTarget, query: string, resource?: Resource): Promise<Outcome> {
  try {
    const answer = await invoke(core, {
      ...{ target, method: 'POST', pairs: [...new URLSearchParams(query)], scope: nothing, strict: true },
      ...(resource ? { resource } : {}),
    });
    return { answer };
  } catch (error) {
    if (isCerebraError(error)) return { refused: error.code };
    throw error;
  }
}

const meta = (): Resource => ({
  resourceType: 'Parameters',
  parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'new' }] } }],
});

const patient = { type: 'Patient', id: 'p' };

const archive: Resource = {
  resourceType: 'Parameters',
  parameter: [{ name: 'package', valueBase64Binary: 'H4sI' }],
};

const described: Resource = { resourceType: 'Patient', name: [{ family: 'F', given: ['G'] }], birthDate: '1980-01-02' };

const merge = (): Resource => ({
  resourceType: 'Parameters',
  parameter: ['source', 'target'].map((side) => ({ name: `${side}-patient`, valueReference: ref(`Patient/${side}`) })),
});

const member = (): Resource => {
  const coverage = {
    resourceType: 'Coverage',
    status: 'active',
    beneficiary: { display: 'x' },
    payor: [{ display: 'x' }],
  };
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'MemberPatient', resource: described },
      { name: 'CoverageToMatch', resource: { ...coverage, subscriberId: 's' } },
    ],
  };
};

/** Name, place, query, body, and what comes of it: a refusal's code, or `empty`. */
const calls: [string, Omit<OperationTarget, 'name'>, string, string, (() => Resource)?][] = [
  ['meta', patient, '', 'not-found'],
  ['meta', { ...patient, version: 1 }, '', 'not-found'],
  ['meta', { type: 'Patient' }, '', 'empty'],
  ['meta', {}, '', 'empty'],
  ['meta-add', patient, '', 'not-found', meta],
  ['meta-delete', patient, '', 'not-found', meta],
  ['everything', patient, '', 'not-found'],
  ['everything', { type: 'Patient' }, '', 'empty'],
  ['everything', { type: 'Patient' }, '_since=2000-01-01T00:00:00Z&_type=Observation', 'empty'],
  ['everything', { type: 'Encounter', id: 'e' }, '', 'not-found'],
  ['lastn', { type: 'Observation' }, 'patient=p&code=c', 'empty'],
  ['document', { type: 'Composition', id: 'c' }, 'persist=true', 'not-found'],
  ['docref', { type: 'DocumentReference' }, 'patient=p', 'not-found'],
  ['match', { type: 'Patient' }, '', 'empty', () => described],
  ['merge', { type: 'Patient' }, '', 'forbidden', merge],
  ['member-match', { type: 'Patient' }, '', 'business-rule', member],
  ['expunge', patient, 'expungePreviousVersions=true', 'forbidden'],
  ['expunge', {}, 'expungePreviousVersions=true', 'forbidden'],
  ['reindex', {}, '', 'forbidden'],
  ['reindex-status', {}, 'job=x', 'forbidden'],
  ['index-status', { type: 'SearchParameter' }, '', 'forbidden'],
  ['load-package', {}, '', 'forbidden', () => archive],
  ['validate', patient, '', 'not-found'],
  ['snapshot', { type: 'StructureDefinition', id: 's' }, '', 'not-found'],
  ['snapshot', { type: 'StructureDefinition' }, 'url=urn:s', 'not-found'],
  ['snapshot', { type: 'StructureDefinition' }, '', 'business-rule', () => profile('t', 'urn:s')],
];

for (const [name, place, query, wanted, body] of calls) {
  const where = [place.type, place.id, place.version, `$${name}`].filter((part) => part !== undefined).join('/');
  test(`${where}${query === '' ? '' : `?${query}`}: ${wanted}`, async () => {
    const outcome = await call({ name, ...place }, query, body?.());
    if (wanted !== 'empty') {
      assert.deepEqual(outcome, { refused: wanted });
      return;
    }
    const { answer } = outcome as { answer: { text: string } | { resource: Resource } };
    const shown = 'text' in answer ? (JSON.parse(answer.text) as Resource) : answer.resource;
    assert.equal(shown.entry, undefined);
    assert.equal(shown.parameter, undefined);
  });
}

test('every operation that reads or writes what is stored is among these', () => {
  // $convert reads nothing; $stats finds nothing to count, $graphql answers in a form of its own: see their tests.
  const elsewhere = ['convert', 'stats', 'graphql'];
  const others = core.operations.map(({ name }) => name).filter((name) => !elsewhere.includes(name));
  assert.deepEqual([...new Set(calls.map(([name]) => name))].sort(), [...new Set(others)].sort());
});

test('nothing has changed', async () => {
  const rows = await core.store.db.query<{ version: number }>({ text: 'select distinct version from resource' });
  assert.deepEqual(rows, [{ version: 2 }]);
  await assertStoreSound(core.store);
});
