// The parameters whose values decide whether a resource meets a search: more than its criteria name.
import type { Criterion, SearchParam, SearchQuery } from '#fhir-model';

/** Each once. */
export function paramsOf({ criteria }: Pick<SearchQuery, 'criteria'>): Set<SearchParam> {
  const found = new Set<SearchParam>();
  for (const criterion of criteria) add(criterion, found);
  return found;
}

function add({ param, logic }: Criterion, found: Set<SearchParam>): void {
  found.add(readingOf(param));
  // The `or` and `not` of a _filter.
  for (const each of logic?.criteria ?? []) add(each, found);
  const { composite } = param;
  if (!composite) return;
  // What stands at the resource's root has the values of its parts, and what another composite has on the same elements has that one's.
  for (const part of composite.root ?? []) found.add(part);
  if (composite.withinAs) found.add(composite.withinAs);
  composite.within?.parts.forEach((expression, i) => {
    if (expression === undefined) found.add(composite.parts[i]!);
  });
}

const identifierSuffix = ':identifier';
const references = new WeakMap<SearchParam, SearchParam>();

/**
 * What is searched by `subject:identifier` is found where references are read, not where tokens are. Nothing asks for the references
 * themselves, so that they have no key of their own. https://hl7.org/fhir/R4/search.html#modifiers
 */
function readingOf(param: SearchParam): SearchParam {
  if (!param.code.endsWith(identifierSuffix)) return param;
  const known = references.get(param);
  if (known) return known;
  const code = param.code.slice(0, -identifierSuffix.length);
  const made: SearchParam = { ...param, code, type: 'reference', key: Number.NaN };
  references.set(param, made);
  return made;
}
