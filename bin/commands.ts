// The commands of bin/cerebra.ts, as data.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Config, configMarkdown, createLog, type Log, readConfig, stopOnSignals } from '#platform';
import { withDatabase } from './database.ts';
import { explain } from './explain.ts';
import { loadArguments, loadUsage } from './load/options.ts';
import { runLoadPackages } from './load/packages.ts';
import { packageArguments, packagesUsage } from './load/packages-options.ts';
import type { Output } from './load/progress.ts';
import { runLoad } from './load/run.ts';
import { runLoadTerminology } from './load/terminology.ts';
import { terminologyArguments, terminologyUsage } from './load/terminology-options.ts';
import type { RunningServer } from './server.ts';

export interface Command {
  name: string;
  summary: string;
  run(args: string[]): Promise<void>;
}

const folder = (name: string): string => path.join(import.meta.dirname, '..', name);

/** One table: where everything is, and which parts are embedded. */
function readyTable(server: RunningServer, config: Config, startedMs: number): string {
  const { embedded, rootUrl, host } = server;
  const database = config.DATABASE_URL ? 'external (DATABASE_URL)' : 'embedded PostgreSQL 18';
  const rows: [string, string, string][] = [
    ['FHIR R4', server.fhirBaseUrl, ''],
    ['HL7v2 MLLP', `${host}:${server.mllpPort}`, ''],
    ...[...server.mllpPorts]
      .filter(([, port]) => port !== server.mllpPort)
      .map(([name, port]): [string, string, string] => [`MLLP ${name}`, `port ${port}`, 'HL7_LISTENERS']),
    [
      'MQTT',
      embedded.mqtt ? `${host}:${server.mqttPort}` : 'external (MQTT_URL)',
      embedded.mqtt ? 'embedded broker' : 'external broker',
    ],
    ['Health', `${rootUrl}/healthz`, `${rootUrl}/readyz`],
    ['Metrics', `${rootUrl}/metrics`, 'Prometheus'],
    ['Data folder', path.resolve(config.DATA_DIR), database],
    ['Queue', embedded.queue === 'redis' ? 'Redis (REDIS_URL)' : 'PostgreSQL', 'BullMQ'],
    ...(config.WORKERS > 1 ? [['HTTP', `${config.WORKERS} worker processes`, ''] as [string, string, string]] : []),
    ['Access', 'open', `to everybody on ${host}`],
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([a, b, c]) => `  ${a.padEnd(widths[0]!)}  ${b.padEnd(widths[1]!)}  ${c}`.trimEnd());
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  return `\nCerebra is ready after ${seconds} s. Ctrl-C stops it.\n\n${lines.join('\n')}\n`;
}

function logOf(config: Config): Log {
  return createLog({ level: config.LOG_LEVEL, pretty: config.LOG_FORMAT === 'pretty' });
}

function fail(what: string, error: unknown, config?: Config): never {
  console.error(`${what}: ${explain(error, config)}`);
  process.exit(1);
}

/** `--workers N` goes before WORKERS. */
function startEnvironment(args: string[]): Record<string, string | undefined> {
  try {
    const { values } = parseArgs({ args, options: { workers: { type: 'string' } } });
    return values.workers === undefined ? process.env : { ...process.env, WORKERS: values.workers };
  } catch (error) {
    return fail('Cerebra could not start', (error as Error).message);
  }
}

async function start(args: string[]): Promise<void> {
  const startedMs = performance.now() - process.uptime() * 1000;
  const config = configOrExit(startEnvironment(args));
  const log = logOf(config);
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    // A start under way is not cut short: a half-started PostgreSQL would have to recover.
    const server = await starting.catch(() => undefined);
    await server?.stop();
  };
  const options = {
    config,
    log,
    onLost: (error: unknown) => void stop().finally(() => fail('Cerebra stopped', error, config)),
  };
  // Other commands need 15 MB less without what only a server has.
  const { startServer } = await import('./server.ts');
  const { startCluster } = await import('./workers/primary.ts');
  const starting = config.WORKERS > 1 ? startCluster(options, config.WORKERS) : startServer(options);
  stopOnSignals({ stop }, log);
  try {
    const server = await starting;
    if (!stopping) console.log(readyTable(server, config, startedMs));
  } catch (error) {
    fail('Cerebra could not start', error, config);
  }
}

function configOrExit(environment: Record<string, string | undefined> = process.env): Config {
  try {
    return readConfig(environment);
  } catch (error) {
    return fail('Cerebra could not start', error);
  }
}

async function runMigrations(): Promise<void> {
  const config = configOrExit();
  try {
    await withDatabase(config, logOf(config), 2, async () => undefined);
    console.log('The database is up to date.');
  } catch (error) {
    fail('The database was not brought up to date', error, config);
  }
}

/** Ctrl-C once stops between two transactions, twice at once; neither loses anything. */
function stopOnInterrupt(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => (stopping.signal.aborted ? process.exit(130) : stopping.abort()));
  }
  return stopping.signal;
}

/** A command that loads: how its arguments are read (undefined: help is asked for), its usage, and what yields the exit code. */
const loader =
  <Arguments>(
    read: (args: string[]) => Arguments | undefined,
    usageText: string,
    run: (config: Config, log: Log, asked: Arguments, output: Output, signal: AbortSignal) => Promise<number>,
  ) =>
  async (args: string[]): Promise<void> => {
    const config = configOrExit();
    try {
      const asked = read(args);
      if (!asked) return console.log(usageText);
      // What is logged goes to standard output; it would stand in the midst of the bar.
      const log = createLog({ level: config.LOG_LEVEL === 'silent' ? 'silent' : 'warn', pretty: true });
      process.exitCode = await run(config, log, asked, process.stderr, stopOnInterrupt());
    } catch (error) {
      fail('The load stopped', error, config);
    }
  };

async function writeDocs(): Promise<void> {
  await writeFile(folder('docs/configuration.md'), configMarkdown());
  const { mappingPage } = await import('#hl7-engine');
  const mapping = folder('docs/hl7-mapping.md');
  await writeFile(mapping, await mappingPage(await readFile(mapping, 'utf8').catch(() => '')));
  console.log('docs/configuration.md and docs/hl7-mapping.md are written.');
}

export const commands: readonly Command[] = [
  {
    name: 'start',
    summary: 'Starts the server; configuration comes from the environment (docs/configuration.md)',
    run: start,
  },
  {
    name: 'load',
    summary: 'Loads resources from NDJSON and Bundle files into the database; --help tells its options',
    run: loader(loadArguments, loadUsage, runLoad),
  },
  {
    name: 'load-ig',
    summary:
      'Loads FHIR packages (implementation guides) from archives, folders or a registry; --help tells its options',
    run: loader(packageArguments, packagesUsage, runLoadPackages),
  },
  {
    name: 'load-terminology',
    summary:
      'Loads releases of code systems: SNOMED CT, LOINC, RxNorm, ICD-10-CM, CVX, NDC, CodeSystems; --help tells more',
    run: loader(terminologyArguments, terminologyUsage, runLoadTerminology),
  },
  { name: 'migrate', summary: 'Brings the database up to date and ends', run: runMigrations },
  { name: 'docs', summary: 'Writes docs/configuration.md and docs/hl7-mapping.md', run: writeDocs },
];

export function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: cerebra <command>\n\n${lines.join('\n')}`;
}
