// A short message that was taken and did not arrive is no message: somebody else is told.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { startReceiver, startTwilio, twilioAccount, waitFor } from '#platform/testing';
import type { Endpoint } from './endpoints.ts';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  passTime,
  practitioner,
  publicUrl,
  settled,
  sms,
  smsAt,
  type TestEscalation,
} from './testing/rig.ts';

/** Twilio tells what became of a message: signed over the whole address, that of the message. */
async function tell(
  server: TestEscalation,
  url: string,
  fields: Record<string, string>,
  { token = twilioAccount.token, path = new URL(url).pathname } = {},
) {
  const form = new URLSearchParams({ AccountSid: twilioAccount.sid, MessageSid: `SM${'0'.repeat(32)}`, ...fields });
  const signed = [...form].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => name + value);
  const signature = createHmac('sha1', token)
    .update(url + signed.join(''))
    .digest('base64');
  const headers = { 'x-twilio-signature': signature };
  return server.call('POST', path, { query: new URL(url).search, headers, body: form.toString() });
}

const callbacks = ({ received }: { received: { body: string }[] }): string[] =>
  received.map(({ body }) => new URLSearchParams(body).get('StatusCallback') ?? '');

async function setUp(t: TestContext, rest: Partial<Endpoint> = {}) {
  const rig = await createEscalationRig(t);
  const [twilio, program] = [await startTwilio(t), await startReceiver(t)];
  const url = { system: 'url', value: program.url };
  await rig.put(
    practitioner('a', [sms('+15550100001'), url]),
    practitioner('b', [sms('+15550100002')]),
    chainOf([
      { who: ['Practitioner/a'], channels: ['sms', 'program'] },
      { who: ['Practitioner/b'], channels: ['sms'] },
    ]),
  );
  const endpoints: Endpoint[] = [
    { ...smsAt(twilio), ...rest } as Endpoint,
    { name: 'program', template: 'json', headers: {} },
  ];
  const server = await rig.start({ endpoints });
  return { rig, twilio, program, server };
}

test('what did not arrive has failed: the next channel follows, then the next step, and the record says so', async (t) => {
  const { rig, twilio, program, server } = await setUp(t);
  await server.raise(alertOf('a1'));
  const first = await settled(server, 'a1', { sms: 'sent', program: 'cancelled' });
  const message = first.messages.find(({ channel }) => channel === 'sms')!;
  const [url = ''] = callbacks(twilio);
  assert.equal(url, `${publicUrl}alerts/replies/sms?message=${message.id}`);
  await assert.rejects(tell(server, url, { MessageStatus: 'undelivered' }, { token: 'another' }), {
    code: 'forbidden',
  });
  for (const MessageStatus of ['sent', 'delivered'])
    assert.equal((await tell(server, url, { MessageStatus })).status, 200);
  assert.equal((await settled(server, 'a1', { sms: 'sent' })).messages.length, 2);
  const answer = await tell(server, url, { MessageStatus: 'undelivered', ErrorCode: '30003' });
  assert.deepEqual([answer.status, answer.text?.text], [200, '']);
  const second = await settled(server, 'a1', { sms: 'failed', program: 'sent' });
  assert.equal(second.messages.find(({ channel }) => channel === 'sms')?.error, 'Twilio: undelivered (30003)');
  assert.equal(program.received.length, 1);
  const of = (id: string) => rig.store.reader.read('Communication', id, { kind: 'everything' });
  const { status, statusReason } = JSON.parse((await of(message.id))!.body);
  assert.deepEqual([status, statusReason.text], ['not-done', 'Twilio: undelivered (30003)']);
  const audits = (await rig.store.list('AuditEvent')).map(({ outcome }) => outcome).sort();
  // Twice the same is told once.
  await tell(server, url, { MessageStatus: 'failed', ErrorCode: '30003' });
  assert.deepEqual(audits, ['0', '0', '8']);
  assert.deepEqual((await rig.store.list('AuditEvent')).map(({ outcome }) => outcome).sort(), audits);
});

test('with nobody else in the step the next one begins at once; of an alert that is over nothing follows', async (t) => {
  const { rig, twilio, server } = await setUp(t);
  await rig.put(practitioner('a', [sms('+15550100001')]));
  for (const id of ['a1', 'a2']) {
    await server.raise(alertOf(id));
    await settled(server, id, { sms: 'sent' });
  }
  const [ofFirst = '', ofSecond = ''] = callbacks(twilio);
  await server.finish('a2', 'acknowledged');
  await tell(server, ofSecond, { MessageStatus: 'failed' });
  await tell(server, ofFirst, { MessageStatus: 'failed' });
  const { steps, messages } = await settled(server, 'a1', { sms: 'sent' });
  assert.deepEqual(
    steps.map(({ number }) => number),
    [1, 2],
  );
  assert.deepEqual(
    messages.map(({ recipient, state }) => [recipient, state]),
    [
      ['Practitioner/a', 'failed'],
      ['Practitioner/b', 'sent'],
    ],
  );
  assert.deepEqual(
    (await settled(server, 'a2', { sms: 'failed' })).steps.map(({ number }) => number),
    [1],
  );
});

test('a chain is gone through again where it turns out after its end that nothing of it has arrived', async (t) => {
  const { rig, twilio, server } = await setUp(t);
  await rig.put(practitioner('a', [sms('+15550100001')]));
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { sms: 'sent' });
  for (const [count, state] of [
    [2, 'open'],
    [2, 'exhausted'],
  ] as const) {
    await passTime(rig.db, 'a1');
    await waitFor(async () => {
      const run = (await server.history('a1')).at(-1)!;
      return run.state === state && run.messages.length === count && run.messages.every((one) => one.state === 'sent');
    }, `${count} messages of a chain that is ${state}`);
  }
  const [ofFirst = '', ofSecond = ''] = callbacks(twilio);
  await tell(server, ofFirst, { MessageStatus: 'undelivered' });
  assert.equal((await server.history('a1')).at(-1)!.state, 'exhausted', 'somebody has been told');
  await tell(server, ofSecond, { MessageStatus: 'undelivered' });
  await waitFor(() => twilio.taken.length === 3, 'the first step once more');
});

test('behind a proxy it is told at the address of replies; an unknown message is nobody’s', async (t) => {
  const replyUrl = 'https://hooks.example.org/in?site=1';
  const { twilio, server } = await setUp(t, { replyUrl } as Partial<Endpoint>);
  await server.raise(alertOf('a1'));
  const { messages } = await settled(server, 'a1', { sms: 'sent' });
  const sent = messages.find(({ channel }) => channel === 'sms')!;
  const [url = ''] = callbacks(twilio);
  assert.equal(url, `${replyUrl}&message=${sent.id}`);
  const path = '/alerts/replies/sms';
  await tell(server, `${replyUrl}&message=nobody`, { MessageStatus: 'failed' }, { path });
  await settled(server, 'a1', { sms: 'sent' });
  await tell(server, url, { MessageStatus: 'failed' }, { path });
  await settled(server, 'a1', { sms: 'failed' });
});
