// Search parameters that a server has been given beside R4's: https://hl7.org/fhir/R4/searchparameter.html
// R4's own never depend on them: none is the same as (same-as.ts) or a part of one of these, so that what R4's parameters
// find stays the same whatever is added.
import type { Definitions } from '../definitions.ts';
import { compositeOf, type RawComponent } from './composite.ts';
import { containedParam } from './contained.ts';
import { identifierParam } from './derived.ts';
import { familyPartsKey } from './family-parts.ts';
import { paramKey } from './param-key.ts';
import { paramOf, type SearchParameters } from './registry.ts';
import type { Composite, SearchParam, SearchParamType } from './types.ts';

/** A custom parameter as it applies to one resource type. */
export interface CustomParameter {
  resourceType: string;
  code: string;
  url: string;
  type: SearchParamType;
  /** As checkExpression yields it. */
  expression: string;
  fhirpath?: true;
  target: readonly string[];
  description: string;
  /** Of a composite. */
  components: readonly RawComponent[];
}

/** The numbers that its index rows carry, those of what it contains, of `:identifier` and of parts of names included. */
function keysOf(param: SearchParam): number[] {
  const own = param.type === 'reference' ? [param, identifierParam(param)] : [param];
  const all = own.flatMap((one) => [one, containedParam(one)]);
  const keys = all.map(({ key }) => key);
  return param.type === 'string' ? [...keys, ...all.map(familyPartsKey)] : keys;
}

/** The numbers of the parameters of these types, each with whose it is (`Type.code`). */
export function keyHolders(parameters: SearchParameters, types: readonly string[]): Map<number, string> {
  const holders = new Map<number, string>();
  for (const type of types) {
    for (const param of parameters.list(type)) for (const key of keysOf(param)) holders.set(key, nameOf(param));
  }
  return holders;
}

const nameOf = ({ resourceType, code }: { resourceType: string; code: string }): string => `${resourceType}.${code}`;

/** Those of a custom parameter, whatever else it says: two codes in 100,000 have one that is taken. */
export function customKeys({ resourceType, code, type }: CustomParameter): number[] {
  const param: SearchParam = {
    ...{ key: paramKey(resourceType, code), url: '', code, resourceType, type },
    ...{ expression: '', target: [], description: '' },
  };
  return keysOf(param);
}

function plainParam(custom: CustomParameter, definitions: Definitions): SearchParam | undefined {
  const { resourceType, target } = custom;
  const raw = { ...custom, base: [resourceType], target: [...target] };
  const param = paramOf(raw, resourceType, definitions);
  return param && { ...param, ...(custom.fhirpath && { fhirpath: true }), custom: true };
}

/** Made anew only where the definition is another, so that what is compiled of it stays. */
export type KnownCustom = Map<string, { text: string; param: SearchParam }>;

function paramFor(custom: CustomParameter, definitions: Definitions, known: KnownCustom): SearchParam | undefined {
  const name = nameOf(custom);
  const text = JSON.stringify(custom);
  const same = known.get(name);
  // A composite depends on what its parts are, which may be others now.
  if (same?.text === text && custom.type !== 'composite') return same.param;
  const param = plainParam(custom, definitions);
  if (param) known.set(name, { text, param });
  return param;
}

function addComposite(
  params: readonly SearchParam[],
  param: SearchParam,
  custom: CustomParameter,
  definitions: Definitions,
): void {
  const found = compositeOf(params, param, custom.components, definitions);
  if (found) (param as { composite?: Composite }).composite = found;
}

/** What the parameters of a type are with these; its own list where there are none. */
function extended(
  own: readonly SearchParam[],
  customs: readonly CustomParameter[],
  definitions: Definitions,
  known: KnownCustom,
): readonly SearchParam[] {
  if (customs.length === 0) return own;
  const params = [...own];
  const composites: [SearchParam, CustomParameter][] = [];
  for (const custom of customs) {
    const param = paramFor(custom, definitions, known);
    if (!param) continue;
    params.push(param);
    if (custom.type === 'composite') composites.push([param, custom]);
  }
  for (const [param, custom] of composites) addComposite(params, param, custom, definitions);
  return params.sort((a, b) => (a.code < b.code ? -1 : 1));
}

/**
 * R4's parameters and these. `known` is kept by the caller from one call to the next: a parameter whose definition is the
 * same stays the same object.
 */
export function withCustomParameters(
  base: SearchParameters,
  customs: readonly CustomParameter[],
  definitions: Definitions,
  known: KnownCustom = new Map(),
): SearchParameters {
  const names = new Set(customs.map(nameOf));
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  const byType = Map.groupBy(customs, ({ resourceType }) => resourceType);
  const lists = new Map<string, readonly SearchParam[]>();
  const codes = new Map<string, Map<string, SearchParam>>();
  for (const [type, some] of byType) {
    const list = extended(base.list(type), some, definitions, known);
    lists.set(type, list);
    codes.set(type, new Map(list.map((param) => [param.code, param])));
  }
  return {
    get: (type, code) => codes.get(type)?.get(code) ?? base.get(type, code),
    list: (type) => lists.get(type) ?? base.list(type),
    outsideSubset: () => [
      ...base.outsideSubset(),
      ...[...lists.values()].flat().filter(({ custom, fhirpath }) => custom && fhirpath),
    ],
  };
}

/** Whether a composite's parts are parameters of its type whose values can be kept together. */
export function compositeFits(custom: CustomParameter, beside: SearchParameters, definitions: Definitions): boolean {
  const param = plainParam(custom, definitions);
  if (param) addComposite(beside.list(custom.resourceType), param, custom, definitions);
  return param?.composite !== undefined;
}
