// The limits of _include and _revinclude: never silent, never without end.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, Resource, SearchPage } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs, searchType } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { storeUpdate } from '../store/store.ts';
import { createNarrowScope, everything, nothing, testCore } from '../testing.ts';
import { INCLUDED_MAX, ROUNDS_MAX } from './includes.ts';

let db: Db;
let core: Core;

const write = async (resources: (Resource & { id: string })[]): Promise<void> => {
  const created = await createWriter(core).createIfAbsent(resources, { scope: everything });
  assert.ok(created.every(Boolean));
};
const find = (type: string, text: string): Promise<SearchPage> =>
  search(core, parseQuery(core, type, searchPairs(text), true), { scope: everything, db });

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const basic = { resourceType: 'Basic', code: { text: 'x' } };
  const many = Array.from({ length: INCLUDED_MAX + 1 }, (_, i) => ({
    ...{ ...basic, id: `b${i}` },
    subject: { reference: i === INCLUDED_MAX ? 'Patient/other' : 'Patient/p' },
  }));
  await write([
    { resourceType: 'Patient', id: 'p' },
    { resourceType: 'Patient', id: 'other' },
    ...Array.from({ length: ROUNDS_MAX + 2 }, (_, i) => ({
      ...{ resourceType: 'Location', id: `l${i}` },
      partOf: { reference: `Location/l${i + 1}` },
    })),
  ]);
  for (let at = 0; at < many.length; at += 1000) await write(many.slice(at, at + 1000));
});

describe('limits', () => {
  test(`${INCLUDED_MAX} included resources are all there, without a word`, async () => {
    const page = await find('Patient', '_id=p&_revinclude=Basic:subject');
    assert.equal(page.included.length, INCLUDED_MAX);
    assert.equal(page.issues, undefined);
  });

  test('one more is left out, and an outcome entry says so', async () => {
    const page = await find('Patient', '_revinclude=Basic:subject');
    assert.equal(page.resources.length, 2);
    assert.equal(page.included.length, INCLUDED_MAX);
    const [issue] = page.issues!;
    assert.deepEqual([issue!.severity, issue!.code], ['warning', 'too-costly']);
    assert.match(issue!.diagnostics, /at most 5000 of them/);
    const text = await searchType(
      core,
      { type: 'Patient', pairs: [['_revinclude', 'Basic:subject']], strict: true },
      { scope: everything, db },
    );
    const { entry, total } = JSON.parse(text) as {
      total: number;
      entry: { search: { mode: string }; resource: Resource; fullUrl?: string }[];
    };
    assert.equal(total, 2);
    const last = entry.at(-1)!;
    assert.deepEqual(
      [last.search.mode, last.resource.resourceType, last.fullUrl],
      [...['outcome', 'OperationOutcome', undefined]],
    );
  });

  test(`:iterate ends after ${ROUNDS_MAX} rounds and says so`, async () => {
    const page = await find('Location', '_id=l0&_include:iterate=Location:partof');
    assert.deepEqual(
      page.included.map(({ id }) => id),
      Array.from({ length: ROUNDS_MAX }, (_, i) => `l${i + 1}`),
    );
    assert.match(page.issues![0]!.diagnostics, /ends after 20 rounds/);
    const whole = await find('Location', '_id=l2&_include:iterate=Location:partof');
    assert.equal(whole.included.length, ROUNDS_MAX - 1);
    assert.equal(whole.issues, undefined);
  });

  test('a page of references that lead nowhere includes nothing', async () => {
    const page = await find('Location', `_id=l${ROUNDS_MAX + 1}&_include=*&_include:iterate=*`);
    assert.deepEqual(page.included, []);
  });
});

test('nothing matches that is out of scope, and so nothing is included', async () => {
  const query = parseQuery(core, 'Patient', searchPairs('_revinclude=*&_include=*'), true);
  assert.deepEqual(await search(core, query, { scope: nothing, db }), { resources: [], included: [], total: 0 });
});

describe('what the access hides is not included by what it shows', () => {
  const narrow = createNarrowScope();
  before(async () => {
    const refers = (id: string, reference: string) => ({
      ...{ resourceType: 'Flag', id, status: 'active', code: { text: 'x' }, subject: { reference } },
    });
    const answers = (id: string, questionnaire: string) => ({
      ...{ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire },
    });
    const asks = (id: string, url: string) => ({ resourceType: 'Questionnaire', id, status: 'active', url });
    const hidden = { resourceType: 'Group', id: 'hidden-g', type: 'person', actual: true };
    await write([hidden, { ...hidden, id: 'shown-g' }]);
    await storeUpdate(core.store, { ...hidden, name: 'again' }, 'hidden-g', 1, everything);
    await write([
      ...[refers('f-id', 'Group/hidden-g'), refers('f-former', 'Group/hidden-g/_history/1')],
      ...[refers('f-version', 'Group/hidden-g/_history/2'), refers('hidden-f', 'Group/shown-g')],
      ...[asks('hidden-q', 'http://q/hidden'), asks('shown-q', 'http://q/shown')],
      ...[answers('a', 'http://q/hidden'), answers('hidden-a', 'http://q/shown')],
    ]);
  });

  for (const [type, text, included] of [
    ['Flag', '_id=f-id&_include=Flag:subject', 'Group/hidden-g/2'],
    ['Flag', '_id=f-former&_include=Flag:subject', 'Group/hidden-g/1'],
    ['Flag', '_id=f-version&_include=*', 'Group/hidden-g/2'],
    ['Group', '_id=shown-g&_revinclude=Flag:subject', 'Flag/hidden-f/1'],
    ['Group', '_id=shown-g&_revinclude=*', 'Flag/hidden-f/1'],
    ['QuestionnaireResponse', '_id=a&_include=QuestionnaireResponse:questionnaire', 'Questionnaire/hidden-q/1'],
    [
      'Questionnaire',
      '_id=shown-q&_revinclude=QuestionnaireResponse:questionnaire',
      'QuestionnaireResponse/hidden-a/1',
    ],
  ] as const) {
    test(`${type}?${text}`, async () => {
      const names = async (scope: AccessScope) => {
        const query = parseQuery(core, type, searchPairs(text), true);
        const page = await search(core, query, { scope, db });
        assert.equal(page.resources.length, 1);
        return page.included.map((one) => `${one.type}/${one.id}/${one.version}`);
      };
      assert.deepEqual(await names(everything), [included]);
      assert.deepEqual(await names(narrow), []);
    });
  }
});
