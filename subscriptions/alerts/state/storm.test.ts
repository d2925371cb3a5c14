// A storm's alert stands for others: none of those may be left that nobody is told of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import type { Statement } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { chainOf } from '../../escalation/testing/rig.ts';
import {
  alertsOf,
  eventRule,
  ext,
  inForce,
  judged,
  onCode,
  putAt,
  quantity,
  reading,
  settled,
  tasksOf,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig, type Server } from '../../testing/rig.ts';
import type { Found } from '../rules/happening.ts';
import { createTimers, type TimerOptions } from '../timers.ts';
import { createAlerts, foldSteps } from './alerts.ts';
import type { AlertRow } from './row.ts';

const storm = {
  url: 'urn:cerebra:alert:storm',
  extension: [
    { url: 'count', valueInteger: 2 },
    { url: 'window', valueDuration: quantity(10, 'min') },
  ],
};
const level = (title: string, priority: string, limit: number, code: string) => ({
  ...{ title, priority, extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))], trigger: [onCode(code)] },
});
const ruleOn = (id: string, more: JsonObject[] = [], code = id) =>
  eventRule(
    id,
    'threshold',
    [storm, ...more],
    [level('Very high', 'stat', 9, code), level('High', 'routine', 6, code)],
  );

const valueAt = (code: string, patient: number, value: number, minute = 1) =>
  reading(`${code}${patient}`, value, minute, {
    ...{ subject: { reference: `Patient/p${patient}` }, code: { coding: [{ system: 'http://x', code }] } },
  });

async function stormOf({ db }: Rig, rule: string) {
  const { status, severity, title, tells } = (await alertsOf(db, rule)).findLast(({ key }) => key === 'storm')!;
  return { status, severity, title, tells };
}

async function acknowledge(rig: Rig, server: Server, rule: string): Promise<void> {
  const text = `select id from alert where rule = $1 and status = 'active' order by key desc`;
  for (const { id } of await rig.db.query<{ id: string }>({ text }, [rule])) {
    const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/acknowledge')!;
    const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a' } satisfies JsonObject));
    // Those of a storm are acknowledged with it.
    await route.handle({ params: { id }, query: new URLSearchParams(), body }).catch(() => {});
  }
}

test('a storm that nobody has acknowledged goes on while what it stands for does', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await inForce(rig, ruleOn('t'), ruleOn('u'));
  for (const code of ['t', 'u']) await judged(rig, ...[1, 2, 3, 4].map((patient) => valueAt(code, patient, 7)));
  await acknowledge(rig, server, 'u');
  aheadMs = 11 * 60_000;
  const isOver = async (rule: string) => (await stormOf(rig, rule)).status === 'resolved';
  // Both are looked at in one go, the one that stands first.
  await waitFor(() => isOver('u'), 'the end of the storm that was acknowledged');
  assert.equal((await stormOf(rig, 't')).status, 'active');
  await judged(rig, valueAt('t', 3, 5, 2), valueAt('t', 4, 5, 2));
  aheadMs = 22 * 60_000;
  await waitFor(() => isOver('t'), 'the end of the storm of which nothing stands');
});

test('what joins a storm after it was acknowledged is told', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, ruleOn('t'));
  await judged(rig, ...[1, 2, 3].map((patient) => valueAt('t', patient, 7)));
  await acknowledge(rig, server, 't');
  const many = { severity: 'low', title: 'Many alerts: High' };
  assert.deepEqual(await stormOf(rig, 't'), { status: 'acknowledged', ...many, tells: 1 });
  await judged(rig, valueAt('t', 4, 7, 0));
  assert.deepEqual(await stormOf(rig, 't'), { status: 'active', ...many, tells: 2 });
  await judged(rig, valueAt('t', 5, 7));
  assert.deepEqual(await stormOf(rig, 't'), { status: 'active', ...many, tells: 2 });
});

test('what joins a storm late changes its alert, too: who acknowledges or closes that at the moment looks again', () => {
  const policy = { detectedIssue: false, storm: { count: 1, windowMs: 600_000 } };
  const rows = new Map<string, AlertRow>();
  const raised: number[] = [];
  const joined = (patient: number, atMs: number) => {
    const found: Found = {
      ...{
        rule: 't',
        subject: `Patient/p${patient}`,
        key: '',
        state: 'raised',
        severity: 'low',
        title: 'High',
        detail: '',
      },
      ...{ evidence: [`Observation/o${patient}`], source: `Observation/o${patient}`, atMs, instantMs: 60_000 },
    };
    return foldSteps(rows, policy, raised, [found]).map(({ kind, row }) => [kind, row.key, row.atMs]);
  };
  assert.deepEqual(joined(1, 5_000), [['raise', '', 5_000]]);
  const raisedBoth = (atMs: number) => [
    ['raise', '', atMs],
    ['raise', 'storm', atMs],
  ];
  assert.deepEqual(joined(2, 6_000), raisedBoth(6_000));
  assert.deepEqual(joined(3, 1_000), [
    ['raise', '', 1_000],
    ['follow', 'storm', 6_000],
  ]);
});

test('a storm that something joins while its end is decided goes on', async (t) => {
  const { db, store } = await createRig(t);
  await db.query({
    text: `insert into alert (id, rule, subject, key, episode, status, severity, title, detail, evidence, at, raised_at, revision)
      values ('s', 't', '', 'storm', 1, 'acknowledged', 'low', 'Many alerts', '', '{}', now(),
        now() - interval '1 hour', 1)`,
  });
  const joined = { text: `update alert set status = 'active', revision = revision + 1 where id = 's'` };
  let late: (() => Promise<unknown>) | undefined = () => db.query(joined);
  const query = async (statement: Statement, values?: unknown[]) => {
    const rows = await db.query(statement, values);
    if (statement.name !== 'alert_open_storms') return rows;
    await late?.();
    late = undefined;
    return rows;
  };
  let nowMs = Date.now();
  const shared = { reader: store.reader, scope: { kind: 'everything' } as const, clock: { now: () => nowMs } };
  const rule = { detectedIssue: false, storm: { count: 2, windowMs: 600_000 } };
  const alerts = createAlerts({ ...shared, db, writer: store.writer, policyOf: async () => rule });
  const timers = createTimers({
    ...{ ...shared, alerts, db: { ...db, query }, feed: store.feed, log: testLog(), caughtUpMs: () => undefined },
    rules: { all: async () => [], inForce: async () => ({ rule }) },
  } as unknown as TimerOptions);
  const status = async () => (await alerts.read('s'))?.status;
  await timers.run();
  assert.equal(await status(), 'active');
  nowMs += 60_000;
  await timers.run();
  assert.equal(await status(), 'resolved');
});

test('what joins a storm while that is acknowledged calls nobody any more either', async (t) => {
  const { db, store } = await createRig(t);
  await db.query({
    text: `insert into alert (id, rule, subject, key, episode, status, severity, title, detail, evidence, at, raised_at, revision, tells)
      values ('s', 't', '', 'storm', 1, 'active', 'low', 'Many alerts', '', '{}', now(), now(), 1, 1),
        ('m', 't', 'Patient/p1', '', 1, 'active', 'low', 'High', '', '{}', now(), now(), 1, 1)`,
  });
  const joined = { text: `update alert set group_id = case id when 'm' then 's' end, revision = revision + 1` };
  let late: (() => Promise<unknown>) | undefined = () => db.query(joined);
  const query = async (statement: Statement, values?: unknown[]) => {
    const rows = await db.query(statement, values);
    if (statement.name !== 'alert_told_in_group') return rows;
    await late?.();
    late = undefined;
    return rows;
  };
  const ended: string[] = [];
  const end = async (_tx: unknown, id: string) => void ended.push(id);
  const alerts = createAlerts({
    ...{
      reader: store.reader,
      scope: { kind: 'everything' } as const,
      clock: { now: () => Date.now() },
      writer: store.writer,
    },
    ...{ db: { ...db, query } as typeof db, policyOf: async () => ({ detectedIssue: false }) },
    escalation: { begin: async () => {}, awaitWorse: async () => {}, end },
  });
  assert.equal(await alerts.acknowledge('s', 'Practitioner/a'), true);
  assert.deepEqual(ended, ['m', 's']);
});

test('a storm is not closed over what nobody has acknowledged and nobody else is told of', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, ruleOn('t'));
  await judged(rig, ...[1, 2, 3].map((patient) => valueAt('t', patient, 7)));
  const [row] = await rig.db.query<{ id: string }>({ text: `select id from alert where rule = 't' and key = 'storm'` });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/close')!;
  const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a' }));
  const close = () => route.handle({ params: { id: row!.id }, query: new URLSearchParams(), body });
  const message = /^It can not be closed: it stands for alerts that nobody has acknowledged, .* Acknowledge it/;
  await assert.rejects(async () => close(), { code: 'business-rule', message });
  assert.equal((await stormOf(rig, 't')).status, 'active');
  await acknowledge(rig, server, 't');
  // One got worse in quiet hours since, and is told when they end: the storm can't be acknowledged for it once more.
  const waits = `update alert set status = 'active', notify_at = now() + interval '1 hour'
    where id = (select min(id) from alert where group_id = $1)`;
  await rig.db.query({ text: waits }, [row!.id]);
  await close();
  assert.equal((await stormOf(rig, 't')).status, 'resolved');
});

test('a storm is as severe as the worst that it stands for, also when they come at once', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, ruleOn('t'));
  await server.stop();
  for (const [patient, value] of [7, 7, 7, 10, 7].entries()) await rig.store.put(valueAt('t', patient, value));
  await rig.start();
  await judged(rig);
  const worst = { status: 'active', severity: 'critical', title: 'Many alerts: Very high', tells: 1 };
  assert.deepEqual(await stormOf(rig, 't'), worst);
  await judged(rig, valueAt('t', 6, 7));
  assert.deepEqual(await stormOf(rig, 't'), worst);
});

test('a storm calls the care teams of those whom it stands for', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const step = {
    title: 'Team',
    timingDuration: { value: 600, code: 's', system: 'http://unitsofmeasure.org' },
    extension: [
      { url: 'urn:cerebra:escalation-who', valueCode: 'patient-care-team' },
      { url: 'urn:cerebra:escalation-channel', valueCode: 'websocket' },
    ],
  };
  await rig.store.put({ ...chainOf([]), action: [step] } as Parameters<typeof rig.store.put>[0]);
  for (const patient of [1, 2, 3, 4]) {
    const id = `n${patient}`;
    await rig.store.put({ resourceType: 'Practitioner', id });
    const participant = [{ member: { reference: `Practitioner/${id}` } }];
    const about = { status: 'active', subject: { reference: `Patient/p${patient}` }, participant };
    await rig.store.put({ resourceType: 'CareTeam', id: `team${patient}`, ...about } as Parameters<
      typeof rig.store.put
    >[0]);
  }
  await inForce(rig, ruleOn('t', [ext('escalation', 'String', 'chain')]));
  await server.stop();
  for (const patient of [1, 2, 3, 4]) await rig.store.put(valueAt('t', patient, 7));
  await rig.start();
  const text = `select m.recipient from escalation_message m join alert a on a.id = m.alert and a.rule = 't' and a.key = 'storm'
    order by m.recipient`;
  const told = await waitFor(async () => {
    const rows = await rig.db.query<{ recipient: string }>({ text });
    return rows.length > 0 && rows.map(({ recipient }) => recipient);
  }, 'messages of the storm');
  assert.deepEqual(told, ['Practitioner/n3', 'Practitioner/n4']);
});

test('who acknowledges a storm acknowledges those, too, that were told before they joined it', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const who = { who: ['Practitioner/a'], channels: ['websocket'] };
  await rig.store.put(chainOf([who]) as Parameters<typeof rig.store.put>[0]);
  await inForce(
    rig,
    ruleOn('t', [ext('escalation', 'String', 'chain'), ext('acknowledge-within', 'Duration', quantity(5, 'min'))]),
  );
  // The first two are told by themselves; the first gets worse while there is a storm.
  await judged(rig, ...[1, 2, 3].map((patient) => valueAt('t', patient, 7)), valueAt('t', 1, 10, 2));
  const states = async () => {
    const text = `select a.subject, a.status, e.state from alert a left join escalation e on e.alert = a.id
      where a.rule = 't' order by a.subject`;
    const rows = await rig.db.query<{ subject: string; status: string; state: string | null }>({ text });
    return rows.map(({ subject, status, state }) => `${subject.slice(8)} ${status} ${state}`);
  };
  assert.deepEqual(await states(), [' active open', 'p1 active open', 'p2 active open', 'p3 active null']);
  const text = `select id from alert where rule = 't' and key = 'storm'`;
  const [storm] = await rig.db.query<{ id: string }>({ text });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/acknowledge')!;
  const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a' }));
  await route.handle({ params: { id: storm!.id }, query: new URLSearchParams(), body });
  assert.deepEqual(await states(), [
    ' acknowledged acknowledged',
    'p1 acknowledged acknowledged',
    'p2 active open',
    'p3 acknowledged null',
  ]);
  const open = (await tasksOf(rig)).filter(({ status }) => status === 'requested');
  assert.deepEqual(
    open.map((task) => (task.for as JsonObject).reference),
    ['Patient/p2'],
  );
});

test('the Task of an alert that joins a storm ends with it; one that leaves the storm has a Task of its own', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, ruleOn('t', [ext('acknowledge-within', 'Duration', quantity(5, 'min'))]));
  await judged(rig, ...[1, 2, 3].map((patient) => valueAt('t', patient, 7)), valueAt('t', 1, 10, 2));
  const tasks = async () =>
    (await tasksOf(rig)).map((task) => `${(task.for as JsonObject | undefined)?.reference} ${task.status}`).sort();
  const before = ['Patient/p1 requested', 'Patient/p2 requested', 'undefined requested'];
  assert.deepEqual(await tasks(), before);
  await judged(rig, valueAt('t', 1, 5, 3));
  assert.deepEqual(await tasks(), ['Patient/p1 cancelled', ...before.slice(1)]);
  // So much later that there is no storm any more.
  await putAt(rig, valueAt('t', 3, 10, 4), Date.now() + 20 * 60_000);
  await settled(rig);
  assert.deepEqual(await tasks(), ['Patient/p1 cancelled', before[1], 'Patient/p3 requested', before[2]]);
});

test('what was suppressed long ago and is so no more joins the storm, and is raised then', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const more = [
    ext('suppress', 'String', "note.text = 'theatre'"),
    ext('acknowledge-within', 'Duration', quantity(5, 'min')),
    ext('detected-issue', 'Boolean', true),
  ];
  await inForce(rig, ruleOn('t', more));
  const patients = [1, 2, 3, 4];
  const nowMs = Date.now();
  const silent = { note: [{ text: 'theatre' }] };
  for (const patient of patients) await putAt(rig, { ...valueAt('t', patient, 7), ...silent }, nowMs - 20 * 60_000);
  await settled(rig);
  assert.equal((await rig.store.list('DetectedIssue')).length, 0);
  for (const patient of patients) await putAt(rig, { ...valueAt('t', patient, 7, 2), id: `after${patient}` }, nowMs);
  await settled(rig);
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ subject, key, tells }) => [subject, key, tells]),
    [
      ['', 'storm', 1],
      ['Patient/p1', '', 1],
      ['Patient/p2', '', 1],
      ['Patient/p3', '', 0],
      ['Patient/p4', '', 0],
    ],
  );
  const due = new Date(nowMs + 5 * 60_000).toISOString();
  assert.deepEqual(
    (await tasksOf(rig)).map(({ restriction }) => (restriction as { period: JsonObject }).period.end),
    [due, due, due],
  );
  assert.equal((await rig.store.list('DetectedIssue')).length, 4);
});

test('what was suppressed until it was over makes no storm; what is suppressed keeps none open', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await inForce(rig, ruleOn('t', [ext('suppress', 'String', "note.text = 'theatre'")]));
  const silent = { note: [{ text: 'theatre' }] };
  const patients = [1, 2, 3];
  await judged(rig, ...patients.map((patient) => ({ ...valueAt('t', patient, 7), ...silent })));
  await judged(rig, ...patients.map((patient) => ({ ...valueAt('t', patient, 5, 2), id: `after${patient}` })));
  await judged(rig, valueAt('t', 4, 7), valueAt('t', 5, 7));
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ subject, status, tells }) => [subject, status, tells]),
    [
      ['Patient/p1', 'resolved', 0],
      ['Patient/p2', 'resolved', 0],
      ['Patient/p3', 'resolved', 0],
      ['Patient/p4', 'active', 1],
      ['Patient/p5', 'active', 1],
    ],
  );
  await judged(rig, valueAt('t', 6, 7));
  await acknowledge(rig, server, 't');
  assert.equal((await stormOf(rig, 't')).status, 'acknowledged');
  await putAt(rig, { ...valueAt('t', 7, 7), ...silent }, Date.now() + 11 * 60_000);
  await settled(rig);
  assert.equal((await alertsOf(rig.db, 't')).at(-1)!.status, 'suppressed');
  aheadMs = 12 * 60_000;
  await waitFor(async () => (await stormOf(rig, 't')).status === 'resolved', 'the end of the storm');
});
