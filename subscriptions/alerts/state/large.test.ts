// Documents of megabytes: of 200 changes that are judged together not all are held at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeFeed } from '#fhir-model';
import { alertsOf, eventRule, ext, onCode, quantity, reading, settled } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const characters = 700_000;
const large = 40;
const small = 60;

test('what is large is judged in parts, each change once and in order', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await store.put(eventRule('t', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]));
  const of = (i: number) => ({ subject: { reference: `Patient/p${i}` } });
  const note = [{ text: 'x'.repeat(characters) }];
  for (let i = 0; i < small; i++) await store.put(reading(`s${i}`, 7, 1, of(i)));
  for (let i = 0; i < large; i++) await store.put(reading(`o${i}`, i % 2 ? 5 : 7, 2, { ...of(i), note }));
  const sums: number[] = [];
  const feed: ChangeFeed = {
    ...store.feed,
    async bodies(...asked) {
      const texts = await store.feed.bodies(...asked);
      sums.push(texts.reduce((sum, text) => sum + text.length, 0));
      return texts;
    },
  };
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
