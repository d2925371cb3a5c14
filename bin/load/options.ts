// The command line of `cerebra load`.
import os from 'node:os';
import { parseCommandLine, refusalOf } from './command-line.ts';

export interface LoadArguments {
  names: string[];
  existing: 'skip' | 'update';
  validate: boolean;
  again: boolean;
  threads: number;
  /** Where to write what was refused, as NDJSON. */
  errorsFile: string | undefined;
}

const THREADS_MAX = 64;

export const loadUsage = `Usage: cerebra load [options] <files or folders…>

Loads FHIR resources from .ndjson or .jsonl (one resource a line, none of them a transaction or batch), and from .json with a
Bundle or a resource, of at most 256 MiB when unpacked; each also as .gz. Ids are kept; a resource without one gets one. The
database is DATABASE_URL, or the embedded one in DATA_DIR, whether a server runs or not. A load that was broken off goes on where
it was; files that are loaded already are passed over.

  --existing skip|update  what becomes of a resource whose id is there: it stays (default), or gets a new version
  --no-validate           do not check resources against the R4 definitions
  --errors <file>         write what was refused there, as NDJSON: file, line or entry, issues; behind what is there
  --again                 load files that are loaded already from their start; --errors begins anew
  --threads <n>           preparing threads (default: one less than processors)

Exit code: 0 all was loaded; 1 it could not go on; 2 some was refused, now or when it was loaded before; 130 broken off.`;

const bad = refusalOf(loadUsage);

/** One processor is left to PostgreSQL and to committing. */
const threadsDefault = (): number => Math.max(1, Math.min(os.availableParallelism() - 1, 8));

const options = {
  existing: { type: 'string', default: 'skip' },
  'no-validate': { type: 'boolean', default: false },
  errors: { type: 'string' },
  again: { type: 'boolean', default: false },
  threads: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Undefined: help is asked for. Throws `config`. */
export function loadArguments(args: string[]): LoadArguments | undefined {
  const { values, positionals } = parseCommandLine(args, options, bad);
  if (values.help) return undefined;
  const { existing, errors, threads = String(threadsDefault()) } = values;
  if (existing !== 'skip' && existing !== 'update') throw bad(`--existing ${existing}: allowed is skip or update`);
  if (!/^[1-9]\d?$/.test(threads) || Number(threads) > THREADS_MAX) {
    throw bad(`--threads ${threads}: allowed is 1 to ${THREADS_MAX}`);
  }
  if (positionals.length === 0) throw bad('Which files?');
  return {
    names: positionals,
    existing,
    validate: !values['no-validate'],
    again: values.again,
    threads: Number(threads),
    errorsFile: errors,
  };
}
