// What a batch of changes leads to, decided in the order of the stream: a Subscription that becomes active matches the
// changes after it, one that stops does not.
import { type Change, parseJson, type Resource, type VersionKey } from '#fhir-model';
import { parseCriteria } from '../match/criteria.ts';
import type { Matcher } from '../match/matcher.ts';
import { keepMet, type StoredCriteria, type StoredSearch } from '../match/stored.ts';
import { type Registration, type RegistrationRules, registrationOrProblem } from '../registration.ts';
import type { TopicMatching } from '../topics/matching.ts';
import type { Match } from './deliveries.ts';
import { readLeaving } from './left.ts';
import { createSeenVersions } from './seen-versions.ts';
import type { SubscriberChange } from './subscribers.ts';

export interface Plan {
  /** Changes looked at: a prefix of the batch, shorter than it when it matched too much for one transaction. */
  handled: number;
  matches: Match[];
  subscribers: SubscriberChange[];
}

export interface Planner {
  plan(batch: Change[]): Promise<Plan>;
  /** Forgets everything; `put` and `version` then bring back what was committed. */
  clear(): void;
  /** Reads the definitions that were committed; after `clear`, before `put`. */
  load(): Promise<void>;
  /** Throws CerebraError when the criteria can't be matched. */
  put(registration: Registration, version: number): void;
}

/** Hears of changes of the resources that say what is listened for (PlanDefinition …), in the order of the stream. */
export interface Definer {
  types: readonly string[];
  /** `resource`: undefined once it is deleted. What this returns is committed together with the cursor. */
  onChange(change: Change, resource: Resource | undefined): SubscriberChange[] | Promise<SubscriberChange[]>;
  /** Forgets everything and reads what was committed; before any registration is put. */
  load?(): Promise<void>;
}

export interface PlannerOptions {
  matcher: Matcher;
  rules: RegistrationRules;
  /** JSON texts of versions; '' for what is deleted, or kept no longer. */
  bodies: (versions: readonly VersionKey[]) => Promise<string[]>;
  /** Decides what one resource alone can't. */
  search: StoredSearch;
  /** A batch is cut after the change that brings its matches to this many. */
  matchesMax: number;
  definers?: readonly Definer[];
  /** Serves Subscriptions to topics. */
  topics: TopicMatching;
  /** Whether that version was made active by this server, or needs nobody's leave: else its endpoint is asked first. */
  isAccepted?: (registration: Registration, version: number) => boolean;
  onMatchError: (subscriber: string, error: unknown) => void;
}

// Parsing and matching hold the event loop: after each 32 changes (1 to 10 ms) requests get their turn.
const changesPerTurn = 32;

export function createPlanner(options: PlannerOptions): Planner {
  const { matcher, rules, topics } = options;
  const definers = (type: string) => (options.definers ?? []).filter(({ types }) => types.includes(type));
  const versions = createSeenVersions();
  const stored = new Map<string, StoredCriteria>();

  const removeCriteria = (id: string) => {
    matcher.remove(id);
    stored.delete(id);
  };
  const remove = (id: string) => {
    removeCriteria(id);
    topics.remove(id);
  };
  const put = (registration: Registration, version: number) => {
    const { id, topic, endsMs } = registration;
    if (topic) {
      topics.put({ id, url: topic.url, filters: topic.filters, endsMs });
      removeCriteria(id);
    } else {
      putCriteria(registration);
      topics.remove(id);
    }
    versions.set(id, version);
  };
  const putCriteria = ({ id, criteria, endsMs }: Registration) => {
    const { query, stored: rest } = parseCriteria(criteria, rules);
    matcher.put(endsMs === undefined ? { id, query } : { id, query, endsMs });
    if (rest === '') stored.delete(id);
    else stored.set(id, { type: query.type, search: rest });
  };

  /** With what the database is asked of it at this point of the stream: the Subscription may be changed, or end, later in the batch. */
  const matchOf = (subscriber: string, change: Change): Match => {
    const asked = stored.get(subscriber);
    return asked ? { subscriber, change, stored: asked } : { subscriber, change };
  };

  const onSubscription = (change: Change, resource: Resource | undefined): SubscriberChange | undefined => {
    if (change.version <= versions.of(change.id)) return undefined;
    if (resource) versions.set(change.id, change.version);
    else versions.setGone(change.id, change.version);
    const next = resource ? readChange(resource, change, options) : deleted(change);
    if (next.kind === 'activate') put(next.registration, change.version);
    // Events of a topic go on being numbered, and are owed: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/errors.html
    else if (next.kind === 'stop' && next.state === 'error') removeCriteria(change.id);
    else if (next.kind !== 'check') remove(change.id);
    return next;
  };

  return {
    put,
    clear() {
      matcher.clear();
      topics.clear();
      stored.clear();
      versions.clear();
    },
    async load() {
      for (const definer of options.definers ?? []) await definer.load?.();
    },
    async plan(batch) {
      const plan: Plan = { handled: 0, matches: [], subscribers: [] };
      const definesFollowers = batch.some(({ type }) => definers(type).length > 0);
      const defines = definesFollowers || batch.some(({ type }) => type === 'Subscription');
      const ofTopics = await topics.open(batch, defines);
      const leaving = await readLeaving(options, batch, definesFollowers);
      const activated = new Map<string, Change>();
      for (const change of batch) {
        plan.handled++;
        const isSubscription = change.type === 'Subscription';
        const defining = definers(change.type);
        const isDefinition = isSubscription || defining.length > 0;
        if (change.op === 'delete') {
          for (const subscriber of matcher.followers(change.type)) plan.matches.push({ subscriber, change });
        }
        const mayMatch = change.op !== 'delete' && matcher.mayMatch(change.type, change.body);
        // A definition is asked about as it is after its own change.
        const mayTrigger = isDefinition || ofTopics.concerns(change);
        if (!mayMatch && !mayTrigger && !leaving.concerns(change)) continue;
        const isRead = change.op !== 'delete' && (mayMatch || mayTrigger);
        const resource = isRead ? (parseJson(change.body).exact as Resource) : undefined;
        const next = isSubscription ? onSubscription(change, resource) : undefined;
        if (next) plan.subscribers.push(next);
        if (next?.kind === 'activate') activated.set(change.id, change);
        // It may be stored anew in the same batch, as another one.
        if (next?.kind === 'delete') plan.matches = plan.matches.filter(({ subscriber }) => subscriber !== next.id);
        for (const definer of defining) {
          for (const one of await definer.onChange(change, resource)) plan.subscribers.push(one);
        }
        const matched =
          resource && (mayMatch || isDefinition)
            ? matcher.match(resource, change.version, change.updatedMs, options.onMatchError)
            : [];
        for (const subscriber of matched) plan.matches.push(matchOf(subscriber, change));
        for (const subscriber of leaving.leftBy(change, matched)) plan.matches.push({ subscriber, change });
        if (mayTrigger) for (const one of await ofTopics.match(change, resource)) plan.matches.push(one);
        if (plan.matches.length >= options.matchesMax) break;
        if (plan.handled % changesPerTurn === 0) await new Promise(setImmediate);
      }
      const held = await ofTopics.settle(plan.matches);
      const { kept, refused, failed } = await keepMet(held, options.search);
      plan.matches = kept;
      // What only a former version asked, which has been changed since in this batch, is no fault of the one in force.
      const isOfFormer = (id: string) => {
        const since = activated.get(id);
        const isLater = ({ subscriber, change }: Match) =>
          subscriber === id && batch.indexOf(change) > batch.indexOf(since!);
        return since !== undefined && !refused.some(isLater);
      };
      const faults = [...failed].filter(([id]) => !isOfFormer(id));
      const overdue = topics.overdue().map(({ id, error }) => [id, error] as const);
      for (const [id, error] of [...faults, ...overdue]) {
        remove(id);
        plan.subscribers.push({ kind: 'fail', id, error });
      }
      return plan;
    },
  };
}

const deleted = (change: Change): SubscriberChange => ({ kind: 'delete', id: change.id, version: change.version });

type Reading = Pick<PlannerOptions, 'rules' | 'isAccepted'>;

function readChange(subscription: Resource, { id, version }: Change, options: Reading): SubscriberChange {
  switch (subscription.status) {
    case 'active':
      return activation(subscription, id, version, options);
    case 'error':
    case 'off':
      return { kind: 'stop', id, version, state: subscription.status, error: errorOf(subscription) };
    default:
      return { kind: 'check', id, version };
  }
}

const errorOf = ({ error }: Resource): string | null => (typeof error === 'string' ? error : null);

/**
 * A Subscription that somebody else than this server set active without being sound, or without its endpoint's handshake, goes
 * to the check.
 */
function activation(
  subscription: Resource,
  id: string,
  version: number,
  { rules, isAccepted }: Reading,
): SubscriberChange {
  const read = registrationOrProblem(subscription, rules);
  if (typeof read === 'string') return { kind: 'check', id, version };
  const registration = { ...read, id };
  if (isAccepted && !isAccepted(registration, version)) return { kind: 'check', id, version };
  return { kind: 'activate', registration, version };
}
