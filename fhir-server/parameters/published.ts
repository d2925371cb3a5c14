// The custom search parameters in force, as the database has them (migrations/0011_custom_parameters.sql): what every
// process reads, and how a change of them is put in force.
import type { CustomParameter } from '#fhir-model';
import type { Db, Queryable, Statement, Tx } from '#platform';
import { currentTable } from '../store/layout.ts';

/** A custom parameter of one type, and how far resources are indexed by it. */
export interface Published extends CustomParameter {
  /** Id of the SearchParameter. */
  parameter: string;
  /** Every write since has indexed by this definition. */
  epoch: number;
  /** Whether all resources are. */
  indexed: boolean;
}

/** What is in force at one moment. */
export interface Snapshot {
  epoch: number;
  revision: bigint;
  parameters: Published[];
}

interface Row {
  epoch: number;
  revision: bigint;
  type: string | null;
  code: string;
  parameter: string;
  definition: string;
  about: string;
  since: number;
  indexed: boolean;
}

const read: Statement = {
  name: 'parameters_read',
  text: `select r.epoch, r.revision, p.type, p.code, p.parameter, p.definition, p.about, p.epoch as since, p.indexed
    from parameter_registry r left join custom_parameter p on true order by p.type, p.code`,
};

type Definition = Pick<CustomParameter, 'type' | 'expression' | 'fhirpath' | 'components'>;
type About = Pick<CustomParameter, 'url' | 'target' | 'description'>;

const publishedOf = ({ type, code, parameter, definition, about, since, indexed }: Row): Published => ({
  ...{ resourceType: type!, code, parameter, indexed, epoch: since },
  ...(JSON.parse(definition) as Definition),
  ...(JSON.parse(about) as About),
});

export async function readSnapshot(db: Queryable): Promise<Snapshot> {
  const rows = await db.query<Row>(read);
  const { epoch, revision } = rows[0]!;
  return { epoch, revision, parameters: rows.filter(({ type }) => type !== null).map(publishedOf) };
}

export interface Standing {
  revision: bigint;
  /** Whether it was made of the SearchParameters that are stored now. */
  current: boolean;
}

const standing: Statement = {
  name: 'parameters_standing',
  text: `select r.revision, r.source = (select count(*) || '/' || coalesce(sum(p.seq), 0)
      from ${currentTable('SearchParameter')} p) as current from parameter_registry r`,
};

export async function readStanding(db: Queryable): Promise<Standing> {
  return (await db.query<Standing>(standing))[0]!;
}

/** 'CER' and a number, as in store/locks.ts. */
const PUBLISHING = 0x43_45_52_07;

const lockPublishing: Statement = {
  name: 'parameters_publishing',
  text: 'select pg_advisory_xact_lock($1, 0)',
};

const stored: Statement = {
  name: 'parameters_stored',
  text: `select id, seq, case when strpos(body, '"active"') > 0 then body end as body
    from ${currentTable('SearchParameter')} order by rid`,
};

interface StoredRow {
  id: string;
  seq: bigint;
  body: string | null;
}

/** A SearchParameter that may be active, in the order of their creation. */
export interface StoredParameter {
  id: string;
  body: string;
}

const definitionOf = ({ type, expression, fhirpath, components }: CustomParameter): string =>
  JSON.stringify({ type, expression, ...(fhirpath && { fhirpath }), components } satisfies Definition);

const aboutOf = ({ url, target, description }: CustomParameter): string =>
  JSON.stringify({ url, target, description } satisfies About);

const nameOf = ({ resourceType, code }: CustomParameter): string => `${resourceType}.${code}`;

interface Difference {
  /** What writers have to extract from now on, not before. */
  added: Owned[];
  /** The same, told otherwise. */
  retold: Owned[];
  removed: Published[];
}

/** A wanted parameter with the id of its SearchParameter. */
export type Owned = CustomParameter & { parameter: string };

function difference(now: readonly Published[], wanted: readonly Owned[]): Difference {
  const known = new Map(now.map((one) => [nameOf(one), one]));
  const names = new Set(wanted.map(nameOf));
  const isSame = (one: Owned) => {
    const before = known.get(nameOf(one));
    return before !== undefined && definitionOf(before) === definitionOf(one);
  };
  const isRetold = (one: Owned) => {
    const before = known.get(nameOf(one))!;
    return before.parameter !== one.parameter || aboutOf(before) !== aboutOf(one);
  };
  return {
    added: wanted.filter((one) => !isSame(one)),
    retold: wanted.filter((one) => isSame(one) && isRetold(one)),
    removed: now.filter((one) => !names.has(nameOf(one))),
  };
}

/** Writers wait no longer than this for those before them; who puts parameters in force tries again. */
const LOCK_TIMEOUT_MS = 2_000;

const lockTimeout: Statement = { text: `set local lock_timeout = ${LOCK_TIMEOUT_MS}` };
const lockWriters: Statement = { text: 'lock table change in share row exclusive mode' };
const fence: Statement = { name: 'parameters_fence', text: 'select fence_parameters($1)' };

/**
 * Where no resource of the type exists there is nothing to index. Nobody is writing one either: whoever is and has no
 * change row yet is kept from having one by the fence.
 */
const insertSql = (type: string): Statement => ({
  text: `insert into custom_parameter (type, code, parameter, definition, about, epoch, indexed, indexed_at)
    select $1, $2, $3, $4, $5, $6, e.empty, case when e.empty then clock_timestamp() end
    from (select not exists (select 1 from ${currentTable(type)}) as empty) e
    on conflict (type, code) do update set parameter = excluded.parameter, definition = excluded.definition,
      about = excluded.about, epoch = excluded.epoch, indexed = excluded.indexed, indexed_at = excluded.indexed_at, run = null`,
});

const retell: Statement = {
  name: 'parameters_retell',
  text: 'update custom_parameter set parameter = $3, about = $4 where type = $1 and code = $2',
};

const remove: Statement = {
  name: 'parameters_remove',
  text: 'delete from custom_parameter where type = $1 and code = $2',
};

const settle: Statement = {
  name: 'parameters_settle',
  text: `update parameter_registry set epoch = $1, source = $2, revision = revision + $3`,
};

/** Whoever writes from now on indexes as of this epoch or is refused. */
async function keepOutOthers(tx: Tx, epoch: number): Promise<void> {
  await tx.query(lockTimeout);
  await tx.query(lockWriters);
  await tx.query(fence, [epoch]);
}

/** In force for all who write, under a new epoch. */
function add(tx: Tx, epoch: number, one: Owned): Promise<unknown> {
  const values = [one.resourceType, one.code, one.parameter, definitionOf(one), aboutOf(one), epoch];
  return tx.query(insertSql(one.resourceType), values);
}

async function write(tx: Tx, before: Snapshot, { added, retold, removed }: Difference, source: string): Promise<void> {
  const epoch = added.length > 0 ? before.epoch + 1 : before.epoch;
  // Writers before the registry's row, and that before the parameters', as all have it: a pass of $reindex that ends holds the
  // registry's row and waits for the parameters' (completeType).
  if (added.length > 0) await keepOutOthers(tx, epoch);
  await holdEpoch(tx, true);
  await Promise.all([
    ...added.map((one) => add(tx, epoch, one)),
    ...retold.map((one) => tx.query(retell, [one.resourceType, one.code, one.parameter, aboutOf(one)])),
    ...removed.map((one) => tx.query(remove, [one.resourceType, one.code])),
  ]);
  const changed = added.length + retold.length + removed.length > 0;
  await tx.query(settle, [epoch, source, changed ? 1 : 0]);
}

/**
 * Puts in force what the stored SearchParameters ask for; `wantedOf` says what that is. Whoever writes afterwards indexes by
 * it or is refused (isStale). One process at a time. Throws CerebraError `timeout` when writers keep it waiting.
 */
export async function publish(db: Db, wantedOf: (stored: StoredParameter[]) => Owned[]): Promise<void> {
  await db.tx(async (tx) => {
    await tx.query(lockPublishing, [PUBLISHING]);
    const [rows, before] = [await tx.query<StoredRow>(stored), await readSnapshot(tx)];
    const source = `${rows.length}/${rows.reduce((sum, { seq }) => sum + seq, 0n)}`;
    const active = rows.flatMap(({ id, body }) => (body === null ? [] : [{ id, body }]));
    await write(tx, before, difference(before.parameters, wantedOf(active)), source);
  });
}

const STALE = 'CR001';

/** A write was refused since it was indexed by search parameters that are no longer those in force. */
export const isStale = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === STALE;

const shareEpoch: Statement = {
  name: 'parameters_share_epoch',
  text: 'select epoch from parameter_registry for share',
};
const takeEpoch: Statement = { name: 'parameters_take_epoch', text: 'select epoch from parameter_registry for update' };

/** The epoch, which stays for as long as the transaction does; `alone` to change the registry in it. */
export async function holdEpoch(tx: Tx, alone: boolean): Promise<number> {
  return (await tx.query<{ epoch: number }>(alone ? takeEpoch : shareEpoch))[0]!.epoch;
}

const complete: Statement = {
  name: 'parameters_complete',
  text: `with u as (update custom_parameter set indexed = true, indexed_at = clock_timestamp(), run = $3
      where type = $1 and not indexed and epoch <= $2 returning 1)
    update parameter_registry set revision = revision + 1 where exists (select 1 from u)`,
};

/** All resources of the type have been indexed by a pass (of this run) that began in that epoch. Under holdEpoch, alone. */
export const completeType = (tx: Tx, type: string, epoch: number, run: string): Promise<unknown> =>
  tx.query(complete, [type, epoch, run]);
