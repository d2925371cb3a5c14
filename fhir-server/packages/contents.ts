// The resources of a package: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
// Its .index.json is not asked: not every package has one, and what the files themselves say is what counts.
import { type Issue, isTopicBasic, type Json, type Resource } from '#fhir-model';
import { type CerebraError, isCerebraError, type TgzFile } from '#platform';
import { canonicalTypes } from '../canonicals/stored.ts';
import { readJson } from '../load/read-resource.ts';

/** Conformance resources lie in `package/` itself; examples there too in older packages, else in a folder of their own. */
const CONFORMANCE = /^package\/(?!\.)[^/]+\.json$/;
const EXAMPLE = /^package\/examples?\/(?!\.)[^/]+\.json$/;
const NO_RESOURCE = new Set(['package/package.json']);

export const isWanted = (name: string, examples: boolean): boolean =>
  !NO_RESOURCE.has(name) && (CONFORMANCE.test(name) || (examples && EXAMPLE.test(name)));

/** What has a meaning by itself, without a url too. */
const conformanceTypes: ReadonlySet<string> = new Set([...canonicalTypes, 'NamingSystem']);

export interface PackagedResource {
  /** `package/StructureDefinition-us-core-patient.json` */
  file: string;
  resource: Resource;
  isExample: boolean;
  /** Of its JSON text, in UTF-16 units. */
  characters: number;
}

/** A file of the package that can't be stored. */
export interface PackageFault {
  file: string;
  issues: Issue[];
}

const isResource = (value: Json): value is Resource =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value.resourceType === 'string';

const faultOf = (file: string, { issues }: CerebraError): PackageFault => ({ file, issues: issues as Issue[] });

/** The resource of a file; undefined for an example that nobody asked for and for JSON that is no resource. */
export function readFile({ name, content }: TgzFile, examples: boolean): PackagedResource | PackageFault | undefined {
  const text = content.toString('utf8').replace(/^\uFEFF/, '');
  try {
    const value = readJson(text);
    if (!isResource(value)) return undefined;
    const hasMeaning = conformanceTypes.has(value.resourceType) || isTopicBasic(value);
    const isExample = EXAMPLE.test(name) || !hasMeaning;
    if (isExample && !examples) return undefined;
    return { file: name, resource: value, isExample, characters: text.length };
  } catch (error) {
    if (isCerebraError(error)) return faultOf(name, error);
    throw error;
  }
}
