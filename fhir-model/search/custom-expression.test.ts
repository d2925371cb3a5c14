import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { checkExpression } from './custom-expression.ts';
import type { SearchParamType } from './types.ts';

const definitions = await loadDefinitions();
const check = (type: string, kind: SearchParamType, expression: string) =>
  checkExpression(definitions, type, kind, expression);

describe('checkExpression: in the extractor’s words', () => {
  const cases: [string, SearchParamType, string, string][] = [
    ['Patient', 'string', 'Patient.name.given', 'Patient.name.given'],
    ['Patient', 'string', 'name.given', 'Patient.name.given'],
    ['Patient', 'string', 'Patient.name.given | Patient.name.given', 'Patient.name.given'],
    ['Patient', 'token', "Patient.extension('urn:x').value", "Patient.extension.where(url = 'urn:x').value"],
    [
      ...(['Patient', 'reference', "Patient.extension('urn:x').value as Reference"] as const),
      "Patient.extension.where(url = 'urn:x').value.ofType(Reference)",
    ],
    // A type that the element has anyway is no choice.
    ['Patient', 'string', 'Patient.name.ofType(HumanName).family', 'Patient.name.family'],
    // What is derived from a type is of it too.
    [
      ...(['Patient', 'string', "Patient.extension('urn:x').value.ofType(string)"] as const),
      ['code', 'id', 'markdown', 'string']
        .map((type) => `Patient.extension.where(url = 'urn:x').value.ofType(${type})`)
        .join(' | '),
    ],
    [
      ...(['Patient', 'quantity', "(Patient.extension('urn:x').value as Quantity)"] as const),
      ['Age', 'Count', 'Distance', 'Duration', 'Quantity']
        .map((type) => `Patient.extension.where(url = 'urn:x').value.ofType(${type})`)
        .join(' | '),
    ],
    // A choice in the midst of a path, for each type that the rest can go on from.
    ['Observation', 'date', 'Observation.effective.start', 'Observation.effective.ofType(Period).start'],
    [
      ...(['Patient', 'token', "Patient.extension('urn:x').value.coding"] as const),
      "Patient.extension.where(url = 'urn:x').value.ofType(CodeableConcept).coding",
    ],
    [
      'Observation',
      'reference',
      'Observation.subject.where(resolve() is Patient)',
      'Observation.subject.where(resolve() is Patient)',
    ],
    ['Bundle', 'reference', 'Bundle.entry[0].resource', 'Bundle.entry[0].resource'],
    [
      'Patient',
      'token',
      'Patient.deceased.exists() and Patient.deceased != false',
      'Patient.deceased.exists() and Patient.deceased != false',
    ],
  ];
  for (const [type, kind, expression, expected] of cases) {
    test(`${kind}: ${expression}`, () => assert.deepEqual(check(type, kind, expression), { expression: expected }));
  }
});

describe('checkExpression: left to fhirpath', () => {
  const cases: [string, SearchParamType, string][] = [
    ['Patient', 'string', 'Patient.name.first().family'],
    ['Patient', 'string', "Patient.name.where(use = 'official' and given.exists()).family"],
    // JSON has the extensions of primitives beside them.
    ['Patient', 'date', "Patient.birthDate.extension('urn:t').value"],
    ['Patient', 'string', 'Patient.contained.ofType(Practitioner).name.family'],
    ['Patient', 'token', "Patient.extension.where(url = 'a\\\\b').value"],
  ];
  for (const [type, kind, expression] of cases) {
    test(`${kind}: ${expression}`, () =>
      assert.deepEqual(check(type, kind, expression), { expression, fhirpath: true }));
  }
});

describe('checkExpression: refused', () => {
  const cases: [string, SearchParamType, string, RegExp][] = [
    ['Patient', 'string', 'Patient.nmae', /^Patient has no element 'nmae'$/],
    ['Patient', 'string', 'Patient.name.where(usage = "x")', /^it is no FHIRPath/],
    ['Patient', 'string', "Patient.name.where(usage = 'x').family", /^HumanName has no element 'usage'$/],
    ['Patient', 'date', 'Patient.name', /^it leads to HumanName, of which a date parameter has no values$/],
    ['Patient', 'token', 'Patient.id', /^'id' is given by the server/],
    ['Patient', 'date', 'Patient.meta.lastUpdated', /^'lastUpdated' is given by the server/],
    ['Patient', 'token', 'Patient.meta.first().versionId', /^'versionId' can't be used$/],
    ['Patient', 'string', 'Patient.active', /^it leads to boolean, of which a string/],
    ['Patient', 'date', 'Patient.deceased.exists()', /^it is true or false/],
    ['Patient', 'token', 'Patient.deceased.ofType(Quantity)', /^'deceased' is never a Quantity$/],
    ['Observation', 'reference', 'Observation.subject.where(resolve() is Nope)', /^'Nope' is no resource type$/],
    ['Patient', 'string', '(Patient.name | Practitioner.name).given', /^Practitioner stands where only Patient can/],
    ['Patient', 'string', "Patient.name.given.matches('(a+)+$')", /^the function matches\(\) can't be used$/],
    ['Patient', 'string', 'Patient.name.first(1).family', /^first\(\) takes 0 parameters, not 1$/],
    ['Patient', 'string', 'Patient.name.where().family', /^where\(\) takes 1 parameter, not 0$/],
    ['Patient', 'string', "Patient.name.skip(1, 2).where(use = 'a').family", /^skip\(\) takes 1 parameter, not 2$/],
    ['Patient', 'string', 'iif(Patient.active)', /^iif\(\) takes 2 or 3 parameters, not 1$/],
    ['Patient', 'string', 'Patient.repeat(contact)', /^the function repeat\(\)/],
    ['Patient', 'string', 'Patient.descendants()', /^the function descendants\(\)/],
    ['Patient', 'date', 'now()', /^the function now\(\)/],
    ['Patient', 'string', 'Patient.name.combine(name).given', /^the function combine\(\)/],
    ['Patient', 'string', '%resource.name.first().given', /^variables/],
    ['Patient', 'reference', 'Patient.link.other.resolve().managingOrganization', /^resolve\(\) can be used as/],
    [
      'Patient',
      'string',
      'Patient.name.where(given.where(exists(exists(exists(true))))).given',
      /nested more than 4 deep/,
    ],
    ['Patient', 'string', `Patient.name.given.first()${' + '.concat("'a'").repeat(200)}`, /more than 300 parts/],
    ['Patient', 'string', `Patient.name${'.given'.repeat(1000)}`, /^it has more than 4000 characters$/],
    ['Patient', 'string', "Patient.name.given('", /^it is no FHIRPath/],
    ['Patient', 'string', 'Patient.%resource', /^it is no FHIRPath$/],
    ['Patient', 'string', '', /^it is no FHIRPath/],
    ['Patient', 'token', `Patient${'.extension.value'.repeat(200)}`, /^it has too many alternatives/],
    ['Patient', 'token', `Patient${'.extension.value'.repeat(3)}`, /^it comes to \d+ paths, more than 100$/],
    [
      'Patient',
      'token',
      `Patient${'.extension.value'.repeat(2)}.extension.url`,
      /^it comes to \d+ paths, more than 100$/,
    ],
    ['Patient', 'string', `${'('.repeat(1500)}Patient.name.first()${')'.repeat(1500)}`, /nested more than 20 deep$/],
    ['Patient', 'string', `iif(${'('.repeat(30)}`, /nested more than 20 deep$/],
    ['Patient', 'string', '\u0000', /^it is no FHIRPath/],
  ];
  for (const [type, kind, expression, fault] of cases) {
    test(`${kind}: ${expression.slice(0, 60)}`, () => {
      const checked = check(type, kind, expression);
      assert.ok('fault' in checked, JSON.stringify(checked));
      assert.match(checked.fault, fault);
    });
  }
});
