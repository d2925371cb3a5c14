// How long messages are kept, by their state. What somebody still has to look at is kept longer, and what has no outcome for
// ever. Without its row a message that is sent once more is a new one.
import type { Db } from '#platform';
import { rebuildThin } from './index-blocks.ts';

/** Days after a message came. */
export interface KeepDays {
  /** Stored and acknowledged, and failed ones that somebody has resolved. */
  done: number;
  /** Those that a route let go without effect. */
  filtered: number;
  /** Failed, and nobody has resolved it. */
  failed: number;
}

export interface Removed {
  done: number;
  filtered: number;
  failed: number;
  /** Blocks of the search index that were made anew or went. */
  blocks: number;
}

const DAY_MS = 24 * 3_600_000;
/** So that no transaction is long: the horizon of the change stream is the oldest running write. */
const BATCH_ROWS = 2_000;

// An open review keeps its message, whatever its age.
const removeBatch = {
  name: 'hl7_retention',
  text: `with seen as (select m.id, m.received_at, case
        when m.state = 'received' then 'open' when m.state = 'filtered' then 'filtered'
        when m.state = 'failed' and exists (select from hl7_dead_letter d where d.message = m.id and d.resolved_at is null)
          then 'failed' else 'done' end as kind
      from (select id, received_at, state from hl7_message where id > $1 order by id limit $5) m),
    gone as (delete from hl7_message m using seen s where m.id = s.id
      and s.received_at < case s.kind
        when 'done' then $2::timestamptz when 'filtered' then $3::timestamptz when 'failed' then $4::timestamptz end
      and not exists (select from hl7_review r where r.message = m.id and r.resolved_at is null)
      returning s.kind)
    select (select max(id) from seen) as last, (select min(received_at) from seen) as oldest,
      (select count(*)::int from gone where kind = 'done') as done,
      (select count(*)::int from gone where kind = 'filtered') as filtered,
      (select count(*)::int from gone where kind = 'failed') as failed`,
};

interface BatchRow extends Omit<Removed, 'blocks'> {
  last: bigint | null;
  oldest: number | null;
}

/** Removes what is older than it is kept, batch by batch. Yields how many of each kind. */
export async function removeOldMessages(db: Db, keep: KeepDays, nowMs: number): Promise<Removed> {
  const limits = [keep.done, keep.filtered, keep.failed].map((days) => nowMs - days * DAY_MS);
  const removed: Removed = { done: 0, filtered: 0, failed: 0, blocks: 0 };
  const latest = Math.max(...limits);
  let after = 0n;
  for (;;) {
    const values = [after, ...limits.map((ms) => new Date(ms)), BATCH_ROWS];
    const [row] = await db.query<BatchRow>(removeBatch, values);
    if (row?.last == null) break;
    removed.done += row.done;
    removed.filtered += row.filtered;
    removed.failed += row.failed;
    after = row.last;
    // They stand in the order in which they came: from here on all are younger.
    if (row.oldest !== null && row.oldest >= latest) break;
  }
  if (removed.done + removed.filtered + removed.failed > 0) removed.blocks = await rebuildIndex(db, after);
  return removed;
}

async function rebuildIndex(db: Db, until: bigint): Promise<number> {
  let blocks = 0;
  for (let at = await rebuildThin(db, -1n, until); at !== undefined; at = await rebuildThin(db, at, until)) blocks++;
  return blocks;
}
