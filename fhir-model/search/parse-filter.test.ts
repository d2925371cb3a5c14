// _filter: https://hl7.org/fhir/R4/search_filter.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Filter, parseFilter } from './parse-filter.ts';
import { filterDepthMax, filterTestsMax } from './search-limits.ts';
import { found, query, rejects } from './search-testing.ts';

/** The tree with all its parentheses. */
function shown(filter: Filter): string {
  if (filter.kind === 'not') return `not ${shown(filter.filter)}`;
  if (filter.kind !== 'test') return `(${filter.filters.map(shown).join(` ${filter.kind} `)})`;
  const path = filter.path.map((step) => step.name + (step.filter ? `[${shown(step.filter)}]` : '')).join('.');
  return `${path} ${filter.operator} ${JSON.stringify(filter.value)}`;
}

const tree = (text: string): string => shown(parseFilter(text));

describe('the grammar', () => {
  test('strings and tokens', () => {
    assert.equal(tree('name co "pet"'), 'name co "pet"');
    assert.equal(tree('name eq "a ) b ] \\"c\\" \\u00e9"'), 'name eq "a ) b ] \\"c\\" é"');
    assert.equal(tree('code eq http://loinc.org|1234-5'), 'code eq "http://loinc.org|1234-5"');
    assert.equal(tree('birthdate ge 2014-10-10T10:00:00+01:00'), 'birthdate ge "2014-10-10T10:00:00+01:00"');
    assert.equal(tree(' name  CO\tpet '), 'name co "pet"');
  });

  test('and, or: left to right, without precedence; parentheses and not', () => {
    assert.equal(tree('a eq 1 and b eq 2 or c eq 3'), '((a eq "1" and b eq "2") or c eq "3")');
    assert.equal(tree('a eq 1 or b eq 2 and c eq 3'), '((a eq "1" or b eq "2") and c eq "3")');
    assert.equal(tree('a eq 1 or (b eq 2 and c eq 3)'), '(a eq "1" or (b eq "2" and c eq "3"))');
    assert.equal(tree('not (a eq 1) and b eq 2'), '(not a eq "1" and b eq "2")');
    assert.equal(tree('not(a eq 1 or b eq 2)'), 'not (a eq "1" or b eq "2")');
    assert.equal(tree('note eq 1 and orange eq and'), '(note eq "1" and orange eq "and")');
  });

  test('paths with filters, types and _has', () => {
    assert.equal(tree('subject.name co pet'), 'subject.name co "pet"');
    assert.equal(
      tree('related[type eq has-component and (x pr true)].target re Observation/4'),
      'related[(type eq "has-component" and x pr "true")].target re "Observation/4"',
    );
    assert.equal(tree('a[b[c eq 1].d eq 2].e.f eq 3'), 'a[b[c eq "1"].d eq "2"].e.f eq "3"');
    assert.equal(tree('subject:Patient.name eq x'), 'subject:Patient.name eq "x"');
    assert.equal(tree('_has:Observation:patient:code eq x'), '_has:Observation:patient.code eq "x"');
  });

  test('faults tell what was expected, and where', () => {
    const faults: [string, RegExp][] = [
      ['', /expected the name of a search parameter at the end/],
      ['name', /expected one of eq, ne, .* at the end/],
      ['name eqx', /expected one of .* before 'eqx'/],
      ['name is x', /expected one of .* at character 6, before 'is x'/],
      ['name eq', /expected a value at the end/],
      ['name eq ', /expected a value at the end/],
      ['(name eq x', /expected '\)' at the end/],
      ['name eq x)', /expected 'and', 'or' or the end at character 10/],
      ['name eq x y eq z', /expected 'and', 'or' or the end at character 11/],
      ['name eq x and', /expected the name of a search parameter at the end/],
      ['a[b eq c] eq d', /expected '\.' and a parameter after the brackets, at character 10/],
      ['a[b eq c.d eq e', /expected ']'/],
      ['name eq "open', /expected a value/],
      ['name eq "\\q"', /expected a string in JSON form/],
      ['1name eq x', /expected the name of a search parameter/],
    ];
    for (const [text, message] of faults) {
      assert.throws(() => parseFilter(text), { code: 'invalid-parameter', message }, text);
    }
  });

  test('limits', () => {
    const deep = (n: number) => `${'('.repeat(n)}a eq 1${')'.repeat(n)}`;
    assert.equal(tree(deep(filterDepthMax)), 'a eq "1"');
    for (const text of [deep(filterDepthMax + 1), '('.repeat(100_000), 'not '.repeat(100_000), 'a['.repeat(50_000)]) {
      assert.throws(() => parseFilter(text), { code: 'too-costly', message: /nested 20 deep/ });
    }
    const wide = (n: number) => Array.from({ length: n }, () => 'a eq 1').join(' or ');
    assert.equal(parseFilter(wide(filterTestsMax)).kind, 'or');
    assert.throws(() => parseFilter(wide(filterTestsMax + 1)), { code: 'too-costly', message: /100 tests/ });
  });
});

const patient = {
  resourceType: 'Patient',
  id: 'p1',
  name: [{ family: 'Núñez', given: ['Ana María'] }],
  gender: 'female',
  birthDate: '1980-05',
  managingOrganization: { reference: 'Organization/o1' },
};
const observation = {
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '1234-5' }, { code: 'local,1' }] },
  effectivePeriod: { start: '2020-01-10', end: '2020-01-20' },
  valueQuantity: { value: 5.4, system: 'http://unitsofmeasure.org', code: 'mg' },
};
const risk = {
  resourceType: 'RiskAssessment',
  status: 'final',
  subject: { reference: 'Patient/p1' },
  prediction: [{ probabilityDecimal: 0.8 }],
};

const is = (resource: { resourceType: string }, filter: string): boolean =>
  found(`_filter=${encodeURIComponent(filter)}`, resource);

describe('the operators', () => {
  test('on strings: case and accents do not count', () => {
    for (const yes of [
      'family eq nunez',
      'family ne smith',
      'family co UNE',
      'family sw Nu',
      'family ew EZ',
      'family gt Number',
      'family ge "Núñez"',
      'family lt o',
      'family le NUNEZ',
      'given eq "ana maria"',
      'family pr true',
      'email pr false',
    ]) {
      assert.ok(is(patient, yes), yes);
      assert.ok(!is(patient, `not (${yes})`), `not (${yes})`);
    }
    for (const no of ['family eq nune', 'family ne NUNEZ', 'family gt nunez', 'family ew nu', 'family pr false']) {
      assert.ok(!is(patient, no), no);
    }
  });

  test('on tokens; ne: it has a value and none is this one', () => {
    for (const yes of ['gender eq female', 'gender ne male', 'not (email eq x)', 'identifier pr false']) {
      assert.ok(is(patient, yes), yes);
    }
    for (const no of ['gender eq male', 'gender ne female', 'email ne x']) assert.ok(!is(patient, no), no);
    assert.ok(is(observation, 'code eq loinc|1234-5'), 'loinc stands for its system');
    assert.ok(is(observation, 'code eq "local,1"'), 'a comma is no OR');
    assert.ok(!is(observation, 'code eq "1234-5,x"'), 'a comma is no OR');
  });

  test('on dates', () => {
    for (const yes of [
      'eq 1980-05',
      'ne 1980-06',
      'ge 1980',
      'lt 1980-05-02',
      'po 1980-05-31',
      'co 1980-05-15',
      'sa 1979',
      'eb 1981',
      'ap 1980-05',
    ]) {
      assert.ok(is(patient, `birthdate ${yes}`), yes);
    }
    for (const no of ['eq 1980-05-15', 'co 1980', 'po 1980-06', 'sa 1980-04-30T23:59:59.999-01:00', 'gt 1980']) {
      assert.ok(!is(patient, `birthdate ${no}`), no);
    }
    assert.ok(is(observation, 'date po 2020-01-20T12:00:00Z and date co 2020-01-11 and not (date co 2020-01-09)'));
  });

  test('on numbers, quantities and references', () => {
    assert.ok(is(observation, 'value-quantity ge 5.4|ucum|mg and value-quantity lt 6|http://unitsofmeasure.org|mg'));
    assert.ok(is(risk, 'probability co 0.84 and probability gt 0.7 and not (probability co 0.85)'));
    assert.ok(is(patient, 'organization re Organization/o1 and organization eq o1 and organization ne o2'));
    assert.ok(!is(patient, 'organization re Organization/o2'));
  });

  test('that a type of parameter does not have are refused, and told which it has', () => {
    rejects(
      'Patient',
      [['_filter', 'gender co x']],
      'invalid-parameter',
      /co is not possible with gender, a token.*eq, ne, ss/,
    );
    rejects('Patient', [['_filter', 'family sa x']], 'invalid-parameter', /sa is not possible with family/);
    rejects('Patient', [['_filter', 'birthdate sw 19']], 'invalid-parameter', /sw is not possible with birthdate/);
    rejects('Patient', [['_filter', 'gender pr maybe']], 'invalid-parameter', /pr takes true or false/);
    rejects('Patient', [['_filter', 'nothing eq x']], 'unknown-parameter', /Patient has no search parameter 'nothing'/);
    rejects('Patient', [['_filter', 'family:exact eq x']], 'invalid-parameter', /takes no modifier/);
    rejects('Patient', [['_filter', 'birthdate eq x']], 'invalid-parameter', /is no date/);
    rejects('Patient', [['_filter', 'birthdate eq ge2020']], 'invalid-parameter', /is no date/);
    rejects('Patient', [['_filter:not', 'gender eq x']], 'invalid-parameter', /_filter has the form/);
    rejects('Patient', [['_filter', '']], 'invalid-parameter', /has no value/);
  });
});

test('what `and` joins at the top are criteria side by side', () => {
  const { criteria } = query('Patient', [['_filter', 'given eq "peter" and birthdate ge 2014-10-10']]);
  assert.deepEqual(
    criteria.map(({ param }) => param.code),
    ['given', 'birthdate'],
  );
});

test('paths become chains and _has, with what the brackets ask', () => {
  const [criterion] = query('Observation', [['_filter', 'subject[gender eq male].organization.name co "x"']]).criteria;
  const [link] = criterion?.chain ?? [];
  assert.equal(link?.type, 'Patient');
  assert.deepEqual(
    link?.criterion.logic?.criteria.map(({ param }) => param.code),
    ['gender', 'organization'],
  );
  assert.equal(link?.criterion.logic?.criteria[1]?.chain?.[0]?.criterion.modifier, 'contains');
  const [has] = query('Patient', [['_filter', '_has:Observation:patient:encounter.status eq finished']]).criteria;
  assert.equal(has?.has?.type, 'Observation');
  assert.equal(has?.has?.criterion.chain?.[0]?.type, 'Encounter');
  rejects('Organization', [['_filter', `${'partof.'.repeat(9)}name eq x`]], 'too-costly', /a chain may have 8 links/);
});
