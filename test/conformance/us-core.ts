// US Core's own examples conform to the profiles that they claim, by each version of the package.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadDefinitions } from '#fhir-model';
import { createResourceValidator } from '#fhir-server';
import { type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder } from '#platform/testing';
import { exampleResult } from './examples-explained.ts';
import { errorLines } from './faults.ts';
import { definitionsOf, resourcesIn, unpack } from './packages.ts';

export const versions: Record<string, string> = {
  '3.1.1': 'us_core_311',
  '6.1.0': 'us_core_610',
  '7.0.0': 'us_core_700',
};

async function* run(file: string): AsyncGenerator<ConformanceResult> {
  const folder = unpack(path.join(corpusFolder('us-core'), file));
  const profiles = await definitionsOf(folder);
  const { validateResource } = createResourceValidator({ definitions: await loadDefinitions(), profiles });
  const examples = path.join(folder, 'example');
  if (!existsSync(examples)) return;
  for (const { name, resource } of resourcesIn(examples)) {
    yield exampleResult(name, errorLines(await validateResource(resource)));
  }
}

export const suites: ConformanceSuite[] = Object.entries(versions).map(([version, name]) => ({
  name: `us-core/${version}`,
  title: `US Core ${version}: its examples conform to its profiles`,
  absent: () => corpusAbsent('us-core'),
  run: () => run(`${name}.tgz`),
}));
