// Quiet hours within a storm: what waits for their end is not taken care of with the storm.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRig } from '../../testing/rig.ts';
import { createAlerts } from './alerts.ts';

test('what got worse in quiet hours is not acknowledged with its storm, and told when they end', async (t) => {
  const { db, store } = await createRig(t);
  await db.query({
    text: `insert into alert (id, rule, subject, key, episode, status, severity, title, detail, evidence, at, raised_at, revision, tells,
        group_id, notify_at)
      values ('s', 't', '', 'storm', 1, 'active', 'low', 'Many alerts', '', '{}', now(), now(), 1, 1, null, null),
        ('a', 't', 'Patient/p1', '', 1, 'active', 'low', 'High', '', '{}', now(), now(), 1, 0, 's', null),
        ('b', 't', 'Patient/p2', '', 1, 'active', 'moderate', 'Very high', '', '{}', now(), now(), 1, 0, 's', now())`,
  });
  const begun: string[] = [];
  const begin = async (_tx: unknown, { id }: { id: string }) => void begun.push(id);
  const alerts = createAlerts({
    ...{ db, reader: store.reader, writer: store.writer, scope: { kind: 'everything' } as const },
    ...{ clock: { now: () => Date.now() + 1_000 }, policyOf: async () => ({ detectedIssue: false }) },
    escalation: { begin, awaitWorse: async () => {}, end: async () => {} },
  });
  assert.equal(await alerts.acknowledge('s', 'Practitioner/a'), true);
  const statuses = await db.query({ text: 'select id, status from alert order by id' });
  assert.deepEqual(statuses, [
    { id: 'a', status: 'acknowledged' },
    { id: 'b', status: 'active' },
    { id: 's', status: 'acknowledged' },
  ]);
  assert.equal(await alerts.notify('b'), true);
  assert.deepEqual(begun, ['b']);
});
