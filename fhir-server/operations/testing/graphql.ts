// What the tests of $graphql share: some resources, and how they are asked.
import assert from 'node:assert/strict';
import { type AccessScope, parseJson, type Resource } from '#fhir-model';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../../interactions/core.ts';
import { storeUpdate } from '../../store/store.ts';
import { everything, testCore } from '../../testing.ts';
import { invoke } from '../invoke.ts';
import { createOperations } from '../registry.ts';

/** Set by `begin`. */
export let core: Core;

export const put = (resource: Resource & { id: string }) =>
  storeUpdate(core.store, resource, resource.id, undefined, everything);

export interface Reply {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the answer of any query
  json: any;
}

export interface Ask {
  type?: string;
  id?: string;
  variables?: object;
  operationName?: string;
  scope?: AccessScope;
}

/** A query posted as JSON. */
export async function ask(
  query: string,
  { type, id, variables, operationName, scope = everything }: Ask = {},
): Promise<Reply> {
  const body = { type: 'application/json', text: JSON.stringify({ query, variables, operationName }) };
  const target = { name: 'graphql', ...(type ? { type } : {}), ...(id ? { id } : {}) };
  const answer = await invoke(core, { target, method: 'POST', pairs: [], body, scope, strict: true });
  const text = (answer as { json: string }).json;
  return { status: answer.status ?? 200, text, json: JSON.parse(text) };
}

export const ofPatient = (query: string, more: Ask = {}) => ask(query, { type: 'Patient', id: 'p1', ...more });

export async function assertData(reply: Promise<Reply>, data: unknown): Promise<void> {
  const { status, json } = await reply;
  assert.deepEqual([status, json], [200, { data }]);
}

/** One error with that status, issue code and part of its message, and where it stands if that is given. */
export async function assertError(
  reply: Promise<Reply>,
  status: number,
  code: string,
  message: RegExp,
  at?: [number, number],
) {
  const { status: found, json } = await reply;
  assert.equal(found, status, JSON.stringify(json));
  assert.equal(json.data, null);
  const [error] = json.errors;
  assert.match(error.message, message);
  const { resourceType, issue } = error.extensions.resource;
  assert.deepEqual([resourceType, issue[0].code, issue[0].diagnostics], ['OperationOutcome', code, error.message]);
  if (at) assert.deepEqual(error.locations, [{ line: at[0], column: at[1] }]);
}

const condition = (id: string, subject: string, code: string): Resource & { id: string } => ({
  resourceType: 'Condition',
  id,
  subject: { reference: subject },
  code: { text: code },
  recordedDate: `2020-01-${id.slice(-2).padStart(2, '0')}`,
});

const patient: Resource & { id: string } = {
  resourceType: 'Patient',
  id: 'p1',
  active: true,
  identifier: [{ system: 'urn:test:mrn', value: '12345' }],
  name: [
    { use: 'official', family: 'Alpha', given: ['Anna', 'Beta'] },
    { use: 'usual', given: ['Ann'] },
    { use: 'maiden', family: 'Gamma', given: ['Anna', 'Beta'] },
  ],
  telecom: [
    { system: 'phone', value: '1', use: 'home' },
    { system: 'email', value: 'a@test.example', use: 'work' },
  ],
  birthDate: '1980-01-02',
  _birthDate: { extension: [{ url: 'urn:test:time', valueDateTime: '1980-01-02T03:04:05Z' }] },
  contained: [{ resourceType: 'Organization', id: 'o', name: 'Inside', partOf: { reference: 'Organization/o1' } }],
  managingOrganization: { reference: '#o' },
  generalPractitioner: [{ reference: 'Practitioner/d1' }, { reference: 'Organization/o1' }],
};

/** Stores the resources that the tests are about. */
export async function begin(): Promise<void> {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  await put({ resourceType: 'Organization', id: 'o1', name: 'Outside' });
  await put({ resourceType: 'Practitioner', id: 'd1', name: [{ family: 'Delta' }], gender: 'female' });
  await put(patient);
  await put({ resourceType: 'Patient', id: 'p2', name: [{ family: 'Omega' }], gender: 'male' });
  await put({
    resourceType: 'Observation',
    id: 'v1',
    status: 'final',
    code: { text: 'weight' },
    subject: { reference: 'Patient/p1' },
    valueQuantity: { value: JSON.parse('0') as number, unit: 'kg' },
    component: [
      { code: { text: 'a' }, valueQuantity: parseJson('{"value":1.50}').exact as Resource },
      { code: { text: 'b' }, valueString: 'text' },
    ],
  });
  await put({
    resourceType: 'Observation',
    id: 'v2',
    status: 'final',
    code: { text: 'group' },
    subject: { reference: 'Group/g1' },
    focus: [{ reference: 'Patient/none' }],
  });
  await put({ resourceType: 'Group', id: 'g1', type: 'person', actual: true, name: 'All' });
  for (const n of ['c01', 'c02', 'c03', 'c04', 'c05']) await put(condition(n, 'Patient/p1', `code ${n}`));
  await put(condition('c06', 'Patient/p2', 'other'));
}

/** A query of a core of one's own, at the base. */
export async function askAt(other: Core, query: string): Promise<Reply> {
  const graphql = createOperations(other, { log: testLog() }).find(({ name }) => name === 'graphql');
  const answer = await graphql!.run({
    input: new Map([['query', [query]]]),
    search: [],
    scope: everything,
    strict: true,
  });
  const text = (answer as { json: string }).json;
  return { status: answer.status ?? 200, text, json: JSON.parse(text) };
}
