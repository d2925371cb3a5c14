// Whether a change triggers: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger
// The interaction, the query criteria and the FHIRPath criteria must all hold. Where the topic does not say how a test counts
// for a state that there is not (before a create, after a delete), it is left out, and one that is left alone decides; when
// none is left the trigger does not fire. What looks at other resources (chains, value sets …) the database decides, of the
// current state alone: of what the change replaced there is no index to ask.
import { type Change, compileFhirPath, type FhirPath, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type CriteriaRules, parseCriteria, type Test, testOf } from '../match/criteria.ts';
import type { StoredCriteria } from '../match/stored.ts';
import type { Interaction, QueryCriteria, ResourceTrigger } from './topic.ts';

/** The states around a change. `previous` is `unread` until it is asked for; undefined where there is none. */
export interface States {
  op: Change['op'];
  current: Resource | undefined;
  previous: Resource | undefined | 'unread';
}

/** `unread`: it depends on what the change replaced. A search: it triggers if that finds the resource. */
export type Verdict = boolean | 'unread' | StoredCriteria;

export interface Trigger {
  interactions: ReadonlySet<Interaction>;
  /** What the database may have to decide. */
  stored: StoredCriteria | undefined;
  /** Throws CerebraError where the FHIRPath can't be evaluated on these. */
  decide(states: States): Verdict;
}

/** Throws CerebraError that says what can't be evaluated, and names the element. */
export function compileTrigger(trigger: ResourceTrigger, rules: CriteriaRules): Trigger {
  const interactions = new Set(trigger.interactions);
  const query = trigger.query && compileQuery(trigger.query, trigger.resource, rules);
  const holds = query?.holds ?? (() => true);
  const path = trigger.fhirPath === undefined ? undefined : compilePath(trigger.fhirPath);
  return {
    interactions,
    stored: query?.stored,
    decide(states) {
      if (!interactions.has(states.op)) return false;
      const verdict = holds(states);
      if (verdict === false || verdict === 'unread' || !path) return verdict;
      const onPath = path(states);
      return onPath === true ? verdict : onPath;
    },
  };
}

interface CompiledQuery {
  holds: (states: States) => Verdict;
  stored: StoredCriteria | undefined;
}

function compileQuery(query: QueryCriteria, type: string, rules: CriteriaRules): CompiledQuery {
  const onCurrent = compileTest(query.current, type, rules, 'current');
  const onPrevious = compileTest(query.previous, type, rules, 'previous');
  const stored = onCurrent?.stored;
  if (onPrevious?.stored) {
    const { search } = onPrevious.stored;
    const text = `queryCriteria.previous: '${search.slice(0, 200)}' looks at other resources, which can be asked of the current state alone; say it in queryCriteria.current`;
    throw new CerebraError('unsupported', text);
  }
  if (!onCurrent && !onPrevious) return { holds: () => true, stored };
  const holds = ({ op, current, previous }: States): Verdict => {
    const now = onCurrent && (current ? onCurrent.test(current) : query.resultForDelete);
    const asked = now && current ? stored : undefined;
    if (now !== undefined && now !== query.requireBoth && !asked) return now;
    const before = onPrevious && testPrevious(onPrevious.test, op, previous, query.resultForCreate);
    if (before === 'unread') return 'unread';
    // Nobody need be asked where the other test decides: it fails and both must hold, or it holds and one is enough.
    return asked && before !== !query.requireBoth ? asked : combine(now, before, query.requireBoth);
  };
  return { holds, stored };
}

/** Where a former version is no longer stored it is as if there had been none. */
const testPrevious = (
  test: Test,
  op: Change['op'],
  previous: States['previous'],
  without: boolean | undefined,
): boolean | 'unread' | undefined => {
  if (op === 'create' || previous === undefined) return without;
  return previous === 'unread' ? 'unread' : test(previous);
};

function combine(now: boolean | undefined, before: boolean | undefined, both: boolean): boolean {
  const left = [now, before].filter((one) => one !== undefined);
  return left.length > 0 && (both ? left.every(Boolean) : left.some(Boolean));
}

interface CompiledTest {
  test: Test;
  /** What one resource does not decide; undefined for nothing. */
  stored: StoredCriteria | undefined;
}

function compileTest(
  criteria: string | undefined,
  type: string,
  rules: CriteriaRules,
  element: string,
): CompiledTest | undefined {
  if (criteria === undefined) return undefined;
  const { query, stored } = within(`queryCriteria.${element}`, () =>
    parseCriteria(`${type}?${withoutType(criteria, type)}`, rules),
  );
  return { test: testOf(query, rules), stored: stored === '' ? undefined : { type, search: stored } };
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

function compilePath(expression: string): (states: States) => boolean | 'unread' {
  const path: FhirPath = within('fhirPathCriteria', () => compileFhirPath(expression, ['previous', 'current']));
  const asksPrevious = /%[`']?previous/.test(expression);
  return ({ op, current, previous }) => {
    const reads = asksPrevious || current === undefined;
    if (reads && op !== 'create' && previous === 'unread') return 'unread';
    const before = op === 'create' || previous === 'unread' ? undefined : previous;
    return path.holds(current ?? before, { current, previous: before }) === true;
  };
}
