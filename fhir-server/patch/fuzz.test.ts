// Whatever a patch document says, it is applied or refused with a reason: nothing else is thrown, nothing is shared, and
// what it is applied to stays as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, parseJson, stringify } from '#fhir-model';
import { random } from '#platform/testing';
import { operations, patched, refusal } from './testing.ts';

const resource = `{"resourceType":"Patient","id":"f","meta":{"versionId":"1","tag":[{"code":"t"}]},"active":true,"_active":{"id":"a"},
  "name":[{"family":"a","given":["b","c"],"_given":[null,{"extension":[{"url":"u","valueDecimal":1.00}]}]},{"text":"d"}],
  "birthDate":"1970-01-01","deceasedBoolean":false,"contact":[{"name":{"family":"e"},"telecom":[{"value":"1"}]}],
  "contained":[{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":2.50}}]}`;

const PATHS = [
  'Patient',
  'Patient.name',
  'Patient.name[0]',
  'Patient.name[1].given',
  'Patient.name.given',
  'Patient.name[0].given[1]',
  'Patient.name[0].given[1].extension',
  "Patient.name.where(family = 'a').given.last()",
  'Patient.active',
  'Patient.birthDate',
  'Patient.deceased',
  'Patient.contact.name',
  'Patient.contact[0].telecom[0].value',
  'Patient.contained[0].value',
  'Patient.contained.value.value',
  'Patient.id',
  'Patient.meta.tag',
  'Patient.nothing',
  'Patient.name[0',
  '1',
];
const NAMES = [
  'name',
  'given',
  'active',
  'deceased',
  'contact',
  'extension',
  'id',
  'text',
  'contained',
  'nothing',
  '__proto__',
];
const VALUES = [
  { valueString: 'x' },
  { valueBoolean: true },
  { valueDate: '2000' },
  { valueHumanName: { family: 'y' } },
  { valueQuantity: { value: 1 } },
  { valueCode: 'male', _valueCode: { id: 'i' } },
  { part: [{ name: 'family', valueString: 'z' }] },
  {
    part: [
      { name: 'url', valueUri: 'u' },
      { name: 'value', valueString: 'z' },
    ],
  },
  { part: [{ name: 'name', part: [{ name: 'given', valueString: 'z' }] }] },
  { resource: { resourceType: 'Basic', code: { text: 'x' } } },
];
const TYPES = ['add', 'insert', 'delete', 'replace', 'move'];

const below = random(20_260_101);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
const many = <T>(make: () => T): T[] => Array.from({ length: 1 + below(4) }, make);

function fhirPathOperation(): Record<string, unknown> {
  const operation: Record<string, unknown> = { type: pick(TYPES), path: pick(PATHS) };
  if (below(10) > 1) operation.name = pick(NAMES);
  if (below(10) > 1) operation.value = pick(VALUES);
  if (below(10) > 1) Object.assign(operation, { index: below(4), source: below(3), destination: below(3) });
  return operation;
}

const POINTERS = [
  '',
  '/',
  '/name',
  '/name/0',
  '/name/-',
  '/name/0/given/1',
  '/_active',
  '/active/x',
  '/contained/0/id',
  '/__proto__',
  '/a~1b',
  'x',
];

const jsonOperation = (): Json => ({
  op: pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'none']),
  path: pick(POINTERS),
  from: pick(POINTERS),
  ...(below(10) > 1 ? { value: pick<Json>([1, 'x', null, true, [], {}, [{ family: 'x' }], { a: [1] }]) } : {}),
});

const mergeDocument = (depth: number): Json =>
  depth === 0 || below(3) === 0
    ? pick<Json>([null, 'x', 1, true, [], [{ text: 'x' }], {}])
    : Object.fromEntries(many(() => [pick([...NAMES, 'meta', 'birthDate']), mergeDocument(depth - 1)]));

const outcomes = { patched: 0, refused: 0 };

async function check(format: 'json-patch' | 'merge-patch' | 'fhirpath-patch', document: string): Promise<void> {
  const outcome = await refusal(format, resource, document);
  outcomes[outcome.startsWith('patched') ? 'patched' : 'refused']++;
  assert.match(outcome, /^patched: \{|^4\d\d [a-z-]+ /, document);
  if (!outcome.startsWith('patched')) return;
  // Once more, on a tree of its own: the first run has left nothing behind.
  assert.equal(`patched: ${await patched(format, resource, document)}`, outcome, document);
  assert.doesNotThrow(() => parseJson(outcome.slice('patched: '.length)));
}

test('3,000 random documents', async () => {
  for (let i = 0; i < 1000; i++) {
    await check('fhirpath-patch', operations(...many(fhirPathOperation)));
    await check('json-patch', stringify(many(jsonOperation)));
    await check('merge-patch', stringify(mergeDocument(3)));
  }
  assert.ok(outcomes.patched > 300 && outcomes.refused > 300, JSON.stringify(outcomes));
  assert.equal(({} as Record<string, unknown>).a, undefined);
});
