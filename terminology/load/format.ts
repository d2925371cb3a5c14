// What a kind of release is to the loader: how it is told, and how its files become concepts.
import type { JsonObject, Resource } from '#fhir-model';
import type { NewSystem, SystemWriter } from '../write-system.ts';
import type { Faults } from './faults.ts';
import type { Release, ReleaseFile } from './release.ts';

export interface LoadContext {
  faults: Faults;
  /** Instead of what the release tells. */
  version: string | undefined;
  /** SNOMED CT: the module that names the edition. */
  module: string | undefined;
  /** SNOMED CT: the concept id of the language reference set whose preferred terms are the displays. */
  language: string | undefined;
  /**
   * Writes a system that nobody sees until `write` has ended; if it throws, nothing is left. It is not called when the system
   * is loaded already and is to be passed over.
   */
  system(system: Omit<NewSystem, 'resource'>, write: (writer: SystemWriter) => Promise<void>): Promise<void>;
  /** A resource that is small enough to be one, or no CodeSystem. `file` is where it came from. */
  store(resource: Resource, file: string): Promise<void>;
}

export interface Format {
  /** As in `--format`. */
  name: string;
  title: string;
  /** Whether the release's files look like it. */
  fits(release: Release): boolean;
  /** The files that it reads, those twice that are read twice: what progress is measured by. */
  reads(release: Release): ReleaseFile[];
  read(release: Release, context: LoadContext): Promise<void>;
}

export interface PropertyDefinition {
  code: string;
  type: string;
  description: string;
  uri?: string;
}

export interface About {
  url: string;
  version: string;
  name: string;
  title: string;
  caseSensitive: boolean;
  /** ValueSet of all its codes. */
  valueSet?: string;
  hierarchyMeaning?: 'is-a' | 'part-of' | 'grouped-by' | 'classified-with';
  compositional?: boolean;
  properties: readonly PropertyDefinition[];
}

/** The CodeSystem resource, without its concepts, of a release that has none: https://hl7.org/fhir/R4/codesystem.html */
export function newSystem({ properties, ...about }: About): Omit<NewSystem, 'resource'> {
  const { version, ...rest } = about;
  const resource: JsonObject = {
    resourceType: 'CodeSystem',
    ...rest,
    ...(version !== '' && { version }),
    status: 'active',
    content: 'complete',
    property: properties.map((each) => ({ ...each })),
  };
  const { url, caseSensitive } = about;
  return { url, version, caseSensitive, about: resource as unknown as Resource };
}
