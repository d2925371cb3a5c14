// What a transaction locks and looks up before it writes: https://hl7.org/fhir/R4/http.html#concurrency
import { CerebraError, type Tx } from '#platform';
import { assertNoneHidden } from '../store/hidden.ts';
import { resourceKey } from '../store/layout.ts';
import { lockTypes } from '../store/lock-types.ts';
import { lockAll, lockIfFree } from '../store/locks.ts';
import { holds, NO_VERSION } from '../store/preconditions.ts';
import { versionMismatch } from '../store/store.ts';
import { allocate, byType, type Locked, lockFreeRows, type Tombstone } from '../store/write-many.ts';
import { chooseEach, MATCHES_TO_CHOOSE } from './choose.ts';
import type { Caller, Core } from './core.ts';
import { at, isRead, type Plan } from './entries.ts';
import { matchEach } from './match-each.ts';
import { type Alongside, hasMatched, type Resolved, writes } from './resolve.ts';
import { isTaken } from './stand-ins.ts';

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

/** What is to be locked: an entry's own resource, unless its id is new. */
type Touched = Pick<Resolved, 'type' | 'id' | 'method'>;

/** An id that a client chose may be created by somebody else at the same time: such keys are locked first. */
const clientIds = (touched: Touched[]): Touched[] => touched.filter((one) => one.method === 'PUT');

function latest(core: Core, rows: Map<string, Locked>, gone: Map<string, Tombstone>): number {
  let ms = core.store.clock.now();
  for (const { updated } of rows.values()) ms = Math.max(ms, updated);
  for (const { updated } of gone.values()) ms = Math.max(ms, updated);
  return ms;
}

type LockedGround = Omit<Ground, 'updatedMs'>;

/** As PostgreSQL tells of a lost race (serialization_failure): the transaction is tried again, its criteria looked up anew. */
const lostRace = (text: string): Error => Object.assign(new Error(text), { code: '40001' });

const keysOf = (touched: Touched[]): string[] => clientIds(touched).map((one) => resourceKey(one.type, one.id));

/** Rows locked, tombstones, and so many numbers. The keys of clients' ids are locked. */
async function lockGround(tx: Tx, touched: Touched[], count: number, { scope }: Caller): Promise<LockedGround> {
  const ids = byType(touched).map(([type, group]) => [type, group.map(({ id }) => id)] as const);
  const { rows, gone, numbers } = await lockTypes(tx, ids, scope, count);
  for (const [type, group] of byType(clientIds(touched))) {
    const absent = group.map(({ id }) => id).filter((id) => !rows.has(nameOf({ type, id })));
    await assertNoneHidden(tx, type, absent, scope);
  }
  return { rows, tombstones: gone, numbers };
}

/** What is locked with the look-ups of a transaction, before it is known what those find. */
export interface GroundAhead {
  alongside?: Alongside;
  ground?: LockedGround;
  /** Whether rows or keys are locked by it. */
  locks?: boolean;
}

/** Whether nothing but the entry itself tells what it changes: as a rule, where criteria have not matched before. */
function isKnown({ method, criteria, criteriaKey, entry }: Plan): boolean {
  if (entry.alias !== undefined && (!entry.alias.isOwnFirst || isTaken(entry))) return false;
  return (
    criteria === undefined ||
    method === 'POST' ||
    (method === 'PUT' && !entry.resource?.id && !hasMatched(criteriaKey!))
  );
}

/** Of entries with ids of their own the rows are locked, and numbers taken, in the round trip of the look-ups. */
export function groundAhead(tx: Tx, plans: readonly Plan[], caller: Caller): GroundAhead {
  const writing = plans.filter((plan) => !isRead(plan));
  if (!writing.every(isKnown)) return {};
  const touched = writing.flatMap(({ type, id, method, criteria }) =>
    criteria === undefined && method !== 'POST' ? [{ type, id: id!, method }] : [],
  );
  const idle = writing.filter(({ method, criteriaKey }) => method === 'POST' && criteriaKey && hasMatched(criteriaKey));
  const ahead: GroundAhead = {
    locks: touched.length > 0,
    alongside: {
      keys: keysOf(touched),
      async ask() {
        ahead.ground = await lockGround(tx, touched, writing.length - idle.length, caller);
      },
    },
  };
  return ahead;
}

async function lockKeysAndGround(tx: Tx, touched: Touched[], count: number, caller: Caller): Promise<LockedGround> {
  const locks = lockAll(tx, 'resource', keysOf(touched));
  const [ground] = await Promise.all([lockGround(tx, touched, count, caller), locks]);
  return ground;
}

/**
 * What the look-ups found beside what was locked with them. It comes out of order, so it is taken without waiting: whoever waits
 * here may be waited for. Where somebody has it, the transaction is tried again, with all locks in order.
 */
async function lockFound(tx: Tx, found: Touched[], ahead: LockedGround, { scope }: Caller): Promise<LockedGround> {
  const keys = keysOf(found);
  const [free, ...locked] = await Promise.all([
    lockIfFree(tx, keys),
    ...byType(found).map(async ([type, group]) => {
      const ids = group.map(({ id }) => id);
      return (await lockFreeRows(tx, type, ids, scope)).map((row) => [nameOf({ type, id: row.id }), row] as const);
    }),
  ]);
  const rows = new Map([...ahead.rows, ...locked.flat()]);
  const taken = found.find((one) => !rows.has(nameOf(one)));
  if (free < keys.length || taken)
    throw lostRace(`${nameOf(taken ?? found[0]!)} was found, and others are changing it`);
  // Numbers are higher than those of the versions that they follow: the ones that there are may not be.
  return { ...ahead, rows, numbers: [] };
}

/** `ahead`: what is locked already. */
export async function prepareGround(
  core: Core,
  tx: Tx,
  resolved: Resolved[],
  caller: Caller,
  ahead: GroundAhead,
): Promise<Ground> {
  const writing = resolved.filter(writes);
  const touched = writing.filter(({ fresh }) => !fresh);
  const found = touched.filter(({ criteria }) => criteria !== undefined);
  const isAhead = ahead.ground && (found.length === 0 || ahead.locks);
  const ground = !isAhead
    ? await lockKeysAndGround(tx, touched, writing.length, caller)
    : found.length === 0
      ? ahead.ground!
      : await lockFound(tx, found, ahead.ground!, caller);
  const lacking = writing.length - ground.numbers.length;
  const numbers = lacking > 0 ? [...ground.numbers, ...(await allocate(tx, lacking))] : ground.numbers;
  return { ...ground, numbers, updatedMs: latest(core, ground.rows, ground.tombstones) };
}

/** The version that a write of this entry makes. */
export function nextVersion(ground: Ground, one: Resolved): number {
  const name = nameOf(one);
  return (ground.rows.get(name)?.version ?? ground.tombstones.get(name)?.version ?? 0) + 1;
}

const changedMeanwhile = (one: Resolved): Error => lostRace(`${nameOf(one)} was changed while its change was prepared`);

/** What criteria delete may have changed, if only it matches still: its row is locked by now. Others may have deleted it. */
async function assertDeletable(core: Core, within: Caller, resolved: Resolved[], { rows }: Ground): Promise<void> {
  const changed = resolved.filter((one) => {
    const row = one.method === 'DELETE' && one.found ? rows.get(nameOf(one)) : undefined;
    return row !== undefined && row.version !== one.found!.version;
  });
  if (changed.length === 0) return;
  const queries = new Map(changed.map((one) => [one.criteriaKey!, one.criteria!]));
  const found = await matchEach(core, queries, within, () => core.limits.conditionalDeleteMax + 1);
  for (const one of changed) {
    if (!found.get(one.criteriaKey!)!.some(({ id }) => id === one.id)) throw changedMeanwhile(one);
  }
}

/**
 * What the criteria of an update or patch matched has no lock until now. Deleted meanwhile, it would come back beside the
 * one that others have created for the same criteria; changed, it may be none of theirs any more. Throws for the transaction
 * to be tried again.
 */
export async function assertMatching(core: Core, tx: Tx, caller: Caller, resolved: Resolved[], ground: Ground) {
  const within: Caller = { ...caller, db: tx };
  await assertDeletable(core, within, resolved, ground);
  const changed = new Map<string, Resolved>();
  for (const one of resolved) {
    if (!one.found || one.idle || (one.method !== 'PUT' && one.method !== 'PATCH')) continue;
    const row = ground.rows.get(nameOf(one));
    if (!row) throw changedMeanwhile(one);
    if (row.version !== one.found.version) changed.set(one.criteriaKey!, one);
  }
  if (changed.size === 0) return;
  const queries = new Map([...changed].map(([key, one]) => [key, one.criteria!]));
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
