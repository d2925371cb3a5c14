// Conditional creates and updates of the same moment share a transaction, as HL7 messages do: look-ups, locks and the commit are
// paid once for all of them. Each has its effect as if it had come alone. https://hl7.org/fhir/R4/http.html#ccreate, #cond-update
import type { AccessScope, EntryResult } from '#fhir-model';
import { createGather, isCerebraError, sqlState } from '#platform';
import { scopeKey } from '../access/scope.ts';
import { decidingTokens } from '../search/by-token.ts';
import type { Core } from './core.ts';
import type { Plan } from './entries.ts';
import { readEntry } from './read-entry.ts';
import { runPlans } from './transaction.ts';

export interface Conditional {
  plan: Plan;
  scope: AccessScope;
}

/** undefined: it is to be run by itself. */
export type Together = (one: Conditional) => Promise<EntryResult | undefined>;

const ITEMS_MAX = 16;
/** Whoever waits for a lock longer waits by itself, and holds up nobody. */
const LOCK_WAIT_MS_MAX = 20;

/** Whether it may share one: what its criteria match is told by tokens, and nothing but them decides what it changes. */
export function isShared({ criteria, method, entry, ifVersion }: Plan): boolean {
  if (criteria === undefined || ifVersion !== undefined) return false;
  if (entry.merge || entry.choose || entry.alias !== undefined) return false;
  if (method !== 'POST' && (method !== 'PUT' || entry.resource?.id !== undefined)) return false;
  return decidingTokens(criteria) !== undefined;
}

/** Those that go into one transaction with the first: of the same criteria the second comes after it. */
function distinct(many: readonly Conditional[]): Conditional[] {
  const taken = new Set<string>();
  return many.filter(({ plan: { lockKeys, contentKeys = [], criteriaKey } }) => {
    const keys = [...(lockKeys ?? [criteriaKey!]), ...contentKeys];
    if (keys.some((key) => taken.has(key))) return false;
    for (const key of keys) taken.add(key);
    return true;
  });
}

/** Nothing was committed, and one of several may be the cause: alone each gets its own answer. */
const mayBeOfOne = (error: unknown): boolean =>
  isCerebraError(error, 'timeout')
    ? sqlState(error.cause) === LOCK_NOT_AVAILABLE
    : isCerebraError(error) && !isCerebraError(error, 'unavailable');

const LOCK_NOT_AVAILABLE = '55P03';

async function runTogether(core: Core, many: Conditional[]): Promise<(EntryResult | undefined)[]> {
  const first = distinct(many);
  const plans = first.map(({ plan }, index) => ({ ...plan, index }));
  try {
    const context = { scope: many[0]!.scope };
    const results = await runPlans(core, plans, context, readEntry, { lockWaitMsMax: LOCK_WAIT_MS_MAX });
    const byItem = new Map(first.map((item, at) => [item, results[at]!]));
    return many.map((item) => byItem.get(item));
  } catch (error) {
    if (mayBeOfOne(error)) return many.map(() => undefined);
    throw error;
  }
}

export function createTogether(core: Core): Together {
  return createGather<Conditional, EntryResult | undefined>({
    ...{ lanesMax: 4, beside: { itemsMin: 3, waitMs: 2 } },
    ...{ itemsMax: ITEMS_MAX, weigh: () => 1, weightMax: ITEMS_MAX },
    key: ({ scope }) => scopeKey(scope),
    run: (many) => runTogether(core, many),
  });
}
