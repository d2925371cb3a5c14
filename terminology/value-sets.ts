// Value sets by their URL, with all that they import: those that a request brings along, stored ones, R4's own, and the
// implicit ones of code systems. https://hl7.org/fhir/R4/valueset.html
import { type Canonicals, chooseVersion, compareVersions, isWithin, parseCanonical, type Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { chooseAsOf, isLaterThan, type Versions } from './as-of.ts';
import { asText, type CodeSystem, isHollow } from './code-system.ts';
import { askerAt, lockedDateOf, lockedSet } from './locked-date.ts';
import type { Asker, CodeSystems } from './systems.ts';
import { missingSupplement, refuse, unknownValueSet } from './tx-issues.ts';
import {
  type ConceptSet,
  definitionOfExpansion,
  joinCanonical,
  readDefinition,
  type ValueSetDefinition,
} from './value-set-definition.ts';
import type { Composition, Part, SystemName } from './value-set-formula.ts';
import { implicitValueSet } from './value-set-implicit.ts';

/** Of versions of code systems that a request asks for: canonicals `system|version`. */
export interface VersionRules {
  /** Where the value set names none. */
  system: readonly string[];
  /** Whatever is used must be of it. */
  check: readonly string[];
  /** Whatever the value set names. */
  force: readonly string[];
}

export const NO_RULES: VersionRules = { system: [], check: [], force: [] };

/** On whose behalf, and with which versions and supplements. */
export interface Asking {
  asker: Asker;
  versions: VersionRules;
  /** Canonicals of supplements that the request wants. */
  supplements: readonly string[];
}

/** A code system as it is used for a value set. */
export interface UsedSystem {
  name: SystemName;
  system: CodeSystem;
  supplements: CodeSystem[];
}

export interface ValueSets {
  /** Throws `not-found` for a value set that is not known. */
  compose(canonical: string, asking: Asking): Promise<Composition>;
  composeResource(resource: Resource, asking: Asking): Promise<Composition>;
  /** Whether there is such a value set. */
  has(canonical: string, asking: Asking): Promise<boolean>;
  /** Versions of a code system that are here, latest first. */
  versions(url: string, asking: Asking): Promise<string[]>;
  /** Undefined when the system is not known; throws when its version is not what the request allows. */
  use(name: SystemName, supplements: readonly string[], asking: Asking): Promise<UsedSystem | undefined>;
}

const DEPTH_MAX = 20;
/** Of one value set, imports of imports counted. */
const IMPORTS_MAX = 1_000;

interface Building {
  asking: Asking;
  /** Those that are being read, outermost first. */
  path: readonly string[];
  imports: { count: number };
  /** ValueSet.compose.lockedDate, of this one or of what imports it. */
  lockedDate?: string | undefined;
}

const circular = (path: readonly string[], canonical: string) =>
  refuse('invalid', {
    ...{ code: 'processing', type: 'vs-invalid', messageId: 'VALUESET_CIRCULAR_REFERENCE' },
    text: `The value set '${canonical}' includes itself: ${[...path, canonical].join(' → ').slice(0, 500)}`,
  });

const tooDeep = (canonical: string) =>
  refuse('too-costly', {
    ...{ code: 'too-costly', type: 'vs-invalid', messageId: 'VALUESET_TOO_COSTLY' },
    text: `The value set '${canonical}' is imported at a depth of more than ${DEPTH_MAX}, or as one of more than ${IMPORTS_MAX}`,
  });

/** R4's vsd-1 and vsd-2. */
function assertSource({ name }: ValueSetDefinition, { at, system, valueSets, concepts, filters }: ConceptSet): void {
  const hasOwn = concepts.length > 0 || filters.length > 0;
  if (system !== undefined || (valueSets.length > 0 && !hasOwn)) return;
  const what = hasOwn ? 'concepts or filters, which need their system' : 'neither a system nor a value set';
  throw refuse('invalid', {
    ...{ code: 'invalid', type: 'vs-invalid', messageId: 'VALUESET_NO_SYSTEM' },
    ...{ text: `The value set '${name}' has ${what}: ${at}`, expression: hasOwn ? `${at}.system` : at },
  });
}

const versionOf = (canonicals: readonly string[], url: string): string | undefined =>
  canonicals.map(parseCanonical).find((each) => each.url === url)?.version;

const wrongVersion = (url: string, found: string | undefined, wanted: string) =>
  refuse('business-rule', {
    ...{ code: 'exception', type: 'version-error', messageId: 'VALUESET_VERSION_CHECK' },
    text: `The version '${found ?? ''}' is not allowed for system '${url}': required to be '${wanted}' by a version-check parameter`,
  });

/** The version of a system that the request and the value set together ask for. */
export const wantedVersion = (
  { url, version }: SystemName,
  { force, system, check }: VersionRules,
): string | undefined => versionOf(force, url) ?? version ?? versionOf(system, url) ?? versionOf(check, url);

export interface ValueSetsParts {
  canonicals: Canonicals;
  systems: CodeSystems;
}

export function createValueSets({ canonicals, systems }: ValueSetsParts): ValueSets {
  /** Compositions of resources that nobody brought along, until something stored changes. */
  let kept = new WeakMap<Resource, Promise<Composition>>();
  let keptAt = '';

  function brought({ resources = [], date }: Asker, url: string, version: string | undefined): Resource | undefined {
    const isMeant = (each: Resource): boolean =>
      version !== undefined || date === undefined || !isLaterThan(each, date);
    const all = resources
      .filter((each) => each.resourceType === 'ValueSet' && each.url === url && isMeant(each))
      .map((resource) => ({ resource, version: asText(resource.version) ?? '' }))
      .toSorted((a, b) => compareVersions(b.version, a.version));
    return chooseVersion(all, version)?.resource;
  }

  /** The URL of the code system that names the value set as that of all its codes. */
  async function systemNaming(url: string, { resources = [], scope }: Asker): Promise<string | undefined> {
    const inRequest = resources.find((each) => each.resourceType === 'CodeSystem' && each.valueSet === url);
    const near = asText(inRequest?.url) ?? systems.tables().find(({ about }) => about.valueSet === url)?.url;
    if (near !== undefined || scope.kind === 'nothing') return near;
    return asText((await canonicals.systemsOf(url))[0]?.url);
  }

  /** The value set of all codes that a code system names as its own; a version of it is that of the system. */
  async function wholeSystem(url: string, version: string | undefined, asker: Asker): Promise<Resource | undefined> {
    const system = await systemNaming(url, asker);
    if (system === undefined) return undefined;
    const of = version === undefined ? {} : { version };
    return { resourceType: 'ValueSet', url, ...of, status: 'active', compose: { include: [{ system, ...of }] } };
  }

  async function storedSet(canonical: string, { date, dateAt }: Asker): Promise<Resource | undefined> {
    const { url, version } = parseCanonical(canonical);
    if (date === undefined || version !== undefined) return canonicals.find('ValueSet', canonical);
    const known: Versions<Resource> = {
      ...{ what: 'value set', url, versions: await canonicals.versions('ValueSet', url) },
      find: (each) => canonicals.find('ValueSet', joinCanonical(url, each)),
      definitionOf: (found) => found,
    };
    return chooseAsOf(known, date, dateAt);
  }

  async function find(canonical: string, asker: Asker): Promise<Resource | undefined> {
    const { url, version } = parseCanonical(canonical);
    const own = brought(asker, url, version);
    if (own) return own;
    const stored = asker.scope.kind === 'nothing' ? undefined : await storedSet(canonical, asker);
    return stored ?? implicitValueSet(canonical) ?? wholeSystem(url, version, asker);
  }

  /** One import: of a contained value set (`#id`), or by canonical. */
  async function imported(of: ValueSetDefinition, canonical: string, building: Building): Promise<Composition> {
    const { path, asking, imports } = building;
    const contained = canonical.startsWith('#') ? of.contained.get(canonical.slice(1)) : undefined;
    const resource = contained ?? (await find(canonical, asking.asker));
    if (resource === undefined) throw unknownValueSet(canonical);
    const name = contained ? `${of.name}${canonical}` : joinCanonical(String(resource.url), asText(resource.version));
    if (path.includes(name)) throw circular(path, name);
    imports.count++;
    if (path.length >= DEPTH_MAX || imports.count > IMPORTS_MAX) throw tooDeep(canonical);
    const definition = readDefinition(resource);
    // What is contained in the outer one may be named from within.
    const whole = contained ? { ...definition, contained: of.contained } : definition;
    return build(whole, { ...building, path: [...path, name] });
  }

  async function part(definition: ValueSetDefinition, set: ConceptSet, building: Building): Promise<Part> {
    assertSource(definition, set);
    const imports: Composition[] = [];
    for (const canonical of set.valueSets) imports.push(await imported(definition, canonical, building));
    const { asking, lockedDate } = building;
    if (lockedDate === undefined) return { set, imports };
    return { set: await lockedSet(systems, set, definition.name, asking.asker), imports };
  }

  /** Some system that it takes concepts of, without naming them, is not known. */
  async function isOpen({ include }: ValueSetDefinition, { asker }: Asking): Promise<boolean> {
    for (const { system, version, concepts } of include) {
      if (system === undefined || concepts.length > 0) continue;
      // Of the date that the value set is locked at there may be none.
      const found = await systems.find(system, version, asker).catch((error: unknown) => {
        if (asker.dateAt === undefined || !isCerebraError(error, 'not-found')) throw error;
        return undefined;
      });
      if (found === undefined || found.remote || isHollow(found)) return true;
    }
    return false;
  }

  /** What can't be worked out here may have been elsewhere: the expansion that it was stored with is taken instead. */
  async function evaluable(definition: ValueSetDefinition, asking: Asking): Promise<ValueSetDefinition> {
    if (definition.expansion === undefined || definition.fromExpansion) return definition;
    const expanded = definitionOfExpansion(definition);
    return expanded && (await isOpen(definition, asking)) ? expanded : definition;
  }

  async function build(read: ValueSetDefinition, outer: Building): Promise<Composition> {
    const lockedDate = lockedDateOf(read, outer.lockedDate);
    const asking = { ...outer.asking, asker: askerAt(outer.asking.asker, lockedDate) };
    const building = { ...outer, asking, lockedDate };
    const definition = await evaluable(read, asking);
    const include: Part[] = [];
    const exclude: Part[] = [];
    for (const set of definition.include) include.push(await part(definition, set, building));
    for (const set of definition.exclude) exclude.push(await part(definition, set, building));
    return { definition, include, exclude };
  }

  const compose = (resource: Resource, asking: Asking): Promise<Composition> => {
    const definition = readDefinition(resource);
    return build(definition, { asking, path: [definition.name], imports: { count: 0 } });
  };

  function composeKept(resource: Resource, asking: Asking): Promise<Composition> {
    const { resources = [], date } = asking.asker;
    if (resources.length > 0 || date !== undefined) return compose(resource, asking);
    if (keptAt !== systems.generation) {
      kept = new WeakMap();
      keptAt = systems.generation;
    }
    const known = kept.get(resource);
    if (known) return known;
    const into = kept;
    const composing = compose(resource, asking);
    into.set(resource, composing);
    composing.catch(() => into.delete(resource));
    return composing;
  }

  async function supplementOf(canonical: string, { asker }: Asking): Promise<CodeSystem> {
    const { url, version } = parseCanonical(canonical);
    const found = await systems.find(url, version, asker);
    if (found?.about.content !== 'supplement') throw missingSupplement(canonical);
    return found;
  }

  async function use(name: SystemName, wanted: readonly string[], asking: Asking): Promise<UsedSystem | undefined> {
    const { url } = name;
    const { asker, versions } = asking;
    const checked = versionOf(versions.check, url);
    const system = await systems.find(url, wantedVersion(name, versions), asker);
    if (system === undefined || isHollow(system)) return undefined;
    const { version: found } = system.about;
    if (checked !== undefined && found !== checked && !isWithin(checked, found ?? '')) {
      throw wrongVersion(url, found, checked);
    }
    const all = await Promise.all([...new Set(wanted)].map((canonical) => supplementOf(canonical, asking)));
    const supplements = all.filter(({ about }) => parseCanonical(about.supplements ?? '').url === url);
    return { name, system, supplements };
  }

  return {
    async compose(canonical, asking) {
      const resource = await find(canonical, asking.asker);
      if (resource === undefined) throw unknownValueSet(canonical);
      return composeKept(resource, asking);
    },
    composeResource: compose,
    has: async (canonical, asking) => (await find(canonical, asking.asker)) !== undefined,
    versions: (url, { asker }) => systems.versions(url, asker),
    use,
  };
}
