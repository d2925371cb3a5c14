// Contained resources as search finds them: https://hl7.org/fhir/R4/search.html#contained
// Their values stand among those of their container, under parameters of their own: a resource without `contained` costs
// nothing, and whoever indexes a resource has indexed what it contains. Two contained resources of one type are not told
// apart there; a search does that with what it has found. What chains ask stands in places.ts.
import type { JsonObject, Resource } from '../types.ts';
import { addBundlePlaces } from './bundle-places.ts';
import { compileExtractor, type Extractor, type ExtractorOptions } from './extract.ts';
import { paramKey } from './param-key.ts';
import { addPlaces } from './places.ts';
import type { SearchParameters } from './registry.ts';
import type { IndexValue, SearchParam } from './types.ts';

/** Any fixed number will do; contained.test.ts shows that no two keys of R4 meet. */
const SHIFT = 0x3c6ef372;

const shifted = new WeakMap<SearchParam, SearchParam>();

/** What the values of `param` are indexed as where the resource is contained in another. */
export function containedParam(param: SearchParam): SearchParam {
  const known = shifted.get(param);
  if (known) return known;
  // A contained resource's date is not its container's.
  const { dates: _dates, dated: _dated, ...rest } = param;
  const made: SearchParam = {
    ...rest,
    key: param.key ^ SHIFT,
    contained: true,
    ...(param.sameAs && { sameAs: param.sameAs.map((same) => ({ ...same, param: containedParam(same.param) })) }),
  };
  shifted.set(param, made);
  return made;
}

const markers = new Map<string, SearchParam>();

/** A token parameter of containers: the types of the resources they contain. */
export function containedTypes(containerType: string): SearchParam {
  const known = markers.get(containerType);
  if (known) return known;
  const made: SearchParam = {
    key: paramKey(containerType, '_contained'),
    ...{ url: '', code: '_contained', resourceType: containerType, type: 'token', expression: '', description: '' },
    ...{ target: [], contained: true, caseSensitive: true },
  };
  markers.set(containerType, made);
  return made;
}

/** The kinds that narrow a search down; the others are looked at in what is found. */
const INDEXED = new Set<IndexValue['kind']>(['token', 'reference', 'date', 'number', 'quantity', 'string', 'uri']);

const isResource = (value: unknown): value is Resource =>
  typeof (value as JsonObject | null | undefined)?.resourceType === 'string';

/** The resources that one contains. */
export const containedIn = ({ contained }: Resource): Resource[] =>
  Array.isArray(contained) ? contained.filter(isResource) : [];

function addContained(resource: Resource, extract: Extractor, into: IndexValue[]): void {
  const marker = containedTypes(resource.resourceType);
  const contained = containedIn(resource);
  for (const one of contained) {
    into.push({ kind: 'token', param: marker, code: one.resourceType });
    for (const value of extract(one)) {
      if (INDEXED.has(value.kind)) into.push({ ...value, param: containedParam(value.param) } as IndexValue);
    }
  }
  if (contained.length > 0) addPlaces(resource, contained, extract, into);
}

/**
 * The values of any resource, what it contains included, by an extractor for each type: compiled when the first resource
 * of it comes, and anew when the type has other parameters than before.
 */
export function createExtractor(parameters: SearchParameters, options: ExtractorOptions = {}): Extractor {
  const compiled = new Map<string, { params: readonly SearchParam[]; extract: Extractor }>();
  const extractOwn: Extractor = (resource) => {
    const type = resource.resourceType;
    const params = parameters.list(type);
    let known = compiled.get(type);
    if (known?.params !== params) {
      known = { params, extract: compileExtractor(params, options) };
      compiled.set(type, known);
    }
    return known.extract(resource);
  };
  return (resource) => {
    const values = extractOwn(resource);
    if (resource.contained !== undefined) addContained(resource, extractOwn, values);
    if (resource.resourceType === 'Bundle') addBundlePlaces(resource, extractOwn, values);
    return values;
  };
}
