// `npm test`: every *.test.ts, with one PostgreSQL cluster for all of them.
// Options: --coverage (report, and at least 90 % of lines), or parts of file names to run only those.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { clusterVariable, startTestCluster, type TestCluster } from '#platform/testing';

const root = path.join(import.meta.dirname, '..');
const coverageLinesMin = 90;
/** A file that takes longer hangs. */
const fileTimeoutMs = 8 * 60_000;

function testFiles(filters: string[]): string[] {
  const all = globSync('**/*.test.ts', {
    cwd: root,
    exclude: (name) => name.startsWith('node_modules') || name === 'data',
  });
  return all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter))).sort();
}

function coverageOptions(): string[] {
  const excluded = ['**/*.test.ts', 'test/**', 'bench/**', 'platform/testing/**', 'node_modules/**'];
  return [
    '--experimental-test-coverage',
    `--test-coverage-lines=${coverageLinesMin}`,
    ...excluded.map((pattern) => `--test-coverage-exclude=${pattern}`),
  ];
}

async function runFiles(files: string[], coverage: boolean, environment: NodeJS.ProcessEnv): Promise<number> {
  // Node's default is one process fewer than there are cores; here most of a test's work is PostgreSQL's.
  const concurrency = Math.max(2, os.availableParallelism());
  const options = [
    '--test',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${path.join(root, 'test/slowest.ts')}`,
    '--test-reporter-destination=stdout',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileTimeoutMs}`,
    ...(coverage ? coverageOptions() : []),
  ];
  const child = spawn(process.execPath, [...options, ...files], { cwd: root, env: environment, stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function main(): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < 24) {
    console.error(`The tests need Node 24 (this is ${process.version}): use \`npm test\`, which brings its own.`);
    return 1;
  }
  const startedMs = performance.now();
  const coverage = process.argv.includes('--coverage');
  const files = testFiles(process.argv.slice(2).filter((argument) => !argument.startsWith('--')));
  if (files.length === 0) {
    console.error('No test file has such a name.');
    return 1;
  }
  let cluster: TestCluster | undefined;
  try {
    const environment = { ...process.env };
    if (!process.env.TEST_DATABASE_URL) {
      cluster = await startTestCluster();
      environment[clusterVariable] = JSON.stringify(cluster.connection);
    }
    return await runFiles(files, coverage, environment);
  } finally {
    await cluster?.stop();
    console.log(`${files.length} test files in ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }
}

process.exitCode = await main();
