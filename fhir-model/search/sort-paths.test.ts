// SQL/JSON paths to what token and reference parameters are sorted by.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { parameters } from './search-testing.ts';
import { canonicalPaths, sortPaths } from './sort-paths.ts';

const definitions = await loadDefinitions();
const paths = (type: string, code: string) => sortPaths(parameters.get(type, code)!, definitions);

describe('sortPaths', () => {
  for (const [type, code, wanted] of [
    ['Patient', 'gender', ['$."gender"']],
    ['Patient', 'identifier', ['$."identifier".value']],
    ['Patient', 'phone', ['$."telecom" ? (@."system" == "phone").value']],
    ['Patient', '_profile', ['$."meta"."profile"[*]']],
    ['Patient', '_tag', ['$."meta"."tag".code']],
    ['Observation', 'code', ['$."code".coding.code']],
    ['Observation', 'value-concept', ['$."valueCodeableConcept".coding.code']],
    [
      'Observation',
      'combo-value-concept',
      ['$."valueCodeableConcept".coding.code', '$."component"."valueCodeableConcept".coding.code'],
    ],
    [
      'Observation',
      'patient',
      [
        '$."subject" ? (@.reference like_regex "(^|/)Patient/[^/]+" || (@.type == "Patient" && ' +
          '!(exists(@.reference) && @.reference like_regex "(^|/)[A-Z][A-Za-z]+/[^/]+"))).reference',
      ],
    ],
    ['Encounter', 'location', ['$."location"."location".reference']],
    [
      'ActivityDefinition',
      'depends-on',
      ['$."relatedArtifact" ? (@."type" == "depends-on")."resource"', '$."library"[*]'],
    ],
  ] as const) {
    test(`${type}.${code}`, () => assert.deepEqual(paths(type, code), wanted));
  }

  test('canonical references are told from others', () => {
    const canonical = (type: string, code: string) => canonicalPaths(parameters.get(type, code)!, definitions);
    assert.deepEqual(canonical('PlanDefinition', 'depends-on'), paths('PlanDefinition', 'depends-on'));
    assert.deepEqual(canonical('ConceptMap', 'source'), ['$."sourceCanonical"']);
    assert.deepEqual(canonical('Encounter', 'location'), []);
    assert.deepEqual(canonical('Library', 'depends-on'), [
      '$."relatedArtifact" ? (@."type" == "depends-on")."resource"',
    ]);
  });

  test('a statement has no path, other types have an index', () => {
    assert.equal(paths('Patient', 'deceased'), 'boolean');
    assert.equal(paths('Patient', 'birthdate'), undefined);
  });

  test('every token and reference parameter of R4 has one, but for those that lead to whole resources', () => {
    const without = definitions.resourceTypes
      .flatMap((type) => parameters.list(type))
      .filter(({ type }) => type === 'token' || type === 'reference')
      .filter((param) => sortPaths(param, definitions) === undefined);
    assert.deepEqual(
      without.map(({ resourceType, code }) => `${resourceType}.${code}`),
      ['Bundle.composition', 'Bundle.message'],
    );
  });
});
