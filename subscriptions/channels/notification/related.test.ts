// What a notificationShape adds, whose it is, and what is searched for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SearchPage, StoredVersion } from '#fhir-model';
import { CerebraError } from '#platform';
import { testLog } from '#platform/testing';
import { type RelatedOptions, relatedOf } from './related.ts';

const stored = (type: string, id: string, rest = {}): StoredVersion => {
  return {
    type,
    id,
    version: 1,
    updatedMs: 0,
    deleted: false,
    body: JSON.stringify({ resourceType: type, id, ...rest }),
  };
};
const of = (reference: string) => ({ subject: { reference } });

const focuses = [
  { type: 'Encounter', id: 'a', op: 'create' },
  { type: 'Encounter', id: 'b', op: 'update' },
  { type: 'Encounter', id: 'a', op: 'update' },
  { type: 'Encounter', id: 'c', op: 'delete' },
];

async function ask(include: string[], revInclude: string[], answer: () => Omit<SearchPage, never>) {
  const asked: string[] = [];
  const reader = {
    read: async () => undefined,
    search: async (type: string, query: string) => {
      asked.push(`${type}?${decodeURIComponent(query)}`);
      return answer();
    },
  };
  const shapeOf = async () => ({ include, revInclude });
  const options: RelatedOptions = { reader, log: testLog(), shapeOf, baseUrl: 'https://fhir.example.org' };
  const related = await relatedOf(options, { topic: 'urn:x', focuses, scope: { kind: 'everything' } });
  return { asked, related: [...related].map(([key, some]) => [key, some.map(({ type, id }) => `${type}/${id}`)]) };
}

test('what focuses refer to is searched once for all of them, and given to whoever refers to it', async () => {
  const page = {
    resources: [
      stored('Encounter', 'a', of('Patient/p')),
      stored('Encounter', 'b', of('https://fhir.example.org/Patient/pp/_history/1')),
    ],
    included: [stored('Patient', 'p'), stored('Patient', 'pp')],
  };
  const { asked, related } = await ask(['Encounter:patient'], [], () => page);
  assert.deepEqual(asked, ['Encounter?_id=a,b&_count=2&_total=none&_include=Encounter:patient']);
  assert.deepEqual(related, [
    ['Encounter/a', ['Patient/p']],
    ['Encounter/b', ['Patient/pp']],
  ]);
});

test('those that a page has no room for are asked for after it', async () => {
  const pages: SearchPage[] = [
    { resources: [stored('Encounter', 'b', of('Patient/q'))], included: [stored('Patient', 'q')], nextCursor: 'x' },
    { resources: [stored('Encounter', 'a', of('Patient/p'))], included: [stored('Patient', 'p')] },
  ];
  const { asked, related } = await ask(['Encounter:patient'], [], () => pages.shift()!);
  const rest = '_total=none&_include=Encounter:patient';
  assert.deepEqual(asked, [`Encounter?_id=a,b&_count=2&${rest}`, `Encounter?_id=a&_count=1&${rest}`]);
  assert.deepEqual(related, [
    ['Encounter/b', ['Patient/q']],
    ['Encounter/a', ['Patient/p']],
  ]);
});

test('what another server calls so is not ours; canonicals are', async () => {
  const questionnaire = 'http://forms.example.org/Questionnaire/p';
  const page = {
    resources: [
      stored('Encounter', 'a', { subject: { reference: 'https://other.example.org/Patient/p' } }),
      stored('Encounter', 'b', { subject: { reference: 'Patient/p' }, instantiates: `${questionnaire}|2` }),
    ],
    included: [
      stored('Patient', 'p'),
      stored('Questionnaire', 'q', { url: questionnaire }),
      stored('Questionnaire', 'p'),
    ],
  };
  const { related } = await ask(['Encounter:patient', 'Encounter:form'], [], () => page);
  assert.deepEqual(related, [
    ['Encounter/a', []],
    ['Encounter/b', ['Patient/p', 'Questionnaire/q']],
  ]);
});

test('what is found by way of another is searched for each', async () => {
  const page = { resources: [], included: [stored('Patient', 'p')] };
  const { asked, related } = await ask(
    ['Encounter:patient&iterate=Patient.link'],
    ['Observation:encounter'],
    () => page,
  );
  const includes = '_include=Encounter:patient&_include:iterate=Patient:link&_revinclude=Observation:encounter';
  assert.deepEqual(asked.toSorted(), [
    `Encounter?_id=a&_count=1&_total=none&${includes}`,
    `Encounter?_id=b&_count=1&_total=none&${includes}`,
  ]);
  assert.deepEqual(related.length, 2);
});

test('what is refused is left out; what can not be had now is thrown', async () => {
  const fail = (code: 'unsupported' | 'unavailable') => () => {
    throw new CerebraError(code, 'a fault of the test');
  };
  assert.deepEqual((await ask(['Encounter:x'], [], fail('unsupported'))).related, []);
  await assert.rejects(ask(['Encounter:x'], [], fail('unavailable')), { code: 'unavailable' });
});
