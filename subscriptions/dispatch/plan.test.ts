// What a batch of changes leads to, decided in the order of the stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, JsonObject, VersionKey } from '#fhir-model';
import { CerebraError } from '#platform';
import { parseCriteria } from '../match/criteria.ts';
import { createMatcher } from '../match/matcher.ts';
import type { StoredSearch } from '../match/stored.ts';
import { testRules } from '../testing/rules.ts';
import { topicSubscription } from '../testing/topic.ts';
import type { TopicMatching } from '../topics/matching.ts';
import { createPlanner, type Plan, type Planner, type PlannerOptions } from './plan.ts';

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

async function plannerOf(options: Partial<PlannerOptions> = {}): Promise<Planner> {
  const rules = { ...(await testRules()), topics: { filtersOf: () => new Map(), storedOf: () => [] } };
  return createPlanner({
    ...{ matcher: createMatcher(), rules, search, topics: noTopics, matchesMax: 100 },
    bodies: async (keys) => keys.map(() => ''),
    onMatchError: (id, error) => assert.fail(`${id}: ${error}`),
    ...options,
  });
}

async function plannedBy(asked: StoredSearch, ...batch: Change[]): Promise<Plan> {
  const planner = await plannerOf({ search: asked });
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

test('a Subscription that comes to ask for a topic is told by its criteria no more, and one that comes from a topic not by that', async () => {
  const heard: string[] = [];
  const put: TopicMatching['put'] = ({ id, url }) => void heard.push(`put ${id} ${url}`);
  const remove: TopicMatching['remove'] = (id) => void heard.push(`remove ${id}`);
  const planner = await plannerOf({ topics: { ...noTopics, put, remove } });
  const asked = topicSubscription('s', '', { type: 'websocket', content: 'id-only' });
  const toTopic = change(2, { ...asked, status: 'active' } as JsonObject);
  const former = subscription(1, 'active', 'Observation?code=a');
  const topical = await planner.plan([former, toTopic, observation('o1', 'a')]);
  assert.deepEqual(idsOf(topical), []);
  const plain = await planner.plan([subscription(3, 'active', 'Observation?code=a'), observation('o2', 'a')]);
  assert.deepEqual(idsOf(plain), ['o2']);
  assert.deepEqual(heard, ['remove s', 'put s urn:cerebra:topic:appointment', 'remove s']);
  // Events of a topic go on being numbered while it is in error, and no longer than that.
  heard.length = 0;
  const [error, off] = [change(4, { ...asked, status: 'error' }), change(5, { ...asked, status: 'off' })];
  await planner.plan([error]);
  assert.deepEqual(heard, []);
  await planner.plan([off]);
  assert.deepEqual(heard, ['remove s']);
});

test('a version of a Subscription that the stream shows after a newer one says nothing, whatever the newer one is', async () => {
  const criteria = 'Observation?code=a';
  const gone: Change = { ...subscription(2, 'active', criteria), op: 'delete', body: '' };
  for (const newer of [subscription(2, 'off', criteria), gone]) {
    const planner = await plannerOf();
    const plan = await planner.plan([newer, subscription(1, 'active', criteria), observation('o1', 'a')]);
    assert.deepEqual([idsOf(plan), plan.subscribers.length], [[], 1]);
    // That very one may come again: what it said then is known.
    assert.deepEqual((await planner.plan([newer])).subscribers, []);
  }
});

test('a Subscription by criteria that is in error, off, or goes by criteria that are refused, is told nothing more', async () => {
  const refusing: StoredSearch = async () => {
    throw new CerebraError('too-costly', 'it takes too long');
  };
  const asking = subscription(1, 'active', 'Observation?code=a&subject:Patient.family=x');
  const planner = await plannerOf({ search: refusing });
  const fault = { kind: 'fail', id: 's', error: 'Subscription.criteria: it takes too long' };
  assert.deepEqual((await planner.plan([asking, observation('o1', 'a')])).subscribers.slice(1), [fault]);
  assert.deepEqual((await planner.plan([observation('o2', 'a')])).subscribers, []);
  for (const status of ['error', 'off']) {
    const other = await plannerOf();
    const stopped = subscription(2, status, 'Observation?code=a');
    const plan = await other.plan([subscription(1, 'active', 'Observation?code=a'), stopped, observation('o1', 'a')]);
    assert.deepEqual(
      [idsOf(plan), plan.subscribers[1]],
      [[], { kind: 'stop', id: 's', version: 2, state: status, error: null }],
    );
  }
});

test('what is not sound, or not yet accepted, waits for the check; meanwhile it goes on as it was', async () => {
  const planner = await plannerOf({ isAccepted: (_registration, version) => version === 2 });
  const criteria = 'Observation?code=a';
  const kinds = ({ subscribers }: Plan) => subscribers.map(({ kind }) => kind);
  const first = await planner.plan([subscription(1, 'active', criteria), observation('o1', 'a')]);
  assert.deepEqual([kinds(first), idsOf(first)], [['check'], []]);
  const second = await planner.plan([subscription(2, 'active', criteria), observation('o2', 'a')]);
  assert.deepEqual([kinds(second), idsOf(second)], [['activate'], ['o2']]);
  const unsound = subscription(3, 'active', 'Observation?code=a&_include=x');
  const third = await planner.plan([unsound, subscription(4, 'requested', criteria), observation('o3', 'a')]);
  assert.deepEqual([kinds(third), idsOf(third)], [['check', 'check'], ['o3']]);
});

test('a batch is cut after the change that brings its matches to the most there may be', async () => {
  const planner = await plannerOf({ matchesMax: 2 });
  const batch = [
    subscription(1, 'active', 'Observation?code=a'),
    ...['o1', 'o2', 'o3'].map((id) => observation(id, 'a')),
  ];
  const plan = await planner.plan(batch);
  assert.deepEqual([plan.handled, idsOf(plan)], [3, ['o1', 'o2']]);
});

test('after clear nothing is known: neither versions nor what was asked', async () => {
  const planner = await plannerOf();
  const asking = subscription(2, 'active', 'Observation?code=a&subject:Patient.family=x');
  await planner.plan([asking]);
  planner.clear();
  assert.deepEqual(idsOf(await planner.plan([observation('met1', 'a')])), []);
  const plain = subscription(1, 'active', 'Observation?code=a');
  assert.deepEqual(idsOf(await planner.plan([plain, observation('o', 'a')])), ['o']);
});

test('a version is told to whoever follows what it replaced, though nobody listens for what it says now', async () => {
  const matcher = createMatcher();
  const { query } = parseCriteria('Observation?code=alpha', await testRules());
  matcher.put({ id: 'r', query, follows: true });
  const bodies = async (keys: readonly VersionKey[]) => keys.map(({ id }) => observation(id, 'alpha').body);
  const planner = await plannerOf({ matcher, bodies });
  const plan = await planner.plan([
    { ...observation('o', 'beta'), version: 2, op: 'update' },
    observation('p', 'beta'),
  ]);
  assert.deepEqual(
    plan.matches.map(({ subscriber, change: { id } }) => [subscriber, id]),
    [['r', 'o']],
  );
});

test('what a batch defines may be told of its later changes: a Subscription of its own, and of deletions by topics', async () => {
  const plan = await (await plannerOf()).plan([subscription(1, 'active', 'Subscription?status=active')]);
  assert.deepEqual(idsOf(plan), ['s']);
  const opened: boolean[] = [];
  const open: TopicMatching['open'] = (batch, defines) => {
    opened.push(defines);
    return noTopics.open(batch, defines);
  };
  const definers = [{ types: ['Basic'], onChange: () => [] }];
  const planner = await plannerOf({ definers, topics: { ...noTopics, open } });
  await planner.plan([observation('o', 'a')]);
  await planner.plan([subscription(1, 'active', 'Observation?code=a')]);
  await planner.plan([change(1, { resourceType: 'Basic', id: 'b' })]);
  assert.deepEqual(opened, [false, true, true]);
});
