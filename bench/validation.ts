// `node bench/validation.ts [--seconds 3]`: resources a second through the whole validator in one process, over the corpus's
// Synthea bundles and US Core's examples. docs/validation.md has the numbers.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadDefinitions, type Resource } from '#fhir-model';
import { createResourceValidator, type ResourceValidator } from '#fhir-server';
import { corpusAbsent, corpusFolder } from '#platform/testing';
import { definitionsOf, resourcesIn, unpack } from '../test/conformance/packages.ts';
import { bundleFiles, readBundle } from '../test/synthea/corpus.ts';

const entriesOfBundle = 1000;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
const forMs = Number(values.seconds) * 1000;

interface Spent {
  wallMs: number;
  /** Of all threads: what the machine does beside is not in it. */
  cpuMs: number;
}

async function spent(run: () => Promise<unknown>): Promise<Spent> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  await run();
  const { user, system } = process.cpuUsage(before);
  return { wallMs: performance.now() - startedMs, cpuMs: (user + system) / 1000 };
}

/** Again and again in turn, until the time is over; the first round warms up. */
async function perSecond(validator: ResourceValidator, resources: readonly Resource[], level: 'base' | 'claimed') {
  const round = async () => {
    for (const resource of resources) await validator.validateResource(resource, { level });
  };
  await round();
  let count = 0;
  const { wallMs, cpuMs } = await spent(async () => {
    const untilMs = performance.now() + forMs;
    for (; performance.now() < untilMs; count += resources.length) await round();
  });
  const rate = (ms: number) => Math.round((count / ms) * 1000);
  return `${rate(wallMs)} resources/s, ${rate(cpuMs)} a second of CPU`;
}

async function median(times: number, run: () => Promise<unknown>): Promise<string> {
  const all: Spent[] = [];
  for (let i = 0; i < times; i++) all.push(await spent(run));
  const { wallMs, cpuMs } = all.sort((a, b) => a.cpuMs - b.cpuMs)[Math.floor(times / 2)]!;
  return `${Math.round(wallMs)} ms, ${Math.round(cpuMs)} ms of CPU`;
}

async function main(): Promise<void> {
  const definitions = await loadDefinitions();
  const folder = unpack(path.join(corpusFolder('us-core'), 'us_core_610.tgz'));
  const profiles = await definitionsOf(folder);
  const create = () => createResourceValidator({ definitions, profiles });
  const bundles = bundleFiles(corpusFolder('synthea')).map((file) => readBundle(file));
  const entries = bundles.flatMap(({ entry = [] }) => entry);
  const synthea = entries.flatMap(({ resource }) => (resource ? [resource as unknown as Resource] : []));
  const examples = [...resourcesIn(path.join(folder, 'example'))].map(({ resource }) => resource as Resource);
  const patient = examples.find(({ resourceType }) => resourceType === 'Patient');
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: entries.slice(0, entriesOfBundle),
  } as unknown as Resource;
  const validator = create();
  console.log(`first use of US Core Patient: ${await median(5, () => create().validateResource(patient!))}`);
  console.log(`R4 itself, Synthea: ${await perSecond(validator, synthea.slice(0, 20_000), 'base')}`);
  console.log(`profiles, US Core 6.1.0's examples: ${await perSecond(validator, examples, 'claimed')}`);
  console.log(`a Bundle of ${entriesOfBundle}: ${await median(9, () => validator.validateResource(bundle))}`);
}

const absent = corpusAbsent('us-core') ?? corpusAbsent('synthea');
if (absent === undefined) await main();
else console.log(absent);
