// How much work the paths of a FHIRPath Patch may be: https://hl7.org/fhir/R4/fhirpatch.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operations, patched, refusal } from './testing.ts';

const contact = Array.from({ length: 40 }, (_, i) => ({ id: `c${i}`, gender: 'male' }));
const patient = JSON.stringify({ resourceType: 'Patient', id: 'p', contact });
const pathTo = (i: number): string => `Patient.contact.where(id = 'c${i % 40}').gender`;

test('values that take the place of others make the resource no larger', async () => {
  const many = Array.from({ length: 800 }, (_, i) => ({ type: 'replace', path: pathTo(i), value: 'other' }));
  const found = JSON.parse(await patched('fhirpath-patch', patient, operations(...many)));
  assert.deepEqual(
    found.contact,
    contact.map(({ id }) => ({ id, gender: 'other' })),
  );
});

test('values that are put beside others do', async () => {
  const value = { valueHumanName: { family: 'x'.repeat(2000) } };
  const adds = Array.from({ length: 100 }, () => ({ type: 'add', path: 'Patient', name: 'name', value }));
  const replaces = Array.from({ length: 100 }, (_, i) => ({ type: 'replace', path: pathTo(i), value: 'other' }));
  assert.match(
    await refusal('fhirpath-patch', patient, operations(...adds, ...replaces)),
    /^400 too-costly Parameters\.parameter\[1\d\d\] These paths take too long on a resource of \d{6} characters and more/,
  );
});
