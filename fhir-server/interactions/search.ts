// https://hl7.org/fhir/R4/http.html#search
import { parseSearch, type SearchPage, type SearchQuery, type StoredVersion, selfLinkQuery } from '#fhir-model';
import { CerebraError } from '#platform';
import { findIncluded } from '../search/includes.ts';
import { findPage, type PageContext } from '../search/page.ts';
import { countMatches, estimateMatches } from '../search/total.ts';
import type { Caller, Core } from './core.ts';

/** Throws `not-found` for a type that R4 doesn't have. */
export function assertType(core: Core, type: string): void {
  if (core.store.layout.has(type)) return;
  throw new CerebraError('unknown-type', `'${type.slice(0, 80)}' is not a resource type of FHIR R4`);
}

/** A megabyte of `a&a&…` has 500,000 pairs, which URLSearchParams takes 3 s to tell. */
const PAIRS_MAX = 1000;

/** The pairs of a search string, decoded: `+` and `%20` are spaces. Throws `too-costly` beyond 1,000. */
export function searchPairs(text: string): [string, string][] {
  if (text === '') return [];
  let pairs = 1;
  for (let at = text.indexOf('&'); at !== -1 && pairs <= PAIRS_MAX; at = text.indexOf('&', at + 1)) pairs++;
  if (pairs > PAIRS_MAX) throw new CerebraError('too-costly', `A search may have ${PAIRS_MAX} parameters`);
  return [...new URLSearchParams(text)];
}

export function parseQuery(core: Core, type: string, pairs: [string, string][], strict: boolean): SearchQuery {
  return parseSearch(type, pairs, {
    parameters: core.parameters,
    resourceTypes: core.definitions.resourceTypes,
    strict,
    countDefault: core.limits.searchCountDefault,
    countMax: core.limits.searchCountMax,
    baseUrl: core.baseUrl,
  });
}

const pageContext = (core: Core, caller: Caller): PageContext => ({
  db: caller.db,
  scope: caller.scope,
  resourceTypes: core.definitions.resourceTypes,
  nowMs: core.store.clock.now(),
});

async function totalOf(page: PageContext, query: SearchQuery, found: { shown: number; more: boolean }) {
  const whole = query.cursor === undefined && !found.more && (query.count > 0 || found.shown > 0);
  if (whole) return found.shown;
  if (query.total === 'accurate' || query.summary === 'count') return countMatches(page, query);
  if (query.total === 'estimate') return estimateMatches(page, query);
  return undefined;
}

/** Matches, what is included with them, and the total where it is asked for or known at no cost. */
export async function search(core: Core, query: SearchQuery, caller: Caller): Promise<SearchPage> {
  const page = pageContext(core, caller);
  if (query.summary === 'count' || query.count === 0) {
    return { resources: [], included: [], total: await countMatches(page, query) };
  }
  const { resources, nextCursor } = await findPage(page, query);
  const total = await totalOf(page, query, { shown: resources.length, more: nextCursor !== undefined });
  const included =
    query.includes.length === 0 || resources.length === 0
      ? []
      : await findIncluded(
          {
            ...page,
            extract: core.store.extract,
            referenceParams: (type) => core.parameters.list(type).filter((param) => param.type === 'reference'),
          },
          query,
          resources,
        );
  return {
    resources,
    included,
    ...(total === undefined ? {} : { total }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
  };
}

const entryText = (core: Core, one: StoredVersion, mode: 'match' | 'include'): string =>
  `{"fullUrl":"${core.baseUrl}/${one.type}/${one.id}","resource":${one.body},"search":{"mode":"${mode}"}}`;

const link = (relation: string, url: string): string => `{"relation":"${relation}","url":${JSON.stringify(url)}}`;

/** Read but without effect so far: a client sees by their absence that whole resources come. */
const isWithoutEffect = ([name, value]: [string, string]): boolean =>
  name === '_elements' || (name === '_summary' && value !== 'count' && value !== 'false');

function pageUrl(core: Core, query: SearchQuery, cursor: string | undefined): string {
  const used = selfLinkQuery({ ...query, used: query.used.filter((pair) => !isWithoutEffect(pair)) });
  const parts = [used, cursor === undefined ? '' : `_cursor=${cursor}`].filter((part) => part !== '');
  return `${core.baseUrl}/${query.type}${parts.length > 0 ? `?${parts.join('&')}` : ''}`;
}

/**
 * The searchset as JSON text, by concatenation: stored bodies are not parsed.
 * The self link holds what was used, so a client sees what was ignored: https://hl7.org/fhir/R4/search.html#conformance
 */
export function searchsetText(core: Core, query: SearchQuery, page: SearchPage): string {
  const links = [link('self', pageUrl(core, query, query.cursor))];
  if (query.cursor !== undefined) links.push(link('first', pageUrl(core, query, undefined)));
  if (page.nextCursor !== undefined) links.push(link('next', pageUrl(core, query, page.nextCursor)));
  const total = page.total === undefined ? '' : `"total":${page.total},`;
  const entries = [
    ...page.resources.map((one) => entryText(core, one, 'match')),
    ...page.included.map((one) => entryText(core, one, 'include')),
  ];
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"searchset",${total}"link":[${links.join(',')}]${entry}}`;
}

/** A type-level search from its pairs to its searchset text. */
export async function searchType(
  core: Core,
  type: string,
  pairs: [string, string][],
  caller: Caller,
  strict: boolean,
): Promise<string> {
  assertType(core, type);
  const query = parseQuery(core, type, pairs, strict);
  return searchsetText(core, query, await search(core, query, caller));
}

/**
 * The resources that match conditional criteria, two at most: none, the one, or too many.
 * Throws `precondition-failed` without criteria: a conditional interaction never means "everything".
 */
export async function matchCriteria(core: Core, query: SearchQuery, caller: Caller): Promise<StoredVersion[]> {
  const found = await findPage(pageContext(core, caller), { ...query, count: 2, sort: [] });
  return found.resources;
}

/** Parses criteria of a conditional interaction: strictly, since ignoring one would match too much. */
export function parseCriteria(core: Core, type: string, text: string, name: string): SearchQuery {
  assertType(core, type);
  const query = parseQuery(core, type, searchPairs(text), true);
  if (query.criteria.length === 0) {
    throw new CerebraError('invalid-parameter', `${name} needs at least one search criterion`, { expression: [name] });
  }
  return query;
}
