import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { createEgress } from '#platform';
import { type RegistrationRules, readRegistration, registrationOrProblem } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { subscriptionTo } from './testing/subscription.ts';

const url = 'urn:cerebra:topic:admission';
const payload = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content';

const rulesWith = async (more: Partial<RegistrationRules>): Promise<RegistrationRules> => ({
  ...{ ...(await testRules()), email: true, egress: createEgress(['loopback', 'private']) },
  topics: { filtersOf: () => new Map(), storedOf: () => [] },
  ...more,
});

const asking = (content: string, endpoint: string, channel: JsonObject = {}): Resource =>
  subscriptionTo(url, 's', endpoint, [], {
    _payload: { extension: [{ url: payload, valueCode: content }] },
    ...channel,
  });

test('whole resources go where nobody on the way can read them, unless the configuration lets them', async () => {
  const secure = await rulesWith({});
  const any = await rulesWith({ fullResource: 'any' });
  const email: JsonObject = { type: 'email' };
  const open: [Resource, boolean][] = [
    [asking('full-resource', 'https://ward.example.org/x'), true],
    [asking('full-resource', 'http://127.0.0.1:9/x'), true],
    [asking('full-resource', 'http://[::1]:9/x'), true],
    [asking('full-resource', 'http://10.1.2.3/x'), false],
    [asking('full-resource', 'http://127.0.0.1.example.org/x'), false],
    [asking('full-resource', 'mailto:ward@example.org', email), false],
    [asking('full-resource', '', { type: 'websocket' }), true],
    [asking('id-only', 'http://10.1.2.3/x'), true],
    [asking('empty', 'mailto:ward@example.org', email), true],
  ];
  for (const [subscription, isAllowed] of open) {
    const found = registrationOrProblem(subscription, secure);
    assert.equal(typeof found === 'object', isAllowed, `${JSON.stringify(subscription.channel)}: ${found}`);
    if (typeof found === 'string')
      assert.match(found, /^Subscription\.channel\.payload\.extension: whole resources go over https/);
    assert.equal(typeof registrationOrProblem(subscription, any), 'object');
  }
});

test('what is not said: one event in a notification, no heartbeat, the time that the server gives', async () => {
  const {
    topic,
    criteria,
    payload: type,
  } = readRegistration(asking('empty', 'https://ward.example.org/x'), await rulesWith({}));
  assert.deepEqual(topic, { url, content: 'empty', filters: [], maxCount: 1, heartbeatSeconds: 0, timeoutSeconds: 0 });
  assert.deepEqual([criteria, type], [url, 'application/fhir+json']);
});

test('messages go to the base of a FHIR server, and whole resources only where nobody can read them', async () => {
  const rules = await rulesWith({});
  const message = (content: string, endpoint: string) => asking(content, endpoint, { type: 'message' });
  const read = readRegistration(message('full-resource', 'https://ward.example.org/fhir'), rules);
  assert.deepEqual(
    [read.channel, read.endpoint, read.host],
    ['message', 'https://ward.example.org/fhir', 'ward.example.org'],
  );
  const refused: [Resource, RegExp][] = [
    [message('id-only', 'hl7v2:ris'), /^Subscription\.channel\.endpoint: HL7v2 messages are made of R4 criteria/],
    [message('full-resource', 'http://ward.example.org/fhir'), /whole resources go over https/],
    [message('id-only', 'ward'), /^Subscription\.channel\.endpoint is not an absolute URL/],
  ];
  for (const [one, text] of refused) assert.match(String(registrationOrProblem(one, rules)), text);
});

test('a server without topics says so', async () => {
  const { topics: _none, ...without } = await rulesWith({});
  const hook = asking('id-only', 'https://ward.example.org/x');
  assert.equal(registrationOrProblem(hook, without), 'Subscription.criteria: there are no topics here');
});

test('what only notifications of topics have is refused with R4 criteria: whole resources would go where none were asked for', async () => {
  const rules = await rulesWith({});
  const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
  const plain = (channel: JsonObject): Resource => ({
    ...subscriptionTo('Observation?code=a', 's', 'https://ward.example.org/x', [], channel),
    meta: {},
  });
  const withExtension = (name: string, value: JsonObject) =>
    plain({ _payload: {}, extension: [{ url: `${guide}/${name}`, ...value }] });
  const refused: [string, Resource, string][] = [
    ...(['empty', 'id-only', 'full-resource'] as const).map((valueCode): [string, Resource, string] => [
      'payload.extension',
      plain({ _payload: { extension: [{ url: payload, valueCode }] } }),
      'backport-payload-content',
    ]),
    ['extension', withExtension('backport-max-count', { valuePositiveInt: 5 }), 'backport-max-count'],
    ['extension', withExtension('backport-heartbeat-period', { valueUnsignedInt: 60 }), 'backport-heartbeat-period'],
    ['extension', withExtension('backport-timeout', { valueUnsignedInt: 5 }), 'backport-timeout'],
  ];
  for (const [element, one, name] of refused) {
    const text = `Subscription.channel.${element}: ${name} is for topics, and criteria is not the URL of one`;
    assert.equal(registrationOrProblem(one, rules), text);
  }
  assert.equal(typeof registrationOrProblem(plain({ _payload: {} }), rules), 'object');
});
