// R4's official examples, the npm package hl7.fhir.r4.examples, are valid. The package is for tests only and not
// among the dependencies: `npm pack hl7.fhir.r4.examples@4.0.1 --pack-destination node_modules/.cache/cerebra`, or R4_EXAMPLES.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Issue } from '#fhir-model';
import { type ConformanceResult, type ConformanceSuite, result } from '#platform/testing';
import { exampleResult } from './examples-explained.ts';
import { errorLines } from './faults.ts';
import { resourcesIn, unpack } from './packages.ts';
import { sharedServer } from './server.ts';

const file =
  process.env.R4_EXAMPLES ??
  path.join(import.meta.dirname, '../../node_modules/.cache/cerebra/hl7.fhir.r4.examples-4.0.1.tgz');

/** By `$validate` of a server, as its users would: with the terminology that it has of itself. */
async function* run(): AsyncGenerator<ConformanceResult> {
  const client = await sharedServer();
  for (const { name, text } of resourcesIn(unpack(file))) {
    const { status, json } = await client('POST', '$validate', text);
    if (status === 200) yield exampleResult(name, errorLines(json.issue as unknown as Issue[]));
    else yield result(name, `status ${status}: ${JSON.stringify(json).slice(0, 250)}`);
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
