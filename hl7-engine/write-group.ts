// Messages of several connections that come at the same moment share a transaction: look-ups, locks, inserts and the commit
// are paid once for all of them. Each has its effect as if it had come alone, and one that fails takes none with it.
import type { AccessScope, EntryResult, TransactionEntry } from '#fhir-model';
import { createGather, isCerebraError, type Tx } from '#platform';
import type { PatientMove } from './mapping/context.ts';
import { type MovingWriter, moveReferences } from './references/move.ts';

/** What one message writes, and what its transaction is told of it. */
export interface Effect<Mark> {
  entries: TransactionEntry[];
  /** References that follow what the entries merge. */
  moves?: readonly PatientMove[];
  /** Of the message: what is large goes alone. */
  byteCount: number;
  mark: Mark;
}

export interface Done<Mark> {
  mark: Mark;
  results: EntryResult[];
}

export interface WriteGroupOptions<Mark> {
  writer: MovingWriter;
  scope: AccessScope;
  /** Runs inside the transaction, begun at `beganMs` of performance.now(), with every effect that is committed by it. */
  within(tx: Tx, done: Done<Mark>[], beganMs: number): Promise<void>;
  /** They are committed. */
  onCommit(done: Done<Mark>[]): void;
  /** References of theirs are left to be moved. */
  onReferencesLeft?(): void;
}

type Settled = { results: EntryResult[] } | { error: unknown };

// Another one begins beside those under way for a group worth its statements. In turn with 16 senders, PostgreSQL's and node's
// processor time a message: two lanes with groups of eight 3.1 ms, three with four 3.0, four with three 3.0, and a
// p95 of 370, 310 and 230 ms on a machine with much else to do.
const LANES_MAX = 4;
const BESIDE = { itemsMin: 3, waitMs: 10 };
const MESSAGES_MAX = 16;
const BYTES_MAX = 256 * 1024;

/** Yields a function that writes one effect; resolves when it is committed, rejects with what is wrong with it alone. */
export function createWriteGroup<Mark>(
  options: WriteGroupOptions<Mark>,
): (effect: Effect<Mark>) => Promise<EntryResult[]> {
  const write = createGather<Effect<Mark>, Settled>({
    lanesMax: LANES_MAX,
    beside: BESIDE,
    itemsMax: MESSAGES_MAX,
    weigh: ({ byteCount }) => byteCount,
    weightMax: BYTES_MAX,
    key: () => '',
    run: (effects) => writeAll(options, effects),
  });
  return async (effect) => {
    const settled = await write(effect);
    if ('error' in settled) throw settled.error;
    return settled.results;
  };
}

async function writeAll<Mark>(options: WriteGroupOptions<Mark>, effects: Effect<Mark>[]): Promise<Settled[]> {
  const settled = new Map<Effect<Mark>, Settled>();
  for (let left = effects; left.length > 0; ) {
    const { together, later } = disjoint(left);
    const results = await writeTogether(options, together);
    together.forEach((effect, index) => {
      settled.set(effect, results[index]!);
    });
    left = later;
  }
  return effects.map((effect) => settled.get(effect)!);
}

/**
 * Those that go into one transaction with the first. A transaction changes no resource twice, so of two messages that
 * change the same one the second comes later, as does everything that meets with what comes later: order is kept.
 */
function disjoint<Mark>(effects: Effect<Mark>[]): { together: Effect<Mark>[]; later: Effect<Mark>[] } {
  const changed = new Set<string>();
  const named = new Set<string>();
  const together: Effect<Mark>[] = [];
  const later: Effect<Mark>[] = [];
  for (const effect of effects) {
    const names = effect.entries.flatMap(namesOf);
    const meets = names.some(({ name, changes }) => changed.has(name) || (changes && named.has(name)));
    for (const { name, changes } of names) {
      named.add(name);
      if (changes) changed.add(name);
    }
    (meets ? later : together).push(effect);
  }
  return { together, later };
}

/** A conditional create changes nothing that others could change as well: the store makes one resource of several alike. */
function namesOf({ method, url, ifNoneExist }: TransactionEntry): { name: string; changes: boolean }[] {
  if (method === 'POST') {
    return ifNoneExist === undefined ? [] : eachOf(`${url}?${ifNoneExist}`).map((name) => ({ name, changes: false }));
  }
  return eachOf(url).map((name) => ({ name, changes: true }));
}

/** `Patient?identifier=a,b` is what a and what b names. */
function eachOf(url: string): string[] {
  if (!url.includes('%2C')) return [url];
  const [path, tokens = ''] = url.split('?identifier=');
  return tokens.split('%2C').map((token) => `${path}?identifier=${token}`);
}

async function writeTogether<Mark>(options: WriteGroupOptions<Mark>, effects: Effect<Mark>[]): Promise<Settled[]> {
  try {
    return (await writeOnce(options, effects)).map((results) => ({ results }));
  } catch (error) {
    if (effects.length === 1 || isOfAll(error)) return effects.map(() => ({ error }));
  }
  const settled: Settled[] = [];
  for (const effect of effects) settled.push(...(await writeTogether(options, [effect])));
  return settled;
}

/** That the database is away is the trouble of all; anything else one of them may be the cause of, be it by a fault of ours. */
const isOfAll = (error: unknown): boolean => isCerebraError(error, 'unavailable') || isCerebraError(error, 'timeout');

async function writeOnce<Mark>(
  { writer, scope, within, onCommit, onReferencesLeft }: WriteGroupOptions<Mark>,
  effects: Effect<Mark>[],
): Promise<EntryResult[][]> {
  const doneOf = (results: EntryResult[]): Done<Mark>[] => {
    const rest = results.values();
    return effects.map(({ mark, entries }) => ({ mark, results: rest.take(entries.length).toArray() }));
  };
  let left = false;
  const beganMs = performance.now();
  const results = await writer.transaction(
    effects.flatMap(({ entries }) => entries),
    {
      scope,
      async within(tx, all) {
        const done = doneOf(all);
        left = false;
        for (const [index, { entries, moves }] of effects.entries()) {
          if (moves === undefined || moves.length === 0) continue;
          if (await moveReferences({ writer, tx, scope }, { entries, moves }, done[index]!.results)) left = true;
        }
        await within(tx, done, beganMs);
      },
    },
  );
  const done = doneOf(results);
  onCommit(done);
  if (left) onReferencesLeft?.();
  return done.map((one) => one.results);
}
