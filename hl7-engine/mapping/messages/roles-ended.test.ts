// ROL and PRT that take a role away (ROL-2, PRT-2: DE): HL7 v2.9 chapters 15.4.7 and 7.4.4
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { head } from '../../testing/adt.ts';
import { mapLines, onlyEntry, onlyResource, segment, storedAfter, storedOf } from '../../testing/mapped.ts';

const pid = 'PID|1||7^^^HA^MR';
const visit = 'PV1|1|I|||||||||||||||||V1^^^HA';
const list = (value: unknown): JsonObject[] => (value ?? []) as JsonObject[];

/** The one stored resource of the type after these messages. */
function stored(type: string, ...messages: string[][]): Resource {
  const [only, ...more] = storedOf(storedAfter(...messages).resources, type);
  assert.equal(more.length, 0);
  return only!;
}

const names = (items: unknown, of: string): unknown[] =>
  list(items).map((one) => (of === '' ? one : (one[of] as JsonObject)).display);

test('who has a role in the visit no longer is taken away, and nobody else', () => {
  const people = (...messages: string[][]): unknown[] =>
    names(stored('Encounter', ...messages).participant, 'individual');
  const all = ['ROL||AD|RP|^One', 'ROL||AD|RP|^Two', 'PRT||AD||AT^x^HL70443|^Third'];
  const first = [...head('A01', 1), pid, visit, ...all];
  const then = (minute: number, line: string) => [...head('A08', minute), pid, visit, line];
  assert.deepEqual(people(first, then(9, 'ROL||DE|RP|^Two')), ['One', 'Third']);
  assert.deepEqual(people(first, then(9, 'ROL||DE|AD|^Two')), ['One', 'Two', 'Third']);
  const withoutThird = [first, then(9, 'PRT||DE||AT^x^HL70443|^Third')];
  assert.deepEqual(people(...withoutThird), ['One', 'Two']);
  assert.deepEqual(people(...withoutThird, then(5, 'PRT||AD||AT^x^HL70443|^Third')), ['One', 'Two']);
  assert.deepEqual(people(...withoutThird, then(12, 'PRT||AD||AT^x^HL70443|^Third')), ['One', 'Two', 'Third']);
  assert.deepEqual(people(then(9, 'ROL||DE|RP|^Two')), []);
});

test('who is taken away stays so, and who else has the role stays, whatever order the messages come in', () => {
  const [one, two, gone] = ['ROL||AD|RP|^One', 'ROL||AD|RP|^Two', 'ROL||DE|RP|^Two'];
  const then = (minute: number, ...lines: string[]) => [...head('A08', minute), pid, visit, ...lines];
  const people = (...messages: string[][]): unknown[] =>
    names(stored('Encounter', ...messages).participant, 'individual');
  assert.deepEqual(people(then(9, gone), then(1, one, two)), ['One']);
  assert.deepEqual(people(then(1, one, two), then(9, gone), then(5, two)), ['One']);
  assert.deepEqual(people(then(1, one, two), then(12), then(9, gone)), ['One']);
  assert.deepEqual(people(then(1, one), then(12, one, two), then(9, gone)), ['One', 'Two']);
  const late = [then(1, one, two), then(12), then(9, gone)];
  assert.deepEqual(stored('Encounter', ...late, then(9, gone)), stored('Encounter', ...late));
});

test('whom somebody replaced does not come back by an older message when that one is taken away', () => {
  for (const [type, element, role] of [
    ['Encounter', 'participant', 'RP'],
    ['Patient', 'generalPractitioner', 'PP'],
    ['CareTeam', 'participant', 'AT'],
  ] as const) {
    const then = (minute: number, ...lines: string[]): string[] =>
      type === 'Encounter'
        ? [...head('A08', minute), pid, visit, ...lines]
        : [...head('A08', minute), pid, ...lines, visit];
    const after = (...messages: string[][]): unknown[] => list(stored(type, ...messages)[element]);
    const [first, old] = [then(3, `ROL||AD|${role}|^One`), then(1, `ROL||AD|${role}|^Two`)];
    const gone = then(9, `ROL||DE|${role}|^One`);
    assert.equal(after(first, old).length, 1);
    assert.deepEqual(after(first, gone, old), [], type);
    assert.equal(after(first, gone, then(6, `ROL||AD|${role}|^Two`)).length, 1, type);
    if (type !== 'CareTeam') assert.deepEqual(after(first, then(12), gone, old), [], type);
  }
});

test('a number is known by what it refers to, and a Bundle to look at has nobody who is taken away', () => {
  const mapped = mapLines(...head('A08', 9), pid, visit, 'ROL||DE|RP|1^Doc');
  assert.equal(onlyResource(mapped, 'Encounter').participant, undefined);
  const { merge, prune, resource } = onlyEntry(mapped, 'Encounter');
  const { fullUrl } = onlyEntry(mapped, 'Practitioner');
  const sent = JSON.parse(
    JSON.stringify(prune!(resource, new Set())).replaceAll(fullUrl!, 'Practitioner/p'),
  ) as Resource;
  const type = [
    { coding: [{ code: list(list(sent.participant)[0]!.type).flatMap(({ coding }) => list(coding))[0]!.code! }] },
  ];
  const person = (id: string): JsonObject => ({ type, individual: { reference: `Practitioner/${id}` } });
  const existing = { ...resource, participant: [person('p'), person('q')], meta: {} } as unknown as Resource;
  assert.deepEqual(merge!(existing, sent).participant, [person('q')]);
});

test('a primary care provider who is none any more', () => {
  const carers = (...messages: string[][]): unknown[] => names(stored('Patient', ...messages).generalPractitioner, '');
  const then = (minute: number, line: string) => [...head('A31', minute), pid, line];
  const first = then(1, 'ROL||AD|PP|^Gp');
  assert.deepEqual(carers(first, then(9, 'ROL||DE|PP|^Other')), ['Gp']);
  assert.deepEqual(carers(first, then(9, 'ROL||DE|PP|^Gp')), []);
  assert.deepEqual(carers(first, then(9, 'ROL||DE|PP|^Gp'), then(5, 'ROL||AD|PP|^Gp')), []);
  assert.deepEqual(carers(then(9, 'PRT||DE||PP|^Gp')), []);
  const both = [...then(1, 'ROL||AD|PP|^Gp'), 'ROL||AD|PP|^Other'];
  assert.deepEqual(carers(then(9, 'ROL||DE|PP|^Gp'), both), ['Other']);
  assert.deepEqual(carers(both, then(9, 'ROL||DE|PP|^Gp'), first), ['Other']);
  assert.deepEqual(carers(both, then(9, 'ROL||DE|PP|^Gp'), then(5, 'ROL||AD|PP|^Gp')), ['Other']);
  assert.deepEqual(carers(both, [...head('A31', 12), pid], then(9, 'ROL||DE|PP|^Gp')), ['Other']);
});

test('of a team the others stay; of one that is not known it is told who is in it no longer', () => {
  const then = (minute: number, ...lines: string[]) => [...head('A31', minute), pid, ...lines];
  const first = then(1, 'ROL||AD|AT|^One', 'ROL||AD|RP|^Two');
  const gone = then(9, 'ROL||DE|AT|^One');
  assert.deepEqual(names(stored('CareTeam', first, gone).participant, 'member'), ['Two']);
  assert.equal(stored('CareTeam', first, gone, then(12, 'ROL||DE|RP|^Two')).participant, undefined);
  const after = list(stored('CareTeam', gone, first).participant);
  assert.deepEqual(names(after, 'member'), ['One', 'Two']);
  assert.deepEqual(
    after.map(({ period }) => period),
    [{ end: '2026-01-31T12:09:00Z' }, undefined],
  );
  assert.deepEqual(names(stored('CareTeam', first, then(9, 'ROL||AD|AT|^One'), first).participant, 'member'), ['One']);
  const [only] = list(stored('CareTeam', gone).participant);
  assert.deepEqual(only!.period, { end: '2026-01-31T12:09:00Z' });
});

test('who did not do a procedure after all', () => {
  const then = (minute: number, ...lines: string[]) => [
    ...[...head('A08', minute), pid, visit],
    ...['PR1|1||1^App^L||20260101', ...lines],
  ];
  const actors = (...messages: string[][]): unknown[] => names(stored('Procedure', ...messages).performer, 'actor');
  const [one, two, gone] = ['ROL||AD|RP|^One', 'ROL||AD|RP|^Two', 'ROL||DE|RP|^Two'];
  const first = then(1, one, two);
  assert.deepEqual(actors(first, then(9, gone)), ['One']);
  assert.deepEqual(actors(first, then(9, gone), then(5, two)), ['One']);
  assert.deepEqual(actors(first, then(9), then(5, gone)), ['One', 'Two']);
  assert.deepEqual(actors(then(9, gone)), []);
});

test('who manages the case (IN3-21) and who else cares for the patient are told apart', () => {
  const insured = ['IN1|1|P1|I1', segment('IN3', { 1: '1', 21: 'Manager' })];
  const then = (minute: number, ...lines: string[]) => [...head('A08', minute), pid, ...lines];
  const team = (...messages: string[][]): unknown[] =>
    names(stored('CareTeam', ...messages).participant, 'member').sort();
  const [member, manager] = [then(1, 'ROL||AD|AT|^One', 'ROL||AD|RP|^Two', visit), then(5, visit, ...insured)];
  assert.deepEqual(team(member, manager), ['Manager', 'One', 'Two']);
  assert.deepEqual(team(member, manager, then(9, 'ROL||AD|AT|^Three', visit)), ['Manager', 'Three']);
  assert.deepEqual(team(member, then(9, 'ROL||DE|AT|^One', visit, ...insured)), ['Manager', 'Two']);
});
