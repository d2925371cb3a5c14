// Which Subscriptions to topics a change concerns. Subscriptions with the same filters on one topic are one entry of the
// matcher, filed under its rarest equality; a topic's triggers are decided once for a change, and only where somebody's filters
// let it pass. What a change replaced is read for the changes that are left, in one statement for the batch. What a trigger asks
// of other resources is left to the database (match/stored.ts), together with all that filters ask of it.
import { isDeepStrictEqual } from 'node:util';
import { type Change, parseJson, type Resource, type VersionKey } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Match } from '../dispatch/deliveries.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import { createMatcher } from '../match/matcher.ts';
import type { StoredCriteria } from '../match/stored.ts';
import { askedOf, type TopicCatalogue } from './catalogue.ts';
import type { CompiledTopic } from './compile.ts';
import { carriesEvents, type EventPorts, eventOf, focusChanges, isEvent, replacedBy } from './events.ts';
import { createOverdueTopics, type OverdueTopics } from './overdue.ts';
import { type Group, tell } from './telling.ts';
import type { EventTrigger } from './topic.ts';
import type { States } from './trigger.ts';

export interface TopicSubscriber {
  /** Subscription.id */
  id: string;
  /** Canonical of the topic. */
  url: string;
  filters: readonly string[];
  endsMs?: number | undefined;
}

export interface TopicMatching {
  /** Throws CerebraError that names the element of the Subscription at fault. */
  put(subscriber: TopicSubscriber): void;
  remove(id: string): void;
  clear(): void;
  /** After a change of the topics with that URL: who can't go on, and why. The others go on by the new topic. */
  reput(url: string): Promise<{ id: string; error: string }[]>;
  /** Who can't go on since the last time, because the topic takes too long on some resource; they are to be removed. */
  overdue(): { id: string; error: string }[];
  /** Reads what deletions of the batch replaced. `defines`: the batch has changes of Subscriptions or topics. */
  open(batch: readonly Change[], defines: boolean): Promise<TopicBatch>;
}

export interface TopicBatch {
  /** Whether it need be looked at. */
  concerns(change: Change): boolean;
  /** Candidates, by what memory says of them at this point of the stream. `current`: undefined of a deletion. */
  match(change: Change, current: Resource | undefined): Match[] | Promise<Match[]>;
  /** Those of the batch's matches that hold, in their order, candidates of topics being decided as far as the database need not. */
  settle(matches: readonly Match[]): Promise<Match[]>;
}

export interface TopicMatchingOptions extends EventPorts {
  rules: CriteriaRules;
  catalogue: TopicCatalogue;
  /** JSON texts of these versions; '' for what there is not. */
  bodies: (versions: readonly VersionKey[]) => Promise<string[]>;
  onError: (topic: string, error: unknown) => void;
}

interface Evaluating extends TopicMatchingOptions {
  overdue: OverdueTopics;
}

/** A topic and a change for which it is open whether it triggers. */
interface Pending {
  topic: CompiledTopic;
  change: Change;
  current: Resource | undefined;
  verdict: Verdict;
}

/** Searches: it triggers if one of them finds the resource. */
type Verdict = boolean | 'unread' | readonly StoredCriteria[];

interface Candidate extends Match {
  pending?: Pending;
  /** Told unless the change itself tells it, which the database decides. */
  unless?: Pending;
}

interface Filed {
  subscriber: TopicSubscriber;
  groups: Group[];
}

export function createTopicMatching(given: TopicMatchingOptions): TopicMatching {
  const { rules, catalogue } = given;
  const options = { ...given, overdue: createOverdueTopics() };
  const matcher = createMatcher(rules.baseUrl);
  const groups = new Map<string, Group>();
  const filed = new Map<string, Filed>();
  /** Topics with the number of groups. */
  const inUse = new Map<CompiledTopic, number>();
  const count = (topic: CompiledTopic, by: 1 | -1) => {
    const next = (inUse.get(topic) ?? 0) + by;
    if (next === 0) inUse.delete(topic);
    else inUse.set(topic, next);
  };

  const remove = (id: string) => {
    for (const group of filed.get(id)?.groups ?? []) {
      group.subscribers.delete(id);
      if (group.subscribers.size > 0) continue;
      groups.delete(group.key);
      matcher.remove(group.key);
      count(group.topic, -1);
    }
    filed.delete(id);
  };
  const put = (subscriber: TopicSubscriber) => {
    const { id, url, filters, endsMs = Number.POSITIVE_INFINITY } = subscriber;
    const { topic, asked } = askedOf(catalogue, subscriber, rules);
    remove(id);
    const found: Group[] = [];
    for (const [type, { query, stored }] of asked) {
      const key = JSON.stringify([url, type, ...filters.toSorted()]);
      let group = groups.get(key);
      if (!group) {
        group = { key, canonical: url, topic, type, stored, subscribers: new Map() };
        groups.set(key, group);
        matcher.put({ id: key, query });
        count(topic, 1);
      }
      group.subscribers.set(id, endsMs);
      found.push(group);
    }
    filed.set(id, { subscriber, groups: found });
  };

  /**
   * Gives the groups of the URL the topic that it means now, where that leaves the filters as they are; false: it does not. With
   * 100,000 Subscriptions 10 ms, while putting each anew holds the event loop for seconds.
   */
  const exchange = (url: string): boolean => {
    const concerned = [...groups.values()].filter(({ canonical }) => canonical.split('|')[0] === url);
    const next = new Map<string, CompiledTopic>();
    for (const { canonical, topic } of concerned) {
      const found = next.get(canonical) ?? findOrNone(catalogue, canonical);
      if (!found || !sameFilters(found, topic)) return false;
      next.set(canonical, found);
    }
    for (const group of concerned) {
      count(group.topic, -1);
      group.topic = next.get(group.canonical)!;
      count(group.topic, 1);
    }
    return true;
  };

  // By the topic: keys hold what filters ask, which may be of patients.
  const onGroupError = (key: string, error: unknown) => options.onError(groups.get(key)!.canonical, error);
  /** The groups whose filters the resource meets. */
  const passing = (resource: Resource, version: number): Group[] =>
    matcher.match(resource, version, 0, onGroupError).map((key) => groups.get(key)!);

  return {
    put,
    remove,
    clear() {
      filed.clear();
      groups.clear();
      inUse.clear();
      matcher.clear();
    },
    async reput(url) {
      if (exchange(url)) return [];
      const concerned = [...filed.values()].filter(({ subscriber }) => subscriber.url.split('|')[0] === url);
      // All out before one goes in: groups are shared, and hold the former topic.
      for (const { subscriber } of concerned) remove(subscriber.id);
      const failed: { id: string; error: string }[] = [];
      for (const [i, { subscriber }] of concerned.entries()) {
        const problem = whyNot(() => put(subscriber));
        if (problem !== undefined) failed.push({ id: subscriber.id, error: problem });
        if (i % putsPerTurn === putsPerTurn - 1) await new Promise(setImmediate);
      }
      return failed;
    },
    overdue() {
      const subscribers = filed.values().map(({ subscriber: { id }, groups }) => {
        return { id, topics: groups.map(({ topic }) => topic) };
      });
      return options.overdue.take(subscribers);
    },
    open: (batch, defines) => openBatch({ options, batch, passing, inUse, mayMatch: matcher.mayMatch }, defines),
  };
}

/** 5 ms: meanwhile requests wait. */
const putsPerTurn = 200;

/** What a CerebraError says that it throws. */
function whyNot(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isCerebraError(error)) return error.message;
    throw error;
  }
}

function findOrNone(catalogue: TopicCatalogue, canonical: string): CompiledTopic | undefined {
  try {
    return catalogue.find(canonical);
  } catch (error) {
    if (isCerebraError(error)) return undefined;
    throw error;
  }
}

/** Whether filters that one allows mean the same in the other. */
const sameFilters = (a: CompiledTopic, b: CompiledTopic): boolean =>
  a === b || isDeepStrictEqual([a.focus, a.topic.filters], [b.focus, b.topic.filters]);

interface Opened {
  options: Evaluating;
  batch: readonly Change[];
  passing: (resource: Resource, version: number) => Group[];
  inUse: ReadonlyMap<CompiledTopic, number>;
  mayMatch: (type: string, body: string) => boolean;
}

async function openBatch(opened: Opened, defines: boolean): Promise<TopicBatch> {
  const { options, batch, inUse } = opened;
  const wantsDeletions = (type: string) =>
    inUse.keys().some(({ triggers }) => triggers.get(type)?.some(({ interactions }) => interactions.has('delete')));
  const wantsEvents = (type: string) => carriesEvents(type) && inUse.keys().some(({ events }) => events.length > 0);
  const former = createFormer(options);
  await former.read(batch.filter(({ op, type }) => op === 'delete' && (defines || wantsDeletions(type))));

  return {
    concerns: ({ op, type, body }) =>
      op === 'delete' ? wantsDeletions(type) : opened.mayMatch(type, body) || wantsEvents(type),
    match(change, current) {
      const subject = current ?? former.of(change);
      if (subject === undefined || subject === 'unread') return [];
      const found = candidatesOf(options, opened.passing(subject, change.version), change, { subject, current });
      if (current === undefined || !wantsEvents(change.type)) return found;
      return eventCandidates({ ...opened, former }, change, current).then((events) => [...found, ...events]);
    },
    async settle(matches) {
      // As many candidates as Subscriptions share one.
      const open = new Set<Pending>();
      for (const { pending } of matches as readonly Candidate[]) if (pending?.verdict === 'unread') open.add(pending);
      await former.read(Array.from(open, ({ change }) => change));
      for (const one of open) {
        one.verdict = decide(
          options,
          one.topic,
          { ...one, op: one.change.op, previous: former.of(one.change) },
          one.change,
        );
      }
      return settled(matches);
    },
  };
}

const isAsked = (verdict: Verdict): verdict is readonly StoredCriteria[] => Array.isArray(verdict);

function settled(candidates: readonly Candidate[]): Match[] {
  const asked = new Map<Change, Set<CompiledTopic>>();
  for (const { pending } of candidates) {
    if (!pending || !isAsked(pending.verdict)) continue;
    const topics = asked.get(pending.change);
    if (topics) topics.add(pending.topic);
    else asked.set(pending.change, new Set([pending.topic]));
  }
  const found: Match[] = [];
  for (const one of candidates) {
    const { pending, unless } = one;
    const verdict = pending ? pending.verdict : true;
    if (isAsked(verdict)) found.push({ ...one, oneOf: verdict });
    else if (verdict !== true) continue;
    // A change of another batch was asked about, or will be, at another moment: rather told twice than not at all.
    else if (unless && isAsked(unless.verdict) && asked.get(unless.change)?.has(unless.topic)) {
      found.push({ ...one, noneOf: unless.verdict });
    } else found.push(one);
  }
  return found;
}

/** What the changes of a batch replaced. */
interface Former {
  of(change: Change): States['previous'];
  read(changes: readonly Change[]): Promise<void>;
}

function createFormer({ bodies }: TopicMatchingOptions): Former {
  const known = new Map<string, Resource | undefined>();
  const keyOf = ({ type, id, version }: VersionKey) => `${type}/${id}/${version}`;
  return {
    of: (change) => (known.has(keyOf(change)) ? known.get(keyOf(change)) : 'unread'),
    async read(changes) {
      const wanted = changes.filter((change) => change.version > 1 && !known.has(keyOf(change)));
      const unread = [...new Map(wanted.map((change) => [keyOf(change), change])).values()];
      if (unread.length === 0) return;
      const texts = await bodies(unread.map(({ type, id, version }) => ({ type, id, version: version - 1 })));
      unread.forEach((change, i) => {
        const text = texts[i] ?? '';
        known.set(keyOf(change), text === '' ? undefined : (parseJson(text).exact as Resource));
      });
    },
  };
}

/** Throws nothing: a topic that can't be evaluated on these triggers nothing. */
function decide(options: Evaluating, topic: CompiledTopic, states: States, { type }: Change): Verdict {
  if (options.overdue.has(topic)) return false;
  let isUnread = false;
  const asked: StoredCriteria[] = [];
  for (const trigger of topic.triggers.get(type) ?? []) {
    try {
      const one = trigger.decide(states);
      if (one === true) return true;
      if (one === 'unread') isUnread = true;
      else if (one) asked.push(one);
    } catch (error) {
      options.overdue.note(topic.topic.url, error);
      options.onError(topic.topic.url, error);
    }
  }
  if (isUnread) return 'unread';
  return asked.length > 0 && asked;
}

function candidatesOf(
  options: Evaluating,
  groups: readonly Group[],
  change: Change,
  { subject, current }: { subject: Resource; current: Resource | undefined },
): Candidate[] {
  const decided = new Map<CompiledTopic, Pending>();
  const found: Candidate[] = [];
  for (const group of groups) {
    const { topic } = group;
    let pending = decided.get(topic);
    if (!pending) {
      const states: States = { op: change.op, current, previous: 'unread' };
      pending = { topic, change, current, verdict: decide(options, topic, states, change) };
      decided.set(topic, pending);
    }
    if (pending.verdict !== false) tell(found, group, { ...options, change, subject }, { pending });
  }
  return found;
}

/**
 * What the version before said: a Provenance is written anew when patients are merged, and with each part of a message, and nothing has
 * happened once more to what it was about.
 */
async function toldBefore(
  { rules }: TopicMatchingOptions,
  carrier: Change,
  former: Former,
): Promise<(trigger: EventTrigger, names: readonly string[]) => boolean> {
  await former.read([carrier]);
  const previous = former.of(carrier);
  const event = previous === undefined || previous === 'unread' ? undefined : eventOf(previous, rules.baseUrl);
  if (!event) return () => false;
  const focus = new Set(event.focus.map(({ type, id }) => `${type}/${id}`));
  return (trigger, names) => isEvent(trigger, event) && names.some((name) => focus.has(name));
}

async function eventCandidates(
  { options, batch, passing, inUse, former }: Opened & { former: Former },
  carrier: Change,
  resource: Resource,
): Promise<Candidate[]> {
  const event = eventOf(resource, options.rules.baseUrl);
  if (!event) return [];
  const told = await toldBefore(options, carrier, former);
  const happened = (topic: CompiledTopic, { type, id }: { type: string; id: string }, others: string[] = []) => {
    const names = [`${type}/${id}`, ...others];
    return topic.events.some((one) => one.resource === type && isEvent(one, event) && !told(one, names));
  };
  const asked = event.focus.filter((one) => inUse.keys().some((topic) => happened(topic, one)));
  const changes = await focusChanges(options, carrier, asked, batch);
  const isOwnChange = ({ seq }: Change) => seq !== carrier.seq;
  await former.read(changes.filter(isOwnChange));
  const found: Candidate[] = [];
  for (const change of changes) {
    const subject = parseJson(change.body).exact as Resource;
    const isOwn = isOwnChange(change);
    const replaced = change.type === 'Patient' ? replacedBy(subject) : [];
    const states: States = { op: change.op, current: subject, previous: former.of(change) };
    for (const group of passing(subject, change.version)) {
      const { topic } = group;
      if (!happened(topic, change, replaced)) continue;
      const verdict = isOwn && decide(options, topic, states, change);
      // The change itself has told it, or will when its turn comes, in whichever batch.
      if (verdict === true) continue;
      const unless = { topic, change, current: subject, verdict };
      tell(found, group, { ...options, change, subject }, isAsked(verdict) ? { unless } : {});
    }
  }
  return found;
}
