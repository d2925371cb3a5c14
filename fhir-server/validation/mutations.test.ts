// Attacks: whatever is done to a resource, the check yields issues or none, never an exception; and it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRawJson,
  type Json,
  type JsonObject,
  loadDefinitions,
  parseJson,
  type Resource,
  rawJson,
  stringify,
} from '#fhir-model';
import { random } from '#platform/testing';
import { createStructureValidator } from './structure.ts';

const validator = createStructureValidator(await loadDefinitions());

const authored = `{
  "resourceType": "Observation",
  "id": "k1",
  "meta": {"versionId": "1", "lastUpdated": "2024-03-01T10:00:00.000Z", "profile": ["http://example.org/p|1"], "tag": [{"code": "t"}]},
  "language": "en",
  "text": {"status": "generated", "div": "<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p>Potassium <b>6.30</b></p></div>"},
  "contained": [
    {"resourceType": "Specimen", "id": "s1", "collection": {"collectedDateTime": "2024-03-01"}},
    {"resourceType": "Condition", "subject": {"reference": "#"}, "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}}
  ],
  "extension": [{"url": "http://example.org/e", "extension": [{"url": "a", "valueDecimal": 1.00}, {"url": "b", "valueReference": {"reference": "Device/1"}}]}],
  "identifier": [{"use": "official", "system": "http://example.org/ids", "value": "1", "period": {"start": "2024"}}],
  "status": "final",
  "_status": {"id": "st"},
  "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
  "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "userSelected": true}], "text": "Potassium"},
  "subject": {"reference": "Patient/1", "display": "Test"},
  "effectivePeriod": {"start": "2024-03-01T10:00:00Z", "end": "2024-03-01T10:05:00+01:00"},
  "issued": "2024-03-01T11:00:00Z",
  "performer": [{"identifier": {"value": "x"}}],
  "valueQuantity": {"value": 6.30, "comparator": ">=", "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
  "note": [{"authorString": "Lab", "time": "2024-03-01", "text": "haemolysed"}],
  "referenceRange": [{"low": {"value": 3.5}, "high": {"value": 5.10}, "appliesTo": [{"text": "adult"}]}],
  "component": [{"code": {"text": "a"}, "valueSampledData": {"origin": {"value": 0}, "period": 1e3, "dimensions": 1, "data": "1 2"}}]
}`;

type Container = JsonObject | Json[];

function containers(value: Json | undefined, found: Container[] = []): Container[] {
  if (typeof value !== 'object' || value === null || isRawJson(value)) return found;
  found.push(value);
  for (const child of Object.values(value)) containers(child, found);
  return found;
}

const values: (() => Json)[] = [
  () => null,
  () => '',
  () => ' ',
  () => 'x'.repeat(70_000),
  () => '\u0000',
  () => '\ud800',
  () => '__proto__',
  () => 0,
  () => -1,
  () => 1e308,
  () => rawJson('1.000') as unknown as Json,
  () => true,
  () => [],
  () => ({}),
  () => [null],
  () => [[[]]],
  () => ({ resourceType: 'Patient' }),
  () => ({ resourceType: 'constructor' }),
  () => ({ url: 'u', valueString: 'x' }),
  () => JSON.parse('{"__proto__": {"a": 1}}') as Json,
  () => ({ toString: 1, valueOf: 2 }),
];
const names = [
  '__proto__',
  'constructor',
  'id',
  '_id',
  '_status',
  'resourceType',
  'extension',
  'contained',
  'valueString',
  '',
  '0',
  'rawJSON',
];

function mutate(resource: Json, next: (below: number) => number): void {
  const all = containers(resource);
  const target = all[next(all.length)] ?? {};
  const keys = Object.keys(target);
  const name = next(3) === 0 ? (names[next(names.length)] ?? '') : (keys[next(keys.length)] ?? 'x');
  if (next(5) === 0) Reflect.deleteProperty(target, name);
  else
    Object.defineProperty(target, name, {
      value: values[next(values.length)]?.(),
      enumerable: true,
      writable: true,
      configurable: true,
    });
}

test('the authored resource is valid in both forms', () => {
  const { value, exact } = parseJson(authored);
  assert.deepEqual(validator.validate(value as Resource), []);
  assert.deepEqual(validator.validate(exact as Resource), []);
});

test('10,000 random mutations: issues or none, each with a place, never more than twenty', () => {
  const next = random(42);
  let invalid = 0;
  for (let round = 0; round < 10_000; round++) {
    const { exact } = parseJson(authored);
    for (let change = next(4); change >= 0; change--) mutate(exact, next);
    const issues = validator.validate(exact as Resource);
    assert.ok(issues.length <= 20);
    for (const { code, diagnostics, expression } of issues) {
      assert.match(code, /^(structure|required|value|code-invalid|invariant)$/);
      assert.ok(expression?.length === 1 && diagnostics.length < 4000, diagnostics);
    }
    if (issues.length > 0) invalid++;
  }
  assert.equal(({} as JsonObject).a, undefined);
  assert.equal(invalid, 9359);
});

test('what is valid stays valid when written and read again', () => {
  const { exact } = parseJson(authored);
  assert.deepEqual(validator.validate(parseJson(stringify(exact)).exact as Resource), []);
});

test('wrong types everywhere, one element at a time', () => {
  const { value } = parseJson(authored);
  for (const name of Object.keys(value as JsonObject)) {
    for (const wrong of [null, [], {}, [[]], [null]]) {
      const issues = validator.validate({ ...(value as Resource), [name]: wrong });
      assert.ok(issues.length > 0, `${name} ${JSON.stringify(wrong)}`);
    }
  }
});
