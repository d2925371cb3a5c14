// People who share a telephone or a mail box: it is told once, and each of them is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMailServer, startTwilio } from '#platform/testing';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  email,
  from,
  practitioner,
  settled,
  sms,
  smsAt,
} from './testing/rig.ts';

const ward = sms('+15550100009');
const who = ['Practitioner/a', 'Practitioner/b'];

test('where the telephone of several people fails, the next channel of each follows', async (t) => {
  const rig = await createEscalationRig(t);
  const [twilio, mail] = [await startTwilio(t), await startMailServer(t)];
  await rig.put(
    practitioner('a', [ward]),
    practitioner('b', [ward, email('b@example.org')]),
    chainOf([{ who, channels: ['sms', 'email'] }]),
  );
  twilio.fail.push({ status: 400, text: '{"code":21610}' });
  const server = await rig.start({ endpoints: [smsAt(twilio)], mail: { url: mail.url, from } });
  await server.raise(alertOf('a1'));
  const { messages } = await settled(server, 'a1', { email: 'sent' });
  assert.deepEqual(messages.map(({ channel, recipient, state }) => [channel, recipient, state]).sort(), [
    ['email', 'Practitioner/b', 'sent'],
    ['sms', 'Practitioner/a', 'failed'],
    ['sms', 'Practitioner/b', 'repeated'],
  ]);
});

test('a mail box that is the first way to one of them does not wait for the telephone of the other', async (t) => {
  const rig = await createEscalationRig(t);
  const [twilio, mail] = [await startTwilio(t), await startMailServer(t)];
  const box = email('ward@example.org');
  await rig.put(
    practitioner('a', [sms('+15550100001'), box]),
    practitioner('b', [box]),
    chainOf([{ who, channels: ['sms', 'email'] }]),
  );
  const server = await rig.start({ endpoints: [smsAt(twilio)], mail: { url: mail.url, from } });
  await server.raise(alertOf('a1'));
  const { messages } = await settled(server, 'a1', { sms: 'sent', email: 'sent' });
  assert.deepEqual(messages.map(({ recipient }) => recipient).sort(), ['Practitioner/a', 'Practitioner/b']);
  assert.equal(mail.mails.length, 1);
});
