// Topics of Subscriptions from outside, on a whole server: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { sendMllp } from '#hl7-engine';
import { packageOf, type Receiver, startReceiver, waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;
before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
const element = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.';

const topicOf = (url: string, ...more: JsonObject[]): Resource => ({
  resourceType: 'Basic',
  code: { coding: [{ system: 'http://hl7.org/fhir/fhir-types', code: 'SubscriptionTopic' }] },
  modifierExtension: [{ url: `${element}status`, valueCode: 'active' }],
  extension: [{ url: `${element}url`, valueUri: url }, ...more],
});

const trigger = (...parts: JsonObject[]): JsonObject => ({
  url: `${element}resourceTrigger`,
  extension: [{ url: 'resource', valueUri: 'Encounter' }, ...parts],
});

const filterBy = (parameter: string): JsonObject => ({
  url: `${element}canFilterBy`,
  extension: [
    { url: 'resource', valueUri: 'Encounter' },
    { url: 'filterParameter', valueString: parameter },
  ],
});

/** Active, or in error with its reason. */
async function subscribe(endpoint: string, criteria: string, ...filters: string[]): Promise<Resource> {
  const created = await fhir('POST', 'Subscription', {
    ...{ resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria },
    meta: { profile: [`${guide}/backport-subscription`] },
    ...(filters.length > 0 && {
      _criteria: {
        extension: filters.map((valueString) => ({ url: `${guide}/backport-filter-criteria`, valueString })),
      },
    }),
    channel: {
      ...{ type: 'rest-hook', endpoint, payload: 'application/fhir+json' },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: 'id-only' }] },
    },
  });
  assert.equal(created.status, 201, created.text);
  const decided = await waitFor(async () => {
    const { json } = await fhir('GET', `Subscription/${created.json.id}`);
    return json.status === 'requested' ? undefined : json;
  }, 'the Subscription to be checked');
  return decided as Resource;
}

interface Told {
  type: string;
  focus: string[];
}

const readNotification = ({ body }: { body: string }): Told => {
  const [first] = JSON.parse(body).entry as { resource: { parameter: Parameter[] } }[];
  const { parameter } = first!.resource;
  const events = parameter.filter(({ name }) => name === 'notification-event');
  return {
    type: parameter.find(({ name }) => name === 'type')!.valueCode!,
    focus: events.map(({ part }) => part!.find(({ name }) => name === 'focus')!.valueReference!.reference),
  };
};

interface Parameter {
  name: string;
  valueCode?: string;
  valueReference?: { reference: string };
  part?: Parameter[];
}

const stay = (id: string, status: string, patient: string) => ({
  ...{ resourceType: 'Encounter', id, status, class: { code: 'IMP' } },
  subject: { reference: `Patient/${patient}` },
});

async function put(resource: { resourceType: string; id: string }): Promise<void> {
  const { status, text } = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.ok(status < 300, text);
}

/** Of the CapabilityStatement: what it says of Subscriptions. */
async function offered(): Promise<{ topics: string[]; supportedProfile: string[] }> {
  const { json } = await fhir('GET', 'metadata');
  const [rest] = json.rest as unknown as {
    resource: { type: string; extension: JsonObject[]; supportedProfile: string[] }[];
  }[];
  const { extension, supportedProfile } = rest!.resource.find(({ type }) => type === 'Subscription')!;
  const canonical = `${guide}/capabilitystatement-subscriptiontopic-canonical`;
  const topics = extension.filter(({ url }) => url === canonical).map(({ valueCanonical }) => String(valueCanonical));
  return { topics, supportedProfile };
}

const builtIn = [
  ...['admission', 'appointment', 'claim-denied', 'critical-result', 'device-reading', 'discharge', 'new-report'],
  ...['new-result', 'order', 'transfer'],
].map((name) => `urn:cerebra:topic:${name}`);

test('a built-in topic, filtered by patient: handshake, then what happens to that patient', async (t) => {
  const { topics, supportedProfile } = await offered();
  assert.deepEqual(topics, builtIn);
  assert.deepEqual(supportedProfile, [`${guide}/backport-subscription`]);
  const receiver = await startReceiver(t);
  await put({ resourceType: 'Patient', id: 'p1' });
  await put({ resourceType: 'Patient', id: 'p2' });
  const { status, error } = await subscribe(receiver.url, builtIn[0]!, 'Encounter?patient=Patient/p1');
  assert.equal(status, 'active', String(error));
  await put(stay('e1', 'in-progress', 'p2'));
  await put(stay('e2', 'planned', 'p1'));
  await put(stay('e2', 'in-progress', 'p1'));
  await put(stay('e2', 'in-progress', 'p1'));
  await put(stay('e3', 'in-progress', 'p1'));
  await waitFor(() => receiver.received.length === 3, 'the handshake and two events');
  assert.deepEqual(receiver.received.map(readNotification), [
    { type: 'handshake', focus: [] },
    { type: 'event-notification', focus: [`${server.fhirBaseUrl}/Encounter/e2`] },
    { type: 'event-notification', focus: [`${server.fhirBaseUrl}/Encounter/e3`] },
  ]);
});

test('a topic of our own: posted, told in the CapabilityStatement, filtered by what the database decides, retired', async (t) => {
  const url = 'http://example.org/topic/cancelled';
  const cancelled = { url: 'queryCriteria', extension: [{ url: 'current', valueString: 'status=cancelled' }] };
  const topic = topicOf(url, trigger(cancelled), filterBy('patient.family'));
  const { json, status } = await fhir('POST', 'Basic', topic);
  assert.equal(status, 201);
  await waitFor(async () => (await offered()).topics.includes(url), 'the topic to be told');
  const receiver = await startReceiver(t);
  const active = await subscribe(receiver.url, url, 'Encounter?patient.family=TEST');
  assert.equal(active.status, 'active', String(active.error));
  await put({ ...{ resourceType: 'Patient', id: 'named' }, name: [{ family: 'TEST' }] } as {
    resourceType: string;
    id: string;
  });
  await put(stay('c1', 'cancelled', 'p1'));
  await put(stay('c2', 'cancelled', 'named'));
  await waitFor(() => receiver.received.length === 2, 'the handshake and an event');
  assert.deepEqual(readNotification(receiver.received[1]!).focus, [`${server.fhirBaseUrl}/Encounter/c2`]);
  const retired = { ...topic, id: json.id, modifierExtension: [{ url: `${element}status`, valueCode: 'retired' }] };
  await put(retired as { resourceType: string; id: string });
  const ended = await waitFor(async () => {
    const { json } = await fhir('GET', `Subscription/${active.id}`);
    return json.status === 'error' ? json : undefined;
  }, 'the Subscription to end with its topic');
  assert.equal(ended.error, 'Subscription.criteria: the topic is retired; only active ones can be subscribed to');
  assert.equal((await offered()).topics.includes(url), false);
});

test('a topic that can not be carried out is refused, by the element at fault', async () => {
  const post = (...more: JsonObject[]) => fhir('POST', 'Basic', topicOf('http://example.org/topic/wrong', ...more));
  const criteria = (valueString: string) => ({ url: 'queryCriteria', extension: [{ url: 'current', valueString }] });
  assertOutcome(await post(), 400, 'required', 'Basic');
  const chained = assertOutcome(
    await post(trigger(criteria('patient.name=x'))),
    400,
    'not-supported',
    'Basic.extension[1]',
  );
  assert.match(chained.diagnostics, /looks at other resources/);
  const unknown = assertOutcome(await post(trigger(criteria('colour=red'))), 400, 'value', 'Basic.extension[1]');
  assert.match(unknown.diagnostics, /colour/);
  const path = trigger({ url: 'fhirPathCriteria', valueString: "%current.text.matches('(a+)+$')" });
  assert.match(
    assertOutcome(await post(path), 400, 'value', 'Basic.extension[1]').diagnostics,
    /matches\(\) can't be used/,
  );
  // Another Basic is nobody's topic.
  assert.equal((await fhir('POST', 'Basic', { resourceType: 'Basic', code: { text: 'a note' } })).status, 201);
});

test('what a Subscription asks and the topic does not have is its error', async (t) => {
  const receiver = await startReceiver(t);
  const none = await subscribe(receiver.url, 'http://example.org/topic/none');
  assert.equal(none.status, 'error');
  assert.match(
    String(none.error),
    /^Subscription\.criteria: there is no topic http:\/\/example\.org\/topic\/none here/,
  );
  const filter = await subscribe(receiver.url, builtIn[0]!, 'Encounter?reason-code=x');
  assert.equal(filter.status, 'error');
  assert.match(
    String(filter.error),
    /^Subscription\.criteria\.extension: filter 1: 'reason-code' is none of the topic's filters/,
  );
  assert.equal(receiver.received.length, 0);
});

test('topics of packages are topics', async () => {
  const url = 'http://example.org/topic/packaged';
  const topic = { ...topicOf(url, trigger(), filterBy('_in')), id: 'packaged' };
  const archive = packageOf({ files: { 'Basic-packaged.json': topic } });
  const { status, text } = await fhir('POST', '$load-package', {
    resourceType: 'Parameters',
    parameter: [{ name: 'package', valueBase64Binary: archive.toString('base64') }],
  });
  assert.ok(status < 300, text);
  await waitFor(async () => (await offered()).topics.includes(url), 'the topic to be told');
  const reply = await fetch(`${server.fhirBaseUrl.replace('/fhir/R4', '')}/admin/subscriptions/topics`);
  const { topics } = (await reply.json()) as { topics: { url: string; source: string; notes: string[] }[] };
  const [found] = topics.filter((one) => one.url === url);
  assert.match(found!.source, /^Basic\/[0-9a-f-]{36}$/);
  assert.deepEqual(found!.notes, ["canFilterBy[0]: Encounter has no search parameter '_in'"]);
});

test('HL7v2 messages: admission, transfer and discharge, and an event by its code', async (t) => {
  const url = 'http://example.org/topic/a01';
  const event = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'A01' }] };
  const topic = topicOf(url, {
    url: `${element}eventTrigger`,
    extension: [
      { url: 'event', valueCodeableConcept: event },
      { url: 'resource', valueUri: 'http://hl7.org/fhir/StructureDefinition/Encounter' },
    ],
  });
  assert.equal((await fhir('POST', 'Basic', topic)).status, 201);
  await waitFor(async () => (await offered()).topics.includes(url), 'the topic to be told');
  const asked = new Map<string, { id: string; receiver: Receiver }>();
  for (const criteria of [url, ...['admission', 'transfer', 'discharge'].map((name) => `urn:cerebra:topic:${name}`)]) {
    const receiver = await startReceiver(t);
    const { id = '', status } = await subscribe(receiver.url, criteria);
    assert.equal(status, 'active');
    asked.set(criteria, { id, receiver });
  }
  const send = async (trigger: string, time: string, place: string, more = '') => {
    const message = [
      `MSH|^~\\&|ADT|TESTHOSP|EHR|TESTHOSP|${time}||ADT^${trigger}|${trigger}${time}|P|2.5.1`,
      `EVN|${trigger}|${time}`,
      'PID|1||TOPIC1^^^TESTHOSP&2.999.5&ISO^MR||DOE^JANE||19800102|F',
      `PV1|1|I|${place}||||||||||||||||TOPICV1|||||||||||||||||||||||||20260131080000${more}`,
    ].join('\r');
    const answer = String(await sendMllp(server.host, server.mllpPort, message, { timeoutMs: 60_000 }));
    assert.match(answer, /^MSA\|AA/m, answer);
  };
  await send('A01', '20260131080000', 'WARD1^101^1');
  await send('A08', '20260131081000', 'WARD1^101^1');
  await send('A02', '20260131090000', 'WARD2^201^1');
  await send('A03', '20260131100000', 'WARD2^201^1', '|20260131100000');
  // The last message is told to the last of them: what the others are owed is settled by then.
  for (const [criteria, { id, receiver }] of [...asked].toReversed()) {
    const { received } = receiver;
    await waitFor(() => received.length >= 2, `the handshake and the event of ${criteria}`);
    assert.match(readNotification(received[1]!).focus[0]!, /\/Encounter\//);
    const reply = await fetch(`${server.fhirBaseUrl.replace('/fhir/R4', '')}/admin/subscriptions/${id}/deliveries`);
    const { deliveries } = (await reply.json()) as { deliveries: { version: number }[] };
    assert.deepEqual(deliveries.map(({ version }) => version).length, 1, criteria);
  }
});
