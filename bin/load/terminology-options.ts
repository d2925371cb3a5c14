// The command line of `cerebra load-terminology`.
import { formats } from '#terminology';
import { parseCommandLine, refusalOf } from './command-line.ts';

export interface TerminologyArguments {
  names: string[];
  format: string | undefined;
  strict: boolean;
  again: boolean;
  version: string | undefined;
  module: string | undefined;
  language: string | undefined;
}

const width = Math.max(...formats.map(({ name }) => name.length));
const formatLines = formats.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n');

export const terminologyUsage = `Usage: cerebra load-terminology [options] <files or folders…>

Loads releases of code systems, each from a ZIP archive, a folder or a file (also .gz). A system is there when all of it is;
what is loaded already is passed over. The database is DATABASE_URL, or the embedded one in DATA_DIR, whether a server runs or
not. Releases (their licences are yours to have):

${formatLines}

  --format <name>    what it is, when its files do not tell
  --version <text>   the version, instead of what the release tells
  --module <id>      SNOMED CT: the module that names the edition
  --language <id>    SNOMED CT: the language reference set whose preferred terms are displays (default: US English)
  --strict           a line that can't be read refuses the system; default: it is told and left out
  --again            load what is loaded already, and put it in the other's place

Exit code: 0 all was loaded; 1 it could not go on; 2 some was left out; 130 broken off.`;

const bad = refusalOf(terminologyUsage);

const options = {
  format: { type: 'string' },
  version: { type: 'string' },
  module: { type: 'string' },
  language: { type: 'string' },
  strict: { type: 'boolean', default: false },
  again: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Undefined: help is asked for. Throws `config`. */
export function terminologyArguments(args: string[]): TerminologyArguments | undefined {
  const { values, positionals } = parseCommandLine(args, options, bad);
  if (values.help) return undefined;
  const { format, version, module, language, strict, again } = values;
  if (format !== undefined && !formats.some(({ name }) => name === format)) {
    throw bad(`--format ${format}: allowed is ${formats.map(({ name }) => name).join(', ')}`);
  }
  if (positionals.length === 0) throw bad('Which files?');
  return { names: positionals, format, version, module, language, strict, again };
}
