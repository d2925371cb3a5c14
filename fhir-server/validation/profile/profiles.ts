// Profiles, compiled at first need and kept: https://hl7.org/fhir/R4/profiling.html
import { type Definitions, generateSnapshot, type Resource } from '#fhir-model';
import { textOf } from '../json.ts';
import type { CompileInvariant } from '../rules/invariants.ts';
import { shortType } from './baseline.ts';
import { conformsToOne } from './check.ts';
import { type CodeSystems, createCodeSystems } from './code-systems.ts';
import { compileProfile } from './compile.ts';
import { fixedUrl, type Trees } from './discriminator.ts';
import type { Extensions } from './extensions.ts';
import type { ElementPlan, ProfilePlan } from './plan.ts';
import type { Deferred } from './run.ts';
import { type Node, treeOf } from './tree.ts';
import { createValueSets, type ValueSets } from './value-sets.ts';

/** Where profiles are found; `Canonicals` is one. */
export interface ProfileSource {
  find(type: string, canonical: string): Promise<Resource | undefined>;
  /** Rises whenever what find() yields may be another. */
  readonly generation?: number;
  refresh?(): Promise<void>;
}

export interface ProfileCache extends Extensions {
  readonly systems: CodeSystems;
  readonly valueSets: ValueSets;
  /** Forgets what has been compiled of definitions that are others now; to be called before a resource is checked. */
  refresh(): Promise<void>;
  /** Knows of them afterwards. */
  load(wanted: readonly Pick<Deferred, 'type' | 'canonical'>[]): Promise<void>;
}

export interface ProfileCacheParts {
  definitions: Definitions;
  invariant: CompileInvariant;
  source: ProfileSource;
  mustSupport: boolean;
}

/** Also the URLs that are not known count: anybody may write any into an extension. A plan is some 50 kB. */
const plansMax = 2000;
/** Definitions with their snapshots, some 300 kB each: needed only while others that look into them are compiled. */
const loadedMax = 64;
/** Of extensions' definitions, which profiles name by the hundred. */
const urlsMax = 20_000;
/** Profiles that discriminators of profiles look into: each round is one level deeper. */
const roundsMax = 8;

const urlOf = (canonical: string): string => canonical.split('|')[0] ?? '';

const nothing: Omit<ElementPlan, 'label'> = {
  name: '',
  names: [],
  source: '',
  min: 0,
  max: Number.POSITIVE_INFINITY,
  types: undefined,
  profiles: undefined,
  targets: undefined,
  aggregation: undefined,
  fixed: undefined,
  pattern: undefined,
  minValue: undefined,
  maxValue: undefined,
  maxLength: undefined,
  bindings: [],
  invariants: [],
  mustSupport: false,
  children: [],
  slicing: undefined,
  content: undefined,
};

/** Of a type of R4's own there is nothing to check that isn't checked anyway. */
function typePlan(type: string, canonical: string): ProfilePlan {
  return {
    url: canonical,
    canonical,
    type,
    root: { ...nothing, label: type },
    max: Number.POSITIVE_INFINITY,
    abstract: false,
    contexts: [],
    contextInvariants: [],
    modifier: false,
  };
}

interface Loaded {
  definition: Resource;
  tree: { root: Node; type: string };
}

function keep<T>(map: Map<string, T>, most: number, key: string, value: T): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

/** What has to be had before a profile is compiled: what it looks into, extensions of which it asks the url, value sets. */
interface Missing {
  trees: Set<string>;
  urls: Set<string>;
  sets: Set<string>;
}

export function createProfileCache(parts: ProfileCacheParts): ProfileCache {
  const { definitions, invariant, source: given, mustSupport } = parts;
  // What names a definition may come from a definition that somebody has stored: it need not be text.
  const source: ProfileSource = {
    find: async (type, canonical) => (typeof canonical === 'string' ? given.find(type, canonical) : undefined),
  };
  // A change of definitions puts new maps in their place: what was being made of the former ones goes into those.
  let plans = new Map<string, ProfilePlan | null>();
  let loaded = new Map<string, Loaded | null>();
  let urls = new Map<string, string>();
  const pending = new Map<string, Promise<ReadonlySet<string>>>();
  let generation = given.generation;

  const get = (canonical: string): ProfilePlan | null | undefined => {
    const known = plans.get(canonical);
    if (known !== undefined) return known;
    const type = shortType(canonical);
    if (type === canonical || definitions.type(type) === undefined) return undefined;
    const plan = typePlan(type, canonical);
    keep(plans, plansMax, canonical, plan);
    return plan;
  };

  /** What is wrong with a differential is its author's to hear; the snapshot is as good as can be made of it. */
  async function withSnapshot(definition: Resource): Promise<Resource | undefined> {
    const made = await generateSnapshot(definition, (canonical) => source.find('StructureDefinition', canonical));
    return made.definition;
  }

  async function fetch(canonical: string): Promise<Loaded | null> {
    const kept = loaded;
    const known = kept.get(canonical);
    if (known !== undefined) return known;
    const found = await source.find('StructureDefinition', canonical);
    const definition = found === undefined || found.snapshot !== undefined ? found : await withSnapshot(found);
    const root = definition && treeOf(definition);
    const type = textOf(definition?.type);
    const entry =
      definition && root && type !== undefined ? { definition, tree: { root, type: shortType(type) } } : null;
    keep(kept, loadedMax, canonical, entry);
    return entry;
  }

  const valueSets = createValueSets(source);
  const systems = createCodeSystems(source);

  async function readUrl(canonical: string): Promise<void> {
    const kept = urls;
    const root = (await fetch(canonical))?.tree.root;
    const url = root && fixedUrl(root);
    keep(kept, urlsMax, canonical, typeof url === 'string' ? url : urlOf(canonical));
  }

  const treesOf = (missing: Missing): Trees => ({
    codes(valueSet) {
      const codes = valueSets.codes(valueSet);
      if (codes === undefined) missing.sets.add(valueSet);
      return codes ?? undefined;
    },
    tree(canonical) {
      const entry = loaded.get(canonical);
      if (entry === undefined) missing.trees.add(canonical);
      return entry?.tree;
    },
    extensionUrl(canonical) {
      const url = urls.get(canonical);
      if (url === undefined) missing.urls.add(canonical);
      return url ?? urlOf(canonical);
    },
    conforms: (run, item, canonicals) => conformsToOne(run, cache, item, canonicals),
  });

  /** Yields the profiles that its discriminators look into. */
  async function compile(canonical: string): Promise<ReadonlySet<string>> {
    const kept = plans;
    const asked = new Set<string>();
    const entry = await fetch(canonical);
    let plan: ProfilePlan | undefined;
    for (let round = 0; entry !== null && round < roundsMax; round++) {
      const missing: Missing = { trees: new Set(), urls: new Set(), sets: new Set() };
      plan = compileProfile({ definitions, invariant, mustSupport }, entry.definition, treesOf(missing));
      if (missing.trees.size + missing.urls.size + missing.sets.size === 0) break;
      for (const valueSet of missing.sets) await valueSets.load(valueSet);
      // Before the others, which they would push out of what is loaded.
      for (const extension of missing.urls) await readUrl(extension);
      for (const other of missing.trees) {
        asked.add(other);
        await fetch(other);
      }
    }
    keep(kept, plansMax, canonical, plan ?? null);
    return asked;
  }

  /** A discriminator by profile needs that at once when it is evaluated. They may ask for each other in circles. */
  async function loadOne(canonical: string, visited: Set<string>): Promise<void> {
    if (visited.has(canonical) || get(canonical) !== undefined) return;
    visited.add(canonical);
    const running = pending.get(canonical) ?? compile(canonical).finally(() => pending.delete(canonical));
    pending.set(canonical, running);
    for (const other of await running) await loadOne(other, visited);
  }

  const cache: ProfileCache = {
    definitions,
    isResourceType: definitions.isResourceType,
    systems,
    valueSets,
    get,
    async refresh() {
      await given.refresh?.();
      if (generation === given.generation) return;
      generation = given.generation;
      plans = new Map();
      loaded = new Map();
      urls = new Map();
      valueSets.clear();
      systems.clear();
    },
    async load(wanted) {
      for (const { type, canonical } of wanted) {
        await (type === 'CodeSystem' ? systems.load(canonical) : loadOne(canonical, new Set()));
      }
    },
  };
  return cache;
}
