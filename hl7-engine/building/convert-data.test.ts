// What references mean in a Bundle that is converted: https://hl7.org/fhir/R4/bundle.html#references
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { convertDataOperation, graphOf } from './convert-data.ts';

const patient = (family: string): JsonObject => ({ resourceType: 'Patient', id: '1', name: [{ family }] });

/** Whom the last entry is of. */
function subjectOf(...entries: [fullUrl: string, resource: JsonObject][]): unknown {
  const entry = entries.map(([fullUrl, resource]) => ({ fullUrl, resource }));
  const { graph, resources } = graphOf({ resourceType: 'Bundle', entry } as unknown as Resource);
  const found = graph.resolve(resources.at(-1)!.subject);
  return (found?.name as JsonObject[] | undefined)?.[0]?.family;
}

const visit = (reference: string): JsonObject => ({ resourceType: 'Encounter', id: 'v', subject: { reference } });

test('of the patients of two servers that have the same id each visit has its own', () => {
  const [a, b] = [
    ['https://a.example/fhir/Patient/1', patient('A')],
    ['https://b.example/fhir/Patient/1', patient('B')],
  ] as [string, JsonObject][];
  for (const both of [
    [a!, b!],
    [b!, a!],
  ]) {
    const of = (server: string, reference: string): unknown =>
      subjectOf(...both, [`https://${server}.example/fhir/Encounter/v`, visit(reference)]);
    assert.equal(of('a', 'Patient/1'), 'A');
    assert.equal(of('b', 'Patient/1'), 'B');
    assert.equal(of('b', 'Patient/1/_history/2'), 'B');
    assert.equal(of('b', 'https://a.example/fhir/Patient/1'), 'A');
    assert.equal(of('c', 'Patient/1'), undefined);
    assert.equal(of('a', 'https://c.example/fhir/Patient/1'), undefined);
  }
});

test('of resources of two servers that have the same id each contains its own', () => {
  const visitOf = (server: string, family: string): [string, JsonObject] => {
    const contained = [{ ...patient(family), id: 'p' }];
    return [`https://${server}.example/fhir/Encounter/v`, { ...visit('#p'), contained }];
  };
  const [a, b] = [visitOf('a', 'A'), visitOf('b', 'B')];
  assert.equal(subjectOf(a, b), 'B');
  assert.equal(subjectOf(b, a), 'A');
});

test('where one server is named the id is enough', () => {
  const of = (fullUrl: string, reference: string): unknown =>
    subjectOf([fullUrl, patient('A')], ['urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', visit(reference)]);
  assert.equal(of('https://a.example/fhir/Patient/1', 'Patient/1'), 'A');
  assert.equal(of('urn:uuid:1c3151bd-1cbf-4d64-b04d-cd9187a4c6e1', 'https://a.example/fhir/Patient/1'), 'A');
});

const operation = convertDataOperation({ clock: { now: () => 0 }, baseUrl: 'http://here.example/fhir', config: {} });

const contained = [{ ...patient('A'), id: 'p' }];
const observation = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'x' } };

for (const resource of [
  { ...visit('#p'), contained: [null, 'x', ...contained] },
  { ...visit('#p'), contained, length: [null] },
  { ...visit('#p'), contained, hospitalization: { destination: [null] }, serviceProvider: [null] },
  { ...visit('#p'), contained: [{ ...contained[0], communication: [{ language: [null] }] }] },
  { ...visit('#p'), contained, class: { code: 7 } },
  { ...observation, subject: { reference: '#p' }, contained, valueSampledData: null },
]) {
  test(`nobody has checked what is converted: ${JSON.stringify(resource)}`, async () => {
    const input = new Map([
      ['inputData', [JSON.stringify(resource)]],
      ['inputDataType', ['Fhir']],
    ]);
    const answer = await operation.run({ input, search: [], scope: { kind: 'everything' }, strict: false });
    assert.ok('resource' in answer);
    assert.match(JSON.stringify(answer.resource), /PID\|1\|\|p\^/);
  });
}
