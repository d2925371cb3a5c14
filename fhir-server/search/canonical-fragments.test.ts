// `url|version#id` refers to something within a resource, and so to this resource: it is found and included by url and version.
// https://hl7.org/fhir/R4/references.html#canonical
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

type Stored = Resource & { id: string };
const questionnaire = (id: string, version: string): Stored => ({
  ...{ resourceType: 'Questionnaire', id, url: 'http://x/q', version, status: 'active' },
});
const response = (id: string, canonical: string): Stored => ({
  ...{ resourceType: 'QuestionnaireResponse', id, questionnaire: canonical, status: 'completed' },
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const some = [
    questionnaire('one', '1'),
    questionnaire('two', '2'),
    response('plain', 'http://x/q'),
    response('versioned', 'http://x/q|1'),
    response('within', 'http://x/q|1#a'),
    response('within-any', 'http://x/q#a'),
    response('within-two', 'http://x/q|2#a'),
    { ...questionnaire('urn', '1'), url: 'urn:oid:1.2.3' },
    response('urn-any', 'urn:oid:1.2.3'),
    response('urn-one', 'urn:oid:1.2.3|1'),
    response('urn-two', 'urn:oid:1.2.3|2'),
  ];
  await createWriter(core).createIfAbsent(some, { scope: everything });
});

const cases: [type: string, text: string, ids: string][] = [
  ['QuestionnaireResponse', 'questionnaire=http://x/q', 'plain versioned within within-any within-two'],
  ['QuestionnaireResponse', 'questionnaire=http://x/q%7C1', 'versioned within'],
  ['QuestionnaireResponse', 'questionnaire=http://x/q%7C2', 'within-two'],
  ['QuestionnaireResponse', 'questionnaire=http://x/q%7C1%23a', 'within'],
  ['QuestionnaireResponse', 'questionnaire=http://x/q%23a', 'within-any'],
  ['QuestionnaireResponse', 'questionnaire:below=http://x/q%7C2', 'within-two'],
  ['QuestionnaireResponse', '_id=within&_include=QuestionnaireResponse:questionnaire', 'one within'],
  ['QuestionnaireResponse', '_id=within-any&_include=QuestionnaireResponse:questionnaire', 'one two within-any'],
  ['Questionnaire', '_id=two&_revinclude=QuestionnaireResponse:questionnaire', 'plain two within-any within-two'],
  ['QuestionnaireResponse', 'questionnaire=urn:oid:1.2.3', 'urn-any urn-one urn-two'],
  ['QuestionnaireResponse', 'questionnaire=urn:oid:1.2.3%7C1', 'urn-one'],
  ['QuestionnaireResponse', 'questionnaire:below=urn:oid:1.2.3%7C2', 'urn-two'],
  ['QuestionnaireResponse', '_id=urn-one&_include=QuestionnaireResponse:questionnaire', 'urn urn-one'],
  ['Questionnaire', '_id=urn&_revinclude=QuestionnaireResponse:questionnaire', 'urn urn-any urn-one'],
];
for (const [type, text, ids] of cases) {
  test(`${type}?${text}`, async () => {
    const page = await search(core, parseQuery(core, type, searchPairs(text), true), { scope: everything, db });
    const found = [...page.resources, ...page.included].map(({ id }) => id);
    assert.equal(found.sort().join(' '), ids);
  });
}

test('what is stored is what is looked for', () => assertStoreSound(core.store));
