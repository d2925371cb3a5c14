// What the structure check does with hostile, huge and unusual input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { createStructureValidator } from './structure.ts';

const definitions = await loadDefinitions();
const validator = createStructureValidator(definitions);

function faults(resource: unknown): string[] {
  return validator.validate(resource as Resource).map(({ code, diagnostics }) => `${code} ${diagnostics}`);
}

const patient = (content: object) => ({ resourceType: 'Patient', ...content });

test('codings that are no texts, or cannot become one, are reported', () => {
  const { exact } =
    parseJson(`{"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "clinicalStatus": {"coding": [
    {"system": 1.00, "code": {"toString": 1, "valueOf": 2}}, null, 3]}}`);
  assert.deepEqual(faults(exact), [
    'structure Condition.clinicalStatus.coding[0].system: must be a string (uri), found a number',
    'structure Condition.clinicalStatus.coding[0].code: must be a string (code), found an object',
    'structure Condition.clinicalStatus.coding[1]: null is not allowed',
    'structure Condition.clinicalStatus.coding[2]: must be an object (Coding), found a number',
    'code-invalid Condition.clinicalStatus: needs a coding of the value set http://hl7.org/fhir/ValueSet/condition-clinical',
  ]);
});

test('names of the prototype chain are unknown elements', () => {
  const { exact } = parseJson(
    '{"resourceType":"Patient","__proto__":{"a":1},"constructor":1,"toString":"x","hasOwnProperty":[],"valueOf":null}',
  );
  assert.deepEqual(
    faults(exact),
    ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'].map(
      (name) => `structure Patient.${name}: Patient has no element of this name`,
    ),
  );
  for (const type of ['__proto__', 'constructor', 'toString']) assert.equal(faults({ resourceType: type }).length, 1);
});

test('numbers in their exact form are numbers', () => {
  const check = (text: string) => faults(parseJson(text).exact);
  assert.deepEqual(
    check('{"resourceType":"Observation","status":"final","code":{"text":"K"},"valueQuantity":{"value":6.30}}'),
    [],
  );
  assert.deepEqual(check('{"resourceType":"Patient","multipleBirthInteger":1.0}'), [
    'value Patient.multipleBirthInteger: must be a whole number of 32 bits (integer)',
  ]);
  assert.deepEqual(check('{"resourceType":"Patient","multipleBirthInteger":12345678901234567890}'), [
    'value Patient.multipleBirthInteger: must be a whole number of 32 bits (integer)',
  ]);
  assert.deepEqual(check('{"resourceType":"Patient","maritalStatus":1.0,"gender":1.0,"name":1.0}'), [
    'structure Patient.maritalStatus: must be an object (CodeableConcept), found a number',
    'structure Patient.gender: must be a string (code), found a number',
    'structure Patient.name: must be an array, found a number',
  ]);
});

test('twenty issues at most, however many faults', () => {
  const unknown = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`x${index}`, 1]));
  assert.equal(faults(patient(unknown)).length, 20);
  assert.equal(faults(patient({ name: Array.from({ length: 100_000 }, () => null) })).length, 20);
  assert.equal(faults(patient({ name: Array.from({ length: 100_000 }, () => ({})) })).length, 20);
});

test('long names and codes are shown shortened', () => {
  const long = 'x'.repeat(100_000);
  const [unknown, wrong] = validator.validate(patient({ [long]: 1, gender: long }) as Resource);
  assert.equal(unknown?.expression?.[0], `Patient.${'x'.repeat(64)}…`);
  assert.equal(wrong?.diagnostics, `Patient.gender: '${'x'.repeat(64)}…' is not one of male, female, other, unknown`);
});

test('a cycle and a depth that parseJson would not pass end in an issue', () => {
  const extension: Record<string, unknown> = { url: 'u' };
  extension.extension = [extension];
  assert.match(faults(patient({ extension: [extension] }))[0] ?? '', /nested too deeply$/);
});

test('members that are undefined are absent', () => {
  assert.deepEqual(faults(patient({ gender: undefined, nickname: undefined })), []);
});

test('every type compiles, and asks for what it requires', () => {
  for (const resourceType of definitions.resourceTypes) {
    const required = definitions.type(resourceType)?.elements.filter(({ min }) => min > 0) ?? [];
    const expected = required.map(({ name, choice }) => `${resourceType}.${name}${choice ? '[x]' : ''}`);
    const issues = validator.validate({ resourceType });
    assert.deepEqual(
      issues.flatMap(({ expression }) => expression ?? []),
      expected,
    );
  }
});
