// The merge in one transaction, and what comes after it: https://build.fhir.org/patient-operation-merge.html#process
import { setTimeout as pause } from 'node:timers/promises';
import { type AccessScope, parseJson, type Resource } from '#fhir-model';
import { CerebraError, isWriteRace, type Statement, type Tx } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { prepare } from '../store/store.ts';
import { allocate, type Locked, lockRows, type Numbered, writeMany } from '../store/write-many.ts';
import { type MergeInput, refused, type Side } from './merge-input.ts';
import { assertMergeable, sourceAfter, targetAfter } from './merge-patients.ts';
import { countOf, findReferring, moveAll, type Referring, writeChanges } from './merge-references.ts';
import type { AssertVersion } from './version-asserted.ts';

export interface Merged {
  result: Resource;
  /** Resources whose references were moved, by type. */
  moved: ReadonlyMap<string, number>;
  /** Set when writes that began before the merge were still under way after a while. */
  unsettled: boolean;
}

/** Resources that refer to the source, of one merge: all are written in its transaction. */
export const referringMax = (core: Core): number => core.limits.bundleEntriesMax;

export function assertFew(core: Core, referring: Referring): void {
  const max = referringMax(core);
  if (countOf(referring) <= max) return;
  const text = `More than ${max} resources refer to the source (BUNDLE_ENTRIES_MAX), the most that one merge moves: merge the other way round`;
  throw new CerebraError('too-costly', text, { expression: ['source-patient'] });
}

const RETRIES_MAX = 5;

function pick(rows: readonly Locked[], id: string, side: Side): Locked {
  const found = rows.find((row) => row.id === id);
  if (found) return found;
  throw refused(`The ${side}, Patient/${id}, is not known or was deleted`, `${side}-patient`);
}

/** https://hl7.org/fhir/R4/provenance.html, as the operation recommends: what became of which versions. */
function provenance(core: Core, written: readonly Numbered[]): Resource {
  const reference = ({ id, version }: Numbered) => ({ reference: `Patient/${id}/_history/${version}` });
  const lifecycle = 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle';
  return {
    resourceType: 'Provenance',
    target: written.map(reference),
    recorded: new Date(core.store.clock.now()).toISOString(),
    activity: { coding: [{ system: lifecycle, code: 'merge' }] },
    agent: [{ who: { display: 'Cerebra, Patient/$merge' } }],
  };
}

async function writeProvenance(core: Core, tx: Tx, written: readonly Numbered[], scope: AccessScope): Promise<void> {
  const updatedMs = core.store.clock.now();
  const [number] = await allocate(tx, 1);
  const one = prepare(core.store, provenance(core, written), core.store.newId(), updatedMs, scope);
  const creation: Numbered = { ...one, rid: number!, seq: number!, version: 1 };
  await writeMany(tx, { creations: [creation], updates: [], deletions: [] }, updatedMs);
}

/** `asserted`: what If-Match asks of the target, the patient that the merge is to give a new version. */
interface Asked {
  input: MergeInput;
  asserted: AssertVersion;
}

async function mergeOnce(
  core: Core,
  { input, asserted }: Asked,
  scope: AccessScope,
): Promise<Omit<Merged, 'unsettled'>> {
  const { sourceId, targetId } = input;
  return core.store.db.tx(async (tx) => {
    const rows = await lockRows(tx, 'Patient', [sourceId, targetId], scope);
    const [from, to] = [pick(rows, sourceId, 'source'), pick(rows, targetId, 'target')];
    const [source, target] = [from, to].map(({ body }) => parseJson(body).exact as Resource) as [Resource, Resource];
    asserted(to.version);
    assertMergeable(input, source, target);
    const result = targetAfter(core, input, source, target);
    const changes = [
      { row: to, resource: result },
      { row: from, resource: sourceAfter(core, source, result) },
    ];
    const except = new Set([from.rid, to.rid]);
    const referring = await findReferring(core, tx, sourceId, referringMax(core) + 1, except);
    assertFew(core, referring);
    const moved = await moveAll(core, tx, referring, { from: sourceId, to: targetId }, scope);
    const written = await writeChanges(core, tx, changes, scope);
    await writeProvenance(core, tx, written, scope);
    const { text, version } = written[0]!;
    return { result: parseJson(text.prefix + version + text.suffix).exact as Resource, moved };
  });
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isWriteRace(error)) throw error;
      if (attempt > RETRIES_MAX) {
        const text = 'The patients, or what refers to them, are being changed by others at the same time: try again';
        throw new CerebraError('version-conflict', text, { cause: error });
      }
    }
  }
}

const SETTLE_MS = 20;
const SETTLES_MAX = 250;

/** Transactions that have written something and not ended: only those of this database, others of the cluster may go on for hours. */
const underWay: Statement = {
  name: 'merge_under_way',
  text: `select x::text as xid from pg_snapshot_xip(pg_current_snapshot()) x where exists (
      select 1 from pg_locks own join pg_locks used using (pid)
      where own.locktype = 'transactionid' and own.mode = 'ExclusiveLock' and own.transactionid = x::xid
        and used.locktype = 'relation'
        and used.database = (select d.oid from pg_database d where d.datname = current_database()))`,
};

/**
 * Transactions of this user that have begun, by connection and time: one that has only read has no number yet, and may have been
 * told of the source before the merge (`Patient?identifier=…`) and write about it after. A search that takes long is waited for too.
 */
const begunTransactions = `select pid || ' ' || extract(epoch from xact_start) from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()`;

const begun: Statement = { name: 'merge_begun', text: `select array(${begunTransactions}) as begun` };

const areOver: Statement = {
  name: 'merge_settled',
  text: `select not exists (select 1 from pg_snapshot_xip(pg_current_snapshot()) x where x = any($1::text[]::xid8[]))
      and not array(${begunTransactions}) && $2::text[] as over`,
};

/** Its own number is above all that were given before it, and it ends at once: a snapshot after it names all of those that go on. */
const numbered: Statement = { name: 'merge_numbered', text: 'select pg_current_xact_id()' };

/** Waits until all that was under way when the merge was committed has ended; yields whether it has. */
async function settled({ store: { db } }: Core): Promise<boolean> {
  await db.query(numbered);
  const open = (await db.query<{ xid: string }>(underWay)).map(({ xid }) => xid);
  const [reading] = await db.query<{ begun: string[] }>(begun);
  for (let i = 0; i < SETTLES_MAX; i++) {
    const [row] = await db.query<{ over: boolean }>(areOver, [open, reading!.begun]);
    if (row!.over) return true;
    await pause(SETTLE_MS);
  }
  return false;
}

/** What was written meanwhile by those who could not see the merge yet. */
async function sweep(core: Core, { sourceId, targetId }: MergeInput, scope: AccessScope): Promise<Map<string, number>> {
  return core.store.db.tx(async (tx) => {
    const rows = await tx.query<{ rid: bigint }>({ text: 'select rid from r_patient where id = any($1::text[])' }, [
      [sourceId, targetId],
    ]);
    const except = new Set(rows.map(({ rid }) => rid));
    const referring = await findReferring(core, tx, sourceId, referringMax(core), except);
    return moveAll(core, tx, referring, { from: sourceId, to: targetId }, scope);
  });
}

/** Merges. Throws CerebraError; then nothing was written. */
export async function mergePatients(core: Core, asked: Asked, scope: AccessScope): Promise<Merged> {
  assertWrites(scope);
  const { input } = asked;
  const merged = await retried(() => mergeOnce(core, asked, scope));
  core.store.stream.committed([]);
  const unsettled = !(await settled(core));
  const late = await retried(() => sweep(core, input, scope));
  if (late.size > 0) core.store.stream.committed([]);
  const moved = new Map(merged.moved);
  for (const [type, count] of late) moved.set(type, (moved.get(type) ?? 0) + count);
  return { ...merged, moved, unsettled };
}
