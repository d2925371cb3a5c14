// Chains and _has by canonical URL find what a walk through the references in memory finds, each way they can be run.
// https://hl7.org/fhir/R4/references.html#canonical, search.html#chaining, #has
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { findPage, type Row, ways, withOrder } from './page.ts';
import { prepare } from './resolve.ts';
import { sortKeys } from './sort.ts';
import { countMatches } from './total.ts';

type Named = Resource & { id: string };

let db: Db;
let core: Core;

const parse = (type: string, text: string) => parseQuery(core, type, searchPairs(text), true);
const page = () => pageContext(core, { scope: everything, db });
const store = (resources: Named[]) => createWriter(core).createIfAbsent(resources, { scope: everything });

/** What each way finds, the page and the count, which are all the same. */
async function found(type: string, text: string): Promise<string> {
  const query = withOrder({ ...parse(type, text), count: 2000 });
  const asked = { page: page(), query, cursor: undefined, limit: 2001, keys: sortKeys(query, core.definitions) };
  await prepare(asked.page, query.criteria);
  const shown = await findPage(page(), query);
  const expected = shown.resources.map(({ id }) => id);
  for (const [i, way] of ways(asked).entries()) {
    const rows = (await way(asked)) as Row[] | undefined;
    if (rows)
      assert.deepEqual(
        rows.map(({ id }) => id),
        expected,
        `way ${i} of ${type}?${text}`,
      );
  }
  assert.equal(await countMatches(page(), query), expected.length, `count of ${type}?${text}`);
  return expected.sort().join(' ');
}

const definition = (resourceType: string, id: string, rest: object): Named => ({
  ...{ resourceType, id, status: 'active', url: 'http://x/q' },
  ...rest,
});
const response = (id: string, questionnaire: string, rest: object = {}): Named => ({
  ...{ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire },
  ...rest,
});
const plan = (id: string, ...instantiatesCanonical: string[]): Named => ({
  ...{ resourceType: 'CarePlan', id, status: 'active', intent: 'plan', subject: { reference: 'Patient/p' } },
  instantiatesCanonical,
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

describe('by hand', () => {
  before(async () => {
    const here = 'http://test.example/fhir/R4/Questionnaire/here';
    const library = [{ type: 'depends-on', resource: 'http://x/l' }];
    await store([
      definition('Questionnaire', 'q1', { version: '1', title: 'Old' }),
      definition('Questionnaire', 'q2', { version: '2', title: 'New' }),
      definition('Questionnaire', 'unversioned', { url: 'http://x/u', title: 'Plain' }),
      definition('Questionnaire', 'urn', { url: 'urn:oid:1.2.3', version: '1', title: 'Urn' }),
      { resourceType: 'Questionnaire', id: 'nameless', status: 'active', title: 'Old' },
      response('any', 'http://x/q'),
      response('one', 'http://x/q|1', { status: 'amended', subject: { reference: 'Patient/p' } }),
      response('two', 'http://x/q|2'),
      response('nine', 'http://x/q|9', { status: 'stopped' }),
      response('part', 'http://x/q|1#a'),
      response('part-any', 'http://x/q#a'),
      response('plain', 'http://x/u', { status: 'in-progress' }),
      response('plain-one', 'http://x/u|1'),
      response('urn-one', 'urn:oid:1.2.3|1'),
      response('urn-two', 'urn:oid:1.2.3|2'),
      definition('Questionnaire', 'here-2', { url: here, version: '2', title: 'Here' }),
      response('here', `${here}|2`),
      response('relative', 'Questionnaire/q2', { status: 'entered-in-error' }),
      response('inside', '#c', {
        contained: [{ resourceType: 'Questionnaire', id: 'c', status: 'active', title: 'Inner' }],
      }),
      definition('PlanDefinition', 'plan', { url: 'http://x/p', title: 'Plan', relatedArtifact: library }),
      definition('Library', 'library', { url: 'http://x/l', title: 'Books', version: '3', type: { text: 'x' } }),
      definition('Measure', 'measure', { url: 'http://x/m', library: ['http://x/l|3'] }),
      {
        resourceType: 'MeasureReport',
        id: 'report',
        status: 'complete',
        type: 'summary',
        period: { start: '2024' },
        measure: 'http://x/m',
      },
      definition('ConceptMap', 'map', { url: 'http://x/c', sourceUri: 'http://x/v' }),
      definition('ValueSet', 'values', { url: 'http://x/v', title: 'Values' }),
      {
        resourceType: 'Task',
        id: 'task',
        status: 'ready',
        intent: 'order',
        focus: { reference: 'QuestionnaireResponse/two' },
      },
      plan('both', 'http://x/q|9', 'http://x/p'),
      plan('versions', 'http://x/q|2', 'http://x/q'),
      plan('second', 'http://x/q|2'),
    ] as Named[]);
  });

  const cases: [type: string, text: string, ids: string][] = [
    ['QuestionnaireResponse', 'questionnaire.title=old', 'any one part part-any'],
    ['QuestionnaireResponse', 'questionnaire:Questionnaire.title=new', 'any part-any relative two'],
    ['QuestionnaireResponse', 'questionnaire.title=old,new', 'any one part part-any relative two'],
    ['QuestionnaireResponse', 'questionnaire.version=9', ''],
    ['QuestionnaireResponse', 'questionnaire.url=http://x/u', 'plain'],
    ['QuestionnaireResponse', 'questionnaire.url=http://x/q%7C1', 'any one part part-any'],
    ['QuestionnaireResponse', 'questionnaire.title=urn', 'urn-one'],
    ['QuestionnaireResponse', 'questionnaire.title=here', 'here'],
    ['QuestionnaireResponse', 'questionnaire.title=inner', 'inside'],
    ['QuestionnaireResponse', 'questionnaire.title=old&status=amended', 'one'],
    ['QuestionnaireResponse', 'questionnaire.title=old&_sort=-_id', 'any one part part-any'],
    ['QuestionnaireResponse', 'questionnaire.title:exact=old', ''],
    ['QuestionnaireResponse', '_filter=questionnaire.title sw "old" and not (status eq amended)', 'any part part-any'],
    [
      'QuestionnaireResponse',
      'questionnaire._has:QuestionnaireResponse:questionnaire:subject=Patient/p',
      'any one part part-any',
    ],
    ['Task', 'focus:QuestionnaireResponse.questionnaire.title=new', 'task'],
    ['MeasureReport', 'measure.depends-on:Library.title=books', 'report'],
    ['MeasureReport', 'measure.url=http://x/m', 'report'],
    ['Measure', 'depends-on.title=books', 'measure'],
    ['PlanDefinition', 'depends-on:Library.title=books', 'plan'],
    ['ConceptMap', 'source-uri.title=values', 'map'],
    ['CarePlan', 'instantiates-canonical.title=old', 'versions'],
    ['CarePlan', 'instantiates-canonical.title=new', 'second versions'],
    ['CarePlan', 'instantiates-canonical.title=plan', 'both'],
    ['CarePlan', 'instantiates-canonical:Questionnaire.title=plan', ''],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=completed', 'here-2 q1 q2 urn'],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=amended', 'q1'],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=stopped', ''],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=in-progress', 'unversioned'],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=entered-in-error', 'q2'],
    ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:_has:Task:focus:_id=task', 'q2'],
    ['Questionnaire', '_has:CarePlan:instantiates-canonical:_id=both', ''],
    ['Questionnaire', '_has:CarePlan:instantiates-canonical:_id=second', 'q2'],
    ['Questionnaire', 'title=old&_has:CarePlan:instantiates-canonical:_id=versions', 'q1'],
    ['PlanDefinition', '_has:CarePlan:instantiates-canonical:status=active', 'plan'],
    ['Library', '_has:Measure:depends-on:_has:MeasureReport:measure:_id=report', 'library'],
  ];
  for (const [type, text, ids] of cases) {
    test(`${type}?${text}`, async () => assert.equal(await found(type, text), ids));
  }

  test('what is included by the same parameter is what a chain goes through', async () => {
    const query = parse(
      'QuestionnaireResponse',
      'questionnaire.title=old&_include=QuestionnaireResponse:questionnaire',
    );
    const { included } = await search(core, query, { scope: everything, db });
    assert.deepEqual(included.map(({ id }) => id).sort(), ['q1', 'q2']);
  });

  test('what the access scope hides is no link', async () => {
    for (const [type, text] of [
      ['QuestionnaireResponse', 'questionnaire.title=old'],
      ['Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=completed'],
    ] as const) {
      const hidden = { ...page(), scope: nothing };
      await prepare(hidden, parse(type, text).criteria);
      for (const { referring, keys } of hidden.canonicals!.values())
        assert.deepEqual([referring, keys ?? []], [undefined, []]);
    }
  });

  test('a parameter that the definitions lack is told', () => {
    const isTold = (error: unknown) => isCerebraError(error, 'unknown-parameter');
    assert.throws(() => parse('QuestionnaireResponse', 'questionnaire.colour=red'), isTold);
  });
});

describe('at random', () => {
  const next = random(20_261_124);
  const one = <T>(values: readonly T[]): T => values[next(values.length)]!;
  const versions = ['', '|1', '|2', '|3', '|1#a', '#a'];
  const named = (i: number): string => `http://r/${i}`;
  const reference = (): string => named(next(14)) + one(versions);
  const statuses = ['completed', 'amended', 'stopped'];
  const titles = ['alder', 'birch', 'cedar'];
  // Each version of a URL once.
  const definitions = Array.from({ length: 30 }, (_, i) => {
    const version = [undefined, '1', '2'][i % 3];
    const rest = { url: named(Math.floor(i / 3)), title: one(titles), ...(version && { version }) };
    return definition('Questionnaire', `r${i}`, { ...rest, status: one(['active', 'draft']) }) as Named & typeof rest;
  });
  const responses = Array.from({ length: 1200 }, (_, i) => response(`r${i}`, reference(), { status: one(statuses) }));
  const plans = Array.from({ length: 100 }, (_, i) => plan(`r${i}`, reference(), reference()));

  before(async () => {
    await store([...definitions, ...responses, ...plans]);
  });

  const urlsOf = ({ questionnaire, instantiatesCanonical }: Resource): string[] =>
    (instantiatesCanonical as string[] | undefined) ?? [questionnaire as string];

  const refers = (resource: Resource, { url, version }: Named & { version?: string }): boolean =>
    urlsOf(resource).some((each) => {
      const [of, asked] = each.replace(/#.*/, '').split('|');
      return of === url && (asked === undefined || asked === version);
    });

  const ids = (resources: readonly Named[]): string =>
    resources
      .map(({ id }) => id)
      .sort()
      .join(' ');

  for (const title of titles) {
    for (const status of ['active', 'draft']) {
      const all = () => definitions.filter((each) => each.title === title && each.status === status);
      const asked = (link: string) => `_filter=${link}[title eq ${title}].status eq ${status}`;
      test(`chains to ${title}, ${status}`, async () => {
        for (const [type, link, resources] of [
          ['QuestionnaireResponse', 'questionnaire', responses],
          ['CarePlan', 'instantiates-canonical:Questionnaire', plans],
        ] as const) {
          const expected = resources.filter((resource) => all().some((each) => refers(resource, each)));
          assert.equal(await found(type, `${asked(link)}&_id:not=x`), ids(expected));
        }
      });
    }
  }

  test('a chain to more definitions than are compared one by one', async () => {
    const expected = responses.filter((resource) => definitions.some((each) => refers(resource, each)));
    assert.equal(await found('QuestionnaireResponse', 'questionnaire.url:below=http://r'), ids(expected));
  });

  for (const some of [['completed'], ['amended', 'stopped'], statuses]) {
    test(`_has of ${some.join(', ')}`, async () => {
      const referring = responses.filter(({ status }) => some.includes(status as string));
      const expected = definitions.filter((each) => referring.some((resource) => refers(resource, each)));
      assert.equal(
        await found(
          'Questionnaire',
          `url:below=http://r&_has:QuestionnaireResponse:questionnaire:status=${some.join()}`,
        ),
        ids(expected),
      );
    });
  }
});

test('more definitions than can be looked at are told', async () => {
  await db.query(
    {
      text: `insert into r_valueset (rid, key, seq, updated, version, type, id, tokens, body)
      select n, n, n, now(), 1, $1, n, '{}', '{"url":"http://x/' || n || '"}' from generate_series(1000000, 1005000) n`,
    },
    [core.store.layout.codeOf('ValueSet')],
  );
  const isTold = (error: unknown) =>
    isCerebraError(error, 'too-costly') && error.issues[0]?.expression?.[0] === 'source.status:missing';
  await assert.rejects(findPage(page(), parse('ConceptMap', 'source.status:missing=true')), isTold);
});
