// References to a patient that was merged into another: found through the index, moved resource by resource.
// https://build.fhir.org/patient-operation-merge.html#process
import { type AccessScope, type MovedReference, parseJson, parseReference, type Resource } from '#fhir-model';
import { CerebraError, type Queryable, type Tx } from '#platform';
import { scopeSql } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import { prepare } from '../store/store.ts';
import { allocate, type Locked, type Numbered, writeMany } from '../store/write-many.ts';

/** Type → rids of those that refer to the patient by a reference that a search parameter covers. */
export type Referring = ReadonlyMap<string, readonly bigint[]>;

const typesByParam = (core: Core): Map<number, string> =>
  new Map(
    core.definitions.resourceTypes.flatMap((type) =>
      core.parameters
        .list(type)
        .filter((param) => param.type === 'reference')
        .flatMap(indexedAs)
        .map((param): [number, string] => [param.key, type]),
    ),
  );

const findRids = {
  name: 'merge_find',
  text: `select x.rid, min(x.param) as param from index_reference x
    where x.param = any($1::int[]) and x.target = $2::bigint group by x.rid limit $3`,
};

/** All but the patients of the merge; `limit` at most. */
export async function findReferring(
  core: Core,
  db: Queryable,
  id: string,
  limit: number,
  except: ReadonlySet<bigint>,
): Promise<Referring> {
  const types = typesByParam(core);
  const rows = await db.query<{ rid: bigint; param: number }>(findRids, [
    [...types.keys()],
    resourceKey('Patient', id),
    limit + except.size,
  ]);
  const found = new Map<string, bigint[]>();
  for (const { rid, param } of rows) {
    if (except.has(rid)) continue;
    const type = types.get(param)!;
    found.set(type, [...(found.get(type) ?? []), rid]);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const countOf = (referring: Referring): number =>
  [...referring.values()].reduce((sum, rids) => sum + rids.length, 0);

/** What a version of the patient was, these say; references of other types to a version become ones to the patient. */
const ABOUT_VERSIONS = new Set(['Provenance', 'AuditEvent']);

/** Moves the references of one resource, in place, `only` at these paths; yields the paths of those that were moved. */
export function moveReferences(
  core: Core,
  resource: Resource,
  from: string,
  to: string,
  only?: ReadonlySet<string>,
): string[] {
  // The entries of a stored Bundle are as they were when it was put together.
  if (resource.resourceType === 'Bundle') return [];
  const moved: string[] = [];
  core.links.rewriteReferences(resource, (text, site) => {
    if (site.kind === 'uri') return undefined;
    const parsed = parseReference(text, core.baseUrl);
    if (parsed.kind !== 'local' || parsed.type !== 'Patient' || parsed.id !== from) return undefined;
    if (parsed.version !== undefined && ABOUT_VERSIONS.has(resource.resourceType)) return undefined;
    const path = site.path();
    if (only !== undefined && !only.has(path)) return undefined;
    moved.push(path);
    return text.startsWith('http') ? `${core.baseUrl}/Patient/${to}` : `Patient/${to}`;
  });
  return moved;
}

interface Sized {
  rid: bigint;
  id: string;
  bytes: number;
  visible: boolean;
}

/** In the order in which all lock: by id. Throws `forbidden` when the scope leaves some of them out. */
async function sized(tx: Queryable, type: string, rids: readonly bigint[], scope: AccessScope): Promise<Sized[]> {
  const access = scopeSql(scope);
  const statement = named(
    `merge_sizes_${type}${access.name}`,
    () => `select r.rid, r.id, octet_length(r.body) as bytes, ${access.condition('r', 2)} as visible
      from ${currentTable(type)} r where r.rid = any($1::bigint[]) order by r.id`,
  );
  const rows = await tx.query<Sized>(statement, [rids, ...access.values]);
  if (rows.every(({ visible }) => visible)) return rows;
  throw new CerebraError('forbidden', 'Resources that refer to the source can’t be changed with this access');
}

/** Throws `forbidden` when the scope leaves some of them out. */
export async function assertVisible(db: Queryable, referring: Referring, scope: AccessScope): Promise<void> {
  if (scope.kind === 'everything') return;
  for (const [type, rids] of referring) await sized(db, type, rids, scope);
}

function lockRids(tx: Tx, type: string, rids: bigint[], scope: AccessScope): Promise<Locked[]> {
  const access = scopeSql(scope);
  const statement = named(
    `merge_lock_${type}${access.name}`,
    () => `select rid, id, version, updated, body from ${currentTable(type)} r
      where rid = any($1::bigint[]) and ${access.condition('r', 2)} order by id for update`,
  );
  return tx.query<Locked>(statement, [rids, ...access.values]);
}

/** Resources, and bytes of them, that are in memory at once. */
const TOGETHER_MAX = 250;
const TOGETHER_BYTES_MAX = 8 * 1024 * 1024;

function portions(rows: readonly Sized[]): bigint[][] {
  const all: bigint[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const last = all.at(-1);
    bytes += row.bytes;
    if (last && last.length < TOGETHER_MAX && bytes <= TOGETHER_BYTES_MAX) last.push(row.rid);
    else {
      all.push([row.rid]);
      bytes = row.bytes;
    }
  }
  return all;
}

/** A locked row as its next version. */
export interface Change {
  row: Locked;
  resource: Resource;
}

/** Writes the next versions of locked rows. */
export async function writeChanges(
  core: Core,
  tx: Tx,
  changes: readonly Change[],
  scope: AccessScope,
): Promise<Numbered[]> {
  if (changes.length === 0) return [];
  const updatedMs = Math.max(core.store.clock.now(), ...changes.map(({ row }) => row.updated));
  const seqs = await allocate(tx, changes.length);
  const updates = changes.map(
    ({ row, resource }, i): Numbered => ({
      ...prepare(core.store, resource, row.id, updatedMs, scope),
      ...{ rid: row.rid, seq: seqs[i]!, version: row.version + 1 },
    }),
  );
  await writeMany(tx, { creations: [], updates, deletions: [] }, updatedMs);
  return updates;
}

/** Moves all references; yields how many resources of each type have changed, and tells `onMoved` of each. */
export async function moveAll(
  core: Core,
  tx: Tx,
  referring: Referring,
  patients: { from: string; to: string },
  scope: AccessScope,
  onMoved: (moved: MovedReference) => void = () => {},
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [type, rids] of referring) {
    for (const some of portions(await sized(tx, type, rids, scope))) {
      const rows = await lockRids(tx, type, some, scope);
      const changes = rows.flatMap((row): Change[] => {
        const resource = parseJson(row.body).exact as Resource;
        const paths = moveReferences(core, resource, patients.from, patients.to);
        if (paths.length === 0) return [];
        onMoved({ type, id: row.id, version: row.version + 1, paths });
        return [{ row, resource }];
      });
      await writeChanges(core, tx, changes, scope);
      if (changes.length > 0) counts.set(type, (counts.get(type) ?? 0) + changes.length);
    }
  }
  return counts;
}
