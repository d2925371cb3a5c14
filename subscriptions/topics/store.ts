// Table subscription_topic: the topics as the change stream has made them.
import { type AccessScope, isTopicBasic, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import type { Queryable, Statement, Tx } from '#platform';
import type { StoredTopic } from './catalogue.ts';
import type { Topic, TopicStatus } from './topic.ts';

/** What a change of a Basic does to the topics; `topic` undefined: it is none any more. */
export interface TopicChange {
  /** Basic.id */
  id: string;
  version: number;
  topic?: Topic;
  /** Why it can't be used; '' when it can. */
  fault: string;
}

// `version <`: two transactions that touch several resources can reach the stream in another order than they changed this one.
const save: Statement = {
  name: 'subscription_topic_save',
  text: `insert into subscription_topic as t (id, version, url, status, topic, fault) values ($1, $2, $3, $4, $5, $6)
    on conflict (id) do update set version = $2, url = $3, status = $4, topic = $5, fault = $6 where t.version < $2`,
};

export async function saveTopic(tx: Tx, { id, version, topic, fault }: TopicChange): Promise<void> {
  const body = topic ? JSON.stringify(topic) : null;
  await tx.query(save, [id, version, topic?.url ?? '', topic?.status ?? 'gone', body, fault]);
}

const list: Statement = {
  name: 'subscription_topic_list',
  text: 'select id, version, status, topic, fault from subscription_topic order by id',
};

interface Row extends StoredTopic {
  status: TopicStatus | 'gone';
}

/** All there are, and the versions of those that are gone. */
export async function readTopics(
  db: Queryable,
): Promise<{ topics: StoredTopic[]; gone: Pick<StoredTopic, 'id' | 'version'>[] }> {
  const rows = await db.query<Row>(list);
  return {
    topics: rows.filter(({ status }) => status !== 'gone'),
    gone: rows.filter(({ status }) => status === 'gone'),
  };
}

const byUrl: Statement = {
  name: 'subscription_topic_by_url',
  text: `select id, version, topic, fault from subscription_topic where url = $1 and status <> 'gone' order by id`,
};

export const topicsOfUrl = (db: Queryable, url: string): Promise<StoredTopic[]> => db.query<StoredTopic>(byUrl, [url]);

const urls: Statement = {
  name: 'subscription_topic_urls',
  text: `select url, bool_or(status = 'active' and fault = '') as active from subscription_topic where status <> 'gone' group by url`,
};

/** Each URL once, with whether one of its versions can be subscribed to. */
export const topicUrls = (db: Queryable): Promise<{ url: string; active: boolean }[]> => db.query(urls);

const pageMax = 200;

export type BasicReader = Pick<ResourceReader, 'search'>;

/**
 * Basics that are topics as they are stored now: also those that table subscription_topic does not have (yet). With `url` those
 * in which it stands somewhere: reading 200 others would take 12 ms.
 */
export async function* storedTopicBasics(
  reader: BasicReader,
  scope: AccessScope,
  url = '',
): AsyncGenerator<{ resource: Resource; version: number }> {
  const text = JSON.stringify(url).slice(1, -1);
  const query = `code=${encodeURIComponent('http://hl7.org/fhir/fhir-types|SubscriptionTopic')}&_count=${pageMax}&_total=none`;
  let cursor: string | undefined;
  do {
    const page = await reader.search('Basic', cursor === undefined ? query : `${query}&_cursor=${cursor}`, scope);
    for (const { body, version } of page.resources) {
      if (!body.includes(text)) continue;
      const resource = parseJson(body).exact as Resource;
      if (isTopicBasic(resource)) yield { resource, version };
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
