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

/** Index tokens that decide alone: what matches has all of them, or any of them, and nothing else does. */
export interface DecidingTokens {
  of: 'all' | 'any';
  tokens: string[];
}

/** Of one criterion, the tokens of which any is enough; undefined where more than these decides. */
function tokensOf(criterion: SearchQuery['criteria'][number]): string[] | undefined {
  if (isJoin(criterion)) return undefined;
  const { param, modifier, filter, values } = criterion;
  if (param.type !== 'token' || param.code === '_id' || modifier !== undefined || filter !== undefined)
    return undefined;
  if (!values.every((value) => value.kind === 'token' && !indexedAs(param).some((source) => isOpen(source, value))))
    return undefined;
  const { tokens, facts } = criterionHashes(criterion);
  return facts.length === 0 && tokens.length > 0 ? [...new Set(tokens)] : undefined;
}

/** Undefined where more than index tokens decides, or several that are neither all wanted nor any of them. */
export function decidingTokens({ criteria, contained }: SearchQuery): DecidingTokens | undefined {
  if (criteria.length === 0 || contained !== undefined) return undefined;
  const each = criteria.map(tokensOf);
  if (!each.every((tokens) => tokens !== undefined)) return undefined;
  if (each.length === 1) return { of: each[0]!.length === 1 ? 'all' : 'any', tokens: each[0]! };
  return each.every(({ length }) => length === 1) ? { of: 'all', tokens: [...new Set(each.flat())] } : undefined;
}

/** The one index token that all matches have and nothing else has; undefined where more than that decides. */
export function decidingToken(query: SearchQuery): string | undefined {
  const deciding = decidingTokens(query);
  return deciding?.tokens.length === 1 ? deciding.tokens[0] : undefined;
}

/**
 * Each look-up is planned by itself and not for its LIMIT: for that the planner, which does not know how rare a token is,
 * would read the whole table.
 */
function byTokenSql(type: string, of: DecidingTokens['of'], condition: string): string {
  return `select k.n::int as n, r.id, r.version, r.updated, ${pageBody('r', 'k.n, r.rid')}
    from unnest($1::text[]) with ordinality as k(hashes, n)
    cross join lateral (
      with m as materialized (select rid, id, version, updated, body from ${currentTable(type)} r
        where r.tokens ${of === 'all' ? '@>' : '&&'} k.hashes::bigint[] and ${condition})
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

/** Up to `count` matches for each, `of` telling for all of them how. Throws `too-costly` when all have more than PAGE_BYTES_MAX. */
export async function findByTokens(
  page: Pick<PageContext, 'db' | 'scope'>,
  type: string,
  of: DecidingTokens['of'],
  tokens: string[][],
  count: number,
): Promise<StoredVersion[][]> {
  const access = scopeSql(page.scope);
  const name = `by_tokens_${of}_${type}${access.name}`;
  const statement = named(name, () => byTokenSql(type, of, access.condition('r', 3)));
  const hashes = tokens.map((some) => `{${some.join(',')}}`);
  const rows = await page.db.query<Row>(statement, [hashes, count, ...access.values]);
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
