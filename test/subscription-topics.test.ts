// Topics of Subscriptions from outside, on a whole server: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type JsonObject, objectsOf, type Resource } from '#fhir-model';
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

const criteria = (valueString: string, state = 'current'): JsonObject => ({
  url: 'queryCriteria',
  extension: [{ url: state, valueString }],
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
  const topic = topicOf(url, trigger(criteria('status=cancelled')), filterBy('patient.family'));
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

test('triggers that look at other resources: a chain, _has and a value set, asked when the change is dispatched', async (t) => {
  const vs = 'http://example.org/ValueSet/stays';
  const classes = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
  const valueSet = {
    ...{ resourceType: 'ValueSet', id: 'stays', url: vs, status: 'active' },
    compose: { include: [{ system: classes, concept: [{ code: 'OBSENC' }] }] },
  };
  await put(valueSet);
  for (const [id, family] of Object.entries({ asked: 'ASKED', unasked: 'OTHER' })) {
    await put({ ...{ resourceType: 'Patient', id }, name: [{ family }] } as { resourceType: string; id: string });
  }
  const condition = { resourceType: 'Condition', id: 'k', subject: { reference: 'Patient/asked' } };
  await put({ ...condition, encounter: { reference: 'Encounter/t2' } } as { resourceType: string; id: string });
  const asks = {
    chain: 'status=in-progress&patient.family=ASKED',
    has: '_has:Condition:encounter:patient=Patient/asked',
    in: `class:in=${vs}`,
  };
  const receivers = new Map<string, Receiver>();
  for (const [name, text] of Object.entries(asks)) {
    const url = `http://example.org/topic/other-${name}`;
    assert.equal((await fhir('POST', 'Basic', topicOf(url, trigger(criteria(text))))).status, 201);
    const receiver = await startReceiver(t);
    receivers.set(name, receiver);
    await waitFor(async () => (await offered()).topics.includes(url), 'the topic to be told');
    const { status, error } = await subscribe(receiver.url, url);
    assert.equal(status, 'active', String(error));
  }
  const inClass = { class: { system: classes, code: 'OBSENC' } };
  await put(stay('t1', 'in-progress', 'unasked'));
  await put(stay('t2', 'planned', 'unasked'));
  await put({ ...stay('t3', 'planned', 'asked'), ...inClass });
  await put(stay('t4', 'in-progress', 'asked'));
  await waitFor(() => [...receivers.values()].every(({ received }) => received.length >= 2), 'an event of each');
  const events = Object.keys(asks).map((name) =>
    receivers.get(name)!.received.flatMap((one) => readNotification(one).focus.map((url) => url.split('/').at(-1))),
  );
  assert.deepEqual(events, [['t4'], ['t2'], ['t3']]);
});

test('a trigger that the database refuses keeps its Subscriptions from becoming active', async (t) => {
  const url = 'http://example.org/topic/no-value-set';
  const asked = trigger(criteria('class:in=http://example.org/ValueSet/none'));
  assert.equal((await fhir('POST', 'Basic', topicOf(url, asked))).status, 201);
  await waitFor(async () => (await offered()).topics.includes(url), 'the topic to be told');
  const receiver = await startReceiver(t);
  const { status, error } = await subscribe(receiver.url, url);
  assert.equal(status, 'error');
  assert.match(String(error), /^Subscription\.criteria: .*http:\/\/example\.org\/ValueSet\/none/);
  assert.equal(receiver.received.length, 0);
});

test('a topic that is stored is valid, too; a modifier of others is known to nobody', async () => {
  const topic = topicOf('http://example.org/topic/valid', trigger(criteria('status=planned')));
  assert.equal((await fhir('POST', 'Basic', topic)).status, 201);
  const errorsOf = async (resource: Resource) => {
    const { json } = await fhir('POST', 'Basic/$validate', resource);
    return objectsOf(json.issue).flatMap((one) => (one.severity === 'error' ? [one.diagnostics] : []));
  };
  assert.deepEqual(await errorsOf(topic), []);
  const modifierExtension = [{ url: 'http://example.org/not-really', valueCode: 'a' }];
  assert.deepEqual(await errorsOf({ ...topic, modifierExtension }), [
    'Basic.modifierExtension[0]: the modifier extension http://example.org/not-really is not known here',
  ]);
});

test('a topic that can not be carried out is refused, by the element at fault', async () => {
  const post = (...more: JsonObject[]) => fhir('POST', 'Basic', topicOf('http://example.org/topic/wrong', ...more));
  assertOutcome(await post(), 400, 'required', 'Basic');
  const chained = assertOutcome(
    await post(trigger(criteria('patient.name=x', 'previous'))),
    400,
    'not-supported',
    'Basic.extension[1]',
  );
  assert.match(chained.diagnostics, /queryCriteria\.previous: 'patient\.name=x' looks at other resources/);
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

test('Subscriptions are found by their topic, their filters, their channel and how much they ask for', async () => {
  const url = 'http://example.org/topic/found';
  assert.equal((await fhir('POST', 'Basic', topicOf(url, trigger(), filterBy('patient')))).status, 201);
  const asking = (id: string, criteria: string, filter: string, content: string, type?: JsonObject) => ({
    ...{ resourceType: 'Subscription', id, status: 'off', reason: 'a test', criteria },
    _criteria: { extension: [{ url: `${guide}/backport-filter-criteria`, valueString: filter }] },
    channel: {
      ...{ type: 'message', payload: 'application/fhir+json', ...(type && { _type: type }) },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: content }] },
    },
  });
  const kafka = { system: 'urn:cerebra:subscription-channel-type', code: 'kafka' };
  const channelType = { extension: [{ url: `${guide}/backport-channel-type`, valueCoding: kafka }] };
  await put(asking('f1', url, 'Encounter?patient=Patient/f,Patient/g', 'id-only'));
  await put(asking('f2', `${url}|1.0`, 'Encounter?patient=Patient/h', 'empty', channelType));
  await put(asking('f3', 'urn:cerebra:topic:discharge', 'Encounter?class=IMP', 'empty'));
  const found = async (name: string, value: string) => {
    const { json, text } = await fhir(
      'GET',
      `Subscription?_id=f1,f2,f3&_sort=_id&${name}=${encodeURIComponent(value)}`,
    );
    assert.equal(json.resourceType, 'Bundle', text);
    return ((json.entry ?? []) as unknown as { resource: Resource }[]).map(({ resource }) => resource.id);
  };
  for (const name of ['criteria', 'topic']) {
    assert.deepEqual(await found(name, url), ['f1', 'f2'], name);
    assert.deepEqual(await found(`${name}:exact`, url), ['f1'], name);
    assert.deepEqual(await found(name, 'urn:cerebra:topic:discharge'), ['f3'], name);
    assert.deepEqual(await found(name, 'http://example.org/topic/other'), [], name);
  }
  assert.deepEqual(await found('filter-criteria', 'Encounter?patient=Patient/f\\,Patient/g'), ['f1']);
  assert.deepEqual(await found('filter-criteria', 'Encounter?patient'), ['f1', 'f2']);
  assert.deepEqual(await found('filter-criteria:contains', 'class=IMP'), ['f3']);
  assert.deepEqual(await found('custom-channel', `${kafka.system}|kafka`), ['f2']);
  assert.deepEqual(await found('custom-channel:missing', 'true'), ['f1', 'f3']);
  assert.deepEqual(await found('payload-type', 'empty'), ['f2', 'f3']);
  assert.deepEqual(await found('payload-type', 'id-only'), ['f1']);
});

test("the guide's search parameters are told, and those that it publishes change nothing", async () => {
  const own = 'http://hl7.org/fhir/uv/subscriptions-backport/SearchParameter/Subscription-';
  const { json } = await fhir('GET', 'metadata');
  const [rest] = json.rest as unknown as { resource: { type: string; searchParam: JsonObject[] }[] }[];
  const { searchParam } = rest!.resource.find(({ type }) => type === 'Subscription')!;
  const told = searchParam.filter(({ definition }) => String(definition).startsWith(own));
  assert.deepEqual(
    told.map(({ name, type, definition }) => [name, type, definition]),
    [
      ['custom-channel', 'token', `${own}custom-channel`],
      ['filter-criteria', 'string', `${own}filter-criteria`],
      ['payload-type', 'token', `${own}payload-type`],
      ['topic', 'string', `${own}topic`],
    ],
  );
  const published = {
    ...{ resourceType: 'SearchParameter', name: 'Filter', status: 'active', description: 'of the guide' },
    ...{ url: `${own}filter-criteria`, code: 'filter-criteria', base: ['Subscription'], type: 'string' },
    expression: `extension('${guide}/backport-filter-criteria').value.ofType(string)`,
  };
  const stored = await fhir('POST', 'SearchParameter', published);
  assert.equal(stored.status, 201, stored.text);
  const { json: bundle } = await fhir('GET', 'Subscription?filter-criteria=Encounter?class');
  assert.equal((bundle.entry as unknown[]).length, 1);
});
