// The topics that can be subscribed to, by canonical URL: the stored ones, and beneath them the built-in ones.
// Canonicals and their versions: https://hl7.org/fhir/R4/references.html#canonical
import { chooseVersion, compareVersions, parseCanonical } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { createSeenVersions } from '../dispatch/seen-versions.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import { builtInTopics } from './built-in.ts';
import { type CompiledTopic, compileFilters, compileTopic, type FocusFilter } from './compile.ts';
import type { Topic } from './topic.ts';
import { within } from './trigger.ts';

/** A Basic that is a topic, as table subscription_topic has it. */
export interface StoredTopic {
  /** Basic.id */
  id: string;
  /** Of the Basic. */
  version: number;
  topic: Topic;
  /** Why it can't be used; '' when it can. */
  fault: string;
}

export interface TopicCatalogue {
  /** Adds or replaces the topic of that Basic, if its version is newer than the one known. False: it is not. */
  put(stored: StoredTopic): boolean;
  /** False: it was none, or a newer version is known. */
  remove(id: string, version: number): boolean;
  clear(): void;
  /** What `url` or `url|version` means; throws CerebraError that says why it can't be subscribed to. */
  find(canonical: string): CompiledTopic;
  /** The URL of the topic that a Basic is; undefined if it is none. */
  urlOf(id: string): string | undefined;
}

/** `without`: leaves out the built-in ones. */
export function createTopicCatalogue(rules: CriteriaRules, builtIn: readonly Topic[] = builtInTopics): TopicCatalogue {
  const stored = new Map<string, StoredTopic>();
  /** Also of Basics that are no topic any more: an older version may still come. */
  const versions = createSeenVersions();
  let compiled = new Map<Topic, CompiledTopic | string>();

  const forget = (id: string) => {
    const former = stored.get(id);
    if (former) compiled.delete(former.topic);
  };
  const compile = (topic: Topic): CompiledTopic | string => {
    const known = compiled.get(topic);
    if (known !== undefined) return known;
    const found = compileOrWhy(topic, rules);
    compiled.set(topic, found);
    return found;
  };

  return {
    put(one) {
      if (one.version <= versions.of(one.id)) return false;
      versions.set(one.id, one.version);
      forget(one.id);
      stored.set(one.id, one);
      return true;
    },
    remove(id, version) {
      if (version <= versions.of(id)) return false;
      versions.setGone(id, version);
      forget(id);
      return stored.delete(id);
    },
    clear() {
      stored.clear();
      versions.clear();
      compiled = new Map();
    },
    urlOf: (id) => stored.get(id)?.topic.url,
    find(canonical) {
      const { topic, fault } = chosen(canonical, stored.values(), builtIn);
      if (fault !== '') throw new CerebraError('business-rule', `the topic can't be used: ${fault}`);
      if (topic.status !== 'active') {
        throw new CerebraError('business-rule', `the topic is ${topic.status}; only active ones can be subscribed to`);
      }
      const found = compile(topic);
      if (typeof found === 'string') throw new CerebraError('business-rule', `the topic can't be used: ${found}`);
      return found;
    },
  };
}

/**
 * The topic that is meant, and what the filters ask of each type that it is about. Throws CerebraError that names the element of
 * the Subscription.
 */
export function askedOf(
  catalogue: TopicCatalogue,
  { url, filters }: { url: string; filters: readonly string[] },
  rules: CriteriaRules,
): { topic: CompiledTopic; asked: Map<string, FocusFilter> } {
  const topic = within('Subscription.criteria', () => catalogue.find(url));
  return { topic, asked: within('Subscription.criteria.extension', () => compileFilters(topic, filters, rules)) };
}

function compileOrWhy(topic: Topic, rules: CriteriaRules): CompiledTopic | string {
  try {
    return compileTopic(topic, rules);
  } catch (error) {
    if (isCerebraError(error)) return error.message;
    throw error;
  }
}

type Chosen = Pick<StoredTopic, 'topic' | 'fault'>;

/** Of several with one URL the active ones go before others, then the latest version. */
export function chosen(canonical: string, stored: Iterable<Chosen>, builtIn: readonly Topic[]): Chosen {
  const { url, version } = parseCanonical(canonical);
  const found = [...stored].filter(({ topic }) => topic.url === url);
  const all: Chosen[] =
    found.length > 0 ? found : builtIn.filter((one) => one.url === url).map((topic) => ({ topic, fault: '' }));
  const latestFirst = all
    .toSorted((a, b) => rank(b) - rank(a) || compareVersions(b.topic.version, a.topic.version))
    .map((one) => ({ ...one, version: one.topic.version }));
  const one = chooseVersion(latestFirst, version);
  if (one) return one;
  const there = latestFirst.map((each) => each.version || 'none').join(', ');
  const known = all.length === 0 ? '; GET metadata lists those there are' : `: its versions are ${there}`;
  throw new CerebraError('not-found', `there is no topic ${canonical.slice(0, 300)} here${known}`);
}

const rank = ({ topic, fault }: Chosen): number => (topic.status === 'active' ? 2 : 0) + (fault === '' ? 1 : 0);
