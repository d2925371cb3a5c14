// What failed, a line each, for the very end of the output: thousands of lines of what passed stand before.
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import type { EventData } from 'node:test';

const messageCharactersMax = 500;

/** `FAILED <file> › <test>: <message>`, or undefined of what failed only because a test within it did, and of what is to be done. */
export function failureLine({ name, file, details, todo }: EventData.TestFail): string | undefined {
  const error = details.error as Error & { failureType?: string };
  if (todo !== undefined || error.failureType === 'subtestsFailed') return undefined;
  const message = error.cause instanceof Error ? error.cause.message : error.message;
  return `FAILED ${path.relative('', file ?? '')} › ${name}: ${message.replace(/\s+/g, ' ').slice(0, messageCharactersMax)}`;
}

/** Prints the lines, also to the end of the file that TEST_FAILURES_FILE names, for whoever runs the tests more than once. */
export function tellFailures(lines: string[]): void {
  const text = lines.map((line) => `${line}\n`).join('');
  process.stdout.write(text);
  if (process.env.TEST_FAILURES_FILE) appendFileSync(process.env.TEST_FAILURES_FILE, text);
}
