// Diagnoses and procedures without a number of their own (DG1-20, PR1-19) of a visit that gets one (PV1-19) after its account's (PID-18)
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Resource } from '#fhir-model';
import { head } from '../testing/adt.ts';
import { type Entry, mapLines, onlyEntry, segment } from '../testing/mapped.ts';

const pid = segment('PID', { 1: '1', 3: '7^^^HA^MR~8^^^HB^MR', 18: 'A7^^^HA' });
const dg1 = segment('DG1', { 1: '1', 3: 'E11^^I10' });
const pr1 = segment('PR1', { 1: '1', 3: '0DTJ4ZZ^^I10P', 5: '20260130' });
const patient: Resource = {
  resourceType: 'Patient',
  id: 'p',
  identifier: ['HA 7', 'HB 8'].map((one) => ({ system: `urn:id:${one.split(' ')[0]}`, value: one.split(' ')[1]! })),
};

const mapped = (type: string, pv1: Record<number, string>) => {
  const [msh = '', evn = ''] = head('A08', 5);
  return mapLines(msh.replace('ADT^A08', type), evn, pid, segment('PV1', { 2: 'I', ...pv1 }), dg1, pr1);
};

/** What a message about the visit makes of the type, once the store has found the patient and `visit`. */
function entryAfter(type: string, kind: string, visit: Resource | undefined, number = 'V1'): Entry {
  const message = mapped(type, { 19: `${number}^^^HA` });
  onlyEntry(message, 'Patient').choose!([patient]);
  onlyEntry(message, 'Encounter').choose!(visit === undefined ? [] : [visit]);
  return onlyEntry(message, kind);
}

const visit: Resource = { resourceType: 'Encounter', id: 'e' };
const idOf = ({ url }: Entry): string => url.split('/')[1]!;

for (const type of ['ADT^A08', 'BAR^P12']) {
  for (const kind of ['Condition', 'Procedure']) {
    test(`${type}: a ${kind} that came under the account's number is the visit's that has its own number now`, () => {
      const before = onlyEntry(mapped('ADT^A08', {}), kind);
      const stored = (encounter: string): Resource => ({
        ...before.resource,
        id: idOf(before),
        subject: { reference: 'Patient/p' },
        encounter: { reference: encounter },
      });
      const { alias, url } = entryAfter(type, kind, visit);
      assert.notEqual(url, before.url);
      assert.equal(alias!.ids().includes(idOf(before)), true);
      assert.equal(alias!.fits(stored('Encounter/e')), true);
      assert.equal(alias!.fits(stored('Encounter/f')), false, 'the account’s former visit');
      assert.equal(alias!.fits({ ...stored('Encounter/e'), subject: { reference: 'Patient/q' } }), false);
      const own = { ...stored('Encounter/f'), id: url.split('/')[1]! };
      assert.equal(alias!.fits(own), true, 'what is stored under the visit’s number is asked nothing more');
      assert.equal(entryAfter(type, kind, undefined).alias!.fits(stored('Encounter/undefined')), false, 'a new visit');
      assert.equal(entryAfter(type, kind, undefined).alias!.ids().includes(idOf(before)), false);
      const others = entryAfter(type, kind, visit, 'V12').alias!.ids();
      assert.equal(others.includes(idOf(entryAfter(type, kind, visit))), false, 'another visit’s number');
    });
  }
}

test('under the other numbers of the patient too', () => {
  const [msh = '', evn = ''] = head('A08', 1);
  const other = pid.replace('7^^^HA^MR~8^^^HB^MR', '8^^^HB^MR');
  const before = onlyEntry(mapLines(msh, evn, other, segment('PV1', { 2: 'I' }), dg1), 'Condition');
  assert.equal(entryAfter('ADT^A08', 'Condition', visit).alias!.ids().includes(idOf(before)), true);
});
