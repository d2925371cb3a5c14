// Custom search parameters in searches and criteria: taken as they are in force, and where resources are not indexed by
// them yet that is said. https://hl7.org/fhir/R4/search.html#errors, https://hl7.org/fhir/R4/searchparameter.html
import type { Criterion, Include, Issue, SearchParam, SearchQuery } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Caller, Core } from './core.ts';

/**
 * What `parse` yields with the search parameters that are in force in the database: asked where it has used custom ones, did
 * not know one, or where its result is `doubtful`; all others can't have changed, and come at once.
 */
export function withParameters<T>(
  core: Core,
  parse: () => T,
  doubtful: (parsed: T) => boolean = () => false,
): T | Promise<T> {
  const { registry } = core.store;
  const { revision } = registry;
  try {
    const { value, custom } = registry.consult(parse);
    if (!custom && !doubtful(value)) return value;
    return parsedInForce(core, revision, parse, () => value);
  } catch (error) {
    if (!isCerebraError(error) || error.status !== 400) throw error;
    return parsedInForce(core, revision, parse, () => {
      throw error;
    });
  }
}

/** `before`: what came of it with the search parameters of `revision`. */
async function parsedInForce<T>({ store }: Core, revision: bigint, parse: () => T, before: () => T): Promise<T> {
  await store.registry.refresh(store.db);
  return store.registry.revision === revision ? before() : parse();
}

const partsOf = ({ composite }: SearchParam): readonly SearchParam[] => [
  ...(composite?.parts ?? []),
  ...(composite?.root ?? []),
];

/** What index rows of its own, or of its parts, the parameter needs. */
function addNeeded(param: SearchParam, found: Set<SearchParam>): void {
  const { composite } = param;
  if (param.custom && (composite === undefined || composite.within !== undefined)) found.add(param);
  for (const part of partsOf(param)) if (part.custom) found.add(part);
}

function addOfCriterion({ param, chain, has, logic }: Criterion, found: Set<SearchParam>): void {
  addNeeded(param, found);
  for (const link of chain ?? []) addOfCriterion(link.criterion, found);
  for (const each of logic?.criteria ?? []) addOfCriterion(each, found);
  if (has === undefined) return;
  addNeeded(has.param, found);
  addOfCriterion(has.criterion, found);
}

/** `*` stands for all reference parameters of the type; `*` of all types, where it is not that of the matches. */
function addOfInclude(core: Core, type: string, { param, source, reverse, iterate }: Include, found: Set<SearchParam>) {
  if (param) return addNeeded(param, found);
  const named = source === '*' && !reverse && !iterate ? [type] : [source];
  const types = named.includes('*') ? core.definitions.resourceTypes : named;
  for (const one of types) {
    for (const each of core.parameters.list(one)) if (each.custom && each.type === 'reference') found.add(each);
  }
}

/** The custom parameters that the result depends on. */
function customIn(core: Core, queries: readonly SearchQuery[]): SearchParam[] {
  const found = new Set<SearchParam>();
  if (core.store.registry.snapshot.parameters.length === 0) return [];
  for (const { type, criteria, sort, includes } of queries) {
    for (const criterion of criteria) addOfCriterion(criterion, found);
    for (const { param } of sort) addNeeded(param, found);
    for (const include of includes) addOfInclude(core, type, include, found);
  }
  return [...found];
}

const nameOf = ({ resourceType, code }: SearchParam): string => `${resourceType}.${code}`;

function lackingText(core: Core, { resourceType, code }: SearchParam): string {
  const { baseUrl } = core;
  return `Not all resources of type ${resourceType} are indexed by the search parameter '${code}': what was stored before it was defined may be missing. POST ${baseUrl}/${resourceType}/$reindex completes it, ${baseUrl}/SearchParameter/$index-status tells how far it is`;
}

const notIndexed = (core: Core, lacking: readonly SearchParam[], refusal: string): CerebraError =>
  new CerebraError('not-indexed', `${lackingText(core, lacking[0]!)}. ${refusal}`, {
    expression: lacking.map(({ code }) => code),
  });

/**
 * What is to be said of a search whose parameters not all resources are indexed by. Throws `not-indexed` where parameters
 * are taken strictly, and where a number is all that is asked for.
 */
export function indexIssues(core: Core, queries: readonly SearchQuery[]): Issue[] {
  const lacking = customIn(core, queries).filter((param) => !core.store.registry.isIndexed(param));
  if (lacking.length === 0) return [];
  const { strict, summary, count } = queries[0]!;
  if (strict) throw notIndexed(core, lacking, 'It is refused since the search is strict');
  if (summary === 'count' || count === 0) throw notIndexed(core, lacking, 'A number alone could not say so');
  return lacking.map((param) => ({
    severity: 'warning',
    code: 'incomplete',
    diagnostics: lackingText(core, param),
    expression: [param.code],
  }));
}

/**
 * For criteria that decide what is written: throws `not-indexed` where they could miss a resource, and `version-conflict`
 * where their parameters have been defined anew since they were parsed.
 */
export async function assertIndexed(
  core: Core,
  queries: Iterable<SearchQuery>,
  { db }: Pick<Caller, 'db'>,
): Promise<void> {
  const used = customIn(core, [...queries]);
  if (used.length === 0) return;
  const { registry } = core.store;
  await registry.refresh(db);
  const changed = used.find((param) => !registry.isCurrent(param));
  if (changed) {
    const text = `The search parameter ${nameOf(changed)} has been defined anew meanwhile: try again`;
    throw new CerebraError('version-conflict', text, { expression: [changed.code] });
  }
  const lacking = used.filter((param) => !registry.isIndexed(param));
  if (lacking.length > 0) throw notIndexed(core, lacking, 'What criteria decide could come twice');
}
