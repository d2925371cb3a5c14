// Messages about a stay that come in another order than things happened: the patient and the visit are the same at the end.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { head, pv1 } from '../../testing/adt.ts';
import { type Entry, entriesOf, mapLines } from '../../testing/mapped.ts';

const id = 'PID|1||777^^^HOSP^MR||Test^Anna';
const pid = (more: string) => `${id}${more}`;
const list = (value: unknown): JsonObject[] => (value ?? []) as JsonObject[];

/** What a message changes, of the patient and the visit. */
const changesOf = (...lines: string[]): Entry[] => {
  const mapped = mapLines(...lines);
  return [...entriesOf(mapped, 'Patient'), ...entriesOf(mapped, 'Encounter')];
};

/** As the store does it: references are to resources, not to entries of one message. Places are known by their names here. */
function resolved({ resource }: Entry): Resource {
  const text = JSON.stringify(resource).replaceAll(/"urn:uuid:[^"]*"/g, '"Patient/p"');
  const copy = JSON.parse(text) as Resource;
  for (const one of list(copy.location)) delete (one.location as JsonObject).reference;
  return copy;
}

function storedAfter(messages: readonly Entry[][]): Resource[] {
  const stored = new Map<string, Resource>();
  for (const entry of messages.flat()) {
    const type = entry.resource.resourceType;
    stored.set(type, entry.merge!(stored.get(type), resolved(entry)));
  }
  return ['Patient', 'Encounter'].map((type) => stored.get(type)!);
}

/** What the messages come to: without what was, whose order is that of arrival. */
function state(messages: readonly Entry[][]): JsonObject {
  const [patient, visit] = storedAfter(messages) as [Resource, Resource];
  const { birthDate, address, telecom } = patient;
  const { status, period, reasonCode, hospitalization } = visit;
  const places = list(visit.location).filter((one) => one.status !== 'completed');
  const people = list(visit.participant).filter((one) => (one.period as JsonObject | undefined)?.end === undefined);
  const sorted = (items: unknown) =>
    list(items)
      .map((item) => JSON.stringify(item))
      .sort();
  return JSON.parse(
    JSON.stringify({
      ...{ birthDate, address, telecom: sorted(telecom), status, period, reasonCode, hospitalization },
      places: places.map(({ location }) => (location as JsonObject).display),
      people: people.map(({ individual }) => (individual as JsonObject).display),
    }),
  ) as JsonObject;
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [at, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(at, 1))) yield [item, ...rest];
  }
}

const admitted = changesOf(
  ...head('A01', 1),
  pid('||19800102|F|||1 Main St^^Town||555-1'),
  pv1('W1', { 7: '^Att', 44: '20260131110000' }),
  'PV2|||^Chest pain',
);
const updated = changesOf(...head('A08', 5), pid('||||||2 Oak St^^Town||^^CP^^^^555-2'), pv1(''));
const transferred = changesOf(...head('A02', 10), id, pv1('W2', { 6: 'W1' }));
// What PV1-3 says beside a new doctor is older than the transfer.
const doctorChanged = changesOf(...head('A54', 12), id, pv1('W1', { 7: '^Next' }));
const discharged = changesOf(...head('A03', 20), id, pv1('W2', { 36: '01' }));
const notDischarged = changesOf(...head('A13', 25), id, pv1('W2'));
const afterwards = changesOf(...head('A08', 30), pid('||||||||""'), pv1(''));

test('a stay is the same in every order of its messages', () => {
  const messages = [admitted, updated, transferred, doctorChanged, discharged, notDischarged];
  const inOrder = state(messages);
  assert.deepEqual(
    [inOrder.status, inOrder.places, inOrder.people, inOrder.period, inOrder.hospitalization],
    ['in-progress', ['W2'], ['Next'], { start: '2026-01-31T11:00:00Z' }, undefined],
  );
  assert.deepEqual(inOrder.address, [{ line: ['2 Oak St'], city: 'Town' }]);
  for (const order of permutations(messages)) assert.deepEqual(state(order), inOrder);
});

test('a discharge that comes after a newer update is one; what was deleted does not come back', () => {
  const messages = [admitted, updated, transferred, discharged, afterwards];
  const inOrder = state(messages);
  assert.deepEqual([inOrder.status, inOrder.places], ['finished', []]);
  assert.equal((inOrder.period as JsonObject).end, '2026-01-31T12:20:00Z');
  assert.deepEqual(
    (inOrder.telecom as string[]).map((text) => (JSON.parse(text) as JsonObject).value),
    ['555-2'],
  );
  for (const order of permutations(messages)) assert.deepEqual(state(order), inOrder);
});

test('a visit that is first heard of when it is over has nobody in a place', () => {
  const over = changesOf(...head('A08', 30), id, pv1('W2', { 45: '20260131122000' }));
  assert.deepEqual([state([over]).status, state([over]).places], ['finished', []]);
});

test('an event without a class (PV1-2) says what becomes of the visit all the same', () => {
  const reopened = changesOf(...head('A13', 25), id, pv1('W2', { 2: '' }));
  assert.equal(state([admitted, discharged, reopened]).status, 'in-progress');
});

test('what a merge tells of the survivor is as new as the merge', () => {
  const survivor = (...messages: string[][]): unknown => {
    let stored: Resource | undefined;
    for (const lines of messages) {
      const [{ merge, resource }] = entriesOf(mapLines(...lines), 'Patient') as [Entry, ...Entry[]];
      stored = merge!(stored, resource);
    }
    return (stored!.address as JsonObject[])[0]!.city;
  };
  const at = (city: string) => pid(`||||||^^${city}`);
  const [first, bare, late] = [
    [...head('A01', 1), at('First')],
    [...head('A02', 10), id],
    [...head('A08', 5), at('Second')],
  ];
  const merged = [...head('A40', 20), at('Third'), 'MRG|778^^^HOSP^MR'];
  assert.equal(survivor(first!, bare!, late!), 'Second');
  assert.equal(survivor(first!, bare!, merged, late!), 'Third');
});

test('that nobody attends any more (PV1-7 `""`) is so where it comes after a message that says nothing of it', () => {
  const messages = [
    changesOf(...head('A01', 1), id, pv1('W1', { 7: '^Att', 9: '^Con' })),
    changesOf(...head('A08', 5), id, pv1('W1', { 7: '""' })),
    changesOf(...head('A02', 10), id, pv1('W2')),
  ];
  assert.deepEqual(state(messages).people, ['Con']);
  for (const order of permutations(messages)) assert.deepEqual(state(order).people, ['Con']);
});

test('that nobody referred the patient (PV2-13 `""`) is so as of its message; who refers by PV1-8 of it does', () => {
  const referred = (field: string) => `PV2|||||||||||||${field}`;
  const first = changesOf(...head('A01', 1), id, pv1('W1', { 7: '^Att' }), referred('^Ref'));
  const deleted = changesOf(...head('A08', 5), id, pv1('W1'), referred('""'));
  const moved = changesOf(...head('A02', 10), id, pv1('W2'));
  assert.deepEqual(state([first, moved]).people, ['Att', 'Ref']);
  for (const order of permutations([first, deleted, moved])) assert.deepEqual(state(order).people, ['Att']);
  const other = changesOf(...head('A08', 5), id, pv1('W1', { 8: '^Other' }), referred('""'));
  for (const order of permutations([first, other, moved])) {
    assert.deepEqual((state(order).people as string[]).toSorted(), ['Att', 'Other']);
  }
});

test('roles that are words, with commas and spaces, have their times too', () => {
  const role = (name: string) => `ROL|R1|UC|^On call, day^L|^${name}`;
  const messages = [
    changesOf(...head('A01', 1), id, pv1('W1'), role('First')),
    changesOf(...head('A02', 10), id, pv1('W2')),
    changesOf(...head('A08', 5), id, pv1('W1'), role('Second')),
  ];
  assert.deepEqual(state(messages).people, ['Second']);
  for (const order of permutations(messages)) assert.deepEqual(state(order).people, ['Second']);
});

test('that nobody died (PID-29, PID-30 `""`) stays so whatever an older message says; a death keeps its time', () => {
  const death = (...messages: (readonly [minute: number, when: string, indicator: string])[]): unknown => {
    let stored: Resource | undefined;
    for (const [minute, when, indicator] of messages) {
      const pid = `${id}${'|'.repeat(24)}${when}|${indicator}`;
      const [{ merge, resource }] = entriesOf(mapLines(...head('A08', minute), pid), 'Patient') as [Entry, ...Entry[]];
      stored = merge!(stored, resource);
    }
    return stored!.deceasedDateTime ?? stored!.deceasedBoolean;
  };
  const [died, taken] = [[5, '20260131', 'Y'] as const, [9, '""', '""'] as const];
  assert.equal(death(taken, died), undefined);
  assert.equal(death([1, '', 'Y'], taken, [5, '', 'Y']), undefined);
  assert.equal(death(taken, died, [12, '', 'Y']), true);
  assert.equal(death([9, '', 'Y'], taken), undefined);
  assert.equal(death(died, [9, '', 'Y']), '2026-01-31');
  assert.equal(death([9, '20260131', 'Y'], [5, '', 'Y']), '2026-01-31');
  assert.equal(death(died, [9, '', 'N']), false);
  assert.equal(death(died, [9, '""', 'Y']), true);
  assert.equal(death(died, [9, '', 'Y'], [7, '', 'N']), '2026-01-31');
});

test('a number that was deleted (PID-19 `""`) does not come back by an older message', () => {
  const numbers = (...pids: (readonly [minute: number, ssn: string])[]): unknown => {
    let stored: Resource | undefined;
    for (const [minute, ssn] of pids) {
      const more = `${'|'.repeat(14)}${ssn}`;
      const [{ merge, resource }] = entriesOf(mapLines(...head('A08', minute), pid(more)), 'Patient') as [Entry];
      stored = merge!(stored, resource);
    }
    return list(stored!.identifier).map(({ value }) => value);
  };
  const [known, deleted] = [[1, '123-45-6789'] as const, [9, '""'] as const];
  assert.deepEqual(numbers(known, deleted), ['777']);
  assert.deepEqual(numbers(deleted, known), ['777']);
  assert.deepEqual(numbers(known, deleted, [5, '123-45-6789']), ['777']);
  assert.deepEqual(numbers(known, deleted, [12, '987-65-4321']), ['777', '987-65-4321']);
});

test('a county alone (PID-12) is the county of the address that is known', () => {
  const addresses = (...pids: string[]): unknown => {
    let stored: Resource | undefined;
    for (const [minute, more] of pids.entries()) {
      const [{ merge, resource }] = entriesOf(mapLines(...head('A08', minute), pid(more)), 'Patient') as [Entry];
      stored = merge!(stored, resource);
    }
    return stored!.address;
  };
  const home = '||||||1 Main St^^Town';
  assert.deepEqual(addresses(home, '|||||||C2'), [{ line: ['1 Main St'], city: 'Town', district: 'C2' }]);
  assert.deepEqual(addresses(`${home}~^^City`, '|||||||C2'), [
    { line: ['1 Main St'], city: 'Town' },
    { city: 'City' },
    { district: 'C2' },
  ]);
  assert.deepEqual(addresses(home, '||||||""|C2'), [{ district: 'C2' }]);
});
