// Whom a reference comes from counts as well: what only a hidden resource refers to is not part of a record.
import type { AccessScope } from '#fhir-model';
import { scopeCondition } from '../search/conditions.ts';
import { isOf } from '../search/index-tests.ts';
import type { SqlBuilder } from '../search/sql-text.ts';
import { currentTable } from '../store/layout.ts';

/**
 * The row `y` of index_reference, whose parameter is one of `params` (keys by type), is of a resource that the scope shows. Each
 * is looked up in the table of its type; nothing is where the scope hides nothing.
 */
export function isOfVisible(
  sql: SqlBuilder,
  scope: AccessScope,
  y: string,
  params: ReadonlyMap<string, readonly number[]>,
): string {
  if (scope.kind === 'everything') return 'true';
  const ofType = ([type, keys]: [string, readonly number[]]) =>
    `(${y}.param = any(${sql.value(keys)}::int[]) and exists (select 1 from ${currentTable(type)} v
      where ${isOf('v.rid', `${y}.rid`)} and ${scopeCondition({ sql, scope }, 'v')}))`;
  return `(${['false', ...[...params].map(ofType)].join(' or ')})`;
}
