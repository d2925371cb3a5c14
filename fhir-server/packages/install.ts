// One package into the store: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
// Its row says `loading` until the transaction that makes it `installed`, the last one: what is broken off before is done
// again by whoever loads it next, finds by canonical what is there, and adds the rest.
import type { AccessScope } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { isWanted, type PackagedResource, type PackageFault, readFile } from './contents.ts';
import type { Manifest } from './manifest.ts';
import { beginPackage, finishPackage, type Missing, missingOf, type PackageResource } from './rows.ts';
import type { PackageSource } from './source.ts';
import { storeDefinitions, storeExamples } from './store-resources.ts';

export interface PackageProgress {
  /** `hl7.fhir.us.core#6.1.0` */
  package: string;
  bytesDone: number;
  bytesTotal: number;
  resources: number;
}

export interface InstallOptions {
  scope: AccessScope;
  /** Store its examples too. */
  examples: boolean;
  /** Aborted: it ends between two transactions. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PackageProgress) => void) | undefined;
}

export interface InstallSummary {
  name: string;
  version: string;
  /** `present`: it was installed before, nothing was done. */
  outcome: 'installed' | 'present';
  created: number;
  /** Canonical and version were here already: left as they are. */
  present: number;
  examples: number;
  faults: PackageFault[];
  /** Dependencies that are not here. */
  missing: Missing[];
  /** Resource types with resources that are not indexed by its search parameters yet. */
  unindexed: string[];
}

/** Resources of a transaction, and UTF-16 units of their JSON text: US Core's 63 profiles at once cost 180 MB, so 90 MB. */
const TOGETHER_MAX = 100;
const CHARACTERS_MAX = 200_000;

/** Of a package whose resources are nearly all wrong, so many are told. */
const FAULTS_MAX = 1_000;

export const packageName = ({ name, version }: Pick<Manifest, 'name' | 'version'>): string => `${name}#${version}`;

const isComposite = ({ resource }: PackagedResource): boolean =>
  resource.resourceType === 'SearchParameter' && resource.type === 'composite';

const charactersOf = (some: readonly PackagedResource[]): number =>
  some.reduce((sum, { characters }) => sum + characters, 0);

interface Work {
  core: Core;
  manifest: Manifest;
  options: InstallOptions;
  resources: PackageResource[];
  summary: InstallSummary;
}

async function storeSome({ core, manifest, options, resources, summary }: Work, some: readonly PackagedResource[]) {
  if (options.signal?.aborted) {
    throw new CerebraError('unavailable', `${packageName(manifest)} was broken off: load it again, it goes on`);
  }
  const definitions = some.filter(({ isExample }) => !isExample);
  const stored = await storeDefinitions(core, manifest, definitions, options.scope);
  resources.push(...stored.resources);
  summary.created += stored.created;
  summary.present += stored.present;
  const examples = some.filter(({ isExample }) => isExample);
  const others = examples.length === 0 ? undefined : await storeExamples(core, examples, options.scope);
  summary.examples += others?.created ?? 0;
  addFaults(summary, [...stored.faults, ...(others?.faults ?? [])]);
}

function addFaults({ faults }: InstallSummary, more: readonly PackageFault[]): void {
  faults.push(...more.slice(0, Math.max(0, FAULTS_MAX - faults.length)));
}

/** Search parameters are those that are stored, whoever stored them: of another process's one is told within a second only. */
async function knowAll({ store: { registry } }: Core): Promise<void> {
  await registry.settled;
  await registry.refresh();
  // What nobody has put in force yet is now.
  await registry.settled;
}

/** All of it, some at a time; composite search parameters last, since their parts have to be in force. */
async function storeAll(work: Work, source: PackageSource): Promise<void> {
  const { options, summary, manifest } = work;
  const last: PackagedResource[] = [];
  let some: PackagedResource[] = [];
  let bytesDone = 0;
  const show = (): void =>
    options.onProgress?.({
      ...{ package: packageName(manifest), bytesDone, bytesTotal: source.bytes },
      resources: summary.created + summary.present + summary.examples + summary.faults.length,
    });
  const files = source.files(
    (name) => isWanted(name, options.examples),
    (bytes) => {
      bytesDone = bytes;
    },
  );
  for await (const file of files) {
    const read = readFile(file, options.examples);
    if (read === undefined) continue;
    if ('issues' in read) addFaults(summary, [read]);
    else if (isComposite(read)) last.push(read);
    else {
      const isFull = some.length === TOGETHER_MAX || charactersOf(some) + read.characters > CHARACTERS_MAX;
      if (isFull && some.length > 0) {
        await storeSome(work, some);
        some = [];
        show();
      }
      some.push(read);
    }
  }
  await storeSome(work, some);
  if (last.length > 0) {
    await knowAll(work.core);
    await storeSome(work, last);
  }
  show();
}

/** Types of resources that are here but not indexed yet by the search parameters that these define. */
async function unindexedTypes(core: Core, resources: readonly PackageResource[]) {
  const { store, parameters, definitions } = core;
  await knowAll(core);
  const urls = new Set(resources.filter(({ type }) => type === 'SearchParameter').map(({ url }) => url));
  return definitions.resourceTypes.filter((type) =>
    parameters.list(type).some((param) => param.custom && urls.has(param.url) && !store.registry.isIndexed(param)),
  );
}

/** What is cut off or damaged at its end is known before anything of it is stored: unpacking US Core takes 50 ms. */
async function assertWhole(source: PackageSource, { examples }: InstallOptions): Promise<void> {
  for await (const _ of source.files((name) => isWanted(name, examples)));
}

/**
 * Stores the conformance resources of the package and says then that it is installed. Throws what reading it throws; what
 * is wrong with single resources is told in the summary, and the rest is stored.
 */
export async function installPackage(
  core: Core,
  manifest: Manifest,
  source: PackageSource,
  options: InstallOptions,
): Promise<InstallSummary> {
  const { name, version } = manifest;
  const summary: InstallSummary = {
    ...{ name, version, outcome: 'installed', created: 0, present: 0, examples: 0 },
    ...{ faults: [], missing: [], unindexed: [] },
  };
  const { db } = core.store;
  await assertWhole(source, options);
  await beginPackage(db, manifest, source.name);
  const work: Work = { core, manifest, options, resources: [], summary };
  await storeAll(work, source);
  await db.tx((tx) => finishPackage(tx, manifest, work.resources, summary.faults.length));
  summary.missing = await missingOf(db, manifest);
  summary.unindexed = await unindexedTypes(core, work.resources);
  return summary;
}
