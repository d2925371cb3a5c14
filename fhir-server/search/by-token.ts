// Many criteria at once, each of one token: what a Bundle of conditional creates and updates by identifier asks.
// https://hl7.org/fhir/R4/http.html#ccreate
import type { Criterion, SearchQuery, StoredVersion } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { createOften } from '../store/often.ts';
import { named, PAGE_BYTES_MAX, pageBody, steady } from '../store/sql.ts';
import { criterionHashes } from './conditions.ts';
import { isJoin } from './joins.ts';
import type { PageContext } from './page.ts';
import { isOpen } from './term-systems.ts';

/** Index tokens that decide alone: what matches has all of them, or any of them, and nothing else does. */
export interface DecidingTokens {
  of: 'all' | 'any';
  tokens: string[];
}

/** Codes, with or without their systems, and nothing else. */
export const isOfCodes = (criterion: Criterion): boolean =>
  !isJoin(criterion) &&
  criterion.param.type === 'token' &&
  criterion.param.code !== '_id' &&
  criterion.modifier === undefined &&
  criterion.filter === undefined &&
  criterion.values.every(({ kind }) => kind === 'token');

/** Undefined where more than these decides. */
function tokensOf(criterion: Criterion, found: PageContext['found']): string[] | undefined {
  if (!isOfCodes(criterion)) return undefined;
  const known = found?.get(criterion) ?? criterion;
  const { param, values } = known;
  if (values.some((value) => indexedAs(param).some((source) => isOpen(source, value)))) return undefined;
  const { tokens, facts } = criterionHashes(known);
  return facts.length === 0 && tokens.length > 0 ? [...new Set(tokens)] : undefined;
}

/**
 * Of each criterion the tokens of which any is enough; undefined where more than index tokens decides. `found`: what look-up.ts
 * has put in the place of codes without a system, which decide nothing without it.
 */
export function tokensOfEach(
  { criteria, contained }: SearchQuery,
  found?: PageContext['found'],
): string[][] | undefined {
  if (criteria.length === 0 || contained !== undefined) return undefined;
  const each = criteria.map((criterion) => tokensOf(criterion, found));
  return each.every((tokens) => tokens !== undefined) ? each : undefined;
}

/** Undefined where more than index tokens decides, or several that are neither all wanted nor any of them. */
export function decidingTokens(query: SearchQuery): DecidingTokens | undefined {
  const each = tokensOfEach(query);
  if (!each) return undefined;
  if (each.length === 1) return { of: each[0]!.length === 1 ? 'all' : 'any', tokens: each[0]! };
  return each.every(({ length }) => length === 1) ? { of: 'all', tokens: [...new Set(each.flat())] } : undefined;
}

/** The one index token that all matches have and nothing else has; undefined where more than that decides. */
export function decidingToken(query: SearchQuery): string | undefined {
  const deciding = decidingTokens(query);
  return deciding?.tokens.length === 1 ? deciding.tokens[0] : undefined;
}

/** What is looked up among the resources of one type. */
export interface TokenLookup extends Pick<DecidingTokens, 'of'> {
  type: string;
  /** Of each of the criteria. */
  tokens: string[][];
  /** How many matches of each are of interest. */
  count: number;
}

/**
 * The `t`-th look-up of a statement: parameter `t + 1` has its hashes, parameter `counts` the counts of all. Each key is
 * planned by itself and not for its LIMIT: for that the planner, which does not know how rare a token is, would read the
 * whole table. Parameters stand in sub-selects (store/sql.ts, steady).
 */
function lookupSql({ type, of }: TokenLookup, t: number, counts: number, condition: string): string {
  return `select ${t} as t, k.n::int as n, r.rid, r.id, r.version, r.updated, ${pageBody('r', 'k.n, r.rid')}
    from unnest(${steady(`$${t + 1}::text[]`)}) with ordinality as k(hashes, n)
    cross join lateral (
      with m as materialized (select rid, id, version, updated, body from ${currentTable(type)} r
        where r.tokens ${of === 'all' ? '@>' : '&&'} k.hashes::bigint[] and ${condition})
      select * from m limit ${steady(`($${counts}::int[])[${t + 1}]`)}) r`;
}

const lookupsSql = (lookups: readonly TokenLookup[], condition: string): string =>
  `${lookups.map((one, t) => lookupSql(one, t, lookups.length + 1, condition)).join(' union all ')} order by t, n, rid`;

interface Row {
  t: number;
  n: number;
  id: string;
  version: number;
  updated: number;
  body: string | null;
}

const nameOf = (lookups: readonly TokenLookup[]): string => lookups.map(({ of, type }) => `${of}_${type}`).join('_');

const comesOften = createOften({ namesMax: 16, usesMin: 20 });

/**
 * Those of several types go together where they come together often: a statement costs node 20 µs and PostgreSQL as much
 * before it looks for anything, and an HL7 message asks for resources of six types. PostgreSQL tells names of statements
 * apart by 63 bytes, so these have a number.
 */
const together = new Map<string, string>();

function nameTogether(lookups: readonly TokenLookup[]): string | undefined {
  const name = nameOf(lookups);
  if (lookups.length < 2 || !comesOften(name)) return undefined;
  const known = together.get(name) ?? `${together.size}`;
  together.set(name, known);
  return known;
}

/** Matches for each of the criteria, look-up by look-up. Throws `too-costly` when all of a type have more than PAGE_BYTES_MAX. */
export async function findByTokens(
  page: Pick<PageContext, 'db' | 'scope'>,
  lookups: readonly TokenLookup[],
): Promise<StoredVersion[][][]> {
  const name = nameTogether(lookups);
  if (name !== undefined) return find(page, lookups, name);
  return (await Promise.all(lookups.map((one) => find(page, [one], nameOf([one]))))).flat();
}

async function find(
  page: Pick<PageContext, 'db' | 'scope'>,
  lookups: readonly TokenLookup[],
  name: string,
): Promise<StoredVersion[][][]> {
  const access = scopeSql(page.scope);
  const condition = access.condition('r', lookups.length + 2);
  const statement = named(`by_tokens_${name}${access.name}`, () => lookupsSql(lookups, condition));
  const hashes = lookups.map(({ tokens }) => tokens.map((some) => `{${some.join(',')}}`));
  const rows = await page.db.query<Row>(statement, [...hashes, lookups.map(({ count }) => count), ...access.values]);
  const found: StoredVersion[][][] = lookups.map(({ tokens }) => tokens.map(() => []));
  for (const { t, n, id, version, updated, body } of rows) {
    if (body === null) {
      const text = `The resources that the criteria match have more than ${PAGE_BYTES_MAX} bytes: use smaller Bundles`;
      throw new CerebraError('too-costly', text);
    }
    found[t]![n - 1]!.push({ type: lookups[t]!.type, id, version, updatedMs: updated, body, deleted: false });
  }
  return found;
}
