// Code systems by their URL: those that a request brings along, releases that were loaded, stored CodeSystems, R4's own,
// and those that are rules rather than lists. https://hl7.org/fhir/R4/terminologies-systems.html
import { type AccessScope, type Canonicals, chooseVersion, compareVersions, type Resource } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { chooseAsOf, type Versions } from './as-of.ts';
import { asArray, asText, type CodeSystem, isHollow } from './code-system.ts';
import { grammarOf } from './grammars.ts';
import { importSystem, storedAs } from './import-system.ts';
import { indexCodeSystem } from './memory-index.ts';
import { memorySystem } from './memory-system.ts';
import type { Remote } from './remote-system.ts';
import { createTableReader, type OpenTable } from './table-system.ts';
import { activeSystems, systemsEpoch, type TableSystem } from './tables.ts';

export interface Asker {
  scope: AccessScope;
  /** What the request brought along (`tx-resource`): goes before everything else. */
  resources?: readonly Resource[];
  /** The parameter `date`: where no version is named, such as are of a later date don't count. */
  date?: string;
  /** Where it was said; default: the parameter. */
  dateAt?: string;
}

export interface CodeSystems {
  /**
   * Without version the latest; a version may be the beginning of one (`6.1`). Supplements are found by their own URL. One
   * without its codes (`isHollow`), brought along or known here, is found where nobody has more.
   */
  find(url: string, version: string | undefined, asker: Asker): Promise<CodeSystem | undefined>;
  /** What is known of that URL, latest first; '' for one without version. */
  versions(url: string, asker: Asker): Promise<string[]>;
  /** The resource itself as a system: of an instance. */
  open(resource: Resource): Promise<CodeSystem>;
  /** The same of one that a request brings along: whatever it says of itself, it is no stored one. */
  openGiven(resource: Resource): Promise<CodeSystem>;
  /** Sees what others have loaded: asks the database once a second at most. */
  refresh(): Promise<void>;
  /** Looks for what has been loaded now, not within a second. */
  changed(): Promise<void>;
  /** Another number when another system may be found. */
  readonly generation: string;
  /** Systems in the tables. */
  tables(): readonly TableSystem[];
  /** Those of them that were loaded as such, latest version of each first. */
  releases(): readonly TableSystem[];
}

export interface CodeSystemsParts {
  db: Db;
  canonicals: Canonicals;
  /** Who is asked for systems that are not known here. */
  remote?: Pick<Remote, 'system'> | undefined;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
  /** CodeSystems of more concepts go into the tables. */
  memoryConceptsMax?: number;
}

const CHECK_MS = 1_000;
/** In memory a concept takes some 500 bytes and is answered for in 1 µs; of larger ones there are few, and they stay in the tables. */
const MEMORY_CONCEPTS_MAX = 10_000;
/** Of a system that is no stored resource but comes with a request; reading so many takes half a second. */
const GIVEN_CONCEPTS_MAX = 100_000;
/** Answers of `find` that are remembered until something changes. */
const FOUND_MAX = 5_000;

/** Counts to the limit and no further. */
function hasMore(resource: Resource, max: number): boolean {
  let count = 0;
  const work = [asArray(resource.concept)];
  for (let some = work.pop(); some !== undefined; some = work.pop()) {
    count += some.length;
    if (count > max) return true;
    for (const { concept } of some) if (concept !== undefined) work.push(asArray(concept));
  }
  return false;
}

const tooManyConcepts = (): CerebraError =>
  new CerebraError(
    'too-costly',
    `A code system that comes with a request has at most ${GIVEN_CONCEPTS_MAX} concepts: store it, or load it as a release`,
  );

interface Tables {
  epoch: bigint | undefined;
  all: TableSystem[];
  checkedMs: number;
  checking?: Promise<void> | undefined;
}

/** What is active in the tables, looked at once a second. */
function createTables(db: Db, now: () => number) {
  const tables: Tables = { epoch: undefined, all: [], checkedMs: Number.NEGATIVE_INFINITY };
  const check = async (): Promise<void> => {
    const epoch = await systemsEpoch(db);
    if (epoch === tables.epoch) return;
    tables.all = await activeSystems(db);
    tables.epoch = epoch;
  };
  const look = (): Promise<void> => {
    tables.checking ??= check().finally(() => {
      tables.checkedMs = now();
      tables.checking = undefined;
    });
    return tables.checking;
  };
  return {
    tables,
    refresh: (): Promise<void> => (now() - tables.checkedMs < CHECK_MS ? Promise.resolve() : look()),
    async changed(): Promise<void> {
      await tables.checking; // which may have looked too early
      await look();
    },
  };
}

/** A release, latest first among those of the URL. */
const releasesOf = (all: readonly TableSystem[], url: string): TableSystem[] =>
  all
    .filter((each) => each.url === url && each.resource === undefined)
    .toSorted((a, b) => compareVersions(b.version, a.version));

/** A resource that says nothing of its codes stands back behind a release that does. */
const isEmpty = (resource: Resource): boolean =>
  resource.content === 'not-present' || (resource.content === 'example' && asArray(resource.concept).length === 0);

/** SNOMED CT's `…/sct/<module>` means the latest version of that module: https://hl7.org/fhir/R4/snomedct.html */
const chooseRelease = (releases: readonly TableSystem[], version: string | undefined): TableSystem | undefined =>
  chooseVersion(releases, version) ??
  (version === undefined ? undefined : releases.find((each) => each.version.startsWith(`${version}/version/`)));

function createOpener(db: Db, openTable: OpenTable, memoryConceptsMax: number) {
  // Whoever holds the resource holds its index; both go when the last one lets go of them.
  const opened = new WeakMap<Resource, Promise<CodeSystem>>();
  // One at a time: each holds two connections of the pool and needs a third.
  let importing: Promise<unknown> = Promise.resolve();
  const importInTurn = (resource: Resource): Promise<TableSystem> => {
    const done = importing.then(() => importSystem(db, resource));
    importing = done.catch(() => undefined);
    return done;
  };
  const openInMemory = async (resource: Resource): Promise<CodeSystem> => {
    if (hasMore(resource, GIVEN_CONCEPTS_MAX)) throw tooManyConcepts();
    return memorySystem(indexCodeSystem(resource));
  };
  const openStored = async (resource: Resource): Promise<CodeSystem> => {
    if (storedAs(resource) === undefined || !hasMore(resource, memoryConceptsMax)) return openInMemory(resource);
    return openTable(await importInTurn(resource));
  };
  const once =
    (open: (resource: Resource) => Promise<CodeSystem>) =>
    (resource: Resource): Promise<CodeSystem> => {
      const known = opened.get(resource);
      if (known) return known;
      const opening = open(resource);
      opened.set(resource, opening);
      opening.catch(() => opened.delete(resource));
      return opening;
    };
  // Tables are everybody's: what a request says of its own id and version must not lead into them.
  return { open: once(openStored), openGiven: once(openInMemory) };
}

const bring = ({ resources = [] }: Asker, url: string): Resource[] =>
  resources
    .filter((each) => each.resourceType === 'CodeSystem' && each.url === url)
    .toSorted((a, b) => compareVersions(asText(b.version) ?? '', asText(a.version) ?? ''));

const versioned = (resource: Resource) => ({ resource, version: asText(resource.version) ?? '' });

export function createCodeSystems(parts: CodeSystemsParts): CodeSystems {
  const { db, canonicals, now = () => performance.now(), memoryConceptsMax = MEMORY_CONCEPTS_MAX } = parts;
  const openTable = createTableReader(db);
  const opened = new Map<number, CodeSystem>();
  const { open, openGiven } = createOpener(db, openTable, memoryConceptsMax);
  const { tables, refresh: refreshTables, changed } = createTables(db, now);
  let found = new Map<string, Promise<CodeSystem | undefined>>();
  let foundAt = '';

  const generation = (): string => `${canonicals.generation}/${tables.epoch}`;

  function openRelease(release: TableSystem): CodeSystem {
    const known = opened.get(release.cs);
    if (known) return known;
    const system = openTable(release);
    opened.set(release.cs, system);
    return system;
  }

  async function look(url: string, version: string | undefined): Promise<CodeSystem | undefined> {
    const release = chooseRelease(releasesOf(tables.all, url), version);
    const stored = await canonicals.find('CodeSystem', version === undefined ? url : `${url}|${version}`);
    if (release && (!stored || isEmpty(stored) || isLater(release, stored))) return openRelease(release);
    return stored && open(stored);
  }

  const isLater = (release: TableSystem, stored: Resource): boolean =>
    compareVersions(release.version, asText(stored.version) ?? '') > 0;

  function remembered(url: string, version: string | undefined): Promise<CodeSystem | undefined> {
    const at = generation();
    if (at !== foundAt || found.size >= FOUND_MAX) {
      found = new Map();
      foundAt = at;
    }
    const key = `${url}|${version ?? ''}`;
    const known = found.get(key);
    if (known) return known;
    const into = found;
    const looking = look(url, version);
    into.set(key, looking);
    const settle = (failed: boolean): void => {
      if (failed || generation() !== at) into.delete(key);
    };
    looking.then(
      () => settle(false),
      () => settle(true),
    );
    return looking;
  }

  async function refresh(): Promise<void> {
    await Promise.all([refreshTables(), canonicals.refresh()]);
  }

  async function findNamed(url: string, version: string | undefined, asker: Asker): Promise<CodeSystem | undefined> {
    const brought = chooseVersion(bring(asker, url).map(versioned), version);
    const given = brought && (await openGiven(brought.resource));
    // What only describes a system leaves its codes to whoever has them.
    if (given && !isHollow(given)) return given;
    return (await findKnown(url, version, asker)) ?? given;
  }

  /** Among those that did not come with the request. */
  async function findKnown(url: string, version: string | undefined, asker: Asker): Promise<CodeSystem | undefined> {
    const grammar = grammarOf(url);
    if (grammar) return grammar;
    if (asker.scope.kind === 'nothing') return undefined;
    await refresh();
    const own = await remembered(url, version);
    if (own && !isHollow(own)) return own;
    return (await parts.remote?.system(url, version)) ?? own;
  }

  async function versions(url: string, asker: Asker): Promise<string[]> {
    const brought = bring(asker, url).map((each) => versioned(each).version);
    if (asker.scope.kind === 'nothing') return brought;
    await refresh();
    const releases = releasesOf(tables.all, url).map(({ version }) => version);
    const all = new Set([...brought, ...releases, ...(await canonicals.versions('CodeSystem', url))]);
    return [...all].sort((a, b) => compareVersions(b, a));
  }

  /** A version that is named is taken at its word; without one the date, if there is one, chooses. */
  async function find(url: string, version: string | undefined, asker: Asker): Promise<CodeSystem | undefined> {
    const { date } = asker;
    if (date === undefined || version !== undefined) return findNamed(url, version, asker);
    const known: Versions<CodeSystem> = {
      ...{ what: 'CodeSystem', url, versions: await versions(url, asker) },
      find: (each) => findNamed(url, each, asker),
      definitionOf: ({ about }) => ({
        ...about.resource,
        ...(about.version !== undefined && { version: about.version }),
      }),
    };
    return (await chooseAsOf(known, date, asker.dateAt)) ?? findNamed(url, undefined, asker);
  }

  return {
    find,
    versions,
    open,
    openGiven,
    refresh,
    changed,
    get generation() {
      return generation();
    },
    tables: () => tables.all,
    releases: () =>
      tables.all
        .filter(({ resource }) => resource === undefined)
        .toSorted((a, b) => compareVersions(b.version, a.version)),
  };
}
