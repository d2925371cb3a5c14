// A reporter of node --test that tells which files took longest: where to look when the suite takes too long.
// https://nodejs.org/api/test.html#custom-reporters
import type { TestEvent } from 'node:test/reporters';

const filesMax = 60;

/** Seconds of the slowest files, slowest first, as text at the end. */
export default async function* slowest(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files: { file: string; seconds: number }[] = [];
  for await (const event of source) {
    if (event.type !== 'test:summary' || event.data.file === undefined) continue;
    files.push({ file: event.data.file, seconds: event.data.duration_ms / 1000 });
  }
  const shown = files.sort((a, b) => b.seconds - a.seconds).slice(0, filesMax);
  for (const { file, seconds } of shown) {
    yield `${seconds.toFixed(1).padStart(7)} s  ${file.slice(file.lastIndexOf('/', file.lastIndexOf('/') - 1) + 1)}\n`;
  }
}
