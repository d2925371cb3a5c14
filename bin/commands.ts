// The commands of bin/cerebra.ts, as data. Each is imported when it is called: help needs none of them, and none needs the others.
export interface Command {
  name: string;
  summary: string;
  /** It needs little of what it reads for long: V8 is to be sparing from the first module on. */
  sparing?: boolean;
  module(): Promise<{ run(args: string[]): Promise<void> }>;
}

export const commands: readonly Command[] = [
  {
    name: 'start',
    summary: 'Starts the server; configuration comes from the environment (docs/configuration.md)',
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
    sparing: true,
    module: () => import('./commands/migrate.ts'),
  },
  {
    name: 'docs',
    summary: 'Writes docs/configuration.md and docs/hl7-mapping.md',
    module: () => import('./commands/docs.ts'),
  },
];

export function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: cerebra <command>\n\n${lines.join('\n')}`;
}
