// Resources of which some exist: each becomes the next version, unless it says what is stored already.
import { type AccessScope, parseJson, type Resource } from '#fhir-model';
import type { Tx } from '#platform';
import { bodyText } from '../store/body.ts';
import { prepare, type Store } from '../store/store.ts';
import { allocate, byType, type Locked, lockRows, type Numbered, tombstones, writeMany } from '../store/write-many.ts';
import type { Counts } from './checkpoints.ts';
import type { Part, PreparedResource } from './types.ts';

interface Standing {
  /** `Type/id` → the locked current row. */
  rows: Map<string, Locked>;
  /** `Type/id` → the version of its tombstone. */
  gone: Map<string, number>;
  /** Of the latest version that is followed. */
  updatedMs: number;
}

const nameOf = ({ type, id }: { type: string; id: string }): string => `${type}/${id}`;

async function standing(tx: Tx, resources: PreparedResource[], scope: AccessScope): Promise<Standing> {
  const found: Standing = { rows: new Map(), gone: new Map(), updatedMs: 0 };
  const looks = byType(resources).map(async ([type, many]) => {
    const ids = many.map(({ id }) => id);
    const [rows, dead] = await Promise.all([lockRows(tx, type, ids, scope), tombstones(tx, type, ids)]);
    for (const row of rows) found.rows.set(`${type}/${row.id}`, row);
    for (const { id, version } of dead) found.gone.set(`${type}/${id}`, version);
    for (const { updated } of [...rows, ...dead]) found.updatedMs = Math.max(found.updatedMs, updated);
  });
  await Promise.all(looks);
  return found;
}

/** The stored text is what this resource would have become as that version. */
function isSame(resource: Resource, row: Locked): boolean {
  const { prefix, suffix } = bodyText(resource, row.id, row.updated);
  return row.body === prefix + row.version + suffix;
}

/** Yields what becomes of each, and the statements that see to it. */
export async function updateMany(
  tx: Tx,
  part: Part,
  broken: ReadonlySet<number>,
  store: Store,
  scope: AccessScope,
): Promise<{ outcomes: (keyof Counts | undefined)[]; write: () => Promise<unknown>[] }> {
  const { rows, gone, updatedMs } = await standing(tx, part.resources, scope);
  // After the rows are locked, so that the numbers are higher than those of the versions that these follow.
  const numbers = await allocate(tx, part.resources.length);
  const atMs = Math.max(store.clock.now(), updatedMs);
  const work = { creations: [] as Numbered[], updates: [] as Numbered[], deletions: [] };
  const outcomes = part.resources.map((one, i): keyof Counts | undefined => {
    if (broken.has(i)) return undefined;
    const resource = parseJson(part.texts![i]!).exact as Resource;
    const row = rows.get(nameOf(one));
    if (row && isSame(resource, row)) return 'present';
    const seq = numbers[i]!;
    const version = (row?.version ?? gone.get(nameOf(one)) ?? 0) + 1;
    const numbered: Numbered = { ...prepare(store, resource, one.id, atMs, scope), rid: row?.rid ?? seq, seq, version };
    (row ? work.updates : work.creations).push(numbered);
    return row ? 'updated' : 'created';
  });
  return { outcomes, write: () => [writeMany(tx, work, atMs)] };
}
