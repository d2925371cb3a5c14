// A chain that reaches nobody is mended while an alert waits for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSlack, waitFor } from '#platform/testing';
import { alertOf, chainOf, createEscalationRig, slackAt } from './testing/rig.ts';

test('an alert that reached nobody is told by the chain as it was mended since, and by the former one until then', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  const mistaken = chainOf([{ who: ['Practitioner/none'], channels: ['sms'] }]);
  await rig.put(mistaken);
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  const stepsOf = async () => (await server.history('a1')).at(-1)!.steps.length;
  await server.raise(alertOf('a1'));
  await waitFor(async () => (await stepsOf()) >= 2, 'a second round');
  await rig.put({ ...mistaken, status: 'retired' });
  const steps = await stepsOf();
  await waitFor(async () => (await stepsOf()) >= steps + 2, 'rounds of the chain that was retired');
  await rig.put(chainOf([{ channels: ['slack'] }]));
  await waitFor(() => slack.taken.length === 1, 'the alert by the chain that was mended');
  assert.equal((await server.history('a1')).length, 1);
});
