// Synthea's patients, as transactions to a server and as resources to the validator.

import path from 'node:path';
import {
  type ConformanceResult,
  type ConformanceSuite,
  type ConformanceTools,
  corpusAbsent,
  corpusFolder,
  result,
} from '#platform/testing';
import { bundleFiles, readBundle } from '../synthea/corpus.ts';
import { exampleResult } from './examples-explained.ts';
import { sharedServer } from './server.ts';

const files = (): string[] => bundleFiles(corpusFolder('synthea'));

async function* load(): AsyncGenerator<ConformanceResult> {
  const client = await sharedServer();
  for (const file of files()) {
    const { status, text } = await client('POST', '', readBundle(file));
    yield result(path.basename(file), status === 200 ? undefined : `status ${status}: ${text.slice(0, 250)}`);
  }
}

async function* validate({ faultsOf }: ConformanceTools): AsyncGenerator<ConformanceResult> {
  for (const file of files()) {
    const faults: string[] = [];
    for (const { resource } of readBundle(file).entry ?? []) if (resource) faults.push(...(await faultsOf(resource)));
    yield exampleResult(path.basename(file), faults);
  }
}

const absent = () => corpusAbsent('synthea');

export const suites: ConformanceSuite[] = [
  { name: 'synthea/load', title: 'Synthea bundles are loaded', absent, run: load },
  { name: 'synthea/valid', title: 'Synthea bundles have only valid resources', absent, run: validate },
];
