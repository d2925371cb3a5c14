// The server's clock jumps, forwards and backwards: what is due, leased or repeated goes by the database's clock, and nothing is
// told twice, late or not at all because of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#platform';
import { startReceiver } from '#platform/testing';
import { createRig, observation, subscription } from './testing/rig.ts';
import { activate, allDone, appointment, eventNumbers, topicSubscription } from './testing/topic.ts';

const yearMs = 365 * 86_400_000;
const jumps = [0, yearMs, -yearMs, 10 * yearMs, -1_000, 3_600_000, -3_600_000, 0];

test('a clock that jumps with every few events, and again while notifications fail', async (t) => {
  const rig = await createRig(t);
  const [plain, many] = [await startReceiver(t), await startReceiver(t)];
  let readings = 0;
  const clock: Clock = { now: () => Date.now() + jumps[Math.floor(++readings / 3) % jumps.length]! };
  const server = await rig.start({ clock, baseUrl: 'https://fhir.example.org/fhir/R4' });
  // Its end is the store's to decide, by the time of the change.
  const end = new Date(Date.now() + 86_400_000).toISOString();
  const channel = { type: 'rest-hook', endpoint: plain.url, payload: 'application/fhir+json' };
  await activate(rig, subscription('plain', plain.url, { channel, end }));
  await activate(rig, topicSubscription('many', many.url, { maxCount: 3 }));
  let attempts = 0;
  for (const receiver of [plain, many]) receiver.answer = () => (++attempts % 7 === 0 ? 500 : 200);
  const events = 60;
  for (let i = 1; i <= events; i++) {
    await rig.store.put(observation(`o${i}`));
    await rig.store.put(appointment(`a${i}`));
  }
  for (const id of ['plain', 'many']) await allDone(rig, id, events);
  assert.ok(readings > jumps.length * 3, 'the clock has jumped through all');

  const upTo = Array.from({ length: events }, (_, index) => index + 1);
  assert.deepEqual([...new Set(plain.received.map(({ number }) => number))], upTo);
  const told = many.received.map(({ body }) => eventNumbers(JSON.parse(body)));
  assert.deepEqual([...new Set(told.flat())], upTo);
  for (const { body } of many.received) assert.ok(!body.includes('Invalid'));
  const states = await rig.db.query<{ id: string }>({
    text: 'select id, state, last_number::int as last, done_number::int as done from subscriber order by id collate "C"',
  });
  assert.deepEqual(
    states.filter(({ id }) => id === 'plain' || id === 'many'),
    [
      { id: 'many', state: 'active', last: events, done: events },
      { id: 'plain', state: 'active', last: events, done: events },
    ],
  );
  const text = await server.metrics.registry.metrics();
  const sums = text.split('\n').filter((line) => /seconds_sum/.test(line));
  assert.ok(sums.length > 0 && sums.every((line) => Number(line.split(' ').at(-1)) >= 0), sums.join('\n'));
});
