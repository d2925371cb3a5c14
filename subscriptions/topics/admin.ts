// Which topics there are, for operators, and for the CapabilityStatement.
import type { AdminRoute, Queryable } from '#platform';
import type { CriteriaRules } from '../match/criteria.ts';
import { basicOf } from './basic.ts';
import { builtInTopics } from './built-in.ts';
import { topicNotes } from './compile.ts';
import { readTopics, topicUrls } from './store.ts';
import type { Topic } from './topic.ts';

/** Built-in ones without those that a stored one has taken the URL of. */
const builtInBeside = (stored: readonly string[]): Topic[] => {
  const taken = new Set(stored);
  return builtInTopics.filter(({ url }) => !taken.has(url));
};

/** Canonical URLs of the topics that can be subscribed to, in order, each once. */
export async function activeTopicUrls(db: Queryable): Promise<string[]> {
  const stored = await topicUrls(db);
  const active = stored.filter(({ active }) => active).map(({ url }) => url);
  return [...new Set([...builtInBeside(stored.map(({ url }) => url)).map(({ url }) => url), ...active])].toSorted();
}

const idOf = ({ url }: Topic): string => url.replace(/^.*[:/]/, '');

export function topicRoute(db: Queryable, rules: CriteriaRules): AdminRoute {
  return {
    method: 'GET',
    path: '/admin/subscriptions/topics',
    summary: 'Topics of Subscriptions, built-in and stored ones, each as a Basic, with what is wrong in it',
    async handle() {
      const { topics } = await readTopics(db);
      const listed = [
        ...builtInBeside(topics.map(({ topic }) => topic.url)).map((topic) => ({
          topic,
          fault: '',
          source: 'built-in',
          id: idOf(topic),
        })),
        ...topics.map(({ topic, fault, id }) => ({ topic, fault, source: `Basic/${id}`, id })),
      ];
      return {
        status: 200,
        body: {
          topics: listed.map(({ topic, fault, source, id }) => ({
            ...{ url: topic.url, version: topic.version, title: topic.title, status: topic.status, source },
            ...(fault === '' ? {} : { fault }),
            notes: fault === '' ? topicNotes(topic, rules) : [],
            basic: basicOf(topic, id),
          })),
        },
      };
    },
  };
}
