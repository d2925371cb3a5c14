// Whether a change triggers: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger
// The interaction, the query criteria and the FHIRPath criteria must all hold. Where the topic does not say how a test counts
// for a state that there is not (before a create, after a delete), it is left out, and one that is left alone decides; when
// none is left the trigger does not fire.
import { type Change, compileFhirPath, type FhirPath, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type CriteriaRules, parseCriteria, type Test, testOf } from '../match/criteria.ts';
import type { Interaction, QueryCriteria, ResourceTrigger } from './topic.ts';

/** The states around a change. `previous` is `unread` until it is asked for; undefined where there is none. */
export interface States {
  op: Change['op'];
  current: Resource | undefined;
  previous: Resource | undefined | 'unread';
}

/** `unread`: it depends on what the change replaced. */
export type Verdict = boolean | 'unread';

export interface Trigger {
  interactions: ReadonlySet<Interaction>;
  /** Throws CerebraError where the FHIRPath can't be evaluated on these. */
  decide(states: States): Verdict;
}

/** Throws CerebraError that says what can't be evaluated, and names the element. */
export function compileTrigger(trigger: ResourceTrigger, rules: CriteriaRules): Trigger {
  const interactions = new Set(trigger.interactions);
  const query = trigger.query && compileQuery(trigger.query, trigger.resource, rules);
  const path = trigger.fhirPath === undefined ? undefined : compilePath(trigger.fhirPath);
  return {
    interactions,
    decide(states) {
      if (!interactions.has(states.op)) return false;
      const verdict = query ? query(states) : true;
      if (verdict !== true || !path) return verdict;
      return path(states);
    },
  };
}

function compileQuery(query: QueryCriteria, type: string, rules: CriteriaRules): (states: States) => Verdict {
  const onCurrent = compileTest(query.current, type, rules, 'current');
  const onPrevious = compileTest(query.previous, type, rules, 'previous');
  if (!onCurrent && !onPrevious) return () => true;
  return ({ op, current, previous }) => {
    const now = onCurrent && (current ? onCurrent(current) : query.resultForDelete);
    if (now !== undefined && now !== query.requireBoth) return now;
    const before = onPrevious && testPrevious(onPrevious, op, previous, query.resultForCreate);
    if (before === 'unread') return 'unread';
    return combine(now, before, query.requireBoth);
  };
}

/** Where a former version is no longer stored it is as if there had been none. */
const testPrevious = (
  test: Test,
  op: Change['op'],
  previous: States['previous'],
  without: boolean | undefined,
): Verdict | undefined => {
  if (op === 'create' || previous === undefined) return without;
  return previous === 'unread' ? 'unread' : test(previous);
};

function combine(now: boolean | undefined, before: boolean | undefined, both: boolean): boolean {
  const left = [now, before].filter((one) => one !== undefined);
  return left.length > 0 && (both ? left.every(Boolean) : left.some(Boolean));
}

function compileTest(
  criteria: string | undefined,
  type: string,
  rules: CriteriaRules,
  element: string,
): Test | undefined {
  if (criteria === undefined) return undefined;
  const where = `queryCriteria.${element}`;
  const { query, stored } = within(where, () => parseCriteria(`${type}?${withoutType(criteria, type)}`, rules));
  if (stored !== '') {
    const text = `${where}: '${stored.slice(0, 200)}' looks at other resources; a trigger is decided on the changed one alone`;
    throw new CerebraError('unsupported', text);
  }
  return testOf(query, rules);
}

const withoutType = (criteria: string, type: string): string =>
  criteria.replace(/^\//, '').startsWith(`${type}?`)
    ? criteria.slice(criteria.indexOf('?') + 1)
    : criteria.replace(/^\?/, '');

/** Names the element in what is thrown. */
export function within<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CerebraError)
      throw new CerebraError(error.code, `${where}: ${error.message}`, { cause: error });
    throw error;
  }
}

function compilePath(expression: string): (states: States) => Verdict {
  const path: FhirPath = within('fhirPathCriteria', () => compileFhirPath(expression, ['previous', 'current']));
  const asksPrevious = /%[`']?previous/.test(expression);
  return ({ op, current, previous }) => {
    const reads = asksPrevious || current === undefined;
    if (reads && op !== 'create' && previous === 'unread') return 'unread';
    const before = op === 'create' || previous === 'unread' ? undefined : previous;
    return path.holds(current ?? before, { current, previous: before }) === true;
  };
}
