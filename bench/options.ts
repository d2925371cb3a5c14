// The command line of `npm run bench`.
import { parseArgs } from 'node:util';
import { bootKey, lines } from './lines.ts';

export interface Options {
  keys: Set<string>;
  rounds: number;
  seconds: number;
  json: boolean;
  /** Folder for CPU profiles of the server under test; undefined: none are taken. */
  profile: string | undefined;
}

const allKeys = [...lines.map(({ key }) => key), bootKey];

export const usage = `npm run bench -- [options]

  --only a,b     lines to run: ${allKeys.join(', ')}
  --rounds n     rounds of naked and ours in turn, of which medians are told (3)
  --seconds n    length of one measurement (3)
  --profile dir  also take a CPU profile of the server in each line; .cpuprofile files go to dir
  --json         the result as JSON on standard output instead of the table`;

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is a number above 0, not '${text}'`);
  return value;
}

/** Throws an Error that says what is wrong; undefined: help is asked for. */
export function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const keys = values.only?.split(',') ?? allKeys;
  const unknown = keys.find((key) => !allKeys.includes(key));
  if (unknown !== undefined) throw new Error(`there is no line '${unknown}': ${allKeys.join(', ')}`);
  return {
    keys: new Set(keys),
    rounds: Math.ceil(positive(values.rounds, 'rounds')),
    seconds: positive(values.seconds, 'seconds'),
    json: values.json,
    profile: values.profile,
  };
}
