// The matches of many conditional entries and references: https://hl7.org/fhir/R4/http.html#trules
import type { SearchQuery, StoredVersion } from '#fhir-model';
import { decidingToken, findByTokens } from '../search/by-token.ts';
import type { Caller, Core } from './core.ts';
import { assertIndexed } from './indexed.ts';
import { matchCriteria } from './search.ts';

/** Tokens of one statement. */
const TOKENS_MAX = 500;

type Found = Map<string, StoredVersion[]>;

/** Criteria of one token each, of one type. */
async function byTokens(caller: Caller, type: string, keys: [string, string][], count: number, found: Found) {
  for (let at = 0; at < keys.length; at += TOKENS_MAX) {
    const some = keys.slice(at, at + TOKENS_MAX);
    const matches = await findByTokens(
      caller,
      type,
      some.map(([, token]) => token),
      count,
    );
    for (const [i, [key]] of some.entries()) found.set(key, matches[i]!);
  }
}

/** By key, what each of the criteria matches; `countOf` is how many matches are of interest for a type. */
export async function matchEach(
  core: Core,
  queries: ReadonlyMap<string, SearchQuery>,
  caller: Caller,
  countOf: (type: string) => number = () => 2,
): Promise<Found> {
  await assertIndexed(core, queries.values(), caller);
  const found: Found = new Map();
  const alone: [string, SearchQuery][] = [];
  const tokens = new Map<string, [string, string][]>();
  for (const [key, query] of queries) {
    const token = decidingToken(query);
    const known = tokens.get(query.type);
    if (token === undefined) alone.push([key, query]);
    else if (known) known.push([key, token]);
    else tokens.set(query.type, [[key, token]]);
  }
  const searches = alone.map(async ([key, query]) =>
    found.set(key, await matchCriteria(core, query, caller, countOf(query.type))),
  );
  const looks = [...tokens].map(([type, keys]) => byTokens(caller, type, keys, countOf(type), found));
  await Promise.all([...searches, ...looks]);
  return found;
}
