// Messages of several connections that come at the same moment share a transaction: look-ups, locks, inserts and the commit
// are paid once for all of them. Each has its effect as if it had come alone, and one that fails takes none with it.
import type { AccessScope, EntryResult, ResourceWriter, TransactionEntry } from '#fhir-model';
import { createGather, isCerebraError, sqlState, type Tx } from '#platform';

/** What one message writes, and what its transaction is told of it. */
export interface Effect<Mark> {
  entries: TransactionEntry[];
  /** Of the message: what is large goes alone. */
  byteCount: number;
  mark: Mark;
}

export interface Done<Mark> {
  mark: Mark;
  results: EntryResult[];
}

export interface WriteGroupOptions<Mark> {
  writer: ResourceWriter;
  scope: AccessScope;
  /** Runs inside the transaction, with every effect that is committed by it. */
  within(tx: Tx, done: Done<Mark>[]): Promise<void>;
}

type Settled = { results: EntryResult[] } | { error: unknown };

// While two are under way the next ones gather.
const LANES_MAX = 2;
const MESSAGES_MAX = 16;
const BYTES_MAX = 256 * 1024;

/** Yields a function that writes one effect; resolves when it is committed, rejects with what is wrong with it alone. */
export function createWriteGroup<Mark>(
  options: WriteGroupOptions<Mark>,
): (effect: Effect<Mark>) => Promise<EntryResult[]> {
  const write = createGather<Effect<Mark>, Settled>({
    lanesMax: LANES_MAX,
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
    const names = effect.entries.map(nameOf);
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
function nameOf({ method, url, ifNoneExist }: TransactionEntry): { name: string; changes: boolean } {
  if (method === 'POST') return { name: ifNoneExist === undefined ? '' : `${url}?${ifNoneExist}`, changes: false };
  return { name: url, changes: true };
}

async function writeTogether<Mark>(options: WriteGroupOptions<Mark>, effects: Effect<Mark>[]): Promise<Settled[]> {
  try {
    return (await writeOnce(options, effects)).map((results) => ({ results }));
  } catch (error) {
    if (effects.length === 1 || !isOfOne(error)) return effects.map(() => ({ error }));
  }
  const settled: Settled[] = [];
  for (const effect of effects) settled.push(...(await writeTogether(options, [effect])));
  return settled;
}

/** What one of them may be the cause of; that the database is away is the trouble of all. */
function isOfOne(error: unknown): boolean {
  if (isCerebraError(error)) return error.status < 500;
  return /^(2[123]|40|54)/.test(sqlState(error) ?? '');
}

async function writeOnce<Mark>(
  { writer, scope, within }: WriteGroupOptions<Mark>,
  effects: Effect<Mark>[],
): Promise<EntryResult[][]> {
  const split = (results: EntryResult[]): EntryResult[][] => {
    const rest = results.values();
    return effects.map(({ entries }) => rest.take(entries.length).toArray());
  };
  const results = await writer.transaction(
    effects.flatMap(({ entries }) => entries),
    {
      scope,
      within: async (tx, all) => {
        const each = split(all);
        await within(
          tx,
          effects.map(({ mark }, index) => ({ mark, results: each[index]! })),
        );
      },
    },
  );
  return split(results);
}
