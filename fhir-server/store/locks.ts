// Advisory locks held to the end of the transaction: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
import type { Statement, Tx } from '#platform';

/**
 * Hashes share this many locks, so that a bundle of 10,000 entries can't fill PostgreSQL's lock table
 * (64 × max_connections entries by default). Two hashes of one lock only wait for each other.
 */
const LOCKS = 1024n;

const LOCK_CLASS = 0x43_45_52_42; // 'CERB': keeps clear of other users of advisory locks

const lockBuckets: Statement = {
  name: 'lock_buckets',
  text: `select pg_advisory_xact_lock(${LOCK_CLASS}, b) from (select b from unnest($1::int[]) as b order by b) s`,
};

/** Takes the locks of these 64-bit hashes, in one order everywhere so that no two transactions deadlock on them. */
export async function lockAll(tx: Tx, hashes: Iterable<string>): Promise<void> {
  const buckets = new Set<number>();
  for (const hash of hashes) buckets.add(Number(BigInt.asUintN(64, BigInt(hash)) % LOCKS));
  if (buckets.size === 0) return;
  await tx.query(lockBuckets, [[...buckets].sort((a, b) => a - b)]);
}
