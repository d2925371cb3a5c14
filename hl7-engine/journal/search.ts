// Searches of the journal, in the order in which messages came. What the index has not seen yet is looked at directly.
import type { Db, Queryable } from '#platform';
import type { MessageState } from './journal.ts';
import { type MessageRow, rowColumns } from './message-row.ts';
import { inAll, listOf } from './postings.ts';
import {
  patientQuery,
  patientQueryHashes,
  queryWordHashes,
  queryWords,
  readTerms,
  searchedBytesMax,
  type TermKind,
  termHash,
} from './terms.ts';

/** All that is given must hold. */
export interface Filter {
  /** When it came, milliseconds since 1970 UTC; `toMs` is excluded. */
  fromMs?: number;
  toMs?: number;
  /** `ORU^R01`, or `ORU` for all of them. */
  type?: string;
  /** `LAB|NORTH`, or one of the two: application or facility. */
  sender?: string;
  controlId?: string;
  /** `777`, `777^^^HOSP` or `HOSP|777`. */
  patientId?: string;
  state?: MessageState;
  routeId?: string;
  /** Kind or name of the source. */
  source?: string;
  /** With (or without) warnings; with a control id that another message had. */
  warned?: boolean;
  reused?: boolean;
  /** Words, all of which the message has. */
  text?: string;
}

export interface Search {
  filter: Filter;
  order: 'newest' | 'oldest';
  /** Only messages beyond this number, in the direction of the order. */
  beyond?: bigint;
  limit: number;
}

export interface Found {
  rows: MessageRow[];
  /** There may be more: search on beyond this number. */
  next?: bigint;
  /** So many of the latest messages are not in the index yet and were not looked at: from the oldest on they are what `next` leads to. */
  unsearched: number;
}

/** Latest messages whose words are looked at without an index. */
const TAIL_MESSAGES_MAX = 2_000;
/** Numbers of messages whose outcome the index does not know yet, read at a time. */
const STALE_MAX = 5_000;
/** Rows fetched at a time: to be checked against their bytes, or only by their columns. */
const READ_ROWS = 100;
const ROWS = 500;
/** Blocks looked at first, then twice as many each time: a frequent term has its page in the first ones. */
const BLOCKS_FIRST = 4;
const BLOCKS_MAX = 64;
/** More words say no more about where to look; what is found must have all of them. */
const WORDS_MAX = 32;

const highest = 2n ** 63n - 1n;

interface Plan {
  /** For each condition hashes of which one must be there. */
  groups: number[][];
  words: string[];
  patient: string | undefined;
  /** Of the conditions in SQL, $3 and on. */
  values: unknown[];
  newest: boolean;
}

function planOf({ filter, order }: Search): Plan {
  const words = queryWords(filter.text ?? '');
  const patient = filter.patientId === undefined ? undefined : patientQuery(filter.patientId);
  const groups = queryWordHashes(filter.text ?? '').slice(0, WORDS_MAX);
  if (filter.patientId !== undefined) groups.push(patientQueryHashes(filter.patientId));
  const add = (kind: TermKind, text: string | undefined) => {
    if (text !== undefined) groups.push([termHash(kind, text)]);
  };
  add('type', filter.type);
  add('sender', filter.sender);
  add('control', filter.controlId);
  add('route', filter.routeId);
  add('source', filter.source);
  if (filter.warned) add('flag', 'warned');
  if (filter.reused) add('flag', 'reused');
  if (filter.state !== undefined) groups.push(stateHashes(filter.state));
  return { groups, words, patient, values: valuesOf(filter), newest: order === 'newest' };
}

/** Between store and acknowledgment a message may have been put into the index. */
const stateHashes = (state: MessageState): number[] =>
  (state === 'acknowledged' ? ['acknowledged', 'stored'] : [state]).map((name) => termHash('state', name));

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms));

const valuesOf = (filter: Filter): unknown[] => [
  dateOf(filter.fromMs),
  dateOf(filter.toMs),
  filter.type ?? null,
  filter.sender ?? null,
  filter.controlId ?? null,
  filter.state ?? null,
  filter.routeId ?? null,
  filter.source ?? null,
  filter.warned ?? null,
  filter.reused ?? null,
];

const conditions = `($3::timestamptz is null or m.received_at >= $3) and ($4::timestamptz is null or m.received_at < $4)
  and ($5::text is null or m.type = $5 or split_part(m.type, '^', 1) = $5)
  and ($6::text is null or m.sender = $6 or split_part(m.sender, '|', 1) = $6 or split_part(m.sender, '|', 2) = $6)
  and ($7::text is null or m.control_id = $7) and ($8::text is null or m.state = $8)
  and ($9::text is null or m.route_id = $9) and ($10::text is null or m.source_kind = $10 or m.source_name = $10)
  and ($11::boolean is null or (cardinality(m.warnings) > 0) = $11)
  and ($12::boolean is null or m.control_id_reused = $12)`;

const byNumbers = {
  name: 'hl7_search_numbers',
  text: `select ${rowColumns} from hl7_message m where m.id = any($1::bigint[]) and $2::int is not null and ${conditions}`,
};
// Between the two numbers, neither of them included.
const inOrder = (direction: 'asc' | 'desc') => ({
  name: `hl7_search_${direction}`,
  text: `select ${rowColumns} from hl7_message m where m.id > $1 and m.id < $2 and ${conditions}
    order by m.id ${direction} limit $13`,
});
const newestFirst = inOrder('desc');
const oldestFirst = inOrder('asc');

const bodies = {
  name: 'hl7_search_bodies',
  text: 'select id, substring(raw for $2) as raw from hl7_message where id = any($1)',
};

const extent = {
  name: 'hl7_search_extent',
  text: 'select indexed_to, (select max(id) from hl7_message) as last from hl7_index_cursor',
};

const staleNumbers = (direction: 'asc' | 'desc') => ({
  name: `hl7_search_stale_${direction}`,
  text: `select message from hl7_stale where message > $1 and message < $2 order by message ${direction} limit ${STALE_MAX}`,
});
const staleDown = staleNumbers('desc');
const staleUp = staleNumbers('asc');

/** Rows whose bytes have the words and the patient; the index knows hashes only, and the latest not at all. */
async function checked(db: Queryable, plan: Plan, rows: MessageRow[]): Promise<MessageRow[]> {
  if ((plan.words.length === 0 && plan.patient === undefined) || rows.length === 0) return rows;
  const found = await db.query<{ id: bigint; raw: Buffer }>(bodies, [rows.map(({ id }) => id), searchedBytesMax]);
  const fitting = new Set(found.filter(({ raw }) => fits(plan, raw)).map(({ id }) => id));
  return rows.filter(({ id }) => fitting.has(id));
}

function fits({ words, patient }: Plan, raw: Buffer): boolean {
  const read = readTerms(raw);
  return words.every((word) => read.words.has(word)) && (patient === undefined || read.patients.has(patient));
}

/** Numbers between which, neither included, the search goes on; rows found so far. */
interface Walk {
  low: bigint;
  high: bigint;
  rows: MessageRow[];
  limit: number;
}

/** Every row between the walk's numbers: all there is without terms, or the tail that has no index. */
async function scan(db: Queryable, plan: Plan, walk: Walk): Promise<void> {
  const reads = plan.words.length > 0 || plan.patient !== undefined;
  const statement = plan.newest ? newestFirst : oldestFirst;
  while (walk.rows.length < walk.limit) {
    const count = reads ? READ_ROWS : walk.limit - walk.rows.length;
    const rows = await db.query<MessageRow>(statement, [walk.low, walk.high, ...plan.values, count]);
    walk.rows.push(...(await checked(db, plan, rows)));
    const last = rows.at(-1);
    if (last === undefined || rows.length < count) return;
    if (plan.newest) walk.high = last.id;
    else walk.low = last.id;
  }
}

// The oldest and the newest message of blocks that the time falls in; without one the numbers alone decide.
const blocksIn = {
  name: 'hl7_search_times',
  text: `select min(first_id) as first, max(last_id) as last from hl7_index_block
    where ($1::timestamptz is null or received_to >= $1) and ($2::timestamptz is null or received_from < $2)`,
};

/** Without terms: the part of the journal that the times allow. */
async function scanIndexed(db: Queryable, plan: Plan, walk: Walk): Promise<void> {
  const [from, to] = plan.values;
  if (from !== null || to !== null) {
    const [range] = await db.query<{ first: bigint | null; last: bigint | null }>(blocksIn, [from, to]);
    if (range?.first == null || range.last === null) return;
    if (range.first - 1n > walk.low) walk.low = range.first - 1n;
    if (range.last + 1n < walk.high) walk.high = range.last + 1n;
  }
  await scan(db, plan, walk);
}

const blocksWith = (direction: 'asc' | 'desc') => ({
  name: `hl7_search_blocks_${direction}`,
  text: `with b as (select first_id, last_id, buckets from hl7_index_block
      where last_id > $1 and first_id < $2
        and ($3::timestamptz is null or received_to >= $3) and ($4::timestamptz is null or received_from < $4)
      order by first_id ${direction} limit $6)
    select b.first_id, b.last_id, t.hash, s.data from b cross join unnest($5::bigint[]) as t(hash)
      left join hl7_index_segment s on s.block = b.first_id and s.bucket = t.hash % b.buckets
    order by b.first_id ${direction}`,
});
const blocksDown = blocksWith('desc');
const blocksUp = blocksWith('asc');

interface BlockTerm {
  first_id: bigint;
  last_id: bigint;
  hash: bigint;
  data: Buffer | null;
}

/** Positions in one block of messages that have a term of each group. */
function candidatesIn(plan: Plan, terms: BlockTerm[]): number[] {
  const known = new Map(terms.map(({ hash, data }) => [Number(hash), data]));
  const groups = plan.groups.map((group) =>
    group.flatMap((hash) => {
      const data = known.get(hash);
      return (data && listOf(data, hash)) ?? [];
    }),
  );
  return inAll(groups);
}

async function takeCandidates(db: Queryable, plan: Plan, walk: Walk, numbers: bigint[]): Promise<void> {
  const reads = plan.words.length > 0 || plan.patient !== undefined;
  const size = reads ? READ_ROWS : ROWS;
  for (let at = 0; at < numbers.length && walk.rows.length < walk.limit; at += size) {
    const some = numbers.slice(at, at + size);
    const rows = await db.query<MessageRow>(byNumbers, [some, 0, ...plan.values]);
    const order = plan.newest ? (a: bigint, b: bigint) => (a > b ? -1 : 1) : (a: bigint, b: bigint) => (a < b ? -1 : 1);
    rows.sort((a, b) => order(a.id, b.id));
    walk.rows.push(...(await checked(db, plan, rows)));
  }
}

/** The numbers of a block that may match, in the order of the search. */
function numbersIn(plan: Plan, walk: Walk, terms: BlockTerm[], stale: readonly bigint[]): bigint[] {
  const { first_id: first, last_id: last } = terms[0]!;
  const numbers = new Set(candidatesIn(plan, terms).map((position) => first + BigInt(position)));
  for (const number of stale) if (number >= first && number <= last) numbers.add(number);
  const inside = [...numbers].filter((number) => number > walk.low && number < walk.high);
  return inside.sort((a, b) => (a < b === plan.newest ? 1 : -1));
}

/** With terms: as far at a time as it is known what the index has not seen; a run over what has failed must leave none out. */
async function searchBlocks(db: Queryable, plan: Plan, walk: Walk): Promise<void> {
  for (;;) {
    // Before the blocks: what leaves this list meanwhile stands in them.
    const rows = await db.query<{ message: bigint }>(plan.newest ? staleDown : staleUp, [walk.low, walk.high]);
    const stale = rows.map(({ message }) => message);
    const last = stale.length < STALE_MAX ? undefined : stale.at(-1)!;
    if (last === undefined) return searchPart(db, plan, walk, stale);
    await searchPart(db, plan, { ...walk, ...(plan.newest ? { low: last - 1n } : { high: last + 1n }) }, stale);
    if (walk.rows.length >= walk.limit) return;
    if (plan.newest) walk.high = last;
    else walk.low = last;
  }
}

/** Block by block, from the end where the search begins. */
async function searchPart(db: Queryable, plan: Plan, walk: Walk, stale: readonly bigint[]): Promise<void> {
  const hashes = [...new Set(plan.groups.flat())];
  const [from, to] = plan.values;
  for (let count = BLOCKS_FIRST; ; count = Math.min(2 * count, BLOCKS_MAX)) {
    const values = [walk.low, walk.high, from, to, hashes, count];
    const terms = await db.query<BlockTerm>(plan.newest ? blocksDown : blocksUp, values);
    const blocks = [...Map.groupBy(terms, ({ first_id }) => first_id).values()];
    // A rare term has one message in a block: those of several blocks are fetched together.
    let pending: bigint[] = [];
    for (const block of blocks) {
      pending.push(...numbersIn(plan, walk, block, stale));
      // Blocks may be united meanwhile: what has been seen is not looked at again.
      if (plan.newest) walk.high = block[0]!.first_id;
      else walk.low = block[0]!.last_id;
      if (pending.length < READ_ROWS) continue;
      await takeCandidates(db, plan, walk, pending);
      if (walk.rows.length >= walk.limit) return;
      pending = [];
    }
    await takeCandidates(db, plan, walk, pending);
    if (blocks.length < count || walk.rows.length >= walk.limit) return;
  }
}

interface Tail {
  /** Numbers between which, neither included, all is looked at. */
  low: bigint;
  high: bigint;
  unsearched: number;
}

/** The latest messages, which have no index: of many the newest, or where it goes on from the oldest the first ones. */
function tailOf({ newest, words, patient }: Plan, walk: Walk, indexedTo: bigint, last: bigint): Tail {
  const reads = words.length > 0 || patient !== undefined;
  const most = BigInt(TAIL_MESSAGES_MAX);
  const begin = walk.low > indexedTo ? walk.low : indexedTo;
  if (!reads || last - begin <= most) return { low: begin, high: walk.high, unsearched: 0 };
  if (!newest) return { low: begin, high: begin + most + 1n, unsearched: Number(last - begin - most) };
  const from = last - most;
  return { low: walk.low > from ? walk.low : from, high: walk.high, unsearched: Number(from - begin) };
}

/** Yields messages that match, in order, up to `limit`. */
export async function searchMessages(db: Db | Queryable, search: Search): Promise<Found> {
  const plan = planOf(search);
  const [size] = await db.query<{ indexed_to: bigint; last: bigint | null }>(extent);
  const indexedTo = size?.indexed_to ?? 0n;
  const last = size?.last ?? 0n;
  const beyond = search.beyond;
  const walk: Walk = {
    low: plan.newest ? 0n : (beyond ?? 0n),
    high: plan.newest ? (beyond ?? highest) : highest,
    rows: [],
    limit: search.limit + 1,
  };
  const indexed = async () => {
    const part = { ...walk, high: walk.high <= indexedTo ? walk.high : indexedTo + 1n };
    if (part.low < part.high) await (plan.groups.length === 0 ? scanIndexed : searchBlocks)(db, plan, part);
  };
  const { unsearched, ...tail } = tailOf(plan, walk, indexedTo, last);
  const latest = async () => {
    if (tail.low < tail.high) await scan(db, plan, { ...walk, ...tail });
  };
  for (const part of plan.newest ? [latest, indexed] : [indexed, latest]) await part();
  const goesOn = !plan.newest && unsearched > 0 ? tail.high - 1n : undefined;
  return pageOf(walk.rows, search.limit, unsearched, goesOn);
}

/** `goesOn`: up to here all was looked at, and there is more. */
function pageOf(rows: MessageRow[], limit: number, unsearched: number, goesOn: bigint | undefined): Found {
  const page = rows.slice(0, limit);
  const next = rows.length > limit ? page.at(-1)!.id : goesOn;
  return next === undefined ? { rows: page, unsearched } : { rows: page, next, unsearched };
}

/** Whether a filter's text has a word at all: one of punctuation only would match everything. */
export const hasWords = (text: string): boolean => queryWords(text).length > 0;
