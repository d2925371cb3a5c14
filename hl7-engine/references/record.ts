// What merges have moved, kept so that A37 can take it back: table hl7_moved_reference. HL7 v2.9 chapter 3.3.37
import type { AccessScope, MovedReference, ReferenceMover } from '#fhir-model';
import type { Queryable, Statement, Tx } from '#platform';

/** Two patients by their ids: what referred to `merged` refers to `survivor`. */
export interface Pair {
  merged: string;
  survivor: string;
}

const insertMoved: Statement = {
  name: 'hl7_moved_insert',
  text: `insert into hl7_moved_reference (merged, survivor, type, id, version, paths)
    select $1, $2, x.type, x.id, x.version, x.paths
    from jsonb_to_recordset($3::jsonb) as x (type text, id text, version int, paths text[])
    on conflict (merged, survivor, type, id) do update set version = excluded.version, paths = excluded.paths`,
};

const takeMoved: Statement = {
  name: 'hl7_moved_take',
  text: `with taken as (
      select merged, survivor, type, id from hl7_moved_reference where merged = $1 and survivor = $2
      order by type, id limit $3)
    delete from hl7_moved_reference m using taken t
    where (m.merged, m.survivor, m.type, m.id) = (t.merged, t.survivor, t.type, t.id)
    returning m.type, m.id, m.version, m.paths`,
};

const countMoved: Statement = {
  name: 'hl7_moved_count',
  text: 'select count(*) as count from hl7_moved_reference where merged = $1 and survivor = $2',
};

// Taken back, a resource is again what an earlier merge has made of it.
const followMoved: Statement = {
  name: 'hl7_moved_follow',
  text: `update hl7_moved_reference m set version = x.version
    from jsonb_to_recordset($1::jsonb) as x (type text, id text, version int)
    where m.type = x.type and m.id = x.id and m.version = x.version - 2`,
};

export async function recordMoved(tx: Tx, { merged, survivor }: Pair, moved: readonly MovedReference[]): Promise<void> {
  if (moved.length > 0) await tx.query(insertMoved, [merged, survivor, JSON.stringify(moved)]);
}

async function countOfMoved(db: Queryable, { merged, survivor }: Pair): Promise<number> {
  const [row] = await db.query<{ count: bigint }>(countMoved, [merged, survivor]);
  return Number(row!.count);
}

export interface TakenBack {
  /** Names of the resources that were changed since the merge and stay: `Observation/1`. */
  kept: string[];
  restored: number;
  left: number;
}

/** Gives the merged patient back what the merge has taken, `max` resources at most. */
export async function takeBack(
  mover: ReferenceMover,
  tx: Tx,
  scope: AccessScope,
  pair: Pair,
  max: number,
): Promise<TakenBack> {
  const resources = await tx.query<MovedReference>(takeMoved, [pair.merged, pair.survivor, max]);
  if (resources.length === 0) return { kept: [], restored: 0, left: 0 };
  const restored = await mover.restoreReferences(tx, { from: pair.survivor, to: pair.merged, resources }, scope);
  await tx.query(followMoved, [JSON.stringify(restored)]);
  const done = new Set(restored.map(({ type, id }) => `${type}/${id}`));
  const kept = resources.map(({ type, id }) => `${type}/${id}`).filter((name) => !done.has(name));
  const left = resources.length < max ? 0 : await countOfMoved(tx, pair);
  return { kept, restored: restored.length, left };
}
