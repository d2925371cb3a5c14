// What codes stand for where a search leaves their system open: `code=8867-4`. https://hl7.org/fhir/R4/search.html#token
import type { SearchParam, SearchValue } from '#fhir-model';
import { CerebraError, type Queryable, type Statement } from '#platform';
import { token } from '../store/tokens.ts';

/** Tokens, or systems, of all codes of a criterion. */
const FOUND_MAX = 50_000;

const byCode = (what: string, kinds: string): string => `select distinct k.place::int as place, ${what}
    from unnest($2::text[]) with ordinality as k(value, place)
    join term t on t.kind in (${kinds}) and t.param = any($1::int[])
      and left(t.value, 100) = left(k.value, 100) and t.value = k.value
    limit ${FOUND_MAX + 1}`;
const systemsByCode: Statement = { name: 'terms_systems', text: byCode('t.system', "'k', 'c'") };
const tokensByCode: Statement = { name: 'terms_tokens', text: byCode('t.token', "'k'") };

function assertFew(rows: readonly unknown[]): void {
  if (rows.length <= FOUND_MAX) return;
  throw new CerebraError(
    'too-costly',
    `The codes stand for more than ${FOUND_MAX} of different systems: name the systems`,
  );
}

const asTerms = (codes: readonly string[]): string[] => codes.map((code) => code.toLowerCase());

/** The systems that use the code. */
export async function systemsOf(db: Queryable, key: number, code: string): Promise<string[]> {
  const rows = await db.query<{ system: string }>(systemsByCode, [[key], asTerms([code])]);
  assertFew(rows);
  return rows.map(({ system }) => system);
}

/** Whether codes of several systems may be there, each with a token of its own. */
const hasSystems = ({ coded, codeSystem }: SearchParam): boolean => coded === true && codeSystem === undefined;

export type OpenCode = SearchValue & { kind: 'token'; code: string };

/** Whether the value names a code of the parameter, and no system where codes of several may be. */
export const isOpen = (param: SearchParam, value: SearchValue): value is OpenCode =>
  value.kind === 'token' && value.code !== undefined && value.system === undefined && hasSystems(param);

/** For each code the tokens that it has in the rows of `sources`, whatever its system; of old rows one without a system. */
export async function tokensOf(
  db: Queryable,
  sources: readonly SearchParam[],
  codes: readonly string[],
): Promise<string[][]> {
  const tokens = codes.map((code) => sources.map((source) => token.anySystem(source, code)));
  const keys = sources.filter(hasSystems).map(({ key }) => key);
  if (keys.length === 0) return tokens;
  const rows = await db.query<{ place: number; token: bigint }>(tokensByCode, [keys, asTerms(codes)]);
  assertFew(rows);
  for (const row of rows) tokens[row.place - 1]!.push(String(row.token));
  return tokens;
}

/** Codes of a system; for more their facts are tested. */
const CODES_MAX = 1000;

const tokensBySystem: Statement = {
  name: 'terms_of_system',
  text: `select distinct token from term where kind = 'k' and param = any($1::int[]) and system = $2 limit ${CODES_MAX + 1}`,
};

/** Whether the value names a system alone, of whose codes any will do. */
export const isSystem = (
  param: SearchParam,
  value: SearchValue,
): value is SearchValue & { kind: 'token'; system: string } =>
  value.kind === 'token' && value.code === undefined && !!value.system && hasSystems(param);

/**
 * The tokens of all codes of the system in the rows of `sources`; undefined where these are too many. In old rows the system
 * itself is a token.
 */
export async function tokensOfSystem(
  db: Queryable,
  sources: readonly SearchParam[],
  system: string,
): Promise<string[] | undefined> {
  const rows = await db.query<{ token: bigint }>(tokensBySystem, [sources.map(({ key }) => key), system]);
  if (rows.length > CODES_MAX) return undefined;
  return [...rows.map((row) => String(row.token)), ...sources.map((source) => token.anyCode(source, system))];
}
