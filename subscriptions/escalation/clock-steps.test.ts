// The database's clock is put back by an hour: what it leaves in the tables lies an hour ahead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPagerDuty, startSlack } from '#platform/testing';
import { alertOf, chainOf, createEscalationRig, pagerAt, settled, slackAt } from './testing/rig.ts';

test('steps and messages that were to come soon do not wait for the clock to catch up', async (t) => {
  const rig = await createEscalationRig(t);
  const [slack, pager] = [await startSlack(t), await startPagerDuty(t)];
  await rig.put(chainOf([{ channels: ['slack'] }, { channels: ['pager'] }]));
  const endpoints = [slackAt(slack), pagerAt(pager)];
  const first = await rig.start({ endpoints });
  for (const id of ['step', 'message', 'later']) {
    await first.raise(alertOf(id));
    await settled(first, id, { slack: 'sent' });
  }
  await first.stop();
  const hour = `interval '1 hour'`;
  await rig.db.query({
    text: `update escalation set began_at = began_at + ${hour}, due_at = due_at + ${hour} where alert = 'step';
      update escalation_step set began_at = began_at + ${hour} where alert = 'step';
      update escalation_message set state = 'sending', sent_at = null, due_at = statement_timestamp() + ${hour},
        until_at = statement_timestamp() + ${hour} where alert = 'message'`,
  });
  const second = await rig.start({ endpoints });
  await settled(second, 'step', { slack: 'sent', pager: 'sent' });
  await settled(second, 'message', { slack: 'sent' });
  assert.equal(slack.received.length, 4);
  // Whose step began before now waits for its time, and each step comes once.
  const text = 'select alert, count(*)::int as steps from escalation_step group by alert order by alert collate "C"';
  assert.deepEqual(await rig.db.query({ text }), [
    { alert: 'later', steps: 1 },
    { alert: 'message', steps: 1 },
    { alert: 'step', steps: 2 },
  ]);
});
