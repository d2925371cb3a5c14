// What a resource was before: alerts that rested on it, live and in a dry run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import {
  alertsOf,
  eventRule,
  ext,
  holds,
  inForce,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
  settled,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';
import type { DryRun } from '../dry-run.ts';

const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
const final = onCode('k', { extension: [ext('criteria', 'String', 'status=final')] });
const ofP2 = { subject: { reference: 'Patient/p2' } };

/** `subject key: status of the alert, status of its Flag`, in the order in which they were raised. */
async function alertsAndFlags(rig: Rig, rule: string): Promise<string[]> {
  const flags = (await rig.store.list('Flag')) as (JsonObject & { id: string })[];
  const ids = await rig.db.query<{ id: string; subject: string; key: string; status: string }>(
    { text: 'select id, subject, key, status from alert where rule = $1 order by raised_at, subject, key' },
    [rule],
  );
  return ids.map(({ id, subject, key, status }) => {
    const flag = flags.find((one) => one.id === id);
    return `${subject} ${key}: ${status}, ${String(flag?.status)}`;
  });
}

type Server = Awaited<ReturnType<Rig['start']>>;

async function dryRun({ adminRoutes }: Server, id: string): Promise<DryRun> {
  const route = adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  const query = new URLSearchParams({ wait: '20' });
  return (await route.handle({ params: { id }, query, body: Buffer.alloc(0) })).body as DryRun;
}

/** The dry run raises and ends what was raised and has ended. */
async function assertSameDry(rig: Rig, server: Server, rule: string): Promise<void> {
  const { state, errors, raised, resolved, fired } = await dryRun(server, rule);
  const rows = await alertsOf(rig.db, rule);
  const over = rows.filter(({ status }) => status === 'resolved').length;
  assert.deepEqual([state, errors, raised, resolved], ['done', 0, rows.length, over]);
  const named = (all: readonly { subject: string; key: string }[]) =>
    all.map(({ subject, key }) => `${subject} ${key}`).sort();
  assert.deepEqual(named(fired), named(rows));
}

test('a value that turns out to be another patient’s: the first one’s alert was an error, the other one has it', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const change = { title: 'Delta', extension: [ext('change', 'Quantity', quantity(2, 'mmol/L'))] };
  const both = {
    title: 'Both',
    trigger: [onCode('k', { condition: holds('value.value > 6').expression! }), onCode('l')],
  };
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]),
    eventRule('d', 'delta', [minutes('window', 60)], [{ ...change, trigger: [onCode('k')] }]),
    eventRule('c', 'combination', [minutes('window', 60)], [both]),
  );
  const other = { code: { coding: [{ system: 'http://x', code: 'l' }] } };
  await judged(rig, reading('o1', 3, 1), reading('o2', 6.5, 2), reading('l', 1, 3, other));
  for (const rule of ['t', 'd', 'c'])
    assert.deepEqual(await alertsAndFlags(rig, rule), ['Patient/p1 : active, active']);
  await judged(rig, reading('o2', 6.5, 2, ofP2));
  const was = 'Patient/p1 : resolved, entered-in-error';
  assert.deepEqual(await alertsAndFlags(rig, 't'), [was, 'Patient/p2 : active, active']);
  assert.deepEqual(await alertsAndFlags(rig, 'd'), [was]);
  assert.deepEqual(await alertsAndFlags(rig, 'c'), [was]);
  // What is remembered of whom has followed it.
  await judged(rig, reading('o3', 3.1, 4), reading('o4', 3, 5, ofP2));
  assert.deepEqual(await alertsAndFlags(rig, 'd'), [was, 'Patient/p2 : active, active']);
  for (const rule of ['t', 'd', 'c']) await assertSameDry(rig, server, rule);
});

test('another key: the alert of the former one was an error; alerts that rest on something else stay', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const key = ext('key', 'String', 'bodySite.text');
  await inForce(
    rig,
    eventRule('t', 'threshold', [key], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]),
  );
  const at = (text: string) => ({ bodySite: { text } });
  await judged(rig, reading('o1', 6.5, 1, at('left')), reading('o2', 7, 2, at('right')));
  await judged(rig, reading('o1', 6.5, 1, at('right')));
  const right = 'Patient/p1 right: active, active';
  assert.deepEqual(await alertsAndFlags(rig, 't'), ['Patient/p1 left: resolved, entered-in-error', right]);
  // Neither of its values moved: nothing is left behind.
  await judged(rig, reading('o2', 7, 2, { ...at('right'), note: [{ text: 'seen' }] }));
  assert.deepEqual((await alertsAndFlags(rig, 't'))[1], right);
  await assertSameDry(rig, server, 't');
});

test('a result that a trigger no longer listens for: corrected beside status=final, or withdrawn', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const key = ext('key', 'String', 'id');
  await inForce(rig, eventRule('t', 'threshold', [key], [{ title: 'High', extension: [high], trigger: [final] }]));
  await judged(rig, ...['o1', 'o2', 'o3'].map((id) => reading(id, 6.5, 1)));
  await judged(
    rig,
    reading('o1', 4, 1, { status: 'corrected' }),
    reading('o2', 6.5, 1, { status: 'entered-in-error' }),
  );
  await judged(rig, reading('o3', 7, 1));
  assert.deepEqual(await alertsAndFlags(rig, 't'), [
    'Patient/p1 o1: resolved, inactive',
    'Patient/p1 o2: resolved, entered-in-error',
    'Patient/p1 o3: active, active',
  ]);
  // It has never been final: there is nothing to end, and nothing to begin.
  await judged(rig, reading('o4', 7, 2, { status: 'preliminary' }), reading('o4', 7, 2, { status: 'amended' }));
  assert.equal((await alertsOf(rig.db, 't')).length, 3);
  await assertSameDry(rig, server, 't');
});

const as = (code: string): JsonObject => ({ code: { coding: [{ system: 'http://x', code }] } });
const wasWrong = 'Patient/p1 : resolved, entered-in-error';
const stands = 'Patient/p1 : active, active';
const loinc = (code: string): JsonObject => ({ code: { coding: [{ system: 'http://loinc.org', code }] } });

test('a result whose code is corrected to one that no trigger names: of each kind of rule', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const onK = { title: 'K', trigger: [onCode('k')] };
  const change = ext('change', 'Quantity', quantity(2, 'mmol/L'));
  const steep = [ext('change-per-hour', 'Quantity', quantity(50, 'mmol/L')), ext('points', 'Integer', 3)];
  const above = holds('value.value > 6').expression!;
  const both = { title: 'Both', trigger: [onCode('k', { condition: above }), onCode('m')] };
  const previous = holds('%previous.empty() or true');
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [{ ...onK, extension: [high] }]),
    eventRule('key', 'threshold', [ext('key', 'String', 'id')], [{ ...onK, extension: [high], condition: [previous] }]),
    eventRule('subject', 'threshold', [ext('subject', 'String', 'performer')], [{ ...onK, extension: [high] }]),
    eventRule('d', 'delta', [minutes('window', 60)], [{ ...onK, extension: [change] }]),
    eventRule('tr', 'trend', [minutes('window', 60)], [{ ...onK, extension: steep }]),
    eventRule('c', 'combination', [minutes('window', 60)], [both]),
  );
  const performer = { performer: [{ reference: 'Patient/p2' }] };
  await judged(rig, reading('m', 1, 0, as('m')), reading('o1', 3, 1), reading('o2', 4, 2));
  await judged(rig, reading('o3', 7, 3, performer));
  const rules: [string, string][] = [
    ...['t', 'd', 'tr', 'c'].map((rule): [string, string] => [rule, 'Patient/p1 ']),
    ...([
      ['key', 'Patient/p1 o3'],
      ['subject', 'Patient/p2 '],
    ] as [string, string][]),
  ];
  for (const [rule, what] of rules) assert.deepEqual(await alertsAndFlags(rig, rule), [`${what}: active, active`]);
  await judged(rig, reading('o3', 7, 3, { ...performer, ...as('l') }));
  for (const [rule, what] of rules) {
    assert.deepEqual(await alertsAndFlags(rig, rule), [`${what}: resolved, entered-in-error`], rule);
  }
  const facts = `select 1 from alert_fact where resource = 'Observation/o3'`;
  assert.deepEqual(await rig.db.query({ text: facts }), []);
  // Nobody follows it any more.
  await judged(rig, reading('o3', 8, 3, { ...performer, ...as('n') }));
  const told = `select count(*)::int as told from delivery where id = 'o3' and subscriber = 'alert:t'`;
  assert.deepEqual(await rig.db.query({ text: told }), [{ told: 2 }]);
  // It was one after all.
  await judged(rig, reading('o3', 8, 3, performer));
  assert.deepEqual(await alertsAndFlags(rig, 't'), [wasWrong, stands]);
  assert.deepEqual(await alertsAndFlags(rig, 'd'), [wasWrong, stands]);
  for (const [rule] of rules) await assertSameDry(rig, server, rule);
});

test('a code that is corrected before the rule has judged the result, or while no server runs', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
  await judged(rig, reading('o1', 7, 1), reading('p', 7, 1, loinc('2823-3')));
  await server.stop();
  // What follows is dispatched in one go: nothing has been made of o2 when its code is corrected.
  await rig.store.put(reading('o1', 7, 1, as('l')));
  await rig.store.put(reading('p', 7, 1, loinc('3141-9')));
  await rig.store.put(reading('o2', 8, 2));
  await rig.store.put(reading('o2', 8, 2, as('l')));
  const again = await rig.start();
  await settled(rig);
  assert.deepEqual(await alertsAndFlags(rig, 't'), [wasWrong, wasWrong]);
  assert.deepEqual(await alertsAndFlags(rig, 'critical-laboratory-values'), [
    'Patient/p1 p: resolved, entered-in-error',
  ]);
  await assertSameDry(rig, again, 't');
});

test('a critical glucose that was a sodium: an error where the sodium is not critical, else told as what it is', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const [glucose, sodium] = [loinc('2345-7'), loinc('2951-2')];
  await judged(rig, reading('o1', 1.5, 1, glucose), reading('o2', 1.5, 1, glucose), reading('o3', 1.5, 1, glucose));
  await judged(rig, reading('o1', 140, 1, sodium), reading('o2', 110, 1, sodium), reading('o3', 5, 1, glucose));
  const rule = 'critical-laboratory-values';
  assert.deepEqual(await alertsAndFlags(rig, rule), [
    'Patient/p1 o1: resolved, entered-in-error',
    'Patient/p1 o2: active, active',
    'Patient/p1 o3: resolved, inactive',
  ]);
  const [, second] = await alertsOf(rig.db, rule);
  assert.deepEqual([second!.title, second!.tells], ['Critically low sodium', 2]);
});

test('what a trigger without codes no longer finds is over, and was no error', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const trigger = {
    type: 'data-changed',
    data: [{ type: 'Observation' }],
    extension: [ext('criteria', 'String', 'status=final')],
  };
  const tagged = {
    type: 'data-changed',
    data: [
      { type: 'Observation', codeFilter: [{ searchParam: '_tag', code: [{ system: 'http://x', code: 'ward' }] }] },
    ],
  };
  await inForce(
    rig,
    eventRule('final', 'threshold', [], [{ title: 'High', extension: [high], trigger: [trigger] }]),
    eventRule('tag', 'threshold', [], [{ title: 'High', extension: [high], trigger: [tagged] }]),
  );
  const tag = { meta: { tag: [{ system: 'http://x', code: 'ward' }] } };
  await judged(rig, reading('o1', 7, 1, tag));
  for (const rule of ['final', 'tag']) assert.deepEqual(await alertsAndFlags(rig, rule), [stands]);
  await judged(rig, reading('o1', 7, 1, { status: 'amended' }));
  for (const rule of ['final', 'tag']) {
    assert.deepEqual(await alertsAndFlags(rig, rule), ['Patient/p1 : resolved, inactive']);
    await assertSameDry(rig, server, rule);
  }
});
