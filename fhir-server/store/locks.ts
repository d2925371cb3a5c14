// Advisory locks held to the end of the transaction: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
import type { Statement, Tx } from '#platform';

/**
 * What is locked: criteria of conditional interactions, before ids that a client chose. Each has a class of its own and
 * that order holds everywhere, so that no two transactions wait for each other.
 */
export type LockKind = 'criteria' | 'resource';

/** First keys of the two-key locks: 'CER' and a number keep clear of other users of advisory locks. */
const CLASSES: Record<LockKind, { whole: number; each: number }> = {
  criteria: { whole: 0x43_45_52_01, each: 0x43_45_52_02 },
  resource: { whole: 0x43_45_52_03, each: 0x43_45_52_04 },
};

/**
 * More locks than this could fill PostgreSQL's lock table (64 × max_connections entries by default): a larger
 * transaction takes the whole class instead, which the others hold shared.
 */
const LOCKS_MAX = 256;

const lockEach: Statement = {
  name: 'lock_each',
  text: `select pg_advisory_xact_lock($2, k) from (select pg_advisory_xact_lock_shared($1, 0)) w,
    (select k from unnest($3::int[]) as k order by k) s`,
};

const lockWhole: Statement = { name: 'lock_whole', text: 'select pg_advisory_xact_lock($1, 0)' };

// What is read first is locked first.
const lockBoth: Statement = {
  name: 'lock_both',
  text: `with c as (select pg_advisory_xact_lock($2, k) from (select pg_advisory_xact_lock_shared($1, 0)) w,
      (select k from unnest($3::int[]) as k order by k) s),
    r as (select pg_advisory_xact_lock($5, k) from (select pg_advisory_xact_lock_shared($4, 0)) w,
      (select k from unnest($6::int[]) as k order by k) s)
    select from c union all select from r`,
};

/** Two hashes with the same low 32 bits wait for each other. */
const keyOf = (hash: string): number => Number(BigInt.asIntN(32, BigInt(hash)));

/** In one order. */
const keysOf = (hashes: Iterable<string>): number[] => [...new Set([...hashes].map(keyOf))].sort((a, b) => a - b);

async function lockKeys(tx: Tx, kind: LockKind, keys: number[]): Promise<void> {
  if (keys.length === 0) return;
  const { whole, each } = CLASSES[kind];
  if (keys.length > LOCKS_MAX) await tx.query(lockWhole, [whole]);
  else await tx.query(lockEach, [whole, each, keys]);
}

/** Takes the locks of these 64-bit hashes. */
export const lockAll = (tx: Tx, kind: LockKind, hashes: Iterable<string>): Promise<void> =>
  lockKeys(tx, kind, keysOf(hashes));

// Of those that are taken the place is told to the statement that follows, so that both travel together. A lock that this
// transaction has already is free for it.
const lockFree: Statement = {
  name: 'lock_free',
  text: `select set_config('cerebra.free', coalesce(string_agg(k.place::text, ',')
      filter (where case when w.shared then pg_try_advisory_xact_lock($2, k.key) end), ''), true) as free
    from (select pg_try_advisory_xact_lock_shared($1, 0) as shared) w, unnest($3::int[]) with ordinality as k(key, place)`,
};

/** Whether the k-th of `lockIfFree` has been taken: a condition on `place`, for the next statement of the transaction. */
export const isLocked = (place: string): string =>
  `${place} = any(string_to_array(current_setting('cerebra.free'), ',')::bigint[])`;

/** Takes the locks of ids that nobody else has, and waits for none. Yields how many. */
export async function lockIfFree(tx: Tx, hashes: readonly string[]): Promise<number> {
  if (hashes.length === 0) return 0;
  const { whole, each } = CLASSES.resource;
  const [row] = await tx.query<{ free: string }>(lockFree, [whole, each, hashes.map(keyOf)]);
  return row!.free === '' ? 0 : row!.free.split(',').length;
}

/** As lockAll of both kinds one after the other, by one statement if it can be. */
export async function lockCriteriaFirst(
  tx: Tx,
  criteria: Iterable<string>,
  resources: Iterable<string>,
): Promise<void> {
  const [first, then] = [keysOf(criteria), keysOf(resources)];
  const isOne = [first, then].every(({ length }) => length > 0 && length <= LOCKS_MAX);
  if (!isOne) {
    await Promise.all([lockKeys(tx, 'criteria', first), lockKeys(tx, 'resource', then)]);
    return;
  }
  const { criteria: c, resource: r } = CLASSES;
  await tx.query(lockBoth, [c.whole, c.each, first, r.whole, r.each, then]);
}
