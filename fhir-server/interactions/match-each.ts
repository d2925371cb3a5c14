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

/** CRITERIA_MAX of each type at a time. */
async function byTokens(caller: Caller, decided: Decided[], countOf: (type: string) => number, found: Found) {
  for (let at = 0, left = decided; left.length > 0; at += CRITERIA_MAX) {
    const some = left.map(({ keys, ...rest }) => ({ ...rest, keys: keys.slice(at, at + CRITERIA_MAX) }));
    const matches = await findByTokens(
      caller,
      some.map(({ type, of, keys }) => ({ type, of, tokens: keys.map(([, each]) => each), count: countOf(type) })),
    );
    for (const [i, { keys }] of some.entries())
      for (const [j, [key]] of keys.entries()) found.set(key, matches[i]![j]!);
    left = left.filter(({ keys }) => keys.length > at + CRITERIA_MAX);
  }
}

/** In one order, so that the same types make the same statement. */
const inOrder = (decided: Iterable<Decided>): Decided[] =>
  [...decided].sort((a, b) => (a.type + a.of < b.type + b.of ? -1 : 1));

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
  await Promise.all([...searches, byTokens(caller, inOrder(decided.values()), countOf, found)]);
  return found;
}
