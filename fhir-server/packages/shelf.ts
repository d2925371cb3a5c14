// Where packages and what they depend on are found: the folders that they were named in, and a registry.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { chooseVersion, compareVersions } from '#fhir-model';
import { isCerebraError } from '#platform';
import { archiveUrl, download, resolveVersion } from './fetch.ts';
import type { Manifest } from './manifest.ts';
import { servingVersion } from './rows.ts';
import { type PackageSource, readManifest, sourceAt } from './source.ts';

export interface Found {
  manifest: Manifest;
  source: PackageSource;
}

export interface Shelf {
  /** The archives and unpacked packages right in the folder. */
  add(folder: string): Promise<Found[]>;
  /** Of what the folders have, the version that is meant. */
  find(name: string, wanted: string): Found | undefined;
  /** From the registry; undefined when there is none, or none with that version. */
  fetch(name: string, wanted: string | undefined): Promise<Found | undefined>;
  /** The archive at that address; undefined when there is none. */
  fetchFrom(url: string): Promise<Found | undefined>;
  /** Removes what was downloaded. */
  close(): Promise<void>;
}

const ARCHIVES_MAX = 2_000;

/** The package at that place; undefined for what is none. */
export async function openAt(file: string): Promise<Found | undefined> {
  const source = await sourceAt(file);
  return source && { manifest: await readManifest(source), source };
}

/** What beside the packages lies in a folder is nobody's fault. */
async function openIfPackage(file: string): Promise<Found | undefined> {
  try {
    return await openAt(file);
  } catch (error) {
    if (isCerebraError(error)) return undefined;
    throw error;
  }
}

async function packagesIn(folder: string): Promise<Found[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory() || /\.(?:tgz|tar\.gz)$/i.test(entry.name))
    .map((entry) => path.join(folder, entry.name))
    .sort();
  const found: Found[] = [];
  for (const name of names.slice(0, ARCHIVES_MAX)) {
    const one = await openIfPackage(name);
    if (one) found.push(one);
  }
  return found;
}

export function createShelf(registry: string | undefined): Shelf {
  const folders = new Map<string, Promise<Found[]>>();
  const found: Found[] = [];
  const closing: (() => Promise<void>)[] = [];
  async function fetchFrom(url: string): Promise<Found | undefined> {
    const file = await download(url);
    if (!file) return undefined;
    closing.push(file.remove);
    const source = await sourceAt(file.file, url);
    return source && { manifest: await readManifest(source), source };
  }
  return {
    fetchFrom,
    async add(folder) {
      const full = path.resolve(folder);
      const known = folders.get(full);
      if (known) return known;
      const reading = packagesIn(full);
      folders.set(full, reading);
      found.push(...(await reading));
      return reading;
    },
    find(name, wanted) {
      const same = found.filter(({ manifest }) => manifest.name === name);
      const versions = same.map((one) => ({ version: one.manifest.version, one }));
      const latestFirst = versions.sort((a, b) => compareVersions(b.version, a.version));
      return chooseVersion(latestFirst, servingVersion(wanted))?.one;
    },
    async fetch(name, wanted) {
      if (registry === undefined) return undefined;
      const version = await resolveVersion(registry, name, wanted);
      return version === undefined ? undefined : fetchFrom(archiveUrl(registry, name, version));
    },
    async close() {
      for (const remove of closing) await remove();
    },
  };
}
