// The matches of many conditional entries and references: https://hl7.org/fhir/R4/http.html#trules
import type { SearchQuery, StoredVersion } from '#fhir-model';
import { type DecidingTokens, decidingTokens, findByTokens } from '../search/by-token.ts';
import type { Caller, Core } from './core.ts';
import { assertIndexed } from './indexed.ts';
import { matchCriteria } from './search.ts';

/** Criteria of one statement. */
const CRITERIA_MAX = 500;

type Found = Map<string, StoredVersion[]>;

/** Criteria that tokens decide, of one type and one way to decide. */
interface Decided {
  type: string;
  of: DecidingTokens['of'];
  keys: [key: string, tokens: string[]][];
}

async function byTokens(caller: Caller, { type, of, keys }: Decided, count: number, found: Found) {
  for (let at = 0; at < keys.length; at += CRITERIA_MAX) {
    const some = keys.slice(at, at + CRITERIA_MAX);
    const tokens = some.map(([, each]) => each);
    const matches = await findByTokens(caller, type, of, tokens, count);
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
  const decided = new Map<string, Decided>();
  for (const [key, query] of queries) {
    const deciding = decidingTokens(query);
    if (deciding === undefined) {
      alone.push([key, query]);
      continue;
    }
    const { type } = query;
    const { of, tokens } = deciding;
    const known = decided.get(`${of} ${type}`);
    if (known) known.keys.push([key, tokens]);
    else decided.set(`${of} ${type}`, { type, of, keys: [[key, tokens]] });
  }
  const searches = alone.map(async ([key, query]) =>
    found.set(key, await matchCriteria(core, query, caller, countOf(query.type))),
  );
  const looks = [...decided.values()].map((one) => byTokens(caller, one, countOf(one.type), found));
  await Promise.all([...searches, ...looks]);
  return found;
}
