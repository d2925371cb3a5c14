// One entry of an expansion: https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.contains
import type { JsonObject } from '#fhir-model';
import { displaysOf } from './check-display.ts';
import {
  asArray,
  asText,
  type CodeSystem,
  type Concept,
  type ConceptDetails,
  type Designation,
  type Property,
} from './code-system.ts';
import { valueElement } from './concept-properties.ts';
import type { Languages } from './languages.ts';
import { elementValue, type ListedConcept } from './value-set-definition.ts';
import type { Shown } from './value-set-select.ts';
import type { UsedSystem } from './value-sets.ts';

const HL7 = 'http://hl7.org/fhir/StructureDefinition/';
const CONCEPT_PROPERTIES = 'http://hl7.org/fhir/concept-properties#';
/** R4 has no properties in expansions: they go as R5's, in extensions. https://hl7.org/fhir/versions.html#extensions */
const R5 = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-';

/** Extensions of a concept that go into expansions as they are. */
const KEPT = new Set(
  ['rendering-style', 'rendering-xhtml', 'valueset-deprecated', 'valueset-concept-definition'].map(
    (name) => HL7 + name,
  ),
);
/** Extensions of a designation that do. */
const KEPT_OF_DESIGNATION = new Set(
  ['coding-sctdescid', 'structuredefinition-standards-status'].map((name) => HL7 + name),
);

/** Extensions that are properties in R5. A value set's own goes before the code system's. */
const AS_PROPERTY: Record<string, { code: string; value: string }> = {
  [`${HL7}codesystem-label`]: { code: 'label', value: 'valueString' },
  [`${HL7}valueset-label`]: { code: 'label', value: 'valueString' },
  [`${HL7}codesystem-conceptOrder`]: { code: 'order', value: 'valueDecimal' },
  [`${HL7}valueset-conceptOrder`]: { code: 'order', value: 'valueDecimal' },
  [`${HL7}itemWeight`]: { code: 'weight', value: 'valueDecimal' },
  [`${HL7}ordinalValue`]: { code: 'weight', value: 'valueDecimal' },
  [`${HL7}codesystem-ordinalValue`]: { code: 'weight', value: 'valueDecimal' },
  [`${HL7}valueset-ordinalValue`]: { code: 'weight', value: 'valueDecimal' },
};

const STANDARD_URIS: Record<string, string> = {
  ...{ label: 'label', order: 'order', weight: 'itemWeight', status: 'status', definition: 'definition' },
  ...{ parent: 'parent', child: 'child', inactive: 'inactive', notSelectable: 'notSelectable' },
};

const PREFERRED = {
  system: 'http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra',
  code: 'preferredForLanguage',
  display: 'Preferred For Language',
};

export interface EntryOptions {
  languages: Languages;
  designations: boolean;
  /** `system|code` of uses, or `urn:ietf:bcp:47|de`; none: all designations. */
  designation: readonly string[];
  properties: readonly string[];
}

/** What is known of a concept that stands in an expansion. */
export interface Entry {
  concept: Concept;
  used?: UsedSystem;
  url: string;
  /** Its version, where one expansion has two of the same system. */
  version?: string;
  shown: Shown;
  /** What the value set says of it. */
  listed?: ListedConcept;
  /** Codes of those directly above, where they are asked for. */
  parents?: readonly string[];
  /** What supplements say of it that are in the tables. */
  added?: readonly ConceptDetails[];
}

interface Sources {
  extension: readonly JsonObject[];
  designations: readonly JsonObject[];
  properties: readonly Property[];
}

function designationElement({ language, use, value }: Designation): JsonObject {
  return { ...(language !== undefined && { language }), ...(use && { use: { ...use } }), value };
}

const rawDesignation = (element: JsonObject): JsonObject => {
  const kept = asArray(element.extension).filter(({ url }) => KEPT_OF_DESIGNATION.has(asText(url) ?? ''));
  const { language, use, value } = element;
  return {
    ...(kept.length > 0 && { extension: kept }),
    ...(language !== undefined && { language }),
    ...(use !== undefined && { use }),
    value,
  };
};

/** Of the system itself, of what its supplements add, and of the value set. */
function sourcesOf({ concept, used, shown, listed, added: fromTables = [] }: Entry): Sources {
  const own = used?.system.memory?.concepts[concept.n]?.element;
  const designations = own ? asArray(own.designation).map(rawDesignation) : shown.designations.map(designationElement);
  const added = (used?.supplements ?? []).map(({ memory }) => memory?.find(concept.code)).filter((each) => !!each);
  return {
    extension: [
      ...shown.extension,
      ...added.flatMap(({ element }) => asArray(element.extension)),
      ...(listed?.extension ?? []),
    ],
    designations: [
      ...designations,
      ...added.flatMap(({ element }) => asArray(element.designation).map(rawDesignation)),
      ...fromTables.flatMap((each) => each.designations.map(designationElement)),
      ...(listed?.designation ?? []).map(rawDesignation),
    ],
    properties: [...shown.properties, ...[...added, ...fromTables].flatMap(({ properties }) => properties)],
  };
}

const textOf = (element: JsonObject): Designation => {
  const language = asText(element.language);
  return { value: asText(element.value) ?? '', ...(language !== undefined && { language }) };
};

function isAsked(designation: JsonObject, asked: readonly string[]): boolean {
  if (asked.length === 0) return true;
  const language = asText(designation.language);
  const { system, code } = (designation.use ?? {}) as JsonObject;
  return asked.some((token) => {
    const [of, value = ''] = token.includes('|') ? token.split('|') : ['', token];
    if (of === 'urn:ietf:bcp:47') return language?.toLowerCase() === value.toLowerCase();
    return (of === '' || of === system) && (code === value || (of === '' && language === value));
  });
}

/** The display in the language that was asked for, and the designations without it. */
function textsOf(
  entry: Entry,
  sources: Sources,
  options: EntryOptions,
): { display?: string; designation: JsonObject[] } {
  const { concept, used, listed } = entry;
  if (!used) {
    const display = listed?.display;
    return { ...(display !== undefined && { display }), designation: [...sources.designations] };
  }
  const { about } = used.system;
  const texts = sources.designations.map(textOf);
  const { display } = displaysOf(about, concept, texts, options.languages, listed?.display);
  const own = listed?.display ?? concept.display;
  // The designation that became the display is no longer told as one; the system's own display is.
  const taken = display === own ? -1 : texts.findIndex(({ value }) => value === display);
  const rest = sources.designations.filter((_, i) => i !== taken);
  const first = display === own || own === undefined ? [] : [preferred(about.language, own)];
  const designation = [...first, ...rest].filter((each) => isAsked(each, options.designation));
  return { ...(display !== undefined && { display }), designation };
}

const preferred = (language: string | undefined, value: string): JsonObject => ({
  ...(language !== undefined && { language }),
  use: PREFERRED,
  value,
});

interface ShownProperty {
  code: string;
  /** `valueCode`, … with its value. */
  value: JsonObject;
}

function askedProperties(
  { concept, parents = [] }: Entry,
  sources: Sources,
  asked: readonly string[],
): ShownProperty[] {
  const found = sources.properties
    .filter(({ code }) => asked.includes(code) && code !== 'status')
    .map((property) => ({ code: property.code, value: valueElement(property) }));
  const told = (code: string): boolean => asked.includes(code) && !found.some((each) => each.code === code);
  if (told('definition') && concept.definition !== undefined) {
    found.push({ code: 'definition', value: { valueString: concept.definition } });
  }
  if (told('inactive')) found.push({ code: 'inactive', value: { valueBoolean: concept.inactive } });
  if (told('parent')) found.push(...parents.map((code) => ({ code: 'parent', value: { valueCode: code } })));
  return found;
}

function standingProperties({ concept }: Entry, { extension }: Sources): ShownProperty[] {
  const found = new Map<string, ShownProperty>();
  for (const each of extension) {
    const url = asText(each.url) ?? '';
    const property = Object.hasOwn(AS_PROPERTY, url) ? AS_PROPERTY[url] : undefined;
    if (property)
      found.set(property.code, { code: property.code, value: { [property.value]: elementValue(each) as string } });
  }
  const { status } = concept;
  if (status !== undefined && status !== 'active')
    found.set('status', { code: 'status', value: { valueCode: status } });
  return [...found.values()];
}

const propertyExtension = ({ code, value }: ShownProperty): JsonObject => ({
  url: `${R5}ValueSet.expansion.contains.property`,
  extension: [
    { url: 'code', valueCode: code },
    { url: 'value', ...value },
  ],
});

/** The entry, and the codes of the properties that it tells. */
export function entryElement(entry: Entry, options: EntryOptions): { element: JsonObject; properties: string[] } {
  const { concept, url, version } = entry;
  const sources = sourcesOf(entry);
  const { display, designation } = textsOf(entry, sources, options);
  const properties = [...standingProperties(entry, sources), ...askedProperties(entry, sources, options.properties)];
  const kept = sources.extension.filter(({ url: of }) => KEPT.has(asText(of) ?? ''));
  const extension = [...kept, ...properties.map(propertyExtension)];
  const element: JsonObject = {
    ...(extension.length > 0 && { extension }),
    system: url,
    ...(concept.abstract && { abstract: true }),
    ...(concept.inactive && { inactive: true }),
    ...(version !== undefined && { version }),
    code: concept.code,
    ...(display !== undefined && { display }),
    ...(options.designations && designation.length > 0 && { designation }),
  };
  return { element, properties: properties.map(({ code }) => code) };
}

/** ValueSet.expansion.property of R5: what the codes of properties mean. */
export function propertyDefinition(code: string, systems: readonly CodeSystem[]): JsonObject {
  const named = systems.map(({ about }) => about.properties.get(code)?.uri).find((uri) => uri !== undefined);
  const standard = Object.hasOwn(STANDARD_URIS, code) ? `${CONCEPT_PROPERTIES}${STANDARD_URIS[code]}` : undefined;
  const uri = named ?? standard;
  return {
    url: `${R5}ValueSet.expansion.property`,
    extension: [{ url: 'code', valueCode: code }, ...(uri === undefined ? [] : [{ url: 'uri', valueUri: uri }])],
  };
}
