// Merges as the store carries them out: choose() and merge() of the entries, in their order. HL7 v2.9 chapter 3.6.2
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import { head } from '../../testing/adt.ts';
import { entriesOf, mapMerging } from '../../testing/mapped.ts';

const patient = (id: string, numbers: string[], more: object = {}): Resource => ({
  resourceType: 'Patient',
  id,
  identifier: numbers.map((number) => {
    const [value = '', use] = number.split(' ');
    return { system: 'urn:id:H', value, ...(use === undefined ? {} : { use }) };
  }),
  ...more,
});

const a40 = (kept: string, ...gone: string[]) => [
  ...head('A40'),
  ...gone.flatMap((number) => [`PID|1||${kept}^^^H^MR||Test`, `MRG|${number}^^^H^MR`]),
];

type Merges = Parameters<typeof mapMerging>[0];

/** What is stored of each entry's resource by its id, after the message has found `stored`. */
function carriedOut(lines: string[], stored: Resource[], merges: Merges = {}) {
  const mapped = mapMerging(merges, ...lines);
  const entries = entriesOf(mapped, 'Patient');
  const chosen = entries.map(({ url, choose }) => {
    const numbers = new Set(decodeURIComponent(url).split('identifier=')[1]!.split(','));
    const has = ({ identifier }: Resource) =>
      ((identifier ?? []) as JsonObject[]).some(({ system, value }) => numbers.has(`${system}|${value}`));
    return choose!(stored.filter(has));
  });
  const names = new Map(entries.map(({ fullUrl }, i) => [fullUrl!, `Patient/${chosen[i]!.match?.id ?? 'new'}`]));
  const after = new Map<string, Resource>();
  for (const [i, { resource, merge }] of entries.entries()) {
    if (chosen[i]!.idle) continue;
    const text = JSON.stringify(resource).replaceAll(/urn:uuid:[\da-f-]+/g, (url) => names.get(url) ?? url);
    after.set(chosen[i]!.match?.id ?? 'new', merge!(chosen[i]!.match, JSON.parse(text)));
  }
  return { after, moves: mapped.moves ?? [], chosen };
}

const numbersOf = (resource: Resource | undefined) =>
  ((resource?.identifier ?? []) as JsonObject[]).map(
    ({ value, use }) => `${value}${use === undefined ? '' : ` ${use}`}`,
  );

const linksOf = (resource: Resource | undefined) =>
  ((resource?.link ?? []) as JsonObject[]).map(({ type, other }) => `${type} ${(other as JsonObject).reference}`);

test('a number that a merged patient keeps means the survivor, also where a visit moves or a number changes', () => {
  const merges = { identifiers: 'copy' } as const;
  const link = [{ other: { reference: 'Patient/b' }, type: 'replaced-by' }];
  const stored = [patient('a', ['1'], { active: false, link }), patient('b', ['2', '1 old']), patient('c', ['3'])];
  const a45 = ['PID|1||3^^^H^MR||Test', 'MRG|1^^^H^MR||||V1^^^H', 'PV1|1|I|||||||||||||||||V1^^^H'];
  const { chosen } = carriedOut([...head('A45'), ...a45], stored, merges);
  assert.deepEqual(
    chosen.map(({ match, idle = false }) => [match?.id, idle]),
    [
      ['c', false],
      ['b', true],
    ],
  );
  const { after } = carriedOut([...head('A47'), 'PID|1||4^^^H^MR||Test', 'MRG|1^^^H^MR'], stored, merges);
  assert.deepEqual([[...after.keys()], numbersOf(after.get('b'))], [['b'], ['2', '1 old', '4']]);
  const two = [patient('a', ['1']), patient('b', ['1'])];
  assert.throws(() => carriedOut([...head('A47'), 'PID|1||4^^^H^MR||Test', 'MRG|1^^^H^MR'], two), Refusal);
});

test('a person who is deleted (A29) by a number that a merge has brought is not the survivor', () => {
  const a29 = (number: string) => [...head('A29'), `PID|1||${number}^^^H^MR||Test`];
  const b = patient('b', ['2', '1 old']);
  assert.deepEqual(carriedOut(a29('1'), [b]).after.get('b'), b);
  assert.equal(carriedOut(a29('2'), [b]).after.get('b')!.active, false);
});

test('a person who was deleted (A29) and is added again later (A28) is in use again', () => {
  const message = (event: string, minute: number) => [...head(event, minute), 'PID|1||2^^^H^MR||Test'];
  const first = patient('b', ['2']);
  const after = (stored: Resource, event: string, minute: number): Resource =>
    carriedOut(message(event, minute), [stored]).after.get('b')!;
  const deleted = after(first, 'A29', 5);
  assert.equal(deleted.active, false);
  assert.equal(after(deleted, 'A28', 9).active, true);
  assert.equal(after(deleted, 'A28', 1).active, false);
  assert.equal(after(deleted, 'A31', 9).active, false);
  assert.equal(after(first, 'A28', 9).active, undefined);
  const updated = after(deleted, 'A31', 9);
  assert.equal(after(updated, 'A28', 3).active, false);
  const added = after(updated, 'A28', 7);
  assert.equal(added.active, true, 'the update in between says nothing of the deletion');
  assert.equal(after(added, 'A29', 10).active, false);
  assert.equal(after(after(added, 'A29', 10), 'A28', 8).active, false);
});

test('numbers and links of both, and the references to move', () => {
  const { after, moves } = carriedOut(a40('2', '1'), [patient('a', ['1', '0 old']), patient('b', ['2'])]);
  const [gone, kept] = [after.get('a'), after.get('b')];
  assert.deepEqual([gone!.active, numbersOf(gone), linksOf(gone)], [false, [], ['replaced-by Patient/b']]);
  assert.deepEqual([numbersOf(kept), linksOf(kept)], [['2', '1 old', '0 old'], ['replaces Patient/a']]);
  assert.equal(moves.length, 1);
});

test('by policy the one that goes keeps its numbers, and references stay', () => {
  const merges = { references: 'keep', identifiers: 'copy' } as const;
  const { after, moves } = carriedOut(a40('2', '1'), [patient('a', ['1']), patient('b', ['2'])], merges);
  assert.deepEqual([numbersOf(after.get('a')), numbersOf(after.get('b'))], [['1'], ['2', '1 old']]);
  assert.deepEqual(moves, []);
  // The same again: the number of the one that has gone finds both.
  const again = carriedOut(a40('2', '1'), [...after.values()], merges);
  assert.deepEqual([...again.after.keys()], ['b']);
  assert.deepEqual(numbersOf(again.after.get('b')), ['2', '1 old']);
});

test('several patients are merged into one by one message', () => {
  const stored = [patient('a', ['1']), patient('b', ['2']), patient('c', ['3'])];
  const { after, moves } = carriedOut(a40('3', '1', '2'), stored);
  assert.deepEqual(numbersOf(after.get('c')), ['3', '1 old', '2 old']);
  assert.deepEqual(linksOf(after.get('c')), ['replaces Patient/a', 'replaces Patient/b']);
  assert.equal(moves.length, 2);
});

test('unknown patients, and a number that the survivor has itself', () => {
  const unknown = carriedOut(a40('2', '1'), []);
  assert.deepEqual([numbersOf(unknown.after.get('new')), linksOf(unknown.after.get('new'))], [['2', '1 old'], []]);
  const same = carriedOut(a40('2', '1'), [patient('b', ['2', '1'])]);
  assert.deepEqual(numbersOf(same.after.get('b')), ['2', '1 old']);
  assert.equal(same.chosen[1]!.idle, true);
});

function reviewOf(lines: string[], stored: Resource[]): unknown {
  try {
    carriedOut(lines, stored);
    return 'merged';
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return [error.condition, error.review?.kind, error.review?.references];
  }
}

test('merges that contradict others are refused with a review', () => {
  const merged = { active: false, link: [{ other: { reference: 'Patient/x' }, type: 'replaced-by' }] };
  const b = patient('b', ['2']);
  assert.deepEqual(reviewOf(a40('2', '1'), [patient('a', ['1'], merged), b]), [
    '205',
    'merge',
    ['Patient/a', 'Patient/b'],
  ]);
  assert.deepEqual(reviewOf(a40('2', '1'), [patient('x', ['9', '1 old']), b]), [
    '205',
    'merge',
    ['Patient/x', 'Patient/b'],
  ]);
  const survivor = { link: [{ other: { reference: 'Patient/a' }, type: 'replaces' }] };
  assert.deepEqual(reviewOf(a40('1', '2'), [patient('b', ['2', '1 old'], survivor)]), [
    '205',
    'merge',
    ['Patient/b', 'Patient/a'],
  ]);
  const two = [patient('a', ['1']), patient('c', ['1', '5'])];
  assert.deepEqual(reviewOf(a40('2', '1'), [...two, b]), ['205', 'merge', ['Patient/a', 'Patient/c']]);
});

test('a visit that is another patient’s gets no number and is no other; an account stays its family’s', () => {
  const lines = (event: string) => [
    ...[...head(event), 'PID|1||2^^^H^MR||Test|||||||||||||A2^^^H', 'MRG|2^^^H^MR||A1^^^H||V1^^^H'],
    'PV1|1|I|||||||||||||||||V2^^^H',
  ];
  const last = (event: string, type: string) => entriesOf(mapMerging({}, ...lines(event)), type).at(-1)!;
  const subject = { reference: 'Patient/x' };
  const visit = { resourceType: 'Encounter', id: 'e', status: 'in-progress', subject } as unknown as Resource;
  for (const event of ['A42', 'A50']) {
    const { merge, resource } = last(event, 'Encounter');
    assert.throws(() => merge!(visit, resource), Refusal);
    const own = { ...visit, subject: resource.subject! } as Resource;
    assert.equal(merge!(own, resource).status, event === 'A42' ? 'entered-in-error' : 'in-progress');
  }
  const account = { resourceType: 'Account', id: 'a', status: 'active', subject: [subject] } as unknown as Resource;
  const { merge, resource } = last('A49', 'Account');
  assert.deepEqual(merge!(account, resource).subject, [subject]);
});

test('what moves (A44, A45) has to be the patient’s of MRG-1; the others whom an account is of stay', () => {
  const of = (event: string, type: string) => {
    const lines = [...head(event), 'PID|1||2^^^H^MR||Test|||||||||||||A1^^^H', 'MRG|1^^^H^MR||A1^^^H||V1^^^H'];
    const { entries } = mapMerging({}, ...lines, 'PV1|1|I|||||||||||||||||V1^^^H');
    const named = (name: string) => entries.find(({ url }) => decodeURIComponent(url).startsWith(name))!;
    const { merge, resource } = named(`${type}?`);
    const merged = { link: [{ other: { reference: 'Patient/old' }, type: 'replaces' }] };
    const former = named('Patient?identifier=urn:id:H|1');
    return (stored: string[], isKnown = true) => {
      former.choose!(isKnown ? [patient('a', ['1'], merged)] : []);
      const subjects = stored.map((id) => ({ reference: `Patient/${id}` }));
      const subject = type === 'Account' ? subjects : subjects[0];
      const after = merge!({ ...resource, id: 'e', ...(subject && { subject }) } as unknown as Resource, resource!);
      const names = [after.subject as JsonObject | JsonObject[]].flat().map(({ reference }) => String(reference));
      return names.map((name) => (name.startsWith('urn:uuid:') ? 'new' : name));
    };
  };
  for (const move of [of('A45', 'Encounter'), of('A44', 'Account')]) {
    assert.deepEqual(move(['a']), ['new']);
    assert.deepEqual(move(['old']), ['new']);
    assert.deepEqual(move([]), ['new']);
    for (const isKnown of [true, false]) assert.throws(() => move(['x'], isKnown), Refusal);
  }
  assert.deepEqual(of('A44', 'Account')(['x', 'a']), ['Patient/x', 'new']);
});

test('what pays for a member of a family’s account pays for whom the account moves to (A44), and for nobody else', () => {
  const { entries } = mapMerging(
    {},
    ...[...head('A44'), 'PID|1||2^^^H^MR||Test|||||||||||||A1^^^H', 'MRG|1^^^H^MR||A1^^^H'],
  );
  const named = (name: string) => entries.find(({ url }) => decodeURIComponent(url).startsWith(name))!;
  named('Patient?identifier=urn:id:H|1').choose!([patient('a', ['1'])]);
  const { merge, resource } = named('Account?');
  const url = 'urn:cerebra:hl7v2-account-member';
  const paidBy = (coverage: string, member: unknown): JsonObject => ({
    extension: [{ url, valueReference: { reference: String(member) } }],
    coverage: { reference: `Coverage/${coverage}` },
  });
  const subject = ['x', 'a'].map((id) => ({ reference: `Patient/${id}` }));
  const coverage = [paidBy('1', 'Patient/x'), paidBy('2', 'Patient/a')];
  const after = merge!({ ...resource, id: 'e', subject, coverage } as unknown as Resource, resource!);
  const { reference } = (after.subject as JsonObject[])[1]!;
  assert.deepEqual(after.coverage, [paidBy('1', 'Patient/x'), paidBy('2', reference)]);
  // The time of the move stays with the account: what was sent before comes too late.
  assert.match(JSON.stringify(after.meta), /subject\[Patient%2Fa\] 2026-01-31T/);
});
