// What the commands that load share: arguments, log, signals, exit code.
import { type Config, createLog, isPassing, type Log, stopOnSignals } from '#platform';
import { configOrExit } from '../commands/begin.ts';
import { explain } from '../explain.ts';
import type { Output } from './progress.ts';

/**
 * Ctrl-C once stops between two transactions, twice at once; neither loses anything. Under `npx` one arrives twice, from the terminal and
 * passed on by npm, which counts as one. The load then ends the process by itself, with what it has to say.
 */
export function stopOnInterrupt(log: Log): AbortSignal {
  const stopping = new AbortController();
  const stop = (): Promise<never> => {
    stopping.abort();
    return new Promise<never>(() => undefined);
  };
  stopOnSignals({ stop }, log, { exit: () => process.exit(130) });
  return stopping.signal;
}

/** Why a load stopped, and where it was the database, that no more than time was lost. */
export function stoppedText(error: unknown, config?: Config): string {
  const why = `The load stopped: ${explain(error, config)}`;
  return isPassing(error)
    ? `${why}\nWhat is loaded stays: when that is mended, the same command goes on from there`
    : why;
}

/** Yields the exit code; throws when it can't go on. */
export type Load<Arguments> = (
  config: Config,
  log: Log,
  asked: Arguments,
  output: Output,
  signal: AbortSignal,
) => Promise<number>;

/** A command that loads: how its arguments are read (undefined: help is asked for), its usage, and what does it. */
export const loader =
  <Arguments>(read: (args: string[]) => Arguments | undefined, usage: string, load: Load<Arguments>) =>
  async (args: string[]): Promise<void> => {
    let config: Config | undefined;
    try {
      const asked = read(args);
      if (!asked) return console.log(usage);
      config = configOrExit();
      // What is logged goes to standard output; it would stand in the midst of the bar.
      const log = createLog({ level: config.LOG_LEVEL === 'silent' ? 'silent' : 'warn', pretty: true });
      process.exitCode = await load(config, log, asked, process.stderr, stopOnInterrupt(log));
    } catch (error) {
      console.error(stoppedText(error, config));
      process.exit(1);
    }
  };
