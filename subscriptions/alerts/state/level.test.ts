// An alert whose level changes while it stands: what its Flag, Communications and Task say of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import {
  eventRule,
  ext,
  inForce,
  judged,
  onCode,
  putAt,
  quantity,
  reading,
  tasksOf,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';

const level = (title: string, priority: string, limit: number): JsonObject => ({
  ...{ title, priority, trigger: [onCode('k')] },
  extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
});

async function seen(rig: Rig) {
  const [flag, ...others] = (await rig.store.list('Flag')) as Resource[];
  assert.deepEqual(others, []);
  const told = ((await rig.store.list('Communication')) as Resource[])
    .map(({ status, priority, sent }) => [status, priority, sent] as const)
    .sort((a, b) => (String(a[2]) < String(b[2]) ? -1 : 1));
  const [task] = await tasksOf(rig);
  const { start } = flag!.period as JsonObject;
  const due = ((task!.restriction as JsonObject).period as JsonObject).end;
  return {
    flag: [flag!.status, (flag!.code as JsonObject).text],
    told,
    task: [task!.status, task!.priority, task!.description],
    // From the last telling on.
    withinMinutes: (Date.parse(String(due)) - Date.parse(String(told.at(-1)![2]))) / 60_000,
    start: String(start),
  };
}

test('a level that rises is told at its time and replaces what was told; one that falls changes the Flag alone', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, eventRule('l', 'threshold', [], [level('High', 'asap', 6), level('Very high', 'stat', 7)]));
  const updatedOf = (id: string) =>
    rig.db
      .query<{ at: number }>({ text: `select max(updated) as at from test_version where id = $1` }, [id])
      .then(([row]) => new Date(row!.at).toISOString());

  await judged(rig, reading('o1', 6.5, 1));
  const first = await seen(rig);
  assert.equal(first.start, await updatedOf('o1'));
  assert.deepEqual(first.flag, ['active', 'High']);
  assert.deepEqual(first.told, [['in-progress', 'asap', first.start]]);
  assert.deepEqual([first.task, first.withinMinutes], [['requested', 'asap', 'High'], 30]);

  await judged(rig, reading('o2', 7.5, 2));
  const risen = await seen(rig);
  assert.deepEqual(risen.flag, ['active', 'Very high']);
  const told = [
    ['completed', 'asap', first.start],
    ['in-progress', 'stat', await updatedOf('o2')],
  ];
  assert.deepEqual(risen.told, told);
  assert.deepEqual([risen.task, risen.withinMinutes], [['requested', 'stat', 'Very high'], 10]);

  await judged(rig, reading('o3', 6.5, 3));
  const fallen = await seen(rig);
  assert.deepEqual(fallen.flag, ['active', 'High']);
  assert.deepEqual([fallen.told, fallen.task], [told, risen.task]);

  // A person closes the Flag: that it falls once more does not open it again.
  await judged(rig, reading('o4', 7.5, 4));
  const [flag] = (await rig.store.list('Flag')) as (Resource & { id: string })[];
  await judged(rig, { ...flag!, status: 'inactive' });
  await judged(rig, reading('o5', 6.5, 5));
  assert.deepEqual((await seen(rig)).flag, ['inactive', 'Very high']);

  await judged(rig, reading('o6', 4, 6));
  assert.deepEqual(
    (await seen(rig)).told.map(([status]) => status),
    ['completed', 'completed', 'completed'],
  );
});

test('who is told late or anew has as long to acknowledge it', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await inForce(rig, eventRule('l', 'threshold', [], [level('High', 'asap', 6), level('Very high', 'stat', 7)]));
  await putAt(rig, reading('o1', 6.5, 1), Date.now() - 50 * 60_000);
  await judged(rig, reading('o2', 7.5, 2));
  // It was raised 50 minutes ago.
  const risen = await seen(rig);
  assert.deepEqual([risen.told.length, risen.task[0], risen.withinMinutes], [2, 'requested', 10]);
  const [row] = await rig.db.query<{ id: string }>({ text: 'select id from alert' });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/snooze')!;
  const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a', minutes: 30 }));
  await route.handle({ params: { id: row!.id }, query: new URLSearchParams(), body });
  aheadMs = 31 * 60_000;
  await waitFor(async () => (await seen(rig)).told.length === 3, 'the telling after the snooze');
  assert.equal((await seen(rig)).withinMinutes, 10);
});

test('a reading that is moved in time counts from there on', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, eventRule('m', 'threshold', [], [level('High', 'asap', 6)]));
  await judged(rig, reading('o1', 6.5, 10));
  await judged(rig, reading('o1', 6.5, 2, { status: 'corrected' }));
  await judged(rig, reading('o2', 4, 5));
  const [flag] = (await rig.store.list('Flag')) as Resource[];
  assert.equal(flag!.status, 'inactive');
});

test('a level with a re-arm limit holds until that: values around its limit are told once', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const high = level('Very high', 'stat', 8);
  const rearm = ext('rearm-high', 'Quantity', quantity(7.5, 'mmol/L'));
  const very = { ...high, extension: [...(high.extension as JsonObject[]), rearm] };
  await inForce(rig, eventRule('l', 'threshold', [], [level('High', 'asap', 6), very]));
  const flags: unknown[] = [];
  for (const [minute, value] of [8.1, 7.9, 8.2, 7.8, 8.3, 7.4, 7.9, 8.1].entries()) {
    await judged(rig, reading(`o${minute}`, value, minute));
    flags.push((await seen(rig)).flag[1]);
  }
  const [very5, high2] = [Array<string>(5).fill('Very high'), Array<string>(2).fill('High')];
  assert.deepEqual(flags, [...very5, ...high2, 'Very high']);
  assert.equal((await seen(rig)).told.length, 2);
});

test('the Task of an alert that fell to a level of which nobody is asked is done with it', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, eventRule('l', 'threshold', [], [level('High', 'routine', 6), level('Very high', 'stat', 9)]));
  const subject = (patient: number) => ({ subject: { reference: `Patient/p${patient}` } });
  for (const patient of [1, 2]) {
    const values = [10, 7].map((value, at) => reading(`o${patient}${at}`, value, at, subject(patient)));
    await judged(rig, ...values);
  }
  await judged(
    rig,
    reading('low', 7, 1, subject(3)),
    reading('o13', 5, 3, subject(1)),
    reading('low2', 5, 3, subject(3)),
  );
  const [flag] = ((await rig.store.list('Flag')) as (Resource & { id: string })[]).filter(
    ({ subject }) => (subject as JsonObject).reference === 'Patient/p2',
  );
  await judged(rig, { ...flag!, status: 'inactive' });
  const tasks = (await tasksOf(rig)).map((task) => `${(task.for as JsonObject).reference} ${task.status}`);
  assert.deepEqual(tasks.sort(), ['Patient/p1 cancelled', 'Patient/p2 completed']);
});

test('a level without a code is not told by the code of another', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const coded = { ...level('High', 'asap', 6), code: [{ coding: [{ system: 'http://x', code: 'high' }] }] };
  await inForce(rig, eventRule('l', 'threshold', [], [coded, level('Very high', 'stat', 9)]));
  const codes: unknown[] = [];
  for (const [minute, value] of [7, 10, 7].entries()) {
    await judged(rig, reading(`o${minute}`, value, minute));
    const [flag] = (await rig.store.list('Flag')) as Resource[];
    const { coding, text } = flag!.code as { coding?: JsonObject[]; text: string };
    codes.push([text, coding?.map(({ code }) => code)]);
  }
  assert.deepEqual(codes, [
    ['High', ['high']],
    ['Very high', undefined],
    ['High', ['high']],
  ]);
});

test('a Task that is made when quiet hours end is of then; what changes or ends it is never before that', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  const at = (shift: number) => new Date(Date.now() + shift * 60_000).toISOString().slice(11, 17).concat('00');
  const quiet = {
    url: 'urn:cerebra:alert:quiet-hours',
    extension: [
      { url: 'from', valueTime: at(-2) },
      { url: 'to', valueTime: at(60) },
    ],
  };
  await inForce(rig, eventRule('l', 'threshold', [quiet], [level('High', 'asap', 6), level('Very high', 'stat', 9)]));
  await judged(rig, reading('o1', 7, 1));
  assert.deepEqual(await tasksOf(rig), []);
  aheadMs = 61 * 60_000;
  await waitFor(async () => (await tasksOf(rig)).length === 1, 'the Task after quiet hours');
  const { sent } = ((await rig.store.list('Communication')) as JsonObject[])[0]!;
  const made = (await tasksOf(rig))[0]!;
  assert.deepEqual([made.authoredOn, made.lastModified], [sent, sent]);
  const { start } = ((await rig.store.list('Flag')) as JsonObject[])[0]!.period as JsonObject;
  assert.ok(Date.parse(String(sent)) - Date.parse(String(start)) > 50 * 60_000);
  // By the time of the change, an hour before.
  await judged(rig, reading('o2', 10, 2));
  const changed = (await tasksOf(rig))[0]!;
  assert.deepEqual([changed.priority, changed.authoredOn, changed.lastModified], ['stat', sent, sent]);
  await judged(rig, reading('o3', 4, 3));
  const ended = (await tasksOf(rig))[0]!;
  assert.deepEqual([ended.status, ended.authoredOn, ended.lastModified], ['cancelled', sent, sent]);
});
