// What the stored SearchParameters ask for together: https://hl7.org/fhir/R4/searchparameter.html
// Of two that define the same the one that was created first counts, whichever server it came through.
import {
  type CustomParameter,
  customKeys,
  type Definitions,
  keyHolders,
  parseJson,
  type Resource,
  type SearchParameters,
  withCustomParameters,
} from '#fhir-model';
import { type Beside, readDefinition } from './definition.ts';
import type { Owned, StoredParameter } from './published.ts';

export interface Ground {
  definitions: Definitions;
  /** R4's. */
  base: SearchParameters;
}

const nameOf = ({ resourceType, code }: CustomParameter): string => `${resourceType}.${code}`;

const holdersOf = new WeakMap<SearchParameters, Map<number, string>>();

function baseHolders({ base, definitions }: Ground): Map<number, string> {
  const known = holdersOf.get(base) ?? keyHolders(base, definitions.resourceTypes);
  holdersOf.set(base, known);
  return known;
}

/** What a definition stands beside when these are in force, which `all` has with R4's. */
export function besideOf(ground: Ground, owned: readonly Owned[], all: SearchParameters): Beside {
  const owners = new Map(owned.map((one) => [nameOf(one), one.parameter]));
  const own = new Map(owned.flatMap((one) => customKeys(one).map((key): [number, string] => [key, nameOf(one)])));
  const others = baseHolders(ground);
  return {
    ...ground,
    all,
    ownerOf: (type, code) => owners.get(`${type}.${code}`),
    holderOf: (key) => own.get(key) ?? others.get(key),
    owners: new Set(owners.values()).size,
  };
}

/** Composites last: their parts may be among the others. */
function inOrder(stored: readonly StoredParameter[]): Resource[] {
  const resources = stored.map(({ id, body }) => ({ ...(parseJson(body).value as Resource), id }));
  const isComposite = ({ type }: Resource): boolean => type === 'composite';
  return [...resources.filter((one) => !isComposite(one)), ...resources.filter(isComposite)];
}

/** The parameters to be in force: of each SearchParameter all or, where something is wrong with it by now, none. */
export function wantedOf(ground: Ground, stored: readonly StoredParameter[]): Owned[] {
  const owned: Owned[] = [];
  for (const resource of inOrder(stored)) {
    const all =
      resource.type === 'composite' ? withCustomParameters(ground.base, owned, ground.definitions) : ground.base;
    const { parameters } = readDefinition(resource, besideOf(ground, owned, all));
    owned.push(...parameters);
  }
  return owned;
}
