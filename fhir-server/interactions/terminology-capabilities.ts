// https://hl7.org/fhir/R4/terminologycapabilities.html: what the terminology service says of itself, the stored code
// systems and R4's own
import { type AccessScope, compareVersions, type JsonObject, loadCoreResources } from '#fhir-model';
import { scopeSql } from '../access/scope.ts';
import { currentTable } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import { instance } from './capabilities.ts';
import type { Core } from './core.ts';

/** More are not listed, though they are there. */
const SYSTEMS_MAX = 5_000;

interface Stored {
  url: string | null;
  version: string | null;
  content: string | null;
}

/** Of stored CodeSystems; read anew when one of them has changed. */
const kept = new WeakMap<Core, { at: string; systems: Stored[] }>();

async function storedSystems(core: Core, scope: AccessScope): Promise<Stored[]> {
  const access = scopeSql(scope);
  const at = `${core.canonicals.generation}${access.name}`;
  const known = kept.get(core);
  if (known?.at === at) return known.systems;
  const statement = named(
    `code_systems_told${access.name}`,
    () => `select b->>'url' as url, b->>'version' as version, b->>'content' as content
      from (select r.body::json as b from ${currentTable('CodeSystem')} r
        where ${access.condition('r', 2)} order by r.seq limit $1) of_bodies`,
  );
  const systems = await core.store.db.query<Stored>(statement, [SYSTEMS_MAX, ...access.values]);
  kept.set(core, { at, systems });
  return systems;
}

let coreSystems: Promise<Stored[]> | undefined;

/** R4's own, read once: 1,062 in 0.5 s. */
async function readCoreSystems(): Promise<Stored[]> {
  const core = await loadCoreResources();
  const systems: Stored[] = [];
  for (const url of core.urls('CodeSystem')) {
    const content = (await core.read('CodeSystem', url))?.content;
    systems.push({ url, version: core.version('CodeSystem', url) ?? null, content: String(content) });
  }
  return systems;
}

function ownSystems(): Promise<Stored[]> {
  coreSystems ??= readCoreSystems().catch((error: unknown) => {
    coreSystems = undefined;
    throw error;
  });
  return coreSystems;
}

/** Supplements are no systems of their own, and of what is `not-present` nothing can be told. */
const NOT_LISTED: readonly (string | null)[] = ['supplement', 'not-present'];

/** Latest first; what is stored goes before R4's own. */
function bySystem(stored: readonly Stored[], core: readonly Stored[]): Map<string, string[]> {
  const latestFirst = stored.toSorted((a, b) => compareVersions(b.version ?? '', a.version ?? ''));
  const found = new Map<string, Set<string>>();
  for (const { url, version, content } of [...latestFirst, ...core]) {
    if (url === null || NOT_LISTED.includes(content)) continue;
    found.set(url, (found.get(url) ?? new Set()).add(version ?? ''));
  }
  return new Map([...found].map(([url, versions]) => [url, [...versions]]));
}

/** The first is what is meant where no version is named. */
const versionsOf = (versions: readonly string[]): JsonObject[] =>
  versions.map((code, i) => ({ ...(code !== '' && { code }), isDefault: i === 0, compositional: false }));

function merged(own: readonly JsonObject[], stored: Map<string, string[]>): JsonObject[] {
  const told = new Set(own.map(({ uri }) => uri));
  const more = [...stored].filter(([uri]) => !told.has(uri));
  const all: JsonObject[] = more.map(([uri, versions]) => ({ uri, version: versionsOf(versions), subsumption: true }));
  return [...own, ...all].sort((a, b) => (String(a.uri) < String(b.uri) ? -1 : 1));
}

/** What is no grammar: other versions of it may be stored, and of all of them the latest is meant. */
const isRelease = ({ subsumption }: JsonObject): boolean => subsumption === true;

function versionsLoaded({ uri, version }: JsonObject): Stored[] {
  const codes = (version as JsonObject[]).map(({ code = null }) => code as string | null);
  return codes.map((code) => ({ url: String(uri), version: code, content: 'complete' }));
}

/** The statement as JSON text. */
export async function terminologyCapabilities(core: Core, scope: AccessScope): Promise<string> {
  await core.canonicals.refresh();
  const { codeSystem = [], ...rest } = (await core.terminology.describe?.()) ?? { codeSearch: 'explicit' };
  const own = codeSystem as JsonObject[];
  const loaded = own.filter(isRelease).flatMap(versionsLoaded);
  const found = bySystem([...(await storedSystems(core, scope)), ...loaded], await ownSystems());
  const grammars = own.filter((one) => !isRelease(one));
  const systems = merged(grammars, found);
  return JSON.stringify({
    resourceType: 'TerminologyCapabilities',
    status: 'active',
    ...instance(core),
    ...(systems.length > 0 && { codeSystem: systems }),
    ...rest,
  });
}
