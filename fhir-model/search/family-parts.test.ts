// The parts of family names: https://hl7.org/fhir/R4/search.html#string
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { familyParts } from './family-parts.ts';
import { foldString } from './fold.ts';
import { createSearchParameters } from './registry.ts';
import { definitions, extract, found, parameters } from './search-testing.ts';

describe('familyParts', () => {
  const cases: [string, string[]][] = [
    ['Berg', []],
    ['', []],
    ["O'Neil", []],
    ['van der Berg', ['der berg', 'berg']],
    ['Carreño-Quiñones', ['quinones']],
    ['  Carreño   Quiñones ', ['quinones']],
    ['Test, Jr.', ['jr']],
    ['x'.repeat(300), []],
    [`x ${'y'.repeat(254)}`, ['y'.repeat(254)]],
    [`x ${'y'.repeat(255)}`, []],
  ];
  for (const [name, parts] of cases) {
    test(name.slice(0, 20) || 'nothing', () => assert.deepEqual(familyParts(foldString(name)), parts));
  }

  test('of many words the first 16 are looked at', () => {
    const words = Array.from({ length: 40 }, (_, i) => `w${i}`);
    const parts = familyParts(words.join(' '));
    assert.deepEqual(
      parts.map((part) => part.split(' ')[0]),
      words.slice(1, 16),
    );
    assert.equal(parts[0], words.slice(1).join(' '));
  });
});

describe('parameters of family names', () => {
  const named = (type: string): string[] =>
    parameters.list(type).flatMap(({ code, familyNames }) => (familyNames ? [code] : []));

  test("are R4's of four types, those of no other", async () => {
    const { resourceTypes } = await loadDefinitions();
    const found = resourceTypes.flatMap((type) => named(type).map((code) => `${type}.${code}`));
    assert.deepEqual(found.sort(), [
      ...['Patient.family', 'Patient.name', 'Patient.phonetic', 'Person.name', 'Person.phonetic'],
      ...['Practitioner.family', 'Practitioner.name', 'Practitioner.phonetic'],
      ...['RelatedPerson.name', 'RelatedPerson.phonetic'],
    ]);
  });

  const own: [string, boolean][] = [
    ['Patient.contact.name', true],
    ["Patient.name.where(use='official').family", true],
    ['Patient.name.ofType(HumanName).family', true],
    ['Patient.name | Patient.contact.name.family', true],
    ['Patient.name.family | Patient.name.given', false],
    ['Patient.name.given', false],
    ['Patient.name | Patient.address', false],
    ['Patient.address', false],
    ["Patient.extension('http://x').value.ofType(HumanName)", false],
  ];
  for (const [expression, expected] of own) {
    test(expression, () => {
      const raw = { code: 'own', base: ['Patient'], type: 'string', expression };
      const param = createSearchParameters([raw], ['Patient'], definitions).get('Patient', 'own');
      assert.equal(param?.familyNames ?? false, expected);
    });
  }
});

describe('values', () => {
  const patient = { resourceType: 'Patient', name: [{ text: 'A B', family: 'van der Berg', given: ['Mary Jane'] }] };

  test('tell which of them are family names', () => {
    assert.deepEqual(extract(patient, 'name'), [
      { value: 'A B' },
      { value: 'van der Berg', family: true },
      { value: 'Mary Jane' },
    ]);
    assert.deepEqual(extract(patient, 'family'), [{ value: 'van der Berg', family: true }]);
    assert.deepEqual(extract(patient, 'given'), [{ value: 'Mary Jane' }]);
  });

  const yes = ['family=berg', 'family=DER B', 'family=van der', 'name=berg', 'phonetic=berg', 'family=x,berg'];
  yes.push('family:contains=er', 'family:exact=van der Berg', 'family:missing=false', '_filter=family sw "berg"');
  const no = ['family=erg', 'family=van berg', 'family=berg x', 'family:exact=Berg', 'family:exact=der Berg'];
  no.push('given=jane', 'name=jane', '_filter=family eq "berg"', '_filter=family gt "van der berg"');
  no.push('_filter=family lt "van"', '_filter=family ew "van der"');
  for (const search of yes) test(`Patient?${search}`, () => assert.equal(found(search, patient), true));
  for (const search of no) test(`not Patient?${search}`, () => assert.equal(found(search, patient), false));
});
