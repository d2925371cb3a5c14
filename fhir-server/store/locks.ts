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

/** Takes the locks of these 64-bit hashes in one order. Two hashes with the same low 32 bits wait for each other. */
export async function lockAll(tx: Tx, kind: LockKind, hashes: Iterable<string>): Promise<void> {
  const keys = new Set<number>();
  for (const hash of hashes) keys.add(Number(BigInt.asIntN(32, BigInt(hash))));
  if (keys.size === 0) return;
  const { whole, each } = CLASSES[kind];
  if (keys.size > LOCKS_MAX) await tx.query(lockWhole, [whole]);
  else await tx.query(lockEach, [whole, each, [...keys].sort((a, b) => a - b)]);
}
