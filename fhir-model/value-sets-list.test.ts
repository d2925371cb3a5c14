import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinitions } from './definitions.ts';
import { type CodeSystem, listCodes, type ValueSet } from './value-sets-list.ts';

const tree: CodeSystem = {
  url: 'urn:s',
  content: 'complete',
  concept: [
    { code: 'a', concept: [{ code: 'b', concept: [{ code: 'c' }] }] },
    { code: 'd', property: [{ code: 'subsumedBy', valueCode: 'b' }] },
    { code: 'e' },
  ],
};

type Compose = NonNullable<ValueSet['compose']>;

function codesOf(compose: Compose, others: ValueSet[] = [], system = tree): string[] | undefined {
  const valueSets = new Map([{ url: 'urn:v', compose }, ...others].map((each) => [each.url, each]));
  const listed = listCodes({ systems: new Map([[system.url, system]]), valueSets }, 'urn:v');
  return listed?.flatMap(({ codes }) => codes);
}

const filtered = (op: string, value: string, property = 'concept') =>
  codesOf({ include: [{ system: 'urn:s', filter: [{ property, op, value }] }] });

test('codes of a whole system, of a list, and of what is excluded', () => {
  assert.deepEqual(codesOf({ include: [{ system: 'urn:s' }] }), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(codesOf({ include: [{ system: 'urn:other', concept: [{ code: 'x' }] }] }), ['x']);
  const exclude = [{ system: 'urn:s', concept: [{ code: 'a' }, { code: 'x' }] }];
  assert.deepEqual(codesOf({ include: [{ system: 'urn:s' }], exclude }), ['b', 'c', 'd', 'e']);
});

test('filters of hierarchy, whichever way it is told', () => {
  assert.deepEqual(filtered('is-a', 'b'), ['b', 'c', 'd']);
  assert.deepEqual(filtered('descendent-of', 'a'), ['b', 'c', 'd']);
  assert.deepEqual(filtered('is-not-a', 'b'), ['a', 'e']);
  assert.equal(filtered('regex', '.*'), undefined);
  assert.equal(filtered('is-a', 'b', 'other'), undefined);
});

test('filters of hierarchy go by properties of either side, and by nesting where that means is-a', () => {
  const compose = (op: string): Compose => ({
    include: [{ system: 'urn:s', filter: [{ property: 'concept', op, value: 'a' }] }],
  });
  const told: CodeSystem = {
    ...{ url: 'urn:s', property: [{ code: 'up', uri: 'http://hl7.org/fhir/concept-properties#parent' }] },
    concept: [
      { code: 'a', property: [{ code: 'child', valueCode: 'b' }] },
      { code: 'b' },
      { code: 'c', property: [{ code: 'parent', valueCode: 'b' }] },
      { code: 'd', property: [{ code: 'up', valueCode: 'c' }] },
      { code: 'e', property: [{ code: 'other', valueCode: 'a' }] },
    ],
  };
  assert.deepEqual(codesOf(compose('is-a'), [], told), ['a', 'b', 'c', 'd']);
  assert.deepEqual(codesOf(compose('is-not-a'), [], told), ['e']);
  const parts: CodeSystem = { ...tree, hierarchyMeaning: 'part-of' };
  assert.deepEqual(codesOf(compose('is-a'), [], parts), ['a']);
  assert.deepEqual(codesOf(compose('is-not-a'), [], parts), ['b', 'c', 'd', 'e']);
});

test('value sets of value sets: those of one include must all have a code', () => {
  const set = (url: string, ...codes: string[]): ValueSet => ({
    url,
    compose: { include: [{ system: 'urn:s', concept: codes.map((code) => ({ code })) }] },
  });
  const [one, two] = [set('urn:1', 'a', 'b'), set('urn:2', 'b', 'c')];
  assert.deepEqual(codesOf({ include: [{ valueSet: ['urn:1', 'urn:2|1.0'] }] }, [one, two]), ['b']);
  assert.deepEqual(codesOf({ include: [{ valueSet: ['urn:1'] }, { valueSet: ['urn:2'] }] }, [one, two]), [
    'a',
    'b',
    'c',
  ]);
});

test('what can’t be listed', () => {
  assert.equal(codesOf({ include: [{ system: 'urn:unknown' }] }), undefined);
  assert.equal(codesOf({ include: [{ system: 'urn:s' }] }, [], { ...tree, content: 'fragment' }), undefined);
  assert.equal(codesOf({ include: [{ valueSet: ['urn:v'] }] }), undefined);
  assert.equal(listCodes({ systems: new Map(), valueSets: new Map() }, 'urn:v'), undefined);
});

test('R4’s own constraints and bindings', async () => {
  const definitions = await loadDefinitions();
  const element = (type: string, wanted: string) =>
    definitions.type(type)?.elements.find(({ name }) => name === wanted);
  const valueSet = 'http://terminology.hl7.org/ValueSet/v3-ActEncounterCode';
  assert.deepEqual(element('Encounter', 'class')?.binding, { strength: 'extensible', valueSet });
  assert.ok(definitions.valueSet(valueSet)?.[0]?.codes.includes('AMB'));
  assert.equal(element('Patient', 'contact')?.constraints?.[0]?.key, 'pat-1');
  assert.deepEqual(
    element('Dosage.doseAndRate', 'dose')?.constraints?.map(({ key }) => key),
    ['sqty-1'],
  );
  assert.deepEqual(
    definitions.type('DomainResource')?.constraints?.map(({ key, advice }) => [key, advice === true]),
    [
      ['dom-2', false],
      ['dom-4', false],
      ['dom-3', false],
      ['dom-6', true],
      ['dom-5', false],
    ],
  );
});
