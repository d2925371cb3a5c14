import assert from 'node:assert/strict';
import test from 'node:test';
import type { Resource } from '#fhir-model';
import { aliasOf, formsOf, type KnownPatients, patientKeyOf } from './alias.ts';
import { derivedId } from './derived-id.ts';

const one = patientKeyOf('urn:id:H', 'a"\\1');
const two = patientKeyOf('urn:id:H', '2');
const patient: Resource = {
  resourceType: 'Patient',
  id: 'p',
  identifier: [
    { system: 'urn:id:H', value: 'a"\\1' },
    { system: 'urn:id:H', value: '2', use: 'old' },
  ],
};
const patients = (known: Resource | undefined): KnownPatients => new Map([[one, { known, forms: formsOf(one) }]]);

test('a key with the patient in it, however deep, has one with each other number of the patient', () => {
  const keys = [(key: string) => key, (key: string) => JSON.stringify([key, 'x'])];
  const deep = (key: string) => JSON.stringify(['order', JSON.stringify([key, 'x'])]);
  for (const form of [...keys, deep]) {
    const alias = aliasOf(patients(patient), 'Condition', ['before', form(one), undefined]);
    assert.deepEqual(alias!.ids(), [derivedId('Condition', ['before', form(two), undefined])]);
  }
  assert.equal(aliasOf(patients(patient), 'Condition', ['urn:id:H|2', undefined]), undefined);
});

test('a patient who is new, or has one number, has no others', () => {
  assert.deepEqual(aliasOf(patients(undefined), 'Condition', [one])!.ids(), []);
  const single = { ...patient, identifier: [{ system: 'urn:id:H', value: 'a"\\1' }] };
  assert.deepEqual(aliasOf(patients(single), 'Condition', [one])!.ids(), []);
});

test('what is somebody else’s does not fit, whose number it may have been', () => {
  const { fits } = aliasOf(patients(patient), 'Condition', [one])!;
  const of = (name: string, reference: string): Resource => ({ resourceType: 'Condition', [name]: { reference } });
  assert.deepEqual(
    [
      fits(of('subject', 'Patient/p')),
      fits(of('patient', 'Patient/p')),
      fits(of('beneficiary', 'Patient/p')),
      fits(of('subject', 'Patient/q')),
      fits({ resourceType: 'Condition' }),
    ],
    [true, true, true, false, false],
  );
  const link = [{ other: { reference: 'Patient/q' }, type: 'replaces' }];
  const survivor = aliasOf(patients({ ...patient, link }), 'Condition', [one])!;
  assert.equal(survivor.fits(of('subject', 'Patient/q')), true, 'a patient who was merged into this one');
  const other = [{ other: { reference: 'Patient/q' }, type: 'seealso' }];
  const linked = aliasOf(patients({ ...patient, link: other }), 'Condition', [one])!;
  assert.equal(linked.fits(of('subject', 'Patient/q')), false, 'a patient who is only linked to this one');
  const nobody = aliasOf(patients(undefined), 'Condition', [one])!;
  assert.equal(nobody.fits(of('subject', 'Patient/p')), false, 'a patient who is new has nothing yet');
  assert.notEqual(survivor.instead(), nobody.instead());
});
