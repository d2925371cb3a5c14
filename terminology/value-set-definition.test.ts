// Value sets that a request brings along are read with care: nobody has validated them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, type Resource, rawJson } from '#fhir-model';
import { readDefinition } from './value-set-definition.ts';

const HL7 = 'http://hl7.org/fhir/StructureDefinition/';
const odd: Json[] = [{ toString: 'x', valueOf: 'y' }, [{ toString: null }], null];
const read = (parts: JsonObject) => readDefinition({ resourceType: 'ValueSet', url: 'http://v', ...parts } as Resource);
const contains = [{ system: 'http://s', code: 'a' }];

test('objects where texts and numbers should be', () => {
  for (const wrong of odd) {
    assert.deepEqual([...read({ contained: [{ resourceType: 'ValueSet', id: wrong }] }).contained.keys()], ['']);
    assert.equal(read({ extension: [{ url: wrong }] }).parameters.size, 0);
    const value = { url: 'value', valueString: wrong };
    const parameter = {
      url: `${HL7}valueset-expansion-parameter`,
      extension: [{ url: 'name', valueCode: 'n' }, value],
    };
    assert.equal(read({ extension: [parameter] }).parameters.size, 0);
    // Not known to be whole.
    assert.equal(read({ expansion: { total: wrong, contains } }).fromExpansion, false);
    assert.equal(read({ expansion: { offset: wrong, contains } }).fromExpansion, false);
  }
});

test('numbers that keep their digits', () => {
  const one = rawJson('1.0') as unknown as Json;
  assert.equal(
    read({ expansion: { total: one, offset: rawJson('0.0') as unknown as Json, contains } }).fromExpansion,
    true,
  );
  const value = { url: 'value', valueDecimal: one };
  const parameter = { url: `${HL7}valueset-expansion-parameter`, extension: [{ url: 'name', valueCode: 'n' }, value] };
  assert.deepEqual([...read({ extension: [parameter] }).parameters], [['n', '1.0']]);
});
