// Parameters that stand beside those of the registry: what modifiers search that read other parts of an element than the
// parameter itself does. https://hl7.org/fhir/R4/search.html#modifiers
import { paramKey } from './param-key.ts';
import type { SearchParam } from './types.ts';

const identifiers = new WeakMap<SearchParam, SearchParam>();

/** `subject:identifier`: Reference.identifier of what the reference parameter reads, as a token parameter. */
export function identifierParam(param: SearchParam): SearchParam {
  const known = identifiers.get(param);
  if (known !== undefined) return known;
  const { resourceType, url, expression, description } = param;
  const code = `${param.code}:identifier`;
  const derived: SearchParam = {
    ...{ key: paramKey(resourceType, code), url, code, resourceType, type: 'token', expression, description },
    ...{ target: [], caseSensitive: true },
  };
  identifiers.set(param, derived);
  return derived;
}
