// $lookup: https://hl7.org/fhir/R4/codesystem-operation-lookup.html
import {
  all,
  type JsonObject,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
} from '#fhir-model';
import { CerebraError } from '#platform';
import {
  askedCoding,
  askerOf,
  type CodeSystemParts,
  dateInput,
  ecosystemInputs,
  findSystem,
  input,
  refuseSupplement,
  supplemented,
} from './asking.ts';
import type {
  About,
  CodeSystem,
  Concept,
  ConceptDetails,
  ConceptName,
  Described,
  Designation,
  Property,
} from './code-system.ts';
import { roleOf, valueElement } from './concept-properties.ts';
import { bestText, inLanguages, type Languages, parseLanguages, wantedTags } from './languages.ts';
import { unknownCode } from './refusals.ts';
import { answerTo } from './tx-issues.ts';

const text = (name: string, value: string | undefined): JsonObject[] =>
  value === undefined ? [] : [{ name, valueString: value }];

/** The use of a designation that is a display: https://terminology.hl7.org/CodeSystem-hl7TermMaintInfra.html */
const PREFERRED = {
  system: 'http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra',
  code: 'preferredForLanguage',
  display: 'Preferred For Language',
};

function designationPart({ language, use, value, source }: Designation): JsonObject {
  const part: JsonObject[] = [];
  if (language !== undefined) part.push({ name: 'language', valueCode: language });
  if (use !== undefined) part.push({ name: 'use', valueCoding: { ...use } });
  part.push({ name: 'value', valueString: value });
  if (source !== undefined) part.push({ name: 'source', valueCanonical: source });
  return { name: 'designation', part };
}

const namedPart =
  (code: string) =>
  (concept: ConceptName): JsonObject => ({
    name: 'property',
    part: [
      { name: 'code', valueCode: code },
      { name: 'value', valueCode: concept.code },
      ...text('description', concept.display),
    ],
  });

const propertyPart = (property: Property): JsonObject => ({
  name: 'property',
  part: [
    { name: 'code', valueCode: property.code },
    { name: 'value', ...valueElement(property) },
    ...text('description', property.type === 'code' ? property.display : undefined),
    ...(property.source === undefined ? [] : [{ name: 'source', valueCanonical: property.source }]),
  ],
});

/** Role groups of SNOMED CT: what belongs together stands as subproperties of one `relationshipGroup`. */
function groupedParts(properties: readonly Property[]): JsonObject[] {
  const single = properties.filter(({ group = 0 }) => group === 0).map(propertyPart);
  const groups = Map.groupBy(
    properties.filter(({ group = 0 }) => group !== 0),
    ({ group }) => group!,
  );
  const grouped = [...groups.values()].map(
    (some): JsonObject => ({
      name: 'property',
      part: [
        { name: 'code', valueCode: 'relationshipGroup' },
        ...some.map((each) => ({ ...propertyPart(each), name: 'subproperty' })),
      ],
    }),
  );
  return [...single, ...grouped];
}

/** Which properties the answer has. */
interface Wanted {
  has(code: string): boolean;
  /** `lang.de`: designations of these languages only. */
  languages: string[];
  designations: boolean;
}

/** Nothing asked for, and `*`, mean everything. */
function wantedOf(codes: readonly string[]): Wanted {
  const set = new Set(codes);
  const everything = set.size === 0 || set.has('*');
  const languages = codes
    .filter((code) => code.startsWith('lang.'))
    .map((code) => code.slice('lang.'.length).toLowerCase());
  return {
    has: (code) => everything || set.has(code),
    languages,
    designations: everything || set.has('designation') || languages.length > 0,
  };
}

function designationParts(
  about: About,
  concept: Concept,
  { designations }: ConceptDetails,
  wanted: Wanted,
): JsonObject[] {
  if (!wanted.designations) return [];
  // The display is one, where it is known what language it is in.
  const { language } = about;
  const own: Designation[] =
    concept.display !== undefined && language !== undefined
      ? [{ language, use: PREFERRED, value: concept.display }]
      : [];
  return [...own, ...designations].filter(inLanguages(wanted.languages)).map(designationPart);
}

function propertyParts(about: About, concept: Concept, details: ConceptDetails, wanted: Wanted): JsonObject[] {
  const inactive: JsonObject = {
    name: 'property',
    part: [
      { name: 'code', valueCode: 'inactive' },
      { name: 'value', valueBoolean: concept.inactive },
    ],
  };
  const own = details.properties.filter(({ code }) => {
    const role = roleOf(about, code);
    return role !== 'inactive' && role !== 'parent' && role !== 'child' && wanted.has(code);
  });
  return [
    ...(wanted.has('inactive') ? [inactive] : []),
    ...(wanted.has('parent') ? details.parents.map(namedPart('parent')) : []),
    ...(wanted.has('child') ? details.children.map(namedPart('child')) : []),
    ...groupedParts(own),
  ];
}

/** The display in the language that was asked for, else the system's own. */
function displayIn(languages: Languages, about: About, concept: Concept, designations: readonly Designation[]): string {
  const own = concept.display ?? concept.code;
  if (wantedTags(languages).length === 0) return own;
  const texts = [{ language: about.language, value: own }, ...designations];
  return bestText(languages, texts)?.value ?? own;
}

/** What displayLanguage says, else what the client accepts; none where neither says anything. */
export function languagesOf(request: OperationRequest): Languages {
  const given = one<string>(request.input, 'displayLanguage');
  if (given === undefined) return parseLanguages(request.acceptLanguage ?? '') ?? [];
  const languages = parseLanguages(given);
  if (languages) return languages;
  throw new CerebraError(
    'invalid-parameter',
    `'${given.slice(0, 80)}' is no language, as 'de-CH' is, nor a list of them`,
    {
      expression: ['displayLanguage'],
    },
  );
}

function askedOf(request: OperationRequest): { code: string; system: string; version: string | undefined } {
  const { code, system, version } = askedCoding(request) ?? {};
  const missing = (what: string): CerebraError =>
    new CerebraError('required', `$lookup needs ${what}: code with system, or coding`, { expression: [what] });
  if (code === undefined) throw missing('code');
  if (system === undefined) throw missing('system');
  return { code, system, version: version ?? one<string>(request.input, 'version') };
}

async function lookUp(parts: CodeSystemParts, request: OperationRequest): Promise<JsonObject[]> {
  const { code, system: url, version } = askedOf(request);
  const found = await findSystem(parts, url, version, askerOf(request));
  refuseSupplement(found);
  const { system, used } = await supplemented(parts, found, request);
  const described = await system.described(code);
  if (described === undefined) throw unknownCode(code, system.about.url, system.about.version, 'code');
  return answer(system, described, request, used);
}

function answer(
  system: CodeSystem,
  { concept, details }: Described,
  request: OperationRequest,
  used: string[],
): JsonObject[] {
  const { about } = system;
  const wanted = wantedOf(all<string>(request.input, 'property'));
  const languages = languagesOf(request);
  return [
    { name: 'name', valueString: about.name ?? about.title ?? about.url },
    { name: 'system', valueUri: about.url },
    ...text('version', about.version),
    { name: 'code', valueCode: concept.code },
    { name: 'display', valueString: displayIn(languages, about, concept, details.designations) },
    ...text('definition', wanted.has('definition') ? concept.definition : undefined),
    { name: 'abstract', valueBoolean: concept.abstract },
    ...designationParts(about, concept, details, wanted),
    ...propertyParts(about, concept, details, wanted),
    ...used.map((valueCanonical) => ({ name: 'used-supplement', valueCanonical })),
  ];
}

const out = (
  name: string,
  type: string | undefined,
  min: number,
  max: string,
  documentation: string,
  part?: OperationParameter[],
) =>
  ({
    name,
    use: 'out',
    min,
    max,
    documentation,
    ...(type !== undefined && { type }),
    ...(part && { part }),
  }) as OperationParameter;

const outputs: OperationParameter[] = [
  out('name', 'string', 1, '1', 'A name of the code system'),
  out('system', 'uri', 0, '1', 'Its URL'),
  out('version', 'string', 0, '1', 'The version that the details are of'),
  out('code', 'code', 0, '1', 'The code as the system writes it'),
  out('display', 'string', 1, '1', 'The preferred display of the concept'),
  out('definition', 'string', 0, '1', 'What the concept means'),
  out('abstract', 'boolean', 0, '1', 'Whether it only groups others'),
  out('designation', undefined, 0, '*', 'Other representations', [
    out('language', 'code', 0, '1', 'Of the value'),
    out('use', 'Coding', 0, '1', 'How it is meant to be used'),
    out('value', 'string', 1, '1', 'The text'),
    out('source', 'canonical', 0, '1', 'The supplement that it is of'),
  ]),
  out('property', undefined, 0, '*', 'What else is known, parents and children among it', [
    out('code', 'code', 1, '1', 'Which property'),
    out('value', 'Element', 0, '1', 'Its value'),
    out('description', 'string', 0, '1', 'The value for human readers'),
    out('source', 'canonical', 0, '1', 'The supplement that it is of'),
    out('subproperty', undefined, 0, '*', 'What belongs together, as in role groups of SNOMED CT', [
      out('code', 'code', 1, '1', 'Which property'),
      out('value', 'Element', 1, '1', 'Its value'),
      out('description', 'string', 0, '1', 'The value for human readers'),
    ]),
  ]),
  out('used-supplement', 'canonical', 0, '*', 'Supplements that the answer has made use of'),
];

export const lookupOperation = (parts: CodeSystemParts): OperationSpec => ({
  name: 'lookup',
  title: 'Concept look up',
  description:
    'What a code system says of a code: its display, definition, designations, properties, parents and children',
  url: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup',
  type: ['CodeSystem'],
  ...{ system: false, typeLevel: true, instanceLevel: false, affectsState: false },
  parameters: [
    input('code', 'code', '1', 'The code; with it the system'),
    input('system', 'uri', '1', 'The system of the code'),
    input('version', 'string', '1', 'Which version of the system; without it the latest'),
    input('coding', 'Coding', '1', 'Code and system in one'),
    dateInput,
    input('displayLanguage', 'code', '1', 'Preferred languages of the display, as in Accept-Language'),
    input(
      'property',
      'code',
      '*',
      'What is to be told: names of properties, `definition`, `designation`, `lang.de`; `*` or none: all',
    ),
    input('useSupplement', 'canonical', '*', 'Supplements of the system that are to be made use of'),
    ...ecosystemInputs,
    ...outputs,
  ],
  run: (request) => answerTo(async () => ({ resource: parametersOf(await lookUp(parts, request)) })),
});
