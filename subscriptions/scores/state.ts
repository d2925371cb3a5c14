// Tables score_reading, score_patient and score_due: migrations/0029_scores.sql
import { CerebraError, type Queryable, type Statement, type Tx } from '#platform';
import type { Reading } from './readings.ts';

export interface KnownPatient {
  patient: string;
  /** Patient.birthDate, or ''. */
  born: string;
  /** Time of the latest reading, milliseconds since 1970 UTC. */
  lastAtMs: number;
}

/** A stretch of a patient's time, both ends included, whose scores are to be computed. */
export interface Due {
  id: bigint;
  patient: string;
  fromMs: number;
  toMs: number;
  /** Scores in it may have lost what led to them. */
  doubtful: boolean;
}

/** What a reading that came, changed or went calls for. */
export interface Affected {
  patient: string;
  vital: string;
  atMs: number;
  /** How long it counts for scores, milliseconds. */
  windowMs: number;
  doubtful: boolean;
  /** Nothing of the patient is later: it concerns its own instant only. */
  latest: boolean;
}

const columns = `patient, vital, at::float8 as "atMs", observation, value, preliminary, encounter`;

const byObservation: Statement = {
  name: 'score_readings_of',
  text: `select ${columns} from score_reading where observation = any($1::text[])`,
};

/** What is known of these Observations. */
export const readingsOf = (db: Queryable, observations: readonly string[]): Promise<Reading[]> =>
  db.query<Reading>(byObservation, [observations]);

const patients: Statement = {
  name: 'score_patients',
  text: `select patient, born, last_at::float8 as "lastAtMs" from score_patient where patient = any($1::text[])`,
};

export const knownPatients = (db: Queryable, ids: readonly string[]): Promise<KnownPatient[]> =>
  db.query<KnownPatient>(patients, [ids]);

export interface Changes {
  /** Observations whose readings are replaced. */
  observations: readonly string[];
  readings: readonly Reading[];
  patients: readonly KnownPatient[];
  affected: readonly Affected[];
  /** Of patients all of whose scores are to be computed again. */
  anew: readonly string[];
}

const remove: Statement = {
  name: 'score_readings_remove',
  text: 'delete from score_reading where observation = any($1::text[])',
};

const insert: Statement = {
  name: 'score_readings_insert',
  text: `insert into score_reading (patient, vital, at, observation, value, preliminary, encounter)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::text[])`,
};

const savePatients: Statement = {
  name: 'score_patients_save',
  text: `insert into score_patient as p (patient, born, last_at)
    select * from unnest($1::text[], $2::text[], $3::bigint[])
    on conflict (patient) do update set born = excluded.born, last_at = greatest(p.last_at, excluded.last_at)
      where p.born <> excluded.born or p.last_at < excluded.last_at`,
};

// Until the next reading of the vital, which counts instead, or as long as this one counts.
const addDue: Statement = {
  name: 'score_due_add',
  text: `insert into score_due (patient, from_at, to_at, doubtful)
    select a.patient, a.at, case when a.latest then a.at else least(n.at - 1, a.at + a.counts) end, a.doubtful
    from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::boolean[])
      as a (patient, vital, at, counts, doubtful, latest)
    left join lateral (select r.at from score_reading r
      where r.patient = a.patient and r.vital = a.vital and r.at > a.at and not a.latest order by r.at limit 1) n on true`,
};

const addAll: Statement = {
  name: 'score_due_all',
  text: `insert into score_due (patient, from_at, to_at, doubtful)
    select patient, min(at), max(at), true from score_reading where patient = any($1::text[]) group by patient`,
};

/** Writes readings and what they call for. */
export async function saveChanges(
  tx: Tx,
  { observations, readings, patients: known, affected, anew }: Changes,
): Promise<void> {
  const done = [tx.query(remove, [observations])];
  if (readings.length > 0) {
    done.push(
      tx.query(insert, [
        readings.map((one) => one.patient),
        readings.map((one) => one.vital),
        readings.map((one) => one.atMs),
        readings.map((one) => one.observation),
        readings.map((one) => one.value),
        readings.map((one) => one.preliminary),
        readings.map((one) => one.encounter),
      ]),
    );
  }
  done.push(
    tx.query(savePatients, [known.map((p) => p.patient), known.map((p) => p.born), known.map((p) => p.lastAtMs)]),
  );
  done.push(
    tx.query(addDue, [
      affected.map((one) => one.patient),
      affected.map((one) => one.vital),
      affected.map((one) => one.atMs),
      affected.map((one) => one.windowMs),
      affected.map((one) => one.doubtful),
      affected.map((one) => one.latest),
    ]),
  );
  if (anew.length > 0) done.push(tx.query(addAll, [anew]));
  await Promise.all(done);
}

// Instants before stretches: what has just come goes before what is computed again.
const due: Statement = {
  name: 'score_due',
  text: `select id, patient, from_at::float8 as "fromMs", to_at::float8 as "toMs", doubtful from score_due
    order by to_at > from_at or doubtful, id limit $1`,
};

export const dueNow = (db: Queryable, limit: number): Promise<Due[]> => db.query<Due>(due, [limit]);

export interface Ask {
  patient: string;
  fromMs: number;
  toMs: number;
}

// Of each vital the readings in the stretch, and the latest before it that may still count.
const stretches: Statement = {
  name: 'score_stretches',
  text: `select a.place::int as place, r.patient, v.vital, r.at::float8 as "atMs", r.observation, r.value, r.preliminary, r.encounter
    from unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality as a (patient, from_at, to_at, place)
    cross join unnest($4::text[], $5::bigint[]) as v (vital, counts)
    cross join lateral (
      (select * from score_reading b where b.patient = a.patient and b.vital = v.vital and b.at < a.from_at
        and b.at >= a.from_at - v.counts order by b.at desc, b.observation desc limit 1)
      union all
      (select * from score_reading b where b.patient = a.patient and b.vital = v.vital and b.at >= a.from_at
        and b.at <= a.to_at order by b.at, b.observation limit $6)) r`,
};

/** Readings by the place of the asked stretch; `readingsMax` of a vital and stretch at most, beside the one before it. */
export async function readStretches(
  db: Queryable,
  asked: readonly Ask[],
  windows: ReadonlyMap<string, number>,
  readingsMax: number,
): Promise<Reading[][]> {
  const found: Reading[][] = asked.map(() => []);
  const values = [
    asked.map((one) => one.patient),
    asked.map((one) => one.fromMs),
    asked.map((one) => one.toMs),
    [...windows.keys()],
    [...windows.values()],
    readingsMax,
  ];
  const rows = await db.query<Reading & { place: number }>(stretches, values);
  for (const { place, ...reading } of rows) found[place - 1]!.push(reading);
  return found;
}

const fence: Statement = {
  name: 'score_fence',
  text: `update subscriber set lease_until = greatest(lease_until, statement_timestamp() + $3 * interval '1 millisecond')
    where id = $1 and lease_token = $2`,
};

/** Who delivers to the subscriber, by its lease. */
export interface Fence {
  id: string;
  lease_token: bigint;
}

/** The last statement before a commit: keeps the lease for `leaseMs`. Throws `unavailable` when it is another's now. */
export async function assertFence(tx: Tx, { id, lease_token }: Fence, leaseMs: number): Promise<void> {
  if ((await tx.queryCount(fence, [id, lease_token, leaseMs])) === 0) {
    throw new CerebraError('unavailable', 'Another server computes scores now');
  }
}

const done: Statement = { name: 'score_due_done', text: 'delete from score_due where id = any($1::bigint[])' };
const later: Statement = { name: 'score_due_later', text: 'update score_due set from_at = $2 where id = $1' };

/** What is computed: these are, and of `rest` all before its `fromMs`. */
export async function endDue(
  tx: Queryable,
  ids: readonly bigint[],
  rest?: { id: bigint; fromMs: number },
): Promise<void> {
  if (rest) await tx.query(later, [rest.id, rest.fromMs]);
  if (ids.length > 0) await tx.query(done, [ids]);
}

const waiting: Statement = {
  name: 'score_waiting',
  text: 'select last_number > $2 as more from subscriber where id = $1',
};

/** Whether more is to be delivered after this number. */
export async function moreWaits(db: Queryable, id: string, number: bigint): Promise<boolean> {
  return (await db.query<{ more: boolean }>(waiting, [id, number]))[0]?.more ?? false;
}
