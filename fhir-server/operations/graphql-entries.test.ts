// $graphql on resources that are part of another one: https://hl7.org/fhir/R4/bundle.html#references. What this server has
// under the same type and id may be about somebody else.
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { ask, assertData, assertError, begin, core, put } from './testing/graphql.ts';

const patient = (id: string | undefined, family: string): Resource => ({
  resourceType: 'Patient',
  ...(id === undefined ? {} : { id }),
  name: [{ family }],
});

const observation = (reference: string, more: object = {}): Resource => ({
  resourceType: 'Observation',
  ...more,
  status: 'final',
  code: { text: 'x' },
  subject: { reference },
});

const uuid = (n: number) => `urn:uuid:00000000-0000-4000-8000-00000000000${n}`;

before(async () => {
  await begin();
  await put({ ...observation('#p1', { contained: [patient('p1', 'Inside')] }), id: 'around' });
  const versions = ['1', '2'].map((versionId) => ({
    fullUrl: 'http://other.example/fhir/Patient/v',
    resource: {
      ...patient('v', `Version ${versionId}`),
      meta: { versionId, lastUpdated: `2020-01-0${versionId}T00:00:00Z` },
    },
  }));
  await put({
    resourceType: 'Bundle',
    id: 'b1',
    type: 'collection',
    entry: [
      { fullUrl: 'http://other.example/fhir/Patient/p1', resource: patient('p1', 'Elsewhere') },
      { fullUrl: 'http://other.example/fhir/Observation/a', resource: observation('Patient/p1') },
      { fullUrl: uuid(1), resource: patient(undefined, 'Unnamed') },
      { fullUrl: uuid(2), resource: observation(uuid(1)) },
      { fullUrl: uuid(3), resource: observation('http://other.example/fhir/Patient/p1') },
      { fullUrl: uuid(4), resource: observation(`${core.baseUrl}/Patient/p1`) },
      { fullUrl: uuid(5), resource: observation('Patient/p1') },
      { fullUrl: 'http://other.example/fhir/Observation/d', resource: observation('Patient/p2') },
      ...versions,
      { fullUrl: 'http://other.example/fhir/Observation/e', resource: observation('Patient/v/_history/1') },
      { fullUrl: 'http://other.example/fhir/Observation/f', resource: observation('Patient/v') },
      { fullUrl: uuid(6), resource: observation('#p1', { contained: [patient('p1', 'Inside')] }) },
    ],
  });
  await put({
    resourceType: 'Bundle',
    id: 'b2',
    type: 'collection',
    entry: [{ fullUrl: `${core.baseUrl}/Patient/p1`, resource: patient('p1', 'Copy') }],
  });
});

const conditions = '{ ConditionList(_reference: subject) { id } }';

describe('what refers to', () => {
  test('a contained resource is nothing that the store has', async () => {
    const query = `{ contained { ... on Patient ${conditions} } subject { resource { ... on Patient ${conditions} } } }`;
    await assertData(ask(query, { type: 'Observation', id: 'around' }), {
      contained: [{ ConditionList: [] }],
      subject: { resource: { ConditionList: [] } },
    });
  });

  test('a resource in a Bundle is nothing, unless its fullUrl is that of one here', async () => {
    const query = `{ entry(_count: 1) { resource { ... on Patient ${conditions} } } }`;
    await assertData(ask(query, { type: 'Bundle', id: 'b1' }), { entry: [{ resource: { ConditionList: [] } }] });
    const [c05, c04, c03, c02, c01] = ['c05', 'c04', 'c03', 'c02', 'c01'].map((id) => ({ id }));
    await assertData(ask(query, { type: 'Bundle', id: 'b2' }), {
      entry: [{ resource: { ConditionList: [c05, c04, c03, c02, c01] } }],
    });
  });

  test('as a page: an empty one without cursors', async () => {
    const page = '{ ConditionConnection(_reference: subject) { count offset first next last edges { mode } } }';
    const query = `{ entry(_count: 1) { resource { ... on Patient ${page} } } }`;
    const empty = { count: 0, offset: 0, edges: [] };
    await assertData(ask(query, { type: 'Bundle', id: 'b1' }), {
      entry: [{ resource: { ConditionConnection: empty } }],
    });
  });
});

describe('a reference in a Bundle', () => {
  const query = (optional: boolean) =>
    `{ entry { resource { ... on Observation { subject { resource(optional: ${optional}) { ... on Patient { name { family } } } } } } } }`;

  test('leads to the entry that it means, or out of the Bundle, never to another resource of that id', async () => {
    const found = (family: string) => ({ resource: { subject: { resource: { name: [{ family }] } } } });
    await assertData(ask(query(true), { type: 'Bundle', id: 'b1' }), {
      entry: [
        { resource: {} },
        found('Elsewhere'),
        { resource: {} },
        found('Unnamed'),
        found('Elsewhere'),
        { resource: { subject: { resource: { name: [{ family: 'Alpha' }, {}, { family: 'Gamma' }] } } } },
        { resource: { subject: {} } },
        { resource: { subject: {} } },
        { resource: {} },
        { resource: {} },
        found('Version 1'),
        found('Version 2'),
        found('Inside'),
      ],
    });
  });

  test('that means nothing is an error unless it is optional', () =>
    assertError(ask(query(false), { type: 'Bundle', id: 'b1' }), 404, 'not-found', /'Patient\/p1' can't be resolved/));
});
