// US Core on a running server: each version is installed in turn, and its examples are stored by PUT, which checks the
// profiles that they claim. Without a version a claim means the latest, hence one after the other.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Issue, Resource } from '#fhir-model';
import { type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder } from '#platform/testing';
import { type Client, createClient, type Reply } from '../client.ts';
import { startTestServer } from '../server.ts';
import { exampleResult } from './examples-explained.ts';
import { errorLines } from './faults.ts';
import { resourcesIn, unpack } from './packages.ts';
import { versions } from './us-core.ts';

const US_CORE_PATIENT = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';

const refusal = ({ status, json }: Reply): string[] => {
  if (status < 300) return [];
  const lines = errorLines((json.issue ?? []) as unknown as Issue[]);
  return lines.length > 0 ? lines : [`status ${status}`];
};

async function install(client: Client, file: string, version: string): Promise<ConformanceResult> {
  const valueBase64Binary = readFileSync(file).toString('base64');
  const parameters = { resourceType: 'Parameters', parameter: [{ name: 'package', valueBase64Binary }] };
  const reply = await client('POST', '$load-package', parameters);
  const faults = refusal(reply);
  const { total } = (await client('GET', `StructureDefinition?url=${US_CORE_PATIENT}&version=${version}`)).json;
  if (faults.length === 0 && total !== 1) faults.push(`${total} definitions of ${US_CORE_PATIENT} in ${version}`);
  return exampleResult(`${version} is installed`, faults);
}

async function* store(client: Client, folder: string): AsyncGenerator<ConformanceResult> {
  for (const { name, resource } of resourcesIn(path.join(folder, 'example'))) {
    const { resourceType, id } = resource as Resource & { id: string };
    const reply = await client('PUT', `${resourceType}/${id}`, resource);
    yield exampleResult(name, refusal(reply));
  }
}

async function* run(): AsyncGenerator<ConformanceResult> {
  const server = await startTestServer();
  const client = createClient(server.fhirBaseUrl);
  try {
    for (const [version, name] of Object.entries(versions)) {
      const file = path.join(corpusFolder('us-core'), `${name}.tgz`);
      yield await install(client, file, version);
      for await (const one of store(client, unpack(file))) yield { ...one, name: `${version} ${one.name}` };
    }
  } finally {
    await server.stop();
  }
}

export const suites: ConformanceSuite[] = [
  {
    name: 'us-core/server',
    title: 'US Core installed on a server, its examples stored',
    absent: () => corpusAbsent('us-core'),
    run,
  },
];
