// Which packages are here: migrations/0012_packages.sql.
import { chooseVersion, compareVersions } from '#fhir-model';
import type { Db, Queryable, Statement, Tx } from '#platform';
import { currentTable } from '../store/layout.ts';
import { isBuiltIn, type Manifest } from './manifest.ts';

/** A resource that came with a package or was there before. */
export interface PackageResource {
  type: string;
  id: string;
  url: string | undefined;
  version: string | undefined;
  /** Of a profile on a resource type: that type. */
  profileOf: string | undefined;
}

export interface Installed {
  name: string;
  version: string;
  canonical: string | null;
  title: string | null;
  resources: number;
  refused: number;
}

const begin: Statement = {
  name: 'package_begin',
  text: `insert into fhir_package (name, version, state, canonical, title, source) values ($1, $2, 'loading', $3, $4, $5)
    on conflict (name, version) do update set state = 'loading', canonical = excluded.canonical, title = excluded.title,
      source = excluded.source, started = clock_timestamp(), installed = null`,
};

/** It is `loading` until finishPackage: what is broken off is done again, and never counts. */
export const beginPackage = (db: Db, { name, version, canonical, title }: Manifest, source: string): Promise<unknown> =>
  db.query(begin, [name, version, canonical ?? null, title ?? null, source]);

const dropParts: Statement[] = ['fhir_package_dependency', 'fhir_package_resource'].map((table) => ({
  name: `package_drop_${table}`,
  text: `delete from ${table} where name = $1 and version = $2`,
}));

const addDependencies: Statement = {
  name: 'package_dependencies',
  text: `insert into fhir_package_dependency (name, version, needs, needs_version)
    select $1, $2, v.needs, v.version from unnest($3::text[], $4::text[]) as v(needs, version)`,
};

const addResources: Statement = {
  name: 'package_resources',
  text: `insert into fhir_package_resource (name, version, type, id, url, resource_version, profile_of)
    select $1, $2, v.type, v.id, v.url, v.version, v.of
    from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as v(type, id, url, version, of)
    on conflict do nothing`,
};

const finish: Statement = {
  name: 'package_finish',
  text: `update fhir_package set state = 'installed', installed = clock_timestamp(), resources = $3, refused = $4
    where name = $1 and version = $2`,
};

const raise: Statement = { name: 'package_raise', text: 'update fhir_package_revision set n = n + 1' };

export async function finishPackage(
  tx: Tx,
  { name, version, dependencies }: Manifest,
  resources: readonly PackageResource[],
  refused: number,
): Promise<void> {
  const columns = (['type', 'id', 'url', 'version', 'profileOf'] as const).map((column) =>
    resources.map((one) => one[column] ?? null),
  );
  await Promise.all([
    // First, since it takes the package's row: two who load it at once wait here for each other, not for each other's parts.
    tx.query(finish, [name, version, resources.length, refused]),
    ...dropParts.map((statement) => tx.query(statement, [name, version])),
    tx.query(addDependencies, [name, version, [...dependencies.keys()], [...dependencies.values()]]),
    tx.query(addResources, [name, version, ...columns]),
    tx.query(raise),
  ]);
}

const readInstalled: Statement = {
  name: 'packages_installed',
  text: `select name, version, canonical, title, resources, refused from fhir_package
    where state = 'installed' order by name, version`,
};

export const installedPackages = (db: Queryable): Promise<Installed[]> => db.query<Installed>(readInstalled);

const readVersions: Statement = {
  name: 'package_versions',
  text: `select version from fhir_package where name = $1 and state = 'installed'`,
};

/** `current`, `dev` and `latest` are satisfied by any version. */
const anyVersion = new Set(['current', 'dev', 'latest', '*']);

/** Which versions serve; undefined: all. */
export const servingVersion = (wanted: string): string | undefined => (anyVersion.has(wanted) ? undefined : wanted);

/** The installed version that is meant: that very one, or of `6.1.x` the latest; undefined when there is none. */
export async function findInstalled(db: Queryable, name: string, wanted: string): Promise<string | undefined> {
  const rows = await db.query<{ version: string }>(readVersions, [name]);
  const latestFirst = rows.toSorted((a, b) => compareVersions(b.version, a.version));
  return chooseVersion(latestFirst, servingVersion(wanted))?.version;
}

export interface Missing {
  name: string;
  version: string;
}

/** Those of its dependencies that are not installed. */
export async function missingOf(db: Queryable, { dependencies }: Manifest): Promise<Missing[]> {
  const missing: Missing[] = [];
  for (const [name, version] of dependencies) {
    if (isBuiltIn(name) || (await findInstalled(db, name, version)) !== undefined) continue;
    missing.push({ name, version });
  }
  return missing;
}

const readRevision: Statement = { name: 'packages_revision', text: 'select n from fhir_package_revision' };

export async function packagesRevision(db: Queryable): Promise<bigint> {
  return (await db.query<{ n: bigint }>(readRevision))[0]!.n;
}

export interface SupportedProfile {
  type: string;
  url: string;
  version: string | null;
}

/** Those whose StructureDefinition has been deleted since are no longer supported. */
const readProfiles: Statement = {
  name: 'packages_profiles',
  text: `select distinct r.profile_of as type, r.url, r.resource_version as version
    from fhir_package_resource r join fhir_package p using (name, version)
    where p.state = 'installed' and r.type = 'StructureDefinition' and r.profile_of is not null and r.url is not null
      and exists (select 1 from ${currentTable('StructureDefinition')} s where s.id = r.id)
    order by 1, 2, 3`,
};

export const supportedProfiles = (db: Queryable): Promise<SupportedProfile[]> =>
  db.query<SupportedProfile>(readProfiles);

/** The ImplementationGuides of installed packages. */
const readGuides: Statement = {
  name: 'packages_guides',
  text: `select distinct r.url, r.resource_version as version
    from fhir_package_resource r join fhir_package p using (name, version)
    where p.state = 'installed' and r.type = 'ImplementationGuide' and r.url is not null order by 1, 2`,
};

export const installedGuides = (db: Queryable): Promise<{ url: string; version: string | null }[]> =>
  db.query(readGuides);

/**
 * Types that search parameters of installed packages are about and whose resources are not indexed by them, those that a run
 * of $reindex will come to aside: a load that was broken off has told nobody of them.
 */
const readUnindexed: Statement = {
  name: 'packages_unindexed',
  text: `select distinct p.type from custom_parameter p
    join fhir_package_resource r on r.type = 'SearchParameter' and r.url = p.about::json ->> 'url'
    join fhir_package k on k.name = r.name and k.version = r.version and k.state = 'installed'
    where not p.indexed and not exists (select 1 from reindex_run n
      where n.status in ('waiting', 'running') and p.type = any(n.types)
        and (array_position(n.types, p.type) > n.at + 1
          or (array_position(n.types, p.type) = n.at + 1 and coalesce(n.epoch >= p.epoch, true))))
    order by 1`,
};

export const unindexedByPackages = async (db: Queryable): Promise<string[]> =>
  (await db.query<{ type: string }>(readUnindexed)).map(({ type }) => type);
