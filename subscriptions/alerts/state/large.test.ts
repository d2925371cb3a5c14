// Documents of megabytes: of 200 changes that are judged together not all are held at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeFeed } from '#fhir-model';
import { alertsOf, eventRule, ext, inForce, onCode, quantity, reading, settled } from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';

const characters = 700_000;
const large = 40;
const small = 60;

/** The feed, and how much it has read at once. */
function measured({ feed }: Rig['store']): { feed: ChangeFeed; sums: number[] } {
  const sums: number[] = [];
  const bodies: ChangeFeed['bodies'] = async (...asked) => {
    const texts = await feed.bodies(...asked);
    sums.push(texts.reduce((sum, text) => sum + text.length, 0));
    return texts;
  };
  return { feed: { ...feed, bodies }, sums };
}

test('answers that are large acknowledge in parts, each its own alert', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const first = await rig.start();
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await inForce(rig, eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
  for (let i = 0; i < large; i++) await store.put(reading(`o${i}`, 7, 1, { subject: { reference: `Patient/p${i}` } }));
  await settled(rig);
  const alerts = await db.query<{ id: string }>({ text: `select id from alert where rule = 't'` });
  assert.equal(alerts.length, large);
  await first.stop();
  const note = [{ text: 'x'.repeat(characters) }];
  for (const [i, { id }] of alerts.entries()) {
    const inResponseTo = [{ reference: `Flag/${id}` }];
    const sender = { reference: `Practitioner/a${i}` };
    await store.put({ resourceType: 'Communication', id: `c${i}`, status: 'completed', inResponseTo, sender, note });
  }
  const { feed, sums } = measured(store);
  await rig.start({ feed });
  await settled(rig);
  const text = `select id, status, acknowledged_by as by from alert where rule = 't'`;
  const rows = await db.query<{ id: string; status: string; by: string }>({ text });
  const by = new Map(rows.map((row) => [row.id, `${row.status} ${row.by}`]));
  assert.deepEqual(
    alerts.map(({ id }) => by.get(id)),
    alerts.map((_, i) => `acknowledged Practitioner/a${i}`),
  );
  assert.ok(Math.max(...sums) < 21_000_000, String(Math.max(...sums)));
});

test('what is large is judged in parts, each change once and in order', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await store.put(eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
  const of = (i: number) => ({ subject: { reference: `Patient/p${i}` } });
  const note = [{ text: 'x'.repeat(characters) }];
  for (let i = 0; i < small; i++) await store.put(reading(`s${i}`, 7, 1, of(i)));
  for (let i = 0; i < large; i++) await store.put(reading(`o${i}`, i % 2 ? 5 : 7, 2, { ...of(i), note }));
  const { feed, sums } = measured(store);
  await rig.start({ feed });
  await settled(rig);
  const states = (await alertsOf(db, 't')).map(({ subject, status }) => `${subject} ${status}`).sort();
  const expected = Array.from(
    { length: small },
    (_, i) => `Patient/p${i} ${i < large && i % 2 ? 'resolved' : 'active'}`,
  );
  assert.deepEqual(states, expected.sort());
  // The whole was 28 million; a part is at most what 8 million took to be passed.
  assert.ok(Math.max(...sums) < 21_000_000, String(Math.max(...sums)));
});
