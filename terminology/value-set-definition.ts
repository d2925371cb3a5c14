// What a ValueSet says, read with care: https://hl7.org/fhir/R4/valueset.html
import { decimalText, isNumber, type JsonObject, type Resource } from '#fhir-model';
import { asArray, asObject, asText } from './code-system.ts';

export interface ConceptFilter {
  property: string;
  op: string;
  /** Undefined when it has none, which is wrong. */
  value: string | undefined;
  /** `ValueSet.compose.include[0].filter[0]` */
  at: string;
}

/** ValueSet.compose.include.concept */
export interface ListedConcept {
  code: string;
  display?: string;
  designation: JsonObject[];
  extension: JsonObject[];
}

/** ValueSet.compose.include or .exclude */
export interface ConceptSet {
  /** `ValueSet.compose.include[0]` */
  at: string;
  system?: string;
  version?: string;
  concepts: ListedConcept[];
  filters: ConceptFilter[];
  valueSets: string[];
}

export interface ValueSetDefinition {
  /** `url|version`, or what is known of it. */
  name: string;
  url?: string;
  version?: string;
  resource: Resource;
  include: ConceptSet[];
  exclude: ConceptSet[];
  /** Whether its compose says that inactive concepts belong to it. */
  inactive?: boolean;
  /** What it names without a version is meant as it was then. */
  lockedDate?: string;
  /** Canonicals of code system supplements that it needs. */
  supplements: string[];
  /** Parameters of expansions that it fixes, such as displayLanguage. */
  parameters: ReadonlyMap<string, string>;
  contained: ReadonlyMap<string, Resource>;
  /** The expansion that it was stored with. */
  expansion?: JsonObject;
  /** It is made of that expansion, having no compose. */
  fromExpansion: boolean;
}

const HL7 = 'http://hl7.org/fhir/StructureDefinition/';
const SUPPLEMENT = `${HL7}valueset-supplement`;
const EXPANSION_PARAMETER = [`${HL7}valueset-expansion-parameter`, `${HL7}valueset-expand-parameter`];
/** Operators that R4's value set of them does not have: R4 carries them in this extension of `op`. */
const FILTER_OP = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op';

/** The value[x] of an extension, a parameter or a property. */
export function elementValue(holder: JsonObject): unknown {
  const name = Object.keys(holder).find((key) => /^value[A-Z]/.test(key));
  return name === undefined ? undefined : holder[name];
}

export const extensionValue = (holder: JsonObject, url: string): unknown => {
  const extension = asArray(holder.extension).find((each) => each.url === url);
  return extension && elementValue(extension);
};

export const joinCanonical = (url: string, version: string | undefined): string =>
  version === undefined || version === '' ? url : `${url}|${version}`;

function readFilter(filter: JsonObject, at: string): ConceptFilter {
  const op = asText(filter.op) ?? asText(extensionValue(asObject(filter._op) ?? {}, FILTER_OP)) ?? '';
  return { property: asText(filter.property) ?? '', op, value: asText(filter.value), at };
}

function readListed(concept: JsonObject): ListedConcept[] {
  const code = asText(concept.code);
  if (code === undefined) return [];
  const display = asText(concept.display);
  return [
    {
      code,
      ...(display !== undefined && { display }),
      designation: asArray(concept.designation),
      extension: asArray(concept.extension),
    },
  ];
}

function readSet(set: JsonObject, at: string): ConceptSet {
  const system = asText(set.system);
  const version = asText(set.version);
  const canonicals = Array.isArray(set.valueSet) ? set.valueSet : [];
  return {
    at,
    ...(system !== undefined && { system }),
    ...(version !== undefined && { version }),
    concepts: asArray(set.concept).flatMap(readListed),
    filters: asArray(set.filter).map((filter, i) => readFilter(filter, `${at}.filter[${i}]`)),
    valueSets: canonicals.map(asText).filter((url) => url !== undefined),
  };
}

/**
 * A string, number or boolean as text. What comes as `tx-resource` is not validated: String() and Number() throw for an object
 * with a `toString` of its own, and for numbers that keep their digits.
 */
function primitiveText(value: unknown): string | undefined {
  if (isNumber(value)) return decimalText(value);
  return typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined;
}

function readParameters(resource: Resource, compose: JsonObject): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const extension of [...asArray(resource.extension), ...asArray(compose.extension)]) {
    if (!EXPANSION_PARAMETER.includes(asText(extension.url) ?? '')) continue;
    const name = asText(extensionValue(extension, 'name'));
    const value = primitiveText(extensionValue(extension, 'value'));
    if (name !== undefined && value !== undefined) parameters.set(name, value);
  }
  return parameters;
}

/**
 * Entries by system, nested ones too; those without a code group others. Undefined when it is a page of an expansion, not
 * all of it.
 */
function expandedSets(expansion: JsonObject): ConceptSet[] | undefined {
  const sets = new Map<string, ConceptSet>();
  const work = asArray(expansion.contains).toReversed();
  let entries = 0;
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    entries++;
    work.push(...asArray(next.contains).toReversed());
    const system = asText(next.system);
    if (system === undefined || asText(next.code) === undefined || next.abstract === true) continue;
    const version = asText(next.version);
    const key = joinCanonical(system, version);
    const set = sets.get(key) ?? readSet({ system, ...(version && { version }) }, 'ValueSet.expansion');
    sets.set(key, set);
    set.concepts.push(...readListed({ ...next, extension: [] }));
  }
  const { total = entries, offset = 0 } = expansion;
  return Number(primitiveText(offset)) === 0 && Number(primitiveText(total)) <= entries
    ? [...sets.values()]
    : undefined;
}

/** The value set that its stored expansion lists; undefined where that is missing or only a page of it. */
export function definitionOfExpansion(definition: ValueSetDefinition): ValueSetDefinition | undefined {
  const include = definition.expansion && expandedSets(definition.expansion);
  return include && { ...definition, include, exclude: [], fromExpansion: true };
}

export function readDefinition(resource: Resource): ValueSetDefinition {
  const compose = asObject(resource.compose);
  const expansion = asObject(resource.expansion);
  const url = asText(resource.url);
  const version = asText(resource.version);
  const lockedDate = asText(compose?.lockedDate);
  const sets = (name: 'include' | 'exclude') =>
    asArray(compose?.[name]).map((set, i) => readSet(set, `ValueSet.compose.${name}[${i}]`));
  const contained = asArray(resource.contained) as Resource[];
  const supplements = asArray(resource.extension).filter((each) => each.url === SUPPLEMENT);
  const definition: ValueSetDefinition = {
    name: url === undefined ? '(unidentified)' : joinCanonical(url, version),
    ...(url !== undefined && { url }),
    ...(version !== undefined && { version }),
    resource,
    include: sets('include'),
    exclude: sets('exclude'),
    ...(typeof compose?.inactive === 'boolean' && { inactive: compose.inactive }),
    ...(lockedDate !== undefined && { lockedDate }),
    supplements: supplements.map((each) => asText(elementValue(each))).filter((each) => each !== undefined),
    parameters: readParameters(resource, compose ?? {}),
    contained: new Map(contained.map((each) => [asText(each.id) ?? '', each])),
    ...(expansion && { expansion }),
    fromExpansion: false,
  };
  return compose === undefined ? (definitionOfExpansion(definition) ?? definition) : definition;
}
