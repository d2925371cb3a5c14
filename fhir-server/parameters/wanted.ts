// What the stored SearchParameters ask for together: https://hl7.org/fhir/R4/searchparameter.html
// Of two that define the same the one that was created first counts, whichever server it came through.
import {
  type CustomParameter,
  compareVersions,
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

/** What a definition stands beside, which grows with each that is added. */
function createBeside(ground: Ground, all: SearchParameters): Beside & { add(owned: readonly Owned[]): void } {
  const owners = new Map<string, Owned>();
  const ids = new Set<string>();
  const holders = new Map<number, string>();
  const others = baseHolders(ground);
  return {
    ...ground,
    all,
    ownerOf: (type, code) => owners.get(`${type}.${code}`),
    holderOf: (key) => holders.get(key) ?? others.get(key),
    get owners() {
      return ids.size;
    },
    get definitionsCount() {
      return owners.size;
    },
    add(owned) {
      for (const one of owned) {
        owners.set(nameOf(one), one);
        ids.add(one.parameter);
        for (const key of customKeys(one)) holders.set(key, nameOf(one));
      }
    },
  };
}

/** What a definition stands beside when these are in force, which `all` has with R4's. */
export function besideOf(ground: Ground, owned: readonly Owned[], all: SearchParameters): Beside {
  const beside = createBeside(ground, all);
  beside.add(owned);
  return beside;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Of active ones with the same url the latest version, of equal versions the first. */
function latestVersions(resources: readonly Resource[]): Resource[] {
  const latest = new Map<string, Resource>();
  for (const resource of resources) {
    const url = textOf(resource.url);
    if (resource.status !== 'active' || url === '') continue;
    const before = latest.get(url);
    if (before && compareVersions(textOf(before.version), textOf(resource.version)) >= 0) continue;
    latest.set(url, resource);
  }
  return resources.filter((resource) => (latest.get(textOf(resource.url)) ?? resource) === resource);
}

/** The parameters to be in force: of each SearchParameter all or, where something is wrong with it by now, none. */
export function wantedOf(ground: Ground, stored: readonly StoredParameter[]): Owned[] {
  const resources = latestVersions(stored.map(({ id, body }) => ({ ...(parseJson(body).value as Resource), id })));
  const owned: Owned[] = [];
  const take = (some: readonly Resource[], all: SearchParameters): void => {
    const beside = createBeside(ground, all);
    beside.add(owned);
    for (const resource of some) {
      const { parameters } = readDefinition(resource, beside);
      beside.add(parameters);
      owned.push(...parameters);
    }
  };
  const isComposite = ({ type }: Resource): boolean => type === 'composite';
  take(
    resources.filter((one) => !isComposite(one)),
    ground.base,
  );
  // Last: their parts may be among the others.
  const composites = resources.filter(isComposite);
  if (composites.length > 0) take(composites, withCustomParameters(ground.base, owned, ground.definitions));
  return owned;
}
