// The Synthea bundles as plain JSON, beside the ids that the server gave to their resources.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Bundle, Resource } from '@medplum/fhirtypes';

const projectRoot = path.join(import.meta.dirname, '../..');

/** The folder of the bundles, or undefined where the corpus isn't there. */
export function syntheaFolder(): string | undefined {
  const folder = path.join(process.env.CORPUS_DIR ?? path.join(projectRoot, '../shared/corpus'), 'synthea');
  return existsSync(folder) ? folder : undefined;
}

export function bundleFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => path.join(folder, name));
}

export function readBundle(file: string): Bundle {
  return JSON.parse(readFileSync(file, 'utf8')) as Bundle;
}

/** `Type/id` -> the resource as its bundle has it, its references resolved as the server is to resolve them. */
export type Loaded = Map<string, Resource>;

/**
 * Takes up a loaded bundle with the server's transaction-response; throws where an entry was not created. Bundles share
 * some urn:uuids (practitioners, organizations): each bundle's references mean its own entries.
 */
export function takeUp(loaded: Loaded, bundle: Bundle, response: Bundle): void {
  const nameOf = new Map<string, string>();
  const entries = bundle.entry ?? [];
  for (const [index, { fullUrl }] of entries.entries()) {
    const location = response.entry?.[index]?.response?.location ?? '';
    const name = /([A-Za-z]+\/[A-Za-z0-9\-.]{1,64})\/_history\/1$/.exec(location)?.[1];
    if (name === undefined || !fullUrl) throw new Error(`entry ${index} was not created: ${location}`);
    nameOf.set(fullUrl, name);
  }
  for (const { fullUrl, resource } of entries) {
    const resolved = JSON.stringify(resource).replace(/urn:uuid:[0-9a-f-]{36}/g, (urn) => nameOf.get(urn) ?? urn);
    loaded.set(nameOf.get(fullUrl ?? '') ?? '', JSON.parse(resolved) as Resource);
  }
}
