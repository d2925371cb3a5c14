// What the CapabilityStatement tells of installed packages: https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.implementationGuide,
// #CapabilityStatement.rest.resource.supportedProfile
import type { Canonicals } from '#fhir-model';
import type { Db } from '#platform';
import { installedGuides, packagesRevision, supportedProfiles } from './rows.ts';

export interface ToldPackages {
  /** Sees what has changed: one small query. */
  refresh(): Promise<void>;
  /** Another whenever what is told is. */
  readonly revision: number;
  /** Canonicals, with version where there are several of one. */
  readonly guides: readonly string[];
  profilesOf(type: string): readonly string[];
}

interface Versioned {
  url: string;
  version: string | null;
}

/** `url`, or `url|version` for each of several: clients look for the plain one where it says all. */
function canonicals(all: readonly Versioned[]): string[] {
  const counts = Map.groupBy(all, ({ url }) => url);
  return all.map(({ url, version }) => (counts.get(url)!.length > 1 && version !== null ? `${url}|${version}` : url));
}

export function createToldPackages(db: Db, definitions: Canonicals): ToldPackages {
  let standing = '';
  let revision = 0;
  let guides: string[] = [];
  let profiles = new Map<string, string[]>();
  return {
    get revision() {
      return revision;
    },
    get guides() {
      return guides;
    },
    profilesOf: (type) => profiles.get(type) ?? [],
    async refresh() {
      await definitions.refresh();
      const now = `${await packagesRevision(db)}/${definitions.generation}`;
      if (now === standing) return;
      const [foundGuides, foundProfiles] = [await installedGuides(db), await supportedProfiles(db)];
      // A guide's own canonical says which version: that is what is asked of it.
      guides = foundGuides.map(({ url, version }) => (version === null ? url : `${url}|${version}`));
      const byType = Map.groupBy(foundProfiles, ({ type }) => type);
      profiles = new Map([...byType].map(([type, some]) => [type, canonicals(some)]));
      standing = now;
      revision++;
    },
  };
}
