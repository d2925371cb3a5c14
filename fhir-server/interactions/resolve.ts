// Conditional entries of a transaction, resolved inside it: https://hl7.org/fhir/R4/http.html#trules
import type { StoredVersion } from '#fhir-model';
import { CerebraError, type Tx } from '#platform';
import { hashOnce } from '../store/hash.ts';
import { lockAll, lockCriteriaFirst } from '../store/locks.ts';
import { type Chosen, chooseEach, MATCHES_TO_CHOOSE } from './choose.ts';
import type { Caller, Core } from './core.ts';
import { assertTurn } from './elsewhere.ts';
import { at, isRead, type Plan } from './entries.ts';
import { addConditionals, type Lookup, type Matches, several } from './links.ts';
import { matchEach } from './match-each.ts';
import { standIns } from './stand-ins.ts';

/** A planned entry that knows what it is about. */
export interface Resolved extends Plan {
  id: string;
  /** What the criteria of the entry match. */
  found: StoredVersion | undefined;
  /** Nothing is written for this entry: a conditional create that found its resource, a conditional delete that found none. */
  idle: boolean;
  /** The id was made for this entry: nobody else can have it, and it has no former version. */
  fresh: boolean;
  /** Its criteria may match what another entry creates as well. */
  handsOver?: boolean;
}

export interface Resolution {
  /** In entry order; a conditional delete of several resources comes once for each. */
  resolved: Resolved[];
  /** The matches of conditional references to types that this transaction leaves alone. */
  references: Matches;
  /** Conditional references to types that it changes: they mean what is there in the end. */
  pending: Map<string, Lookup>;
  /** Nothing is conditional: another attempt would put in the same ids, so that resources can be changed in place. */
  fixed: boolean;
}

/** DELETE, POST, then PUT and PATCH: https://hl7.org/fhir/R4/http.html#trules */
const PHASES: Record<Plan['method'], number> = { DELETE: 0, POST: 1, PUT: 2, PATCH: 2, GET: 3, HEAD: 3 };

const byPhase = (plans: Plan[]): Plan[] => plans.toSorted((a, b) => PHASES[a.method] - PHASES[b.method]);

/** All that is asked before anything is written: by key, and how many matches are of interest. */
interface Lookups {
  all: Map<string, Lookup>;
  /** Keys of the conditional references among them. */
  references: string[];
  pending: Map<string, Lookup>;
}

function collectLookups(core: Core, plans: Plan[]): Lookups {
  const all = new Map<string, Lookup>();
  const named = new Map<string, Lookup>();
  const changed = new Set<string>();
  for (const plan of plans) {
    if (isRead(plan)) continue;
    changed.add(plan.type);
    const { criteria, criteriaKey, entry, method, index } = plan;
    if (criteria) all.set(criteriaKey!, { query: criteria, expression: at(index, '.request') });
    // What a patch refers to is known when it is applied.
    if (!plan.alone && entry.resource && (method === 'POST' || method === 'PUT'))
      addConditionals(core, entry.resource, index, named);
  }
  const pending = new Map([...named].filter(([, { query }]) => changed.has(query.type)));
  const references = [...named.keys()].filter((key) => !pending.has(key));
  for (const key of references) if (!all.has(key)) all.set(key, named.get(key)!);
  return { all, references, pending };
}

const nameOf = (one: { type: string; id: string | undefined }): string => `${one.type}/${one.id}`;

/** Matches that are looked at, however many others are deleted by the same transaction. */
const MATCHES_MAX = 1000;

/** How many matches of each type can be gone before the criteria of a create or update are looked at. */
function deletionsMax(core: Core, plans: Plan[]): Map<string, number> {
  const most = new Map<string, number>();
  for (const { method, type, criteria } of plans) {
    if (method !== 'DELETE') continue;
    most.set(type, (most.get(type) ?? 0) + (criteria ? deletesMax(core) : 1));
  }
  return most;
}

/** How many resources one conditional delete may remove. */
const deletesMax = (core: Core): number => core.limits.conditionalDeleteMax;

function deletedNames(core: Core, plans: Plan[], first: Matches): Set<string> {
  const gone = new Set<string>();
  for (const plan of plans) {
    if (plan.method !== 'DELETE') continue;
    if (!plan.criteria) gone.add(nameOf(plan));
    else for (const match of first.get(plan.criteriaKey!)!.slice(0, deletesMax(core))) gone.add(nameOf(match));
  }
  return gone;
}

/** The entries of a transaction; `again` when it has lost a race before and takes no chances. */
export interface Attempt {
  plans: Plan[];
  again: boolean;
  /** Whether it may ask through other connections; see elsewhere.ts. */
  isTurn: boolean;
  alongside?: Alongside;
}

/** What travels with the look-ups. */
export interface Alongside {
  /** Of resources: locked behind those of criteria. */
  keys: string[];
  ask(): Promise<void>;
}

interface Found {
  /** As it was before this transaction. */
  before: Matches;
  /** Without what this transaction deletes: deletions come first. */
  left: Matches;
}

/**
 * Criteria that have matched before. As a rule they match again and are looked up without a lock: a hundred messages
 * that name one doctor don't wait in line. A wrong guess costs a round trip, never a duplicate.
 */
const MATCHED_MAX = 20_000;
const matchedBefore = new Set<string>();

export const hasMatched = (key: string): boolean => matchedBefore.has(key);

function remember(key: string, matched: boolean): void {
  if (!matched) matchedBefore.delete(key);
  else if (matchedBefore.size < MATCHED_MAX) matchedBefore.add(key);
  else matchedBefore.clear();
}

/**
 * What each of the criteria matches. Criteria without a match are looked up under their lock, so that of two
 * transactions with the same criteria the second sees what the first creates (1,600 calls on 200 keys: no duplicates;
 * without the lock 1,099). The locks of new criteria and the look-ups travel together.
 */
async function lookUp(core: Core, tx: Tx, caller: Caller, attempt: Attempt, lookups: Lookups): Promise<Found> {
  const { plans } = attempt;
  const most = deletionsMax(core, plans);
  const choosing = new Set(plans.filter(({ entry }) => entry.choose).map(({ type }) => type));
  const countOf = (type: string): number =>
    Math.min((choosing.has(type) ? MATCHES_TO_CHOOSE : 2) + (most.get(type) ?? 0), MATCHES_MAX + deletesMax(core));
  const search = (keys: Iterable<string>): Promise<Map<string, StoredVersion[]>> => {
    const queries = new Map([...keys].map((key) => [key, lookups.all.get(key)!.query]));
    return matchEach(core, queries, { ...caller, db: tx }, countOf);
  };
  const wanted = new Set(lookups.references);
  for (const plan of plans) if (plan.criteria && plan.method !== 'DELETE') wanted.add(plan.criteriaKey!);
  const { locksOf, exact } = criteriaLocks(plans);
  const locked = new Set([...wanted].filter((key) => attempt.again || exact.has(key) || !matchedBefore.has(key)));
  const [, before] = await Promise.all([
    lockCriteriaFirst(tx, [...locked].flatMap(locksOf), attempt.alongside?.keys ?? []),
    search(lookups.all.keys()),
    attempt.alongside?.ask(),
  ]);
  const gone = deletedNames(core, plans, before);
  const without = (found: Map<string, StoredVersion[]>): Map<string, StoredVersion[]> =>
    gone.size === 0
      ? found
      : new Map([...found].map(([key, list]) => [key, list.filter((one) => !gone.has(nameOf(one)))]));
  const left = without(before);
  for (const key of wanted) {
    const { length } = before.get(key)!;
    const { query, expression } = lookups.all.get(key)!;
    // What is left of a page that was cut is not all that is left.
    if (length > left.get(key)!.length && length === countOf(query.type)) throw several(expression);
  }
  const empty = [...wanted].filter((key) => left.get(key)!.length === 0);
  for (const key of wanted) remember(key, left.get(key)!.length > 0);
  const open = empty.filter((key) => !locked.has(key));
  if (open.length === 0) return { before, left };
  // More locks after others would be out of order, and two transactions could wait for each other.
  if (locked.size > 0 || attempt.alongside) throw guessedWrong();
  const [, again] = await Promise.all([lockAll(tx, 'criteria', open.flatMap(locksOf)), search(open)]);
  return { before, left: new Map([...left, ...without(again)]) };
}

/**
 * The locks of each of the criteria. `exact`: an update by several identifiers may bring the resource one that it did not
 * have; that it has matched before does not keep others from creating a resource with that one.
 */
function criteriaLocks(plans: Plan[]): { locksOf(key: string): string[]; exact: ReadonlySet<string> } {
  const locks = new Map<string, string[]>();
  for (const { criteriaKey, lockKeys, contentKeys = [] } of plans) {
    if (lockKeys) locks.set(criteriaKey!, [...(locks.get(criteriaKey!) ?? []), ...lockKeys, ...contentKeys]);
  }
  const several = plans.filter(({ lockKeys }) => lockKeys !== undefined && lockKeys.length > 1);
  const exact = new Set(several.filter(({ method }) => method !== 'POST').map(({ criteriaKey }) => criteriaKey!));
  return { locksOf: (key) => (locks.get(key) ?? [key]).map(hashOnce), exact };
}

/** As PostgreSQL tells of a lost race (serialization_failure): the transaction is tried again. */
export const guessedWrong = (): Error =>
  Object.assign(new Error('Criteria match something else than before'), { code: '40001' });

function resolveDelete(core: Core, plan: Plan, matches: StoredVersion[]): Resolved[] {
  if (matches.length > deletesMax(core)) {
    const text = `The criteria match more than ${deletesMax(core)} resources, the most that one conditional delete removes (CONDITIONAL_DELETE_MAX): make them more exact`;
    throw new CerebraError('multiple-matches', text, { expression: [at(plan.index, '.request.url')] });
  }
  if (matches.length === 0 && plan.ifVersion !== undefined) {
    throw new CerebraError(
      'precondition-failed',
      'If-Match asks for a current version, and nothing matches the criteria',
      {
        expression: [at(plan.index, '.request.ifMatch')],
      },
    );
  }
  if (matches.length === 0) return [{ ...plan, id: '', found: undefined, idle: true, fresh: false }];
  return matches.map((match) => ({ ...plan, id: match.id, found: match, idle: false, fresh: false }));
}

function resolveChosen(plan: Plan, chosen: Chosen, earlier: Iterable<Resolved[]>): Resolved {
  const { found, idle, as, handsOver } = chosen;
  if (found) return { ...plan, id: found.id, found, idle: idle || plan.method === 'POST', fresh: false, handsOver };
  if (idle) {
    const other = as === undefined ? undefined : [...earlier].flat().find(({ entry }) => entry.fullUrl === as);
    return { ...plan, id: other?.id ?? '', found: undefined, idle, fresh: false };
  }
  return { ...plan, id: plan.freshId!, found: undefined, idle, fresh: true };
}

/** A create or update by criteria; `assigned` has the ids that entries with the same criteria have been given. */
function resolveWrite(plan: Plan, matches: StoredVersion[], assigned: Map<string, string>): Resolved {
  const { method, entry, index, type } = plan;
  if (matches.length > 1) throw several(at(index, method === 'POST' ? '.request.ifNoneExist' : '.request.url'));
  const match = matches[0];
  if (match) return { ...plan, id: match.id, found: match, idle: method === 'POST', fresh: false };
  // The same criteria earlier in this Bundle: both mean the one that is created. For an update that is one change too
  // many, which assertDistinct refuses.
  const earlier = assigned.get(plan.criteriaKey!);
  if (earlier !== undefined) return { ...plan, id: earlier, found: undefined, idle: method === 'POST', fresh: false };
  if (method === 'PATCH') {
    throw new CerebraError('not-found', `No ${type} matches the criteria: there is nothing to patch`, {
      expression: [at(index, '.request.url')],
    });
  }
  const wanted = method === 'PUT' ? entry.resource?.id : undefined;
  const id = wanted ?? plan.freshId!;
  assigned.set(plan.criteriaKey!, id);
  return { ...plan, id, found: undefined, idle: false, fresh: wanted === undefined };
}

function resolvePlan(
  core: Core,
  plan: Plan,
  found: Found,
  assigned: Map<string, string>,
  chosen: Chosen | undefined,
  earlier: Iterable<Resolved[]>,
  standIn: string | undefined,
): Resolved[] {
  const key = plan.criteriaKey;
  if (key === undefined) {
    return [{ ...plan, id: standIn ?? plan.id ?? '', found: undefined, idle: false, fresh: plan.method === 'POST' }];
  }
  if (plan.method === 'DELETE') return resolveDelete(core, plan, found.before.get(key)!);
  const resolved = chosen ? resolveChosen(plan, chosen, earlier) : resolveWrite(plan, found.left.get(key)!, assigned);
  const claimed = plan.method === 'PUT' ? plan.entry.resource?.id : undefined;
  if (claimed !== undefined && claimed !== resolved.id) {
    throw new CerebraError('invalid', `The criteria match ${plan.type}/${resolved.id}, the resource has another id`, {
      expression: [at(plan.index, '.resource.id')],
    });
  }
  return [resolved];
}

export const writes = (one: Resolved): boolean => !one.idle && !isRead(one);

/** "If any resource identities (including resolved identities from conditional update/delete) overlap": #trules */
function assertDistinct(resolved: Resolved[]): void {
  const seen = new Map<string, number>();
  for (const one of resolved) {
    if (!writes(one)) continue;
    const name = nameOf(one);
    const other = seen.get(name);
    if (other !== undefined) {
      const text = `${name} is changed by more than one entry of the transaction, ${at(other)} is another`;
      throw new CerebraError('invalid', text, { expression: [at(one.index)] });
    }
    seen.set(name, one.index);
  }
}

/** Gives every entry its id. `plans` are left as they are, so that a transaction that lost a race can be resolved anew. */
export async function resolve(core: Core, tx: Tx, caller: Caller, attempt: Attempt): Promise<Resolution> {
  const { plans } = attempt;
  const lookups = collectLookups(core, plans);
  assertTurn(attempt.isTurn, [...lookups.references, ...lookups.pending.keys()]);
  const found =
    lookups.all.size > 0
      ? await lookUp(core, tx, caller, attempt, lookups)
      : { before: new Map<string, StoredVersion[]>(), left: new Map<string, StoredVersion[]>() };
  const assigned = new Map<string, string>();
  const byIndex = new Map<number, Resolved[]>();
  const chosen = await chooseEach(core, { ...caller, db: tx }, plans, found.left);
  const { ids, asked } = await standIns(tx, caller, plans);
  for (const plan of byPhase(plans)) {
    const choice = chosen.get(plan.index);
    const earlier = byIndex.values();
    byIndex.set(plan.index, resolvePlan(core, plan, found, assigned, choice, earlier, ids.get(plan.index)));
  }
  const resolved = plans.flatMap((plan) => byIndex.get(plan.index)!);
  assertDistinct(resolved);
  const references = new Map(lookups.references.map((key) => [key, found.left.get(key)!]));
  const fixed = lookups.all.size === 0 && lookups.pending.size === 0 && !asked;
  return { resolved, references, pending: lookups.pending, fixed };
}
