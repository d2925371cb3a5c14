// The matches of many conditional entries and references: https://hl7.org/fhir/R4/http.html#trules
import { type SearchQuery, type StoredVersion, versionUrl } from '#fhir-model';
import { CerebraError } from '#platform';
import { type DecidingTokens, decidingTokens, findByTokens } from '../search/by-token.ts';
import type { Caller, Core } from './core.ts';
import { assertIndexed } from './indexed.ts';
import { matchCriteria } from './search.ts';

/** Criteria of one statement. */
const CRITERIA_MAX = 500;

/** UTF-16 units of what several criteria match together, each resource once: there may be 10,000, of 50 MB each. */
const CHARACTERS_MAX = 256 * 1024 * 1024;

type Found = Map<string, StoredVersion[]>;

/** Each version once, whatever finds it: thousands of criteria that match the same one have its text once. */
function createShelf(charactersMax: number): (list: StoredVersion[]) => StoredVersion[] {
  const kept = new Map<string, StoredVersion>();
  let characters = 0;
  const keep = (one: StoredVersion): StoredVersion => {
    const name = versionUrl(one.type, one.id, String(one.version));
    const known = kept.get(name);
    if (known) return known;
    characters += one.body.length;
    if (characters > charactersMax) {
      const text = `The resources that the criteria match have more than ${charactersMax} characters: use smaller Bundles`;
      throw new CerebraError('too-costly', text);
    }
    kept.set(name, one);
    return one;
  };
  return (list) => list.map(keep);
}

/** Criteria that tokens decide, of one type and one way to decide. */
interface Decided {
  type: string;
  of: DecidingTokens['of'];
  keys: [key: string, tokens: string[]][];
}

/** CRITERIA_MAX of each type at a time. */
async function byTokens(
  caller: Caller,
  decided: Decided[],
  countOf: (type: string) => number,
  put: (key: string, matches: StoredVersion[]) => void,
) {
  for (let at = 0, left = decided; left.length > 0; at += CRITERIA_MAX) {
    const some = left.map(({ keys, ...rest }) => ({ ...rest, keys: keys.slice(at, at + CRITERIA_MAX) }));
    const matches = await findByTokens(
      caller,
      some.map(({ type, of, keys }) => ({ type, of, tokens: keys.map(([, each]) => each), count: countOf(type) })),
    );
    for (const [i, { keys }] of some.entries()) for (const [j, [key]] of keys.entries()) put(key, matches[i]![j]!);
    left = left.filter(({ keys }) => keys.length > at + CRITERIA_MAX);
  }
}

/** In one order, so that the same types make the same statement. */
const inOrder = (decided: Iterable<Decided>): Decided[] =>
  [...decided].sort((a, b) => (a.type + a.of < b.type + b.of ? -1 : 1));

/**
 * By key, what each of the criteria matches; `countOf` is how many matches are of interest for a type. Throws `too-costly` when
 * what several match is too large.
 */
export async function matchEach(
  core: Core,
  queries: ReadonlyMap<string, SearchQuery>,
  caller: Caller,
  countOf: (type: string) => number = () => 2,
  charactersMax = CHARACTERS_MAX,
): Promise<Found> {
  await assertIndexed(core, queries.values(), caller);
  const found: Found = new Map();
  const shelved = createShelf(queries.size > 1 ? charactersMax : Number.POSITIVE_INFINITY);
  const put = (key: string, matches: StoredVersion[]): void => void found.set(key, shelved(matches));
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
    put(key, await matchCriteria(core, query, caller, countOf(query.type))),
  );
  const all = [...searches, byTokens(caller, inOrder(decided.values()), countOf, put)];
  // What goes on after one was refused would ask a connection that is another transaction's by then.
  await Promise.allSettled(all);
  await Promise.all(all);
  return found;
}
