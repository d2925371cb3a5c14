// kill -9 of the server at any moment: each alert is raised once, none is missing, and what tells of it is there once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { connectDb } from '#platform';
import { random, testConnection, testLog, waitFor } from '#platform/testing';
import { alertsOf, eventRule, ext, onCode, quantity, reading, settled } from '../../testing/alert-rules.ts';
import { createTestStore } from '../../testing/store.ts';

const child = path.join(import.meta.dirname, '../../testing/child.ts');
const readings = 160;

test('alerts of a server that is killed again and again', async (t) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 5, log: testLog() });
  const store = await createTestStore(db);
  const spawnServer = () =>
    spawn(process.execPath, [child, JSON.stringify(connection)], { stdio: ['ignore', 'ignore', 'inherit'] });
  let server = spawnServer();
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  const below = random(3);
  /** By patient, how often a value above the limit followed one that was not, or was none. */
  const expected = new Map<string, number>();
  const isHigh = new Map<string, boolean>();
  try {
    await store.put(eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
    const text = `select 1 from subscriber where id = 'alert:t'`;
    await waitFor(async () => (await db.query({ text })).length > 0, 'the rule');
    for (let i = 0; i < readings; i++) {
      const subject = `Patient/p${below(4)}`;
      const value = 4 + below(4);
      if (value > 6 && !isHigh.get(subject)) expected.set(subject, (expected.get(subject) ?? 0) + 1);
      const isNew = value > 6 && !isHigh.get(subject);
      isHigh.set(subject, value > 6);
      const more = { subject: { reference: subject } };
      await store.put(reading(`o${i}`, value, i, more));
      // What raised it turns out to be something else.
      if (isNew && below(3) === 0) {
        await store.put(reading(`o${i}`, value, i, { ...more, code: { coding: [{ system: 'http://x', code: 'l' }] } }));
        isHigh.set(subject, false);
      }
      if (i % 40 === 20) {
        server.kill('SIGKILL');
        server = spawnServer();
        // While it is up and judges what waited, so that the next kill meets it at work.
        await waitFor(async () => (await alertsOf(db, 't')).length > i / 40, 'alerts');
      }
    }
    await settled({ db, store });
  } finally {
    server.kill('SIGKILL');
  }
  const alerts = await alertsOf(db, 't');
  const found = new Map<string, number>();
  for (const { subject } of alerts) found.set(subject, (found.get(subject) ?? 0) + 1);
  assert.deepEqual(found, expected);
  const open = alerts.filter(({ status }) => status !== 'resolved').map(({ subject }) => subject);
  assert.deepEqual(
    open,
    [...isHigh]
      .filter(([, high]) => high)
      .map(([subject]) => subject)
      .sort(),
  );
  for (const type of ['Flag', 'Communication']) assert.equal((await store.list(type)).length, alerts.length, type);
  await db.close();
});
