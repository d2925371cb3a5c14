// `url|version` on the parameter `url` of definitions: https://hl7.org/fhir/R4/search.html#uri, "servers SHOULD support
// automatically detecting a |[version] portion as part of the search parameter".
import { splitUnescaped, unescapeValue } from './escapes.ts';
import type { Criterion, SearchParam, SearchValue } from './types.ts';

/** What is called by a canonical URL has both on its root. */
const isCanonical = (param: SearchParam, version: SearchParam | undefined): version is SearchParam =>
  param.type === 'uri' && param.code === 'url' && version?.type === 'token';

/** Undefined for a value without a version. */
function versioned({ name, param }: Criterion, version: SearchParam, value: SearchValue): Criterion | undefined {
  const [url = '', number = '', ...more] = splitUnescaped(value.text, '|').map((part) => unescapeValue(part) ?? '');
  if (url === '' || number === '' || more.length > 0) return undefined;
  const criteria: Criterion[] = [
    { name, param, values: [{ kind: 'uri', text: url, value: url }] },
    { name, param: version, values: [{ kind: 'token', text: number, code: number }] },
  ];
  return { name, param, values: [], logic: { op: 'and', criteria } };
}

/**
 * The criterion, with each `url|version` among its values asked as the two that it is of. `version`: the parameter of that
 * name, if the type has one.
 */
export function withVersions(criterion: Criterion, version: SearchParam | undefined): Criterion {
  const { name, param, modifier, values } = criterion;
  if (modifier !== undefined || !isCanonical(param, version)) return criterion;
  if (!values.some(({ text }) => text.includes('|'))) return criterion;
  const plain: SearchValue[] = [];
  const criteria: Criterion[] = [];
  for (const value of values) {
    const both = versioned(criterion, version, value);
    if (both) criteria.push(both);
    else plain.push(value);
  }
  if (plain.length > 0) criteria.push({ ...criterion, values: plain });
  const [first, ...more] = criteria;
  return more.length === 0 ? first! : { name, param, values: [], logic: { op: 'or', criteria } };
}
