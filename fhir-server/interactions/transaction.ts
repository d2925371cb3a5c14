// https://hl7.org/fhir/R4/http.html#transaction: all entries or none, whatever their order in the Bundle.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AccessScope, EntryResult, TransactionEntry, WriteContext } from '#fhir-model';
import { CerebraError, isWriteRace, type Tx, type TxOptions } from '#platform';
import { assertWrites } from '../access/scope.ts';
import { isStale } from '../parameters/published.ts';
import { prepare } from '../store/store.ts';
import { type Deletion, type Numbered, writeMany } from '../store/write-many.ts';
import type { Prepared } from '../store/write-one.ts';
import { checkOpen, newVerdicts, Unchecked, type Verdicts } from './content-profiles.ts';
import { type Contents, draftContents, finishContents } from './contents.ts';
import type { Caller, Core } from './core.ts';
import { assertTurn, inTurn } from './elsewhere.ts';
import { isRead, type Plan, placed, planEntry } from './entries.ts';
import { withPatch } from './entry-patch.ts';
import { withProfiles } from './entry-profiles.ts';
import {
  assertMatching,
  type Ground,
  type GroundAhead,
  groundAhead,
  nameOf,
  nextVersion,
  prepareGround,
} from './ground.ts';
import { withParameters } from './indexed.ts';
import { type Bound, bindCriteria, isAsBound } from './named-criteria.ts';
import { assertNoTwins, noteCreated, type Overlap, overlapOf } from './overlap.ts';
import { pendingMatches } from './pending.ts';
import { ANSWER_CHARACTERS_MAX, answerTooLarge, type EntryReader, readEntry } from './read-entry.ts';
import { type Attempt, guessedWrong, type Resolved, resolve, writes } from './resolve.ts';

const RETRIES_MAX = 5;

/** Entries that are checked, or prepared and written, before others get their turn: some 30 ms. */
const STRIDE = 250;
/** And UTF-16 units of their bodies, which are in memory several times while they are sent. */
const STRIDE_CHARACTERS_MAX = 4 * 1024 * 1024;

interface Work {
  creations: Numbered[];
  updates: Numbered[];
  deletions: Deletion[];
}

type Results = Map<number, EntryResult>;

/** What is needed to write. */
interface Job {
  core: Core;
  tx: Tx;
  resolved: Resolved[];
  ground: Ground;
  contents: Contents;
  unchanged: ReadonlySet<number>;
  overlap: Overlap;
  scope: AccessScope;
}

function addDeletion(job: Job, work: Work, results: Results, one: Resolved, seq: bigint): void {
  const { type, id, index } = one;
  const { updatedMs, rows } = job.ground;
  const row = rows.get(nameOf(one));
  const version = row ? row.version + 1 : 0;
  const before = results.get(index);
  const gone: EntryResult = { status: 204, type, id, version, updatedMs, body: '', op: row ? 'delete' : 'none' };
  if (!before) results.set(index, one.criteria ? { ...gone, deletions: row ? 1 : 0 } : gone);
  else if (row) results.set(index, { ...gone, id: '', version: 0, deletions: before.deletions! + 1 });
  if (!row) return;
  work.deletions.push({ type, typeCode: job.core.store.layout.codeOf(type), id, rid: row.rid, seq, version });
}

function prepareEntry({ core, contents, ground, scope }: Job, { index, id }: Resolved): Prepared {
  try {
    return prepare(core.store, contents.get(index)!, id, ground.updatedMs, scope);
  } catch (error) {
    throw placed(error, index, '.resource');
  }
}

/** Adds the entry to what is written next; yields the length of its body. */
function addStorage(job: Job, work: Work, results: Results, one: Resolved, seq: bigint): number {
  const { ground } = job;
  const row = ground.rows.get(nameOf(one));
  const { updatedMs } = ground;
  const prepared = prepareEntry(job, one);
  const version = nextVersion(ground, one);
  (row ? work.updates : work.creations).push({ ...prepared, rid: row?.rid ?? seq, seq, version });
  if (!row) noteCreated(job.overlap, one, prepared.rows.tokens);
  const { type, id, text } = prepared;
  const body = text.prefix + version + text.suffix;
  const [status, op] = row ? [200, 'update' as const] : [201, 'create' as const];
  results.set(one.index, { status, type, id, version, updatedMs, body, op });
  return body.length;
}

/** Nobody needs what is answered to the last statements: COMMIT travels with them. */
const unanswered = (tx: Tx): Tx => ({
  ...tx,
  query: async (statement, values) => {
    tx.queue(statement, values);
    return [];
  },
});

/**
 * Writes the entries that `wanted` lets through, some at a time, deletions first. Left out: all, and what becomes of the last
 * of them is known when the transaction ends.
 */
async function writeEntries(job: Job, wanted?: (one: Resolved) => boolean): Promise<Results> {
  const results: Results = new Map();
  const seqs = new Map(job.resolved.filter(writes).map((one, i) => [one, job.ground.numbers[i]!]));
  const all = [...seqs.keys()].filter((one) => (!wanted || wanted(one)) && !job.unchanged.has(one.index));
  const ordered = [
    ...all.filter(({ method }) => method === 'DELETE'),
    ...all.filter(({ method }) => method !== 'DELETE'),
  ];
  for (let next = 0; next < ordered.length; ) {
    const work: Work = { creations: [], updates: [], deletions: [] };
    const start = next;
    for (let characters = 0; next < ordered.length && next - start < STRIDE; next++) {
      if (characters > STRIDE_CHARACTERS_MAX) break;
      const one = ordered[next]!;
      const seq = seqs.get(one)!;
      if (one.method === 'DELETE') addDeletion(job, work, results, one, seq);
      else characters += addStorage(job, work, results, one, seq);
    }
    const isLast = !wanted && next === ordered.length;
    await writeMany(isLast ? unanswered(job.tx) : job.tx, work, job.ground.updatedMs);
  }
  return results;
}

/** The result of an entry that writes nothing: the resource a conditional create found or that this Bundle creates. */
function idleResult(one: Resolved, twins: ReadonlyMap<string, EntryResult>, updatedMs: number): EntryResult {
  if (one.found) {
    const { type, id, version, body } = one.found;
    return { status: 200, type, id, version, updatedMs: one.found.updatedMs, body, op: 'none' };
  }
  // Several deletions by criteria have no id, as the one that found nothing.
  const created = one.id === '' ? undefined : twins.get(nameOf(one));
  if (created) return { ...created, status: 200, op: 'none' };
  return { status: 204, type: one.type, id: one.id, version: 0, updatedMs, body: '', op: 'none' };
}

/** Of patches that change nothing: the version that is there. */
function addUnchanged({ resolved, unchanged, ground }: Job, results: Results): void {
  if (unchanged.size === 0) return;
  for (const one of resolved) {
    if (!unchanged.has(one.index)) continue;
    const { version, updated, body } = ground.rows.get(nameOf(one))!;
    const { type, id, index } = one;
    results.set(index, { status: 200, type, id, version, updatedMs: updated, body, op: 'none' });
  }
}

function addIdle(resolved: Resolved[], results: Results, updatedMs: number): void {
  const idle = resolved.filter((one) => one.idle);
  if (idle.length === 0) return;
  const twins = new Map([...results.values()].map((result) => [nameOf(result), result]));
  for (const one of idle) results.set(one.index, idleResult(one, twins, updatedMs));
}

async function addReads(core: Core, plans: Plan[], results: Results, caller: Caller, read: EntryReader): Promise<void> {
  let characters = 0;
  for (const plan of plans) {
    if (!isRead(plan)) continue;
    const result = await read(core, plan, caller);
    characters += result.body.length;
    if (characters > ANSWER_CHARACTERS_MAX) throw answerTooLarge(plan.index);
    results.set(plan.index, result);
  }
}

async function runOnce(
  core: Core,
  attempt: Attempt & { verdicts: Verdicts; ids: Bound['ids'] | undefined },
  context: WriteContext,
  read: EntryReader,
  options: RunOptions,
): Promise<EntryResult[]> {
  const { plans, verdicts } = attempt;
  // Each entry that writes is looked up, locked or numbered before.
  const readsFirst = plans.some((plan) => !isRead(plan));
  return core.store.db.tx(
    async (tx) => {
      const caller: Caller = { scope: context.scope, db: tx };
      const ahead: GroundAhead = attempt.again ? {} : groundAhead(tx, plans, caller);
      const resolution = await resolve(core, tx, caller, { ...attempt, ...ahead });
      const { resolved, pending } = resolution;
      if (attempt.ids && !isAsBound(resolved, attempt.ids)) throw guessedWrong();
      const ground = await prepareGround(core, tx, resolved, caller, ahead);
      await assertMatching(core, tx, caller, resolved, ground);
      const draft = draftContents(core, resolution, ground, verdicts);
      // What a patch refers to is known only now.
      assertTurn(attempt.isTurn, pending.keys());
      const { scope } = context;
      const job: Job = { core, tx, resolved, ground, ...draft, overlap: overlapOf(resolved), scope };
      const matches = await pendingMatches(core, tx, caller, pending, resolved, (wanted) => writeEntries(job, wanted));
      finishContents(core, resolution, ground, draft, matches);
      const results = await writeEntries(job);
      await assertNoTwins(core, caller, job.overlap);
      addIdle(resolved, results, ground.updatedMs);
      addUnchanged(job, results);
      await addReads(core, plans, results, caller, read);
      const inOrder = plans.map((plan) => results.get(plan.index)!);
      await context.within?.(tx, inOrder);
      return inOrder;
    },
    { readsFirst, keepsPlans: true, ...options },
  );
}

/** With what the criteria name, as a transaction that writes nothing finds it; runOnce finds it again. */
function bound(core: Core, { plans, ...attempt }: Attempt, { scope }: WriteContext): Promise<Bound | undefined> {
  const resolved = async (tx: Tx, some: Plan[]): Promise<Resolved[]> =>
    (await resolve(core, tx, { scope, db: tx }, { ...attempt, plans: some })).resolved;
  return bindCriteria(plans, core.baseUrl, (some) => core.store.db.tx((tx) => resolved(tx, some), {}));
}

/** See TxOptions. */
export type RunOptions = Pick<TxOptions, 'lockWaitMsMax'>;

/** Checks all entries; throws for the first that is wrong, with its place. */
export async function planEntries(core: Core, entries: TransactionEntry[]): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (const [index, entry] of entries.entries()) {
    if (index % STRIDE === STRIDE - 1) await nextTurn();
    try {
      const planned = await withParameters(core, () => planEntry(core, entry, index));
      const checked = withProfiles(core, planned, entries);
      const plan = checked === undefined ? planned : await checked;
      plans.push(plan.method === 'PATCH' ? await withPatch(core, plan) : plan);
    } catch (error) {
      throw placed(error, index);
    }
  }
  return plans;
}

/**
 * Runs the planned entries in one transaction and returns their results in entry order. A lost race is tried again,
 * entries resolved anew. Throws CerebraError with the entry's place in `expression`; then nothing was written.
 */
export async function runPlans(
  core: Core,
  plans: Plan[],
  context: WriteContext,
  read: EntryReader = readEntry,
  options: RunOptions = {},
): Promise<EntryResult[]> {
  if (!plans.every(isRead)) assertWrites(context.scope);
  return inTurn(core, plans, (isTurn) => runAttempts(core, plans, isTurn, { context, read, options }));
}

interface Around {
  context: WriteContext;
  read: EntryReader;
  options: RunOptions;
}

async function runAttempts(
  core: Core,
  plans: Plan[],
  isTurn: boolean,
  { context, read, options }: Around,
): Promise<EntryResult[]> {
  const verdicts = newVerdicts();
  for (let attempt = 1; ; attempt++) {
    try {
      const again = attempt > 1;
      const named = await bound(core, { plans, again, isTurn }, context);
      const one = { plans: named?.plans ?? plans, ids: named?.ids, again, isTurn, verdicts };
      const results = await runOnce(core, one, context, read, options);
      core.store.stream.committed(results);
      return results;
    } catch (error) {
      if (error instanceof Unchecked)
        await checkOpen(
          core,
          verdicts,
          plans.map(({ entry }) => entry),
        );
      else if (isStale(error)) await core.store.registry.refresh();
      else if (!isWriteRace(error)) throw error;
      if (attempt > RETRIES_MAX) {
        const text = 'Resources of this Bundle are being changed by others at the same time: try again';
        throw new CerebraError('version-conflict', text, { cause: error });
      }
    }
  }
}

/** As runPlans, of entries that are checked first. */
export async function transaction(
  core: Core,
  entries: TransactionEntry[],
  context: WriteContext,
): Promise<EntryResult[]> {
  return runPlans(core, await planEntries(core, entries), context);
}
