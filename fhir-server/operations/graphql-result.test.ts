// Queries about what another operation returns: https://hl7.org/fhir/R4/graphql.html#operations
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { everything } from '../testing.ts';
import { invoke } from './invoke.ts';
import { begin, core } from './testing/graphql.ts';

before(begin);

const call = (name: string, query: string, more: [string, string][] = [], resource?: Resource) =>
  invoke(core, {
    target: name === 'convert' ? { name } : { name, type: 'Patient', id: 'p1' },
    method: resource ? 'POST' : 'GET',
    pairs: [...more, ['_graphql', query]],
    ...(resource ? { resource } : {}),
    scope: everything,
    strict: true,
  });

const jsonOf = (answer: object) => JSON.parse((answer as { json: string }).json);

test('a Bundle, from which searches and references go on', async () => {
  const query = `{ total patient: entry(_count: 1) @flatten { resource { ... on Patient { id
    ConditionList(_reference: subject, _count: 1) { id subject { resource { ... on Patient { birthDate } } } } } } } }`;
  const found = { id: 'c05', subject: { resource: { birthDate: '1980-01-02' } } };
  assert.deepEqual(jsonOf(await call('everything', query)), {
    data: { total: 7, resource: [{ id: 'p1', ConditionList: [found] }] },
  });
});

test('Parameters', async () => {
  const query = '{ meta: parameter(name: "return") @first { of: valueMeta { versionId } } }';
  assert.deepEqual(jsonOf(await call('meta', query)), { data: { meta: { of: { versionId: '1' } } } });
});

test('a resource that is posted; decimals keep their digits', async () => {
  const resource = { resourceType: 'Observation', status: 'final', code: { text: 'x' }, valueQuantity: { value: 1.5 } };
  assert.deepEqual(jsonOf(await call('convert', '{ valueQuantity { value } }', [], resource)), {
    data: { valueQuantity: { value: 1.5 } },
  });
});

test('an error in the query has the form of GraphQL, one of the operation stays what it is', async () => {
  const answer = await call('meta', '{ nothing }');
  assert.equal(answer.status, 400);
  const { data, errors } = jsonOf(answer);
  assert.deepEqual([data, errors[0].message], [null, "Parameters has no field 'nothing'"]);
  await assert.rejects(call('everything', '{ id }', [['start', 'soon']]), { code: 'invalid-parameter' });
});

test('not of what changes something, not twice, and not of a query', async () => {
  const meta = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { source: 'urn:x' } }] };
  await assert.rejects(call('meta-add', '{ id }', [], meta), { code: 'invalid-parameter', message: /changes what is/ });
  await assert.rejects(call('meta', '{ id }', [['_graphql', '{ id }']]), { message: /may be given once/ });
  await assert.rejects(call('graphql', '{ id }', [['query', '{ id }']]), { code: 'unknown-parameter' });
});
