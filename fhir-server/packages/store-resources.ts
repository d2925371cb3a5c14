// Resources of a package into the store, some at a time, each at most once however often that is tried.
import { type AccessScope, type Issue, parseJson, type Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { checkResource } from '../load/read-resource.ts';
import { createChecked } from '../ports.ts';
import { readCurrent } from '../store/read.ts';
import { storeUpdate } from '../store/store.ts';
import type { PackagedResource, PackageFault } from './contents.ts';
import type { Manifest } from './manifest.ts';
import { derivedId, findStored, isSameDefinition, packageResource, readableId } from './place.ts';
import type { PackageResource } from './rows.ts';

export interface Stored {
  /** Those that are here now; of `present` ones nothing was changed. */
  resources: PackageResource[];
  created: number;
  present: number;
  faults: PackageFault[];
}

type WithId = Resource & { id: string };

interface Placed {
  resource: WithId;
  /** The id if that one is another's. */
  derived: string;
}

const LOOK_UPS_MAX = 4;

/**
 * What is wrong with it; undefined if it can be stored. Profiles that it claims are not asked: published definitions claim
 * those of shareable ones, and count as they are published (CodeSystems of hl7.terminology lack a publisher).
 */
function faultOf(core: Core, { file, resource }: PackagedResource): PackageFault | undefined {
  try {
    checkResource({ definitions: core.definitions, validator: core.store.validator }, resource);
    return undefined;
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    return { file, issues: error.issues as Issue[] };
  }
}

async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += LOOK_UPS_MAX) {
    results.push(...(await Promise.all(items.slice(at, at + LOOK_UPS_MAX).map(work))));
  }
  return results;
}

const created = (stored: Stored, core: Core, { resource }: Placed): void => {
  stored.created++;
  stored.resources.push(packageResource(core, resource, resource.id));
};

/** Its id has been used: by itself, deleted since; by itself just now, through another process; or by something else. */
async function storeTaken(core: Core, manifest: Manifest, placed: Placed, scope: AccessScope, stored: Stored) {
  const { resource } = placed;
  const current = await readCurrent(core.store.db, resource.resourceType, resource.id, scope);
  if (!current || current.deleted) {
    await storeUpdate(core.store, resource, resource.id, undefined, scope);
    created(stored, core, placed);
    return;
  }
  const other = parseJson(current.body).value as Resource;
  const { derived } = placed;
  if (isSameDefinition(manifest, resource, other) || resource.id === derived) {
    stored.present++;
    stored.resources.push(packageResource(core, resource, resource.id));
    return;
  }
  const again = { ...placed, resource: { ...resource, id: derived } };
  const [isNew] = await createChecked(core, [again.resource], { scope });
  if (isNew) created(stored, core, again);
  else await storeTaken(core, manifest, again, scope, stored);
}

async function place(
  core: Core,
  manifest: Manifest,
  one: PackagedResource,
  scope: AccessScope,
): Promise<Placed | { present: string }> {
  const { resource } = one;
  const present = await findStored(core, resource, scope);
  if (present !== undefined) return { present };
  const placed = { ...resource, id: readableId(manifest, resource) };
  return { resource: placed, derived: derivedId(manifest, resource) };
}

/** Conformance resources; those whose canonical and version are here already are left as they are. */
export async function storeDefinitions(
  core: Core,
  manifest: Manifest,
  some: readonly PackagedResource[],
  scope: AccessScope,
): Promise<Stored> {
  const faults = some.map((one) => faultOf(core, one)).filter((fault) => fault !== undefined);
  const faulty = new Set(faults.map(({ file }) => file));
  const fine = some.filter(({ file }) => !faulty.has(file));
  const stored: Stored = { resources: [], created: 0, present: 0, faults };
  const places = await eachOf(fine, (one) => place(core, manifest, one, scope));
  const fresh: Placed[] = [];
  places.forEach((found, i) => {
    if ('resource' in found) fresh.push(found);
    else stored.resources.push(packageResource(core, fine[i]!.resource, found.present));
  });
  stored.present = fine.length - fresh.length;
  const isNew = await createChecked(
    core,
    fresh.map(({ resource }) => resource),
    { scope },
  );
  for (const [i, one] of fresh.entries()) {
    if (isNew[i]) created(stored, core, one);
    else await storeTaken(core, manifest, one, scope, stored);
  }
  return stored;
}

/** Examples, under their own ids: one whose id is in use is left out. They are no part of what a package is here for. */
export async function storeExamples(core: Core, some: readonly PackagedResource[], scope: AccessScope) {
  const faults = some.map((one) => faultOf(core, one)).filter((fault) => fault !== undefined);
  const faulty = new Set(faults.map(({ file }) => file));
  const fine = some
    .filter(({ file }) => !faulty.has(file))
    .map(({ resource }) => ({ ...resource, id: resource.id ?? core.store.newId() }));
  const isNew = await createChecked(core, fine, { scope });
  return { created: isNew.filter(Boolean).length, faults };
}
