// Searches over several types: https://hl7.org/fhir/R4/search.html#type, https://hl7.org/fhir/R4/http.html#vsearch
import type { SearchQuery } from '#fhir-model';
import { CerebraError } from '#platform';
import { bounded } from '../search/deadline.ts';
import { populated } from '../search/merge.ts';
import { currentTable } from '../store/layout.ts';
import type { Caller, Core } from './core.ts';
import { withParameters } from './indexed.ts';
import { badParameter } from './parameter-fault.ts';
import { hasIgnored, pageContext, parseQuery, searchAll, type Within } from './search.ts';
import { searchsetText } from './searchset.ts';
import { assertElements } from './subset.ts';

/** Values that the criteria of all types together may ask for. */
const VALUES_MAX = 20_000;
/** More types than this are first looked at for whether they have any resources. */
const TYPES_ASKED_MAX = 8;

/** The types of `_type`, or all; and the other pairs. */
function readTypes(core: Core, pairs: readonly [string, string][]) {
  const given = pairs.filter(([name]) => name === '_type');
  if (given.length > 1) throw badParameter('_type', '_type may be given once, with commas between several types');
  const rest = pairs.filter(([name]) => name !== '_type');
  const [, text] = given[0] ?? [];
  if (text === undefined) return { types: core.definitions.resourceTypes, rest, used: [] };
  const types = [...new Set(text.split(','))];
  const wrong = types.find((type) => !core.store.layout.has(type));
  if (wrong !== undefined) throw badParameter('_type', `'${wrong.slice(0, 80)}' is not a resource type of FHIR R4`);
  return { types, rest, used: given };
}

/** A parameter that only some of the types have can't be used: ignoring it for the others would find too much. */
function assertCommon(queries: readonly SearchQuery[]): void {
  const lacking = new Map<string, string[]>();
  for (const { type, ignored } of queries) {
    for (const name of new Set(ignored)) lacking.set(name, [...(lacking.get(name) ?? []), type]);
  }
  for (const [name, types] of lacking) {
    if (types.length === queries.length) continue;
    const some = types.slice(0, 5).join(', ');
    throw badParameter(
      name,
      `'${name}' is not a parameter of all types that are searched, not of ${some}: name types by _type`,
    );
  }
}

/** A query a type. Throws `too-costly` where they ask for too much together. */
function parseQueries(core: Core, types: readonly string[], rest: [string, string][], strict: boolean): SearchQuery[] {
  const queries: SearchQuery[] = [];
  let values = 0;
  for (const type of types) {
    const query = parseQuery(core, type, rest, strict);
    values += query.criteria.reduce((sum, criterion) => sum + criterion.values.length, 0);
    if (values > VALUES_MAX) {
      throw new CerebraError('too-costly', `A search over several types may ask for ${VALUES_MAX} values in all`);
    }
    queries.push(query);
  }
  assertCommon(queries);
  return queries;
}

async function nonEmpty(core: Core, queries: SearchQuery[], caller: Caller): Promise<SearchQuery[]> {
  if (queries.length <= TYPES_ASKED_MAX) return queries;
  const types = new Set(
    await bounded(caller, core.limits.searchTimeoutMs, (db) =>
      populated(
        pageContext(core, { ...caller, db }),
        queries.map(({ type }) => type),
        currentTable,
      ),
    ),
  );
  const some = queries.filter(({ type }) => types.has(type));
  return some.length > 0 ? some : queries.slice(0, 1);
}

/**
 * A search over the types of `_type`, or over all, from its pairs to its searchset text. `within`: a compartment, as
 * in `Patient/1/*`; then over the types that can be in it.
 */
export async function searchSystem(
  core: Core,
  pairs: [string, string][],
  caller: Caller,
  strict: boolean,
  within?: Within & { types: readonly string[] },
): Promise<string> {
  const { types, rest, used } = readTypes(core, pairs);
  const possible = within ? types.filter((type) => within.types.includes(type)) : types;
  if (possible.length === 0) throw badParameter('_type', `None of these types can be in ${within?.path}`);
  const parse = () => parseQueries(core, possible, rest, strict);
  const parsed = await withParameters(core, parse, (queries) => queries.some(hasIgnored));
  const first = parsed[0]!;
  if (first.contained) {
    throw new CerebraError('unsupported', 'Contained resources are searched by type: GET [type]?_contained=…', {
      expression: ['_contained'],
    });
  }
  if (strict && first.elements) assertElements(core, possible, first.elements);
  const queries = within
    ? parsed.map((query) => ({ ...query, criteria: [...within.criteria(query.type), ...query.criteria] }))
    : parsed;
  const page = await searchAll(core, await nonEmpty(core, queries, caller), caller);
  const shown = { ...first, used: [...used, ...first.used] };
  return searchsetText(core, within ? `${within.path}/*` : '', shown, page);
}
