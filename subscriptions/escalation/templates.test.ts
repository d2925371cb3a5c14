// The wire formats, at their limits, against doubles that check what the vendors document.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEgress } from '#platform';
import { startPagerDuty, startSlack, startTeams, startTwilio, twilioAccount } from '#platform/testing';
import type { Endpoint } from './endpoints.ts';
import { headline, type Notice, type NoticeItem, shorten } from './notice.ts';
import { post } from './post.ts';
import { compose, judge } from './templates/templates.ts';

const poster = { egress: createEgress(['loopback']), timeoutMs: 5_000 };

async function send(notice: Notice, endpoint: Endpoint) {
  const answers = await Promise.all(compose(notice, endpoint, 0).map((one) => post(one, poster)));
  const results = answers.map((answer) => ('ok' in answer ? answer : judge(answer, endpoint)));
  return results.find(({ ok }) => !ok) ?? { ok: true };
}

const item: NoticeItem = {
  title: 'Critically high potassium',
  severity: 'critical',
  code: '0042',
  link: 'https://c.example.org/alerts/x',
};
const notice: Notice = {
  ...item,
  ...{ kind: 'alert', id: 'm1', alert: 'a1/1', rule: 'potassium', step: 'Nurse', raisedMs: 0, address: '+15550100001' },
  ...{ others: [], more: 0, source: 'c.example.org' },
};
const awkward = '<!channel> & *bold* [x](http://evil.example) \u{1F9C0}\u{1F9C0} \r\n\u0000"\\';
const long: Notice = { ...notice, title: awkward.repeat(200), detail: awkward.repeat(500), step: awkward };
const many: NoticeItem[] = Array.from({ length: 60 }, () => ({ ...item, title: awkward.repeat(20) }));
const digest: Notice = { ...long, others: many, more: 3 };
const { link: _link, ...unlinked } = notice;
const end: Notice = { ...unlinked, kind: 'cleared' };
const notices = [notice, long, digest, end];

test('Slack takes all of them', async (t) => {
  const slack = await startSlack(t);
  const endpoint = { name: 'slack', template: 'slack', url: slack.url } as const;
  for (const one of notices) assert.deepEqual(await send(one, endpoint), { ok: true });
  const [plain, awkwardOne, , over] = slack.taken;
  assert.equal(plain!.text, '[critical] Critically high potassium');
  assert.deepEqual(
    plain!.blocks.map(({ type }) => type),
    ['header', 'section', 'context'],
  );
  assert.equal(plain!.blocks[1]!.text!.text, '<https://c.example.org/alerts/x|Open to acknowledge>');
  assert.doesNotMatch(awkwardOne!.text, /<!channel>/);
  assert.doesNotMatch(awkwardOne!.blocks[1]!.text!.text, /<!channel>/);
  assert.match(awkwardOne!.blocks[1]!.text!.text, /<https:\/\/c\.example\.org\/alerts\/x\|Open to acknowledge>$/);
  assert.equal(over!.text, 'Over: Critically high potassium');
  assert.equal(
    over!.blocks.some(({ text }) => text?.text.includes('https:')),
    false,
  );
});

test('Slack takes their buttons: one for each alert that is open, with the token of its link', async (t) => {
  const slack = await startSlack(t);
  const endpoint = { name: 'slack', template: 'slack', url: slack.url, signingSecret: 's' } as const;
  for (const one of notices) assert.deepEqual(await send(one, endpoint), { ok: true });
  const values = slack.taken.map(({ blocks }) => blocks.flatMap(({ accessory }) => accessory?.value ?? []));
  assert.deepEqual(
    values.map((list) => [list.length, ...new Set(list)]),
    [[1, 'x'], [1, 'x'], [48, 'x'], [0]],
  );
});

test('PagerDuty takes all of them, an end as its acknowledge or resolve', async (t) => {
  const pager = await startPagerDuty(t);
  const endpoint = { name: 'pager', template: 'pagerduty', url: pager.url, routingKey: 'k'.repeat(32) } as const;
  for (const one of [...notices, { ...end, kind: 'acknowledged' } as const])
    assert.deepEqual(await send(one, endpoint), { ok: true });
  assert.deepEqual(
    pager.taken.map(({ event_action }) => event_action),
    ['trigger', 'trigger', 'trigger', 'resolve', 'acknowledge'],
  );
  const { payload, links } = pager.taken[0]!;
  assert.deepEqual(payload, {
    ...{
      summary: '[critical] Critically high potassium',
      source: 'c.example.org',
      severity: 'critical',
      class: 'potassium',
    },
    ...{ timestamp: '1970-01-01T00:00:00.000Z', custom_details: { step: 'Nurse' } },
  });
  assert.equal(links![0]!.href, notice.link);
  assert.deepEqual(Object.keys(pager.taken[3]!).sort(), ['dedup_key', 'event_action', 'routing_key']);
  const wrong = await send(notice, { ...endpoint, routingKey: 'short' });
  assert.deepEqual(wrong, { ok: false, error: 'The endpoint answered with HTTP 400', permanent: true });
});

test('PagerDuty opens an incident for each time that an alert got worse, ends those before, and the last at the end', async (t) => {
  const pager = await startPagerDuty(t);
  const endpoint = { name: 'pager', template: 'pagerduty', url: pager.url, routingKey: 'k'.repeat(32) } as const;
  const states = () => Object.fromEntries(pager.incidents);
  for (const risen of [0, 1, 1, 2]) assert.deepEqual(await send({ ...notice, risen }, endpoint), { ok: true });
  assert.deepEqual(states(), {
    ...{ 'cerebra/a1/1': 'resolved', 'cerebra/a1/1/1': 'resolved', 'cerebra/a1/1/2': 'triggered' },
  });
  assert.deepEqual(await send({ ...end, kind: 'acknowledged', risen: 2 }, endpoint), { ok: true });
  assert.equal(states()['cerebra/a1/1/2'], 'acknowledged');
  // Time and again: no more than four.
  for (const risen of [3, 4, 5]) assert.deepEqual(await send({ ...notice, risen }, endpoint), { ok: true });
  const worst = { 'cerebra/a1/1': 'resolved', 'cerebra/a1/1/1': 'triggered', 'cerebra/a1/1/2': 'resolved' };
  assert.deepEqual(states(), { ...worst, 'cerebra/a1/1/3': 'resolved' });
  // Also of one that told an older state of it while that got worse.
  assert.deepEqual(await send({ ...notice, risen: 0 }, endpoint), { ok: true });
  assert.deepEqual(await send({ ...end, risen: 5 }, endpoint), { ok: true });
  assert.deepEqual(new Set(pager.incidents.values()), new Set(['resolved']));
});

test('Teams takes all of them within 28 KB', async (t) => {
  const teams = await startTeams(t);
  const endpoint = { name: 'teams', template: 'teams', url: teams.url } as const;
  const fat = { ...digest, others: many.map((one) => ({ ...one, title: '\u{1F9C0}'.repeat(2_000) })) };
  for (const one of [...notices, fat]) assert.deepEqual(await send(one, endpoint), { ok: true });
  const { body, actions } = teams.taken[0]!.attachments[0]!.content as Record<
    string,
    { inlines: { text: string }[]; url: string }[]
  >;
  assert.equal(body![0]!.inlines[0]!.text, '[critical] Critically high potassium');
  assert.equal(actions![0]!.url, notice.link);
  assert.match(JSON.stringify(teams.taken[4]), /\d+ more are not listed/);
  // Its answer 200 may hide that Teams has refused.
  teams.fail.push({
    status: 200,
    text: 'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429',
  });
  assert.deepEqual(await send(notice, endpoint), { ok: false, error: 'The endpoint answered with HTTP 429' });
});

test('Twilio takes all of them within 1,600 characters', async (t) => {
  const twilio = await startTwilio(t);
  const { sid, token, number } = twilioAccount;
  const endpoint = {
    name: 'sms',
    template: 'twilio',
    url: twilio.url,
    accountSid: sid,
    authToken: token,
    from: number,
  } as const;
  for (const one of notices) assert.deepEqual(await send(one, endpoint), { ok: true });
  assert.deepEqual(twilio.taken[0], {
    ...{ To: '+15550100001', From: number },
    Body: '[critical] Critically high potassium\nhttps://c.example.org/alerts/x\nReply ACK 0042',
  });
  assert.match(twilio.taken[1]!.Body, /https:\/\/c\.example\.org\/alerts\/x\nReply ACK 0042$/);
  assert.match(twilio.taken[2]!.Body, /^64 alerts since the last message\n.*\n\d+ more are not listed$/s);
  assert.equal(twilio.taken[3]!.Body, 'Over: Critically high potassium');
  const [refused] = [await send({ ...notice, address: '12' }, endpoint)];
  assert.deepEqual(refused, { ok: false, error: 'The endpoint answered with HTTP 400', permanent: true });
  assert.equal((await send(notice, { ...endpoint, authToken: 'wrong' })).ok, false);
});

test('what a receiver answers, and what it does not', async (t) => {
  const slack = await startSlack(t);
  const endpoint = { name: 'slack', template: 'slack', url: slack.url } as const;
  slack.fail.push(
    { status: 429, text: '', headers: { 'Retry-After': '30' } },
    {
      ...{ status: 429, text: '' },
      headers: { 'Retry-After': 'Sun, 06 Nov 1994 08:49:37 GMT', Date: 'Sun, 06 Nov 1994 08:49:27 GMT' },
    },
    { status: 302, text: '', headers: { Location: 'http://169.254.169.254/' } },
    { status: 500, text: 'x'.repeat(200_000) },
    undefined,
  );
  assert.deepEqual(await send(notice, endpoint), {
    ok: false,
    error: 'The endpoint answered with HTTP 429',
    retryAfterMs: 30_000,
  });
  assert.deepEqual(await send(notice, endpoint), {
    ok: false,
    error: 'The endpoint answered with HTTP 429',
    retryAfterMs: 10_000,
  });
  assert.deepEqual(await send(notice, endpoint), {
    ok: false,
    error: 'The endpoint answered with HTTP 302',
    permanent: true,
  });
  assert.deepEqual(await send(notice, endpoint), { ok: false, error: 'The endpoint answered with HTTP 500' });
  assert.deepEqual(await send(notice, endpoint), {
    ok: false,
    error: 'The endpoint broke off the connection',
    permanent: false,
  });
  const closed = await post({ url: slack.url, headers: {}, body: '' }, { ...poster, egress: createEgress([]) });
  assert.equal('permanent' in closed && closed.permanent, true);
  const none = await post({ url: 'not a url', headers: {}, body: '' }, poster);
  assert.deepEqual(none, { ok: false, error: 'The endpoint has no URL', permanent: true });
});

test('texts are one line, and cut between characters', () => {
  assert.equal(headline({ kind: 'alert', severity: 'high', title: 'a\r\nBcc: x\t b' }), '[high] a Bcc: x b');
  assert.equal(shorten('abcdef', 6), 'abcdef');
  assert.equal(shorten('abcdefg', 6), 'abcde…');
  assert.equal(shorten('abcd\u{1F9C0}x', 6), 'abcd…');
});
