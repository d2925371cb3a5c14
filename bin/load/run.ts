// `cerebra load`: docs/operations.md, "Loading data".
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { findFiles, type LoadSummary } from '#fhir-server';
import { type Config, createMetrics, type Db, type Log } from '#platform';
import { withDatabase } from '../database.ts';
import { baseUrlOf, createFhir, everything } from '../fhir.ts';
import { storing } from '../meanings.ts';
import type { LoadArguments } from './options.ts';
import { createProgressView, type Output } from './progress.ts';
import { createFaultTeller, faultRecord, faultText, knownText, summaryText } from './report.ts';

/** The two lanes, look-ups for the threads, numbers. */
const POOL_MAX = 8;

interface Errors {
  write(record: string): void;
  end(): Promise<void>;
}

function openErrors(file: string | undefined): Errors {
  if (file === undefined) return { write: () => undefined, end: async () => undefined };
  const stream = createWriteStream(file, { mode: 0o600 });
  const done = finished(stream);
  done.catch(() => undefined);
  return {
    write: (record) => void stream.write(`${record}\n`),
    end: () => {
      stream.end();
      return done;
    },
  };
}

const exitCodeOf = ({ counts, unreadable, interrupted }: LoadSummary): number => {
  if (interrupted) return 130;
  return counts.refused > 0 || unreadable > 0 ? 2 : 0;
};

async function loadInto(db: Db, config: Config, log: Log, asked: LoadArguments, output: Output, signal: AbortSignal) {
  const fhir = await createFhir({ config, db, log, metrics: createMetrics() }, baseUrlOf(config, config.PORT), storing);
  const files = await findFiles(asked.names);
  const view = createProgressView(output, () => performance.now());
  const faults = createFaultTeller(view.say, faultText);
  const errors = openErrors(asked.errorsFile);
  const startedMs = performance.now();
  let bytes = 0;
  try {
    const summary = await fhir.load({
      ...{ db, files, signal, scope: everything, lineBytesMax: config.BODY_BYTES_MAX },
      ...{ existing: asked.existing, validate: asked.validate, threads: asked.threads, again: asked.again },
      onKnown: (file, checkpoint) => view.say(knownText(file, checkpoint)),
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
    return exitCodeOf(summary);
  } finally {
    view.end();
    await errors.end();
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
