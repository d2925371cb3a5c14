// https://hl7.org/fhir/R4/terminologycapabilities.html: what the terminology service says of itself, and the stored code systems
import { type AccessScope, compareVersions, type JsonObject } from '#fhir-model';
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

/** Supplements are no systems of their own. */
function bySystem(stored: readonly Stored[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { url, version, content } of stored) {
    if (url === null || content === 'supplement') continue;
    found.set(url, [...(found.get(url) ?? []), version ?? '']);
  }
  return found;
}

const versionsOf = (versions: readonly string[]): JsonObject[] =>
  versions
    .toSorted((a, b) => compareVersions(b, a))
    .map((code, i) => ({ ...(code !== '' && { code }), isDefault: i === 0, compositional: false }));

function merged(own: readonly JsonObject[], stored: Map<string, string[]>): JsonObject[] {
  const told = new Set(own.map(({ uri }) => uri));
  const more = [...stored].filter(([uri]) => !told.has(uri));
  const all: JsonObject[] = more.map(([uri, versions]) => ({ uri, version: versionsOf(versions), subsumption: true }));
  return [...own, ...all].sort((a, b) => (String(a.uri) < String(b.uri) ? -1 : 1));
}

/** The statement as JSON text. */
export async function terminologyCapabilities(core: Core, scope: AccessScope): Promise<string> {
  await core.canonicals.refresh();
  const { codeSystem = [], ...rest } = (await core.terminology.describe?.()) ?? { codeSearch: 'explicit' };
  const systems = merged(codeSystem as JsonObject[], bySystem(await storedSystems(core, scope)));
  return JSON.stringify({
    resourceType: 'TerminologyCapabilities',
    status: 'active',
    ...instance(core),
    ...(systems.length > 0 && { codeSystem: systems }),
    ...rest,
  });
}
