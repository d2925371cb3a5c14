// Subscriptions to topics that ask the same, and how a change becomes matches of each of them.
import type { Change, Resource } from '#fhir-model';
import type { Match } from '../dispatch/deliveries.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import type { CompiledTopic } from './compile.ts';
import { elsewhereOf } from './deleted.ts';

/** Subscriptions that ask the same of one type of focus of one topic. */
export interface Group {
  key: string;
  /** As the Subscriptions name the topic. */
  canonical: string;
  topic: CompiledTopic;
  type: string;
  /** What the database has to decide; '' for nothing. */
  stored: string;
  /** Subscription.id → the instant from which it matches nothing. */
  subscribers: Map<string, number>;
}

/** What the database has to say of it first. `subject`: the resource, of a deletion the one that was deleted. */
function askedOf(
  { type, stored: search }: Group,
  { op }: Change,
  subject: Resource,
  rules: CriteriaRules,
): Partial<Match> {
  if (search === '') return {};
  return op === 'delete' ? { elsewhere: elsewhereOf({ type, search }, subject, rules) } : { stored: { type, search } };
}

/** Adds those of the group, one by one: of 130,000 at once push() overflows the stack. `more` goes with each. */
export function tell(
  found: Match[],
  group: Group,
  { change, subject, rules }: { change: Change; subject: Resource; rules: CriteriaRules },
  more: object = {},
): void {
  const asked = askedOf(group, change, subject, rules);
  for (const [subscriber, endsMs] of group.subscribers) {
    if (change.updatedMs < endsMs) found.push({ subscriber, change, ...asked, ...more });
  }
}
