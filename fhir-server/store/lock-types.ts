// The rows of several types that a transaction changes, locked and looked up together: one statement costs node 20 µs and
// PostgreSQL as much before it does anything, and an HL7 message changes resources of two to five types.
import type { AccessScope } from '#fhir-model';
import type { Tx } from '#platform';
import { type ScopeSql, scopeSql } from '../access/scope.ts';
import { createOften } from './often.ts';
import { named } from './sql.ts';
import { allocate, type Locked, lockRows, lockSql, type Tombstone, tombstones, tombstonesSql } from './write-many.ts';

/** Ids of each type, the types in the order in which they are locked. */
export type IdsByType = readonly (readonly [type: string, ids: string[]])[];

const comesOften = createOften({ namesMax: 16, usesMin: 20 });

/** `t`: place of the type. */
type Placed<Row> = Row & { t: number };

/** CTEs that lock run in the order in which they are read: type by type. */
function lockTypesSql(types: readonly string[], access: ScopeSql): string {
  const locks = types.map((type, i) => `l${i} as (${lockSql(type, access, i + 1, types.length + 1)})`);
  return `with ${locks.join(', ')} ${types.map((_, i) => `select ${i} as t, * from l${i}`).join(' union all ')}`;
}

/** And new numbers, as many as the last parameter says. */
function goneSql(types: readonly string[]): string {
  const each = types.map(
    (type, i) => `select ${i} as t, id, version, updated, null::bigint as n from (${tombstonesSql(type, i + 1)}) d${i}`,
  );
  const numbers = `select null, null, null, null, nextval('resource_seq') from generate_series(1, $${types.length + 1}::int)`;
  return [...each, numbers].join(' union all ');
}

interface Found {
  rows: Placed<Locked>[];
  gone: Placed<Tombstone>[];
  numbers: bigint[];
}

export interface LockedTypes {
  /** By `Type/id`. */
  rows: Map<string, Locked>;
  gone: Map<string, Tombstone>;
  numbers: bigint[];
}

/**
 * As lockRows and tombstones of each type, and allocate of so many numbers, which see all that the locks have waited for: a
 * number is higher than those of the versions that it follows.
 */
export async function lockTypes(
  tx: Tx,
  groups: IdsByType,
  scope: AccessScope,
  numberCount: number,
): Promise<LockedTypes> {
  const types = groups.map(([type]) => type);
  const name = types.join('_');
  // PostgreSQL tells names of statements apart by 63 bytes.
  const together = types.length > 1 && name.length <= 40 && comesOften(name);
  const { rows, gone, numbers } = await (together
    ? lockTogether(tx, groups, types, name, scope, numberCount)
    : lockEach(tx, groups, scope, numberCount));
  const byName = <Row extends { id: string }>(placed: Placed<Row>[]): Map<string, Row> =>
    new Map(placed.map((row) => [`${types[row.t]}/${row.id}`, row]));
  return { rows: byName(rows), gone: byName(gone), numbers };
}

type Gone = Placed<Tombstone> & { n: null };
type NewNumber = { t: null; n: bigint };

async function lockTogether(
  tx: Tx,
  groups: IdsByType,
  types: readonly string[],
  name: string,
  scope: AccessScope,
  numberCount: number,
): Promise<Found> {
  const access = scopeSql(scope);
  const ids = groups.map(([, some]) => some);
  const [rows, others] = await Promise.all([
    tx.query<Placed<Locked>>(
      named(`locks_${name}${access.name}`, () => lockTypesSql(types, access)),
      [...ids, ...access.values],
    ),
    tx.query<Gone | NewNumber>(
      named(`gone_new_${name}`, () => goneSql(types)),
      [...ids, numberCount],
    ),
  ]);
  const gone = others.filter((row): row is Gone => row.n === null);
  return { rows, gone, numbers: others.flatMap(({ n }) => n ?? []) };
}

async function lockEach(tx: Tx, groups: IdsByType, scope: AccessScope, numberCount: number): Promise<Found> {
  const placed = <Row>(lists: Row[][]): Placed<Row>[] => lists.flatMap((list, t) => list.map((row) => ({ ...row, t })));
  const each = groups.map(([type, ids]) => [lockRows(tx, type, ids, scope), tombstones(tx, type, ids)] as const);
  const rows = Promise.all(each.map(([locked]) => locked));
  const gone = Promise.all(each.map(([, dead]) => dead));
  const [locked, dead, numbers] = await Promise.all([rows, gone, allocate(tx, numberCount)]);
  return { rows: placed(locked), gone: placed(dead), numbers };
}
