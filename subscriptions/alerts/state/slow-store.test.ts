// Rules that look back ask the store for each change: where it is slow, a batch takes longer than the lease of who judges it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ResourceReader } from '#fhir-model';
import { alertsOf, eventRule, ext, onCode, quantity, reading, settled } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const patients = 40;
const answerMs = 30;
const deliveryLeaseMs = 300;

test('what takes longer than the lease is judged in parts, each once', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await store.put(eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
  const of = (i: number) => ({ subject: { reference: `Patient/p${i}` } });
  for (let i = 0; i < patients; i++) await store.put(reading(`o${i}`, 7, 1, of(i)));
  // Of each of these the rule asks what else the patient has.
  for (let i = 0; i < patients; i++) await store.put(reading(`o${i}`, 7, 1, { ...of(i), status: 'entered-in-error' }));
  let searches = 0;
  const reader: ResourceReader = {
    ...store.reader,
    async search(...asked) {
      searches++;
      await pause(answerMs);
      return store.reader.search(...asked);
    },
  };
  await rig.start({ reader, limits: { deliveryLeaseMs } });
  await settled(rig);
  const alerts = await alertsOf(db, 't');
  assert.deepEqual(
    alerts.map(({ subject, status }) => `${subject} ${status}`).sort(),
    Array.from({ length: patients }, (_, i) => `Patient/p${i} resolved`).sort(),
  );
  assert.ok(searches >= patients, `${searches} searches`);
  // One state for each: what is judged by two at once is settled by one of them.
  assert.equal((await store.list('Flag')).length, patients);
});
