// The R4 core model: types, elements, search parameters, compartments. https://hl7.org/fhir/R4/downloads.html
import { readFile } from 'node:fs/promises';
import { type Compiled, readCompiled } from './compiled.ts';

/** What https://hl7.org/fhir/R4/elementdefinition.html says of one element, as far as a server needs it. */
export interface ElementDefinition {
  /** The name in JSON; of a choice the stem: `value` of `value[x]`. */
  name: string;
  /** Type names; `Patient.contact` for a nested element. Several only for a choice. `Resource` means any resource. */
  types: string[];
  min: number;
  /** Whether it repeats (max is `*`; R4 knows no other maximum than that and 1). */
  array: boolean;
  choice: boolean;
  /** The nested type that this element borrows; stands in `types` too. */
  contentReference?: string;
  /** Resource types that a Reference or canonical may point to; absent when it may point to any. */
  targets?: string[];
  /** The value set of a required binding; its codes are in `valueSets` when it can be enumerated. */
  valueSet?: string;
  /** A required or extensible binding, and its value set without version. `max`: a code need not be there, but then is of it. */
  binding?: { strength: 'required' | 'extensible'; valueSet: string; max?: true };
  /** The element's own invariants, evaluated on each of its values; those of its type stand there. */
  constraints?: ConstraintDefinition[];
  summary?: boolean;
  modifier?: boolean;
}

/** An invariant: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint */
export interface ConstraintDefinition {
  key: string;
  severity: 'error' | 'warning';
  human: string;
  expression: string;
  /** A best practice: https://hl7.org/fhir/R4/extension-elementdefinition-bestpractice.html */
  advice?: boolean;
}

export interface TypeDefinition {
  /** `Patient`, `HumanName`, `code`, or `Patient.contact` for a nested element. */
  name: string;
  kind: 'resource' | 'complex' | 'backbone' | 'primitive';
  abstract: boolean;
  base?: string;
  /** The type's own invariants, without those of its base. */
  constraints?: ConstraintDefinition[];
  /** Inherited ones first; a primitive has id and extension. */
  elements: ElementDefinition[];
}

/** A SearchParameter resource without its prose: https://hl7.org/fhir/R4/searchparameter.html */
export interface SearchParameterDefinition {
  resourceType: 'SearchParameter';
  id: string;
  url: string;
  version: string;
  name: string;
  status: string;
  description: string;
  code: string;
  base: string[];
  type: string;
  expression?: string;
  xpathUsage?: string;
  target?: string[];
  multipleOr?: boolean;
  comparator?: string[];
  component?: { definition: string; expression: string }[];
}

/** https://hl7.org/fhir/R4/compartmentdefinition.html: by resource type the search parameters that make it a member. */
export interface CompartmentDefinition {
  code: string;
  resource: Record<string, string[]>;
}

export type ValueSetCodes = { system: string; codes: string[] }[];

/** The cache file. */
export interface CompactModel {
  types: TypeDefinition[];
  regexes: Record<string, string>;
  valueSets: Record<string, ValueSetCodes>;
  searchParameters: SearchParameterDefinition[];
  compartments: CompartmentDefinition[];
}

export interface Definitions {
  /** The 146 concrete resource types, sorted. */
  readonly resourceTypes: readonly string[];
  isResourceType(name: string): boolean;
  /** A resource, data type, primitive or nested element (`Patient.contact`); undefined for a name R4 doesn't know. */
  type(name: string): TypeDefinition | undefined;
  /** The regular expression of a primitive as the specification gives it (XML Schema flavour, to be anchored). */
  regex(primitive: string): string | undefined;
  /** The codes of a required or extensible binding's value set; undefined when it can't be enumerated (MIME types, currencies, UCUM). */
  valueSet(url: string): ValueSetCodes | undefined;
  readonly searchParameters: readonly SearchParameterDefinition[];
  /** By code: `Patient`, `Encounter`, `RelatedPerson`, `Practitioner`, `Device`. */
  compartment(code: string): CompartmentDefinition | undefined;
}

function definitionsOf(model: CompactModel): Definitions {
  const types = new Map(model.types.map((type) => [type.name, type]));
  const concrete = model.types.filter((type) => type.kind === 'resource' && !type.abstract);
  const resourceTypes = concrete.map((type) => type.name).sort();
  const known = new Set(resourceTypes);
  const regexes = new Map(Object.entries(model.regexes));
  const valueSets = new Map(Object.entries(model.valueSets));
  const compartments = new Map(model.compartments.map((compartment) => [compartment.code, compartment]));
  return {
    resourceTypes,
    isResourceType: (name) => known.has(name),
    type: (name) => types.get(name),
    regex: (primitive) => regexes.get(primitive),
    valueSet: (url) => valueSets.get(url),
    searchParameters: model.searchParameters,
    compartment: (code) => compartments.get(code),
  };
}

const model: Compiled<CompactModel> = {
  name: 'fhir-r4',
  ending: '.json',
  programs: ['definitions-compile.ts', 'value-sets-list.ts'],
  read: async (file) => JSON.parse(await readFile(file, 'utf8')) as CompactModel,
};

async function load(cacheDir: string | undefined): Promise<Definitions> {
  return definitionsOf(await readCompiled(model, cacheDir));
}

const loading = new Map<string, Promise<Definitions>>();

/**
 * Loads the R4 model, about 25 ms from its cache file; the first time it is compiled in a child process (about 2 s).
 * @param cacheDir where the cache file lives; by default node_modules/.cache/cerebra, else a folder of ours in the system's temporary one.
 */
export function loadDefinitions(cacheDir?: string): Promise<Definitions> {
  const key = cacheDir ?? '';
  const pending = loading.get(key) ?? load(cacheDir);
  loading.set(key, pending);
  pending.catch(() => loading.delete(key));
  return pending;
}
