// Small FHIR packages for tests, and a registry that has them: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TarPart, tgzOf } from './tgz.ts';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json | undefined };
/** As fhir-model has it, which this room doesn't know. */
interface Resource {
  resourceType: string;
  [name: string]: Json | undefined;
}

export interface PackageSketch {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  fhirVersions?: string[];
  /** By file name below `package/`; the manifest is added. */
  files?: Record<string, Resource | string>;
}

export const packageManifest = ({
  name = 'test.guide',
  version = '1.0.0',
  dependencies,
  fhirVersions,
}: PackageSketch) => ({
  ...{ name, version, type: 'IG', canonical: `http://test.example/${name}`, title: `Guide ${name}` },
  ...{ fhirVersions: fhirVersions ?? ['4.0.1'], dependencies: { 'hl7.fhir.r4.core': '4.0.1', ...dependencies } },
});

export function packageParts(sketch: PackageSketch): TarPart[] {
  const files = Object.entries(sketch.files ?? {}).map(([name, content]) => ({
    name: `package/${name}`,
    content: typeof content === 'string' ? content : JSON.stringify(content),
  }));
  return [{ name: 'package/package.json', content: JSON.stringify(packageManifest(sketch)) }, ...files];
}

export const packageOf = (sketch: PackageSketch): Buffer => tgzOf(packageParts(sketch));

export const sampleValueSet = (id: string, version = '1.0.0', more: Partial<Resource> = {}): Resource => ({
  ...{ resourceType: 'ValueSet', id, url: `http://test.example/ValueSet/${id}`, version, status: 'active' },
  ...more,
});

export const sampleProfile = (id: string, type: string, version = '1.0.0'): Resource => ({
  ...{ resourceType: 'StructureDefinition', id, url: `http://test.example/StructureDefinition/${id}`, version },
  ...{ name: 'Test', status: 'active', kind: 'resource', abstract: false, type, derivation: 'constraint' },
  baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
  differential: { element: [{ id: type, path: type }] },
});

export const sampleSearchParameter = (id: string, expression: string, more: Partial<Resource> = {}): Resource => ({
  ...{ resourceType: 'SearchParameter', id, url: `http://test.example/SearchParameter/${id}`, version: '1.0.0' },
  ...{ name: 'Test', status: 'active', description: 'Test', code: id, base: ['Patient'], type: 'string', expression },
  ...more,
});

export interface PackageRegistry {
  url: string;
  /** Paths in the order of the requests. */
  asked: string[];
  /** Path → what is answered; a text is a redirect. */
  answers: Map<string, Buffer | object | string | number>;
  close(): Promise<void>;
}

/** Answers what `answers` has, else 404; on a free port. */
export async function startPackageRegistry(): Promise<PackageRegistry> {
  const asked: string[] = [];
  const answers: PackageRegistry['answers'] = new Map();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const answer = answers.get(path) ?? 404;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else if (typeof answer === 'string') response.writeHead(302, { location: answer }).end();
    else if (Buffer.isBuffer(answer)) response.end(answer);
    else response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `http://127.0.0.1:${port}`, asked, answers },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
