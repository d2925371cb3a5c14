// References to a patient that a feed merges into another, or whose visit it moves, in the feed's own transaction
// (ResourceWriter.moveReferences): https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
import {
  type AccessScope,
  type MovedReference,
  type MovedReferences,
  parseJson,
  parseReference,
  type ReferenceMove,
  type ReferenceRestore,
  type Resource,
} from '#fhir-model';
import { CerebraError, type Tx } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { resourceKey } from '../store/layout.ts';
import { lockRows } from '../store/write-many.ts';
import {
  type Change,
  countOf,
  findReferring,
  moveAll,
  moveReferences,
  type Referring,
  writeChanges,
} from './merge-references.ts';

const ridsOf = { name: 'move_rids', text: 'select rid from r_patient where id = any($1::text[])' };

const alsoReferring = {
  name: 'move_also',
  text: 'select distinct rid from index_reference where rid = any($1::bigint[]) and target = $2::bigint',
};

/** Those of `referring` that refer to `about` as well. */
async function whatIsAbout(core: Core, tx: Tx, referring: Referring, about: string): Promise<Referring> {
  const parsed = parseReference(about, core.baseUrl);
  if (parsed.kind !== 'local')
    throw new CerebraError('invalid', `'${about.slice(0, 80)}' is no reference to a resource`);
  const rows = await tx.query<{ rid: bigint }>(alsoReferring, [
    [...referring.values()].flat(),
    resourceKey(parsed.type, parsed.id),
  ]);
  const rids = new Set(rows.map(({ rid }) => rid));
  return new Map([...referring].map(([type, all]) => [type, all.filter((rid) => rids.has(rid))]));
}

// What they say of a version stays: put first, they could fill every portion and nothing behind them would be moved.
const LAST = new Set(['AuditEvent', 'Bundle', 'Provenance']);

/** The first `count` of them. */
function limited(referring: Referring, count: number): Referring {
  let left = count;
  const some = new Map<string, readonly bigint[]>();
  const inTurn = [...referring].toSorted(([a], [b]) => Number(LAST.has(a)) - Number(LAST.has(b)));
  for (const [type, rids] of inTurn) {
    const taken = rids.slice(0, left);
    left -= taken.length;
    if (taken.length > 0) some.set(type, taken);
  }
  return some;
}

/** Of a visit, all of its patient's are looked through: no patient has more resources than this. */
const SEARCHED_MAX = 1_000_000;

export async function movePatientReferences(
  core: Core,
  tx: Tx,
  { from, to, about, resourcesMax, countLeft = false }: ReferenceMove,
  scope: AccessScope,
): Promise<MovedReferences> {
  assertWrites(scope);
  const own = await tx.query<{ rid: bigint }>(ridsOf, [[from, to]]);
  const except = new Set(own.map(({ rid }) => rid));
  const all = await findReferring(
    core,
    tx,
    from,
    about === undefined && !countLeft ? resourcesMax + 1 : SEARCHED_MAX,
    except,
  );
  const referring = about === undefined ? all : await whatIsAbout(core, tx, all, about);
  const moved: MovedReference[] = [];
  await moveAll(core, tx, limited(referring, resourcesMax), { from, to }, scope, (one) => moved.push(one));
  const left = Math.max(0, countOf(referring) - resourcesMax);
  return { moved, more: left > 0, ...(countLeft ? { left } : {}) };
}

/** So many are in memory at once. */
const RESTORED_TOGETHER_MAX = 100;

export async function restorePatientReferences(
  core: Core,
  tx: Tx,
  { from, to, resources }: ReferenceRestore,
  scope: AccessScope,
): Promise<MovedReference[]> {
  assertWrites(scope);
  const restored: MovedReference[] = [];
  // By type and id: in the order in which all lock.
  const byType = Map.groupBy(resources, ({ type }) => type);
  for (const [type, all] of [...byType].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ordered = all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (let at = 0; at < ordered.length; at += RESTORED_TOGETHER_MAX) {
      const known = new Map(ordered.slice(at, at + RESTORED_TOGETHER_MAX).map((one) => [one.id, one]));
      const rows = await lockRows(tx, type, [...known.keys()], scope);
      const changes = rows.flatMap((row): Change[] => {
        const { version, paths } = known.get(row.id)!;
        if (row.version !== version) return [];
        const resource = parseJson(row.body).exact as Resource;
        const moved = moveReferences(core, resource, from, to, new Set(paths));
        if (moved.length === 0) return [];
        restored.push({ type, id: row.id, version: version + 1, paths: moved });
        return [{ row, resource }];
      });
      await writeChanges(core, tx, changes, scope);
    }
  }
  return restored;
}
