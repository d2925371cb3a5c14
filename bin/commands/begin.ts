// What every command begins with, and how it ends when it can't go on.
import { type Config, createLog, type Log, readConfig } from '#platform';
import { explain } from '../explain.ts';

export function logOf(config: Config): Log {
  return createLog({ level: config.LOG_LEVEL, pretty: config.LOG_FORMAT === 'pretty' });
}

export function fail(what: string, error: unknown, config?: Config): never {
  console.error(`${what}: ${explain(error, config)}`);
  process.exit(1);
}

/** A command that takes nothing else refuses it, before it does anything. */
export function takesNothing(args: string[]): void {
  if (args.length > 0) fail(`'${args[0]}' is not understood`, 'this command takes only --help');
}

export function configOrExit(environment: Record<string, string | undefined> = process.env): Config {
  try {
    return readConfig(environment);
  } catch (error) {
    return fail('Cerebra could not start', error);
  }
}
