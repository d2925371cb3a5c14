// Ids that stand for resources which the access scope hides: https://hl7.org/fhir/R4/security.html#AccessDenied
import type { AccessScope } from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { currentTable } from './layout.ts';
import { named } from './sql.ts';

/**
 * Throws `forbidden` when one of the ids, which the caller has not found, has a current resource all the same: the id can't be
 * used for a new one, however often that is tried. Asks nothing where the scope hides nothing.
 */
export async function assertNoneHidden(
  db: Queryable,
  type: string,
  ids: readonly string[],
  scope: AccessScope,
): Promise<void> {
  const access = scopeSql(scope);
  if (scope.kind === 'everything' || ids.length === 0) return;
  const statement = named(
    `hidden_${type}${access.name}`,
    () => `select r.id from ${currentTable(type)} r
      where r.id = any($1::text[]) and not coalesce(${access.condition('r', 2)}, false) order by r.id limit 1`,
  );
  const [hidden] = await db.query<{ id: string }>(statement, [ids, ...access.values]);
  if (hidden) throw new CerebraError('forbidden', `This access does not allow changing ${type}/${hidden.id}`);
}
