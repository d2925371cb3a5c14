// Many criteria at once, each of one token: what a Bundle of conditional creates and updates by identifier asks.
// https://hl7.org/fhir/R4/http.html#ccreate
import type { SearchQuery, StoredVersion } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { named, PAGE_BYTES_MAX, pageBody } from '../store/sql.ts';
import { criterionHashes } from './conditions.ts';
import { isJoin } from './joins.ts';
import type { PageContext } from './page.ts';
import { isOpen } from './term-systems.ts';

/** The one index token that all matches have and nothing else has; undefined where more than that decides. */
export function decidingToken({ criteria, contained }: SearchQuery): string | undefined {
  const [criterion, more] = criteria;
  if (!criterion || more || contained !== undefined || isJoin(criterion)) return undefined;
  const { param, modifier, filter, values } = criterion;
  if (param.type !== 'token' || param.code === '_id' || modifier !== undefined || filter !== undefined)
    return undefined;
  if (!values.every((value) => value.kind === 'token' && !indexedAs(param).some((source) => isOpen(source, value))))
    return undefined;
  const { tokens, facts } = criterionHashes(criterion);
  const hashes = new Set(tokens);
  return facts.length === 0 && hashes.size === 1 ? hashes.values().next().value : undefined;
}

/**
 * The look-up of each token is planned by itself and not for its LIMIT: for that the planner, which does not know how rare
 * a token is, would read the whole table.
 */
function byTokenSql(type: string, condition: string): string {
  return `select k.n::int as n, r.id, r.version, r.updated, ${pageBody('r', 'k.n, r.rid')}
    from unnest($1::bigint[]) with ordinality as k(hash, n)
    cross join lateral (
      with m as materialized (select rid, id, version, updated, body from ${currentTable(type)} r
        where r.tokens @> array[k.hash] and ${condition})
      select * from m limit $2) r
    order by k.n, r.rid`;
}

interface Row {
  n: number;
  id: string;
  version: number;
  updated: number;
  body: string | null;
}

/** Up to `count` matches for each of the tokens. Throws `too-costly` when all have more than PAGE_BYTES_MAX. */
export async function findByTokens(
  page: Pick<PageContext, 'db' | 'scope'>,
  type: string,
  tokens: string[],
  count: number,
): Promise<StoredVersion[][]> {
  const access = scopeSql(page.scope);
  const statement = named(`by_tokens_${type}${access.name}`, () => byTokenSql(type, access.condition('r', 3)));
  const rows = await page.db.query<Row>(statement, [tokens, count, ...access.values]);
  const found: StoredVersion[][] = tokens.map(() => []);
  for (const { n, id, version, updated, body } of rows) {
    if (body === null) {
      const text = `The resources that the criteria match have more than ${PAGE_BYTES_MAX} bytes: use smaller Bundles`;
      throw new CerebraError('too-costly', text);
    }
    found[n - 1]!.push({ type, id, version, updatedMs: updated, body, deleted: false });
  }
  return found;
}
