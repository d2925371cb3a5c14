import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { parseJson } from '../json.ts';
import type { Resource } from '../types.ts';
import { checkExpression } from './custom-expression.ts';
import {
  type CustomParameter,
  compositeFits,
  customKeys,
  keyHolders,
  withCustomParameters,
} from './custom-parameters.ts';
import { compileExtractor } from './extract.ts';
import { familyPartsKey } from './family-parts.ts';
import { paramKey } from './param-key.ts';
import { createSearchParameters } from './registry.ts';
import type { SearchParamType } from './types.ts';

const definitions = await loadDefinitions();
const { resourceTypes } = definitions;
const base = createSearchParameters(definitions.searchParameters, resourceTypes, definitions);

function custom(resourceType: string, code: string, type: SearchParamType, expression: string): CustomParameter {
  const checked = checkExpression(definitions, resourceType, type, expression);
  assert.ok('expression' in checked, JSON.stringify(checked));
  const url = `urn:example:${resourceType}-${code}`;
  return { resourceType, code, type, url, ...checked, target: [], description: '', components: [] };
}

/** What the one parameter extracts, without the parameter. */
function valuesOf(parameter: CustomParameter, json: string): unknown[] {
  const param = withCustomParameters(base, [parameter], definitions).get(parameter.resourceType, parameter.code)!;
  const values = compileExtractor([param])(parseJson(json).exact as Resource);
  return values.map(({ param: _param, ...value }) => value);
}

const extended = (...values: string[]): string =>
  `{"resourceType":"Patient","extension":[${values.map((value) => `{"url":"urn:x",${value}}`).join()},{"url":"urn:y","valueString":"other"}]}`;

describe('withCustomParameters', () => {
  test('a value of any type exists, of those too that no parameter has values of', () => {
    const { types } = definitions.type('Task.input')!.elements.find(({ name }) => name === 'value')!;
    assert.equal(types.length, 50);
    const measured = custom('Observation', 'measured', 'token', 'Observation.value.exists()');
    const given = custom('Task', 'given', 'token', 'Task.input.value.exists()');
    const exists = (parameter: CustomParameter, json: string) =>
      assert.deepEqual(valuesOf(parameter, json), [{ kind: 'token', code: 'true' }], json);
    exists(measured, '{"resourceType":"Observation","valueTime":"10:00:00"}');
    exists(measured, '{"resourceType":"Observation","valueRatio":{"numerator":{"value":1}}}');
    for (const type of types) {
      const name = `value${type.charAt(0).toUpperCase()}${type.slice(1)}`;
      exists(given, `{"resourceType":"Task","input":[{"${name}":{}}]}`);
    }
    assert.deepEqual(valuesOf(measured, '{"resourceType":"Observation"}'), [{ kind: 'token', code: 'false' }]);
  });

  test('values of extensions, of any type that the parameter can have', () => {
    const token = custom('Patient', 'mark', 'token', "Patient.extension('urn:x').value");
    assert.deepEqual(valuesOf(token, extended('"valueCode":"a"', '"valueBoolean":true', '"valueDate":"2020"')), [
      { kind: 'token', code: 'a' },
      { kind: 'token', code: 'true' },
    ]);
    const phone = extended('"valueContactPoint":{"system":"phone","value":"555"}', '"valueTime":"10:00:00"');
    assert.deepEqual(valuesOf(token, phone), [{ kind: 'token', code: '555' }]);
    const number = custom('Patient', 'score', 'number', "Patient.extension('urn:x').value");
    assert.deepEqual(valuesOf(number, extended('"valueDecimal":1.50')), [{ kind: 'number', value: '1.50' }]);
    const reference = custom(
      'Patient',
      'of',
      'reference',
      "Patient.extension('urn:x').value.where(resolve() is Group)",
    );
    const references = extended(
      '"valueReference":{"reference":"Group/1"}',
      '"valueReference":{"reference":"Patient/1"}',
    );
    assert.deepEqual(valuesOf(reference, references), [{ kind: 'reference', type: 'Group', id: '1' }]);
  });

  test('a choice in the midst of a path', () => {
    const token = custom('Patient', 'mark', 'token', "Patient.extension('urn:x').value.code");
    const marks = extended('"valueCoding":{"code":"a"}', '"valueQuantity":{"code":"mg"}', '"valueString":"b"');
    assert.deepEqual(valuesOf(token, marks), [
      { kind: 'token', code: 'a' },
      { kind: 'token', code: 'mg' },
    ]);
  });

  test('what only fhirpath can say, where decimals are numbers', () => {
    const first = custom('Patient', 'called', 'string', "Patient.name.where(use = 'usual').first().given.first()");
    const names =
      '{"resourceType":"Patient","name":[{"given":["A"]},{"use":"usual","given":["B","C"]}],"multipleBirthInteger":2}';
    assert.deepEqual(valuesOf(first, names), [{ kind: 'string', value: 'B' }]);
    const number = custom('Patient', 'score', 'number', "Patient.extension.where(url = 'urn:x').first().value");
    assert.deepEqual(valuesOf(number, extended('"valueDecimal":1.50')), [{ kind: 'number', value: '1.5' }]);
    const quantity = custom('Patient', 'dose', 'quantity', "Patient.extension('urn:x').first().value");
    const dose = extended('"valueQuantity":{"value":2.50,"unit":"mg"}');
    assert.deepEqual(valuesOf(quantity, dose), [{ kind: 'quantity', low: '2.5', high: '2.5', unit: 'mg' }]);
    const born = custom('Patient', 'born', 'date', "Patient.birthDate.extension('urn:x').value");
    const json =
      '{"resourceType":"Patient","birthDate":"2020","_birthDate":{"extension":[{"url":"urn:x","valueDateTime":"2020-02-03"}]}}';
    const lo = Date.UTC(2020, 1, 3);
    assert.deepEqual(valuesOf(born, json), [{ kind: 'date', lo, hi: lo + 86_399_999 }]);
  });

  test('strings in a fhirpath expression stay as they are', () => {
    const odd = custom('Patient', 'odd', 'string', "Patient.extension.where(url = 'a as b').first().value as string");
    const json = '{"resourceType":"Patient","extension":[{"url":"a as b","valueString":"found"}]}';
    assert.deepEqual(valuesOf(odd, json), [{ kind: 'string', value: 'found' }]);
  });

  test('leaves R4’s parameters as they are, even where it says a part of what they say', () => {
    const part = custom('Observation', 'part', 'token', 'Observation.component.code');
    const same = custom('Observation', 'whose', 'reference', 'Observation.subject');
    const all = withCustomParameters(base, [part, same], definitions);
    for (const param of base.list('Observation')) assert.equal(all.get('Observation', param.code), param);
    assert.equal(all.list('Observation').length, base.list('Observation').length + 2);
    assert.equal(all.get('Observation', 'whose')!.sameAs, undefined);
    assert.equal(all.get('Patient', 'part'), undefined);
    assert.equal(all.list('Patient'), base.list('Patient'));
  });

  test('a definition that is the same stays the same object', () => {
    const known = new Map();
    const one = custom('Patient', 'one', 'string', 'Patient.name.given');
    const two = custom('Patient', 'two', 'string', 'Patient.name.family');
    const before = withCustomParameters(base, [one, two], definitions, known);
    const other = { ...two, expression: 'Patient.name.given' };
    const after = withCustomParameters(base, [one, other], definitions, known);
    assert.equal(after.get('Patient', 'one'), before.get('Patient', 'one'));
    assert.notEqual(after.get('Patient', 'two'), before.get('Patient', 'two'));
    assert.equal(before.get('Patient', 'two')!.key, after.get('Patient', 'two')!.key);
  });
});

test('composites: of R4’s parts and custom ones, unless their values can’t be kept together', () => {
  const part = custom('Observation', 'kind', 'token', 'Observation.component.code');
  const all = withCustomParameters(base, [part], definitions);
  const composite = (...parts: [string, string][]): CustomParameter => ({
    ...custom('Observation', 'both', 'composite', 'Observation.component'),
    components: parts.map(([definition, expression]) => ({ definition, expression })),
  });
  const value = 'http://hl7.org/fhir/SearchParameter/Observation-component-value-quantity';
  const concept = 'http://hl7.org/fhir/SearchParameter/Observation-component-value-concept';
  assert.ok(compositeFits(composite([part.url, 'code'], [value, 'value.as(Quantity)']), all, definitions));
  assert.ok(compositeFits(composite([part.url, 'code'], [concept, 'value.as(CodeableConcept)']), all, definitions));
  assert.ok(!compositeFits(composite([value, 'value.as(Quantity)'], [value, 'value.as(Quantity)']), all, definitions));
  assert.ok(!compositeFits(composite([part.url, 'code'], ['urn:unknown', 'code']), all, definitions));
  assert.ok(!compositeFits(composite([part.url, 'code']), all, definitions));
});

test('a composite of extensions of the resource itself', () => {
  const value = (name: string) => `extension('http://example.org/${name}').value`;
  const kind = custom('Patient', 'kind', 'token', `Patient.${value('kind')}`);
  const count = custom('Patient', 'count', 'number', `Patient.${value('count')}`);
  const all = withCustomParameters(base, [kind, count], definitions);
  const both: CustomParameter = {
    ...custom('Patient', 'both', 'composite', 'Patient'),
    components: [
      { definition: kind.url, expression: value('kind') },
      { definition: count.url, expression: value('count') },
    ],
  };
  assert.ok(compositeFits(both, all, definitions));
  const found = withCustomParameters(base, [kind, count, both], definitions).get('Patient', 'both')!.composite!;
  assert.deepEqual(
    found.root!.map(({ code }) => code),
    ['kind', 'count'],
  );
  assert.equal(found.within, undefined);
  const swapped = { ...both, components: [both.components[0]!, { definition: count.url, expression: value('other') }] };
  assert.ok(!compositeFits(swapped, all, definitions));
});

test('the numbers of custom parameters, and whose they are among R4’s', () => {
  const holders = keyHolders(base, resourceTypes);
  assert.equal(holders.get(paramKey('Patient', 'name')), 'Patient.name');
  const named = customKeys(custom('Observation', 'whose', 'reference', 'Observation.subject'));
  assert.equal(named.length, 4);
  assert.deepEqual(
    named.filter((key) => holders.has(key)),
    [],
  );
  // Its own, and that of what contained resources have.
  assert.equal(customKeys(custom('Patient', 'one', 'token', 'Patient.active')).length, 2);
  // And those of the parts of family names.
  const texts = customKeys(custom('Patient', 'one', 'string', 'Patient.contact.name'));
  assert.equal(new Set(texts).size, 4);
  assert.ok(texts.includes(familyPartsKey({ key: paramKey('Patient', 'one') })));
  assert.equal(holders.get(familyPartsKey({ key: paramKey('Patient', 'name') })), 'Patient.name');
});
