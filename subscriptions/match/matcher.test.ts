import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource, SearchQuery } from '#fhir-model';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rig.ts';
import { parseCriteria } from './criteria.ts';
import { createMatcher, type Matcher } from './matcher.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const unexpected = (id: string, error: unknown) => assert.fail(`${id}: ${error}`);

function matcherOf(criteria: Record<string, string>): Matcher {
  const matcher = createMatcher();
  for (const [id, text] of Object.entries(criteria)) matcher.put({ id, query: queryOf(text, rules) });
  return matcher;
}

function queryOf(text: string, rules: RegistrationRules): SearchQuery {
  const { query, stored } = parseCriteria(text, rules);
  assert.equal(stored, '');
  return query;
}

const found = (matcher: Matcher, resource: object) => matcher.match(resource as Resource, 1, 0, unexpected).toSorted();

const glucose = {
  resourceType: 'Observation',
  id: 'g',
  meta: { versionId: '1', lastUpdated: '2024-05-01T00:00:00Z', profile: ['http://x/profile|2.0'] },
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }, { code: 'plain' }] },
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: '2024-05-01T10:00:00Z',
  valueQuantity: { value: 7.1, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
};

test('criteria of each kind', () => {
  const matcher = matcherOf({
    all: 'Observation',
    slash: '/Observation?status=final',
    code: 'Observation?code=http://loinc.org|2345-7',
    anySystem: 'Observation?code=2345-7',
    noSystem: 'Observation?code=|plain',
    systemOnly: 'Observation?code=http://loinc.org|',
    or: 'Observation?code=nothing,2345-7',
    and: 'Observation?code=2345-7&status=final',
    andNot: 'Observation?code=2345-7&status=amended',
    not: 'Observation?status:not=amended',
    patient: 'Observation?patient=p1',
    subject: 'Observation?subject=Patient/p1',
    typed: 'Observation?subject:Patient=p1',
    otherPatient: 'Observation?subject=Patient/p2',
    id: 'Observation?_id=g',
    date: 'Observation?date=ge2024-01-01',
    quantity: 'Observation?value-quantity=gt7.0||mmol/L',
    quantityLow: 'Observation?value-quantity=lt7.0',
    missing: 'Observation?encounter:missing=true',
    otherType: 'Patient',
  });
  assert.deepEqual(
    found(matcher, glucose),
    [
      ...['all', 'and', 'anySystem', 'code', 'date', 'id', 'missing', 'noSystem', 'not', 'or', 'patient', 'quantity'],
      ...['slash', 'subject', 'systemOnly', 'typed'],
    ].toSorted(),
  );
});

test('put replaces, remove removes, the type is forgotten with its last entry', () => {
  const matcher = matcherOf({ a: 'Observation?code=2345-7', b: 'Observation?status:not=x' });
  matcher.put({ id: 'a', query: queryOf('Patient', rules) });
  assert.deepEqual(found(matcher, glucose), ['b']);
  assert.equal(matcher.mayMatch('Observation', ''), true);
  matcher.remove('b');
  matcher.remove('b');
  assert.equal(matcher.mayMatch('Observation', ''), false);
  assert.equal(matcher.mayMatch('Patient', ''), true);
  assert.equal(matcher.size(), 1);
  matcher.clear();
  assert.equal(matcher.size(), 0);
});

test('a body is told by the texts that a match must have, where these are known', () => {
  const body = JSON.stringify(glucose);
  const may = (...criteria: string[]) =>
    matcherOf(Object.fromEntries(criteria.map((text, i) => [String(i), text]))).mayMatch('Observation', body);
  assert.equal(may('Observation?code=2823-3,6298-4'), false);
  assert.equal(may('Observation?code=2823-3', 'Observation?code=2345-7'), true);
  assert.equal(may('Observation?subject=Patient/p2&status=final'), false);
  assert.equal(may('Observation?subject=Patient/p1&status=amended'), true);
  // Letters may come in the other case; nothing is said of what may be escaped, nor of what is not an equality.
  assert.equal(may('Observation?code=other'), false);
  assert.equal(may('Observation?code=PLAIN'), true);
  assert.equal(may('Observation?code=oth%C3%A9r'), true);
  assert.equal(may('Observation?code=2823-3', 'Observation?date=ge2024'), true);
  assert.equal(
    may('Observation?code=2823-3', ...Array.from({ length: 200 }, (_, i) => `Observation?code=${i}${i}-0`)),
    false,
  );
  assert.equal(
    may('Observation?code=2823-3', ...Array.from({ length: 256 }, (_, i) => `Observation?code=${i}${i}-0`)),
    true,
  );
});

test('what FHIRPath works out need not stand in the body', () => {
  const query = queryOf('Patient?gender=19800501', rules);
  const [criterion] = query.criteria;
  const worked = { ...criterion!, param: { ...criterion!.param, fhirpath: true as const } };
  const matcher = createMatcher();
  matcher.put({ id: 'a', query: { ...query, criteria: [worked] } });
  assert.equal(matcher.mayMatch('Patient', '{"birthDate":"1980-05-01"}'), true);
  matcher.put({ id: 'a', query });
  assert.equal(matcher.mayMatch('Patient', '{"birthDate":"1980-05-01"}'), false);
});

test('true and false need not stand in the body', () => {
  const dead: Resource = { resourceType: 'Patient', deceasedDateTime: '2024-05-01' };
  for (const [criteria, patient] of [
    ['Patient?deceased=true', dead],
    ['Patient?deceased=FALSE', { resourceType: 'Patient' }],
  ] as const) {
    const matcher = matcherOf({ a: criteria });
    assert.equal(matcher.mayMatch('Patient', JSON.stringify(patient)), true, criteria);
  }
  assert.deepEqual(found(matcherOf({ a: 'Patient?deceased=true' }), dead), ['a']);
});

test('the case of codes does not count', () => {
  const matcher = matcherOf({ system: 'Observation?code=|PLAIN', any: 'Observation?code=Plain' });
  assert.deepEqual(found(matcher, glucose), ['any', 'system']);
});

test('a parameter used for the first time is extracted from then on', () => {
  const matcher = matcherOf({ a: 'Observation?code=2345-7' });
  assert.deepEqual(found(matcher, glucose), ['a']);
  matcher.put({ id: 'b', query: queryOf('Observation?patient=p1', rules) });
  assert.deepEqual(found(matcher, glucose), ['a', 'b']);
});

test('ends at its instant, and asks its own test', () => {
  const matcher = createMatcher();
  const query = queryOf('Observation', rules);
  matcher.put({ id: 'ends', query, endsMs: 1_000 });
  matcher.put({ id: 'tests', query, test: (_resource, version) => version > 1 });
  assert.deepEqual(matcher.match(glucose as Resource, 1, 999, unexpected), ['ends']);
  assert.deepEqual(matcher.match(glucose as Resource, 2, 1_000, unexpected), ['tests']);
});

test('an entry that throws does not keep the others from matching', () => {
  const matcher = matcherOf({ fine: 'Observation' });
  const failure = new Error('broken');
  matcher.put({
    id: 'broken',
    query: queryOf('Observation', rules),
    test: () => {
      throw failure;
    },
  });
  const errors: [string, unknown][] = [];
  const ids = matcher.match(glucose as Resource, 1, 0, (id, error) => errors.push([id, error]));
  assert.deepEqual(ids, ['fine']);
  assert.deepEqual(errors, [['broken', failure]]);
});

test('of 10,000 subscriptions only those under a shared rare key are tried', () => {
  const matcher = createMatcher();
  let tried = 0;
  const counting = (query: SearchQuery): SearchQuery => ({
    ...query,
    get criteria() {
      tried++;
      return query.criteria;
    },
  });
  for (let i = 0; i < 10_000; i++) {
    const text = [
      `Observation?code=http://loinc.org|2345-7&status=final&subject=Patient/p${i}`,
      `Observation?status=final&category=laboratory&code=http://x|c${i}`,
      `Observation?identifier=http://x|${i}&status=final`,
      `Observation?status=final,amended&code=a${i},b${i}`,
    ][i % 4]!;
    matcher.put({ id: `s${i}`, query: counting(queryOf(text, rules)) });
  }
  tried = 0;
  const ids = found(matcher, { ...glucose, subject: { reference: 'Patient/p4000' } });
  assert.deepEqual(ids, ['s4000']);
  // The one that matches, and the few that were filed under status or code before those were known to be frequent.
  assert.ok(tried <= 10, `${tried} tried`);
});

test('a reference to a version is found by that version and by what it is a version of', () => {
  const matcher = matcherOf({
    version: 'Observation?subject=Patient/p1/_history/3',
    absolute: 'Observation?subject=http://me.example.org/fhir/Patient/p1/_history/3',
    otherVersion: 'Observation?subject=Patient/p1/_history/2',
    any: 'Observation?subject=Patient/p1',
  });
  const about = (reference: string) => ({ ...glucose, subject: { reference } });
  assert.deepEqual(found(matcher, about('Patient/p1/_history/3')), ['any', 'version']);
  assert.deepEqual(found(matcher, about('Patient/p1')), ['any']);
  assert.deepEqual(found(matcher, about('http://me.example.org/fhir/Patient/p1/_history/3')), ['absolute']);
});
