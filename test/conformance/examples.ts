// R4's official examples are valid: https://registry.npmjs.org/hl7.fhir.r4.examples. The package is for tests only and not
// among the dependencies: `npm pack hl7.fhir.r4.examples@4.0.1 --pack-destination node_modules/.cache/cerebra`, or R4_EXAMPLES.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadDefinitions } from '#fhir-model';
import { createResourceValidator } from '#fhir-server';
import type { ConformanceResult, ConformanceSuite } from '#platform/testing';
import { exampleResult } from './examples-explained.ts';
import { errorLines } from './faults.ts';
import { coreDefinitions, resourcesIn, unpack } from './packages.ts';

const file =
  process.env.R4_EXAMPLES ??
  path.join(import.meta.dirname, '../../node_modules/.cache/cerebra/hl7.fhir.r4.examples-4.0.1.tgz');

async function* run(): AsyncGenerator<ConformanceResult> {
  const profiles = await coreDefinitions();
  const { validateResource } = createResourceValidator({ definitions: await loadDefinitions(), profiles });
  for (const { name, resource } of resourcesIn(unpack(file))) {
    yield exampleResult(name, errorLines(await validateResource(resource)));
  }
}

export const suites: ConformanceSuite[] = [
  {
    name: 'examples/r4',
    title: "R4's official examples are valid",
    absent: () => (existsSync(file) ? undefined : `no package at ${file}`),
    run,
  },
];
