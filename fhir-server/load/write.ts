// One part of a load in one transaction: locks, a look for ids that are taken, COPY, the record of how far it came.
// Imports commit in chunks since the change stream waits for the oldest running write (docs/architecture.md).
import type { AccessScope } from '#fhir-model';
import type { Statement, Tx } from '#platform';
import { hash64 } from '../store/hash.ts';
import { currentTable, historyTable } from '../store/layout.ts';
import { lockAll } from '../store/locks.ts';
import { named } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { byType } from '../store/write-many.ts';
import { type Counts, noCounts, type Range, saveRanges } from './checkpoints.ts';
import type { Matches } from './matches.ts';
import type { Fault, Part, PreparedResource, TableRows } from './types.ts';
import { updateMany } from './update.ts';

/** A conditional create's criteria match by now: the job is to be prepared anew. */
export class CriteriaMatch extends Error {}

const nameOf = ({ type, id }: { type: string; id: string }): string => `${type}/${id}`;

const taken = (type: string): Statement =>
  named(
    `load_taken_${type}`,
    () => `select id from ${currentTable(type)} where id = any($1::text[])
      union select id from ${historyTable(type)} where id = any($1::text[])`,
  );

/** `Type/id` of those that exist or were deleted. */
async function takenNames(tx: Tx, given: PreparedResource[]): Promise<Set<string>> {
  const names = new Set<string>();
  const looks = byType(given).map(async ([type, many]) => {
    const rows = await tx.query<{ id: string }>(taken(type), [many.map(({ id }) => id)]);
    for (const { id } of rows) names.add(`${type}/${id}`);
  });
  await Promise.all(looks);
  return names;
}

/** The rows of the resources that are kept, as few pieces of the buffer as there are runs of them. */
function keptRows({ bytes, ends }: TableRows, kept: readonly boolean[]): Uint8Array[] {
  const runs: Uint8Array[] = [];
  let from = 0;
  for (let i = 0; i <= kept.length; i++) {
    if (kept[i]) continue;
    const to = i === 0 ? 0 : ends[i - 1]!;
    if (to > from) runs.push(bytes.subarray(from, to));
    if (i < kept.length) from = ends[i]!;
  }
  return runs;
}

/** With `whole`, rows that are not of one resource are written whatever becomes of those that brought them. */
const copy = (tx: Tx, part: Part, kept: readonly boolean[], whole: boolean): Promise<unknown>[] =>
  part.tables.flatMap((table) => {
    const rows = whole && table.whole ? [table.bytes] : keptRows(table, kept);
    return rows.some(({ length }) => length > 0) ? [tx.copy(`copy ${table.into} from stdin`, rows)] : [];
  });

/** The counts of each mark's file, told as that mark's. */
export function rangesOf(part: Part, outcomes: readonly Outcome[], faults: readonly Fault[]): Range[] {
  const ranges = part.marks.map(({ found, ...mark }) => ({ ...mark, ...noCounts(), present: found }));
  const ofFile = new Map(ranges.map((range) => [range.file, range]));
  part.resources.forEach(({ place }, i) => {
    const outcome = outcomes[i];
    if (outcome) ofFile.get(place.file)![outcome]++;
  });
  for (const { file, resources } of faults) ofFile.get(file)!.refused += resources;
  return ranges;
}

/**
 * COMMIT does not wait for the disk (https://www.postgresql.org/docs/current/wal-async-commit.html). What a power cut takes it takes
 * whole, with the record of how far the load came, so the next load writes it again; and the file's end is recorded by a
 * COMMIT that waits for all before it, as does the dispatcher's before it tells anybody.
 */
const asynchronous: Statement = { name: 'load_asynchronous', text: 'set local synchronous_commit = off' };

/** Waits for others who create these ids, or match these criteria, and sees what they committed. */
async function lock(tx: Tx, part: Part, matches: Matches): Promise<void> {
  const given = part.resources.filter((one) => one.given).map(({ key }) => key);
  await Promise.all([
    tx.query(asynchronous),
    lockAll(tx, 'criteria', part.absent.map(hash64)),
    lockAll(tx, 'resource', given),
  ]);
  for (const criteria of part.absent) {
    const { kind } = await matches.within(tx, criteria);
    if (kind !== 'none') throw new CriteriaMatch(criteria);
  }
}

export interface PartWriter {
  store: Store;
  matches: Matches;
  scope: AccessScope;
  /** Called when the locks are held: who comes next takes theirs after these. */
  onLocked(): void;
}

/** What became of a resource; undefined: refused. */
export type Outcome = keyof Counts | undefined;

export interface Written {
  ranges: Range[];
  /** In the order of Part.resources. */
  outcomes: Outcome[];
}

/** COPY of those whose id is free; the others stay as they are. */
async function insertFree(tx: Tx, part: Part, broken: ReadonlySet<number>, names: ReadonlySet<string>) {
  const outcomes = part.resources.map(
    (one, i): Outcome => (broken.has(i) ? undefined : names.has(nameOf(one)) ? 'present' : 'created'),
  );
  const kept = outcomes.map((outcome) => outcome === 'created');
  return { outcomes, write: () => copy(tx, part, kept, broken.size === 0) };
}

/**
 * Writes the resources of the part but those in `broken`: by COPY where no id is taken, or where existing ones stay as
 * they are. `faults` are recorded with them.
 */
export async function writePart(
  tx: Tx,
  part: Part,
  broken: ReadonlySet<number>,
  faults: readonly Fault[],
  { store, matches, scope, onLocked }: PartWriter,
): Promise<Written> {
  await lock(tx, part, matches);
  onLocked();
  const given = part.resources.filter((one) => one.given);
  const names = await takenNames(tx, given);
  const updates = part.texts !== undefined && names.size > 0;
  const { outcomes, write } = await (updates
    ? updateMany(tx, part, broken, store, scope)
    : insertFree(tx, part, broken, names));
  const ranges = rangesOf(part, outcomes, faults);
  // In this order, so that what fails first is not that the transaction has failed.
  await Promise.all([saveRanges(tx, ranges), ...write()]);
  return { ranges, outcomes };
}
