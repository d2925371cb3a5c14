// What a batch of changes leads to, decided in the order of the stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import { createMatcher } from '../match/matcher.ts';
import type { StoredSearch } from '../match/stored.ts';
import { testRules } from '../testing/rules.ts';
import type { TopicMatching } from '../topics/matching.ts';
import { createPlanner, type Plan } from './plan.ts';

/** There are no topics in these tests. */
const noTopics: TopicMatching = {
  ...{ put: () => {}, remove: () => {}, clear: () => {}, reput: async () => [], overdue: () => [] },
  open: async () => ({ concerns: () => false, match: () => [], settle: async (matches) => [...matches] }),
};

const change = (version: number, resource: JsonObject): Change => ({
  ...{ xid: 1n, seq: 1n, type: String(resource.resourceType), id: String(resource.id), version },
  ...{ op: version === 1 ? 'create' : 'update', updatedMs: 0, body: JSON.stringify(resource) },
});

const observation = (id: string, code: string) =>
  change(1, { resourceType: 'Observation', id, status: 'final', code: { coding: [{ code }] } });

const subscription = (version: number, status: string, criteria: string) =>
  change(version, {
    ...{ resourceType: 'Subscription', id: 's', status, reason: 'test', criteria },
    channel: { type: 'websocket' },
  });

/** Finds those whose id begins with `met`. */
const search: StoredSearch = async (_type, _text, ids) => new Set(ids.filter((id) => id.startsWith('met')));

async function plannedBy(asked: StoredSearch, ...batch: Change[]): Promise<Plan> {
  const rules = await testRules();
  const planner = createPlanner({
    ...{ matcher: createMatcher(), rules, search: asked, topics: noTopics, matchesMax: 100 },
    bodies: async (keys) => keys.map(() => ''),
    onMatchError: (id, error) => assert.fail(`${id}: ${error}`),
  });
  return planner.plan([subscription(1, 'active', 'Observation?code=a&subject:Patient.family=x'), ...batch]);
}

const idsOf = ({ matches }: Plan): string[] => matches.map((one) => one.change.id);

const told = async (...batch: Change[]): Promise<string[]> => idsOf(await plannedBy(search, ...batch));

test('of a change the database is asked what the Subscription asked then, whatever becomes of it later in the batch', async () => {
  const both = [observation('met', 'a'), observation('other', 'a')];
  assert.deepEqual(await told(...both), ['met']);
  assert.deepEqual(await told(...both, subscription(2, 'off', 'Observation?code=a')), ['met']);
  assert.deepEqual(await told(...both, subscription(2, 'error', 'Observation?code=a')), ['met']);
  const plainer = subscription(2, 'active', 'Observation?code=b');
  assert.deepEqual(await told(...both, plainer, observation('plain', 'b')), ['met', 'plain']);
});

test('what needed nobody to be asked is told though the Subscription comes to ask for more', async () => {
  const plain = subscription(2, 'active', 'Observation?code=b');
  const asking = subscription(3, 'active', 'Observation?code=c&subject:Patient.family=x');
  assert.deepEqual(await told(plain, observation('plain', 'b'), asking, observation('other', 'c')), ['plain']);
});

test('what the database refuses of a former version is no fault of the one that has taken its place in the batch', async () => {
  const refusing: StoredSearch = async (type, text, ids) => {
    if (text.includes('family=x')) throw new CerebraError('too-costly', 'it takes too long');
    return search(type, text, ids);
  };
  const faultsOf = ({ subscribers }: Plan) => subscribers.flatMap((one) => (one.kind === 'fail' ? [one.error] : []));
  const error = 'Subscription.criteria: it takes too long';
  const mended = subscription(2, 'active', 'Observation?code=b&subject:Patient.family=y');
  const good = await plannedBy(refusing, observation('met', 'a'), mended, observation('met2', 'b'));
  assert.deepEqual([idsOf(good), faultsOf(good)], [['met2'], []]);
  const same = subscription(2, 'active', 'Observation?code=b&subject:Patient.family=x');
  const bad = await plannedBy(refusing, observation('met', 'a'), same, observation('met2', 'b'));
  assert.deepEqual([idsOf(bad), faultsOf(bad)], [[], [error]]);
  const only = await plannedBy(refusing, observation('met', 'a'));
  assert.deepEqual([idsOf(only), faultsOf(only)], [[], [error]]);
});
