// A reporter of node --test that tells which files took longest: where to look when the suite takes too long.
// https://nodejs.org/api/test.html#custom-reporters
import path from 'node:path';
import type { TestEvent } from 'node:test/reporters';

const filesMax = 10;

/** Seconds of the slowest files, slowest first, as text at the end. */
export default async function* slowest(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files: { file: string; seconds: number }[] = [];
  for await (const { type, data } of source) {
    if (type !== 'test:summary' || data.file === undefined) continue;
    files.push({ file: path.relative('', data.file), seconds: data.duration_ms / 1000 });
  }
  for (const { file, seconds } of files.sort((a, b) => b.seconds - a.seconds).slice(0, filesMax)) {
    yield `${seconds.toFixed(1).padStart(7)} s  ${file}\n`;
  }
}
