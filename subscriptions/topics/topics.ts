// Topics put together: the catalogue, the matching of their Subscriptions, and the part of the change stream that changes them.
import {
  type AccessScope,
  type Change,
  type ChangeFeed,
  isTopicBasic,
  parseCanonical,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { type AdminRoute, type Db, isCerebraError, type Log, type Queryable } from '#platform';
import type { Definer } from '../dispatch/plan.ts';
import type { SubscriberChange } from '../dispatch/subscribers.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import type { RegistrationRules } from '../registration.ts';
import { topicRoute } from './admin.ts';
import { builtInTopics } from './built-in.ts';
import { askedOf, chosen, createTopicCatalogue, type StoredTopic, type TopicCatalogue } from './catalogue.ts';
import { shapeOf, storedOf, topicIssues } from './compile.ts';
import { createTopicMatching, type TopicMatching } from './matching.ts';
import { readTopic } from './read-topic.ts';
import { readTopics, saveTopic, storedTopicBasics, topicsOfUrl } from './store.ts';
import type { NotificationShape } from './topic.ts';

export interface TopicsOptions {
  db: Db;
  feed: Pick<ChangeFeed, 'read' | 'bodies'>;
  reader: ResourceReader;
  scope: AccessScope;
  rules: RegistrationRules;
  log: Log;
}

export interface Topics {
  matching: TopicMatching;
  definer: Definer;
  /** For RegistrationRules.topics. */
  filtersOf: NonNullable<RegistrationRules['topics']>['filtersOf'];
  storedOf: NonNullable<RegistrationRules['topics']>['storedOf'];
  /** What a notification of the topic has beside its focus, whichever server asks; undefined for nothing. */
  shapeOf(topic: string, type: string): Promise<NotificationShape | undefined>;
  adminRoutes: AdminRoute[];
}

export function createTopics(options: TopicsOptions): Topics {
  const { db, feed, rules, log } = options;
  const catalogue = createTopicCatalogue(rules);
  const matching = createTopicMatching({
    ...{ ...options, catalogue, bodies: (versions) => feed.bodies(db, versions) },
    onError: (topic, err) => log.error({ err, topic }, 'a topic could not be evaluated'),
  });
  return {
    matching,
    definer: createDefiner(options, catalogue, matching),
    filtersOf: (asked) => askedOf(catalogue, asked, rules).asked,
    storedOf: ({ url }) => storedOf(catalogue.find(url)),
    shapeOf: (canonical, type) => storedShape(options, canonical, type),
    adminRoutes: [topicRoute(db, rules)],
  };
}

/** The shape that the topic of this URL has for a type of focus, as it is stored. */
export async function storedShape(
  { db, rules }: { db: Db; rules: CriteriaRules },
  canonical: string,
  type: string,
): Promise<NotificationShape | undefined> {
  try {
    const stored = await topicsOfUrl(db, parseCanonical(canonical).url);
    return shapeOf(chosen(canonical, stored, builtInTopics).topic, type, rules);
  } catch (error) {
    // The topic is gone; its Subscriptions are on their way into error.
    if (isCerebraError(error, 'not-found')) return undefined;
    throw error;
  }
}

/** A Basic that is a topic, as it is kept. */
export function storedTopic(basic: Resource, id: string, version: number, rules: RegistrationRules): StoredTopic {
  const reading = readTopic(basic, rules.resourceTypes);
  const [issue] = topicIssues(reading, rules);
  const fault = issue ? `${issue.expression?.[0] ?? 'Basic'}: ${issue.diagnostics}` : '';
  return { id, version, topic: reading.topic, fault };
}

function createDefiner(
  { db, reader, scope, rules }: TopicsOptions,
  catalogue: TopicCatalogue,
  matching: TopicMatching,
): Definer {
  const failed = async (url: string): Promise<SubscriberChange[]> =>
    (await matching.reput(url)).map(({ id, error }) => ({ kind: 'fail', id, error }));

  const onTopic = async (basic: Resource, { id, version }: Change): Promise<SubscriberChange[]> => {
    const former = catalogue.urlOf(id);
    const topic = storedTopic(basic, id, version, rules);
    if (!catalogue.put(topic)) return [];
    const { url } = topic.topic;
    const others = former === undefined || former === url ? [] : await failed(former);
    return [{ kind: 'topic', topic }, ...(await failed(url)), ...others];
  };
  const onOther = async ({ id, version }: Change): Promise<SubscriberChange[]> => {
    const former = catalogue.urlOf(id);
    if (former === undefined || !catalogue.remove(id, version)) return [];
    return [{ kind: 'topic', topic: { id, version, fault: '' } }, ...(await failed(former))];
  };

  return {
    types: ['Basic'],
    onChange: (change, resource) => (resource && isTopicBasic(resource) ? onTopic(resource, change) : onOther(change)),
    async load() {
      catalogue.clear();
      let { topics, gone } = await readTopics(db);
      if (topics.length + gone.length === 0) topics = await adopt(db, { reader, scope, rules });
      for (const one of topics) catalogue.put(one);
      for (const { id, version } of gone) catalogue.remove(id, version);
    },
  };
}

/** Topics that were stored before this server knew what they are. */
async function adopt(
  db: Queryable & Pick<Db, 'tx'>,
  { reader, scope, rules }: Pick<TopicsOptions, 'reader' | 'scope' | 'rules'>,
): Promise<StoredTopic[]> {
  const found: StoredTopic[] = [];
  for await (const { resource, version } of storedTopicBasics(reader, scope)) {
    found.push(storedTopic(resource, resource.id ?? '', version, rules));
  }
  if (found.length > 0) {
    await db.tx(async (tx) => {
      for (const one of found) await saveTopic(tx, one);
    });
  }
  return found;
}
