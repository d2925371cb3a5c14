// People who share a telephone or a mail box: it is told once, and each of them is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMailServer, startReceiver, startTwilio, waitFor } from '#platform/testing';
import type { AnyEndpoint } from './endpoints.ts';
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

for (const [failing, expected] of [
  ['of one', 'cancelled,sent'],
  ['of both', 'repeated,sent'],
] as const) {
  test(`a mail box that is the next way to both tells, once, whoever is not told otherwise: the first ${failing} fails`, async (t) => {
    const rig = await createEscalationRig(t);
    const [twilio, mail, program] = [await startTwilio(t), await startMailServer(t), await startReceiver(t)];
    program.answer = () => 404;
    if (failing === 'of both') twilio.fail.push({ status: 400, text: '{"code":21610}' });
    const box = email('ward@example.org');
    await rig.put(
      practitioner('a', [sms('+15550100001'), box]),
      practitioner('b', [{ system: 'url', value: program.url }, box]),
      chainOf([{ who, channels: ['sms', 'program', 'email'] }]),
    );
    const endpoints: AnyEndpoint[] = [smsAt(twilio), { name: 'program', template: 'json', headers: {} }];
    const server = await rig.start({ endpoints, mail: { url: mail.url, from } });
    await server.raise(alertOf('a1'));
    const mails = async () => {
      const { messages } = (await server.history('a1')).at(-1)!;
      return messages.flatMap(({ channel, state }) => (channel === 'email' ? [state] : [])).sort();
    };
    await waitFor(async () => (await mails()).join() === expected, `mails that are ${expected}`);
    assert.equal(mail.mails.length, 1);
  });
}

test('a telephone of several that was down tells the others, too, when one of them has got a mail meanwhile', async (t) => {
  const rig = await createEscalationRig(t);
  const [twilio, mail] = [await startTwilio(t), await startMailServer(t)];
  await rig.put(
    practitioner('a', [ward, email('a@example.org')]),
    practitioner('b', [ward]),
    chainOf([{ who, channels: ['sms', 'email'] }]),
  );
  twilio.fail.push(...Array.from({ length: 100_000 }, () => ({ status: 503, text: '' })));
  const server = await rig.start({ endpoints: [smsAt(twilio)], mail: { url: mail.url, from } });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { email: 'sent' });
  twilio.fail.length = 0;
  await waitFor(() => twilio.taken.length === 1, 'the short message to both');
});
