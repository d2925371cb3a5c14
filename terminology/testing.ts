// Parts of the tests of this room.
import { type Canonicals, chooseVersion, compareVersions, parseCanonical, type Resource } from '#fhir-model';
import { asText } from './code-system.ts';

export interface TestCanonicals extends Canonicals {
  /** Replaces what is known. */
  set(resources: readonly Resource[]): void;
}

/** Definitions of a list, as the store would offer them. */
export function testCanonicals(resources: readonly Resource[]): TestCanonicals {
  let known = resources;
  let generation = 1;
  const of = (type: string, url: string) =>
    known
      .filter((each) => each.resourceType === type && each.url === url)
      .map((resource) => ({ resource, version: asText(resource.version) ?? '' }))
      .toSorted((a, b) => compareVersions(b.version, a.version));
  return {
    async find(type, canonical) {
      const { url, version } = parseCanonical(canonical);
      return chooseVersion(of(type, url), version)?.resource;
    },
    systemsOf: async (valueSet) =>
      known.filter((each) => each.resourceType === 'CodeSystem' && each.valueSet === valueSet),
    versions: async (type, url) => of(type, url).map(({ version }) => version),
    get generation() {
      return generation;
    },
    refresh: async () => undefined,
    set(next) {
      known = next;
      generation++;
    },
  };
}
