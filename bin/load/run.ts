// `cerebra load`: docs/operations.md, "Loading data".
import { appendFileSync, closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { findFiles, type InputFile, type LoadSummary } from '#fhir-server';
import { CerebraError, type Config, createMetrics, type Db, type Log } from '#platform';
import { withDatabase } from '../database.ts';
import { baseUrlOf, createFhir, everything } from '../fhir.ts';
import { storing } from '../meanings.ts';
import type { LoadArguments } from './options.ts';
import { createProgressView, type Output } from './progress.ts';
import { createFaultTeller, faultRecord, faultText, knownText, summaryText } from './report.ts';

/** The two lanes, look-ups for the threads, numbers. */
const POOL_MAX = 8;

interface Errors {
  /** Links resolved. */
  path: string | undefined;
  write(record: string): void;
  end(): void;
}

/** A pipe (/dev/stdout) has no path of its own. */
function pathOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** How `faultRecord` begins, and no resource does. */
const RECORD = '{"file":';

/** Of an earlier load, which a shell makes of `*.ndjson`, too, when it goes on; empty where nothing was refused. */
function isOfErrors(file: string): boolean {
  const begin = Buffer.alloc(RECORD.length);
  const descriptor = openSync(file, 'r');
  try {
    return RECORD.startsWith(begin.toString('latin1', 0, readSync(descriptor, begin)));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * What is refused would be written behind what is to be loaded, which would be passed over, or with `again` be lost. A file of a folder
 * is one of an earlier load.
 */
function assertNoInput({ errorsFile, names }: LoadArguments, found: readonly InputFile[]): void {
  const own = errorsFile === undefined ? undefined : pathOf(errorsFile);
  const input = found.find(({ path, name }) => path === own && names.includes(name));
  if (input && !isOfErrors(input.path))
    throw new CerebraError('config', `${input.name}: is to be loaded, so --errors can't be written there`);
}

/**
 * Behind what is there: a load that goes on does not tell again what was refused before it was broken off. At once, so that a kill
 * leaves out no more than what is being committed.
 */
function openErrors({ errorsFile, again }: LoadArguments): Errors {
  if (errorsFile === undefined) return { path: undefined, write: () => undefined, end: () => undefined };
  const descriptor = openSync(errorsFile, again ? 'w' : 'a', 0o600);
  return {
    path: pathOf(errorsFile),
    write: (record) => appendFileSync(descriptor, `${record}\n`),
    end: () => closeSync(descriptor),
  };
}

/** `refusedBefore`: by earlier loads, of files that were gone on with or are loaded already. */
const exitCodeOf = ({ counts, unreadable, interrupted }: LoadSummary, refusedBefore: number): number => {
  if (interrupted) return 130;
  return counts.refused + refusedBefore > 0 || unreadable > 0 ? 2 : 0;
};

async function loadInto(db: Db, config: Config, log: Log, asked: LoadArguments, output: Output, signal: AbortSignal) {
  const fhir = await createFhir({ config, db, log, metrics: createMetrics() }, baseUrlOf(config, config.PORT), storing);
  const found = await findFiles(asked.names);
  const view = createProgressView(output, () => performance.now());
  const faults = createFaultTeller(view.say, faultText);
  assertNoInput(asked, found);
  const errors = openErrors(asked);
  // It may lie in the folder that is loaded, and is no input when the load goes on.
  const files = found.filter(({ path }) => path !== errors.path);
  const startedMs = performance.now();
  let bytes = 0;
  let refusedBefore = 0;
  try {
    const summary = await fhir.load({
      ...{ db, files, signal, scope: everything, lineBytesMax: config.BODY_BYTES_MAX },
      ...{ existing: asked.existing, validate: asked.validate, threads: asked.threads, again: asked.again },
      onKnown(file, checkpoint) {
        refusedBefore += checkpoint.counts.refused;
        view.say(knownText(file, checkpoint));
      },
      onFault(fault) {
        faults.tell(fault);
        errors.write(faultRecord(fault));
      },
      onProgress(progress) {
        bytes = progress.bytesDone;
        view.show(progress);
      },
      onStatistics: () => view.say('All is committed; statistics are refreshed …'),
    });
    view.end();
    if (faults.untold() > 0) view.say(`… and ${faults.untold()} more were refused`);
    view.say(summaryText(summary, (performance.now() - startedMs) / 1000, bytes));
    return exitCodeOf(summary, refusedBefore);
  } finally {
    view.end();
    errors.end();
  }
}

/** Yields the exit code; throws when it can't go on. */
export function runLoad(
  config: Config,
  log: Log,
  asked: LoadArguments,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  return withDatabase(config, log, POOL_MAX, (db) => loadInto(db, config, log, asked, output, signal));
}
