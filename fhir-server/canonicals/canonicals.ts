// Definitions by canonical URL: https://hl7.org/fhir/R4/references.html#canonical
// Stored ones, and beneath them R4's own. What this process writes counts at once; what others write is seen within a
// second, by comparing how many there are and the sum of their numbers (1.5 ms for 4,300 definitions).
import {
  type AccessScope,
  type Canonicals,
  type CoreResources,
  chooseVersion,
  compareVersions,
  parseCanonical,
  parseJson,
  type Resource,
  type SearchParameters,
} from '#fhir-model';
import type { Db } from '#platform';
import { createTextCache } from './cache.ts';
import { canonicalTypes, readBody, readByUrl, readStanding } from './stored.ts';
import { createWholeSystems } from './whole-systems.ts';

export interface CanonicalsParts {
  db: Db;
  parameters: SearchParameters;
  /** R4's own; asked for when something is not stored. */
  coreResources(): Promise<CoreResources>;
  /** What of the store counts. */
  scope: AccessScope;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

export interface StoredCanonicals extends Canonicals {
  /** To be called after each commit, with what it wrote. */
  committed(results: readonly { type: string }[]): void;
}

/** One version of a URL; R4's own have no rid. */
interface Known {
  version: string;
  rid: bigint | undefined;
}

const versionOf = ({ version }: Resource): string => (typeof version === 'string' ? version : '');

const CHECK_MS = 1_000;
/** Of JSON text; parsed it takes some three times as many bytes. All of US Core has 9 million. */
const STORED_CHARACTERS_MAX = 16_000_000;
const OWN_CHARACTERS_MAX = 12_000_000;
const RESOURCES_MAX = 20_000;
/** URLs, those that are not known among them: whoever claims profiles makes them up. */
const URLS_MAX = 20_000;
const URL_CHARACTERS_MAX = 1_000;

export function createCanonicals(parts: CanonicalsParts): StoredCanonicals {
  const { db, parameters, scope, now: nowMs = () => performance.now() } = parts;
  const stored = createTextCache<Resource>(STORED_CHARACTERS_MAX, RESOURCES_MAX);
  const own = createTextCache<Resource>(OWN_CHARACTERS_MAX, RESOURCES_MAX);
  const known = createTextCache<Promise<Known[]>>(URLS_MAX * URL_CHARACTERS_MAX, URLS_MAX);
  const wholeSystems = createWholeSystems(db, scope);
  let generation = 1;
  let standing: string | undefined;
  let checkedMs = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  function forget(): void {
    generation++;
    stored.clear();
    known.clear();
  }

  async function check(): Promise<void> {
    const now = await readStanding(db);
    if (standing !== undefined && now !== standing) forget();
    standing = now;
  }

  function refresh(): Promise<void> {
    if (checking) return checking;
    if (nowMs() - checkedMs < CHECK_MS) return Promise.resolve();
    checking = check().finally(() => {
      checkedMs = nowMs();
      checking = undefined;
    });
    return checking;
  }

  async function lookUp(type: string, url: string): Promise<Known[]> {
    const began = generation;
    const found = await readByUrl(db, parameters, type, url, scope);
    if (began === generation) {
      for (const one of found) stored.set(`${type}/${one.rid}`, one.resource, one.characters);
    }
    const core = (await parts.coreResources()).version(type, url);
    const latestFirst = found.toSorted((a, b) => compareVersions(b.version, a.version));
    const all: Known[] = latestFirst.map(({ version, rid }) => ({ version, rid }));
    return core === undefined ? all : [...all, { version: core, rid: undefined }];
  }

  function versionsOf(type: string, url: string): Promise<Known[]> {
    if (!canonicalTypes.has(type) || url === '' || url.length > URL_CHARACTERS_MAX) return Promise.resolve([]);
    const key = `${type} ${url}`;
    const pending = known.get(key);
    if (pending) return pending;
    const began = generation;
    const found = lookUp(type, url);
    known.set(key, found, key.length);
    // What failed, or was read while something was written, is no answer to the next who asks.
    const settle = (failed: boolean): void => {
      if (failed || began !== generation) known.drop(key, found);
    };
    found.then(
      () => settle(false),
      () => settle(true),
    );
    return found;
  }

  async function readStored(type: string, rid: bigint): Promise<Resource | undefined> {
    const key = `${type}/${rid}`;
    const cached = stored.get(key);
    if (cached) return cached;
    const began = generation;
    const body = await readBody(db, type, rid);
    if (body === undefined) return undefined;
    const resource = parseJson(body).value as Resource;
    if (began === generation) stored.set(key, resource, body.length);
    return resource;
  }

  async function readOwn(type: string, url: string): Promise<Resource | undefined> {
    const key = `${type} ${url}`;
    const cached = own.get(key);
    if (cached) return cached;
    const resource = await (await parts.coreResources()).read(type, url);
    if (resource) own.set(key, resource, JSON.stringify(resource).length);
    return resource;
  }

  return {
    get generation() {
      return generation;
    },
    refresh,
    async find(type, canonical) {
      await refresh();
      const { url, version } = parseCanonical(canonical);
      const one = chooseVersion(await versionsOf(type, url), version);
      if (one === undefined) return undefined;
      return one.rid === undefined ? readOwn(type, url) : readStored(type, one.rid);
    },
    async systemsOf(valueSet) {
      await refresh();
      const rows = await wholeSystems.rows(valueSet, generation);
      const systems = await Promise.all(rows.map((rid) => readStored('CodeSystem', rid)));
      return systems
        .filter((system) => system?.valueSet === valueSet && typeof system.url === 'string')
        .map((system) => system!)
        .toSorted((a, b) => compareVersions(versionOf(b), versionOf(a)));
    },
    async versions(type, url) {
      await refresh();
      return (await versionsOf(type, url)).map(({ version }) => version);
    },
    committed(results) {
      if (results.some(({ type }) => canonicalTypes.has(type))) forget();
    },
  };
}
