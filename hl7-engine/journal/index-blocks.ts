// Upkeep of the search index, apart from the path of the messages: nothing of it is in a transaction that acknowledges one.
// New messages go into small blocks, small blocks are united into large ones, what another attempt has changed is added.
import type { Db, Queryable, Tx } from '#platform';
import { encodeBucket, insertPosition, intoBuckets, type Postings, positionsMax, readBucket } from './postings.ts';
import { messageTerms, outcomeTerms, type Searched, searchedBytesMax } from './terms.ts';

/** Messages of a block that is written at once, and the fewest that are worth one: less is searched without an index. */
const BLOCK_MESSAGES_MAX = 512;
export const BLOCK_MESSAGES_MIN = 64;
const BLOCK_BYTES_MAX = 16 * 1024 * 1024;
/** Large blocks: a term of a million messages is then in some 120 rows. */
const UNITED_MESSAGES = 8_192;
/** Each divides the next: a small bucket's terms stand in 32 large ones. */
const SMALL_BUCKETS = 32;
const LARGE_BUCKETS = 1_024;
/** Messages whose outcome has changed, that are looked at together. */
const STALE_MAX = 1_000;

/** Any number; keeps two servers from writing the index at once. Spells "hl7i". */
const indexLock = 0x686c3769;
const lock = { name: 'hl7_index_lock', text: 'select pg_try_advisory_xact_lock($1) as held' };

/** Yields undefined where another server is at it. */
function underIndexLock<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T | undefined> {
  return db.tx(async (tx) => {
    const [row] = await tx.query<{ held: boolean }>(lock, [indexLock]);
    return row?.held ? work(tx) : undefined;
  });
}

const lastNumber = { name: 'hl7_last_number', text: 'select last_value as last from hl7_message_id_seq' };
const writers = {
  name: 'hl7_writers',
  text: `select distinct virtualtransaction as writer from pg_locks
    where relation = 'hl7_message'::regclass and mode = 'RowExclusiveLock' and pid <> pg_backend_pid()
      and database = (select oid from pg_database where datname = current_database())`,
};

/**
 * The highest number below which no message can appear any more: numbers are given before rows are committed. `again` is
 * awaited while a transaction that may hold an earlier number runs; it yields false to give up.
 */
export async function settledNumber(db: Queryable, again: () => Promise<boolean>): Promise<bigint | undefined> {
  const [row] = await db.query<{ last: bigint }>(lastNumber);
  const running = async () => new Set((await db.query<{ writer: string }>(writers)).map(({ writer }) => writer));
  let open = await running();
  while (open.size > 0) {
    if (!(await again())) return undefined;
    open = open.intersection(await running());
  }
  return row?.last;
}

interface Fresh extends Searched {
  id: bigint;
  received_at: number;
  bytes: number;
}

const searchedColumns = `m.id, m.received_at, m.state, m.sender, m.type, m.control_id, m.control_id_reused, m.source_kind,
  m.source_name, m.route_id, cardinality(m.warnings) > 0 as warned, length(m.raw) as bytes`;

const selectFresh = {
  name: 'hl7_index_fresh',
  text: `select ${searchedColumns} from hl7_message m
    where m.id > (select indexed_to from hl7_index_cursor) and m.id <= $1 order by m.id limit $2`,
};
const selectRange = {
  name: 'hl7_index_range',
  text: `select ${searchedColumns} from hl7_message m where m.id between $1 and $2 order by m.id`,
};
const selectBodies = {
  name: 'hl7_index_bodies',
  text: 'select id, substring(raw for $2) as raw from hl7_message where id = any($1)',
};
const insertBlock = {
  name: 'hl7_index_block',
  text: `with b as (insert into hl7_index_block (first_id, last_id, received_from, received_to, messages, buckets)
      values ($1, $2, $3, $4, $5, $6)),
    c as (update hl7_index_cursor set indexed_to = $2 where indexed_to < $2)
    insert into hl7_stale (message) select unnest($7::bigint[]) on conflict do nothing`,
};
const insertSegments = {
  name: 'hl7_index_segments',
  text: `insert into hl7_index_segment (block, bucket, data) select $1, * from unnest($2::int[], $3::bytea[])`,
};
const deleteBlocks = { name: 'hl7_index_delete', text: 'delete from hl7_index_block where first_id = any($1)' };

/** As many as a block holds, from the first on. */
function blockOf(rows: Fresh[]): Fresh[] {
  const first = rows[0]!.id;
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += Math.min(row.bytes, searchedBytesMax);
    return index > 0 && (bytes > BLOCK_BYTES_MAX || row.id - first >= positionsMax);
  });
  return end < 0 ? rows : rows.slice(0, end);
}

/** Messages whose words are read in one turn of the event loop: some 5 ms. */
const TURN_MESSAGES = 50;

async function termsOf(db: Queryable, rows: Fresh[]): Promise<[number, Set<number>][]> {
  const first = rows[0]!.id;
  const terms: [number, Set<number>][] = [];
  for (let at = 0; at < rows.length; at += TURN_MESSAGES) {
    const some = rows.slice(at, at + TURN_MESSAGES);
    const bodies = await db.query<{ id: bigint; raw: Buffer }>(selectBodies, [
      some.map(({ id }) => id),
      searchedBytesMax,
    ]);
    const raws = new Map(bodies.map(({ id, raw }) => [id, raw]));
    for (const row of some) {
      const raw = raws.get(row.id);
      if (raw !== undefined) terms.push([Number(row.id - first), messageTerms(row, raw)]);
    }
  }
  return terms;
}

async function writeSegments(tx: Tx, block: bigint, buckets: Iterable<[number, Postings]>): Promise<void> {
  const filled = [...buckets].filter(([, postings]) => postings.size > 0);
  const values = [block, filled.map(([bucket]) => bucket), filled.map(([, postings]) => encodeBucket(postings))];
  await tx.query(insertSegments, values);
}

async function writeBlock(tx: Tx, rows: Fresh[], buckets: Postings[]): Promise<void> {
  const times = rows.map(({ received_at }) => received_at);
  const [first, last] = [rows[0]!.id, rows.at(-1)!.id];
  const open = rows.filter(({ state }) => state === 'received').map(({ id }) => id);
  const range = [first, last, new Date(Math.min(...times)), new Date(Math.max(...times) + 1)];
  await tx.query(insertBlock, [...range, rows.length, buckets.length, open]);
  await writeSegments(tx, first, buckets.entries());
}

/** Puts the next messages up to `until` into a small block. Yields how many; 0 where less than `fewest` are there. */
export async function indexNext(db: Db, until: bigint, fewest: number): Promise<number> {
  const count = await underIndexLock(db, async (tx) => {
    const found = await tx.query<Fresh>(selectFresh, [until, BLOCK_MESSAGES_MAX]);
    if (found.length < Math.max(fewest, 1)) return 0;
    const rows = blockOf(found);
    await writeBlock(tx, rows, intoBuckets(await termsOf(tx, rows), SMALL_BUCKETS));
    return rows.length;
  });
  return count ?? 0;
}

interface Block {
  first_id: bigint;
  last_id: bigint;
  received_from: number;
  received_to: number;
  messages: number;
  buckets: number;
}

const selectSmall = {
  name: 'hl7_index_small',
  text: `select first_id, last_id, received_from, received_to, messages, buckets from hl7_index_block
    where buckets = ${SMALL_BUCKETS} order by first_id`,
};
const selectBucket = {
  name: 'hl7_index_bucket',
  text: 'select block, data from hl7_index_segment where block = any($1) and bucket = $2 order by block',
};

/** The oldest small blocks that make a large one; none while there are not enough. */
function unitable(blocks: Block[]): Block[] {
  let messages = 0;
  for (const [index, block] of blocks.entries()) {
    if (block.last_id - blocks[0]!.first_id >= positionsMax) return blocks.slice(0, index);
    messages += block.messages;
    if (messages >= UNITED_MESSAGES) return blocks.slice(0, index + 1);
  }
  return [];
}

async function largeBuckets(tx: Tx, blocks: Block[]): Promise<Map<number, Postings>> {
  const first = blocks[0]!.first_id;
  const large = new Map<number, Postings>();
  for (let bucket = 0; bucket < SMALL_BUCKETS; bucket++) {
    const values = [blocks.map(({ first_id }) => first_id), bucket];
    const postings: Postings = new Map();
    for (const { block, data } of await tx.query<{ block: bigint; data: Buffer }>(selectBucket, values)) {
      readBucket(data, Number(block - first), postings);
    }
    for (const [hash, positions] of postings) {
      const target = hash % LARGE_BUCKETS;
      if (!large.has(target)) large.set(target, new Map());
      large.get(target)!.set(hash, positions);
    }
  }
  return large;
}

/** Unites small blocks into a large one; whether there were enough. */
export async function uniteBlocks(db: Db): Promise<boolean> {
  const done = await underIndexLock(db, async (tx) => {
    const blocks = unitable(await tx.query<Block>(selectSmall));
    if (blocks.length === 0) return false;
    const large = await largeBuckets(tx, blocks);
    await tx.query(deleteBlocks, [blocks.map(({ first_id }) => first_id)]);
    const first = blocks[0]!.first_id;
    const times = blocks.flatMap(({ received_from, received_to }) => [received_from, received_to + 1]);
    const range = [blocks.at(-1)!.last_id, new Date(Math.min(...times)), new Date(Math.max(...times))];
    const messages = blocks.reduce((sum, block) => sum + block.messages, 0);
    await tx.query(insertBlock, [first, ...range, messages, LARGE_BUCKETS, []]);
    await writeSegments(tx, first, large);
    return true;
  });
  return done ?? false;
}

const takeStale = {
  name: 'hl7_take_stale',
  text: `delete from hl7_stale where message in (select s.message from hl7_stale s left join hl7_message m on m.id = s.message
      where s.message <= (select indexed_to from hl7_index_cursor) and m.state is distinct from 'received'
      order by s.message limit $1) returning message`,
};
const selectStale = {
  name: 'hl7_stale_rows',
  text: `select m.id, m.state, m.route_id, cardinality(m.warnings) > 0 as warned, b.first_id, b.buckets
    from hl7_message m join lateral (select first_id, last_id, buckets from hl7_index_block where first_id <= m.id
      order by first_id desc limit 1) b on b.last_id >= m.id
    where m.id = any($1) order by m.id`,
};
const lockSegments = {
  name: 'hl7_index_some',
  text: 'select bucket, data from hl7_index_segment where block = $1 and bucket = any($2)',
};
const putSegments = {
  name: 'hl7_index_put',
  text: `insert into hl7_index_segment (block, bucket, data) select $1, * from unnest($2::int[], $3::bytea[])
    on conflict (block, bucket) do update set data = excluded.data`,
};

interface StaleRow extends Pick<Searched, 'state' | 'route_id' | 'warned'> {
  id: bigint;
  first_id: bigint;
  buckets: number;
}

/** Adds terms of messages to their block. */
async function addTerms(tx: Tx, rows: StaleRow[]): Promise<void> {
  const { first_id, buckets } = rows[0]!;
  const wanted = new Map<number, Postings>();
  const terms = rows.flatMap((row) => outcomeTerms(row).map((hash) => ({ hash, position: Number(row.id - first_id) })));
  for (const { hash } of terms) wanted.set(hash % buckets, new Map());
  const found = await tx.query<{ bucket: number; data: Buffer }>(lockSegments, [first_id, [...wanted.keys()]]);
  for (const { bucket, data } of found) readBucket(data, 0, wanted.get(bucket)!);
  for (const { hash, position } of terms) insertPosition(wanted.get(hash % buckets)!, hash, position);
  await tx.query(putSegments, [first_id, [...wanted.keys()], [...wanted.values()].map(encodeBucket)]);
}

/** Adds what further attempts have changed; a term is never taken away, since hits are checked. Yields how many. */
export async function indexStale(db: Db): Promise<number> {
  const count = await underIndexLock(db, async (tx) => {
    const taken = await tx.query<{ message: bigint }>(takeStale, [STALE_MAX]);
    if (taken.length === 0) return 0;
    // Read after the deletion: an attempt that commits later puts the message there again.
    const rows = await tx.query<StaleRow>(selectStale, [taken.map(({ message }) => message)]);
    for (const some of Map.groupBy(rows, ({ first_id }) => first_id).values()) await addTerms(tx, some);
    return taken.length;
  });
  return count ?? 0;
}

const selectThin = {
  name: 'hl7_index_thin',
  text: `select b.first_id, b.last_id, b.received_from, b.received_to, b.messages, b.buckets
    from hl7_index_block b where b.first_id > $1 and b.first_id <= $2 and b.messages > 2 * (
      select count(*) from hl7_message m where m.id between b.first_id and b.last_id) order by b.first_id limit 1`,
};

/**
 * After messages have been removed: a block of which less than half is left is made anew, or goes if nothing is. Looks at the
 * blocks between two numbers; yields the last block that it found, undefined at the end.
 */
export function rebuildThin(db: Db, after: bigint, until: bigint): Promise<bigint | undefined> {
  return underIndexLock(db, async (tx) => {
    const [block] = await tx.query<Block>(selectThin, [after, until]);
    if (block === undefined) return undefined;
    const rows = await tx.query<Fresh>(selectRange, [block.first_id, block.last_id]);
    const buckets = rows.length === 0 ? [] : intoBuckets(await termsOf(tx, rows), block.buckets);
    await tx.query(deleteBlocks, [[block.first_id]]);
    if (rows.length > 0) await writeBlock(tx, rows, buckets);
    return block.first_id;
  });
}
