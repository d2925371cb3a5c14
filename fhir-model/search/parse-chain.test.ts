// Chains, _has and _list as criteria: https://hl7.org/fhir/R4/search.html#chaining, #has, #list
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSearch, selfLinkQuery } from './parse.ts';
import { joinBranchesMax, joinDepthMax } from './search-limits.ts';
import { options, pairsOf, query, rejects } from './search-testing.ts';
import type { Criterion } from './types.ts';

/** `subject→Patient(…)`, `Observation.patient←(…)`, `name:exact=x`: the links and ends of a criterion, to be compared. */
function shown({ param, modifier, values, chain, has }: Criterion): string {
  if (chain) return chain.map(({ type, criterion }) => `${param.code}→${type}(${shown(criterion)})`).join(' ');
  if (has) return `${has.type}.${has.param.code}←(${shown(has.criterion)})`;
  const asked = values.map((value) => value.text).join(',');
  return `${param.resourceType}.${param.code}${modifier === undefined ? '' : `:${modifier}`}=${asked}`;
}

const criteria = (type: string, search: string): string[] => query(type, pairsOf(search)).criteria.map(shown);

describe('chains', () => {
  test('of any depth, with types and without', () => {
    assert.deepEqual(criteria('DiagnosticReport', 'subject:Patient.name=peter'), [
      'subject→Patient(Patient.name=peter)',
    ]);
    assert.deepEqual(criteria('DiagnosticReport', 'subject.name=peter'), [
      'subject→Patient(Patient.name=peter) subject→Location(Location.name=peter)',
    ]);
    assert.deepEqual(criteria('Observation', 'subject:Patient.general-practitioner:Organization.partof.name=x'), [
      'subject→Patient(general-practitioner→Organization(partof→Organization(Organization.name=x)))',
    ]);
    assert.deepEqual(criteria('Observation', 'subject.general-practitioner.family=x'), [
      'subject→Patient(general-practitioner→Practitioner(Practitioner.family=x))',
    ]);
  });

  test('`patient`, where it is read from `subject`, leads to Patients alone', () => {
    assert.deepEqual(criteria('Observation', 'patient._id=1'), ['patient→Patient(Patient._id=1)']);
    rejects('Observation', 'patient:Group._id=1', 'invalid-parameter', /patient refers to Patient, not to Group/);
    rejects('Group', '_has:Observation:patient:code=1', 'invalid-parameter', /patient refers to Patient, not to Group/);
  });

  test('end in modifiers', () => {
    assert.deepEqual(criteria('Observation', 'patient.given:exact=Eve'), ['patient→Patient(Patient.given:exact=Eve)']);
    assert.deepEqual(criteria('Observation', 'patient.organization:missing=true'), [
      'patient→Patient(Patient.organization:missing=true)',
    ]);
  });

  test('a type that can’t read the value is left out', () => {
    // Of the targets of `related-ref`, Encounter.date is a date and others have none.
    assert.deepEqual(criteria('Encounter', 'subject.birthdate=2020'), ['subject→Patient(Patient.birthdate=2020)']);
    rejects('Encounter', 'subject.birthdate=x', 'invalid-parameter', /is no date/);
  });

  test('malformed', () => {
    rejects('Observation', 'code.name=x', 'invalid-parameter', /code is no reference/);
    rejects('Observation', 'patient.gender.name=x', 'invalid-parameter', /gender is no reference/);
    rejects('Observation', 'subject.nothing=x', 'unknown-parameter', /no type that subject refers to/);
    rejects('Observation', 'subject:Nope.name=x', 'invalid-parameter', /'Nope' is no resource type/);
    rejects('Observation', 'subject:Encounter.class=x', 'invalid-parameter', /not to Encounter/);
    rejects('Observation', 'subject.=x', 'invalid-parameter', /after 'subject' stands no/);
    rejects('Observation', 'patient..name=x', 'invalid-parameter', /'\.name' is no parameter name/);
    rejects('Observation', 'patient.nothing.name=x', 'unknown-parameter', /'nothing'/);
  });

  test('a wrong end is an error, however lenient: nothing there can be ignored', () => {
    for (const name of ['patient.nothing', '_has:Observation:patient:nothing', '_has:Observation:nothing:code']) {
      assert.throws(
        () =>
          parseSearch(name.startsWith('_') ? 'Patient' : 'Observation', [[name, 'x']], { ...options, strict: false }),
        {
          code: 'unknown-parameter',
        },
      );
    }
  });

  test(`${joinDepthMax} links at most, _has included`, () => {
    const deep = (links: number) => `${'partof.'.repeat(links)}name=x`;
    assert.equal(criteria('Organization', deep(joinDepthMax)).length, 1);
    rejects('Organization', deep(joinDepthMax + 1), 'too-costly', /a chain may have 8 links/);
    const has = (links: number) => `${'_has:Organization:partof:'.repeat(links)}name=x`;
    assert.equal(criteria('Organization', has(joinDepthMax)).length, 1);
    rejects('Organization', has(joinDepthMax + 1), 'too-costly', /a chain may have 8 links/);
  });

  test(`${joinBranchesMax} types of all links at most`, () => {
    rejects('Composition', 'subject._id=x', 'too-costly', /146 types are possible: name one/);
    rejects(
      'Observation',
      'focus.focus.focus.focus.focus.focus.code=x',
      'too-costly',
      /may lead to 200 types together: name the types/,
    );
  });
});

describe('_has', () => {
  test('nested, chained, and within chains', () => {
    assert.deepEqual(criteria('Patient', '_has:Observation:patient:code=1234-5'), [
      'Observation.patient←(Observation.code=1234-5)',
    ]);
    assert.deepEqual(criteria('Patient', '_has:Observation:patient:_has:AuditEvent:entity:agent=Device/x'), [
      'Observation.patient←(AuditEvent.entity←(AuditEvent.agent=Device/x))',
    ]);
    assert.deepEqual(criteria('Encounter', 'patient._has:Group:member:_id=102'), [
      'patient→Patient(Group.member←(Group._id=102))',
    ]);
    assert.deepEqual(criteria('Practitioner', '_has:Encounter:participant:service-provider.name:exact=x'), [
      'Encounter.participant←(service-provider→Organization(Organization.name:exact=x))',
    ]);
  });

  test('repeats are AND, commas OR', () => {
    assert.deepEqual(criteria('Patient', '_has:Observation:patient:code=1,2&_has:Observation:patient:code=3'), [
      'Observation.patient←(Observation.code=1,2)',
      'Observation.patient←(Observation.code=3)',
    ]);
  });

  test('the self link has it as it was written', () => {
    const search = '_has:Observation:patient:code=http://loinc.org%7C1&patient';
    assert.equal(
      selfLinkQuery(parseSearch('Patient', pairsOf(search), { ...options, strict: false })),
      '_has:Observation:patient:code=http://loinc.org%7C1',
    );
  });

  test('malformed', () => {
    rejects('Patient', '_has:Observation:patient=x', 'invalid-parameter', /after the reference a parameter/);
    rejects('Patient', '_has=x', 'invalid-parameter', /_has has the form _has:Type:reference:parameter/);
    rejects('Patient', '_has:Observation=x', 'invalid-parameter', /is not of the form/);
    rejects('Patient', '_has:Nope:patient:code=x', 'invalid-parameter', /'Nope' is no resource type/);
    rejects(
      'Patient',
      '_has:Observation:nope:code=x',
      'unknown-parameter',
      /Observation has no search parameter 'nope'/,
    );
    rejects('Patient', '_has:Observation:code:code=x', 'invalid-parameter', /Observation.code is no reference/);
    rejects(
      'Patient',
      '_has:Observation:encounter:code=x',
      'invalid-parameter',
      /encounter refers to .*, not to Patient/,
    );
    rejects(
      'Patient',
      "_has:Observation:patient:code');drop table resource--=x",
      'invalid-parameter',
      /is no parameter name/,
    );
    rejects('Patient', '_has:__proto__:patient:code=x', 'invalid-parameter', /is not of the form/);
    rejects('Patient', '_has:constructor:patient:code=x', 'invalid-parameter', /is no resource type/);
  });
});

describe('_list', () => {
  test('by id, also at the end of a chain', () => {
    assert.deepEqual(criteria('Patient', '_list=42'), ['List.item←(List._id=42)']);
    assert.deepEqual(criteria('Patient', '_list=List/42,43'), ['List.item←(List._id=42,43)']);
    assert.deepEqual(criteria('Observation', 'patient._list=42'), ['patient→Patient(List.item←(List._id=42))']);
  });

  test('functional lists are not kept', () => {
    rejects('AllergyIntolerance', '_list=$current-allergies', 'unsupported', /functional lists are not supported/);
  });

  test('malformed', () => {
    rejects('Patient', '_list=a b', 'invalid-parameter', /is no id of a List/);
    rejects('Patient', '_list:not=1', 'invalid-parameter', /_list has no modifier and no chain/);
    rejects('Patient', '_list.code=1', 'invalid-parameter', /_list has no modifier and no chain/);
  });
});

describe('_query', () => {
  test('a named query, with parameters of its own and those of its type', () => {
    const found = query('Patient', pairsOf('_query=current-inpatients&location=Location/7&gender=male'));
    assert.deepEqual(found.criteria.slice(0, 1).map(shown), ['Patient.gender=male']);
    const inner = found.criteria[1]?.has?.criterion.logic;
    assert.equal(inner?.op, 'and');
    assert.deepEqual(
      inner.criteria.map(shown).map((text) => text.split('=')[0]),
      ['Encounter.status', 'Encounter.class', 'Encounter.location'],
    );
    assert.equal(selfLinkQuery(found), '_query=current-inpatients&location=Location/7&gender=male');
  });

  test('an unknown one is refused, and told which there are', () => {
    rejects('Patient', '_query=nope', 'unsupported', /no named query 'nope'; those of Patient are current-inpatients/);
    rejects('Observation', '_query=nope', 'unsupported', /Observation has none/);
    rejects('Patient', '_query=current-inpatients&_query=nope', 'invalid-parameter', /given once/);
    rejects('Patient', '_query:x=nope', 'invalid-parameter', /_query has the form/);
    rejects('Patient', 'location=1', 'unknown-parameter', /no search parameter 'location'/);
    rejects('Patient', '_query=current-inpatients&location=a b', 'invalid-parameter', /is no reference/, 'location');
  });
});
