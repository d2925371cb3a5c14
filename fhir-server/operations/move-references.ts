// References to a patient that a feed merges into another, or whose visit it moves, in the feed's own transaction
// (ResourceWriter.moveReferences): https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
import { type AccessScope, type MovedReferences, parseReference, type ReferenceMove } from '#fhir-model';
import { CerebraError, type Tx } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { resourceKey } from '../store/layout.ts';
import { countOf, findReferring, moveAll, type Referring } from './merge-references.ts';

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

/** The first `count` of them. */
function limited(referring: Referring, count: number): Referring {
  let left = count;
  const some = new Map<string, readonly bigint[]>();
  for (const [type, rids] of referring) {
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
  { from, to, about, resourcesMax }: ReferenceMove,
  scope: AccessScope,
): Promise<MovedReferences> {
  assertWrites(scope);
  const own = await tx.query<{ rid: bigint }>(ridsOf, [[from, to]]);
  const except = new Set(own.map(({ rid }) => rid));
  const all = await findReferring(core, tx, from, about === undefined ? resourcesMax + 1 : SEARCHED_MAX, except);
  const referring = about === undefined ? all : await whatIsAbout(core, tx, all, about);
  const moved = await moveAll(core, tx, limited(referring, resourcesMax), { from, to }, scope);
  return { count: [...moved.values()].reduce((sum, one) => sum + one, 0), more: countOf(referring) > resourcesMax };
}
