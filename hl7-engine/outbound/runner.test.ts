import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, systemClock } from '#platform';
import { beforeClose, testDatabase, testLog, waitFor } from '#platform/testing';
import { message, mllp, rowsOf, sequence } from '../testing/outbound-rig.ts';
import type { Channel } from './channel.ts';
import { checkDestinations } from './destination.ts';
import { createHostGate, type HostGate } from './host-gate.ts';
import { outboundMetrics } from './metrics.ts';
import { insertMessages, laneOf, markDelivered } from './queue.ts';
import { createRunner } from './runner.ts';
import { createStates, holdStates } from './state.ts';

test('a destination that waits for its host waits once, however many messages go meanwhile', async (t) => {
  const db = await testDatabase(t);
  const [destination] = checkDestinations(mllp(6661, { connections: 8 }));
  const waiting = new Set<() => void>();
  const inner = createHostGate(2);
  const gate: HostGate = {
    enter(host, onFree) {
      const isIn = inner.enter(host, onFree);
      if (!isIn) waiting.add(onFree);
      return isIn;
    },
    leave: inner.leave,
  };
  const channel: Channel = {
    ...{ parcelsMax: 1, waitMs: 0, host: 'receiver:6661' },
    send: async () => ({ kind: 'delivered', answer: null }),
    connections: () => 0,
    close: () => {},
  };
  const messages = sequence('M', 200).map((id, index) => message('ris', id, `P${index}`));
  await db.tx((tx) =>
    insertMessages(
      tx,
      messages.map((one) => ({ ...one, lane: laneOf(one.partition) })),
    ),
  );
  const runner = createRunner({
    ...{ db, destination: destination!, channel, gate, metrics: outboundMetrics(createMetrics()), clock: systemClock },
    ...{ random: Math.random, log: testLog(), pollMs: 50 },
    markDelivered: async (one) => void (await markDelivered(db, [one])),
  });
  beforeClose(db, () => runner.stop(1_000));
  await createStates(db, ['ris']);
  const [state] = await holdStates(db, ['ris'], 'test', 60_000);
  runner.hold(state!, Number.POSITIVE_INFINITY, performance.now());
  await waitFor(async () => (await rowsOf(db)).every((row) => row.state === 'delivered'), 'all to be delivered');
  assert.equal(waiting.size, 1);
});
