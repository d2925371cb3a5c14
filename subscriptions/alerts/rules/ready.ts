// Rules made ready: the matcher of a rule's triggers, and the entries by which the change stream is listened to.
import type { Resource, SearchQuery } from '#fhir-model';
import { createMatcher, type Entry, type Matcher } from '../../match/matcher.ts';
import { isAudit } from '../audit.ts';
import { mayBeCritical } from '../critical/level.ts';
import type { Rule } from './rule.ts';

/** A rule with the matcher of its triggers, filed as `action.trigger`. */
export interface ReadyRule {
  rule: Rule;
  matcher: Matcher;
  /** What it is told of although no trigger is met: it may have been, before. */
  later: Matcher;
}

/** Id of the subscriber that stands for a rule; ':' can't occur in the id of a Subscription. */
export const ruleSubscriber = (id: string): string => `alert:${id}`;

export function readyRule(rule: Rule, baseUrl: string | undefined): ReadyRule {
  const matcher = createMatcher(baseUrl);
  const later = createMatcher(baseUrl);
  for (const [i, action] of rule.actions.entries()) {
    for (const [j, { query }] of action.triggers.entries()) matcher.put({ id: `${i}.${j}`, query });
  }
  for (const [i, query] of laterOf(rule).entries()) later.put({ id: String(i), query, test: isLater });
  return { rule: baseUrl === undefined ? rule : { ...rule, baseUrl }, matcher, later };
}

/** What several triggers have stands once. */
function laterOf({ actions }: Rule): SearchQuery[] {
  const all = actions.flatMap(({ triggers }) => triggers.flatMap(({ later }) => later));
  return [...new Map(all.map(({ text, query }) => [text, query])).values()];
}

/** A first version ends nothing. */
const isLater = (_resource: Resource, version: number): boolean => version > 1;

/** What the dispatcher's matcher has of the rule. */
export function entriesOf(rule: Rule): Entry[] {
  const { id, kind, actions } = rule;
  const subscriber = ruleSubscriber(id);
  // A first version that is not critical has raised nothing that could be withdrawn.
  const test = kind === 'critical-value' ? firstIsCritical : undefined;
  const triggered = actions.flatMap(({ triggers }, i) =>
    triggers.map(({ query }, j) => ({
      id: `${subscriber}:${i}.${j}`,
      subscriber,
      query,
      follows: true as const,
      ...testOf(query.type, test),
    })),
  );
  const later = laterOf(rule).map((query, i) => ({
    ...{ id: `${subscriber}:later.${i}`, subscriber, query },
    ...testOf(query.type, isLater),
  }));
  return [...triggered, ...later];
}

type Test = NonNullable<Entry['test']>;

/** What is written about alerts must not lead to alerts: the next one would be about that one. */
function testOf(type: string, test: Test | undefined): { test?: Test } {
  if (type === 'AuditEvent')
    return { test: (resource, version) => !isAudit(resource) && (test?.(resource, version) ?? true) };
  return test ? { test } : {};
}

const firstIsCritical = (resource: Resource, version: number): boolean => version > 1 || mayBeCritical(resource);
