// How far a load has come: migrations/0007_load.sql.
import type { Db, Queryable, Statement, Tx } from '#platform';

/** What became of resources. `present`: the id exists, or existed, and was left as it is; or nothing had changed. */
export interface Counts {
  created: number;
  updated: number;
  present: number;
  refused: number;
}

export const noCounts = (): Counts => ({ created: 0, updated: 0, present: 0, refused: 0 });

export function addCounts(sum: Counts, counts: Counts): void {
  sum.created += counts.created;
  sum.updated += counts.updated;
  sum.present += counts.present;
  sum.refused += counts.refused;
}

/** A file as the file system tells it. */
export interface FileIdentity {
  /** Absolute, links resolved. */
  path: string;
  bytes: number;
  /** Nanoseconds since 1970 UTC. */
  modified: bigint;
}

export interface Range extends Counts {
  file: number;
  from: number;
  to: number;
  lines: number;
}

export interface Checkpoint {
  file: number;
  finished: boolean;
  /** Of the finished file, or of its ranges. */
  counts: Counts;
  /** Rising, apart from each other. */
  ranges: Range[];
}

const register: Statement = {
  name: 'load_register',
  text: `with n as (insert into load_file (path, bytes, modified) values ($1, $2, $3)
      on conflict (path, bytes, modified) do nothing returning file)
    select file from n union all
    select file from load_file where path = $1 and bytes = $2 and modified = $3 limit 1`,
};

/** load_file.file, the same for the same file. */
export async function registerFile(db: Db, identity: FileIdentity): Promise<number> {
  const values = [identity.path, identity.bytes, identity.modified];
  const [row] = await db.query<{ file: number }>(register, values);
  // Somebody registered it at this moment: the statement's snapshot does not show it.
  return row?.file ?? registerFile(db, identity);
}

const readFile: Statement = {
  name: 'load_read',
  text: 'select finished, created, updated, present, refused from load_file where file = $1',
};

interface FileRow {
  finished: number | null;
  created: bigint;
  updated: bigint;
  present: bigint;
  refused: bigint;
}

const rangesOf: Statement = {
  name: 'load_ranges',
  text: `select from_at, to_at, lines, created, updated, present, refused from load_range where file = $1 order by from_at`,
};

interface RangeRow extends Counts {
  from_at: bigint;
  to_at: bigint;
  lines: number;
}

/** How far earlier loads came with it. */
export async function openCheckpoint(db: Db, file: number): Promise<Checkpoint> {
  const [row] = await db.query<FileRow>(readFile, [file]);
  const { finished, created, updated, present, refused } = row!;
  const counts: Counts = {
    created: Number(created),
    updated: Number(updated),
    present: Number(present),
    refused: Number(refused),
  };
  if (finished !== null) return { file, finished: true, counts, ranges: [] };
  const rows = await db.query<RangeRow>(rangesOf, [file]);
  const ranges = rows.map(({ from_at, to_at, ...rest }) => ({
    ...{ file, from: Number(from_at), to: Number(to_at) },
    ...rest,
  }));
  for (const range of ranges) addCounts(counts, range);
  return { file, finished: false, counts, ranges };
}

const forget: Statement = {
  name: 'load_forget',
  text: `with r as (delete from load_range where file = $1)
    update load_file set started = now(), finished = null, created = 0, updated = 0, present = 0, refused = 0
    where file = $1`,
};

/** The file is loaded from its start again. */
export async function forgetCheckpoint(db: Db, file: number): Promise<void> {
  await db.query(forget, [file]);
}

const insertRanges: Statement = {
  name: 'load_insert_ranges',
  text: `insert into load_range (file, from_at, to_at, lines, created, updated, present, refused)
    select * from unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[])`,
};

/** Throws SQLSTATE 23505 when another load has dealt with one of them. */
export async function saveRanges(tx: Tx, ranges: Range[]): Promise<void> {
  await tx.query(insertRanges, [
    ranges.map(({ file }) => file),
    ranges.map(({ from }) => from),
    ranges.map(({ to }) => to),
    ranges.map(({ lines }) => lines),
    ranges.map(({ created }) => created),
    ranges.map(({ updated }) => updated),
    ranges.map(({ present }) => present),
    ranges.map(({ refused }) => refused),
  ]);
}

const findRanges: Statement = {
  name: 'load_find_ranges',
  text: `select r.file, r.created, r.updated, r.present, r.refused
    from unnest($1::int[], $2::bigint[]) as w(file, from_at) join load_range r using (file, from_at)`,
};

/** What is recorded of ranges that begin there; fewer if not all are. */
export function savedRanges(
  db: Queryable,
  ranges: { file: number; from: number }[],
): Promise<(Counts & { file: number })[]> {
  return db.query(findRanges, [ranges.map(({ file }) => file), ranges.map(({ from }) => from)]);
}

const finish: Statement = {
  name: 'load_finish',
  text: `with s as (select count(*) as pieces, coalesce(sum(created), 0) as created, coalesce(sum(updated), 0) as updated,
        coalesce(sum(present), 0) as present, coalesce(sum(refused), 0) as refused from load_range where file = $1),
    f as (update load_file f set finished = now(), created = s.created, updated = s.updated, present = s.present,
        refused = s.refused from s where f.file = $1 and s.pieces = $2 returning f.file),
    r as (delete from load_range where file in (select file from f))
    select file from f`,
};

/** False, and nothing is done, unless it has so many ranges. */
export async function finishFile(db: Db, file: number, ranges: number): Promise<boolean> {
  return (await db.query(finish, [file, ranges])).length > 0;
}
