// Subscriptions to topics that can't be carried out are refused when they are written:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { startReceiver, waitFor } from '#platform/testing';
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
const admission = 'urn:cerebra:topic:admission';
const endpoint = 'http://127.0.0.1:9/ward';

interface Asked {
  criteria?: string;
  filter?: string;
  content?: string;
  channel?: JsonObject;
  status?: string;
  extension?: JsonObject[];
}

function subscriptionOf({ criteria = admission, filter, content = 'id-only', ...more }: Asked): Resource {
  const { channel = {}, status = 'requested', extension } = more;
  return {
    ...{ resourceType: 'Subscription', status, reason: 'a test', criteria },
    meta: { profile: [`${guide}/backport-subscription`] },
    ...(extension && { extension }),
    ...(filter && {
      _criteria: { extension: [{ url: `${guide}/backport-filter-criteria`, valueString: filter }] },
    }),
    channel: {
      ...{ type: 'rest-hook', endpoint, payload: 'application/fhir+json' },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: content }] },
      ...channel,
    },
  };
}

const channelType = (system: string, code: string): JsonObject => ({
  _type: { extension: [{ url: `${guide}/backport-channel-type`, valueCoding: { system, code } }] },
});

const topicOf = (id: string, url: string, status = 'active'): Resource => {
  const element = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.';
  return {
    ...{ resourceType: 'Basic', id },
    code: { coding: [{ system: 'http://hl7.org/fhir/fhir-types', code: 'SubscriptionTopic' }] },
    modifierExtension: [{ url: `${element}status`, valueCode: status }],
    extension: [
      { url: `${element}url`, valueUri: url },
      { url: `${element}resourceTrigger`, extension: [{ url: 'resource', valueUri: 'Encounter' }] },
    ],
  };
};

const subscriptions = async () => (await fhir('GET', 'Subscription?_summary=count')).json.total;

/** What is refused, the issue's code, its expression and its text. */
const refused: [Asked, string, string, RegExp][] = [
  [
    { criteria: 'http://example.org/topic/none' },
    'not-found',
    'Subscription.criteria',
    /there is no topic http:\/\/example\.org\/topic\/none here; GET metadata lists those there are/,
  ],
  [
    { filter: 'Encounter?reason-code=x' },
    'not-supported',
    'Subscription.criteria.extension',
    /filter 1: 'reason-code' is none of the topic's filters/,
  ],
  [
    { content: 'everything' },
    'not-supported',
    'Subscription.channel.payload.extension',
    /empty, id-only, full-resource/,
  ],
  [
    { channel: channelType('http://example.org/channels', 'pigeon') },
    'not-supported',
    'Subscription.channel.type.extension',
    /there is no channel pigeon of http:\/\/example\.org\/channels here/,
  ],
  [
    { channel: { type: 'email', endpoint: 'mailto:a@example.org' } },
    'not-supported',
    'Subscription.channel.type',
    /SMTP/,
  ],
  [{ channel: { payload: 'text/plain' } }, 'not-supported', 'Subscription.channel.payload', /application\/fhir\+json/],
  [
    { channel: { endpoint: 'http://169.254.169.254/latest' } },
    'business-rule',
    'Subscription.channel.endpoint',
    /^Subscription\.channel\.endpoint: /,
  ],
  [
    { content: 'full-resource', channel: { endpoint: 'http://ward.example.org/x' } },
    'business-rule',
    'Subscription.channel.payload.extension',
    /whole resources go over https/,
  ],
  [
    {
      extension: [
        { url: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic', valueCanonical: admission },
      ],
    },
    'not-supported',
    'Subscription.extension[0]',
    /is not used with R4/,
  ],
  // The guide's profile, and R4 criteria.
  [
    { criteria: 'Encounter?status=finished' },
    'not-supported',
    'Subscription.channel.payload.extension',
    /is for topics/,
  ],
];

test('a topic, filter, content, channel or endpoint that is not served is refused, with the element', async () => {
  for (const [asked, code, expression, text] of refused) {
    const subscription = subscriptionOf(asked);
    const { diagnostics } = assertOutcome(await fhir('POST', 'Subscription', subscription), 422, code, expression);
    assert.match(diagnostics, text);
    const { json } = await fhir('POST', 'Subscription/$validate?mode=create', subscription);
    const told = json.issue as unknown as { diagnostics: string }[];
    assert.ok(
      told.some((issue) => issue.diagnostics === diagnostics),
      JSON.stringify(told),
    );
  }
  assert.equal(await subscriptions(), 0);
});

test('an update, a patch and an entry are refused as a create is; what asks for nothing is stored', async () => {
  const unknown = { criteria: 'http://example.org/topic/none' };
  const off = { ...subscriptionOf({ ...unknown, status: 'off' }), id: 's1' };
  assert.equal((await fhir('PUT', 'Subscription/s1', off)).status, 201);
  assertOutcome(
    await fhir('PUT', 'Subscription/s1', { ...off, status: 'requested' }),
    422,
    'not-found',
    'Subscription.criteria',
  );
  const patch = { resourceType: 'Parameters', parameter: [operation('requested')] };
  assertOutcome(await fhir('PATCH', 'Subscription/s1', patch), 422, 'not-found', 'Subscription.criteria');
  const entry = (resource: Resource) => ({ request: { method: 'POST', url: resource.resourceType }, resource });
  const basic = { resourceType: 'Basic', code: { text: 'a note' } };
  const bundle = { resourceType: 'Bundle', entry: [entry(basic), entry(subscriptionOf(unknown))] };
  assertOutcome(
    await fhir('POST', '', { ...bundle, type: 'transaction' }),
    422,
    'not-found',
    'Bundle.entry[1].resource.criteria',
  );
  const { json } = await fhir('POST', '', { ...bundle, type: 'batch' });
  const statuses = (json.entry as unknown as { response: { status: string } }[]).map(({ response }) => response.status);
  assert.deepEqual(
    statuses.map((status) => status.slice(0, 3)),
    ['201', '422'],
  );
  assert.equal((await fhir('GET', 'Subscription/s1')).json.meta?.versionId, '1');
});

const operation = (value: string) => ({
  name: 'operation',
  part: [
    { name: 'type', valueCode: 'replace' },
    { name: 'path', valueString: 'Subscription.status' },
    { name: 'value', valueCode: value },
  ],
});

test('a topic that has just been stored, or comes in the same Bundle, can be asked for', async (t) => {
  const receiver = await startReceiver(t);
  const channel = { endpoint: receiver.url };
  const isActive = (id: string) => async () => (await fhir('GET', `Subscription/${id}`)).json.status === 'active';
  for (let i = 0; i < 10; i++) {
    const url = `http://example.org/topic/new-${i}`;
    assert.equal((await fhir('PUT', `Basic/new-${i}`, topicOf(`new-${i}`, url))).status, 201);
    const { status, text } = await fhir('POST', 'Subscription', subscriptionOf({ criteria: url, channel }));
    assert.equal(status, 201, text);
  }
  for (const type of ['transaction', 'batch']) {
    const url = `http://example.org/topic/${type}`;
    const put = (resource: Resource) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${type}` },
    });
    // The Subscription stands first.
    const entry = [put({ ...subscriptionOf({ criteria: url, channel }), id: type }), put(topicOf(type, url))];
    const { json, text } = await fhir('POST', '', { resourceType: 'Bundle', type, entry });
    const results = json.entry as unknown as { response: { status: string } }[];
    assert.deepEqual(
      results?.map(({ response }) => response.status.slice(0, 3)),
      ['201', '201'],
      text,
    );
    await waitFor(isActive(type), `the Subscription of a ${type}`);
  }
  assertOutcome(
    await fhir('POST', '', {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { request: { method: 'POST', url: 'Basic' }, resource: topicOf('x', 'http://example.org/topic/x') },
        {
          request: { method: 'POST', url: 'Subscription' },
          resource: subscriptionOf({ criteria: 'http://example.org/topic/x', content: 'all' }),
        },
      ],
    }),
    422,
    'not-supported',
    'Bundle.entry[1].resource.channel.payload.extension',
  );
});

test('a topic that has just been retired is refused once it is known to be', async () => {
  const url = 'http://example.org/topic/retired';
  assert.equal((await fhir('PUT', 'Basic/retired', topicOf('retired', url, 'retired'))).status, 201);
  const { diagnostics } = assertOutcome(
    await fhir('POST', 'Subscription', subscriptionOf({ criteria: url })),
    422,
    'business-rule',
    'Subscription.criteria',
  );
  assert.equal(diagnostics, 'Subscription.criteria: the topic is retired; only active ones can be subscribed to');
});

test('Subscriptions with R4 criteria are taken, and their status tells', async () => {
  const { json, status } = await fhir('POST', 'Subscription', {
    ...{ resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria: 'Encounter?colour=red' },
    channel: { type: 'rest-hook', endpoint },
  });
  assert.equal(status, 201);
  const found = await waitFor(async () => {
    const { json: now } = await fhir('GET', `Subscription/${json.id}`);
    return now.status === 'requested' ? undefined : now;
  }, 'the Subscription to be checked');
  assert.equal(found.status, 'error');
});
