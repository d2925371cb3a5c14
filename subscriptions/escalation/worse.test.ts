// PagerDuty calls nobody for further events of an open incident: what got worse has to be another one.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { startPagerDuty, startSlack, waitFor } from '#platform/testing';
import { alertOf, chainOf, createEscalationRig, pagerAt, passTime, settled, slackAt } from './testing/rig.ts';

test('an alert that gets worse is another incident, and its end ends that', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const server = await rig.start({ endpoints: [pagerAt(pager)] });
  await server.raise(alertOf('a1', { severity: 'high' }));
  await settled(server, 'a1', { pager: 'sent' });
  assert.deepEqual([...pager.incidents], [['cerebra/a1/1', 'triggered']]);
  const state = (key: string, wanted: string) =>
    waitFor(() => pager.incidents.get(key) === wanted, `incident ${key} to be ${wanted}`);
  await server.raise(alertOf('a1', { severity: 'critical' }));
  await state('cerebra/a1/1/1', 'triggered');
  await state('cerebra/a1/1', 'resolved');
  // A corrected value is as severe as it was: nobody is called for it, and it stays what it is.
  await server.raise(alertOf('a1', { severity: 'critical', detail: '7.1 mmol/L (limit 6.2)' }));
  await settled(server, 'a1', { pager: 'sent' });
  await server.finish('a1', 'acknowledged');
  await state('cerebra/a1/1/1', 'acknowledged');
  await server.finish('a1', 'cleared');
  await state('cerebra/a1/1/1', 'resolved');
  assert.deepEqual(
    [...pager.incidents],
    [
      ['cerebra/a1/1', 'resolved'],
      ['cerebra/a1/1/1', 'resolved'],
    ],
  );
});

test('an alert that is told anew after the end of its chain is another incident', async (t) => {
  const rig = await createEscalationRig(t);
  const pager = await startPagerDuty(t);
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const server = await rig.start({ endpoints: [pagerAt(pager)] });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { pager: 'sent' });
  await passTime(rig.db, 'a1');
  await waitFor(async () => (await server.history('a1')).at(-1)!.state === 'exhausted', 'the end of the chain');
  // Corrected to another critical value.
  await server.raise(alertOf('a1', { detail: '7.1 mmol/L (limit 6.2)' }));
  await waitFor(() => pager.incidents.get('cerebra/a1/1/1') === 'triggered', 'another incident');
  await waitFor(() => pager.incidents.get('cerebra/a1/1') === 'resolved', 'the end of the one before');
});

test('what got worse and reaches nobody then is gone through again, though people were told of less', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  await server.raise(alertOf('a1', { severity: 'high' }));
  await settled(server, 'a1', { slack: 'sent' });
  slack.fail.push({ status: 404, text: 'no_service' });
  await server.raise(alertOf('a1', { severity: 'critical' }));
  await waitFor(() => slack.taken.length === 2, 'what it is now, in the second round');
  const { steps, messages } = await settled(server, 'a1', { slack: 'sent' });
  assert.equal(steps.length, 3);
  assert.deepEqual(
    messages.map(({ state }) => state),
    ['sent', 'failed', 'sent'],
  );
});

test('the incidents before are ended side by side: the lease of a message does not wait for one after the other', async (t) => {
  const rig = await createEscalationRig(t);
  const taken: string[] = [];
  const held: (() => void)[] = [];
  const pager = createServer(async (request, response) => {
    const event = (await json(request)) as { event_action: string; dedup_key: string };
    const answer = () => void response.writeHead(202).end('{}');
    taken.push(`${event.event_action} ${event.dedup_key}`);
    // The three of the last one are answered together.
    if (event.event_action === 'trigger' || !taken.includes('trigger cerebra/a1/1/3')) return answer();
    held.push(answer);
    if (held.length === 3) for (const each of held) each();
  });
  await new Promise<void>((resolve) => pager.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    pager.closeAllConnections();
    pager.close();
  });
  await rig.put(chainOf([{ channels: ['pager'] }]));
  const url = `http://127.0.0.1:${(pager.address() as AddressInfo).port}/`;
  const server = await rig.start({ endpoints: [pagerAt({ url })] });
  const severities = ['low', 'moderate', 'high', 'critical'] as const;
  for (const [risen, severity] of severities.entries()) {
    await server.raise(alertOf('a1', { severity }));
    // A trigger each, and an end for each incident before it.
    const count = ((risen + 1) * (risen + 2)) / 2;
    await waitFor(() => taken.length >= count, `${count} events of what is ${severity}`);
  }
  await waitFor(() => held.length === 3, 'three ends at once');
});
