// What a batch of changes leads to, decided in the order of the stream: a Subscription that becomes active matches the
// changes after it, one that stops does not.
import { type Change, parseJson, type Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { parseCriteria } from '../match/criteria.ts';
import type { Matcher } from '../match/matcher.ts';
import { keepMet, type StoredCriteria, type StoredSearch } from '../match/stored.ts';
import { type Registration, type RegistrationRules, readRegistration } from '../registration.ts';
import type { Match } from './deliveries.ts';
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
  /** Throws CerebraError when the criteria can't be matched. */
  put(registration: Registration, version: number): void;
}

/** Hears of changes of the resources that say what is listened for (PlanDefinition …), in the order of the stream. */
export interface Definer {
  types: readonly string[];
  /** `resource`: undefined once it is deleted. What this returns is committed together with the cursor. */
  onChange(change: Change, resource: Resource | undefined): SubscriberChange[];
}

export interface PlannerOptions {
  matcher: Matcher;
  rules: RegistrationRules;
  /** Decides what one resource alone can't. */
  search: StoredSearch;
  /** A batch is cut after the change that brings its matches to this many. */
  matchesMax: number;
  definers?: readonly Definer[];
  onMatchError: (subscriber: string, error: unknown) => void;
}

// Parsing and matching hold the event loop: after each 32 changes (1 to 10 ms) requests get their turn.
const changesPerTurn = 32;

export function createPlanner(options: PlannerOptions): Planner {
  const { matcher, rules } = options;
  const definers = (type: string) => (options.definers ?? []).filter(({ types }) => types.includes(type));
  const versions = new Map<string, number>();
  const stored = new Map<string, StoredCriteria>();

  const remove = (id: string) => {
    matcher.remove(id);
    stored.delete(id);
  };
  const put = (registration: Registration, version: number) => {
    const { id, criteria, endsMs } = registration;
    const { query, stored: rest } = parseCriteria(criteria, rules);
    matcher.put(endsMs === undefined ? { id, query } : { id, query, endsMs });
    if (rest === '') stored.delete(id);
    else stored.set(id, { type: query.type, search: rest });
    versions.set(id, version);
  };

  const onSubscription = (change: Change, resource: Resource | undefined): SubscriberChange | undefined => {
    if (change.version <= (versions.get(change.id) ?? 0)) return undefined;
    versions.set(change.id, change.version);
    const next = resource ? readChange(resource, change, rules) : deleted(change);
    if (next.kind === 'activate') put(next.registration, change.version);
    else if (next.kind !== 'check') remove(change.id);
    return next;
  };

  return {
    put,
    clear() {
      matcher.clear();
      stored.clear();
      versions.clear();
    },
    async plan(batch) {
      const plan: Plan = { handled: 0, matches: [], subscribers: [] };
      for (const change of batch) {
        plan.handled++;
        const isSubscription = change.type === 'Subscription';
        const defining = definers(change.type);
        const isDefinition = isSubscription || defining.length > 0;
        if (!isDefinition && (change.op === 'delete' || !matcher.mayMatch(change.type, change.body))) continue;
        const resource = change.op === 'delete' ? undefined : (parseJson(change.body).exact as Resource);
        const next = isSubscription ? onSubscription(change, resource) : undefined;
        if (next) plan.subscribers.push(next);
        for (const definer of defining) plan.subscribers.push(...definer.onChange(change, resource));
        if (resource) {
          const ids = matcher.match(resource, change.version, change.updatedMs, options.onMatchError);
          for (const subscriber of ids) plan.matches.push({ subscriber, change });
        }
        if (plan.matches.length >= options.matchesMax) break;
        if (plan.handled % changesPerTurn === 0) await new Promise(setImmediate);
      }
      const { kept, failed } = await keepMet(plan.matches, stored, options.search);
      plan.matches = kept;
      for (const [id, error] of failed) {
        remove(id);
        plan.subscribers.push({ kind: 'fail', id, error });
      }
      return plan;
    },
  };
}

const deleted = (change: Change): SubscriberChange => ({ kind: 'delete', id: change.id, version: change.version });

function readChange(subscription: Resource, { id, version }: Change, rules: RegistrationRules): SubscriberChange {
  switch (subscription.status) {
    case 'active':
      return activation(subscription, id, version, rules);
    case 'error':
    case 'off':
      return { kind: 'stop', id, version, state: subscription.status, error: errorOf(subscription) };
    default:
      return { kind: 'check', id, version };
  }
}

const errorOf = ({ error }: Resource): string | null => (typeof error === 'string' ? error : null);

/** A Subscription that somebody else than this server set active without being sound goes to the check, which says why not. */
function activation(subscription: Resource, id: string, version: number, rules: RegistrationRules): SubscriberChange {
  try {
    return { kind: 'activate', registration: { ...readRegistration(subscription, rules), id }, version };
  } catch (error) {
    if (isCerebraError(error)) return { kind: 'check', id, version };
    throw error;
  }
}
