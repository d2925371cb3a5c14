// What the load commands share of reading their command lines.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { CerebraError } from '#platform';

/** Yields errors that say what is wrong and how the command is used. */
export const refusalOf =
  (usage: string) =>
  (text: string): CerebraError =>
    new CerebraError('config', `${text}\n\n${usage}`);

/** Options and names. Throws what `bad` makes of an option that is not there. */
export function parseCommandLine<T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
  bad: (text: string) => CerebraError,
) {
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw bad((error as Error).message);
  }
}
