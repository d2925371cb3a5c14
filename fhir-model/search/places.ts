// What chains ask of contained resources: https://hl7.org/fhir/R4/search.html#contained, #chaining
// A container says which of its references name which contained resource ("links"), and has the values of each of these
// under parameters of their own, so that a chain is about the very resource that the reference names.
import { createHash } from 'node:crypto';
import { isRawJson } from '../json.ts';
import type { Json, Resource } from '../types.ts';
import type { Extractor } from './extract.ts';
import type { Criterion, IndexValue, SearchParam } from './types.ts';

/**
 * Of the resources of one type that one contains, so many are found by chains: the first. A link to one of the others
 * bears this number, so that a search can tell what it misses.
 */
export const placesMax = 16;

/** Any numbers will do; contained.test.ts shows that no two keys of R4 meet. */
const shiftOf = (place: number): number => Math.imul(place + 1, 0x9e3779b1) ^ 0x2545f491;
const LINK_SHIFT = 0x6a09e667;

const placed = new WeakMap<SearchParam, SearchParam[]>();

/** What the values of `param` are indexed as where the resource is number `place` of its type in another, from 0. */
export function placedParam(param: SearchParam, place: number): SearchParam {
  const known = placed.get(param) ?? [];
  placed.set(param, known);
  known[place] ??= makePlaced(param, place);
  return known[place];
}

function makePlaced(param: SearchParam, place: number): SearchParam {
  // A contained resource's date is not its container's.
  const { dates: _dates, dated: _dated, sameAs, composite, ...rest } = param;
  const at = (one: SearchParam) => placedParam(one, place);
  return {
    ...rest,
    key: param.key ^ shiftOf(place),
    contained: true,
    ...(sameAs && { sameAs: sameAs.map((same) => ({ ...same, param: at(same.param) })) }),
    ...(composite && {
      composite: {
        ...composite,
        parts: composite.parts.map(at),
        ...(composite.root && { root: composite.root.map(at) }),
        ...(composite.withinAs && { withinAs: at(composite.withinAs) }),
      },
    }),
  };
}

const links = new WeakMap<SearchParam, SearchParam>();

/**
 * A token parameter of containers: which contained resources the reference parameter names. The code is the type, the
 * system the number of the place; each that comes has a term.
 */
export function linkParam(param: SearchParam): SearchParam {
  const known = links.get(param);
  if (known) return known;
  const { code, resourceType } = param;
  const made: SearchParam = {
    ...{ key: param.key ^ LINK_SHIFT, url: '', code, resourceType, type: 'token', expression: '', description: '' },
    ...{ target: [], contained: true, caseSensitive: true, coded: true },
  };
  links.set(param, made);
  return made;
}

/** A contained resource that a reference may name. */
interface Placed {
  resource: Resource;
  place: number;
  /** What stands for it in the place of `#id`: a reference that nothing else can be. */
  reference: string;
}

/** By `#id`; of two with one id the first. An id that has the digest of all the text is in none of it. */
function placesOf(contained: readonly Resource[], nonce: string): Map<string, Placed> {
  const counts = new Map<string, number>();
  const found = new Map<string, Placed>();
  for (const one of contained) {
    const count = counts.get(one.resourceType) ?? 0;
    counts.set(one.resourceType, count + 1);
    const place = Math.min(count, placesMax);
    const name = `#${one.id}`;
    if (typeof one.id !== 'string' || found.has(name)) continue;
    found.set(name, { resource: one, place, reference: `${one.resourceType}/${nonce}${place}` });
  }
  return found;
}

/** The value with the references in the places of `#id`, or of what else names a resource. */
export function withReferences(
  value: Json | undefined,
  places: ReadonlyMap<string, Pick<Placed, 'reference'>>,
): Json | undefined {
  if (typeof value === 'string') return places.get(value)?.reference ?? value;
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  if (Array.isArray(value)) return value.map((each) => withReferences(each, places) as Json);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withReferences(each, places)]));
}

/** `value` as one of the contained resource number `place`. */
function atPlace(value: IndexValue, place: number): IndexValue {
  const param = placedParam(value.param, place);
  if (value.kind !== 'composite') return { ...value, param };
  return { ...value, param, parts: value.parts.map((part) => part?.map((each) => atPlace(each, place))) };
}

/** Appends the values of a resource as those of the one number `place`. */
export function pushPlaced(values: readonly IndexValue[], place: number, into: IndexValue[]): void {
  for (const value of values) {
    if (value.kind !== 'narrative' && !value.param.custom) into.push(atPlace(value, place));
  }
}

/** What begins an id that stands nowhere in the resource's text. */
export const nonceOf = (resource: Resource): string =>
  `${createHash('sha256').update(JSON.stringify(resource)).digest('hex').slice(0, 40)}.`;

/** Appends the links of a container, and the values of the contained resources that they lead to. */
export function addPlaces(
  resource: Resource,
  contained: readonly Resource[],
  extract: Extractor,
  into: IndexValue[],
): void {
  const nonce = nonceOf(resource);
  const places = placesOf(contained, nonce);
  const named = new Set<string>();
  const addLinks = (from: Resource, of: (param: SearchParam) => SearchParam) => {
    for (const value of extract(withReferences({ ...from, contained: [] }, places) as Resource)) {
      // Parameters that say what others say are asked for as these.
      if (value.kind !== 'reference' || !value.id?.startsWith(nonce) || value.param.sameAs) continue;
      named.add(`${value.type}/${value.id}`);
      const system = value.id.slice(nonce.length);
      into.push({ kind: 'token', param: linkParam(of(value.param)), system, code: value.type as string });
    }
  };
  addLinks(resource, (param) => param);
  const found = [...places.values()].filter(({ place }) => place < placesMax);
  for (const one of found) addLinks(one.resource, (param) => placedParam(param, one.place));
  for (const { resource: one, place, reference } of found) {
    if (named.has(reference)) pushPlaced(extract(one), place, into);
  }
}

/** What stored resources alone have: columns, and texts that are read from the body. */
const isOfStored = ({ code, type, special, custom }: SearchParam, modifier: string | undefined): boolean =>
  code === '_id' ||
  code === '_lastUpdated' ||
  special === 'text' ||
  special === 'content' ||
  custom === true ||
  (type === 'reference' && modifier === 'text');

/**
 * The criterion as one on containers, about the contained resource number `place` of the criterion's type; undefined where
 * it asks what contained resources are not found by.
 */
export function placedCriterion(criterion: Criterion, place: number): Criterion | undefined {
  const { param, modifier, has, logic, compartment } = criterion;
  if (logic) {
    const criteria = logic.criteria.map((each) => placedCriterion(each, place));
    const whole = criteria.filter((each) => each !== undefined);
    return whole.length < criteria.length ? undefined : { ...criterion, logic: { ...logic, criteria: whole } };
  }
  if (has || compartment || isOfStored(param, modifier)) return undefined;
  return { ...criterion, param: placedParam(param, place) };
}
