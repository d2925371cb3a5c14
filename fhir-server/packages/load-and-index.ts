// Packages into the store and, where their search parameters are about resources that are there already, these indexed by
// them: by the job queue or, in a command, right here.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AccessScope } from '#fhir-model';
import type { Jobs } from '#platform';
import type { Core } from '../interactions/core.ts';
import { indexAnew } from '../operations/reindex.ts';
import { continueRun, createRun } from '../operations/reindex-run.ts';
import type { InstallSummary } from './install.ts';
import { loadPackages, type PackageOptions } from './load.ts';
import { unindexedByPackages } from './rows.ts';

export interface LoadPackagesOptions extends Omit<PackageOptions, 'scope'> {
  /** Index resources here and now, though there is a job queue. */
  indexNow?: boolean;
  /** Told before the resources of these types are indexed. */
  onIndexing?: (types: string[]) => void;
}

/** Another process has taken the run over. */
const HELD_MS = 500;

async function indexHere({ store }: Core, types: string[], signal: AbortSignal | undefined): Promise<void> {
  const id = store.newId();
  await createRun(store.db, id, types, store.clock.now());
  const worker = store.newId();
  while (!signal?.aborted) {
    const outcome = await continueRun(store, id, worker);
    if (outcome === 'ended') return;
    if (outcome === 'held') await sleep(HELD_MS);
  }
}

/** Types to be indexed anew: by what was loaded, and by what earlier loads have left that were broken off. */
export async function typesToIndex({ store }: Core, summaries: readonly InstallSummary[]): Promise<string[]> {
  const left = await unindexedByPackages(store.db);
  return [...new Set([...summaries.flatMap(({ unindexed }) => unindexed), ...left])];
}

/** As loadPackages. What the run of $reindex does not end a running server goes on with. */
export async function loadAndIndex(
  core: Core,
  names: readonly string[],
  options: LoadPackagesOptions & { scope: AccessScope },
  jobs: Jobs | undefined,
): Promise<InstallSummary[]> {
  const summaries = await loadPackages(core, names, options);
  const types = await typesToIndex(core, summaries);
  if (types.length === 0) return summaries;
  options.onIndexing?.(types);
  if (jobs && !options.indexNow) await indexAnew(core, jobs, types);
  else await indexHere(core, types, options.signal);
  return summaries;
}
