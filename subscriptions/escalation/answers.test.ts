// Acknowledgments by those who were told: links and replies.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { startMailServer, startSlack, startTwilio, twilioAccount, type Vendor, waitFor } from '#platform/testing';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  email,
  from,
  passTime,
  practitioner,
  publicUrl,
  settled,
  slackAt,
  sms,
  smsAt,
  type TestEscalation,
} from './testing/rig.ts';

test('a link is looked at without effect, and acknowledges with its button only', async (t) => {
  const rig = await createEscalationRig(t);
  const mail = await startMailServer(t);
  await rig.put(
    practitioner('a', [email('a@example.org')]),
    chainOf([{ who: ['Practitioner/a'], channels: ['email'], detail: true }]),
  );
  const server = await rig.start({ mail: { url: mail.url, from } });
  await server.raise(alertOf('a1', { title: 'High <b>potassium</b>' }));
  await settled(server, 'a1', { email: 'sent' });
  const text = mail.mails[0]!.text.replace(/=\r\n/g, '').replace(/=3D/g, '=');
  assert.match(text, /6\.9 mmol\/L \(limit 6\.2\)/);
  const link = new RegExp(`${publicUrl}alerts/[A-Za-z0-9_.-]+`).exec(text)![0];
  const path = new URL(link).pathname;
  for (let i = 0; i < 3; i++) {
    const page = await server.call('GET', path);
    assert.equal(page.status, 200);
    assert.match(page.text!.text, /<form method="post">.*<button/s);
    assert.match(page.text!.text, /High &#60;b&#62;potassium/);
    assert.match(page.headers!['Content-Security-Policy']!, /default-src 'none'/);
  }
  assert.deepEqual(server.acknowledged, []);
  const broken = `${path.slice(0, -3)}${path.endsWith('AAA') ? 'BBB' : 'AAA'}`;
  assert.equal((await server.call('POST', broken)).status, 404);
  assert.equal((await server.call('POST', '/alerts/x')).status, 404);
  const done = await server.call('POST', path);
  assert.match(done.text!.text, /Acknowledged\. Nobody else is called/);
  assert.deepEqual(server.acknowledged, [{ id: 'a1', by: 'Practitioner/a', note: 'by the link of a message' }]);
  assert.match((await server.call('POST', path)).text!.text, /acknowledged this alert already/);
  assert.equal(server.acknowledged.length, 1);
  assert.equal((await server.history('a1'))[0]!.messages[0]!.acknowledgedThrough, true);
});

test('a link expires, and one to nobody in particular asks for a name', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const old = await rig.start({ endpoints: [slackAt(slack)], limits: { linkMs: -60_000 } });
  await old.raise(alertOf('a1'));
  await settled(old, 'a1', { slack: 'sent' });
  assert.equal((await old.call('POST', linkOf(slack))).status, 410);
  assert.deepEqual(old.acknowledged, []);
  await old.stop();
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  await server.raise(alertOf('a2'));
  await settled(server, 'a2', { slack: 'sent' });
  const path = linkOf(slack);
  assert.match((await server.call('POST', path)).text!.text, /Your name/);
  assert.deepEqual(server.acknowledged, []);
  await server.call('POST', path, { body: 'name=Nurse+%0ATEST' });
  assert.deepEqual(server.acknowledged, [{ id: 'a2', by: 'slack', note: 'by the link of a message, as Nurse TEST' }]);
});

/** The link of the last message. */
const linkOf = ({ received }: Vendor<unknown>): string =>
  new URL(/https:\/\/cerebra\.example\.org\/alerts\/[\w.-]+/.exec(received.at(-1)!.body)![0]).pathname;

async function reply(server: TestEscalation, fields: Record<string, string>, token = twilioAccount.token) {
  const url = `${publicUrl}alerts/replies/sms`;
  const form = new URLSearchParams({ AccountSid: twilioAccount.sid, ...fields });
  const text =
    url +
    [...form]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => name + value)
      .join('');
  const signature = createHmac('sha1', token).update(text).digest('base64');
  const headers = { 'x-twilio-signature': signature };
  return server.call('POST', '/alerts/replies/sms', { headers, body: form.toString() });
}

test('a reply to a short message acknowledges its alert, signed by Twilio and from the number that was told', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(
    practitioner('a', [{ system: 'phone', use: 'mobile', value: '+1 (555) 010-0001', rank: 1 }]),
    chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]),
  );
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  for (const id of ['a1', 'a2']) {
    await server.raise(alertOf(id, { title: `Alert ${id} & more` }));
    await settled(server, id, { sms: 'sent' });
  }
  assert.deepEqual(
    twilio.taken.map(({ To }) => To),
    ['+15550100001', '+15550100001'],
  );
  const code = /Reply ACK (\d{4})$/.exec(twilio.taken[1]!.Body)![1]!;
  const From = '+15550100001';
  const forged = reply(server, { From, Body: `ACK ${code}` }, 'another token');
  await assert.rejects(forged, { code: 'forbidden', message: /replyUrl/ });
  const says = async (fields: Record<string, string>) => (await reply(server, fields)).text!.text;
  assert.match(await says({ From: '+15550100002', Body: `ACK ${code}` }), /No open alert has the digits/);
  assert.match(await says({ From, Body: 'what is this?' }), /Reply ACK and the four digits/);
  assert.match(await says({ From, Body: 'ACK' }), /2 alerts are open/);
  assert.deepEqual(server.acknowledged, []);
  assert.match(await says({ From, Body: ` ok ${code} ` }), /<Message>Acknowledged: Alert a2 &#38; more\./);
  assert.deepEqual(server.acknowledged, [{ id: 'a2', by: 'Practitioner/a', note: 'by reply to a message' }]);
  assert.match(await says({ From, Body: 'Ack' }), /Acknowledged: Alert a1/);
  assert.match(await says({ From, Body: 'Ack' }), /No alert is open/);
});

test('what was sent before it got worse acknowledges nothing until what it is now has been seen', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { title: 'High', severity: 'moderate' }));
  await settled(server, 'a1', { sms: 'sent' });
  await server.raise(alertOf('a1', { title: 'Very high', severity: 'critical' }));
  await waitFor(() => twilio.taken.length === 2, 'the second message');
  const [before, after] = twilio.taken.map(({ Body }) => ({
    path: new URL(new RegExp(`${publicUrl}alerts/[\\w.-]+`).exec(Body)![0]).pathname,
    code: /Reply ACK (\d{4})$/.exec(Body)![1]!,
  }));
  const From = '+15550100001';
  const says = async (Body: string) => (await reply(server, { From, Body })).text!.text;
  assert.match(await says(before!.code), /<Message>It got worse since that message: Very high\. Use the newest one/);
  const page = (await server.call('POST', before!.path)).text!.text;
  assert.match(page, /It got worse since: this is what it is now.*<h1>Very high|<h1>Very high.*It got worse since/s);
  assert.deepEqual(server.acknowledged, []);
  // The page has shown what it is now: its button counts.
  const step = /name="step" value="(\d+)"/.exec(page)![1]!;
  await server.call('POST', before!.path, { body: `step=${step}` });
  assert.deepEqual(server.acknowledged, [{ id: 'a1', by: 'Practitioner/a', note: 'by the link of a message' }]);
  assert.match((await server.call('GET', after!.path)).text!.text, /acknowledged this alert already/);
});

test('a reply without digits is to the newest message of the one alert that is open', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { title: 'High', severity: 'moderate' }));
  await settled(server, 'a1', { sms: 'sent' });
  await server.raise(alertOf('a1', { title: 'Very high', severity: 'critical' }));
  const isTold = async () => (await server.history('a1'))[0]!.messages.map(({ state }) => state).join() === 'sent,sent';
  await waitFor(isTold, 'the second message to be sent');
  const { text } = await reply(server, { From: '+15550100001', Body: 'ACK' });
  assert.match(text!.text, /<Message>Acknowledged: Very high\. Nobody else is called/);
  assert.deepEqual(server.acknowledged, [{ id: 'a1', by: 'Practitioner/a', note: 'by reply to a message' }]);
});

test('a link says what has become of its alert: put off, told anew, over', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'sent' });
  const first = linkOf(slack);
  const says = async (path: string) => /<strong>(.*?)<\/strong>/.exec((await server.call('GET', path)).text!.text)?.[1];
  // As a snooze does: nobody is called, and the alert stands.
  await server.finish('a1', 'closed');
  const snoozed = 'Somebody has put this alert off for a while. If it still stands then, it is told anew.';
  assert.equal(await says(first), snoozed);
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'sent' });
  const second = linkOf(slack);
  assert.equal(await says(first), 'This alert has been told anew since: acknowledge it by the newest message.');
  await server.call('POST', first, { body: 'name=Nurse' });
  assert.deepEqual(server.acknowledged, []);
  await server.call('POST', second, { body: 'name=Nurse' });
  assert.equal(server.acknowledged.length, 1);
  assert.equal(await says(second), 'Somebody has acknowledged this alert already.');
  assert.equal(await says(first), 'This alert was closed.');
});

test('a corrected value of the same severity is what later steps tell', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  const step = { who: ['Practitioner/a'], channels: ['sms'], detail: true };
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([step, step]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { detail: '6.9 mmol/L' }));
  await settled(server, 'a1', { sms: 'sent' });
  await server.raise(alertOf('a1', { detail: '9.6 mmol/L' }));
  await passTime(rig.db, 'a1');
  await waitFor(() => twilio.taken.length === 2, 'the second step');
  const values = twilio.taken.map(({ Body }) => /\d\.\d mmol\/L/.exec(Body)?.[0]);
  assert.deepEqual(values, ['6.9 mmol/L', '9.6 mmol/L']);
});

test('told anew at the end of its chain, as severe as it was, it can be acknowledged by what was sent before', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { sms: 'sent' });
  await passTime(rig.db, 'a1');
  await waitFor(async () => (await server.history('a1'))[0]!.state === 'exhausted', 'the end of the chain');
  await server.raise(alertOf('a1', { detail: '9.6 mmol/L' }));
  await waitFor(() => twilio.taken.length === 2, 'the second message');
  const Body = /Reply ACK (\d{4})$/.exec(twilio.taken[0]!.Body)![1]!;
  const { text } = await reply(server, { From: '+15550100001', Body });
  assert.match(text!.text, /<Message>Acknowledged: /);
});

test('told anew when the chain is at its end, or as severe again as it had been, it begins anew', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  const isIn = (state: string, messages: number) =>
    waitFor(async () => {
      const [run] = await server.history('a1');
      const sent = run!.messages.filter((one) => one.state === 'sent').length;
      return run!.state === state && sent === messages;
    }, `${state} after ${messages} messages`);
  await server.raise(alertOf('a1'));
  await isIn('open', 1);
  await passTime(rig.db, 'a1');
  await isIn('exhausted', 1);
  await server.raise(alertOf('a1', { detail: '9.6 mmol/L' }));
  await isIn('open', 2);
  // Of the same severity, while somebody may still act: nobody is called earlier for it.
  await server.raise(alertOf('a1', { detail: '9.8 mmol/L' }));
  // It had become less severe meanwhile, of which nobody was told.
  await server.raise(alertOf('a1'), true);
  await isIn('open', 3);
  assert.equal((await server.history('a1')).length, 1);
});

test('a reply to what got worse in quiet hours is sent to the link: there is no newer message', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { title: 'High', severity: 'low' }));
  await settled(server, 'a1', { sms: 'sent' });
  await rig.db.tx((tx) => server.awaitWorse(tx, 'a1', 'moderate'));
  const { text } = await reply(server, { From: '+15550100001', Body: 'ACK' });
  assert.match(text!.text, /<Message>It got worse in quiet hours: High\. Use the link, which shows what it is now\.</);
  assert.deepEqual(server.acknowledged, []);
});
