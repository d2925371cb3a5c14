// https://hl7.org/fhir/R4/http.html#transaction: all entries or none, whatever their order in the Bundle.
import { type EntryResult, parseJson, type Resource, type TransactionEntry, type WriteContext } from '#fhir-model';
import { CerebraError, sqlState, type Tx } from '#platform';
import { assertWrites } from '../access/scope.ts';
import { resourceKey } from '../store/layout.ts';
import { lockAll } from '../store/locks.ts';
import { readCurrent, readVersion } from '../store/read.ts';
import { assertValid, prepare, versionMismatch } from '../store/store.ts';
import {
  allocate,
  byType,
  type Deletion,
  type Locked,
  lockRows,
  type Numbered,
  type Tombstone,
  tombstones,
  writeMany,
} from '../store/write-many.ts';
import type { Caller, Core } from './core.ts';
import { at, type Plan, planEntry } from './entries.ts';
import { notModified } from './etag.ts';
import { type Resolved, resolve } from './resolve.ts';
import { searchPairs, searchType } from './search.ts';

const RETRIES_MAX = 5;
/** Lost races that a second try settles: unique violation, deadlock, serialization failure. */
const RETRYABLE = new Set(['23505', '40P01', '40001']);

/** What this transaction has locked and looked up before it writes. */
interface Ground {
  /** `Type/id` → locked current row. */
  rows: Map<string, Locked>;
  /** `Type/id` → its tombstone. */
  tombstones: Map<string, Tombstone>;
  numbers: bigint[];
}

const name = (one: { type: string; id: string }): string => `${one.type}/${one.id}`;

const writes = (one: Resolved): boolean => !one.idle && one.method !== 'GET' && one.method !== 'HEAD';

/** An id that a client chose may be created by somebody else at the same time: such keys are locked first. */
const clientIds = (resolved: Resolved[]): Resolved[] => resolved.filter((one) => writes(one) && one.method === 'PUT');

async function prepareGround(tx: Tx, resolved: Resolved[], caller: Caller): Promise<Ground> {
  const touched = resolved.filter((one) => writes(one) && one.method !== 'POST');
  const keys = clientIds(resolved).map((one) => resourceKey(one.type, one.id));
  const rows = new Map<string, Locked>();
  const gone = new Map<string, Tombstone>();
  const locks = lockAll(tx, 'resource', keys);
  const looks = byType(touched).map(async ([type, group]) => {
    const ids = group.map((one) => one.id);
    const [locked, dead] = await Promise.all([lockRows(tx, type, ids, caller.scope), tombstones(tx, type, ids)]);
    for (const row of locked) rows.set(`${type}/${row.id}`, row);
    for (const row of dead) gone.set(`${type}/${row.id}`, row);
  });
  // Last, so that the numbers are higher than those of the versions that these follow.
  const numbers = allocate(tx, resolved.filter(writes).length);
  await Promise.all([locks, ...looks, numbers]);
  return { rows, tombstones: gone, numbers: await numbers };
}

/** Now, or when the latest of the versions that are followed was written: `updated` never falls from version to version. */
function timeOf(core: Core, { rows, tombstones: gone }: Ground): number {
  let ms = core.store.clock.now();
  for (const { updated } of rows.values()) ms = Math.max(ms, updated);
  for (const { updated } of gone.values()) ms = Math.max(ms, updated);
  return ms;
}

function assertVersion(one: Resolved, row: Locked | undefined): void {
  if (one.ifVersion === undefined || one.ifVersion === (row?.version ?? 0)) return;
  const error = versionMismatch(one.type, one.id, one.ifVersion, row?.version ?? 0);
  throw new CerebraError('precondition-failed', error.message, { expression: [at(one.index, '.request.ifMatch')] });
}

function merged(core: Core, one: Resolved, row: Locked | undefined): Resource {
  const incoming = one.resource!;
  if (!one.entry.merge) return incoming;
  const existing = row ? (parseJson(row.body).exact as Resource) : undefined;
  const resource = one.entry.merge(existing, incoming);
  assertValid(core.store, resource, at(one.index, '.resource'));
  return resource;
}

interface Work {
  creations: Numbered[];
  updates: Numbered[];
  deletions: Deletion[];
  results: Map<number, EntryResult>;
}

function planDeletion(
  core: Core,
  work: Work,
  one: Resolved,
  row: Locked | undefined,
  seq: bigint,
  updatedMs: number,
): void {
  const version = row ? row.version + 1 : 0;
  const op = row ? 'delete' : 'none';
  work.results.set(one.index, { status: 204, type: one.type, id: one.id, version, updatedMs, body: '', op });
  if (!row) return;
  const typeCode = core.store.layout.codeOf(one.type);
  work.deletions.push({ type: one.type, typeCode, id: one.id, rid: row.rid, seq, version });
}

function planWrite(core: Core, work: Work, one: Resolved, ground: Ground, seq: bigint, updatedMs: number): void {
  const row = ground.rows.get(name(one));
  assertVersion(one, row);
  if (one.method === 'DELETE') planDeletion(core, work, one, row, seq, updatedMs);
  else planStorage(core, work, one, ground, seq, updatedMs);
}

function planStorage(core: Core, work: Work, one: Resolved, ground: Ground, seq: bigint, updatedMs: number): void {
  const row = ground.rows.get(name(one));
  const prepared = prepare(core.store, merged(core, one, row), one.id, updatedMs);
  const version = (row?.version ?? ground.tombstones.get(name(one))?.version ?? 0) + 1;
  const numbered: Numbered = { ...prepared, rid: row?.rid ?? seq, seq, version };
  (row ? work.updates : work.creations).push(numbered);
  work.results.set(one.index, {
    status: row ? 200 : 201,
    type: one.type,
    id: one.id,
    version,
    updatedMs,
    body: prepared.text.prefix + version + prepared.text.suffix,
    op: row ? 'update' : 'create',
  });
}

/** The result of an entry that writes nothing: the resource a conditional create found or that this Bundle creates. */
function idleResult(one: Resolved, work: Work, resolved: Resolved[], updatedMs: number): EntryResult {
  if (one.found) {
    const { type, id, version, body } = one.found;
    return { status: 200, type, id, version, updatedMs: one.found.updatedMs, body, op: 'none' };
  }
  const twin = resolved.find((other) => writes(other) && other.type === one.type && other.id === one.id);
  const created = twin && work.results.get(twin.index);
  if (created) return { ...created, status: 200, op: 'none' };
  return { status: 204, type: one.type, id: one.id, version: 0, updatedMs, body: '', op: 'none' };
}

export async function readEntry(core: Core, plan: Plan, caller: Caller): Promise<EntryResult> {
  const base = { type: plan.type, version: 0, updatedMs: 0, op: 'none' as const };
  if (!plan.id) {
    const body = await searchType(core, plan.type, searchPairs(plan.query), caller, false);
    return { ...base, status: 200, id: '', body };
  }
  const found =
    plan.version === undefined
      ? await readCurrent(caller.db, plan.type, plan.id, caller.scope)
      : await readVersion(caller.db, plan.type, plan.id, plan.version, caller.scope);
  const expression = [at(plan.index, '.request.url')];
  if (!found) throw new CerebraError('not-found', `${plan.type}/${plan.id} is not known`, { expression });
  if (found.deleted) throw new CerebraError('deleted', `${plan.type}/${plan.id} was deleted`, { expression });
  const { ifNoneMatch, ifModifiedSince } = plan.entry;
  const fresh = notModified(found.version, found.updatedMs, ifNoneMatch, ifModifiedSince);
  return { ...base, ...found, status: fresh ? 304 : 200, body: fresh ? '' : found.body };
}

async function runOnce(core: Core, plans: Plan[], context: WriteContext): Promise<EntryResult[]> {
  return core.store.db.tx(async (tx) => {
    const caller: Caller = { scope: context.scope, db: tx };
    const resolved = await resolve(core, tx, caller, plans);
    const ground = await prepareGround(tx, resolved, caller);
    const updatedMs = timeOf(core, ground);
    const work: Work = { creations: [], updates: [], deletions: [], results: new Map() };
    for (const [i, one] of resolved.filter(writes).entries()) {
      planWrite(core, work, one, ground, ground.numbers[i]!, updatedMs);
    }
    await writeMany(tx, work, updatedMs);
    for (const one of resolved) if (one.idle) work.results.set(one.index, idleResult(one, work, resolved, updatedMs));
    for (const one of resolved) {
      if (one.method === 'GET' || one.method === 'HEAD')
        work.results.set(one.index, await readEntry(core, one, caller));
    }
    const results = plans.map((plan) => work.results.get(plan.index)!);
    await context.within?.(tx, results);
    return results;
  });
}

/**
 * Runs the entries in one transaction and returns their results in entry order. A lost race is tried again, entries
 * resolved anew. Throws CerebraError with the entry's place in `expression`; then nothing was written.
 */
export async function transaction(
  core: Core,
  entries: TransactionEntry[],
  context: WriteContext,
): Promise<EntryResult[]> {
  const plans = entries.map((entry, index) => planEntry(core, entry, index));
  if (plans.some((plan) => plan.method !== 'GET' && plan.method !== 'HEAD')) assertWrites(context.scope);
  for (let attempt = 1; ; attempt++) {
    try {
      const results = await runOnce(core, plans, context);
      core.store.stream.committed(results);
      return results;
    } catch (error) {
      if (!RETRYABLE.has(sqlState(error) ?? '')) throw error;
      if (attempt > RETRIES_MAX) {
        const text = 'Resources of this Bundle are being changed by others at the same time: try again';
        throw new CerebraError('version-conflict', text, { cause: error });
      }
    }
  }
}
