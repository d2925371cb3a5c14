// The commands of bin/cerebra.ts, as data. Each is imported when it is called: help needs none of them, and none needs the others.
export interface Command {
  name: string;
  summary: string;
  /** What --help shows of a command without files to name; those that load have a usage of their own, with their options. */
  usage?: string;
  /** It needs little of what it reads for long: V8 is to be sparing from the first module on. */
  sparing?: boolean;
  module(): Promise<{ run(args: string[]): Promise<void> }>;
}

export const commands: readonly Command[] = [
  {
    name: 'start',
    summary: 'Starts the server; configuration comes from the environment (docs/configuration.md)',
    usage: `Usage: cerebra start [--workers <n>]

Starts the server and shows where each part is; Ctrl-C stops it. Configuration comes from the environment (docs/configuration.md).

  --workers <n>  answers HTTP in n processes, whatever WORKERS says`,
    module: () => import('./commands/start.ts'),
  },
  {
    name: 'load',
    summary: 'Loads resources from NDJSON and Bundle files into the database; --help tells its options',
    module: () => import('./commands/load.ts'),
  },
  {
    name: 'load-ig',
    summary:
      'Loads FHIR packages (implementation guides) from archives, folders or a registry; --help tells its options',
    sparing: true,
    module: () => import('./commands/load-ig.ts'),
  },
  {
    name: 'load-terminology',
    summary:
      'Loads releases of code systems: SNOMED CT, LOINC, RxNorm, ICD-10-CM, CVX, NDC, CodeSystems; --help tells more',
    module: () => import('./commands/load-terminology.ts'),
  },
  {
    name: 'migrate',
    summary: 'Brings the database up to date and ends',
    usage: `Usage: cerebra migrate

Applies what migrations the database does not have yet, and ends. The database is DATABASE_URL, or the embedded one in DATA_DIR,
whether a server runs or not. Starting the server does the same.`,
    sparing: true,
    module: () => import('./commands/migrate.ts'),
  },
  {
    name: 'docs',
    summary: 'Writes docs/configuration.md and docs/hl7-mapping.md',
    usage: `Usage: cerebra docs

Writes the pages that are made of the code: docs/configuration.md and docs/hl7-mapping.md.`,
    module: () => import('./commands/docs.ts'),
  },
];

export function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: cerebra <command>\n\n${lines.join('\n')}\n\n--help after a command tells its options; --version tells that of the server.`;
}
