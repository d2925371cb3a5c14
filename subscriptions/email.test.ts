// The email channel: https://hl7.org/fhir/R4/subscription.html#email
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { type MailServer, startMailServer, startReceiver, type TakenMail, waitFor } from '#platform/testing';
import { createRig, observation, subscription, waitForState, waitForStatus } from './testing/rig.ts';
import { appointment, eventNumbers, topicSubscription } from './testing/topic.ts';

const from = 'Cerebra <no-reply@example.org>';
const baseUrl = 'https://fhir.example.org/fhir/R4';

async function setUp(t: TestContext) {
  const rig = await createRig(t);
  const mail = await startMailServer(t);
  const server = await rig.start({ mail: { url: mail.url, from }, baseUrl });
  const request = async (id: string, channel: object, rest: object = {}) => {
    const whole = { type: 'email', endpoint: 'mailto:nurse@example.org', ...channel };
    await rig.store.put(subscription(id, '', { channel: whole, ...rest }));
  };
  return { ...rig, mail, server, request };
}

const mails = ({ mails }: MailServer, count: number): Promise<TakenMail[]> =>
  waitFor(() => mails.length >= count && mails, `${count} mails`);

const head = ({ text }: TakenMail): string => text.slice(0, text.indexOf('\r\n\r\n') + 2);
const field = (mail: TakenMail, name: string): string | undefined =>
  new RegExp(`^${name}: (.*(?:\r\n[ \t].*)*)\r\n`, 'im').exec(head(mail))?.[1];

test('without payload a mail says why and where, and nothing of the patient', async (t) => {
  const { db, store, mail, request } = await setUp(t);
  await request('s', { header: ['Subject: Käse\u{1f9c0} ist da', 'X-Ward: 3'] }, { reason: 'Potassium of\r\nward 3' });
  await waitForState(db, 's', 'active');
  await store.put(observation('o1', 'a', { subject: { reference: 'Patient/secret', display: 'DOE^JANE' } }));
  await store.put(observation('o2'));
  const [one, two] = await mails(mail, 2);
  assert.deepEqual([one!.from, one!.to], ['<no-reply@example.org>', ['<nurse@example.org>']]);
  assert.equal(field(one!, 'From'), from);
  assert.equal(field(one!, 'To'), 'nurse@example.org');
  assert.equal(field(one!, 'X-Ward'), '3');
  assert.equal(field(one!, 'Auto-Submitted'), 'auto-generated');
  assert.equal(field(one!, 'X-Cerebra-Subscription'), 's');
  assert.equal(field(one!, 'X-Cerebra-Event-Number'), '1');
  assert.equal(field(one!, 'Message-ID'), '<1.s@example.org>');
  assert.equal(field(two!, 'Message-ID'), '<2.s@example.org>');
  assert.match(field(one!, 'Subject') ?? '', /^=\?UTF-8\?[BQ]\?/);
  assert.equal(one!.text.slice(head(one!).length + 2), `Potassium of ward 3\r\n\r\n${baseUrl}\r\n`);
  for (const each of [one!, two!]) assert.doesNotMatch(each.text, /secret|JANE|o1|o2|Observation/);
});

test('a payload of FHIR is attached, text/plain links to the resource', async (t) => {
  const { db, store, mail, request } = await setUp(t);
  await request('json', { payload: 'application/fhir+json' });
  await request('plain', { payload: 'text/plain' });
  await request('xml', { payload: 'application/fhir+xml' });
  for (const id of ['json', 'plain', 'xml']) await waitForState(db, id, 'active');
  await store.put(observation('o1'));
  const sent = await mails(mail, 3);
  const of = (id: string) => sent.find((one) => field(one, 'X-Cerebra-Subscription') === id)!;
  assert.match(of('plain').text, new RegExp(`\r\n\r\ntest\r\n\r\n${baseUrl}/Observation/o1\r\n$`));
  const stored = await store.reader.read('Observation', 'o1', { kind: 'everything' });
  assert.equal(attached(of('json'), 'application/fhir+json', 'Observation-o1.json'), stored!.body);
  assert.match(
    attached(of('xml'), 'application/fhir+xml', 'Observation-o1.xml'),
    /<Observation xmlns=.*><id value="o1"\//,
  );
  assert.equal(field(of('json'), 'Subject'), 'Subscription notification');
});

/** The decoded content of the one attachment. https://www.rfc-editor.org/rfc/rfc2045 */
function attached(mail: TakenMail, type: string, name: string): string {
  const boundary = /boundary="([^"]+)"/.exec(head(mail))![1]!;
  const parts = mail.text.split(`--${boundary}`);
  const part = parts.find((each) => each.includes(`filename=${name}`))!;
  assert.ok(part.includes(`Content-Type: ${type}`), part);
  const [fields = '', ...body] = part.split('\r\n\r\n');
  const text = body.join('\r\n\r\n').trim();
  if (/base64/i.test(fields)) return Buffer.from(text, 'base64').toString();
  return text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

test('notifications of a topic: in the body no word of the patient, attached what was asked for', async (t) => {
  const rig = await createRig(t);
  const mail = await startMailServer(t);
  const server = await rig.start({ mail: { url: mail.url, from }, baseUrl, fullResource: 'any' });
  const ask = async (id: string, payload: string, content: string) => {
    await rig.store.put(topicSubscription(id, 'mailto:nurse@example.org', { type: 'email', payload, content }));
    await waitForStatus(rig.store, id, payload.includes('html') ? 'error' : 'active');
  };
  await ask('plain', 'text/plain', 'id-only');
  await ask('attached', 'text/plain;attach=application/fhir+json', 'full-resource');
  await ask('xml', 'application/fhir+xml', 'empty');
  await ask('wrong', 'text/plain;attach=text/html', 'empty');
  await ask('html', 'text/html;attach=application/fhir+json', 'empty');
  for (const id of ['plain', 'attached', 'xml']) await waitForState(rig.db, id, 'active');
  await rig.store.put(appointment('a', 'booked', { comment: 'tooth' }));
  const sent = await mails(mail, 3);
  await server.stop();
  const of = (id: string) => sent.find((one) => field(one, 'X-Cerebra-Subscription') === id)!;
  assert.doesNotMatch(of('plain').text, /Appointment|tooth|boundary/);
  assert.match(of('plain').text, /\r\n\r\ntest\r\n\r\nhttps:/);
  const bundle = JSON.parse(attached(of('attached'), 'application/fhir+json', 'notification-1.json')) as Resource;
  assert.deepEqual(eventNumbers(bundle), [1]);
  assert.match(JSON.stringify(bundle), /"comment":"tooth"/);
  const status = attached(of('xml'), 'application/fhir+xml', 'notification-1.xml');
  assert.match(status, /<Bundle xmlns=.*<valueCode value="event-notification"/);
  assert.doesNotMatch(status, /Appointment/);
});

test('a mail server that fails is tried again; a refused recipient ends it at once', async (t) => {
  const { db, store, mail, request } = await setUp(t);
  const failures = ['450 later', '451 later'];
  const answer = mail.answer;
  mail.answer = (verb, line) => (verb === 'RCPT' && failures.length > 0 ? failures.shift() : answer(verb, line));
  await request('s', {});
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await store.put(observation('o2'));
  const sent = await mails(mail, 2);
  assert.deepEqual(
    sent.map((one) => field(one, 'X-Cerebra-Event-Number')),
    ['1', '2'],
  );
  assert.equal(failures.length, 0);
  mail.answer = (verb, line) => (verb === 'RCPT' ? '550 5.1.1 <nurse@example.org> unknown' : answer(verb, line));
  await store.put(observation('o3'));
  const failed = await waitForStatus(store, 's', 'error');
  assert.equal(failed.error, 'The mail server answered 550');
  mail.answer = answer;
  await request('s', {});
  assert.equal(field((await mails(mail, 3))[2]!, 'X-Cerebra-Event-Number'), '3');
});

test('what a mail server has against us ends no Subscription: it is tried again until the operator has mended it', async (t) => {
  const { db, store, mail, request } = await setUp(t);
  const refusals: Record<string, string[]> = {
    MAIL: ['530 5.7.0 Authentication required', '550 5.7.1 Sender rejected', '451 Later'],
    RCPT: ['530 5.7.0 Authentication required'],
  };
  const { answer } = mail;
  mail.answer = (verb, line) => refusals[verb]?.shift() ?? answer(verb, line);
  await request('s', {});
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await mails(mail, 1);
  assert.deepEqual(refusals, { MAIL: [], RCPT: [] });
  await waitForState(db, 's', 'active');
  mail.answer = (verb, line) => (verb === 'MAIL' ? '552 5.3.4 Message too big' : answer(verb, line));
  await store.put(observation('o2'));
  assert.equal((await waitForStatus(store, 's', 'error')).error, 'The mail server answered 552');
});

test('a mail server that does not answer is given up after the timeout and tried again', async (t) => {
  const rig = await createRig(t);
  const mail = await startMailServer(t);
  const answer = mail.answer;
  let silent = 1;
  mail.answer = (verb, line) => (verb === 'MAIL' && silent-- > 0 ? undefined : answer(verb, line));
  await rig.start({ mail: { url: mail.url, from }, limits: { timeoutMs: 300 } });
  await rig.store.put(subscription('s', '', { channel: { type: 'email', endpoint: 'mailto:nurse@example.org' } }));
  await waitForState(rig.db, 's', 'active');
  await rig.store.put(observation('o1'));
  await mails(mail, 1);
  const rows = await rig.db.query({ text: `select attempts from delivery where subscriber = 's' and number = 1` });
  assert.ok((rows[0] as { attempts: number }).attempts >= 1);
});

test('what would change the mail or the session is refused, and says which element', async (t) => {
  const { store, request } = await setUp(t);
  const cases: [string, object, RegExp][] = [
    ['url', { endpoint: 'https://example.org' }, /endpoint must be mailto: and one address/],
    ['two', { endpoint: 'mailto:a@example.org,b@example.org' }, /endpoint must be mailto: and one address/],
    ['field', { endpoint: 'mailto:a@example.org?bcc=b@example.org' }, /without fields/],
    ['crlf', { endpoint: 'mailto:a@example.org%0d%0aRCPT%20TO:b@example.org' }, /one address/],
    ['percent', { endpoint: 'mailto:a%zz@example.org' }, /one address/],
    ['lines', { header: ['Subject: a\r\nBcc: b@example.org'] }, /^(?!.*Bcc).*header\[0\] is not of the form/],
    ['bcc', { header: ['X-A: 1', 'Bcc: b@example.org'] }, /header\[1\]: 'Bcc' can't be set/],
    ['own', { header: ['X-Cerebra-Subscription: 1'] }, /'X-Cerebra-Subscription' can't be set/],
    ['payload', { payload: 'application/pdf' }, /payload must be absent, or .* or text\/plain/],
  ];
  for (const [id, channel] of cases) await request(id, channel);
  for (const [id, , text] of cases) assert.match(String((await waitForStatus(store, id, 'error')).error), text, id);
});

test('a mail server that hangs holds up its own share of deliveries, and no rest-hook', async (t) => {
  const rig = await createRig(t);
  const [mail, receiver] = [await startMailServer(t), await startReceiver(t)];
  const answer = mail.answer;
  mail.answer = (verb, line) => (verb === 'MAIL' ? undefined : answer(verb, line));
  await rig.start({ mail: { url: mail.url, from }, limits: { deliverers: 4, hostRequestsMax: 2 } });
  // In the order in which they are served.
  const ids = ['a', 'b', 'c', 'd'];
  for (const id of ids) {
    await rig.store.put(subscription(id, '', { channel: { type: 'email', endpoint: `mailto:${id}@example.org` } }));
  }
  await rig.store.put(subscription('z', receiver.url));
  for (const id of [...ids, 'z']) await waitForState(rig.db, id, 'active');
  const failed = { text: 'select from delivery where attempts > 0' };
  let before: unknown[] | undefined;
  receiver.answer = async () => {
    before = await rig.db.query(failed);
    return 200;
  };
  await rig.store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 1 && before !== undefined, 'the rest-hook');
  assert.deepEqual(before, [], 'no mail had to be given up for it');
});
