// What is looked up before a search is asked in SQL: value sets, hierarchies, texts, units.
// https://hl7.org/fhir/R4/search.html#modifiers
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, CodeSet, Resource, Terminology } from '#fhir-model';
import { CerebraError, type Db, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { createReader, createWriter } from '../ports.ts';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, createNarrowScope, everything, nothing, testCore } from '../testing.ts';

const UCUM = 'http://unitsofmeasure.org';
let db: Db;
let core: Core;

const coded = (code: string, system = 'http://cs') => ({ coding: [{ system, code, display: `Display ${code}` }] });
const condition = (id: string, code: object) => ({
  resourceType: 'Condition',
  id,
  subject: { reference: 'Patient/p' },
  code,
});
const location = (id: string, parent?: string) => ({
  ...{ resourceType: 'Location', id, name: id },
  ...(parent === undefined ? {} : { partOf: { reference: `Location/${parent}` } }),
});
const encounter = (id: string, at: string) => ({
  ...{ resourceType: 'Encounter', id, status: 'finished', class: { code: 'AMB' } },
  location: [{ location: { reference: `Location/${at}` } }],
});
const about = (id: string, subject: string) => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: coded('about'), subject: { reference: subject } },
});
const weight = (id: string, value: number, code: string) => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: coded('w') },
  valueQuantity: { value, code, system: UCUM },
});
const answers = (id: string, questionnaire: string) => ({
  ...{ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire },
});
const library = (id: string, library: string[], resource: string) => ({
  ...{ resourceType: 'PlanDefinition', id, status: 'active', library },
  relatedArtifact: [{ type: 'depends-on', resource }],
});
const file = (id: string, contentType: string) => ({
  ...{ resourceType: 'DocumentReference', id, status: 'current', content: [{ attachment: { contentType } }] },
});
/** a > b > c, a > d; z. What a terminology service makes of resources is its own affair and tested there. */
const above: Record<string, string[]> = { a: [], b: ['a'], c: ['a', 'b'], d: ['a'], z: [] };
const valueSets: Record<string, CodeSet> = {
  'http://vs/b': new Map([['http://cs', new Set(['b', 'c'])]]),
  'ValueSet/b': new Map([['http://cs', new Set(['b', 'c'])]]),
  'http://vs/whole': new Map([['http://other', 'all']]),
  'http://vs/nothing': new Map(),
  'http://vs/gender': new Map([['http://hl7.org/fhir/administrative-gender', new Set(['female'])]]),
  'http://cs?fhir_vs': new Map([['http://cs', 'all']]),
};

const unknown = (what: string): CerebraError => new CerebraError('invalid-parameter', `The ${what} is not known here`);

const terminology: Terminology = {
  async valueSet(url, { scope }) {
    const found = scope.kind === 'nothing' ? undefined : valueSets[url];
    if (found) return found;
    throw unknown(`value set '${url}'`);
  },
  async subsumption(system, code, direction, { scope }) {
    if (system !== 'http://cs' || scope.kind === 'nothing') throw unknown(`code system '${system}'`);
    const ancestors = above[code];
    if (!ancestors) throw new CerebraError('invalid-parameter', `The code system has no code '${code}'`);
    const below = Object.keys(above).filter((each) => above[each]!.includes(code));
    return new Set([code, ...(direction === 'above' ? ancestors : below)]);
  },
  validateCodes: async () => [],
};

const resources = [
  { resourceType: 'Patient', id: 'p', gender: 'female' },
  condition('a', coded('a')),
  condition('b', coded('b')),
  condition('c', coded('c')),
  condition('elsewhere', coded('b', 'http://other')),
  condition('text', { text: 'Display of nothing' }),
  location('site'),
  location('house', 'site'),
  location('ward', 'house'),
  location('cycle1', 'cycle2'),
  location('cycle2', 'cycle1'),
  location('campus'),
  location('hidden-wing', 'campus'),
  location('room', 'hidden-wing'),
  encounter('e-campus', 'campus'),
  encounter('e-room', 'room'),
  encounter('e-site', 'site'),
  encounter('e-ward', 'ward'),
  encounter('e-cycle', 'cycle1'),
  weight('w1', 5, 'g'),
  weight('w2', 5000, 'mg'),
  about('of-p', 'Patient/p'),
  about('of-twin', 'Patient/twin'),
  about('of-group', 'Group/twin'),
  {
    resourceType: 'DiagnosticReport',
    id: 'd',
    status: 'final',
    code: coded('d'),
    result: [{ reference: 'Observation/of-twin' }],
  },
  answers('q', 'http://q'),
  answers('q1', 'http://q|1'),
  answers('q1.0', 'http://q|1.0'),
  answers('q1-rc', 'http://q|1-rc'),
  answers('q10', 'http://q|10'),
  answers('q2', 'http://q|2.1'),
  answers('other', 'http://qq|1.0'),
  library('p1', ['http://l|3.1', 'http://l|4.0'], 'http://k|1.0'),
  library('p2', ['http://l|3.2'], 'http://k|5.0'),
  file('plain', 'text/xml'),
  file('utf8', 'Text/XML; charset=UTF-8'),
  file('spaced', 'text/xml ;a=b'),
  file('longer', 'text/xml-external'),
  file('html', 'text/html;x=text/xml'),
] as (Resource & { id: string })[];

before(async () => {
  db = await testDatabase();
  core = { ...(await testCore(db)), terminology };
  const created = await createWriter(core).createIfAbsent(resources, { scope: everything });
  assert.ok(created.every(Boolean));
});

async function find(type: string, query: string, scope: AccessScope = everything): Promise<string> {
  const page = await createReader(core).search(type, query, scope);
  return page.resources
    .map(({ id }) => id)
    .sort()
    .join(' ');
}

describe('codes', () => {
  const cases: [string, string, string][] = [
    ['Condition', 'code:in=http://vs/b', 'b c'],
    ['Condition', 'code:in=ValueSet/b', 'b c'],
    ['Condition', 'code:in=http://vs/b,http://vs/whole', 'b c elsewhere'],
    ['Condition', 'code:in=http://vs/nothing', ''],
    ['Condition', 'code:not-in=http://vs/b', 'a elsewhere text'],
    ['Condition', 'code:not-in=http://vs/nothing', 'a b c elsewhere text'],
    ['Condition', 'code:below=http://cs|b', 'b c'],
    ['Condition', 'code:above=http://cs|b', 'a b'],
    ['Condition', 'code:below=http://cs|d,http://cs|c', 'c'],
    ['Condition', 'code:in=http://cs?fhir_vs', 'a b c'],
    ['Condition', 'code:text=display b', 'b elsewhere'],
    ['Condition', 'code:text=of noth', 'text'],
    ['Condition', 'code:code-text=B', 'b elsewhere'],
    ['Patient', 'gender:in=http://vs/gender', 'p'],
    ['Patient', 'gender:not-in=http://vs/gender', ''],
    ['Patient', '_has:Condition:patient:code:in=http://vs/b', 'p'],
    ['Patient', '_has:Condition:patient:code:text=of noth', 'p'],
    ['Condition', 'subject:Patient.gender:in=http://vs/gender', 'a b c elsewhere text'],
    ['Condition', 'subject:Patient.gender:not-in=http://vs/gender', ''],
  ];
  for (const [type, query, expected] of cases) {
    test(`${type}?${query}`, async () => assert.equal(await find(type, query), expected));
  }
});

describe('resources above and below', () => {
  const cases: [string, string, string][] = [
    ['Encounter', 'location:below=Location/site', 'e-site e-ward'],
    ['Encounter', 'location:below=house', 'e-ward'],
    ['Encounter', 'location:above=Location/ward', 'e-site e-ward'],
    ['Encounter', 'location:below=Location/cycle2', 'e-cycle'],
    ['Encounter', 'location:above=Location/cycle2', 'e-cycle'],
    ['Encounter', 'location:below=Location/nowhere', ''],
    ['Location', 'partof:below=Location/site', 'house ward'],
    ['Location', '_has:Encounter:location:location:below=site', 'site ward'],
  ];
  for (const [type, query, expected] of cases) {
    test(`${type}?${query}`, async () => assert.equal(await find(type, query), expected));
  }
});

test('what lies above and below is found by way of what the access shows', async () => {
  const narrow = createNarrowScope();
  for (const [query, all, shown] of [
    ['location:below=Location/campus', 'e-campus e-room', 'e-campus'],
    ['location:above=Location/room', 'e-campus e-room', 'e-room'],
    ['location:above=Location/hidden-wing', 'e-campus', ''],
  ] as const) {
    assert.equal(await find('Encounter', query), all, query);
    assert.equal(await find('Encounter', query, narrow), shown, query);
  }
});

describe('ids without a type', () => {
  const cases: [string, string, string][] = [
    ['Observation', 'subject=p', 'of-p'],
    ['Observation', 'subject=p,Group/twin', 'of-group of-p'],
    ['Observation', 'subject=Patient/twin', 'of-twin'],
    ['Observation', 'subject:Group=twin', 'of-group'],
    ['Observation', 'patient=twin', 'of-twin'],
    ['Observation', 'subject=nobody', ''],
    ['Observation', 'subject=nobody,p', 'of-p'],
    ['DiagnosticReport', 'result.subject=p', ''],
    ['DiagnosticReport', 'result.patient=twin', 'd'],
    ['Patient', '_has:Observation:patient:subject=p', 'p'],
  ];
  for (const [type, query, expected] of cases) {
    test(`${type}?${query}`, async () => assert.equal(await find(type, query), expected));
  }

  const refused: [string, string, string][] = [
    ['Observation', 'subject=twin', 'subject'],
    ['Observation', 'subject=p,twin', 'subject'],
    ['Observation', 'subject=twin&code=none', 'subject'],
    ['Observation', '_filter=subject re twin', '_filter'],
    ['DiagnosticReport', 'result.subject=twin', 'result.subject'],
  ];
  for (const [type, query, expression] of refused) {
    test(`${type}?${query} may mean two`, async () => {
      for (const more of ['', '&_summary=count', '&_total=accurate', '&_sort=date']) {
        await assert.rejects(find(type, query + more), (error: unknown) => {
          assert.ok(isCerebraError(error, 'invalid-parameter'), String(error));
          assert.match(
            error.message,
            /'twin' may mean (Group|Patient)\/twin and (Group|Patient)\/twin: name the type, as in /,
          );
          assert.deepEqual(error.issues[0]?.expression, [expression]);
          return true;
        });
      }
    });
  }

  test('of what the caller may see', async () => assert.equal(await find('Observation', 'subject=twin', nothing), ''));
});

describe('versions of canonical references', () => {
  const cases: [string, string, string][] = [
    ['QuestionnaireResponse', 'questionnaire:below=http://q', 'q q1 q1-rc q1.0 q10 q2'],
    ['QuestionnaireResponse', 'questionnaire:below=http://q%7C1', 'q1 q1-rc q1.0'],
    ['QuestionnaireResponse', 'questionnaire:below=http://q%7C1.', 'q1.0'],
    ['QuestionnaireResponse', 'questionnaire:below=http://q%7C1.0', 'q1.0'],
    ['QuestionnaireResponse', 'questionnaire:below=http://q%7C3', ''],
    ['QuestionnaireResponse', 'questionnaire:below=http://q%7C2,http://qq%7C1', 'other q2'],
    ['PlanDefinition', 'depends-on:below=http://l%7C3', 'p1 p2'],
    ['PlanDefinition', 'depends-on:below=http://l%7C4', 'p1'],
    ['PlanDefinition', 'depends-on:below=http://k%7C5', 'p2'],
    ['PlanDefinition', 'depends-on:below=http://k%7C1', 'p1'],
  ];
  for (const [type, query, expected] of cases) {
    test(`${type}?${query}`, async () => assert.equal(await find(type, query), expected));
  }

  test('of several the highest counts in falling order', async () => {
    const { resources: sorted } = await createReader(core).search('PlanDefinition', '_sort=-depends-on', everything);
    assert.deepEqual(
      sorted.map(({ id }) => id),
      ['p1', 'p2'],
    );
  });
});

test('MIME types with and without their parameters', async () => {
  assert.equal(await find('DocumentReference', 'contenttype=text/xml'), 'plain');
  assert.equal(await find('DocumentReference', 'contenttype:below=text/xml'), 'plain spaced utf8');
  assert.equal(await find('DocumentReference', 'contenttype:below=TEXT/html,text/xml-external'), 'html longer');
  assert.equal(await find('DocumentReference', 'contenttype:below=text/x%25'), '');
});

test('quantities in units that came later are found as well', async () => {
  assert.equal(await find('Observation', `value-quantity=5|${UCUM}|g`), 'w1 w2');
  const kilograms = { ...weight('w3', 0.005, 'kg'), resourceType: 'Observation' } as Resource;
  await storeUpdate(core.store, kilograms, 'w3', undefined, everything);
  assert.equal(await find('Observation', `value-quantity=5|${UCUM}|g`), 'w1 w2 w3');
  assert.equal(await find('Observation', `code-value-quantity=w$ge5|${UCUM}|g`), 'w1 w2 w3');
  assert.equal(await find('Patient', `_has:Observation:patient:value-quantity=5|${UCUM}|g`), '');
});

describe('refused, naming the parameter', () => {
  const cases: [string, string, string, RegExp][] = [
    ['Condition', 'code:in=http://vs/none', 'invalid-parameter', /value set 'http:\/\/vs\/none' is not known here/],
    ['Condition', 'code:not-in=ValueSet/none', 'invalid-parameter', /value set 'ValueSet\/none' is not known here/],
    ['Condition', 'code:below=http://none|a', 'invalid-parameter', /code system 'http:\/\/none' is not known here/],
    ['Condition', 'code:below=http://cs|none', 'invalid-parameter', /has no code 'none'/],
    ['DocumentReference', 'contenttype:below=text', 'invalid-parameter', /'text' is no MIME type/],
    ['DocumentReference', 'contenttype:above=text/xml', 'invalid-parameter', /needs system and code/],
    ['QuestionnaireResponse', 'questionnaire:above=http://q%7C1', 'invalid-parameter', /of this server/],
    ['Patient', '_has:Condition:patient:code:in=http://vs/none', 'invalid-parameter', /is not known here/],
    [
      'Condition',
      'subject:below=Patient/p',
      'invalid-parameter',
      /:below follows what resources are part of, which Patient can't say/,
    ],
    [
      'Encounter',
      'location:below=http://elsewhere/Location/1',
      'invalid-parameter',
      /references to resources of this server/,
    ],
  ];
  for (const [type, query, code, message] of cases) {
    test(`${type}?${query}`, async () => {
      await assert.rejects(find(type, query), (error: unknown) => {
        assert.ok(isCerebraError(error, code as 'invalid-parameter'), String(error));
        assert.match(error.message, message);
        assert.equal(error.status, 400);
        assert.deepEqual(error.issues[0]?.expression, [query.slice(0, query.indexOf('='))]);
        return true;
      });
    });
  }
});

test('under the scope `nothing` neither value sets nor what lies below are seen', async () => {
  await assert.rejects(find('Condition', 'code:in=http://vs/b', nothing), /is not known here/);
  await assert.rejects(find('Condition', 'code:below=http://cs|b', nothing), /is not known here/);
  assert.equal(await find('Encounter', 'location:below=site', nothing), '');
  assert.equal(await find('Condition', 'code:text=display', nothing), '');
  assert.equal(await find('QuestionnaireResponse', 'questionnaire:below=http://q%7C1', nothing), '');
});

test('what was stored is sound', () => assertStoreSound({ db }));
