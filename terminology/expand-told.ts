// What an expansion tells of how it came about: ValueSet.expansion.parameter
import { all, type JsonObject, type OperationInput, type OperationRequest, one } from '#fhir-model';
import { asText } from './code-system.ts';
import type { EntryOptions } from './expand-contains.ts';
import type { Pages, Segment } from './expand-segments.ts';
import { languagesText } from './languages.ts';
import { joinCanonical } from './value-set-definition.ts';
import type { Composition } from './value-set-formula.ts';
import { partsOf } from './value-set-member.ts';

export interface Page {
  offset: number;
  count: number;
  /** The request has asked for a part. */
  isPart: boolean;
}

export interface Expansion {
  composition: Composition;
  segments: readonly Segment[];
  pages: Pages;
  page: Page;
  options: EntryOptions;
  request: OperationRequest;
}

/** Inputs that are told as they were given, with the type of their value. */
const TOLD: Record<string, string> = {
  ...{ activeOnly: 'valueBoolean', excludeNested: 'valueBoolean', excludeNotForUI: 'valueBoolean' },
  ...{ excludePostCoordinated: 'valueBoolean', includeDesignations: 'valueBoolean', includeDefinition: 'valueBoolean' },
  ...{ count: 'valueInteger', offset: 'valueInteger', filter: 'valueString', date: 'valueDateTime' },
  ...{ designation: 'valueString', context: 'valueUri', contextDirection: 'valueCode' },
  ...{ 'exclude-system': 'valueUri', 'system-version': 'valueUri' },
  ...{ 'check-system-version': 'valueUri', 'force-system-version': 'valueUri' },
};

function given(input: OperationInput): JsonObject[] {
  return Object.entries(TOLD).flatMap(([name, type]) =>
    all<string>(input, name).map((value): JsonObject => ({ name, [type]: value })),
  );
}

/** Of all that the value set imports, by canonical. */
function importedNames(composition: Composition): string[] {
  const names = new Set<string>();
  for (const { imports } of [...partsOf(composition), ...composition.exclude]) {
    for (const { definition } of imports) if (definition.url !== undefined) names.add(definition.name);
  }
  return [...names];
}

const uris = (name: string, values: readonly string[]): JsonObject[] =>
  [...new Set(values)].map((valueUri) => ({ name, valueUri }));

function systemParameters({ segments }: Expansion): JsonObject[] {
  const used = segments.flatMap((segment) => segment.used ?? []);
  const nameOf = ({ about }: { about: { url: string; version?: string } }) => joinCanonical(about.url, about.version);
  const systems = used.map(({ system }) => system);
  const of = (wanted: (about: (typeof systems)[number]['about']) => boolean) =>
    systems.filter(({ about }) => wanted(about)).map(nameOf);
  return [
    ...uris('used-codesystem', systems.map(nameOf)),
    ...uris(
      'used-supplement',
      used.flatMap(({ supplements }) => supplements.map(nameOf)),
    ),
    ...uris(
      'used-fragment',
      of(({ content }) => content === 'fragment'),
    ),
    ...uris(
      'warning-deprecated',
      of(({ standardsStatus }) => standardsStatus === 'deprecated'),
    ),
    ...uris(
      'warning-withdrawn',
      of(({ standardsStatus }) => standardsStatus === 'withdrawn'),
    ),
    ...uris(
      'warning-retired',
      of(({ status }) => status === 'retired'),
    ),
    ...uris(
      'x-unknown-system',
      segments.filter((segment) => !segment.used).map(({ name }) => joinCanonical(name.url, name.version)),
    ),
  ];
}

/** A contained value set is no canonical of its own. */
const isContained = (name: string, { definition }: Composition): boolean =>
  [...definition.contained.values()].some((one) => joinCanonical(asText(one.url) ?? '', asText(one.version)) === name);

export function expansionParameters(expansion: Expansion): JsonObject[] {
  const { request, options, composition } = expansion;
  const { languages } = options;
  const usedValueSets = importedNames(composition).filter((name) => !isContained(name, composition));
  return [
    ...given(request.input),
    ...(languages.length > 0 ? [{ name: 'displayLanguage', valueCode: languagesText(languages) }] : []),
    ...systemParameters(expansion),
    ...uris('used-valueset', usedValueSets),
    ...(one<string>(request.input, 'valueSetVersion') === undefined
      ? []
      : [{ name: 'valueSetVersion', valueString: one<string>(request.input, 'valueSetVersion')! }]),
  ];
}
