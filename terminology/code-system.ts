// What a code system says of itself and of its concepts: https://hl7.org/fhir/R4/codesystem.html
import type { JsonObject, Resource } from '#fhir-model';
import type { MemoryIndex } from './memory-index.ts';
import type { TableSystem } from './tables.ts';

export interface Coding {
  system?: string;
  version?: string;
  code?: string;
  display?: string;
}

export interface Designation {
  language?: string;
  use?: Coding;
  value: string;
  /** Canonical of the supplement that adds it. */
  source?: string;
  /** The standards status of the designation, where it is told: `deprecated`, `withdrawn`. */
  status?: string;
}

export type PropertyType = 'code' | 'Coding' | 'string' | 'integer' | 'boolean' | 'dateTime' | 'decimal';

export interface Property {
  code: string;
  type: PropertyType;
  /** Its text; of a Coding its code. */
  value: string;
  /** Of a Coding. */
  system?: string;
  display?: string;
  /** Role group of SNOMED CT; 0 is none. */
  group?: number;
  source?: string;
}

export interface Concept {
  /** Its place in the system, from 0; -1 where there is no list. */
  n: number;
  /** As the system writes it, whatever the case of the question. */
  code: string;
  display?: string;
  definition?: string;
  abstract: boolean;
  inactive: boolean;
  /** The property `status`, or else its standards status. */
  status?: string;
}

/** Another concept, as lists of parents and children name it. */
export interface ConceptName {
  code: string;
  display?: string;
}

export interface ConceptDetails {
  designations: readonly Designation[];
  properties: readonly Property[];
  parents: readonly ConceptName[];
  children: readonly ConceptName[];
}

export interface Described {
  concept: Concept;
  details: ConceptDetails;
}

export interface PropertyDefinition {
  code: string;
  uri?: string;
  type: string;
  description?: string;
}

/** A CodeSystem without its concepts. */
export interface About {
  url: string;
  /** Undefined when it has none. */
  version?: string;
  name?: string;
  title?: string;
  language?: string;
  /** Where it is not said the system is read in any case, as R4 wants it. */
  caseSensitive: boolean;
  /** Whether nested concepts, and parents, mean is-a. */
  isA: boolean;
  content: 'not-present' | 'example' | 'fragment' | 'complete' | 'supplement';
  /** Canonical of the system that it adds to. */
  supplements?: string;
  /** Canonical of the value set of all its codes. */
  valueSet?: string;
  versionNeeded: boolean;
  status?: string;
  experimental: boolean;
  /** `deprecated`, `withdrawn`, `draft`, …: of the extension. */
  standardsStatus?: string;
  properties: ReadonlyMap<string, PropertyDefinition>;
  filters: readonly { code: string; operators: readonly string[] }[];
  /** All that it has beside its concepts. */
  resource: Resource;
}

/**
 * Of which no codes are here, as R4's own CodeSystem of SNOMED CT: no better than an unknown one. What is `not-present` is
 * taken at its word, even if it lists some.
 */
export function isHollow({ about, memory }: Pick<CodeSystem, 'about' | 'memory'>): boolean {
  if (about.content === 'complete' || about.content === 'supplement') return false;
  return about.content === 'not-present' || memory?.concepts.length === 0;
}

export type Relation = 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed';

/**
 * A code system that can be asked. One of `memory`, `table`, `grammar` and `remote` is there: all concepts in memory, in
 * tables of their own, none listed but a rule that tells codes from other texts, or all at another server.
 */
export interface CodeSystem {
  readonly about: About;
  readonly memory?: MemoryIndex;
  readonly table?: TableSystem;
  readonly grammar?: Grammar;
  readonly remote?: true;
  /** Undefined where the system has no such code. */
  concept(code: string): Promise<Concept | undefined>;
  /** The concept and its details in one. */
  described(code: string): Promise<Described | undefined>;
  details(concept: Concept): Promise<ConceptDetails>;
  designations(concept: Concept): Promise<readonly Designation[]>;
  /** What `a` is to `b`. */
  relation(a: Concept, b: Concept): Promise<Relation>;
  /** The code itself and all below it, or above; throws `too-costly` when there are more than `codesMax`. */
  relatives(concept: Concept, direction: 'above' | 'below', codesMax: number): Promise<Set<string>>;
}

/** A system whose codes are written by rules: https://hl7.org/fhir/R4/terminologies-systems.html */
export interface Grammar {
  /** The concept that the code stands for, or why it is none. */
  read(code: string): { concept: Concept } | { fault: string };
  /** Whether two codes mean the same. */
  same(a: string, b: string): boolean;
  /** Properties that filters of value sets ask for: whether the code has the value. Throws `invalid-parameter` for a value that is none. */
  readonly properties?: ReadonlyMap<string, (code: string, value: string) => boolean>;
}

export const asArray = (value: unknown): JsonObject[] =>
  Array.isArray(value) ? value.filter((each): each is JsonObject => typeof each === 'object' && each !== null) : [];
export const asText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
export const asObject = (value: unknown): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;

const STANDARDS_STATUS = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status';

/** Of an element or a resource: `deprecated`, `withdrawn`, … */
export const standardsStatus = (element: JsonObject): string | undefined =>
  asText(asArray(element.extension).find(({ url }) => url === STANDARDS_STATUS)?.valueCode);

/** Leaves out what is undefined: optional properties are absent, not undefined. */
export function defined<T extends object>(parts: { [K in keyof T]?: T[K] | undefined }): T {
  for (const key of Object.keys(parts) as (keyof T)[]) if (parts[key] === undefined) delete parts[key];
  return parts as T;
}

function propertyDefinitions(resource: Resource): Map<string, PropertyDefinition> {
  const definitions = asArray(resource.property).flatMap(({ code, uri, type, description }) => {
    const name = asText(code);
    if (name === undefined) return [];
    const parts = { code: name, uri: asText(uri), type: asText(type) ?? 'string', description: asText(description) };
    return [[name, defined<PropertyDefinition>(parts)] as const];
  });
  return new Map(definitions);
}

const CONTENTS = new Set(['not-present', 'example', 'fragment', 'complete', 'supplement']);

/** `resource` may have its concepts or not. */
export function aboutOf(resource: Resource): About {
  const { concept: _concepts, ...rest } = resource;
  const content = asText(resource.content) ?? 'complete';
  return defined<About>({
    url: asText(resource.url) ?? '',
    version: asText(resource.version),
    name: asText(resource.name),
    title: asText(resource.title),
    language: asText(resource.language),
    caseSensitive: resource.caseSensitive === true,
    isA: resource.hierarchyMeaning === undefined || resource.hierarchyMeaning === 'is-a',
    content: CONTENTS.has(content) ? (content as About['content']) : 'complete',
    supplements: asText(resource.supplements),
    valueSet: asText(resource.valueSet),
    versionNeeded: resource.versionNeeded === true,
    status: asText(resource.status),
    experimental: resource.experimental === true,
    standardsStatus: standardsStatus(resource),
    properties: propertyDefinitions(resource),
    filters: asArray(resource.filter).flatMap(({ code, operator }) => {
      const operators = Array.isArray(operator) ? operator.filter((each) => typeof each === 'string') : [];
      return typeof code === 'string' ? [{ code, operators }] : [];
    }),
    resource: rest as Resource,
  });
}
