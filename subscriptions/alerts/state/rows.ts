// Tables alert, alert_fact and alert_watch (migrations/0027_alerts.sql).
import { CerebraError, type Queryable, type Statement, type Tx } from '#platform';
import type { Fact, MemoryChanges, Remembered, Watch } from '../rules/memory.ts';
import type { Severity } from '../seams.ts';
import { type AlertRow, neverRaised } from './row.ts';

export const columns = `id, rule, subject, key, episode, status, severity, title, detail, code, encounter, evidence, escalation, at,
  raised_at, ended_at, acknowledged_at, acknowledged_by, note, tells, notify_at, group_id, change_xid, change_seq, revision,
  causes`;

export interface StoredRow {
  id: string;
  rule: string;
  subject: string;
  key: string;
  episode: number;
  status: AlertRow['status'];
  severity: Severity;
  title: string;
  detail: string;
  code: AlertRow['code'] | null;
  encounter: string | null;
  evidence: string[];
  escalation: string | null;
  at: number;
  raised_at: number;
  ended_at: number | null;
  acknowledged_at: number | null;
  acknowledged_by: string | null;
  note: string | null;
  tells: number;
  notify_at: number | null;
  group_id: string | null;
  change_xid: bigint | null;
  change_seq: bigint | null;
  revision: number;
  causes: string[];
}

const optional = <K extends string, V>(name: K, value: V | null | undefined): { [P in K]?: V } =>
  (value === null || value === undefined ? {} : { [name]: value }) as { [P in K]?: V };

export function rowOf(stored: StoredRow): AlertRow {
  const { id, rule, subject, key, episode, status, severity, title, detail, evidence, tells, revision, causes } =
    stored;
  const { change_xid: xid, change_seq: seq } = stored;
  return {
    ...{ id, rule, subject, key, episode, status, severity, title, detail, evidence, tells, revision, causes },
    ...{ atMs: stored.at, raisedMs: stored.raised_at },
    ...optional('code', stored.code),
    ...optional('encounter', stored.encounter),
    ...optional('escalation', stored.escalation),
    ...optional('endedMs', stored.ended_at),
    ...optional('acknowledgedMs', stored.acknowledged_at),
    ...optional('acknowledgedBy', stored.acknowledged_by),
    ...optional('note', stored.note),
    ...optional('notifyMs', stored.notify_at),
    ...optional('group', stored.group_id),
    ...(xid === null || seq === null ? {} : { position: { xid, seq } }),
  };
}

const latest: Statement = {
  name: 'alert_latest',
  text: `select a.* from unnest($1::text[], $2::text[], $3::text[]) w (rule, subject, key)
    cross join lateral (select ${columns} from alert
      where rule = w.rule and subject = w.subject and key = w.key order by episode desc limit 1) a`,
};

export type AlertKey = Pick<AlertRow, 'rule' | 'subject' | 'key'>;

export const alertKeyOf = ({ rule, subject, key }: AlertKey): string => JSON.stringify([rule, subject, key]);

/** The latest episode of each, by alertKeyOf. */
export async function latestRows(db: Queryable, keys: readonly AlertKey[]): Promise<Map<string, AlertRow>> {
  const values = [keys.map((one) => one.rule), keys.map((one) => one.subject), keys.map((one) => one.key)];
  const rows = keys.length === 0 ? [] : await db.query<StoredRow>(latest, values);
  return new Map(rows.map((row) => [alertKeyOf(row), rowOf(row)]));
}

const byId: Statement = { name: 'alert_by_id', text: `select ${columns} from alert where id = $1` };

export async function rowById(db: Queryable, id: string): Promise<AlertRow | undefined> {
  const [row] = await db.query<StoredRow>(byId, [id]);
  return row && rowOf(row);
}

const insert: Statement = {
  name: 'alert_insert',
  text: `insert into alert (${columns})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, to_timestamp($14::float8 / 1000),
      to_timestamp($15::float8 / 1000), to_timestamp($16::float8 / 1000), to_timestamp($17::float8 / 1000), $18, $19, $20,
      to_timestamp($21::float8 / 1000), $22, $23, $24, $25, $26)
    on conflict do nothing`,
};

const update: Statement = {
  name: 'alert_update',
  text: `update alert set status = $6, severity = $7, title = $8, detail = $9, code = $10, encounter = $11, evidence = $12,
      escalation = $13, at = to_timestamp($14::float8 / 1000), raised_at = to_timestamp($15::float8 / 1000), ended_at = to_timestamp($16::float8 / 1000),
      acknowledged_at = to_timestamp($17::float8 / 1000), acknowledged_by = $18, note = $19, tells = $20,
      notify_at = to_timestamp($21::float8 / 1000), group_id = $22, change_xid = $23, change_seq = $24, revision = $25, causes = $26
    where id = $1 and rule = $2 and subject = $3 and key = $4 and episode = $5 and revision = $25 - 1`,
};

/** Throws `version-conflict` when somebody else has changed it meanwhile: what was decided on it must be decided again. */
export async function saveRow(tx: Tx, row: AlertRow): Promise<void> {
  const values = [
    ...[row.id, row.rule, row.subject, row.key, row.episode, row.status, row.severity, row.title, row.detail],
    ...[row.code ? JSON.stringify(row.code) : null, row.encounter ?? null, row.evidence, row.escalation ?? null],
    ...[row.atMs, row.raisedMs, row.endedMs ?? null, row.acknowledgedMs ?? null, row.acknowledgedBy ?? null],
    ...[row.note ?? null, row.tells, row.notifyMs ?? null, row.group ?? null],
    ...[row.position?.xid ?? null, row.position?.seq ?? null, row.revision + 1, row.causes ?? []],
  ];
  if ((await tx.queryCount(row.revision === 0 ? insert : update, values)) === 1) return;
  throw new CerebraError('version-conflict', 'The alert was changed by somebody else meanwhile');
}

// The two by their indexes, then the rows by their ids: with OR every alert there ever was is looked at, 130 ms of 300,000.
const group: Statement = {
  name: 'alert_lock_group',
  text: `select from alert
    where id = any (array(select $1::text union all select id from alert where group_id = $1 and status <> 'resolved'))
    order by id collate "C" for no key update`,
};

/** The alert of a storm and those it stands for, before they are changed together. */
export const lockGroup = (tx: Tx, id: string): Promise<unknown> => tx.query(group, [id]);

const activeInGroup: Statement = {
  name: 'alert_active_in_group',
  text: `select 1 from alert where group_id = $1 and status = 'active' limit 1`,
};

/** Whether there is something that the alert of a storm stands for and nobody has acknowledged. */
export const standsForActive = async (db: Queryable, storm: string): Promise<boolean> =>
  (await db.query(activeInGroup, [storm])).length > 0;

/** A condition on table alert. */
export const wasRaised = `status <> 'suppressed' and note is distinct from '${neverRaised}'`;

const raisedSince: Statement = {
  name: 'alert_raised_since',
  text: `select raised_at from alert where rule = $1 and raised_at > to_timestamp($2::float8 / 1000) and key <> 'storm'
      and ${wasRaised} order by raised_at desc limit $3`,
};

/** When alerts of the rule were raised since then; the latest, and no more than `limit` of them. */
export async function raisedOf(db: Queryable, rule: string, sinceMs: number, limit: number): Promise<number[]> {
  const rows = await db.query<{ raised_at: number }>(raisedSince, [rule, sinceMs, limit]);
  return rows.map((row) => row.raised_at);
}

const factsOf: Statement = {
  name: 'alert_facts',
  text: `select subject, series, resource, at as "atMs", value from alert_fact where rule = $1 and subject = any ($2)`,
};
const watchesOf: Statement = {
  name: 'alert_watches',
  text: `select subject, seen_at as "seenMs", due_at as "dueMs", resource, version from alert_watch
    where rule = $1 and subject = any ($2)`,
};

/**
 * Series of the row that says of a subject that the store was read for it: `value` is the version of the rule, `resource` is
 * ''. Other series begin with the number of an action.
 */
const readSeries = '@';

/** What the rule remembers of these subjects. */
export async function remembered(db: Queryable, rule: string, subjects: readonly string[]): Promise<Remembered> {
  const [rows, watches] = await Promise.all([
    db.query<Fact & { subject: string }>(factsOf, [rule, subjects]),
    db.query<Watch & { subject: string }>(watchesOf, [rule, subjects]),
  ]);
  const read = rows.filter(({ series }) => series === readSeries);
  return {
    read: read.map(({ subject, value }) => ({ subject, version: value })),
    facts: read.length === 0 ? rows : rows.filter(({ series }) => series !== readSeries),
    watches,
  };
}

const putFacts: Statement = {
  name: 'alert_put_facts',
  text: `insert into alert_fact (rule, subject, series, resource, at, value)
    select $1, f.subject, f.series, f.resource, to_timestamp(f.at / 1000), f.value
    from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[]) f (subject, series, resource, at, value)
    on conflict (rule, subject, series, resource) do update set at = excluded.at, value = excluded.value`,
};
const dropFacts: Statement = {
  name: 'alert_drop_facts',
  text: `delete from alert_fact f using unnest($2::text[], $3::text[], $4::text[]) d (subject, series, resource)
    where f.rule = $1 and f.subject = d.subject and f.series = d.series and f.resource = d.resource`,
};
const putWatches: Statement = {
  name: 'alert_put_watches',
  text: `insert into alert_watch (rule, subject, seen_at, due_at, resource, version)
    select $1, w.subject, to_timestamp(w.seen / 1000), to_timestamp(w.due / 1000), w.resource, w.version
    from unnest($2::text[], $3::float8[], $4::float8[], $5::text[], $6::int[]) w (subject, seen, due, resource, version)
    on conflict (rule, subject) do update set seen_at = excluded.seen_at, due_at = excluded.due_at,
      resource = excluded.resource, version = excluded.version`,
};
const dropWatches: Statement = {
  name: 'alert_drop_watches',
  text: 'delete from alert_watch where rule = $1 and subject = any ($2)',
};

export async function saveMemory(db: Queryable, rule: string, changes: MemoryChanges): Promise<void> {
  const facts = [...changes.read.map(readFact), ...changes.facts];
  const put = facts.filter(({ fact }) => fact !== null);
  const gone = facts.filter(({ fact }) => fact === null);
  const names = (some: typeof facts) => [
    some.map((one) => one.subject),
    some.map((one) => one.series),
    some.map((one) => one.resource),
  ];
  const waits: Promise<unknown>[] = [];
  if (put.length > 0) {
    const values = [put.map(({ fact }) => fact!.atMs), put.map(({ fact }) => fact!.value)];
    waits.push(db.query(putFacts, [rule, ...names(put), ...values]));
  }
  if (gone.length > 0) waits.push(db.query(dropFacts, [rule, ...names(gone)]));
  await Promise.all([...waits, ...watchQueries(db, rule, changes.watches)]);
}

/** Monitors that send each second change a watch each. */
function watchQueries(db: Queryable, rule: string, watches: MemoryChanges['watches']): Promise<unknown>[] {
  const put = watches.flatMap(({ subject, watch }) => (watch ? [{ subject, ...watch }] : []));
  const gone = watches.flatMap(({ subject, watch }) => (watch ? [] : [subject]));
  const values = [
    put.map(({ subject }) => subject),
    put.map(({ seenMs }) => seenMs),
    put.map(({ dueMs }) => dueMs),
    put.map(({ resource }) => resource),
    put.map(({ version }) => version),
  ];
  return [
    ...(put.length > 0 ? [db.query(putWatches, [rule, ...values])] : []),
    ...(gone.length > 0 ? [db.query(dropWatches, [rule, gone])] : []),
  ];
}

function readFact({ subject, version }: MemoryChanges['read'][number]): MemoryChanges['facts'][number] {
  const fact = { series: readSeries, resource: '', atMs: 0, value: version };
  return { subject, series: readSeries, resource: '', fact };
}
