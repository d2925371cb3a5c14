// Packages by name, file or folder, with what they depend on: dependencies first, each package once.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { chooseVersion } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { registryUrl } from './fetch.ts';
import { type InstallOptions, type InstallSummary, installPackage, packageName } from './install.ts';
import { isBuiltIn, isPackageName, isPackageVersion } from './manifest.ts';
import { findInstalled, missingOf, servingVersion } from './rows.ts';
import { createShelf, type Found, openAt, type Shelf } from './shelf.ts';
import { archiveOf, readManifest } from './source.ts';

export interface PackageOptions extends InstallOptions {
  /** `https://packages.fhir.org`: the only address that is called, and only if it is given. */
  registry?: string | undefined;
  /** Install packages that are installed already anew: what was deleted of them comes back. */
  again: boolean;
  /** Without what they depend on. */
  alone: boolean;
  /** Told of each package as it is done. */
  onPackage?: ((summary: InstallSummary) => void) | undefined;
  /** A dependency could not be had: it is missing, and the rest goes on. */
  onNote?: ((note: string) => void) | undefined;
}

/** Of one load: dependencies of dependencies, each once. */
const PACKAGES_MAX = 500;

interface Work {
  core: Core;
  options: PackageOptions;
  shelf: Shelf;
  summaries: InstallSummary[];
  /** Done, or under way further up: packages may need each other in a circle. */
  seen: { name: string; version: string }[];
}

const isSeen = ({ seen }: Work, name: string, wanted: string): boolean =>
  chooseVersion(
    seen.filter((one) => one.name === name),
    servingVersion(wanted),
  ) !== undefined;

const present = ({ manifest }: Found): InstallSummary => ({
  ...{ name: manifest.name, version: manifest.version, outcome: 'present', created: 0, present: 0, examples: 0 },
  ...{ faults: [], missing: [], unindexed: [] },
});

async function findDependency({ shelf, options }: Work, name: string, wanted: string): Promise<Found | undefined> {
  const near = shelf.find(name, wanted);
  if (near) return near;
  try {
    return await shelf.fetch(name, wanted);
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    options.onNote?.(error.message);
    return undefined;
  }
}

async function installDependencies(work: Work, { manifest }: Found): Promise<void> {
  for (const [name, wanted] of manifest.dependencies) {
    if (isBuiltIn(name) || isSeen(work, name, wanted)) continue;
    if ((await findInstalled(work.core.store.db, name, wanted)) !== undefined) continue;
    const found = await findDependency(work, name, wanted);
    if (found) await install(work, found, false);
  }
}

/** `isNamed`: it was asked for itself. */
async function install(work: Work, found: Found, isNamed: boolean): Promise<void> {
  const { core, options, summaries, seen } = work;
  const { manifest, source } = found;
  if (seen.some(({ name, version }) => name === manifest.name && version === manifest.version)) return;
  seen.push(manifest);
  if (seen.length > PACKAGES_MAX) {
    throw new CerebraError(
      'too-costly',
      `${packageName(manifest)} and what depends on it need more than ${PACKAGES_MAX} packages`,
    );
  }
  if (!options.alone) await installDependencies(work, found);
  const isThere = (await findInstalled(core.store.db, manifest.name, manifest.version)) === manifest.version;
  const summary =
    isThere && !(options.again && isNamed)
      ? { ...present(found), missing: await missingOf(core.store.db, manifest) }
      : await installPackage(core, manifest, source, options);
  summary.missing = summary.missing.filter((one) => !isSeen(work, one.name, one.version));
  summaries.push(summary);
  options.onPackage?.(summary);
}

/** `name#version` or `name`. */
function parseName(text: string): { name: string; version: string | undefined } | undefined {
  const [name = '', version, ...rest] = text.split('#');
  if (rest.length > 0 || !isPackageName(name) || (version !== undefined && !isPackageVersion(version)))
    return undefined;
  return { name, version };
}

async function fromRegistry({ shelf, options }: Work, text: string): Promise<Found> {
  const named = parseName(text);
  if (!named) {
    throw new CerebraError(
      'config',
      `${text}: there is no such file or folder, and it is no name#version of a package`,
    );
  }
  if (options.registry === undefined) {
    const what = `${text}: there is no such file or folder; to take the package from a registry name one`;
    throw new CerebraError('config', `${what} (--registry https://packages.fhir.org, or PACKAGE_REGISTRY)`);
  }
  const found = await shelf.fetch(named.name, named.version);
  if (found) return found;
  throw new CerebraError('not-found', `${text}: ${options.registry} has no such package`);
}

/** What is meant: an archive, an unpacked package, all packages of a folder, or a name. */
async function foundBy(work: Work, text: string): Promise<Found[]> {
  const { shelf } = work;
  const kind = await stat(text).catch(() => undefined);
  if (!kind) return [await fromRegistry(work, text)];
  const one = await openAt(text);
  await shelf.add(kind.isDirectory() && !one ? text : path.dirname(path.resolve(text)));
  if (one) return [one];
  const all = await shelf.add(text);
  if (all.length === 0) throw new CerebraError('config', `${text}: no package in this folder, nor is it one`);
  return all;
}

async function withShelf<T>(registry: string | undefined, work: (shelf: Shelf) => Promise<T>): Promise<T> {
  const shelf = createShelf(registry);
  try {
    return await work(shelf);
  } finally {
    await shelf.close();
  }
}

const named = (options: PackageOptions): PackageOptions =>
  options.registry === undefined ? options : { ...options, registry: registryUrl(options.registry) };

/**
 * Installs packages, and what they depend on as far as it lies in the same folder or in the registry. `names`: files, folders,
 * `name#version`. Yields what became of each, dependencies first. Throws for one that is named and can't be had; those
 * before it are installed.
 */
export function loadPackages(core: Core, names: readonly string[], given: PackageOptions): Promise<InstallSummary[]> {
  const options = named(given);
  return withShelf(options.registry, async (shelf) => {
    const work: Work = { core, options, shelf, summaries: [], seen: [] };
    for (const name of names) {
      for (const found of await foundBy(work, name)) await install(work, found, true);
    }
    return work.summaries;
  });
}

/** As loadPackages, of the archive at an address. Throws `not-found` when there is none. */
export function loadFrom(core: Core, url: string, given: PackageOptions): Promise<InstallSummary[]> {
  const options = named(given);
  return withShelf(options.registry, async (shelf) => {
    const work: Work = { core, options, shelf, summaries: [], seen: [] };
    const found = await shelf.fetchFrom(url);
    if (!found) throw new CerebraError('not-found', `${url}: there is no package at this address`);
    await install(work, found, true);
    return work.summaries;
  });
}

/** As loadPackages, of one archive that is at hand. */
export function loadArchive(core: Core, bytes: Uint8Array, given: PackageOptions): Promise<InstallSummary[]> {
  const options = named(given);
  return withShelf(options.registry, async (shelf) => {
    const work: Work = { core, options, shelf, summaries: [], seen: [] };
    const source = archiveOf(bytes, 'package');
    await install(work, { manifest: await readManifest(source), source }, true);
    return work.summaries;
  });
}
