// What time alone leads to, and a dry run of it against what really was raised.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { random, waitFor } from '#platform/testing';
import {
  eventRule,
  ext,
  holds,
  inForce,
  minutes,
  onCode,
  putAt,
  quantity,
  reading,
  settled,
} from '../testing/alert-rules.ts';
import { createRig } from '../testing/rig.ts';
import type { DryRun } from './dry-run.ts';

test('a dry run of an absence rule tells what really was missed, seeded', async (t) => {
  const rig = await createRig(t);
  const beginMs = Date.now() - 24 * 3_600_000;
  let nowMs = beginMs;
  const server = await rig.start({ clock: { now: () => nowMs } });
  const seen = onCode('k', { condition: { language: 'text/fhirpath', expression: 'value.value > 3' } });
  // Of 9 and more nobody waits any more when it is due; one of 3 and less ends the wait at once.
  const action = { title: 'No reading', trigger: [seen], condition: [holds('value.value < 9')] };
  const suppress = ext('suppress', 'String', 'value.value > 7');
  await inForce(rig, eventRule('a', 'absence', [minutes('window', 15), suppress], [action]));
  const at = (ms: number): JsonObject => ({ effectiveDateTime: new Date(ms).toISOString() });
  /** What is due by then has been told. */
  const until = async (ms: number) => {
    // Some seconds later it is certain. What is due lies half a minute beside the changes.
    nowMs = ms + 5_000;
    const text = 'select 1 from alert_watch where due_at <= to_timestamp($1::float8 / 1000)';
    await waitFor(async () => (await rig.db.query({ text }, [ms])).length === 0, 'what is due');
  };
  const below = random(23);
  let minute = 0;
  for (let i = 0; i < 60; i++) {
    minute += 1 + below(6);
    const ms = beginMs + minute * 60_000;
    await until(ms - 1);
    nowMs = ms;
    // Up to 19 minutes late: longer than what is waited for.
    const measuredMs = ms - below(2) * below(20) * 60_000 - 30_000;
    const more = { ...at(measuredMs), subject: { reference: `Patient/p${below(3)}` } };
    const status = below(12) === 0 ? 'entered-in-error' : 'final';
    await putAt(rig, reading(`o${below(50)}`, 2 + below(8), 0, { ...more, status }), ms);
    await settled(rig);
  }
  const endMs = beginMs + (minute + 60) * 60_000;
  await until(endMs - 1);
  nowMs = endMs;
  const query = new URLSearchParams({
    ...{ from: new Date(beginMs).toISOString(), to: new Date(endMs).toISOString(), wait: '20' },
  });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  const answer = await route.handle({ params: { id: 'a' }, query, body: Buffer.alloc(0) });
  const run = answer.body as DryRun;
  assert.deepEqual([run.state, run.errors, run.percent], ['done', 0, 100]);
  const text = `select raised_at, subject, episode, detail, status, tells, ended_at is not null as over from alert where rule = 'a'`;
  const rows = await rig.db.query<JsonObject & { raised_at: number }>({ text });
  assert.ok(rows.length > 8);
  assert.ok(rows.some(({ tells }) => tells === 0) && rows.some(({ over }) => over === true));
  const sorted = (all: (JsonObject | undefined)[]) => all.map((one) => JSON.stringify(one)).sort();
  assert.deepEqual(
    sorted(run.fired.map(({ at, subject, detail, silent }) => ({ at, subject, detail, silent: silent ?? 'none' }))),
    sorted(
      rows.map(({ raised_at, subject, detail, tells }) => ({
        ...{ at: new Date(raised_at).toISOString(), subject, detail },
        silent: tells === 0 ? 'suppressed' : 'none',
      })),
    ),
  );
  assert.equal(run.resolved, rows.filter(({ over }) => over === true).length);
});

test('a reading that is stored after its time does not hide that it was missed, also when nobody has looked yet', async (t) => {
  const rig = await createRig(t);
  const beginMs = Date.now() - 3_600_000;
  // The clock stands still before anything is due: only the next change can tell.
  await rig.start({ clock: { now: () => beginMs } });
  const action = {
    title: 'No reading',
    priority: 'asap',
    trigger: [onCode('k')],
    condition: [holds('value.value < 9')],
  };
  await inForce(rig, eventRule('a', 'absence', [minutes('window', 15)], [action]));
  const stored = async (id: string, value: number, minute: number, measured = minute) => {
    const effectiveDateTime = new Date(beginMs + measured * 60_000).toISOString();
    await putAt(rig, reading(id, value, 0, { effectiveDateTime }), beginMs + minute * 60_000);
    await settled(rig);
  };
  const alerts = async () => {
    const text = `select status, (extract(epoch from raised_at) * 1000)::float8 as raised,
      (extract(epoch from ended_at) * 1000)::float8 as ended from alert where rule = 'a' order by episode`;
    const rows = await rig.db.query<{ status: string; raised: number; ended: number | null }>({ text });
    const minutesOf = (ms: number | null) => ms && Math.round((ms - beginMs) / 60_000);
    return rows.map(({ status, raised, ended }) => [status, minutesOf(raised), minutesOf(ended)]);
  };
  await stored('o1', 4, 0);
  await stored('o2', 4, 14);
  assert.deepEqual(await alerts(), []);
  // Measured in time and stored too late: 14 + 15.
  await stored('o3', 4, 31, 28);
  assert.deepEqual(await alerts(), [['resolved', 29, 31]]);
  // Too old to wait for the next one, and the time of that before is over.
  await stored('o4', 4, 60, 40);
  const two = [
    ['resolved', 29, 31],
    ['active', 43, null],
  ];
  assert.deepEqual(await alerts(), two);
  await stored('o5', 9, 61);
  two[1] = ['resolved', 43, 61];
  assert.deepEqual(await alerts(), two);
  // After one of 9 nobody waits.
  await stored('o6', 4, 90);
  assert.deepEqual(await alerts(), two);
});

test('a dry run takes a patient who was deleted or merged since for one who was there then', async (t) => {
  const rig = await createRig(t);
  const beginMs = Date.now() - 3_600_000;
  let nowMs = beginMs;
  const server = await rig.start({ clock: { now: () => nowMs } });
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await inForce(
    rig,
    eventRule('a', 'absence', [minutes('window', 15)], [{ title: 'No reading', trigger: [onCode('k')] }]),
    eventRule('h', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]),
  );
  const at = (minute: number) => beginMs + minute * 60_000;
  const measured = (id: string, patient: string, value: number, minute: number) => {
    const effectiveDateTime = new Date(at(minute)).toISOString();
    const more = { effectiveDateTime, subject: { reference: `Patient/${patient}` } };
    return putAt(rig, reading(id, value, 0, more), at(minute));
  };
  for (const id of ['p1', 'p2', 'p3']) {
    await putAt(rig, { resourceType: 'Patient', id }, beginMs);
    await measured(`low-${id}`, id, 5, 1);
    await measured(`high-${id}`, id, 7, 2);
    await measured(`end-${id}`, id, 4, 3);
  }
  await settled(rig);
  // The value that ended it is withdrawn: the one before stands again.
  for (const id of ['p1', 'p2', 'p3']) {
    const more = { status: 'entered-in-error', subject: { reference: `Patient/${id}` } };
    await putAt(rig, reading(`end-${id}`, 4, 0, { ...more, effectiveDateTime: new Date(at(3)).toISOString() }), at(4));
  }
  await settled(rig);
  nowMs = at(30);
  const due = 'select 1 from alert_watch where due_at is not null';
  await waitFor(async () => (await rig.db.query({ text: due })).length === 0, 'what is due');
  await putAt(
    rig,
    {
      resourceType: 'Patient',
      id: 'p2',
      active: false,
      link: [{ other: { reference: 'Patient/q' }, type: 'replaced-by' }],
    },
    at(31),
  );
  await rig.store.remove('Patient', 'p1');
  await settled(rig);
  nowMs = Date.now() + 60_000;
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  const query = new URLSearchParams({
    ...{ from: new Date(beginMs).toISOString(), to: new Date(nowMs).toISOString(), wait: '20' },
  });
  for (const id of ['a', 'h']) {
    const run = (await route.handle({ params: { id }, query, body: Buffer.alloc(0) })).body as DryRun;
    assert.deepEqual([run.state, run.errors], ['done', 0]);
    const text = `select subject, detail, status from alert where rule = $1 order by subject, episode`;
    const rows = await rig.db.query<{ subject: string; detail: string; status: string }>({ text }, [id]);
    assert.deepEqual(
      rows.map(({ subject, status }) => `${subject} ${status}`),
      id === 'a'
        ? ['Patient/p1 resolved', 'Patient/p2 active', 'Patient/p3 active']
        : ['1 resolved', '1 resolved', '2 resolved', '2 active', '3 resolved', '3 active'].map(
            (one) => `Patient/p${one}`,
          ),
    );
    assert.deepEqual(
      run.fired.map(({ subject, detail }) => `${subject} ${detail}`).sort(),
      rows.map(({ subject, detail }) => `${subject} ${detail}`).sort(),
    );
    assert.equal(run.resolved, rows.filter(({ status }) => status === 'resolved').length);
  }
});
