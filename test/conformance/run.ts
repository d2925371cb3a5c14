// `npm run conformance`: suites of other people's cases, a table, and non-zero when fewer pass than before.
// Arguments: suites by the beginning of their names (`tx`, `us-core/7`). --update writes docs/conformance.md (when all suites
// are asked for; one whose cases are absent keeps what stands there) and the table in docs/validation.md, and raises test/conformance/floor.json.
import { globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadDefinitions, type Resource } from '#fhir-model';
import { createResourceValidator } from '#fhir-server';
import {
  type ConformanceResult,
  type ConformanceSuite,
  type ConformanceTools,
  clusterVariable,
  startTestCluster,
  type TestCluster,
} from '#platform/testing';
import { errorLines } from './faults.ts';
import { coreDefinitions } from './packages.ts';
import { below, failureLines, lineOf, raised, readFloor, type SuiteReport, writeFloor, writePage } from './report.ts';
import { stopSharedServer } from './server.ts';
import { writeValidatorTable } from './validator-table.ts';

const root = path.join(import.meta.dirname, '../..');

/** Those of this folder, and those that rooms bring. */
const places = [
  'test/conformance/{fhirpath,terminology,synthea,validator,us-core,us-core-server,examples}.ts',
  '{fhir-server,hl7-engine,fhir-model,terminology}/**/testing/conformance.ts',
];

async function allSuites(): Promise<ConformanceSuite[]> {
  const files = places.flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
  const modules = await Promise.all(
    files.map((file) => import(path.join(root, file)) as Promise<{ suites: ConformanceSuite[] }>),
  );
  return modules.flatMap(({ suites }) => suites).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function createTools(): Promise<ConformanceTools> {
  const [definitions, profiles] = [await loadDefinitions(), await coreDefinitions()];
  const { validateResource } = createResourceValidator({ definitions, profiles });
  return {
    async faultsOf(resource) {
      const issues = await validateResource(resource as Resource, { level: 'base' });
      return errorLines(issues);
    },
  };
}

async function runSuite(suite: ConformanceSuite, tools: ConformanceTools): Promise<SuiteReport> {
  const absent = suite.absent();
  const startedMs = performance.now();
  const results: ConformanceResult[] = [];
  if (absent === undefined) for await (const one of suite.run(tools)) results.push(one);
  return {
    suite,
    results,
    ...(absent === undefined ? {} : { absent }),
    seconds: (performance.now() - startedMs) / 1000,
  };
}

async function withCluster<T>(work: () => Promise<T>): Promise<T> {
  let cluster: TestCluster | undefined;
  try {
    if (!process.env.TEST_DATABASE_URL) {
      cluster = await startTestCluster();
      process.env[clusterVariable] = JSON.stringify(cluster.connection);
    }
    return await work();
  } finally {
    await stopSharedServer();
    await cluster?.stop();
  }
}

interface Asked {
  wanted: string[];
  update: boolean;
}

function save(reports: SuiteReport[], isAll: boolean): void {
  writeFloor(raised(readFloor(), reports));
  if (isAll) writePage(reports);
  else console.log('docs/conformance.md stays as it is: not all suites were asked for');
  const validator = reports.find(({ suite, absent }) => suite.name === 'validator' && absent === undefined);
  if (validator) writeValidatorTable(validator.results);
}

async function runAll({ wanted, update }: Asked): Promise<number> {
  const all = await allSuites();
  const chosen = all.filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)));
  if (chosen.length === 0) {
    console.error(`No suite has such a name; there are ${all.map(({ name }) => name).join(', ')}`);
    return 1;
  }
  const tools = await createTools();
  const reports: SuiteReport[] = [];
  for (const suite of chosen) {
    const report = await runSuite(suite, tools);
    reports.push(report);
    console.log(lineOf(report));
    for (const line of failureLines(report)) console.log(line);
  }
  const fallen = below(readFloor(), reports);
  for (const line of fallen) console.error(`FEWER THAN BEFORE  ${line}`);
  if (update) save(reports, chosen.length === all.length);
  return fallen.length > 0 ? 1 : 0;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { update: { type: 'boolean' } },
});
process.exitCode = await withCluster(() => runAll({ wanted: positionals, update: values.update === true }));
