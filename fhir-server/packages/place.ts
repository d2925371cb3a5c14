// Where a resource of a package goes: an id that is the same each time, and none for what is here already.
// https://hl7.org/fhir/R4/resource.html#versions (business versions stand side by side)
import { type AccessScope, isId, type Resource } from '#fhir-model';
import { uuidv5 } from '#platform';
import { canonicalTypes, readByUrl } from '../canonicals/stored.ts';
import type { Core } from '../interactions/core.ts';
import type { Manifest } from './manifest.ts';
import type { PackageResource } from './rows.ts';

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** https://www.rfc-editor.org/rfc/rfc9562#name-namespace-id-usage-and-allo: the namespace of URLs. */
const URLS = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

/** What names it in the world: its canonical and version or, without, its place in the package. */
function nameOf({ name, version }: Manifest, resource: Resource): string {
  const url = textOf(resource.url);
  if (url !== undefined) return `${resource.resourceType} ${url}|${textOf(resource.version) ?? ''}`;
  return `${resource.resourceType} ${name}#${version}/${textOf(resource.id) ?? JSON.stringify(resource)}`;
}

/** The id if `us-core-patient-6.1.0` is another's: made of canonical and version alone. */
export const derivedId = (manifest: Manifest, resource: Resource): string => uuidv5(URLS, nameOf(manifest, resource));

/** `us-core-patient` of version 6.1.0 is `us-core-patient-6.1.0`: versions of a guide use the same ids again. */
export function readableId(manifest: Manifest, resource: Resource): string {
  const [id, version = manifest.version] = [textOf(resource.id), textOf(resource.version)];
  // Without url it can't be told from another's of the same id.
  const readable =
    id === undefined || textOf(resource.url) === undefined ? '' : `${id}-${version.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`;
  return isId(readable) ? readable : derivedId(manifest, resource);
}

/** The id of the stored resource with the same canonical and version, be it from elsewhere; undefined when there is none. */
export async function findStored(core: Core, resource: Resource, scope: AccessScope): Promise<string | undefined> {
  const url = textOf(resource.url);
  if (url === undefined || !canonicalTypes.has(resource.resourceType)) return undefined;
  const { db } = core.store;
  const found = await readByUrl(db, core.parameters, resource.resourceType, url, scope);
  return textOf(found.find(({ version }) => version === (textOf(resource.version) ?? ''))?.resource.id);
}

/** Whether both say that they are the same definition. */
export const isSameDefinition = (manifest: Manifest, a: Resource, b: Resource): boolean =>
  textOf(a.url) !== undefined && nameOf(manifest, a) === nameOf(manifest, b);

/** The type that a profile is on; undefined for what is no profile of a resource type. */
function profileOf({ definitions }: Core, resource: Resource): string | undefined {
  const { resourceType, derivation, kind, type } = resource;
  if (resourceType !== 'StructureDefinition' || derivation !== 'constraint' || kind !== 'resource') return undefined;
  const on = textOf(type);
  return on !== undefined && definitions.isResourceType(on) ? on : undefined;
}

export const packageResource = (core: Core, resource: Resource, id: string): PackageResource => ({
  ...{ type: resource.resourceType, id, url: textOf(resource.url), version: textOf(resource.version) },
  profileOf: profileOf(core, resource),
});
