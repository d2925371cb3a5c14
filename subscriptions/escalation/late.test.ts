// Messages whose time was over before they could be sent: the server was away, or the database's clock was put forward.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPagerDuty, startSlack } from '#platform/testing';
import { alertOf, chainOf, createEscalationRig, pagerAt, settled, slackAt } from './testing/rig.ts';

test('what was never tried is sent, however late; what was tried in vain for its time is given up', async (t) => {
  const rig = await createEscalationRig(t);
  const [slack, pager] = [await startSlack(t), await startPagerDuty(t)];
  // Somebody else of the step was told, so that the chain is not gone through again.
  await rig.put(chainOf([{ channels: ['slack', 'pager'], mode: 'all' }]));
  const endpoints = [slackAt(slack), pagerAt(pager)];
  const first = await rig.start({ endpoints });
  for (const id of ['untried', 'killed', 'refused']) {
    await first.raise(alertOf(id));
    await settled(first, id, { slack: 'sent', pager: 'sent' });
  }
  await first.stop();
  assert.equal(slack.received.length, 3);
  // As the server left them three hours ago: not begun, under way, and refused once.
  const left = (alert: string, set: string) =>
    rig.db.query({
      text: `update escalation_message set sent_at = null, until_at = statement_timestamp() - interval '2 h',
        due_at = statement_timestamp() - interval '3 h', ${set} where alert = '${alert}' and channel = 'slack'`,
    });
  await left('untried', `state = 'waiting', attempts = 0`);
  await left('killed', `state = 'sending', attempts = 1`);
  await left('refused', `state = 'waiting', attempts = 1, error = 'It answered HTTP 503'`);
  const second = await rig.start({ endpoints });
  for (const id of ['untried', 'killed']) await settled(second, id, { slack: 'sent' });
  const run = await settled(second, 'refused', { slack: 'failed' });
  assert.equal(run.messages.find(({ channel }) => channel === 'slack')!.error, 'It could not be sent in time');
  assert.equal(slack.received.length, 5);
});
