// FHIR packages as suites use them: unpacked by tar into a folder that goes with the process.
// https://hl7.org/fhir/R4/packages.html is empty: the format is https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadCoreResources, parseJson, type Resource } from '#fhir-model';
import type { ProfileSource } from '#fhir-server';

/** The folder `package` of it. */
export function unpack(file: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-package-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  execFileSync('tar', ['-xzf', file, '-C', folder]);
  return path.join(folder, 'package');
}

export interface NamedResource {
  name: string;
  text: string;
  resource: Resource;
}

/** Resources in a folder, those of its subfolders left out, in the order of their names. */
export function* resourcesIn(folder: string): Generator<NamedResource> {
  for (const name of globSync('*.json', { cwd: folder }).sort()) {
    if (name === 'package.json' || name.startsWith('.')) continue;
    const text = readFileSync(path.join(folder, name), 'utf8');
    const resource = parseJson(text).exact as Resource;
    if (typeof resource.resourceType === 'string') yield { name, text, resource };
  }
}

/** R4's own definitions. */
export async function coreDefinitions(): Promise<ProfileSource> {
  const core = await loadCoreResources();
  return { find: (type, canonical) => core.read(type, canonical.split('|')[0]!) };
}

/** Definitions of a package by url, and beneath them R4's own. */
export async function definitionsOf(folder: string): Promise<ProfileSource> {
  const found = new Map<string, Resource>();
  for (const { resource } of resourcesIn(folder)) {
    if (typeof resource.url === 'string') found.set(`${resource.resourceType} ${resource.url}`, resource);
  }
  const core = await coreDefinitions();
  return {
    find: async (type, canonical) => found.get(`${type} ${canonical.split('|')[0]}`) ?? core.find(type, canonical),
  };
}
