// https://hl7.org/fhir/R4/http.html#batch: each entry for itself, in the order DELETE, POST, PUT and PATCH, GET.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type AccessScope, type EntryResult, type Issue, issuesOf, type TransactionEntry } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import type { Core } from './core.ts';
import { at, isRead, operationIn, type Plan, placed, planEntry } from './entries.ts';
import { withPatch } from './entry-patch.ts';
import { withProfiles } from './entry-profiles.ts';
import { withParameters } from './indexed.ts';
import { urlsIn } from './named-criteria.ts';
import { ANSWER_CHARACTERS_MAX, answerTooLarge, readEntry } from './read-entry.ts';
import { isShared } from './together.ts';
import { runPlans } from './transaction.ts';

export type BatchResult = { kind: 'done'; result: EntryResult } | { kind: 'failed'; status: number; issues: Issue[] };

/** What the entries of a batch are run with. */
export interface BatchParts {
  core: Core;
  scope: AccessScope;
  /** Runs a read or an operation as a request of its own. */
  answer(entry: TransactionEntry, index: number): Promise<EntryResult>;
  /** What is kept of an entry that writes. */
  shown(result: EntryResult): EntryResult;
  /** Gets errors that are ours, for the log. */
  onFault(error: unknown): void;
}

/** Entries that run side by side; the pool has other callers too. */
const PARALLEL_MAX = 8;
/** Plain creates that come together share a statement, so that more of them are under way. */
const CREATES_MAX = 64;
/** Entries that are checked before others get their turn: some 20 ms. */
const STRIDE = 250;
/** Updates and deletions of one statement; more than 256 ids would lock all of them (store/locks.ts). */
const TOGETHER_MAX = 100;

const PHASES: TransactionEntry['method'][][] = [['DELETE'], ['POST'], ['PUT', 'PATCH'], ['GET', 'HEAD']];

async function runPlan(core: Core, plan: Plan, scope: AccessScope): Promise<EntryResult> {
  const { method, entry, criteria, type, id, ifVersion } = plan;
  if (isRead(plan)) return readEntry(core, plan, { scope, db: core.store.db });
  const shared = isShared(plan) ? await core.together({ plan, scope }) : undefined;
  if (shared) return shared;
  if (criteria || method === 'PATCH' || entry.merge) return (await runPlans(core, [plan], { scope }))[0]!;
  if (method === 'POST') return storeCreate(core.store, entry.resource!, scope);
  if (method === 'PUT') return storeUpdate(core.store, entry.resource!, id!, ifVersion, scope);
  return storeDelete(core.store, type, id!, ifVersion, scope);
}

/** One interaction on its own: the fast single-statement path where there is no condition. */
export async function runEntry(
  core: Core,
  entry: TransactionEntry,
  index: number,
  scope: AccessScope,
): Promise<EntryResult> {
  const planned = await withParameters(core, () => planEntry(core, entry, index));
  const checked = withProfiles(core, planned);
  const plan = checked === undefined ? planned : await checked;
  return runPlan(core, { ...plan, alone: true }, scope);
}

function failure(error: unknown, index: number, onFault: (error: unknown) => void, path?: string): BatchResult {
  const told = placed(error, index, path);
  if (isCerebraError(told)) return { kind: 'failed', status: told.status, issues: issuesOf(told) };
  onFault(error);
  return { kind: 'failed', status: 500, issues: issuesOf(error) };
}

/** An entry that is ready to run; without a plan it is a read or an operation. */
interface Item {
  entry: TransactionEntry;
  index: number;
  plan: Plan | undefined;
  /** Items with the same key run one after the other, in entry order. */
  key: string;
}

/** The urns by which entries of the batch could mean each other. */
const urnsOf = (entries: readonly TransactionEntry[]): Set<string> =>
  new Set(entries.flatMap((entry) => (!isRead(entry) && entry.fullUrl?.startsWith('urn:') ? [entry.fullUrl] : [])));

/** "References within a resource to another that is being created within the batch are non-conformant": #brules */
function assertIndependent(core: Core, plan: Plan, urns: ReadonlySet<string>): void {
  if (urns.size === 0) return;
  const { entry, index, criteria } = plan;
  const dependent = (path: string): CerebraError =>
    new CerebraError('invalid', 'Entries of a batch cannot refer to each other: post a transaction', {
      expression: [at(index, path)],
    });
  if (criteria && urlsIn(criteria).some((url) => urns.has(url))) {
    throw dependent(plan.method === 'POST' ? '.request.ifNoneExist' : '.request.url');
  }
  if (!entry.resource) return;
  core.links.forEachReference(entry.resource, (text, site) => {
    if (urns.has(text)) throw dependent(`.resource.${site.path().replace(/^[A-Za-z]+\./, '')}`);
  });
}

/** What entries of a batch have in common. */
interface Whole {
  urns: ReadonlySet<string>;
  entries: readonly TransactionEntry[];
}

async function itemOf(core: Core, entry: TransactionEntry, index: number, { urns, entries }: Whole): Promise<Item> {
  const alone = { entry, index, key: `#${index}` };
  if (isRead(entry) || operationIn(entry.url) !== undefined) return { ...alone, plan: undefined };
  const planned = await withParameters(core, () => planEntry(core, entry, index));
  const checked = withProfiles(core, planned, entries);
  const plan = { ...(await withPatch(core, checked === undefined ? planned : await checked)), alone: true };
  assertIndependent(core, plan, urns);
  if (plan.criteriaKey !== undefined) return { ...alone, plan, key: plan.criteriaKey };
  return { ...alone, plan, key: `${plan.type}/${plan.id}` };
}

const isPlainCreate = ({ plan }: Item): boolean => plan?.method === 'POST' && plan.criteria === undefined;

/** Updates and deletions that nothing can keep from succeeding go together. */
const isPlainChange = ({ plan }: Item): boolean =>
  (plan?.method === 'PUT' || plan?.method === 'DELETE') && plan.id !== undefined && plan.ifVersion === undefined;

function* groupsOf<One>(many: One[], size: number): Generator<One[]> {
  for (let at = 0; at < many.length; at += size) yield many.slice(at, at + size);
}

interface Run {
  parts: BatchParts;
  results: BatchResult[];
  characters: number;
}

function done(run: Run, index: number, result: EntryResult): void {
  run.results[index] = { kind: 'done', result };
}

async function runItem(run: Run, { plan, entry, index }: Item): Promise<void> {
  const { core, scope, answer, shown, onFault } = run.parts;
  try {
    if (plan) return done(run, index, shown(await runPlan(core, plan, scope)));
    if (run.characters > ANSWER_CHARACTERS_MAX) throw answerTooLarge(index);
    const result = await answer(entry, index);
    run.characters += result.body.length;
    if (run.characters > ANSWER_CHARACTERS_MAX) throw answerTooLarge(index);
    done(run, index, result);
  } catch (error) {
    run.results[index] = failure(error, index, onFault, plan ? undefined : '.request.url');
  }
}

/** Each list in turn, `width` lists side by side. */
async function runLists(run: Run, lists: Item[][], width: number): Promise<void> {
  const queue = lists.values();
  const worker = async () => {
    for (const list of queue) for (const item of list) await runItem(run, item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** In one transaction. Whether that succeeded: if not, nothing is done. */
async function ranTogether(run: Run, items: Item[]): Promise<boolean> {
  const plans = items.map(({ plan }) => plan!);
  const { core, scope, shown } = run.parts;
  try {
    const results = await runPlans(core, plans, { scope });
    for (const [i, { index }] of items.entries()) done(run, index, shown(results[i]!));
    return true;
  } catch {
    return false;
  }
}

/** Together; where that fails, for whatever reason, each by itself, so that none pays for another. */
async function runChanges(run: Run, items: Item[]): Promise<void> {
  if (items.length > 1 && (await ranTogether(run, items))) return;
  const lists = items.map((item) => [item]);
  await runLists(run, lists, PARALLEL_MAX);
}

async function runPhase(run: Run, items: Item[]): Promise<void> {
  const lists = [...Map.groupBy(items, ({ key }) => key).values()];
  const single = (is: (item: Item) => boolean) => lists.filter((list) => list.length === 1 && is(list[0]!));
  const creates = single(isPlainCreate);
  const changes = single(isPlainChange);
  const taken = new Set([...creates, ...changes]);
  await runLists(run, creates, CREATES_MAX);
  for (const group of groupsOf(changes.flat(), TOGETHER_MAX)) await runChanges(run, group);
  await runLists(
    run,
    lists.filter((list) => !taken.has(list)),
    PARALLEL_MAX,
  );
}

/** Results in entry order; an entry that could not be read is its error. */
export async function batch(parts: BatchParts, entries: readonly (TransactionEntry | Error)[]): Promise<BatchResult[]> {
  const run: Run = { parts, results: new Array<BatchResult>(entries.length), characters: 0 };
  const readable = entries.filter((entry): entry is TransactionEntry => !(entry instanceof Error));
  const whole: Whole = { urns: urnsOf(readable), entries: readable };
  for (const methods of PHASES) {
    const items: Item[] = [];
    for (const [index, entry] of entries.entries()) {
      if (entry instanceof Error || !methods.includes(entry.method)) continue;
      if (items.length % STRIDE === STRIDE - 1) await nextTurn();
      try {
        items.push(await itemOf(parts.core, entry, index, whole));
      } catch (error) {
        run.results[index] = failure(error, index, parts.onFault);
      }
    }
    await runPhase(run, items);
  }
  for (const [index, entry] of entries.entries()) {
    if (entry instanceof Error) run.results[index] = failure(entry, index, parts.onFault);
  }
  return run.results;
}
