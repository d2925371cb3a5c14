// Faults: servers are killed and compete, the queue is lost. https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { connectDb, type JobOptions, type Jobs } from '#platform';
import { startPagerDuty, startSlack, testConnection, testLog, waitFor } from '#platform/testing';
import { createTestStore } from '../testing/store.ts';
import { claimMessages, markDropped, markFailed, markRetried, markSent, planMessages, putBack } from './messages.ts';
import { beginEscalation, beginStep, claimEscalations, endEscalation } from './state.ts';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  pagerAt,
  passTime,
  settled,
  slackAt,
  tellsEnd,
  testLimits,
} from './testing/rig.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');
const alerts = 12;

test('a server that is killed again and again between sending and recording: everybody is told, under the same key', async (t) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 5, log: testLog() });
  const store = await createTestStore(db);
  const pager = await startPagerDuty(t);
  await store.put(chainOf([{ channels: ['pager'] }, { channels: ['pager'] }]));
  let server: ChildProcess;
  const start = (): void => {
    const args = [child, JSON.stringify(connection), pager.url];
    server = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  start();
  // The request has been read when the server is killed: it was sent, and nobody has written it down.
  let killed = 0;
  const received = pager.received.push.bind(pager.received);
  pager.received.push = (...requests) => {
    const length = received(...requests);
    if (killed < 4 && length % 3 === 0) {
      killed++;
      server.kill('SIGKILL');
      start();
    }
    return length;
  };
  try {
    for (let i = 1; i <= alerts; i++) {
      await db.tx((tx) => beginEscalation(tx, alertOf(`a${i}`), ['pager']));
    }
    const sent = `select count(*)::int as count from escalation_message where state = 'sent'`;
    const countSent = async () => (await db.query<{ count: number }>({ text: sent }))[0]!.count;
    await waitFor(async () => (await countSent()) === alerts, 'the first step of each alert');
    for (let i = 1; i <= alerts; i++) await passTime(db, `a${i}`);
    await waitFor(async () => (await countSent()) === 2 * alerts, 'the second step of each alert');
  } finally {
    server!.kill('SIGKILL');
  }
  assert.equal(killed, 4);
  assert.ok(pager.received.length > 2 * alerts, 'what was not recorded was sent again');
  assert.deepEqual(
    [...pager.incidents.keys()].sort(),
    Array.from({ length: alerts }, (_, i) => `cerebra/a${i + 1}/1`).sort(),
  );
  const steps = await db.query({
    text: 'select alert, array_agg(number order by number) as numbers from escalation_step group by alert',
  });
  assert.equal(steps.length, alerts);
  for (const { numbers } of steps as { numbers: number[] }[]) assert.deepEqual(numbers, [1, 2]);
  assert.equal((await store.list('Communication')).length, 2 * alerts);
  const events = await store.list('AuditEvent');
  assert.equal(events.length, 2 * alerts);
  const text = `select count(*)::int as versions from test_version where type = 'AuditEvent'`;
  assert.deepEqual(await db.query({ text }), [{ versions: 2 * alerts }], 'each once');
  await db.close();
});

test('two servers on one database: each step once, each message once', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const endpoints = [pagerAt(pager)];
  const limits = { pollMs: 1, stepLeaseMs: 30_000 };
  const [one, two] = [await rig.start({ endpoints, limits }), await rig.start({ endpoints, limits })];
  const ids = Array.from({ length: 40 }, (_, index) => `a${index}`);
  await Promise.all(ids.map((id, index) => (index % 2 ? one : two).raise(alertOf(id))));
  for (const id of ids) await settled(one, id, { pager: 'sent' });
  assert.deepEqual(pager.taken.map(({ dedup_key }) => dedup_key).sort(), ids.map((id) => `cerebra/${id}/1`).sort());
  await Promise.all(ids.map((id) => two.finish(id, 'cleared')));
  for (const id of ids) await settled(two, id, { 'pager cleared': 'sent' });
  assert.ok([...pager.incidents.values()].every((state) => state === 'resolved'));
  assert.equal(pager.taken.length, 2 * ids.length);
});

test('one that slept through its lease changes nothing any more', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const endpoints = [pagerAt(pager)];
  const server = await rig.start({ endpoints });
  await server.stop();
  await server.raise(alertOf('a1'));
  const [sleeper] = await claimEscalations(rig.db, 1, 0);
  const [waker] = await claimEscalations(rig.db, 1, 60_000);
  assert.deepEqual([sleeper!.alert, waker!.alert], ['a1', 'a1']);
  const step = { waitMs: 1_000, title: 'x', note: null };
  assert.equal(await rig.db.tx((tx) => beginStep(tx, sleeper!, step)), false);
  assert.equal(await rig.db.tx((tx) => beginStep(tx, waker!, step)), true);
  assert.equal(await rig.db.tx((tx) => beginStep(tx, { ...waker!, token: waker!.token + 1n }, step)), false);
  const planned = { channel: 'pager', recipient: '', address: '', place: 0, state: 'waiting' } as const;
  const of = { alert: 'a1', run: 1, number: 1, detail: false, tryMs: 60_000 };
  await rig.db.tx((tx) => planMessages(tx, of, [planned]));
  const [slept] = await claimMessages(rig.db, 1, 0, []);
  const [woke] = await claimMessages(rig.db, 1, 60_000, []);
  assert.deepEqual([slept!.id, slept!.attempts, woke!.attempts], [woke!.id, 1, 2]);
  const done = [markSent, putBack, markDropped].map((mark) => mark(rig.db, slept!));
  assert.deepEqual(await Promise.all([...done, markFailed(rig.db, slept!, 'x'), markRetried(rig.db, slept!, 'x', 0)]), [
    ...[false, false, false, false, false],
  ]);
  assert.equal(await markSent(rig.db, woke!), true);
  assert.equal(await markFailed(rig.db, woke!, 'what was sent has not failed'), false);
});

test('what was acknowledged and is raised again is another incident, and the former one is closed', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const server = await rig.start({ endpoints: [pagerAt(pager)] });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { pager: 'sent' });
  await server.finish('a1', 'acknowledged');
  await waitFor(() => pager.taken.length === 2, 'the acknowledgment');
  await server.raise(alertOf('a1'));
  await waitFor(() => pager.taken.length === 4, 'the end of the one and the beginning of the other');
  const told = pager.taken.map((event) => `${event.event_action} ${event.dedup_key}`);
  assert.deepEqual(told.slice(0, 2), ['trigger cerebra/a1/1', 'acknowledge cerebra/a1/1']);
  assert.deepEqual(told.slice(2).sort(), ['resolve cerebra/a1/1', 'trigger cerebra/a1/2']);
});

test('of an end nobody hears who was not told of the beginning', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  slack.fail.push({ status: 404, text: 'no_service' });
  await rig.put(chainOf([{ channels: ['slack'] }], tellsEnd));
  // The chain has reached nobody: before it is gone through again the alert is over.
  const limits = { pauses: { ...testLimits.pauses!, nobodyMs: 3_600_000 } };
  const server = await rig.start({ endpoints: [slackAt(slack)], limits });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'failed' });
  await server.finish('a1', 'acknowledged');
  await server.stop();
  // What waits to be sent has opened no incident.
  await server.raise(alertOf('a2'));
  const [claimed] = await claimEscalations(rig.db, 1, 60_000);
  const pager = { channel: 'pager', recipient: '', address: '', place: 0, state: 'waiting' } as const;
  await rig.db.tx(async (tx) => {
    await beginStep(tx, claimed!, { waitMs: 1_000, title: 'x', note: null });
    await planMessages(tx, { alert: 'a2', run: 1, number: 1, detail: false, tryMs: 60_000 }, [pager]);
    await endEscalation(tx, 'a2', 'cleared', ['pager']);
  });
  const text = 'select alert, channel, kind, state from escalation_message order by alert, kind';
  assert.deepEqual(await rig.db.query({ text }), [
    { alert: 'a1', channel: 'slack', kind: 'alert', state: 'failed' },
    { alert: 'a2', channel: 'pager', kind: 'alert', state: 'cancelled' },
  ]);
});

test('an alert whose beginning is on its way is not ended before it, so that no incident stays open', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const endpoints = [pagerAt(pager)];
  const server = await rig.start({ endpoints });
  // The alert ends while the pager is reading its beginning.
  let ended: Promise<void> | undefined;
  const received = pager.received.push.bind(pager.received);
  pager.received.push = (...requests) => {
    ended ??= server.finish('a1', 'cleared');
    return received(...requests);
  };
  await server.raise(alertOf('a1'));
  await waitFor(() => ended !== undefined, 'the beginning');
  await ended;
  await settled(server, 'a1', { 'pager cleared': 'sent' });
  assert.deepEqual(
    pager.taken.map(({ event_action }) => event_action),
    ['trigger', 'resolve'],
  );
  assert.equal(pager.incidents.get('cerebra/a1/1'), 'resolved');
});

test('a clock that jumps ahead brings nothing forward: the clock of the database decides', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'], wait: 3_600 }, { channels: ['slack'] }]));
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  const realMs = Date.now();
  t.mock.method(Date, 'now', () => realMs + 365 * 24 * 3_600_000);
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'sent' });
  assert.deepEqual(await claimEscalations(rig.db, 10, 1_000), []);
  const [due] = await rig.db.query<{ ok: boolean }>({
    text: `select due_at between statement_timestamp() + interval '50 min' and statement_timestamp() + interval '1 h' as ok
      from escalation`,
  });
  assert.equal(due!.ok, true);
  const link = new URL(/https:[^|>]*/.exec(slack.received[0]!.body)![0]).pathname;
  assert.equal((await server.call('GET', link)).status, 200);
});

test('a delayed job wakes it in time; a queue that never answers holds nothing up', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'], wait: 3_600 }, { channels: ['pager'] }]));
  const endpoints = [pagerAt(pager)];
  const added: JobOptions[] = [];
  let wake = async () => {};
  const jobs: Jobs = {
    define: (_name, handler) => {
      wake = () => handler({});
    },
    add: (_name, _data, options) => {
      added.push(options!);
      return new Promise(() => {});
    },
    every: async () => {},
    start: async () => {},
    close: async () => {},
  };
  const server = await rig.start({ endpoints, jobs, limits: { pollMs: 3_600_000 } });
  await server.raise(alertOf('a1'));
  await wake();
  await settled(server, 'a1', { pager: 'sent' });
  await waitFor(() => added.length > 0, 'the delayed job');
  assert.equal(added.length, 1);
  assert.match(added[0]!.jobId!, /^escalation-wake-\d+$/);
  assert.ok(added[0]!.delayMs! > 0 && added[0]!.delayMs! <= 3_600_000);
  await passTime(rig.db, 'a1');
  await wake();
  await waitFor(() => pager.taken.length === 2, 'the second step');
});
