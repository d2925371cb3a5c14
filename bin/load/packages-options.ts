// The command line of `cerebra load-ig`.
import { parseCommandLine, refusalOf } from './command-line.ts';

export interface PackageArguments {
  names: string[];
  registry: string | undefined;
  examples: boolean;
  again: boolean;
  alone: boolean;
}

export const packagesUsage = `Usage: cerebra load-ig [options] <files, folders or name#version…>

Loads FHIR packages: archives (.tgz), unpacked packages, folders of either, or packages of a registry by name. Their conformance
resources are stored (profiles, value sets, code systems, search parameters, …), and so is what they depend on, as far as it
lies in the same folder or in the registry. What is here already with the same canonical and version is left as it is. The
database is DATABASE_URL, or the embedded one in DATA_DIR, whether a server runs or not. What was broken off goes on when it
is loaded again.

  --registry <url>   where packages come from, such as https://packages.fhir.org (default: PACKAGE_REGISTRY); no other
                     address is called, and none without it
  --no-dependencies  only what is named
  --examples         store the examples too, under their own ids
  --again            load packages that are installed already: what was deleted of them comes back

Exit code: 0 all was loaded; 1 it could not go on; 2 some resources were refused; 130 broken off.`;

const bad = refusalOf(packagesUsage);

const options = {
  registry: { type: 'string' },
  'no-dependencies': { type: 'boolean', default: false },
  examples: { type: 'boolean', default: false },
  again: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Undefined: help is asked for. Throws `config`. */
export function packageArguments(args: string[]): PackageArguments | undefined {
  const { values, positionals } = parseCommandLine(args, options, bad);
  if (values.help) return undefined;
  if (positionals.length === 0) throw bad('Which packages?');
  const { registry, examples, again } = values;
  return { names: positionals, registry, examples, again, alone: values['no-dependencies'] };
}
