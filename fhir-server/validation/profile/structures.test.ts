// Differentials against their bases: https://hl7.org/fhir/R4/profiling.html#snapshot
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { base, found, profileOf, validatorWith } from '../testing.ts';

const text = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">A</div>' };
const profile = (name: string, element: JsonObject[], more: JsonObject = {}): Resource =>
  profileOf('Patient', name, element, { text, name: 'Test', ...more });
const errors = async (resource: JsonObject, ...known: Resource[]): Promise<string[]> =>
  (await found(validatorWith(...known), resource)).filter((line) => !line.startsWith('information'));

describe('a profile', () => {
  it('has elements of its base only', async () => {
    assert.deepEqual(await errors(profile('a', [{ path: 'Patient' }, { path: 'Patient.name', min: 1 }])), []);
    assert.deepEqual(await errors(profile('a', [{ path: 'Patient' }, { path: 'Patient.nosuch', min: 1 }])), [
      'error snapshot-element-unknown StructureDefinition.differential.element[1]',
    ]);
  });

  it('only narrows its base', async () => {
    assert.deepEqual(await errors(profile('a', [{ path: 'Patient' }, { path: 'Patient.gender', max: '*' }])), [
      'error snapshot-cardinality StructureDefinition.differential.element[1]',
    ]);
  });

  it('whose base is not known is not checked against it, and that is told', async () => {
    const elements = [{ path: 'Patient' }, { path: 'Patient.nosuch', min: 1 }];
    const other = profile('a', elements, { baseDefinition: `${base}/StructureDefinition/none` });
    assert.deepEqual(await errors(other), ['warning snapshot-base-unknown StructureDefinition']);
  });

  it('may stand beside its base in a Bundle', async () => {
    const first = profile('first', [{ path: 'Patient' }, { path: 'Patient.gender', max: '0' }]);
    const second = profile('second', [{ path: 'Patient' }, { path: 'Patient.gender', max: '1' }], {
      baseDefinition: String(first.url),
    });
    const entry = [first, second].map((resource, index) => ({
      fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000000${index}`,
      resource,
    }));
    assert.deepEqual(await errors({ resourceType: 'Bundle', type: 'collection', entry }), [
      'error snapshot-cardinality Bundle.entry[1].resource.differential.element[1]',
    ]);
  });
});
