// ConceptMap/$translate: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
import {
  all,
  type JsonObject,
  type OperationInput,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
} from '#fhir-model';
import { CerebraError, ownValue } from '#platform';
import { askedCodings, codingOf, codingsOf, ecosystemInputs, input } from './asking.ts';
import { type Coding, defined } from './code-system.ts';
import type { ConceptMap, Dependency, MapGroup, Mapping } from './concept-map.ts';
import { shown } from './refusals.ts';
import { findMap, mapsFor, type TranslateParts } from './translate-maps.ts';
import { answerTo } from './tx-issues.ts';

interface Match {
  equivalence: string;
  concept?: Coding;
  product: readonly Dependency[];
  /** Canonical of the map. */
  source: string;
  comment?: string;
}

/** Maps that lead to others where they have no mapping. */
const OTHER_MAPS_MAX = 10;
const MATCHES_MAX = 1_000;

/** Seen from the other side. */
const INVERSE: Record<string, string> = {
  ...{ wider: 'narrower', narrower: 'wider' },
  ...{ subsumes: 'specializes', specializes: 'subsumes' },
};

const NO_MATCH = new Set(['unmatched', 'disjoint']);

interface Wanted {
  coding: Coding;
  reverse: boolean;
  targetSystem: string | undefined;
  dependencies: readonly GivenDependency[];
}

type Shared = Omit<Wanted, 'coding'>;

interface GivenDependency {
  element: string;
  codings: readonly Coding[];
}

function dependenciesOf(given: OperationInput): GivenDependency[] {
  return all<OperationInput>(given, 'dependency').flatMap((parts) => {
    const element = one<string>(parts, 'element');
    const concept = one<JsonObject>(parts, 'concept');
    if (element === undefined) return [];
    return [{ element, codings: concept === undefined ? [] : codingsOf(concept) }];
  });
}

/** All that the mapping depends on is given as it wants it. */
const isFulfilled = (dependsOn: readonly Dependency[], given: readonly GivenDependency[]): boolean =>
  dependsOn.every(({ property, system, value }) =>
    given.some(
      ({ element, codings }) =>
        element === property &&
        codings.some((coding) => coding.code === value && (system === undefined || coding.system === system)),
    ),
  );

const versionFits = (wanted: string | undefined, own: string | undefined): boolean =>
  wanted === undefined || own === undefined || wanted === own;

/** Whether the group maps codes of the system from the side that is asked from to the one that is wanted. */
function isMeant(group: MapGroup, { coding, reverse, targetSystem }: Wanted): boolean {
  const [from, version, to] = reverse
    ? [group.target, group.targetVersion, group.source]
    : [group.source, group.sourceVersion, group.target];
  const isFrom = coding.system === undefined || from === undefined || from === coding.system;
  return isFrom && versionFits(coding.version, version) && (targetSystem === undefined || to === targetSystem);
}

function matchOf(mapping: Mapping, reverse: boolean, source: string): Match {
  const { equivalence, comment, product } = mapping;
  const concept = reverse ? mapping.source : mapping.target;
  return defined<Match>({
    equivalence: reverse ? (ownValue(INVERSE, equivalence) ?? equivalence) : equivalence,
    concept: concept.code === undefined ? undefined : concept,
    product: reverse ? [] : product,
    source,
    comment,
  });
}

interface Translation {
  parts: TranslateParts;
  request: OperationRequest;
  wanted: Wanted;
  /** Maps that were asked already. */
  visited: Set<string>;
  /** The map was not asked for by name: what it lacks is no fault of the request. */
  isFound: boolean;
}

/** ConceptMap.group.unmapped: of codes that the group does not know. */
async function unmappedMatches(translation: Translation, map: ConceptMap, group: MapGroup): Promise<Match[]> {
  const { unmapped } = group;
  const { coding } = translation.wanted;
  const at = { system: group.target, version: group.targetVersion };
  // How the codes relate is not known: the map says nothing of this one.
  const related = (concept: Coding): Match => ({ equivalence: 'relatedto', concept, product: [], source: map.name });
  switch (unmapped?.mode) {
    case 'provided':
      return [related(defined<Coding>({ ...at, code: coding.code, display: coding.display }))];
    case 'fixed':
      return unmapped.code === undefined
        ? []
        : [related(defined<Coding>({ ...at, code: unmapped.code, display: unmapped.display }))];
    case 'other-map':
      return unmapped.url === undefined ? [] : otherMap(translation, unmapped.url);
    default:
      return [];
  }
}

async function otherMap(translation: Translation, url: string): Promise<Match[]> {
  const { parts, request, visited } = translation;
  if (visited.has(url)) return [];
  if (visited.size >= OTHER_MAPS_MAX) {
    throw new CerebraError('too-costly', `ConceptMaps lead to more than ${OTHER_MAPS_MAX} others`, {
      expression: ['ConceptMap.group.unmapped.url'],
    });
  }
  visited.add(url);
  const map = await findMap(parts, url, request);
  if (map) return matchesOf(translation, map);
  if (translation.isFound) return [];
  const text = `The ConceptMap '${shown(url)}', which unmapped codes are looked for in, is not known here`;
  throw new CerebraError('invalid', text, { expression: ['ConceptMap.group.unmapped.url'] });
}

async function matchesOf(translation: Translation, map: ConceptMap): Promise<Match[]> {
  const { wanted } = translation;
  const { coding, reverse, dependencies } = wanted;
  const matches: Match[] = [];
  for (const group of map.groups) {
    if (!isMeant(group, wanted)) continue;
    const mappings = (reverse ? group.byTarget : group.bySource).get(coding.code ?? '');
    const fitting = mappings?.filter(({ dependsOn }) => isFulfilled(dependsOn, dependencies)) ?? [];
    matches.push(...fitting.map((mapping) => matchOf(mapping, reverse, map.name)));
    if (mappings === undefined && !reverse) matches.push(...(await unmappedMatches(translation, map, group)));
  }
  return matches;
}

/** A display where the map has none. */
async function withDisplay({ systems }: TranslateParts, request: OperationRequest, match: Match): Promise<Match> {
  const { concept } = match;
  if (concept?.system === undefined || concept.code === undefined || concept.display !== undefined) return match;
  const system = await systems.find(concept.system, concept.version, { scope: request.scope });
  const display = (await system?.concept(concept.code))?.display;
  return display === undefined ? match : { ...match, concept: { ...concept, display } };
}

const dependencyPart = ({ property, system, value, display }: Dependency): JsonObject => ({
  name: 'product',
  part: [
    { name: 'element', valueUri: property },
    { name: 'concept', valueCoding: { ...defined<Coding>({ system, code: value, display }) } },
  ],
});

const matchParameter = ({ equivalence, concept, product, source, comment }: Match): JsonObject => ({
  name: 'match',
  part: [
    { name: 'equivalence', valueCode: equivalence },
    ...(concept ? [{ name: 'concept', valueCoding: { ...concept } }] : []),
    ...product.map(dependencyPart),
    ...(source === '' ? [] : [{ name: 'source', valueUri: source }]),
    ...(comment === undefined ? [] : [{ name: 'message', valueString: comment }]),
  ],
});

/** What the request wants translated. */
function codingsFor({ input: given }: OperationRequest): Coding[] {
  const code = one<string>(given, 'code');
  const coding = one<JsonObject>(given, 'coding');
  const concept = one<JsonObject>(given, 'codeableConcept');
  if ([code, coding, concept].filter((each) => each !== undefined).length !== 1) {
    throw new CerebraError('required', '$translate takes one of code (with system), coding and codeableConcept', {
      expression: ['code'],
    });
  }
  if (concept) return askedCodings(concept).filter((each) => each.code !== undefined);
  if (coding) return [codingOf(coding)];
  return [defined<Coding>({ code, system: one<string>(given, 'system'), version: one<string>(given, 'version') })];
}

/**
 * "If a code is provided, a system must be provided": a code or Coding alone means that of the only system that the maps go from.
 * Of a CodeableConcept the other codings tell which is meant.
 */
function assertOneSystem(given: OperationInput, maps: readonly ConceptMap[], { reverse, targetSystem }: Shared): void {
  const coding = one<JsonObject>(given, 'coding');
  const isAlone = coding ? coding.system === undefined : given.has('code') && !given.has('system');
  if (!isAlone) return;
  const sides = maps.flatMap(({ groups }) =>
    groups.map(({ source, target }) => (reverse ? { from: target, to: source } : { from: source, to: target })),
  );
  const meant = sides.filter(({ from, to }) => from && (targetSystem === undefined || to === targetSystem));
  if (new Set(meant.map(({ from }) => from)).size <= 1) return;
  throw new CerebraError('required', 'The map is one of several code systems: the code needs its system', {
    expression: [coding ? 'coding.system' : 'system'],
  });
}

/** A match that two maps have in common is told once. */
const keyOf = ({ equivalence, concept, source }: Match): string =>
  JSON.stringify([equivalence, concept?.system, concept?.code, source]);

async function translate(parts: TranslateParts, request: OperationRequest): Promise<JsonObject[]> {
  const { input: given } = request;
  const codings = codingsFor(request);
  const systems = codings.map(({ system }) => system).filter((system) => system !== undefined);
  const maps = await mapsFor(parts, request, [...new Set(systems)]);
  const shared = {
    reverse: one<boolean>(given, 'reverse') === true,
    targetSystem: one<string>(given, 'targetsystem'),
    dependencies: dependenciesOf(given),
  };
  assertOneSystem(given, maps, shared);
  const isNamed = ['url', 'conceptMap'].some((name) => given.has(name)) || request.id !== undefined;
  const matches = new Map<string, Match>();
  for (const coding of codings) {
    for (const map of maps) {
      const translation = {
        parts,
        request,
        wanted: { ...shared, coding },
        visited: new Set([map.name]),
        isFound: !isNamed,
      };
      for (const match of await matchesOf(translation, map)) matches.set(keyOf(match), match);
    }
  }
  const found = [...matches.values()].slice(0, MATCHES_MAX);
  const told = await Promise.all(found.map((match) => withDisplay(parts, request, match)));
  return [...resultOf(told, maps, codings), ...told.map(matchParameter)];
}

function resultOf(matches: readonly Match[], maps: readonly ConceptMap[], codings: readonly Coding[]): JsonObject[] {
  const isTranslated = matches.some(({ equivalence, concept }) => concept !== undefined && !NO_MATCH.has(equivalence));
  const codes = codings.map(({ system = '', code = '' }) => `'${shown(system)}#${shown(code)}'`).join(', ');
  const why =
    maps.length === 0
      ? `No ConceptMap is known that maps ${codes} to what is wanted`
      : `${maps
          .map(({ name }) => `'${name}'`)
          .slice(0, 5)
          .join(', ')} has no translation of ${codes}`;
  return [
    { name: 'result', valueBoolean: isTranslated },
    ...(isTranslated ? [] : [{ name: 'message', valueString: why }]),
  ];
}

const parameters: readonly OperationParameter[] = [
  input('url', 'uri', '1', 'Canonical of the ConceptMap, perhaps with |version'),
  input('conceptMap', 'ConceptMap', '1', 'The ConceptMap itself'),
  input('conceptMapVersion', 'string', '1', 'Its version'),
  input('code', 'code', '1', 'The code, with its system'),
  input('system', 'uri', '1', 'Its system'),
  input('version', 'string', '1', 'The version of the system'),
  input('source', 'uri', '1', 'Value set that the code is of: chooses among ConceptMaps'),
  input('coding', 'Coding', '1', 'The code as a Coding'),
  input('codeableConcept', 'CodeableConcept', '1', 'Each of its codings is translated'),
  input('target', 'uri', '1', 'Value set that the translation is to be of: chooses among ConceptMaps'),
  input('targetsystem', 'uri', '1', 'Code system that the translation is to be of'),
  {
    ...{ name: 'dependency', use: 'in', min: 0, max: '*' },
    documentation: 'What mappings that depend on other elements need to know',
    part: [input('element', 'uri', '1', 'The element'), input('concept', 'CodeableConcept', '1', 'Its value')],
  },
  input('reverse', 'boolean', '1', 'From target to source'),
  ...ecosystemInputs,
  { name: 'result', use: 'out', min: 1, max: '1', type: 'boolean', documentation: 'Whether there is a translation' },
  { name: 'message', use: 'out', min: 0, max: '1', type: 'string', documentation: 'Why there is none' },
  {
    ...{ name: 'match', use: 'out', min: 0, max: '*' },
    documentation: 'A translation: equivalence, concept, product and source',
    part: [
      { name: 'equivalence', use: 'out', min: 0, max: '1', type: 'code' },
      { name: 'concept', use: 'out', min: 0, max: '1', type: 'Coding' },
      { name: 'source', use: 'out', min: 0, max: '1', type: 'uri' },
    ],
  },
];

export const translateOperation = (given: Omit<TranslateParts, 'kept'>): OperationSpec => {
  const parts: TranslateParts = { ...given, kept: new Map() };
  return {
    name: 'translate',
    title: 'Concept translation',
    description: 'What a code is in another code system or value set, as ConceptMaps tell',
    url: 'http://hl7.org/fhir/OperationDefinition/ConceptMap-translate',
    type: ['ConceptMap'],
    ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
    parameters,
    run: (request) => answerTo(async () => ({ resource: parametersOf(await translate(parts, request)) })),
  };
};
