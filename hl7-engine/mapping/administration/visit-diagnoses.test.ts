// A diagnosis that is taken away (DG1-21 D) stays so whatever an older message still says: HL7 v2.9 chapter 2.10.4.2
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { head, pv1 } from '../../testing/adt.ts';
import { mapLines, onlyEntry, segment, storedAfter, storedOf } from '../../testing/mapped.ts';

const pid = 'PID|1||777^^^HOSP^MR';

/** `E11` as it is, `E11 D` with an action code. */
function dg1(diagnosis: string): string {
  const [code, action] = diagnosis.split(' ');
  return segment('DG1', { 1: '1', 3: `${code}^^I10`, ...(action === undefined ? {} : { 21: action }) });
}

type Told = readonly [minute: number, ...diagnoses: string[]];

const message = ([minute, ...diagnoses]: Told): string[] => [
  ...head(minute === 1 ? 'A01' : 'A08', minute),
  ...[pid, pv1('W1'), ...diagnoses.map(dg1)],
];

/** Codes of the visit's diagnoses after these messages. */
function after(...messages: Told[]): unknown[] {
  const { resources } = storedAfter(...messages.map(message));
  const [visit] = storedOf(resources, 'Encounter');
  return ((visit!.diagnosis ?? []) as JsonObject[]).map(({ condition }) => {
    const { code } = resources.get(String((condition as JsonObject).reference)) as { code?: { coding: JsonObject[] } };
    return code!.coding[0]!.code;
  });
}

test('a deleted diagnosis does not come back by an older message', () => {
  const [admitted, deleted] = [[1, 'E11', 'I10'] as const, [9, 'E11 D'] as const];
  assert.deepEqual(after(admitted, deleted), ['I10']);
  assert.deepEqual(after(deleted, admitted), ['I10']);
  assert.deepEqual(after([1, 'E11'], deleted, [5, 'E11']), []);
  assert.deepEqual(after(admitted, deleted, [5, 'E11', 'J45']), ['J45']);
  assert.deepEqual(after(admitted, deleted, [12, 'E11 A']), ['I10', 'E11']);
  assert.deepEqual(after(admitted, [12, 'E11 A'], deleted), ['I10', 'E11']);
});

test('one that is deleted by a message that comes late goes, where nothing newer has told of the diagnoses', () => {
  assert.deepEqual(after([1, 'E11', 'I10'], [12], [9, 'E11 D']), ['I10']);
  assert.deepEqual(after([1, 'E11', 'I10'], [12], [9, 'J45 A']), ['E11', 'I10', 'J45']);
});

test('a deleted diagnosis that is stored under another number of the patient goes too', () => {
  const mapped = mapLines(...message([9, 'E11 D']));
  const { merge, prune, resource } = onlyEntry(mapped, 'Encounter');
  const { url } = onlyEntry(mapped, 'Condition');
  assert.equal(resource.diagnosis, undefined);
  // As the store does it: references to what stands for the entry's own are to that.
  const sent = JSON.parse(JSON.stringify(prune!(resource, new Set())).replaceAll(url, 'Condition/other')) as Resource;
  const diagnosis = ['other', 'more'].map((id) => ({ condition: { reference: `Condition/${id}` } }));
  const after = merge!({ ...resource, meta: {}, diagnosis } as Resource, sent);
  assert.deepEqual(after.diagnosis, diagnosis.slice(1));
});
