// Notifications of topics as FHIR messages: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#fhir-messaging
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { createXmlCodec, type JsonObject, loadDefinitions, type Resource } from '#fhir-model';
import { type Received, type Receiver, startReceiver, waitFor } from '#platform/testing';
import { processMessageUrl } from './channels/notification/sending.ts';
import { createRig, waitForStatus } from './testing/rig.ts';
import {
  type AskedTopic,
  activate,
  allDone,
  appointment,
  appointmentTopic,
  eventNumbers,
  statusPart,
  topicSubscription,
  typeOf,
} from './testing/topic.ts';

const baseUrl = 'https://fhir.example.org/fhir/R4';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const asking = (id: string, receiver: Receiver, asked: AskedTopic = {}, rest: JsonObject = {}) => {
  const one = topicSubscription(id, receiver.url, { type: 'message', ...asked });
  return { ...one, channel: { ...(one.channel as JsonObject), ...rest } } as Resource & { id: string };
};

const entriesOf = (bundle: Resource) => bundle.entry as unknown as { fullUrl: string; resource: Resource }[];
const messages = (received: readonly Received[]): Resource[] =>
  received.map(({ body }) => JSON.parse(body) as Resource);
const notifications = (received: readonly Received[]): Resource[] =>
  messages(received).map((one) => entriesOf(one)[1]!.resource);

/** A receiver's answer as a FHIR message. */
function answered(response: ServerResponse, code: string, format = 'json', more: object[] = []): undefined {
  const json = {
    ...{ resourceType: 'Bundle', type: 'message' },
    entry: [{ resource: { resourceType: 'MessageHeader', response: { identifier: 'x', code } } }, ...more],
  };
  const xml = `<Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><resource><MessageHeader>
    <response><identifier value="x"/><code value="${code}"/></response></MessageHeader></resource></entry></Bundle>`;
  response.end(format === 'json' ? JSON.stringify(json) : xml);
}

test('handshake and events to $process-message: a MessageHeader, and the notification that it is about', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  const secret = { rest: { extension: [{ url: 'urn:cerebra:subscription-secret', valueString: 'a long text' }] } };
  await activate(rig, asking('s', receiver, { ...secret, maxCount: 5 }, { header: ['X-Ward: 5'] }));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  const { received } = receiver;
  assert.deepEqual(
    received.map(({ method, path, headers, body }) => [
      ...[method, path, headers['content-type'], headers.accept, headers['x-ward'], headers['x-cerebra-event-number']],
      headers['x-signature'] === createHmac('sha256', 'a long text').update(body).digest('hex'),
    ]),
    [undefined, '1'].map((number) => [
      ...['POST', '/hook/$process-message', 'application/fhir+json', 'application/fhir+json', '5', number],
      true,
    ]),
  );
  const [, event] = messages(received);
  const [header, content] = entriesOf(event!);
  assert.match(String(event!.id), uuid);
  assert.match(String(header!.resource.id), uuid);
  assert.deepEqual(event, {
    ...{ resourceType: 'Bundle', id: event!.id, type: 'message', timestamp: event!.timestamp },
    entry: [
      {
        fullUrl: `urn:uuid:${header!.resource.id}`,
        resource: {
          ...{ resourceType: 'MessageHeader', id: header!.resource.id },
          eventCoding: { system: 'urn:cerebra:message-event', code: 'subscription-notification' },
          destination: [{ endpoint: receiver.url }],
          source: { name: 'Cerebra', endpoint: baseUrl },
          focus: [{ reference: `urn:uuid:${content!.resource.id}` }],
        },
      },
      { fullUrl: `urn:uuid:${content!.resource.id}`, resource: content!.resource },
    ],
  });
  const told = notifications(received);
  assert.deepEqual(told.map(typeOf), ['handshake', 'event-notification']);
  assert.deepEqual(told.map(eventNumbers), [[], [1]]);
  assert.equal(statusPart(told[1]!, 'topic'), appointmentTopic);
  assert.deepEqual(
    entriesOf(told[1]!).map(({ resource }) => [resource.resourceType, resource.id]),
    [
      ['Parameters', told[1]!.id],
      ['Appointment', 'a'],
    ],
  );
});

test('XML, and what comes again is another message of the same notification', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  let refusals = 2;
  receiver.answer = ({ number }) => (number === 1 && refusals-- > 0 ? 503 : 200);
  await rig.start({ baseUrl });
  await activate(rig, asking('s', receiver, { payload: 'application/fhir+xml', content: 'id-only' }));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  const xml = createXmlCodec(await loadDefinitions());
  const read = await Promise.all(receiver.received.map(({ body }) => xml.read(body)));
  assert.equal(read.length, 4);
  assert.deepEqual(
    receiver.received.map(({ headers }) => [headers['content-type'], headers.accept]),
    new Array(4).fill(['application/fhir+xml', 'application/fhir+xml']),
  );
  const events = read.slice(1).map(entriesOf);
  assert.equal(new Set(events.map(([header]) => header!.resource.id)).size, 3);
  assert.equal(new Set(events.map(([, told]) => told!.resource.id)).size, 1);
});

test('a receiver that takes the request and refuses the message has not been told', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const codes = ['transient-error', 'fatal-error', 'ok'];
  receiver.answer = ({ number }, response) => (number === 1 ? answered(response, codes.shift()!) : 200);
  await rig.start({ baseUrl });
  await activate(rig, asking('s', receiver));
  for (const id of ['a', 'b']) await rig.store.put(appointment(id));
  await allDone(rig, 's', 2);
  assert.deepEqual(notifications(receiver.received).map(eventNumbers), [[], [1], [1], [1], [2]]);
  assert.deepEqual(codes, []);
  const text = 'select number, attempts from delivery where subscriber = $1 order by number';
  assert.deepEqual(await rig.db.query({ text }, ['s']), [
    { number: 1n, attempts: 3 },
    { number: 2n, attempts: 1 },
  ]);
});

test('a refusal in a long answer counts, and an answer that ends too early or is endless is none', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const long = {
    resource: { resourceType: 'OperationOutcome', issue: [{ severity: 'error', diagnostics: 'x'.repeat(200_000) }] },
  };
  const answers: ((response: ServerResponse) => undefined)[] = [
    (response) => answered(response, 'fatal-error', 'json', [long]),
    (response) => {
      response.write('{"resourceType":"Bundle","entry":[');
      response.socket!.end();
    },
    (response) => {
      const more = () => {
        if (!response.destroyed && response.write(' '.repeat(256 * 1024))) setImmediate(more);
      };
      response.on('drain', more);
      more();
    },
    (response) => answered(response, 'ok', 'json', [long]),
  ];
  const errors: unknown[] = [];
  receiver.answer = async ({ number }, response) => {
    if (number !== 1) return 200;
    const [row] = await rig.db.query<{ error: string | null }>({ text: `select error from subscriber where id = 's'` });
    errors.push(row!.error);
    return answers.shift()!(response);
  };
  await rig.start({ baseUrl });
  await activate(rig, asking('s', receiver));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  assert.deepEqual(notifications(receiver.received).map(eventNumbers), [[], [1], [1], [1], [1]]);
  assert.deepEqual(errors, [
    null,
    'The endpoint answered the message with fatal-error',
    'The endpoint broke off its answer',
    "The endpoint's answer has more than the 8388608 bytes that are read",
  ]);
});

test('a handshake that is refused, by status or by message in either format: the Subscription is in error', async (t) => {
  const rig = await createRig(t);
  await rig.start({ baseUrl });
  const refusals: [string, Receiver['answer'], string][] = [
    ['status', () => 404, 'The endpoint answered with HTTP 404'],
    ['json', (_, response) => answered(response, 'fatal-error'), 'The endpoint answered the message with fatal-error'],
    [
      'xml',
      (_, response) => answered(response, 'transient-error', 'xml'),
      'The endpoint answered the message with transient-error',
    ],
  ];
  for (const [id, answer, text] of refusals) {
    const receiver = await startReceiver(t);
    receiver.answer = answer;
    await rig.store.put(asking(id, receiver));
    const { error } = await waitForStatus(rig.store, id, 'error');
    assert.equal(error, `The handshake failed. ${text}`);
    assert.equal(receiver.received.length, 1);
  }
});

test('any other answer of a 2xx is none: text, nothing, what is no message', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const bodies = ['not json {', '[]', '{"entry":[null]}', '<html>', 'x'.repeat(200_000)];
  receiver.answer = (_, response) => {
    const body = bodies.shift();
    if (body === undefined) return 204;
    response.end(body);
    return undefined;
  };
  await rig.start({ baseUrl });
  await activate(rig, asking('s', receiver));
  for (let i = 0; i < 5; i++) await rig.store.put(appointment(`a${i}`));
  await allDone(rig, 's', 5);
  assert.deepEqual(notifications(receiver.received).map(eventNumbers), [[], [1], [2], [3], [4], [5]]);
});

test('heartbeats are messages, too', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  await activate(rig, asking('s', receiver, { heartbeatSeconds: 1 }));
  await waitFor(() => receiver.received.length >= 2, 'a heartbeat');
  assert.deepEqual(notifications(receiver.received).slice(0, 2).map(typeOf), ['handshake', 'heartbeat']);
});

test('the address below a base, with a query, with the operation already there', () => {
  const urls: Record<string, string> = {
    'https://x.example.org': 'https://x.example.org/$process-message',
    'https://x.example.org/fhir/': 'https://x.example.org/fhir/$process-message',
    'https://x.example.org/fhir?tenant=a': 'https://x.example.org/fhir/$process-message?tenant=a',
    'https://x.example.org/fhir/$process-message': 'https://x.example.org/fhir/$process-message',
  };
  for (const [endpoint, url] of Object.entries(urls)) assert.equal(processMessageUrl(endpoint), url);
});
