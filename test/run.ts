// `npm test`: every *.test.ts, with one PostgreSQL cluster for all of them.
// Options: --coverage (report, and at least 90 % of lines), --servers (only what uses PostgreSQL, Redis or MQTT), or parts of file
// names to run only those.
import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { clusterVariable, startTestCluster, type TestCluster } from '#platform/testing';
import { failureLine, tellFailures } from './failed.ts';
import { usesServers } from './servers-used.ts';
import slowest from './slowest.ts';

const root = path.join(import.meta.dirname, '..');
const coverageLinesMin = 90;
/** A file that takes longer hangs. */
const fileTimeoutMs = 15 * 60_000;
/** Where the long files are, which come first: one that begins last would have a core to itself. */
const longFolders = ['', 'test/', 'test/fault/'];

function testFiles(filters: string[]): string[] {
  const all = globSync('**/*.test.ts', {
    cwd: root,
    exclude: (name) => name.startsWith('node_modules') || name === 'data',
  });
  return all
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort()
    .sort((a, b) => rank(b) - rank(a));
}

const rank = (file: string): number => longFolders.findLastIndex((folder) => file.startsWith(folder));

const coverageOptions = {
  coverage: true,
  lineCoverage: coverageLinesMin,
  coverageExcludeGlobs: ['**/*.test.ts', 'test/**', 'bench/**', 'platform/testing/**', 'node_modules/**'],
};

/** Whether all have passed, and coverage suffices where it is asked for. */
async function runFiles(files: string[], coverage: boolean, signal: AbortSignal): Promise<boolean> {
  // One more than there are cores, since some wait for a lease or a pause to end; the cluster has connections for eight.
  const concurrency = Math.min(8, os.availableParallelism() + 1);
  const events = run({
    ...{ files, cwd: root, concurrency, timeout: fileTimeoutMs, signal },
    ...(coverage ? coverageOptions : {}),
  });
  let passed = false;
  events.on('test:summary', ({ file, success }) => {
    if (file === undefined) passed = success;
  });
  const failures: string[] = [];
  events.on('test:fail', (data) => {
    const line = failureLine(data);
    if (line !== undefined) failures.push(line);
  });
  // What a test did after its end, and coverage that does not suffice.
  events.on('test:diagnostic', ({ message }) => {
    if (message.startsWith('Error: ')) failures.push(`FAILED ${message}`);
  });
  await Promise.all([events.compose(spec()), events.compose(slowest)].map(print));
  tellFailures(failures);
  return passed;
}

async function print(texts: AsyncIterable<string | Buffer>): Promise<void> {
  for await (const text of texts) process.stdout.write(text);
}

async function main(): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < 24) {
    console.error(`The tests need Node 24 (this is ${process.version}): use \`npm test\`, which brings its own.`);
    return 1;
  }
  const startedMs = performance.now();
  const coverage = process.argv.includes('--coverage');
  const named = testFiles(process.argv.slice(2).filter((argument) => !argument.startsWith('--')));
  const files = process.argv.includes('--servers') ? named.filter((file) => usesServers(root, file)) : named;
  if (files.length === 0) {
    console.error('No test file has such a name.');
    return 1;
  }
  // Before the cluster's handlers, which end the process.
  const stop = new AbortController();
  process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort());
  // A third of a file's time is the loading of the modules. Code from the cache is counted wrongly.
  if (!coverage) process.env.NODE_COMPILE_CACHE ??= path.join(root, 'node_modules/.cache/tests');
  let cluster: TestCluster | undefined;
  try {
    if (!process.env.TEST_DATABASE_URL) {
      cluster = await startTestCluster();
      process.env[clusterVariable] = JSON.stringify(cluster.connection);
    }
    return (await runFiles(files, coverage, stop.signal)) ? 0 : 1;
  } finally {
    await cluster?.stop();
    console.log(`${files.length} test files in ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }
}

process.exitCode = await main();
