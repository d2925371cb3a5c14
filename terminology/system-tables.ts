// The life of a code system's own tables: made, filled, indexed, attached, in the end dropped.
// https://www.postgresql.org/docs/current/ddl-partitioning.html
import { stringify } from '#fhir-model';
import { CerebraError, type Db, type Queryable, type Statement, type Tx } from '#platform';
import { type ConceptTable, conceptTables, tableOf } from './tables.ts';
import type { NewSystem } from './write-system.ts';

/** First of the two numbers of an advisory lock, the other being cs. Spells "cstb". */
const LOCK_CLASS = 0x63737462;

/** How long a system's tables outlive it: by then every server has looked at the epoch. */
const LEAVING_SECONDS = 60;

const lockOf = (cs: number): Statement => ({
  text: `select pg_try_advisory_xact_lock(${LOCK_CLASS}, ${cs}) as free`,
});

/** Left by a load that the same release may go on with; a broken one that nobody can go on with has no progress. */
export const UNFINISHED = "resource is null and state = 'loading' and progress is not null";

/** For code_system.progress: when it was noted, seconds since 1970. The same clock tells when it is too old. */
export const NOW = "jsonb_build_object('at', extract(epoch from now()))";

/** How long such a load waits for being gone on with. */
const UNFINISHED_DAYS = 7;

const NEXT: Statement = { text: "select nextval(pg_get_serial_sequence('code_system', 'cs'))::int as cs" };
const BEGIN: Statement = {
  text: `insert into code_system (cs, url, version, resource, resource_version, state, case_sensitive, about, progress)
    overriding system value values ($1, $2, $3, $4, $5, 'loading', $6, $7, $8::jsonb || ${NOW})`,
};

export async function nextSystem(db: Queryable): Promise<number> {
  const [row] = await db.query<{ cs: number }>(NEXT);
  return row!.cs;
}

/** Its row, not visible to anybody yet; held before it is there, so that nobody clears it up. */
export async function insertSystem(
  db: Queryable,
  cs: number,
  system: NewSystem,
  progress: object | undefined,
): Promise<void> {
  const { url, version, resource, caseSensitive, about } = system;
  const values = [url, version, resource?.id ?? null, resource?.version ?? null, caseSensitive, stringify(about)];
  await db.query(BEGIN, [cs, ...values, progress === undefined ? null : JSON.stringify(progress)]);
}

/**
 * Tells whoever clears up that this system is being written, for as long as this process lives and what is yielded was not
 * called; undefined: somebody else is writing it. The transaction writes nothing, so that it holds back neither the change
 * feed nor vacuum.
 */
export async function holdSystem(db: Db, cs: number): Promise<(() => Promise<void>) | undefined> {
  const held = Promise.withResolvers<boolean>();
  const end = Promise.withResolvers<void>();
  const holding = db.tx(async (tx) => {
    const [lock] = await tx.query<{ free: boolean }>(lockOf(cs));
    held.resolve(lock!.free);
    if (lock!.free) await end.promise;
  });
  holding.catch(held.reject);
  if (!(await held.promise)) return undefined;
  return async () => {
    end.resolve();
    await holding.catch(() => undefined); // the connection was lost: so was the lock
  };
}

/** The check constraint spares ATTACH PARTITION a scan. */
export const createTableSql = (table: ConceptTable, cs: number): string =>
  `create table ${tableOf(table, cs)} (like ${table} including defaults, constraint of_system check (cs = ${cs}))`;

/** By table, what finds its rows. */
const indexes: Record<ConceptTable, (table: string) => string[]> = {
  concept: (table) => [
    `create unique index on ${table} (code)`,
    `create unique index on ${table} (n)`,
    `create index on ${table} using gin (words) with (fastupdate = off)`,
  ],
  concept_lineage: (table) => [`create unique index on ${table} (n)`],
  concept_child: (table) => [`create unique index on ${table} (parent, child)`],
  concept_closure: (table) => [`create unique index on ${table} (ancestor, descendant)`],
  concept_designation: (table) => [
    `create index on ${table} (n)`,
    `create index on ${table} using gin (words) with (fastupdate = off)`,
  ],
  concept_property: (table) => [`create index on ${table} (n)`, `create index on ${table} (code, left(value, 100), n)`],
};

/** What a request may take is no measure for these; 128 MB sort the index of eight million pairs without a file. */
export async function unhurried(tx: Tx): Promise<void> {
  await tx.query({ text: "set local statement_timeout = 0; set local maintenance_work_mem = '128MB'" });
}

export async function createIndexes(tx: Tx, table: ConceptTable, cs: number, caseSensitive: boolean): Promise<void> {
  const name = tableOf(table, cs);
  for (const text of indexes[table](name)) await tx.query({ text });
  if (table === 'concept' && !caseSensitive) await tx.query({ text: `create index on ${name} (lower(code))` });
  // Arrays are read, never looked for: to gather what they hold took half a second of 400,000 concepts.
  if (table === 'concept_lineage') {
    await tx.query({ text: `alter table ${name} alter parents set statistics 0, alter ancestors set statistics 0` });
  }
  await tx.query({ text: `analyze ${name}` });
}

const FENCE: Statement = {
  text: `select cs from code_system where cs = $1 and state = 'loading'
    and ($2::int is null or (progress->>'attempt')::int = $2) for share`,
};

export const lostSystem = (cs: number): CerebraError =>
  new CerebraError('internal', `The code system ${cs} was removed, or taken up by another load, while it was written`);

/**
 * In a transaction that writes it: whoever takes the load up waits for that transaction's end. `attempt`: the number of who
 * writes, where it can be taken up. Throws `internal` when somebody has, or when it was removed.
 */
export async function stillMine(tx: Queryable, cs: number, attempt: number | undefined): Promise<void> {
  if ((await tx.query(FENCE, [cs, attempt ?? null])).length === 0) throw lostSystem(cs);
}

const LEAVE: Statement = {
  text: `update code_system set state = 'leaving', left_at = now()
    where state = 'active' and (cs = $1 or ($2::int is not null and cs <> $2 and exists (
      select from code_system t where t.cs = $2 and t.resource is not distinct from code_system.resource
        and (t.resource is not null or (t.url = code_system.url and t.version = code_system.version)))))`,
};
const ACTIVATE: Statement = {
  text: `update code_system set state = 'active', activated = now(), concepts = $2, designations = $3
    where cs = $1 and state = 'loading'`,
};
const RAISE_EPOCH: Statement = { text: 'update code_system_epoch set n = n + 1' };

/** From its commit on the system is there, and what it replaces is not. */
export async function activate(
  db: Db,
  { cs, attempt }: { cs: number; attempt: number | undefined },
  concepts: number,
  designations: number,
): Promise<void> {
  await db.tx(async (tx) => {
    await unhurried(tx);
    await stillMine(tx, cs, attempt);
    // First: whoever else activates waits here and sees what this one did.
    await tx.query(RAISE_EPOCH);
    for (const table of conceptTables) {
      await tx.query({ text: `alter table ${table} attach partition ${tableOf(table, cs)} for values in (${cs})` });
    }
    await tx.query(LEAVE, [null, cs]);
    await tx.query(ACTIVATE, [cs, concepts, designations]);
  });
}

/** It is not there any more; its tables go later. */
export async function deactivate(db: Db, cs: number): Promise<void> {
  await db.tx(async (tx) => {
    await tx.query(RAISE_EPOCH);
    await tx.query(LEAVE, [cs, null]);
  });
}

/** Its tables and its row, unless somebody is writing it; yields whether it is gone. */
function drop(db: Db, cs: number): Promise<boolean> {
  return db.tx(async (tx) => {
    // Dropping a partition locks the partitioned table, which a backup reads for as long as it takes: another time then.
    await tx.query({ text: "set local lock_timeout = '2s'" });
    const [lock] = await tx.query<{ free: boolean }>(lockOf(cs));
    if (lock?.free !== true) return false;
    // It may have become active since it was found.
    const active = await tx.query({ text: "select from code_system where cs = $1 and state = 'active'" }, [cs]);
    if (active.length > 0) return false;
    for (const table of conceptTables) await tx.query({ text: `drop table if exists ${tableOf(table, cs)}` });
    await tx.query({ text: 'delete from code_system where cs = $1' }, [cs]);
    return true;
  });
}

const LEFT: Statement = {
  text: `select cs from code_system
    where (state = 'loading' and (progress is null
      or to_timestamp((progress->>'at')::float8) < now() - interval '${UNFINISHED_DAYS} days'))
    or (state = 'leaving' and left_at < now() - interval '${LEAVING_SECONDS} seconds')`,
};

const OF_RESOURCES: Statement = {
  text: `select cs, resource, resource_version from code_system where state = 'active' and resource is not null`,
};

interface OfResource {
  cs: number;
  resource: string;
  resource_version: number;
}

/** Whether that is the version of the CodeSystem that is stored now. */
export type IsCurrent = (id: string, version: number) => Promise<boolean>;

/**
 * Removes what replaced systems, CodeSystems that were deleted and broken loads have left, the latter after seven days where
 * they can be gone on with; yields how many. What can't be removed now, since somebody reads it, stays for the next time.
 */
export async function clearUp(db: Db, isCurrent: IsCurrent = async () => true): Promise<number> {
  for (const { cs, resource, resource_version } of await db.query<OfResource>(OF_RESOURCES)) {
    if (!(await isCurrent(resource, resource_version))) await deactivate(db, cs);
  }
  const left = await db.query<{ cs: number }>(LEFT);
  let dropped = 0;
  for (const { cs } of left) if (await drop(db, cs).catch(() => false)) dropped++;
  return dropped;
}

/** What this process was writing itself, its hold released. */
export const removeSystem = async (db: Db, cs: number): Promise<void> => void (await drop(db, cs));
