// What a transaction locks and looks up before it writes: https://hl7.org/fhir/R4/http.html#concurrency
import { CerebraError, type Tx } from '#platform';
import { resourceKey } from '../store/layout.ts';
import { lockTypes } from '../store/lock-types.ts';
import { lockAll } from '../store/locks.ts';
import { holds, NO_VERSION } from '../store/preconditions.ts';
import { versionMismatch } from '../store/store.ts';
import { allocate, byType, type Locked, type Tombstone } from '../store/write-many.ts';
import { chooseEach, MATCHES_TO_CHOOSE } from './choose.ts';
import type { Caller, Core } from './core.ts';
import { at } from './entries.ts';
import { matchEach } from './match-each.ts';
import { type Resolved, writes } from './resolve.ts';

export interface Ground {
  /** `Type/id` → locked current row. */
  rows: Map<string, Locked>;
  /** `Type/id` → its tombstone. */
  tombstones: Map<string, Tombstone>;
  /** One for each entry that writes, in entry order. */
  numbers: bigint[];
  /** When everything is written: now, or the time of the latest version that is followed, so that `updated` never falls. */
  updatedMs: number;
}

export const nameOf = (one: { type: string; id: string }): string => `${one.type}/${one.id}`;

/** An id that a client chose may be created by somebody else at the same time: such keys are locked first. */
const clientIds = (touched: Resolved[]): Resolved[] => touched.filter((one) => one.method === 'PUT');

function latest(core: Core, rows: Map<string, Locked>, gone: Map<string, Tombstone>): number {
  let ms = core.store.clock.now();
  for (const { updated } of rows.values()) ms = Math.max(ms, updated);
  for (const { updated } of gone.values()) ms = Math.max(ms, updated);
  return ms;
}

export async function prepareGround(core: Core, tx: Tx, resolved: Resolved[], caller: Caller): Promise<Ground> {
  const touched = resolved.filter((one) => writes(one) && !one.fresh);
  const keys = clientIds(touched).map((one) => resourceKey(one.type, one.id));
  const locks = lockAll(tx, 'resource', keys);
  const ids = byType(touched).map(([type, group]) => [type, group.map(({ id }) => id)] as const);
  const locked = lockTypes(tx, ids, caller.scope);
  // Last, so that the numbers are higher than those of the versions that these follow.
  const allocated = allocate(tx, resolved.filter(writes).length);
  const [{ rows, gone }, numbers] = await Promise.all([locked, allocated, locks]);
  return { rows, tombstones: gone, numbers, updatedMs: latest(core, rows, gone) };
}

/** The version that a write of this entry makes. */
export function nextVersion(ground: Ground, one: Resolved): number {
  const name = nameOf(one);
  return (ground.rows.get(name)?.version ?? ground.tombstones.get(name)?.version ?? 0) + 1;
}

/** As PostgreSQL tells of a lost race (serialization_failure): the transaction is tried again, its criteria looked up anew. */
const changedMeanwhile = (one: Resolved): Error =>
  Object.assign(new Error(`${nameOf(one)} was changed while its change was prepared`), { code: '40001' });

/**
 * What the criteria of an update or patch matched has no lock until now. Deleted meanwhile, it would come back beside the
 * one that others have created for the same criteria; changed, it may be none of theirs any more. Throws for the transaction
 * to be tried again.
 */
export async function assertMatching(core: Core, tx: Tx, caller: Caller, resolved: Resolved[], ground: Ground) {
  const changed = new Map<string, Resolved>();
  for (const one of resolved) {
    if (!one.found || one.idle || (one.method !== 'PUT' && one.method !== 'PATCH')) continue;
    const row = ground.rows.get(nameOf(one));
    if (!row) throw changedMeanwhile(one);
    if (row.version !== one.found.version) changed.set(one.criteriaKey!, one);
  }
  if (changed.size === 0) return;
  const queries = new Map([...changed].map(([key, one]) => [key, one.criteria!]));
  const within: Caller = { ...caller, db: tx };
  const found = await matchEach(core, queries, within, () => MATCHES_TO_CHOOSE);
  const chosen = await chooseEach(core, within, [...changed.values()], found);
  for (const [key, one] of changed) {
    const [match, more] = found.get(key)!;
    const choice = chosen.get(one.index);
    if (choice ? choice.idle || choice.found?.id !== one.id : more || match?.id !== one.id) throw changedMeanwhile(one);
  }
}

/** Throws when the entry may not follow what is there. */
export function assertFollows(ground: Ground, one: Resolved): void {
  const row = ground.rows.get(nameOf(one));
  // What has changed since it matched may match no more, and is not deleted unseen.
  if (one.method === 'DELETE' && one.found && row && row.version !== one.found.version) throw changedMeanwhile(one);
  if (!holds(one.ifVersion, row?.version ?? 0)) {
    const { message } = versionMismatch(one.type, one.id, one.ifVersion!, row?.version ?? 0);
    const element = one.ifVersion === NO_VERSION ? 'ifNoneMatch' : 'ifMatch';
    throw new CerebraError('precondition-failed', message, { expression: [at(one.index, `.request.${element}`)] });
  }
  if (one.method === 'PATCH' && !row) {
    const code = ground.tombstones.has(nameOf(one)) ? 'deleted' : 'not-found';
    const text = `${nameOf(one)} ${code === 'deleted' ? 'was deleted' : 'is not known'}: there is nothing to patch`;
    throw new CerebraError(code, text, { expression: [at(one.index, '.request.url')] });
  }
  if (one.method === 'PUT' && one.criteria && !one.found && row) {
    const text = `No ${one.type} matches the criteria, but ${nameOf(one)} exists: leave the id out or correct the criteria`;
    throw new CerebraError('duplicate', text, { expression: [at(one.index, '.resource.id')] });
  }
}
