// What failed, a line each, for the very end of the output: thousands of lines of what passed stand before.
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import type { EventData } from 'node:test';

const messageCharactersMax = 500;

/** `exitCode`, `signal`: how the process of a file ended. */
type Failure = Error & { failureType?: string; exitCode?: number | null; signal?: string | null };

/** `FAILED <file> › <test>: <message>`, or undefined of what failed only because a test within it did, and of what is to be done. */
export function failureLine({ name, file, details, todo }: EventData.TestFail): string | undefined {
  const error = details.error as Failure;
  if (todo !== undefined || error.failureType === 'subtestsFailed') return undefined;
  const message = error.cause instanceof Error ? error.cause.message : error.message;
  const said = message.replace(/\s+/g, ' ').slice(0, messageCharactersMax);
  const place = path.relative('', file ?? '');
  // A file that ended without a word from any of its tests is named as a test of its own.
  if (path.relative('', name) !== place) return `FAILED ${place} › ${name}: ${said}`;
  const how = error.signal ?? (error.exitCode == null ? undefined : `exit code ${error.exitCode}`);
  return `FAILED ${place}: ${said}${how === undefined ? '' : ` (${how})`}`;
}

/** Prints the lines, also to the end of the file that TEST_FAILURES_FILE names, for whoever runs the tests more than once. */
export function tellFailures(lines: string[]): void {
  const text = lines.map((line) => `${line}\n`).join('');
  process.stdout.write(text);
  if (process.env.TEST_FAILURES_FILE) appendFileSync(process.env.TEST_FAILURES_FILE, text);
}
