// A reply to a mail acknowledges its alert: bound to the message by its address, and only from whoever takes mail for it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startMailServer, waitFor } from '#platform/testing';
import { createLinks } from './link.ts';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  email,
  from,
  practitioner,
  settled,
  type TestEscalation,
} from './testing/rig.ts';

const secret = 'of the mail service';
const replies = { name: 'mailbox', template: 'mail-replies', address: 'alerts@in.example.org', secret } as const;
const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}` });

const post = (server: TestEscalation, mail: object, headers: Record<string, string> = basic(secret)) =>
  server.call('POST', '/alerts/mail-replies/mailbox', { headers, body: JSON.stringify(mail) });

const outcomeOf = async (server: TestEscalation, mail: object, headers?: Record<string, string>): Promise<unknown> =>
  ((await post(server, mail, headers)).body as { outcome: string }).outcome;

async function setUp(t: TestContext, limits: object = {}) {
  const rig = await createEscalationRig(t);
  const server = await startMailServer(t);
  await rig.put(
    practitioner('a', [email('a@example.org')]),
    chainOf([{ who: ['Practitioner/a'], channels: ['email'] }]),
  );
  const escalation = await rig.start({ endpoints: [replies], mail: { url: server.url, from }, limits });
  const raise = async (id: string): Promise<string> => {
    const sent = server.mails.length;
    await escalation.raise(alertOf(id, { title: `Alert ${id}` }));
    await settled(escalation, id, { email: 'sent' });
    // https://www.rfc-editor.org/rfc/rfc5322#section-2.2.3: long lines are folded.
    return /^Reply-To:\s+(\S+)\r$/m.exec(server.mails[sent]!.text)![1]!;
  };
  return { rig, server: escalation, mails: server.mails, raise };
}

test('ACK in the first line acknowledges, and who replied is told; the page’s link stays beside it', async (t) => {
  const { server, mails, raise } = await setUp(t);
  const to = await raise('a1');
  assert.match(to, /^alerts\+[0-9a-z]{48}@in\.example\.org$/);
  assert.match(mails[0]!.text, /To acknowledge it: https:/);
  assert.match(mails[0]!.text, /reply to this mail with ACK alone in the first line/);
  const mail = { to, from: 'A <A@example.org>', subject: 'Re: it', text: '\r\n ack \r\n\r\n> [critical] Alert a1\r\n' };
  assert.equal(await outcomeOf(server, mail, { authorization: `Bearer ${secret}` }), 'acknowledged');
  assert.deepEqual(server.acknowledged, [{ id: 'a1', by: 'Practitioner/a', note: 'by reply to a mail' }]);
  const answer = await waitFor(() => mails[1], 'the answer');
  assert.deepEqual(answer.to, ['<A@example.org>']);
  assert.match(answer.text, /Auto-Submitted: auto-replied/);
  assert.match(answer.text, /Acknowledged: Alert a1\. Nobody else is called\./);
  assert.equal(await outcomeOf(server, mail), 'over');
  const { messages } = await settled(server, 'a1', { email: 'sent' });
  assert.deepEqual(
    messages.map(({ acknowledgedThrough }) => acknowledgedThrough),
    [true],
  );
});

test('as Postmark posts it, from another address, which the note names', async (t) => {
  const { server, raise } = await setUp(t);
  const to = await raise('a1');
  const mail = {
    ...{ From: 'b@example.org', To: `"Alerts" <${to.toUpperCase()}>`, OriginalRecipient: 'hash@inbound.example.org' },
    ...{ TextBody: 'OK\n\nOn Monday somebody wrote:', StrippedTextReply: 'OK', Headers: [] },
  };
  assert.equal(await outcomeOf(server, mail), 'acknowledged');
  assert.deepEqual(server.acknowledged[0]?.note, 'by reply to a mail, from b@example.org');
});

test('automatic answers, other texts, other addresses and strangers acknowledge nothing', async (t) => {
  const { server, mails, raise } = await setUp(t);
  const to = await raise('a1');
  const mail = { to, from: 'a@example.org', text: 'ACK' };
  for (const headers of [{}, basic('guessed'), { authorization: 'Bearer ' }]) {
    await assert.rejects(post(server, mail, headers as Record<string, string>), { code: 'forbidden' });
  }
  await assert.rejects(post(server, [mail]), { code: 'invalid' });
  const other = server.call('POST', '/alerts/mail-replies/another', { headers: basic(secret), body: '{}' });
  await assert.rejects(other, { code: 'not-found' });
  const automatic = [
    ['Auto-Submitted', 'auto-replied'],
    ['X-Autoreply', 'yes'],
    ['Precedence', 'bulk'],
  ].map(([Name, Value]) => ({ ...mail, Headers: [{ Name, Value }] }));
  for (const one of automatic) assert.equal(await outcomeOf(server, one), 'automatic');
  const forged = to.replace(/\+(.)/, (_, first) => `+${first === '0' ? '1' : '0'}`);
  for (const one of [forged, 'alerts@in.example.org', to.replace('in.', 'out.'), '']) {
    assert.equal(await outcomeOf(server, { ...mail, to: one }), 'unknown', one);
  }
  assert.equal(mails.length, 1);
  // The digits are those of a short message, about whatever it was.
  for (const text of ['On my way', '', 'ACK not yet', 'ACK 99999', 'no\nACK']) {
    assert.equal(await outcomeOf(server, { ...mail, text }), 'not-understood', text);
  }
  await waitFor(() => mails.length === 6, 'the answers');
  assert.match(mails.at(-1)!.text, /Nothing was acknowledged/);
  assert.deepEqual(server.acknowledged, []);
});

test('an address is good as long as a link', async (t) => {
  const expired = await setUp(t, { linkMs: -1_000 });
  const late = await expired.raise('a1');
  assert.equal(await outcomeOf(expired.server, { to: late, from: 'a@example.org', text: 'ACK' }), 'expired');
  assert.deepEqual(expired.server.acknowledged, []);
});

test('the token of an address: its message and its time, under its key only, none of a link', () => {
  const links = createLinks(Buffer.alloc(32, 1));
  for (const id of ['3b0e7f9a-64c1-5d57-8a34-95d1c04c7f11', '00000000-0000-5000-8000-000000000001']) {
    const token = links.mailTokenOf(id, 1_800_000_000_500);
    assert.match(token, /^[0-9a-z]{48}$/);
    assert.deepEqual(links.readMail(token), { messageId: id, untilMs: 1_800_000_000_000 });
    assert.equal(createLinks(Buffer.alloc(32, 2)).readMail(token), undefined);
    for (const [i, character] of [...token].entries()) {
      const other = character === 'z' ? '1' : 'z';
      assert.equal(links.readMail(token.slice(0, i) + other + token.slice(i + 1)), undefined);
    }
    assert.equal(links.readMail(links.tokenOf(id, 1_800_000_000_500)), undefined);
  }
});
