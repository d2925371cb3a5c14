// What Subscriptions to topics are refused for when they are written, and what they are not refused for.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createSearchParameters, type JsonObject, loadDefinitions, type Resource } from '#fhir-model';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { subscriptionAdmissions } from './admission.ts';
import type { StoredTopic } from './catalogue.ts';
import { guide, subscriptionTo } from './testing/subscription.ts';
import { topicBasic } from './testing/topic.ts';
import { storedTopic } from './topics.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const url = 'http://example.org/topic/wards';
const basic = topicBasic('wards', {
  resourceTrigger: [{ resource: 'Encounter' }],
  canFilterBy: [{ resource: 'Encounter', filterParameter: 'ward' }],
});
const ward = { code: 'ward', base: ['Encounter'], type: 'token', expression: 'Encounter.priority' };

interface Around {
  rules?: Partial<RegistrationRules>;
  /** As the change stream has brought them. */
  topics?: StoredTopic[];
  /** Texts of the Basics that are stored. */
  bodies?: string[];
  beside?: Resource[];
}

/** Element and text of each issue, and how often the stored topics were looked for. */
async function ask(subscription: Resource, around: Around = {}) {
  let searches = 0;
  const resources = (around.bodies ?? []).map((body) => ({ body, version: 1 }));
  const search = async () => {
    searches++;
    return { resources } as never;
  };
  const { Subscription } = subscriptionAdmissions({
    ...{ db: { query: async () => (around.topics ?? []) as never, queryCount: async () => 0 } },
    scope: { kind: 'everything' },
    reader: () => ({ search }),
    rules: () => ({ ...rules, ...around.rules }),
  });
  assert.equal(Subscription.concerns(subscription), true);
  const issues = await Subscription.issuesOf(
    subscription,
    (around.beside ?? []).map((resource) => ({ resource })),
  );
  return { told: issues.map(({ expression, diagnostics }) => [expression?.[0], diagnostics]), searches };
}

const byWard = (channel: JsonObject = {}) =>
  subscriptionTo(url, 's', 'http://127.0.0.1:9/ward', ['Encounter?ward=A'], channel);

test('a filter by a search parameter that another process has just defined is taken', async () => {
  const { searchParameters, resourceTypes } = await loadDefinitions();
  const later = createSearchParameters([...searchParameters, ward], resourceTypes);
  let parameters = rules.parameters;
  const topics = [storedTopic(basic, 'wards', 1, rules)];
  const { told } = await ask(byWard(), {
    topics,
    bodies: [JSON.stringify(basic)],
    rules: {
      parameters: {
        get: (type, code) => parameters.get(type, code),
        list: (type) => parameters.list(type),
        outsideSubset: () => [],
        async refresh() {
          parameters = later;
        },
      },
    },
  });
  assert.deepEqual(told, []);
  const { told: without } = await ask(byWard(), { topics, bodies: [JSON.stringify(basic)] });
  assert.deepEqual(without, [
    [
      'Subscription.criteria.extension',
      "Subscription.criteria.extension: filter 1: Encounter has no search parameter 'ward'",
    ],
  ]);
});

test('what comes in the same Bundle, the topic or a search parameter, is waited for', async () => {
  for (const resource of [basic, { resourceType: 'SearchParameter', ...ward } as Resource]) {
    assert.deepEqual(await ask(byWard(), { beside: [resource] }), { told: [], searches: 0 });
  }
  assert.equal((await ask(byWard(), { beside: [{ resourceType: 'Basic' }] })).told.length, 1);
});

test('the stored topics are looked for where the topic is at fault alone, and those of other URLs are not read', async () => {
  const bodies = ['{ "not": "JSON', JSON.stringify(basic)];
  const { told, searches } = await ask(byWard({ type: 'fax' }), { bodies });
  assert.deepEqual([told[0]?.[0], searches], ['Subscription.channel.type', 0]);
  const unknown = await ask(byWard(), { bodies });
  assert.match(String(unknown.told[0]?.[1]), /Encounter has no search parameter 'ward'$/);
  assert.equal(unknown.searches, 1);
});

test('of R4 criteria only what is the guide’s is looked at', async () => {
  const coding = { system: 'urn:cerebra:subscription-channel-type', code: 'kafka' };
  const kafka = (more: JsonObject): Resource => ({
    ...{ resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria: 'Encounter?ward=A' },
    channel: {
      ...{ type: 'message', endpoint: 'kafka:results' },
      _type: { extension: [{ url: `${guide}/backport-channel-type`, valueCoding: coding }] },
    },
    ...more,
  });
  const brokers = { rules: { kafka: true } };
  assert.deepEqual(await ask(kafka({}), brokers), { told: [], searches: 0 });
  const filters = { extension: [{ url: `${guide}/backport-filter-criteria`, valueString: 'Encounter?ward=A' }] };
  const { told } = await ask(kafka({ _criteria: filters }), brokers);
  assert.equal(told[0]?.[0], 'Subscription.criteria.extension');
  assert.equal((await ask(kafka({}))).told[0]?.[0], 'Subscription.channel.type');
});
