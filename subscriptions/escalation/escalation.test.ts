// Escalation from the alert to the person: steps and channels.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { startMailServer, startPagerDuty, startReceiver, startSlack, startTwilio, waitFor } from '#platform/testing';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  email,
  from,
  goesRound,
  type HistoryRun,
  pagerAt,
  passTime,
  practitioner,
  publicUrl,
  settled,
  slackAt,
  sms,
  smsAt,
  type TestEscalation,
  tellsEnd,
} from './testing/rig.ts';

const until = (server: TestEscalation, id: string, what: string, test: (run: HistoryRun) => boolean) =>
  waitFor(async () => {
    const run = (await server.history(id)).at(-1)!;
    return test(run) && run;
  }, what);

const inState = (server: TestEscalation, id: string, state: string) =>
  until(server, id, `${id} to be ${state}`, (run) => run.state === state);

test('a step tells who it names, the next one follows when nobody acts, and PagerDuty hears of the end', async (t) => {
  const rig = await createEscalationRig(t);
  const [mail, pager] = [await startMailServer(t), await startPagerDuty(t)];
  await rig.put(
    practitioner('a', [email('a@example.org')]),
    chainOf([{ who: ['Practitioner/a'], channels: ['email'] }, { channels: ['pager'] }]),
  );
  const server = await rig.start({ mail: { url: mail.url, from }, endpoints: [pagerAt(pager)] });
  await server.raise(alertOf('a1'));
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { email: 'sent' });
  assert.equal(mail.mails.length, 1);
  assert.deepEqual(mail.mails[0]!.to, ['<a@example.org>']);
  assert.match(mail.mails[0]!.text, /^Subject: \[critical\] Critically high potassium\r$/m);
  // The token of the link is random: it may have any two letters.
  assert.doesNotMatch(mail.mails[0]!.text, /mmol|Patient|\bp1\b/);
  assert.equal(pager.received.length, 0);
  await passTime(rig.db, 'a1');
  await settled(server, 'a1', { email: 'sent', pager: 'sent' });
  assert.equal(pager.incidents.get('cerebra/a1/1'), 'triggered');
  const communications = await rig.store.list('Communication');
  const told = communications.map(({ status, recipient, subject, sent }) => ({
    status,
    recipient,
    subject,
    sent: typeof sent,
  }));
  const common = { status: 'completed', subject: { reference: 'Patient/p1' }, sent: 'string' };
  assert.equal(told.length, 2);
  for (const recipient of [[{ reference: 'Practitioner/a' }], [{ display: 'pager (Step 2)' }]]) {
    assert.ok(told.some((one) => JSON.stringify(one.recipient) === JSON.stringify(recipient)));
  }
  for (const { recipient: _, ...rest } of told) assert.deepEqual(rest, common);
  await passTime(rig.db, 'a1');
  await inState(server, 'a1', 'exhausted');
  await server.finish('a1', 'acknowledged');
  await settled(server, 'a1', { 'pager acknowledged': 'sent' });
  assert.equal(pager.incidents.get('cerebra/a1/1'), 'acknowledged');
  await server.finish('a1', 'cleared');
  await settled(server, 'a1', { 'pager cleared': 'sent' });
  assert.equal(pager.incidents.get('cerebra/a1/1'), 'resolved');
  assert.equal(mail.mails.length, 1);
});

test('an acknowledgment ends it: no later step, those who were told are told if the chain says so', async (t) => {
  const rig = await createEscalationRig(t);
  const [mail, slack] = [await startMailServer(t), await startSlack(t)];
  await rig.put(
    practitioner('a', [email('a@example.org')]),
    chainOf([{ who: ['Practitioner/a'], channels: ['email', 'slack'] }, { channels: ['slack'] }], tellsEnd),
  );
  const server = await rig.start({ mail: { url: mail.url, from }, endpoints: [slackAt(slack)] });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { email: 'sent', slack: 'standby' });
  await server.finish('a1', 'acknowledged');
  const run = await settled(server, 'a1', { email: 'sent', slack: 'cancelled', 'email acknowledged': 'sent' });
  assert.equal(run.state, 'acknowledged');
  assert.equal(run.steps.length, 1);
  assert.match(mail.mails[1]!.text, /^Subject: Acknowledged: Critically high potassium\r$/m);
  assert.equal(slack.received.length, 0);
  // Raised again after its end it is another escalation.
  await server.finish('a1', 'cleared');
  await server.raise(alertOf('a1'));
  assert.equal((await settled(server, 'a1', { email: 'sent' })).run, 2);
});

async function failing(t: TestContext) {
  const rig = await createEscalationRig(t);
  const [twilio, slack, pager] = [await startTwilio(t), await startSlack(t), await startPagerDuty(t)];
  await rig.put(practitioner('a', [sms('+15550100001')]));
  const endpoints = [smsAt(twilio), slackAt(slack), pagerAt(pager)];
  return { ...rig, twilio, slack, pager, endpoints };
}

test('a receiver that is down: the next channel is tried as well, then the message gets through or is given up', async (t) => {
  const { put, start, twilio, slack, endpoints } = await failing(t);
  await put(chainOf([{ who: ['Practitioner/a'], channels: ['sms', 'slack'] }]));
  const server = await start({ endpoints, limits: { backoffMsMin: 5, backoffMsMax: 5 } });
  twilio.fail.push({ status: 503, text: '' }, undefined, { status: 429, text: '', headers: { 'Retry-After': '0' } });
  await server.raise(alertOf('a1'));
  const run = await settled(server, 'a1', { slack: 'sent', sms: 'sent' });
  assert.equal(run.messages.find(({ channel }) => channel === 'sms')!.attempts, 4);
  assert.deepEqual([twilio.taken.length, slack.taken.length], [1, 1]);
});

test('what is refused for good is followed by the next channel, and where nothing is left by the next step at once', async (t) => {
  const { put, start, store, twilio, slack, pager, endpoints } = await failing(t);
  await put(chainOf([{ who: ['Practitioner/a'], channels: ['sms', 'slack'] }, { channels: ['pager'] }]));
  twilio.fail.push({ status: 400, text: '{"code":21610}' });
  slack.fail.push({ status: 410, text: 'channel_is_archived' });
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  const run = await settled(server, 'a1', { sms: 'failed', slack: 'failed', pager: 'sent' });
  assert.deepEqual(
    run.messages.map(({ error }) => error),
    ['The endpoint answered with HTTP 400', 'The endpoint answered with HTTP 410', null],
  );
  assert.equal(pager.incidents.get('cerebra/a1/1'), 'triggered');
  const statuses = (await store.list('Communication')).map(({ status }) => status).sort();
  assert.deepEqual(statuses, ['completed', 'not-done', 'not-done']);
});

test('an endpoint that hangs holds up its own messages only', async (t) => {
  const { put, start, db, endpoints } = await failing(t);
  const hanging = await startReceiver(t);
  hanging.answer = () => undefined;
  await put(chainOf([{ channels: ['slow', 'pager'], mode: 'all' }]));
  const slow = { name: 'slow', template: 'json', url: hanging.url, headers: {} } as const;
  const server = await start({ endpoints: [...endpoints, slow], limits: { timeoutMs: 3_600_000 } });
  const ids = Array.from({ length: 30 }, (_, index) => `a${index}`);
  for (const id of ids) await server.raise(alertOf(id));
  for (const id of ids) await settled(server, id, { pager: 'sent' });
  assert.equal(hanging.inFlightMax > 0 && hanging.inFlightMax <= 16, true, `${hanging.inFlightMax} at once`);
  hanging.answer = () => 200;
  hanging.cut();
  for (const id of ids) await settled(server, id, { slow: 'sent' });
  await db.query({ text: `update escalation set due_at = null` });
});

test('an endpoint that stands for everybody waits only while each of them is tried otherwise', async (t) => {
  const { put, start, twilio, slack, endpoints } = await failing(t);
  await put(
    practitioner('b', []),
    chainOf([{ who: ['Practitioner/a', 'Practitioner/b'], channels: ['websocket', 'sms', 'slack'] }]),
    { ...chainOf([{ who: ['Practitioner/b'], channels: ['websocket', 'sms', 'slack'] }]), id: 'of-b' },
    { ...chainOf([{ who: ['Practitioner/a'], channels: ['websocket', 'sms', 'slack'] }]), id: 'of-a' },
  );
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { sms: 'sent', slack: 'sent' });
  await server.raise(alertOf('a2', { escalation: 'of-b' }));
  await settled(server, 'a2', { slack: 'sent' });
  await server.raise(alertOf('a3', { escalation: 'of-a' }));
  await settled(server, 'a3', { sms: 'sent', slack: 'standby' });
  assert.deepEqual([twilio.taken.length, slack.taken.length], [2, 2]);
});

test('an endpoint that is not configured keeps none of the others from being told', async (t) => {
  const { put, start, slack, endpoints } = await failing(t);
  await put(chainOf([{ who: ['Practitioner/a'], channels: ['fax', 'email', 'slack'] }]));
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  const run = await settled(server, 'a1', { slack: 'sent' });
  assert.match(run.steps[0]!.note!, /fax: ALERT_ENDPOINTS has no such endpoint; email: SMTP_URL is not set$/);
  assert.equal(slack.taken.length, 1);
});

test('steps of a higher severity are left out until it rises; then it begins anew', async (t) => {
  const { put, start, slack, pager, endpoints } = await failing(t);
  await put(chainOf([{ channels: ['pager'], severity: 'high' }, { channels: ['slack'] }]));
  const server = await start({ endpoints });
  await server.raise(alertOf('a1', { severity: 'low' }));
  await settled(server, 'a1', { slack: 'sent' });
  assert.equal(pager.received.length, 0);
  await server.raise(alertOf('a1', { severity: 'low', title: 'The same' }));
  await server.raise(alertOf('a1', { severity: 'high' }));
  const run = await settled(server, 'a1', { pager: 'sent' });
  assert.deepEqual([run.run, run.steps.map(({ title }) => title)], [1, ['Step 2', 'Step 1']]);
  assert.equal(pager.taken[0]!.payload!.severity, 'error');
  assert.equal(slack.taken.length, 1);
});

test('steps and chains are repeated as often as they say, PagerDuty keeping one incident', async (t) => {
  const { put, start, db, pager, endpoints } = await failing(t);
  await put(chainOf([{ channels: ['pager'], times: 2 }], goesRound(2)));
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  for (let sent = 1; sent <= 4; sent++) {
    await until(
      server,
      'a1',
      `message ${sent}`,
      ({ messages }) => messages.filter(({ state }) => state === 'sent').length === sent,
    );
    await passTime(db, 'a1');
  }
  await inState(server, 'a1', 'exhausted');
  assert.equal(pager.taken.length, 4);
  assert.deepEqual([...pager.incidents], [['cerebra/a1/1', 'triggered']]);
});

test('nobody on call, no address, no chain: it says so, goes on at once, and begins again until somebody is there', async (t) => {
  const { put, start, db, store, slack, endpoints } = await failing(t);
  const away = { notAvailable: [{ description: 'away', during: { start: '2020-01-01', end: '2099-01-01' } }] };
  await put(
    { resourceType: 'PractitionerRole', id: 'r', practitioner: { reference: 'Practitioner/a' }, ...away },
    chainOf([
      { who: ['PractitionerRole/r', 'Practitioner/none'], channels: ['sms', 'websocket'] },
      { who: ['Practitioner/a'], channels: ['email'] },
    ]),
  );
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  await until(server, 'a1', 'a second round', ({ steps }) => steps.length >= 3);
  const [run] = await server.history('a1');
  assert.equal(run!.steps[0]!.note, 'PractitionerRole/r: not on call; Practitioner/none: there is no such resource');
  assert.equal(run!.steps[1]!.note, 'Practitioner/a: has no address for email; email: SMTP_URL is not set');
  assert.equal(run!.error === null || /reached nobody/.test(run!.error), true);
  await server.raise(alertOf('a2', { escalation: 'other' }));
  await until(
    server,
    'a2',
    'the broken chain',
    ({ error }) => error === 'PlanDefinition/other: there is no such chain',
  );
  await store.put({ ...chainOf([{ channels: ['slack'] }]), id: 'other' });
  await settled(server, 'a2', { slack: 'sent' });
  assert.equal(slack.taken.length, 1);
  await db.query({ text: `update escalation set state = 'closed', due_at = null where alert = 'a1'` });
});

test('too many for one address become one message of many, critical ones wait only for their kind', async (t) => {
  const { put, start, db, slack, pager, endpoints } = await failing(t);
  await put(chainOf([{ channels: ['slack', 'pager'], mode: 'all' }]));
  const server = await start({ endpoints, limits: { messagesMax: 2, windowMs: 3_600_000 } });
  const ids = Array.from({ length: 7 }, (_, index) => `a${index + 1}`);
  for (const id of ids) {
    await server.raise(alertOf(id, { severity: 'low', title: `Alert ${id}` }));
    await settled(server, id, { pager: 'sent', slack: Number(id.slice(1)) <= 2 ? 'sent' : 'held' });
  }
  await server.raise(alertOf('c1'));
  await settled(server, 'c1', { slack: 'sent' });
  assert.equal(slack.taken.length, 3);
  assert.equal(pager.taken.length, 8);
  await server.finish('a7', 'cleared');
  await db.query({
    text: `update escalation_message set sent_at = sent_at - interval '2 hours' where sent_at is not null;
      update escalation_message set due_at = statement_timestamp() where state = 'held'`,
  });
  for (const id of ids.slice(2, 6)) await settled(server, id, { slack: 'sent' });
  await settled(server, 'a7', { slack: 'cancelled' });
  assert.equal(slack.taken.length, 4);
  const digest = slack.taken[3]!;
  assert.equal(digest.text, '4 alerts since the last message');
  const titles = digest.blocks.filter(({ type }) => type === 'section').map(({ text }) => text!.text.split('\n')[0]);
  assert.deepEqual(titles, ['[low] Alert a3', '[low] Alert a4', '[low] Alert a5', '[low] Alert a6']);
  const carrier = (await server.history('a3'))[0]!.messages.find(({ channel }) => channel === 'slack')!.id;
  for (const id of ['a4', 'a5', 'a6']) {
    const [run] = await server.history(id);
    assert.equal(run!.messages.find(({ channel }) => channel === 'slack')!.digest, carrier);
  }
});

test('of critical alerts an address gets three times as many before one has to wait', async (t) => {
  const { put, start, endpoints } = await failing(t);
  await put(chainOf([{ channels: ['slack'] }]));
  const server = await start({ endpoints, limits: { messagesMax: 1, windowMs: 3_600_000 } });
  for (const [at, id] of ['c1', 'c2', 'c3', 'c4'].entries()) {
    await server.raise(alertOf(id));
    await settled(server, id, { slack: at < 3 ? 'sent' : 'held' });
  }
});

test('a web socket is told by the Communication; it does not stand in for the other channels', async (t) => {
  const { put, start, store, twilio, endpoints } = await failing(t);
  await put(chainOf([{ who: ['Practitioner/a'], channels: ['websocket', 'sms'] }]));
  const server = await start({ endpoints });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { websocket: 'sent', sms: 'sent' });
  assert.equal(twilio.taken.length, 1);
  const told = (await store.list('Communication')).filter(({ medium }) => JSON.stringify(medium).includes('websocket'));
  assert.deepEqual(
    told.map(({ status, recipient }) => [status, recipient]),
    [['completed', [{ reference: 'Practitioner/a' }]]],
  );
});

test('addresses that may not be called are not, and neither error nor log shows a secret', async (t) => {
  const rig = await createEscalationRig(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({
    endpoints: [slackAt({ url: 'http://169.254.169.254/services/T0/B0/secret-path' })],
  });
  await server.raise(alertOf('a1'));
  const run = await settled(server, 'a1', { slack: 'failed' });
  assert.equal(run.messages[0]!.error, 'The endpoint has an address that this server does not call (EGRESS_ALLOW)');
  const listed = await server.call('GET', '/admin/escalations/endpoints');
  assert.deepEqual(listed.body, { endpoints: [{ name: 'slack', template: 'slack' }] });
});

test('escalations that nobody has ended are listed in pages, each once', async (t) => {
  const rig = await createEscalationRig(t);
  const server = await rig.start();
  await rig.db.query({
    text: `insert into escalation (alert, run, chain, state, facts, began_at)
      select 'a' || i, 1, 'c', 'open', '{}', timestamptz '2026-01-01T00:00:00.000123Z' + i / 2 * interval '1 microsecond'
      from generate_series(1, 5) i`,
  });
  const seen: string[] = [];
  for (let after: string | undefined = ''; after !== undefined && seen.length < 10; ) {
    const query: string = `limit=2${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`;
    const { body } = await server.call('GET', '/admin/escalations', { query });
    const page = body as { escalations: { alert: string; began: string }[]; next?: string };
    for (const { alert, began } of page.escalations) seen.push(`${alert} ${began}`);
    after = page.next;
  }
  const began = '2026-01-01T00:00:00.000Z';
  assert.deepEqual(
    seen,
    [1, 2, 3, 4, 5].map((i) => `a${i} ${began}`),
  );
});

test('a chain can be rehearsed, an endpoint tried', async (t) => {
  const { put, start, twilio, slack, endpoints } = await failing(t);
  const hours = [{ daysOfWeek: ['mon'], availableStartTime: '08:00:00', availableEndTime: '16:00:00' }];
  await put({
    resourceType: 'PractitionerRole',
    id: 'r',
    practitioner: { reference: 'Practitioner/a' },
    availableTime: hours,
  });
  const chain = chainOf([{ who: ['PractitionerRole/r'], channels: ['sms'], wait: 600 }, { channels: ['slack'] }]);
  const server = await start({ endpoints, timeZone: 'Europe/Berlin' });
  const check = async (query: string) => {
    const { body } = await server.call('POST', '/admin/escalations/check', { query, body: JSON.stringify(chain) });
    return (body as { steps: { messages: { recipient: string }[]; at: string; notes: string[] }[] }).steps;
  };
  const [first, second] = await check('at=2026-01-05T07:30:00Z');
  assert.deepEqual(first!.messages, [{ channel: 'sms', recipient: 'PractitionerRole/r', state: 'waiting' }]);
  assert.equal(second!.at, '2026-01-05T07:40:00.000Z');
  const [nobody] = await check('at=2026-01-05T06:30:00Z');
  assert.deepEqual([nobody!.messages, nobody!.notes], [[], ['PractitionerRole/r: not on call']]);
  await assert.rejects(
    server.call('POST', '/admin/escalations/check', { body: '{"resourceType":"PlanDefinition","action":[]}' }),
    { code: 'invalid' },
  );
  const tried = await server.call('POST', '/admin/escalations/endpoints/sms/test', { query: 'to=%2B15550100001' });
  assert.deepEqual(tried.body, { endpoint: 'sms', sent: true });
  await assert.rejects(server.call('POST', '/admin/escalations/endpoints/sms/test'), {
    code: 'required',
    message: 'to is missing: this endpoint tells a person, so name an address of kind sms, ?to=…',
  });
  assert.match(twilio.taken[0]!.Body, /This is a test/);
  assert.equal(slack.received.length, 0);
});

test('a program gets JSON that is signed, at the address of whoever is on call', async (t) => {
  const rig = await createEscalationRig(t);
  const receiver = await startReceiver(t);
  await rig.put(
    practitioner('a', [{ system: 'url', value: receiver.url }]),
    chainOf([{ who: ['Practitioner/a'], channels: ['program'], detail: true }]),
  );
  const secret = 'a test secret';
  const server = await rig.start({
    endpoints: [{ name: 'program', template: 'json', secret, headers: { 'X-Ward': '3' } }],
  });
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { program: 'sent' });
  const { headers, body } = receiver.received[0]!;
  assert.equal(headers['x-signature'], createHmac('sha256', secret).update(body).digest('hex'));
  assert.equal(headers['x-ward'], '3');
  const { id, sent, link, ...rest } = JSON.parse(body) as Record<string, string>;
  assert.equal(id, headers['x-cerebra-message']);
  assert.ok(sent !== undefined && link!.startsWith(`${publicUrl}alerts/`));
  assert.deepEqual(rest, {
    ...{ kind: 'alert', alert: 'a1/1', rule: 'critical-potassium', severity: 'critical', step: 'Step 1' },
    ...{ title: 'Critically high potassium', text: '[critical] Critically high potassium' },
    ...{ raised: '2026-01-01T00:00:00.000Z', detail: '6.9 mmol/L (limit 6.2)' },
  });
});
