// Topics that took too long on some resource: they are not evaluated again, and their Subscriptions can't go on.
import { isCerebraError } from '#platform';
import type { CompiledTopic } from './compile.ts';

export interface OverdueTopics {
  /** Hears why a topic, by its URL, could not be evaluated. */
  note(url: string, error: unknown): void;
  has(topic: CompiledTopic): boolean;
  /** Whose they are, by Subscription.id, and why they can't go on; then forgets the topics. */
  take(subscribers: Iterable<{ id: string; topics: readonly CompiledTopic[] }>): { id: string; error: string }[];
}

export function createOverdueTopics(): OverdueTopics {
  const known = new Map<string, string>();
  return {
    note(url, error) {
      if (isCerebraError(error, 'too-costly'))
        known.set(url, `Subscription.criteria: of the topic fhirPathCriteria ${error.message}`);
    },
    has: ({ topic }) => known.has(topic.url),
    take(subscribers) {
      if (known.size === 0) return [];
      const failed = Array.from(subscribers, ({ id, topics }) => {
        const error = topics.map(({ topic }) => known.get(topic.url)).find((one) => one !== undefined);
        return error === undefined ? [] : [{ id, error }];
      });
      known.clear();
      return failed.flat();
    },
  };
}
