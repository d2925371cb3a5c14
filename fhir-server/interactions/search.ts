// https://hl7.org/fhir/R4/http.html#search
import {
  type Criterion,
  type Issue,
  parseSearch,
  type SearchPage,
  type SearchQuery,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import { type ContainedContext, countContained, findContained } from '../search/contained.ts';
import { bounded, isDb } from '../search/deadline.ts';
import { findIncluded } from '../search/includes.ts';
import { findMerged, populated } from '../search/merge.ts';
import { findPage, findPageText, type PageContext } from '../search/page.ts';
import { countMatches, estimateMatches } from '../search/total.ts';
import { currentTable } from '../store/layout.ts';
import type { Caller, Core } from './core.ts';
import { includeContext } from './include-context.ts';
import { assertIndexed, indexIssues, withParameters } from './indexed.ts';
import { betweenOf, searchsetBytes, searchsetText } from './searchset.ts';
import { assertElements, subsetOf } from './subset.ts';

/** Throws `not-found` for a type that R4 doesn't have. */
export function assertType(core: Core, type: string): void {
  if (core.store.layout.has(type)) return;
  throw new CerebraError('unknown-type', `'${type.slice(0, 80)}' is not a resource type of FHIR R4`);
}

/** A megabyte of `a&a&…` has 500,000 pairs, which URLSearchParams takes 3 s to tell. */
const PAIRS_MAX = 1000;

/**
 * The pairs of a search string, decoded: `+` and `%20` are spaces. Throws `too-costly` beyond 1,000, `invalid-parameter` where it is
 * not UTF-8: `M%FCller`, as ISO 8859-1 has it, would find nothing, and a conditional create make another one each time.
 */
export function searchPairs(text: string): [string, string][] {
  if (text === '') return [];
  let pairs = 1;
  for (let at = text.indexOf('&'); at !== -1 && pairs <= PAIRS_MAX; at = text.indexOf('&', at + 1)) pairs++;
  if (pairs > PAIRS_MAX) throw new CerebraError('too-costly', `A search may have ${PAIRS_MAX} parameters`);
  const decoded = [...new URLSearchParams(text)];
  const unknown = decoded.find((pair) => pair.some((each) => each.includes('\ufffd')));
  if (unknown && !sentUnknown.test(text)) {
    throw new CerebraError('invalid-parameter', `${unknown[0]}: its escapes are not UTF-8 (ü is %C3%BC)`);
  }
  return decoded;
}

/** The character that stands for what can't be decoded, sent as such. */
const sentUnknown = /\ufffd|%EF%BF%BD/i;

export function parseQuery(core: Core, type: string, pairs: [string, string][], strict: boolean): SearchQuery {
  core.store.registry.tick();
  const query = parseSearch(type, pairs, {
    parameters: core.parameters,
    resourceTypes: core.definitions.resourceTypes,
    strict,
    countDefault: core.limits.searchCountDefault,
    countMax: core.limits.searchCountMax,
    baseUrl: core.baseUrl,
  });
  if (strict) query.strict = true;
  return query;
}

/** A parameter that was ignored may be known by now: another process may have been given it. */
export const hasIgnored = ({ ignored }: SearchQuery): boolean => ignored.length > 0;

export const pageContext = (core: Core, { scope, db }: Caller): PageContext => ({
  db,
  scope,
  resourceTypes: core.definitions.resourceTypes,
  definitions: core.definitions,
  nowMs: core.store.clock.now(),
  totals: core.store,
  lookups: { terminology: core.terminology, parameters: core.parameters },
});

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

async function countAll(page: PageContext, queries: readonly SearchQuery[]): Promise<number> {
  const counts: number[] = [];
  for (const query of queries) counts.push(await countMatches(page, query));
  return sum(counts);
}

async function totalOf(page: PageContext, queries: readonly SearchQuery[], found: { shown: number; more: boolean }) {
  const { total, cursor, count } = queries[0]!;
  const whole = cursor === undefined && !found.more && (count > 0 || found.shown > 0);
  if (whole) return found.shown;
  if (total === 'accurate') return countAll(page, queries);
  // What the planner expects is of all rows, those that the scope hides included.
  if (total === 'estimate' && page.scope.kind !== 'everything') return countAll(page, queries);
  if (total === 'estimate') return sum(await Promise.all(queries.map((query) => estimateMatches(page, query))));
  return undefined;
}

async function includedOf(core: Core, page: PageContext, query: SearchQuery, resources: readonly StoredVersion[]) {
  if (query.includes.length === 0 || resources.length === 0) return { included: [] };
  const found = await findIncluded(includeContext(core, page), query, resources);
  if (found.cut === undefined) return { included: found.resources };
  const issue = { severity: 'warning', code: 'too-costly', diagnostics: found.cut } as const;
  return { included: found.resources, issues: [{ ...issue, expression: ['_include', '_revinclude'] }] };
}

const containedContext = (core: Core, page: PageContext): ContainedContext => ({
  ...page,
  extract: core.store.extract,
  populated: () => populated(page, core.definitions.resourceTypes, currentTable),
});

async function runContained(core: Core, query: SearchQuery, page: PageContext): Promise<SearchPage> {
  const ctx = containedContext(core, page);
  if (query.summary === 'count' || query.count === 0) {
    return { resources: [], included: [], total: await countContained(ctx, query) };
  }
  const found = await findContained(ctx, query);
  const whole = query.cursor === undefined && found.nextCursor === undefined;
  const total = whole ? found.resources.length : query.total === 'none' ? undefined : await countContained(ctx, query);
  return { ...found, ...(await includedOf(core, page, query, found.resources)), ...(total !== undefined && { total }) };
}

/** One search, as a query for each of its types; what is not about types stands in the first. */
async function run(core: Core, queries: readonly SearchQuery[], page: PageContext): Promise<SearchPage> {
  const query = queries[0]!;
  if (query.contained) return runContained(core, query, page);
  if (query.summary === 'count' || query.count === 0) {
    return { resources: [], included: [], total: await countAll(page, queries) };
  }
  const { resources, nextCursor } =
    queries.length === 1 ? await findPage(page, query) : await findMerged(page, queries);
  const total = await totalOf(page, queries, { shown: resources.length, more: nextCursor !== undefined });
  return {
    resources,
    ...(await includedOf(core, page, query, resources)),
    ...(total === undefined ? {} : { total }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
  };
}

/**
 * With what the search has met that its result may lack. Throws `not-indexed` where parameters are taken strictly, and where a
 * number is all that is asked for.
 */
function told(queries: readonly SearchQuery[], found: SearchPage, more: readonly Issue[]): SearchPage {
  if (more.length === 0) return found;
  const { strict, summary, count } = queries[0]!;
  if (strict) throw lacking(more, 'It is refused since the search is strict');
  if (summary === 'count' || count === 0) throw lacking(more, 'A number alone could not say so');
  // What is counted is not all there is.
  const { total: _partial, ...rest } = found;
  return { ...rest, issues: [...(found.issues ?? []), ...more] };
}

function lacking(issues: readonly Issue[], refusal: string): CerebraError {
  const { diagnostics, expression = [] } = issues[0]!;
  return new CerebraError('not-indexed', `${diagnostics}. ${refusal}`, { expression });
}

/** Throws `invalid-parameter` for result parameters that exclude each other. */
function assertConsistent(query: SearchQuery): void {
  subsetOf(query);
  if (query.summary === 'text' && query.includes.length > 0) {
    throw new CerebraError('invalid-parameter', '_summary=text cannot be mixed with _include and _revinclude', {
      expression: ['_summary'],
    });
  }
}

const shared = ({ firstPages }: Core) => ({ firstPages });

/** Searches one type, or several with a query for each: bounded in time, and ended when the client goes away. */
export async function searchAll(core: Core, queries: readonly SearchQuery[], caller: Caller): Promise<SearchPage> {
  assertConsistent(queries[0]!);
  const issues = indexIssues(core, queries);
  const read = async (db: Queryable): Promise<SearchPage> => {
    const context: PageContext = { ...pageContext(core, { ...caller, db }), ...(isDb(caller.db) && shared(core)) };
    return told(queries, await run(core, queries, context), context.issues ?? []);
  };
  const page = await bounded(caller, core.limits.searchTimeoutMs, read, queries[0]);
  if (issues.length === 0) return page;
  // What is counted is not all there is.
  const { total: _partial, ...rest } = page;
  return { ...rest, issues: [...issues, ...(page.issues ?? [])] };
}

/** Matches, what is included with them, and the total where it is asked for or known at no cost. */
export const search = (core: Core, query: SearchQuery, caller: Caller): Promise<SearchPage> =>
  searchAll(core, [query], caller);

/** Where a search takes place, if not among all resources: `Patient/1`, and what makes a resource of the type belong there. */
export interface Within {
  path: string;
  criteria(type: string): Criterion[];
}

/** A search of one type as it was asked for: `pairs` decoded, in order; `strict` refuses parameters that are not known. */
export interface TypeSearch {
  type: string;
  pairs: [string, string][];
  strict: boolean;
  within?: Within;
}

async function queryOf(core: Core, { type, pairs, strict, within }: TypeSearch): Promise<SearchQuery> {
  assertType(core, type);
  const parsed = await withParameters(core, () => parseQuery(core, type, pairs, strict), hasIgnored);
  if (strict && parsed.elements) assertElements(core, [type], parsed.elements);
  return within ? { ...parsed, criteria: [...within.criteria(type), ...parsed.criteria] } : parsed;
}

const pathOf = ({ type, within }: TypeSearch): string => (within ? `${within.path}/${type}` : type);

/** A type-level search from its pairs to its searchset text. */
export async function searchType(core: Core, asked: TypeSearch, caller: Caller): Promise<string> {
  const query = await queryOf(core, asked);
  return searchsetText(core, pathOf(asked), query, await search(core, query, caller));
}

/** The same, as its bytes where PostgreSQL can put the page together. */
export async function searchTypeBytes(core: Core, asked: TypeSearch, caller: Caller): Promise<string | Buffer> {
  const query = await queryOf(core, asked);
  const path = pathOf(asked);
  const bytes = isOfWholeMatches(query) ? await searchBytes(core, path, query, caller) : undefined;
  return bytes ?? searchsetText(core, path, query, await search(core, query, caller));
}

/** Whether the page is the stored matches and nothing else. */
const isOfWholeMatches = ({ contained, summary, count, elements, includes }: SearchQuery): boolean =>
  contained === undefined &&
  (summary === undefined || summary === 'false') &&
  elements === undefined &&
  includes.length === 0 &&
  count > 0;

/** Undefined where something is to be said beside the matches, or they are too large. */
async function searchBytes(core: Core, path: string, query: SearchQuery, caller: Caller): Promise<Buffer | undefined> {
  if (indexIssues(core, [query]).length > 0) return undefined;
  const between = betweenOf(core, query.type);
  const read = async (db: Queryable): Promise<Buffer | undefined> => {
    const page: PageContext = { ...pageContext(core, { ...caller, db }), ...(isDb(caller.db) && shared(core)) };
    const text = await findPageText(page, query, between);
    if (!text || page.issues) return undefined;
    const { length } = text.found;
    const total = await totalOf(page, [query], { shown: Math.min(length, query.count), more: length > query.count });
    return searchsetBytes(core, path, query, { ...text, total }, between);
  };
  return bounded(caller, core.limits.searchTimeoutMs, read, query);
}

/**
 * The resources that match conditional criteria, `count` at most; with two: none, the one, or too many.
 * Throws `precondition-failed` without criteria: a conditional interaction never means "everything".
 */
export async function matchCriteria(
  core: Core,
  query: SearchQuery,
  caller: Caller,
  count = 2,
): Promise<StoredVersion[]> {
  await assertIndexed(core, [query], caller);
  const { cursor: _cursor, ...whole } = query;
  const found: StoredVersion[] = [];
  // A page ends early where bodies are large: two matches of 50 MB each are two all the same.
  for (let cursor: string | undefined; ; ) {
    const rest = { ...whole, count: count - found.length, sort: [], ...(cursor === undefined ? {} : { cursor }) };
    const context = pageContext(core, caller);
    const page = await findPage(context, rest);
    if (context.issues) throw lacking(context.issues, 'What criteria decide could come twice');
    found.push(...page.resources);
    cursor = page.nextCursor;
    if (cursor === undefined || found.length >= count) return found;
  }
}

/** Parses criteria of a conditional interaction: strictly, since ignoring one would match too much. */
export function parseCriteria(
  core: Core,
  type: string,
  text: string,
  name: string,
  pairs = searchPairs(text),
): SearchQuery {
  assertType(core, type);
  const query = parseQuery(core, type, pairs, true);
  if (query.contained) {
    const told =
      'Criteria are about resources themselves: what is contained in them is not created, changed or deleted alone';
    throw new CerebraError('unsupported', told, { expression: ['_contained'] });
  }
  if (query.criteria.length === 0) {
    const told =
      'At least one search criterion is needed, as in identifier=http://example.org/mrn|17: none means everything';
    throw new CerebraError('invalid-parameter', told, { expression: [name] });
  }
  return query;
}
