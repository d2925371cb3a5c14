import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { list } from '../compact.ts';
import { merging } from '../merge.ts';
import { stampWith } from '../ordering.ts';
import { familyPayers, movedPayers } from './family.ts';

const warnings = { add: () => {} };
const byReference = ({ reference }: JsonObject): string => String(reference);
const merge = familyPayers(merging({ ordered: { warnings }, united: { subject: byReference } }));

const subject = (...names: string[]): JsonObject[] => names.map((name) => ({ reference: `Patient/${name}` }));
const coverage = (plan: string): JsonObject => ({ coverage: { reference: `Coverage/${plan}` } });

/** What a message of `hour` o'clock tells of one patient. */
function told(name: string, plan: string, hour: number): Resource {
  const account: JsonObject = { resourceType: 'Account', status: 'active', subject: subject(name) };
  account.coverage = [coverage(plan)];
  stampWith(account, `2026-03-01T0${hour}:00:00Z`);
  return account as unknown as Resource;
}

/** `plan of member`. */
const plansOf = (account: Resource): string[] =>
  list(account.coverage).map(({ coverage: of, extension }) => {
    const [mark] = list(extension);
    const name = (value: unknown): string => String((value as JsonObject).reference).replace(/^\w+\//, '');
    return mark === undefined ? name(of) : `${name(of)} of ${name(mark.valueReference)}`;
  });

const namesOf = (account: Resource): string[] => list(account.subject).map(byReference);

test('what a family had before it was told whose it is, is there once when it is told again', () => {
  const stored = { ...told('a', 'A', 1), subject: subject('a', 'b'), coverage: [coverage('A'), coverage('B')] };
  assert.deepEqual(plansOf(merge(stored, told('a', 'A', 2))), ['B', 'A of a']);
});

test('whom an account has moved to has the payers of whom it was; who has left does not come back by what is late', () => {
  const alone = told('a', 'A', 3);
  const moved = movedPayers(alone, { ...alone, subject: subject('b') });
  assert.equal(merge(moved, told('a', 'Old', 2)), moved);
  assert.deepEqual(namesOf(merge(moved, told('c', 'C', 2))), ['Patient/b', 'Patient/c']);
  assert.deepEqual(namesOf(merge(moved, told('a', 'New', 4))), ['Patient/b', 'Patient/a']);
  const both = merge(alone, told('b', 'B', 3));
  const left = movedPayers(both, { ...both, subject: subject('b', 'c') });
  assert.deepEqual(
    [plansOf(both), plansOf(left)],
    [
      ['A of a', 'B of b'],
      ['A of c', 'B of b'],
    ],
  );
  // Moved back, it is the other that has left.
  const back = movedPayers(left, { ...left, subject: subject('b', 'a') });
  assert.deepEqual(
    list(back.extension).map(({ valueReference }) => byReference(valueReference as JsonObject)),
    ['Patient/c'],
  );
  assert.deepEqual(plansOf(merge(back, told('a', 'New', 4))), ['B of b', 'New of a']);
});

test('a message from before the move changes nothing, though none has told of the account between the two', () => {
  const alone = told('a', 'A', 1);
  const moved = movedPayers(alone, { ...alone, subject: subject('b') }, '2026-03-01T03:00:00Z');
  assert.equal(merge(moved, told('a', 'Old', 2)), moved);
  assert.deepEqual(namesOf(merge(moved, told('c', 'C', 2))), ['Patient/b', 'Patient/c']);
  assert.deepEqual(namesOf(merge(moved, told('a', 'New', 4))), ['Patient/b', 'Patient/a']);
});
