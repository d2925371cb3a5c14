// Deletions of the same moment share a statement, as updates do. https://hl7.org/fhir/R4/http.html#delete
import type { AccessScope } from '#fhir-model';
import type { Queryable } from '#platform';
import { type ScopeSql, scopeKey, scopeSql } from '../access/scope.ts';
import { deleteIndexRows } from './index-sql.ts';
import { numericArray } from './insert-many.ts';
import { currentTable, historyTable } from './layout.ts';
import { named, seconds } from './sql.ts';
import { eachOutcome, lockEachSql, ofFirsts } from './update-each.ts';
import { outcomeIfFree, type UpdateRow, type WriteOutcome } from './write-one.ts';

export interface DeleteRequest {
  type: string;
  id: string;
  updatedMs: number;
  /** The version that is deleted; undefined: whichever is current. */
  ifVersion: number | undefined;
  scope: AccessScope;
}

/** Requests of other keys never share a statement. */
export const deleteKey = ({ type, scope }: DeleteRequest): string => type + scopeKey(scope);

function deleteEachSql(type: string, access: ScopeSql): string {
  return `with v as materialized (select u.* from unnest($1::text[], $2::float8[], $3::int[])
      with ordinality as u(id, seconds, wanted, place)),
    ${lockEachSql({ type, access, ids: 1, first: 4 })},
    d as (delete from ${currentTable(type)} r using g where r.rid = g.rid),
    t as (insert into ${historyTable(type)} (seq, updated, version, type, op, id)
      select next_seq, next_updated, version + 1, type, 'd', id from g),
    c as (insert into change (seq, updated, version, type, op, id)
      select next_seq, next_updated, version + 1, type, 'd', id from g)
    ${deleteIndexRows('g')}
    ${eachOutcome}`;
}

async function deleteFirsts(db: Queryable, many: DeleteRequest[]): Promise<(WriteOutcome | undefined)[]> {
  const { type, scope } = many[0]!;
  const access = scopeSql(scope);
  const rows = await db.query<UpdateRow>(
    named(`delete_each_${type}${access.name}`, () => deleteEachSql(type, access)),
    [
      many.map(({ id }) => id),
      numericArray(many, ({ updatedMs }) => seconds(updatedMs)),
      numericArray(many, ({ ifVersion }) => ifVersion),
      ...access.values,
    ],
  );
  return rows.map((row, at) => outcomeIfFree(row, many[at]!.ifVersion));
}

/** As deleteOne of each, all of one deleteKey. undefined: as of updateEach. */
export const deleteEach = (db: Queryable, many: DeleteRequest[]): Promise<(WriteOutcome | undefined)[]> =>
  ofFirsts(
    many,
    ({ id }) => id,
    (firsts) => deleteFirsts(db, firsts),
  );
