// A word of a profile or a resource may be the name of something that every JavaScript object has: it is an unknown word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { against, profileOf } from './testing.ts';

/** Words, and one of their shape that no object has. */
const words = ['constructor', 'toString', '__proto__'];
const neutral = 'zonstructor';

/** The issues are the same for each word; yields them. */
async function alike(make: (word: string) => [profile: Resource, resource: JsonObject], what = '') {
  const expected = await against(...make(neutral));
  for (const word of words) {
    const issues = (await against(...make(word))).map((line) => line.replaceAll(word, neutral));
    assert.deepEqual(issues, expected, `${word} ${what}`);
  }
  return expected;
}

const patient = (more: JsonObject = {}): JsonObject => ({
  ...{ resourceType: 'Patient', birthDate: '1980-01-01', _birthDate: { id: 'a' } },
  ...more,
});

test('in the expressions of a profile', async () => {
  const about = (expression: string) => (word: string) => {
    const constraint = [{ key: 't-1', severity: 'error', human: 'x', expression: expression.replaceAll('WORD', word) }];
    const profile = profileOf('Patient', 'p', [{ path: 'Patient', constraint }]);
    return [profile, patient({ name: [{ family: 'Test' }] })] as [Resource, JsonObject];
  };
  const holding = [
    ...['birthDate.WORD.empty()', 'WORD.empty()', 'name.WORD.empty()', "name.where(WORD = 'x').empty()"],
    ...["'WORD'.toInteger().empty()", "'WORD'.toDecimal().empty()", "'WORD'.convertsToInteger().not()"],
    ...["'WORD'.convertsToDecimal().not()", 'birthDate.`WORD`.empty()', 'name.repeat(WORD).empty()'],
    ...['children().WORD.empty()', 'descendants().WORD.count() = 0', 'WORD.descendants().empty()'],
  ];
  for (const text of holding) assert.deepEqual(await alike(about(text), text), [], text);
  for (const text of ['birthDate.WORD.exists()', 'name.WORD.exists()', 'children().WORD.exists()'])
    assert.deepEqual(await alike(about(text), text), ['error t-1 Patient'], text);
  const others = ['%WORD.empty()', 'birthDate is WORD', 'name.ofType(WORD).empty()'];
  for (const text of others) await alike(about(text), text);
  for (const word of ['constructor', 'valueOf', neutral])
    assert.deepEqual(await against(...about('birthDate.WORD()')(word)), ['warning invariant-untold Patient'], word);
});

test('in the path of a discriminator', async () => {
  const sliced = (path: string, value: JsonObject): Resource =>
    profileOf('Patient', 'p', [
      {
        ...{ path: 'Patient.identifier' },
        slicing: { discriminator: [{ type: 'value', path }], rules: 'closed' },
      },
      { id: 'Patient.identifier:a', path: 'Patient.identifier', sliceName: 'a', ...value },
    ]);
  const values: JsonObject[] = [
    { patternIdentifier: { system: 'x' } },
    { fixedIdentifier: { system: 'x' } },
    { patternIdentifier: { type: { text: 'x' } } },
  ];
  for (const value of values) {
    for (const path of ['WORD', 'type.WORD', 'WORD.system', 'assigner.WORD', '$this.WORD']) {
      for (const type of ['value', 'exists']) {
        await alike((word) => {
          const profile = sliced(path.replace('WORD', word), value);
          const text = JSON.stringify(profile).replace('"type":"value"', `"type":"${type}"`);
          return [JSON.parse(text) as Resource, patient({ identifier: [{ system: 'x', type: { text: 'x' } }] })];
        });
      }
    }
  }
});

test('as the unit of a limit of time', async () => {
  const quantity = (code: string) => ({ value: 1, system: 'http://unitsofmeasure.org', code });
  const issues = await alike((word) => [
    profileOf('Patient', 'p', [{ path: 'Patient.birthDate', minValueQuantity: quantity(word) }]),
    patient(),
  ]);
  assert.deepEqual(issues, []);
});
