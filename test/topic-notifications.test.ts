// Notifications of topics and the operations of their Subscriptions, on a whole server:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { openSocket, type Receiver, startReceiver, waitFor } from '#platform/testing';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const guide = 'http://hl7.org/fhir/uv/subscriptions-backport';
const topic = 'urn:cerebra:topic:new-result';

interface Asked {
  type?: string;
  endpoint?: string;
  content?: string;
  payload?: string;
  maxCount?: number;
}

const requested = ({ type = 'rest-hook', content = 'full-resource', payload, maxCount = 5, endpoint }: Asked) => ({
  ...{ resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria: topic },
  channel: {
    ...{ type, payload: payload ?? 'application/fhir+json', ...(endpoint === undefined ? {} : { endpoint }) },
    _payload: { extension: [{ url: `${guide}/StructureDefinition/backport-payload-content`, valueCode: content }] },
    extension: [{ url: `${guide}/StructureDefinition/backport-max-count`, valuePositiveInt: maxCount }],
  },
});

/** Its id, once it is active. */
async function subscribe(asked: Asked): Promise<string> {
  const created = await fhir('POST', 'Subscription', requested(asked));
  assert.equal(created.status, 201, created.text);
  const id = String(created.json.id);
  await waitFor(async () => {
    const { json } = await fhir('GET', `Subscription/${id}`);
    assert.notEqual(json.status, 'error', String(json.error));
    return json.status === 'active';
  }, 'the Subscription to be active');
  return id;
}

const result = (id: string, rest: JsonObject = {}) => ({
  ...{ resourceType: 'Observation', id, status: 'final', subject: { reference: 'Patient/p' } },
  code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
  ...rest,
});

const statusOf = (bundle: Resource): { parameter: (JsonObject & { name: string })[] } =>
  (bundle.entry as unknown as { resource: { parameter: (JsonObject & { name: string })[] } }[])[0]!.resource;

const partOf = (bundle: Resource, name: string): unknown =>
  Object.values(statusOf(bundle).parameter.find((one) => one.name === name) ?? {}).at(1);

const told = ({ received }: Receiver): Resource[] => received.map(({ body }) => JSON.parse(body) as Resource);

const hears = (receiver: Receiver, count: number) =>
  waitFor(() => receiver.received.length >= count, `${count} notifications`);

async function assertValid(text: string, format: string): Promise<void> {
  const checked = await fhir('POST', 'Bundle/$validate', text, { 'Content-Type': `application/fhir+${format}` });
  const issues = checked.json.issue as unknown as { severity: string; diagnostics: string }[];
  const faults = issues.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  assert.deepEqual(faults, [], text.slice(0, 2_000));
}

test('every notification and message is valid, in JSON and in XML, and says what is stored to the digit', async (t) => {
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p', active: true });
  const receivers = new Map<string, Receiver>();
  for (const format of ['json', 'xml']) {
    for (const content of ['empty', 'id-only', 'full-resource']) {
      for (const type of ['rest-hook', 'message']) {
        const receiver = await startReceiver(t);
        receivers.set(`${format} ${content} ${type}`, receiver);
        await subscribe({ type, endpoint: receiver.url, content, payload: `application/fhir+${format}` });
      }
    }
  }
  const value = '{"value":4.10,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}';
  const body = JSON.stringify(result('o')).replace(/}$/, `,"valueQuantity":${value}}`);
  assert.equal((await fhir('PUT', 'Observation/o', body)).status, 201);
  for (const [name, receiver] of receivers) {
    await hears(receiver, 2);
    for (const { body: text } of receiver.received) await assertValid(text, name.split(' ')[0]!);
  }
  const full = receivers.get('json full-resource rest-hook')!;
  for (const type of ['rest-hook', 'message']) {
    assert.match(receivers.get(`json full-resource ${type}`)!.received[1]!.body, /"value":4\.10,/);
    assert.match(receivers.get(`xml full-resource ${type}`)!.received[1]!.body, /<value value="4\.10"\/>/);
  }
  const notification = told(full)[1]!;
  const added = entries({ json: notification } as never).slice(1);
  assert.deepEqual(
    added.map(({ fullUrl, request }) => [fullUrl, request]),
    [
      [`${fhir.base}/Observation/o`, { method: 'PUT', url: 'Observation/o' }],
      [`${fhir.base}/Patient/p`, { method: 'GET', url: 'Patient/p' }],
    ],
  );
  assert.equal(added[1]!.resource!.active, true);
  for (const each of added) assert.equal((await fhir('GET', each.fullUrl!)).status, 200);
});

const statuses = (bundle: Resource): (string | undefined)[][] =>
  (bundle.entry as unknown as { resource: { parameter: JsonObject[] } }[]).map(({ resource: { parameter } }) => [
    (parameter[0]!.valueReference as { reference: string }).reference.split('/').at(-1),
    parameter.find(({ name }) => name === 'status')!.valueCode as string,
  ]);

test('$status of some and of all, by GET and POST, as JSON and XML', async (t) => {
  const receiver = await startReceiver(t);
  const first = await subscribe({ endpoint: receiver.url });
  const second = await subscribe({ endpoint: receiver.url });
  const off = await fhir('POST', 'Subscription', { ...requested({ endpoint: receiver.url }), status: 'off' });
  const third = String(off.json.id);
  const some = await fhir('GET', `Subscription/$status?id=${first}&id=${third}`);
  assert.deepEqual([some.status, some.json.type, some.json.total], [200, 'searchset', 2]);
  assert.deepEqual(new Set(statuses(some.json).map(String)), new Set([`${first},active`, `${third},off`]));
  const parameter = [first, second, third].map((id) => ({ name: 'id', valueId: id }));
  const posted = await fhir('POST', 'Subscription/$status', {
    resourceType: 'Parameters',
    parameter: [...parameter, { name: 'status', valueCode: 'off' }, { name: 'status', valueCode: 'error' }],
  });
  assert.deepEqual(statuses(posted.json), [[third, 'off']]);
  const all = await fhir('GET', 'Subscription/$status?status=active');
  const ids = statuses(all.json).map(([id]) => id);
  assert.ok(ids.includes(first) && ids.includes(second) && !ids.includes(third));
  const xml = await fetch(`${fhir.base}/Subscription/${first}/$status`, {
    headers: { Accept: 'application/fhir+xml' },
  });
  await assertValid(await xml.text(), 'xml');
  assertOutcome(await fhir('GET', 'Subscription/$status?status=asleep'), 400, 'value', 'status');
  assertOutcome(await fhir('GET', 'Subscription/none/$status'), 404, 'not-found');
});

test('$events and $resend of what has been told', async (t) => {
  const receiver = await startReceiver(t);
  const id = await subscribe({ endpoint: receiver.url, content: 'id-only' });
  for (const name of ['e1', 'e2', 'e3']) await fhir('PUT', `Observation/${name}`, result(name));
  await waitFor(async () => {
    const { json } = await fhir('GET', `Subscription/${id}/$events`);
    return partOf(json, 'events-since-subscription-start') === '3';
  }, 'three events');
  const asked = await fhir('GET', `Subscription/${id}/$events?eventsSinceNumber=2&content=full-resource`);
  assert.deepEqual(
    entries(asked)
      .slice(1)
      .filter(({ request }) => request!.method === 'PUT')
      .map(({ resource }) => resource!.id),
    ['e2', 'e3'],
  );
  await assertValid(asked.text, 'json');
  assertOutcome(await fhir('GET', `Subscription/${id}/$resend?eventNumber=1`), 405, 'not-supported');
  await waitFor(
    () => told(receiver).some((one) => partOf(one, 'events-since-subscription-start') === '3'),
    'the third',
  );
  const before = receiver.received.length;
  const resent = await fhir('POST', `Subscription/${id}/$resend`, {
    resourceType: 'Parameters',
    parameter: [{ name: 'eventNumber', valueString: '2' }],
  });
  assert.equal(resent.status, 200, resent.text);
  await hears(receiver, before + 1);
  assert.equal(receiver.received.at(-1)!.number, 2);
});

test('a web socket with a token, through the server’s own address', async (t) => {
  const id = await subscribe({ type: 'websocket', content: 'id-only' });
  const bound = await fhir('GET', `Subscription/$get-ws-binding-token?id=${id}`);
  assert.equal(bound.headers.get('cache-control'), 'no-store');
  const given = Object.fromEntries(
    (bound.json.parameter as unknown as { name: string }[]).map((one) => [one.name, Object.values(one)[1]]),
  );
  assert.deepEqual([given.subscription, given['websocket-url']], [id, `${fhir.base.replace(/^http/, 'ws')}/ws`]);
  const socket = await openSocket(t, String(given['websocket-url']));
  socket.say(`bind-with-token ${given.token}`);
  await socket.hears(1);
  await fhir('PUT', 'Observation/w', result('w'));
  await socket.hears(2);
  const [handshake, event] = socket.heard.map((text) => JSON.parse(text) as Resource);
  assert.deepEqual([partOf(handshake!, 'type'), partOf(event!, 'type')], ['handshake', 'event-notification']);
  for (const text of socket.heard) await assertValid(text, 'json');
});

test('the CapabilityStatement has the operations', async () => {
  const { json } = await fhir('GET', 'metadata');
  const [rest] = json.rest as unknown as { resource: { type: string; operation: JsonObject[] }[] }[];
  const { operation } = rest!.resource.find(({ type }) => type === 'Subscription')!;
  const ours = new Map(operation.map(({ name, definition }) => [name, definition]));
  for (const name of ['status', 'events', 'get-ws-binding-token']) {
    assert.equal(ours.get(name), `${guide}/OperationDefinition/backport-subscription-${name}`);
  }
  assert.equal(ours.get('resend'), `${fhir.base}/OperationDefinition/subscription-resend`);
});
