// `cerebra load-ig`: docs/packages.md.
import { createRequire } from 'node:module';
import type { Validator } from '#fhir-model';
import type { InstallSummary, PackageProgress } from '#fhir-server';
import { type Config, createMetrics, type Db, type Log } from '#platform';
import { withDatabase } from '../database.ts';
import { type Beside, baseUrlOf, createFhir } from '../fhir.ts';
import { tidyHeap } from '../heap.ts';
import type { PackageArguments } from './packages-options.ts';
import { createProgressView, type Output } from './progress.ts';
import { createFaultTeller, faultText } from './report.ts';
import { count, many } from './text.ts';

/** The install's own connection, look-ups, search parameters. */
const POOL_MAX = 8;

/** `hl7.fhir.us.core#6.1.0: 209 resources stored, 1 there already; needs hl7.terminology.r4#5.0.0, which is not here` */
export function packageText({ name, version, outcome, ...summary }: InstallSummary): string {
  const { created, examples, present, faults, missing } = summary;
  const parts =
    outcome === 'present'
      ? ['installed already; --again loads it']
      : [
          `${many(created + examples, 'resource')} stored`,
          ...(present > 0 ? [`${count(present)} there already`] : []),
          ...(faults.length > 0 ? [`${count(faults.length)} refused`] : []),
        ];
  const names = missing.map((one) => `${one.name}#${one.version}`).join(', ');
  return `${name}#${version}: ${parts.join(', ')}${names === '' ? '' : `; not here: ${names}`}`;
}

const exitCodeOf = (summaries: readonly InstallSummary[]): number =>
  summaries.some(({ faults }) => faults.length > 0) ? 2 : 0;

const require = createRequire(import.meta.url);

/** Topics, rules and chains are rare in guides, and what checks them takes 20 MB: it is read when the first of them comes. */
export const storing: Beside = (parts, found) => {
  let checks: ReturnType<typeof import('../meanings.ts').meaningsOf> | undefined;
  const checkOf = (type: string): Validator => ({
    validate(resource) {
      checks ??= (require('../meanings.ts') as typeof import('../meanings.ts')).meaningsOf(parts, found);
      return checks[type]!.validate(resource);
    },
  });
  return { meanings: { Basic: checkOf('Basic'), PlanDefinition: checkOf('PlanDefinition') } };
};

async function loadInto(
  db: Db,
  config: Config,
  log: Log,
  asked: PackageArguments,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const fhir = await createFhir({ config, db, log, metrics: createMetrics() }, baseUrlOf(config, config.PORT), storing);
  const view = createProgressView(output, () => performance.now());
  const faults = createFaultTeller(view.say, faultText);
  const { names, registry = config.PACKAGE_REGISTRY, ...options } = asked;
  try {
    const summaries = await fhir.loadPackages(names, {
      ...{ ...options, registry, signal },
      onProgress: ({ bytesDone, bytesTotal, resources }: PackageProgress) =>
        view.show({
          ...{ bytesDone, bytesTotal, filesDone: 0 },
          counts: { created: resources, updated: 0, present: 0, refused: 0 },
        }),
      onPackage(summary) {
        for (const { file, issues } of summary.faults) faults.tell({ name: file, file: 0, resources: 1, issues });
        view.say(packageText(summary));
      },
      onNote: view.say,
      onIndexing: (types) => view.say(`Resources of ${types.join(', ')} are indexed by new search parameters …`),
    });
    if (faults.untold() > 0) view.say(`… and ${count(faults.untold())} more were refused`);
    return exitCodeOf(summaries);
  } catch (error) {
    if (!signal.aborted) throw error;
    view.say('It was broken off: the same command goes on from here');
    return 130;
  } finally {
    view.end();
  }
}

/** Yields the exit code; throws when it can't go on. */
export function runLoadPackages(
  config: Config,
  log: Log,
  asked: PackageArguments,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  return withDatabase(config, log, POOL_MAX, async (db) => {
    await tidyHeap();
    return loadInto(db, config, log, asked, output, signal);
  });
}
