// Criteria that one resource alone does not decide (chains, _has, value sets …), of Subscriptions, of their filters and of the
// triggers of topics: the database is asked, when the change is dispatched. All changes of a batch that one criterion concerns
// go together, and Subscriptions with the same criteria share the question: 500 changes and 50 Subscriptions with one criterion
// are five searches.
import type { AccessScope, ResourceReader } from '#fhir-model';
import { isCerebraError, type Queryable, type Statement } from '#platform';
import type { Match } from '../dispatch/deliveries.ts';

export interface StoredCriteria {
  type: string;
  /** A search string without the type. */
  search: string;
}

/** The same of other resources than the one that was changed. */
export interface Elsewhere extends StoredCriteria {
  ids: readonly string[];
}

/** Which of the resources with these ids meet the search as the store has them now. Throws CerebraError. */
export type StoredSearch = (type: string, search: string, ids: readonly string[]) => Promise<ReadonlySet<string>>;

const idsPerSearchMax = 100;
const searchesAtOnce = 4;

/** How often one is asked that was stopped because it took too long. */
const asksMax = 3;

const isAwake: Statement = { name: 'stored_search_awake', text: 'select 1 as awake' };

// It is the time on a clock that stops a search: also where the machine was suspended or the database stood still meanwhile, and
// what is quick by itself would put Subscriptions into error. So it is asked again, once the database answers at all; what is too
// much by itself is so each time.
export function createStoredSearch(db: Queryable, reader: ResourceReader, scope: AccessScope): StoredSearch {
  return async (type, search, ids) => {
    const query = `${search}&_id=${ids.join(',')}&_count=${ids.length}&_total=none`;
    for (let ask = 1; ; ask++) {
      try {
        return await idsOf(reader, type, query, scope);
      } catch (error) {
        if (!isCerebraError(error, 'too-costly') || ask === asksMax) throw error;
      }
      await db.query(isAwake);
    }
  };
}

/** A page ends early where bodies are large: a hundred documents of half a megabyte are two. */
async function idsOf(reader: ResourceReader, type: string, query: string, scope: AccessScope): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let cursor = ''; ; ) {
    const { resources, nextCursor } = await reader.search(type, query + cursor, scope);
    for (const { id } of resources) ids.add(id);
    if (nextCursor === undefined) return ids;
    cursor = `&_cursor=${encodeURIComponent(nextCursor)}`;
  }
}

interface Question extends StoredCriteria {
  ids: Set<string>;
  subscribers: Set<string>;
  met: Set<string>;
  refused?: true;
}

export interface Met {
  /** The matches that hold, in their order. */
  kept: Match[];
  /** Of which that can't be said. */
  refused: Match[];
  /** Subscribers whose criteria can't be evaluated, and why. */
  failed: Map<string, string>;
}

/**
 * Keeps the matches whose stored criteria are met. A search that is refused concerns its subscribers only; when the
 * database can't be reached it throws, and the batch comes again.
 */
export async function keepMet(matches: Match[], search: StoredSearch): Promise<Met> {
  const failed = new Map<string, string>();
  const questions = questionsOf(matches);
  if (questions.size === 0 && !matches.some(({ elsewhere }) => elsewhere))
    return { kept: matches, refused: [], failed };
  const open = [...questions.values()];
  const work = async () => {
    for (let one = open.pop(); one; one = open.pop()) {
      const error = await searchProblem(() => answer(one, search));
      if (error === undefined) continue;
      one.refused = true;
      for (const id of one.subscribers) failed.set(id, error);
    }
  };
  await Promise.all(Array.from({ length: searchesAtOnce }, work));
  const isMet = (one: StoredCriteria, { id }: { id: string }) => questions.get(keyOf(one))!.met.has(id);
  const isThere = (one: Elsewhere) => one.ids.some((id) => isMet(one, { id }));
  const isRefused = (match: Match) =>
    failed.has(match.subscriber) && asksOf(match).some((one) => questions.get(keyOf(one))!.refused);
  const refused = failed.size === 0 ? [] : matches.filter(isRefused);
  const unsaid = new Set(refused);
  const kept = matches.filter((match) => {
    const { change, stored, oneOf, noneOf, elsewhere } = match;
    if (!stored && !oneOf && !noneOf && !elsewhere) return true;
    if (unsaid.has(match) || (stored && !isMet(stored, change))) return false;
    if (elsewhere?.some((each) => !each.some(isThere))) return false;
    const isFound = (each: StoredCriteria) => isMet(each, change);
    return (oneOf?.some(isFound) ?? true) && !noneOf?.some(isFound);
  });
  return { kept, refused, failed };
}

const asksOf = ({ stored, oneOf = [], noneOf = [], elsewhere = [] }: Match): StoredCriteria[] => [
  ...(stored ? [stored] : []),
  ...[...oneOf, ...noneOf, ...elsewhere.flat()],
];

const keyOf = ({ type, search }: StoredCriteria): string => `${type}?${search}`;

function questionsOf(matches: Match[]): Map<string, Question> {
  const questions = new Map<string, Question>();
  const ask = (one: StoredCriteria, subscriber: string, asked: readonly string[]) => {
    const key = keyOf(one);
    const question = questions.get(key) ?? { ...one, ids: new Set(), subscribers: new Set(), met: new Set() };
    questions.set(key, question);
    for (const id of asked) question.ids.add(id);
    question.subscribers.add(subscriber);
  };
  for (const match of matches) {
    const { subscriber, change, stored } = match;
    if (stored) ask(stored, subscriber, [change.id]);
    for (const each of match.oneOf ?? []) ask(each, subscriber, [change.id]);
    for (const each of match.noneOf ?? []) ask(each, subscriber, [change.id]);
    for (const list of match.elsewhere ?? []) for (const each of list) ask(each, subscriber, each.ids);
  }
  return questions;
}

async function answer({ type, search: asked, ids, met }: Question, search: StoredSearch): Promise<void> {
  const all = [...ids];
  for (let at = 0; at < all.length; at += idsPerSearchMax) {
    for (const id of await search(type, asked, all.slice(at, at + idsPerSearchMax))) met.add(id);
  }
}

/** Why a search is refused for what it asks; throws when that is not the reason. */
export async function searchProblem(run: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (isCerebraError(error) && error.status < 500) return `Subscription.criteria: ${error.message}`;
    throw error;
  }
}
