// Why something failed stands in the log, for the operator, and nothing of any resource: docs/operations.md
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError } from '#platform';
import { startReceiver, startSlack, waitFor } from '#platform/testing';
import { alertOf, chainOf, createEscalationRig, settled as sent, slackAt } from './escalation/testing/rig.ts';
import { eventRule, ext, inForce, minutes, onCode, quantity, reading, settled } from './testing/alert-rules.ts';
import { createReadLog } from './testing/log.ts';
import { createRig, observation, subscription, waitForState } from './testing/rig.ts';

const secret = new CerebraError('business-rule', 'no place for DOE^JANE');
const again = 'delivery failed, will be repeated';

test('what an endpoint answers is told; of a refusal of our own only its code', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const answers = [500];
  receiver.answer = () => answers.shift() ?? 200;
  const { log, told, text } = createReadLog();
  let failures = 0;
  const read: typeof store.reader.read = async (...asked) => {
    if (asked[0] === 'Observation' && failures-- > 0) throw secret;
    return store.reader.read(...asked);
  };
  await start({ log, reader: { ...store.reader, read } });
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  await store.put(subscription('s', receiver.url, { channel }));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 2, 'the repeated notification');
  const about = { subscription: 's', attempts: 1, delayMs: 4 };
  assert.deepEqual(told(again), [{ ...about, number: '1', reason: 'The endpoint answered with HTTP 500' }]);
  failures = 1;
  await store.put(observation('o2'));
  await waitFor(() => receiver.received.length === 3, 'the notification of the second');
  assert.deepEqual(told(again).slice(1), [{ ...about, number: '2', code: 'business-rule' }]);
  assert.doesNotMatch(text(), /DOE/);
});

test('of a rule: that it is none, that what was before it could not be read, that what it raised was refused', async (t) => {
  const rig = await createRig(t);
  const { log, told, text } = createReadLog();
  const search: typeof rig.store.reader.search = async (...asked) => {
    if (asked[0] === 'Observation') throw secret;
    return rig.store.reader.search(...asked);
  };
  await rig.start({ log, reader: { ...rig.store.reader, search } });
  const change = [ext('change', 'Quantity', quantity(1.5, 'mmol/L'))];
  const delta = [{ title: 'Jump', extension: change, trigger: [onCode('k')] }];
  await inForce(rig, eventRule('d', 'delta', [minutes('window', 60)], delta));
  await rig.store.put(eventRule('none', 'DOE^JANE', [], delta));
  const none = () => told('a PlanDefinition is no sound rule: it is not in force');
  await waitFor(() => none().length > 0, 'the rule that is none');
  assert.deepEqual(none(), [{ rule: 'none', code: 'invalid' }]);
  await rig.store.put(reading('a', 1, 0));
  await settled(rig);
  assert.deepEqual(told('earlier values can not be read: judged without them'), [{ rule: 'd', code: 'business-rule' }]);
  rig.store.failWrites(new CerebraError('version-conflict', 'DOE^JANE was changed'), 1);
  await rig.store.put(reading('b', 4, 10));
  await settled(rig);
  const about = { alert: 'alert:d', number: '2' };
  assert.deepEqual(told('a change will be judged again'), [{ ...about, code: 'version-conflict' }]);
  rig.store.failWrites(secret, 1);
  await rig.store.put(reading('c', 1, 20, { subject: { reference: 'Patient/p2' } }));
  await rig.store.put(reading('d', 9, 21, { subject: { reference: 'Patient/p2' } }));
  await settled(rig);
  const refused = told('alert could not be raised');
  assert.deepEqual(
    refused.map(({ alert, code, err }) => [alert, code, err]),
    [['alert:d', 'business-rule', undefined]],
  );
  assert.doesNotMatch(text(), /DOE/);
});

test('of an escalation: why a message was not taken, and that its chain is broken', async (t) => {
  const rig = await createEscalationRig(t);
  const { log, told } = createReadLog();
  const slack = await startSlack(t);
  slack.fail.push({ status: 503, text: 'DOE^JANE' });
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({ log, endpoints: [slackAt(slack)] });
  await server.raise(alertOf('a1'));
  const { messages } = await sent(server, 'a1', { slack: 'sent' });
  const about = { id: messages[0]!.id, alert: 'a1', channel: 'slack', attempts: 1 };
  const reason = 'The endpoint answered with HTTP 503';
  assert.deepEqual(told('a message of an alert was not taken'), [{ ...about, reason }]);
  await server.raise(alertOf('a2', { escalation: 'other' }));
  const broken = () => told('nobody is told of an alert: its chain is broken');
  await waitFor(() => broken().length > 0, 'the broken chain');
  assert.deepEqual(broken()[0], { alert: 'a2', chain: 'other', code: 'not-found' });
});
