// A ConceptMap by what it maps: https://hl7.org/fhir/R4/conceptmap.html
import type { JsonObject, Resource } from '#fhir-model';
import { asArray, asObject, asText, type Coding, defined } from './code-system.ts';
import { joinCanonical } from './value-set-definition.ts';

export interface Dependency {
  /** URI of the element that the mapping depends on, or that it produces. */
  property: string;
  system?: string;
  value: string;
  display?: string;
}

/** One ConceptMap.group.element.target, seen from either side. */
export interface Mapping {
  source: Coding;
  /** Without code where the source has no counterpart. */
  target: Coding;
  /** From source to target. */
  equivalence: string;
  comment?: string;
  dependsOn: readonly Dependency[];
  product: readonly Dependency[];
}

/** ConceptMap.group.unmapped */
export interface Unmapped {
  mode: string;
  code?: string;
  display?: string;
  url?: string;
}

export interface MapGroup {
  source?: string;
  sourceVersion?: string;
  target?: string;
  targetVersion?: string;
  unmapped?: Unmapped;
  /** By the code of the source. */
  bySource: ReadonlyMap<string, readonly Mapping[]>;
  /** By the code of the target. */
  byTarget: ReadonlyMap<string, readonly Mapping[]>;
}

export interface ConceptMap {
  /** `url|version`; empty when it has no url. */
  name: string;
  /** Value sets that it maps from and to. */
  source?: string;
  target?: string;
  groups: readonly MapGroup[];
}

function dependencies(value: unknown): Dependency[] {
  return asArray(value).flatMap((each) => {
    const [property, text] = [asText(each.property), asText(each.value)];
    if (property === undefined || text === undefined) return [];
    const parts = { property, value: text, system: asText(each.system), display: asText(each.display) };
    return [defined<Dependency>(parts)];
  });
}

function mappingsOf(element: JsonObject, group: JsonObject): Mapping[] {
  const code = asText(element.code);
  if (code === undefined) return [];
  const source = defined<Coding>({
    ...{ system: asText(group.source), version: asText(group.sourceVersion) },
    ...{ code, display: asText(element.display) },
  });
  return asArray(element.target).map((target) =>
    defined<Mapping>({
      source,
      target: defined<Coding>({
        ...{ system: asText(group.target), version: asText(group.targetVersion) },
        ...{ code: asText(target.code), display: asText(target.display) },
      }),
      equivalence: asText(target.equivalence) ?? 'relatedto',
      comment: asText(target.comment),
      dependsOn: dependencies(target.dependsOn),
      product: dependencies(target.product),
    }),
  );
}

function readUnmapped(value: unknown): Unmapped | undefined {
  const unmapped = asObject(value);
  const mode = asText(unmapped?.mode);
  if (unmapped === undefined || mode === undefined) return undefined;
  const { code, display, url } = unmapped;
  return defined<Unmapped>({ mode, code: asText(code), display: asText(display), url: asText(url) });
}

const put = (into: Map<string, Mapping[]>, code: string, mapping?: Mapping): void => {
  const known = into.get(code) ?? [];
  into.set(code, known);
  if (mapping) known.push(mapping);
};

function readGroup(group: JsonObject): MapGroup {
  const bySource = new Map<string, Mapping[]>();
  const byTarget = new Map<string, Mapping[]>();
  for (const element of asArray(group.element)) {
    const code = asText(element.code);
    if (code === undefined) continue;
    // An element without target is mapped, to nothing: it is not one of the unmapped.
    put(bySource, code);
    for (const mapping of mappingsOf(element, group)) {
      put(bySource, code, mapping);
      if (mapping.target.code !== undefined) put(byTarget, mapping.target.code, mapping);
    }
  }
  return defined<MapGroup>({
    ...{ source: asText(group.source), sourceVersion: asText(group.sourceVersion) },
    ...{ target: asText(group.target), targetVersion: asText(group.targetVersion) },
    ...{ unmapped: readUnmapped(group.unmapped), bySource, byTarget },
  });
}

const read = new WeakMap<Resource, ConceptMap>();

/** Kept as long as the resource is. */
export function readConceptMap(resource: Resource): ConceptMap {
  const known = read.get(resource);
  if (known) return known;
  const map = defined<ConceptMap>({
    name: joinCanonical(asText(resource.url) ?? '', asText(resource.version)),
    source: asText(resource.sourceUri) ?? asText(resource.sourceCanonical),
    target: asText(resource.targetUri) ?? asText(resource.targetCanonical),
    groups: asArray(resource.group).map(readGroup),
  });
  read.set(resource, map);
  return map;
}
