// What the tests of this room share: the parts without HTTP, and a check that what is stored is sound.
import assert from 'node:assert/strict';
import {
  type AccessScope,
  createExtractor,
  createLinks,
  createSearchParameters,
  createXmlCodec,
  type Extractor,
  loadCoreResources,
  loadDefinitions,
  type Resource,
} from '#fhir-model';
import { type Clock, createMetrics, type Db, systemClock, uuidv7 } from '#platform';
import { testLog } from '#platform/testing';
import { compiled, type ScopeSql } from './access/scope.ts';
import { createCanonicals } from './canonicals/canonicals.ts';
import type { Core } from './interactions/core.ts';
import { noTerminology } from './interactions/no-terminology.ts';
import { createTogether } from './interactions/together.ts';
import { createToldPackages } from './packages/told.ts';
import { createParameterRegistry } from './parameters/registry.ts';
import { createFirstPages } from './search/first-pages.ts';
import { type IndexRows, indexRows } from './store/index-rows.ts';
import { ownTables } from './store/index-sql.ts';
import { resourceKey } from './store/layout.ts';
import { createStore, type Store } from './store/store.ts';
import { createChecks } from './validation/checks.ts';
import { createValidator } from './validation/validator.ts';

export const everything: AccessScope = { kind: 'everything' };
export const nothing: AccessScope = { kind: 'nothing' };

/** A scope that hides all resources whose ids begin with `hidden`, current and former, and allows writes. */
export function createNarrowScope(): AccessScope {
  const narrow: ScopeSql = {
    name: '_narrow',
    condition: (alias, first) => `not starts_with(${alias}.id, $${first}::text)`,
    values: ['hidden'],
    writes: true,
  };
  Object.assign(compiled, { narrow: () => narrow });
  return { kind: 'narrow' } as unknown as AccessScope;
}

const definitions = await loadDefinitions();
const base = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
const links = createLinks(definitions);
const xml = createXmlCodec(definitions);
const baseUrl = 'http://test.example/fhir/R4';

const extractBase = createExtractor(base, { baseUrl });

/** All that interactions need, on a migrated database. */
export async function testCore(db: Db, clock: Clock = systemClock): Promise<Core> {
  const newId = () => uuidv7(clock.now());
  const registry = await createParameterRegistry(db, testLog(), { definitions, base, baseUrl });
  const { parameters } = registry;
  const validator = createValidator(definitions, registry.beside);
  const canonicals = createCanonicals({ db, parameters, coreResources: loadCoreResources, scope: everything });
  const store = await createStore({ db, registry, validator, clock, newId, canonicals });
  const limits = {
    ...{ bodyBytesMax: 50_000_000, bundleEntriesMax: 10_000 },
    ...{ searchCountDefault: 20, searchCountMax: 1000, searchTimeoutMs: 60_000, conditionalDeleteMax: 100 },
  };
  const policy = { versionRequired: new Set<string>(), keepsLabels: false, cors: false };
  const around = { definitions, profiles: canonicals, log: testLog(), metrics: createMetrics() };
  const { validation, onWrite } = createChecks(around);
  const core: Core = {
    store,
    definitions,
    parameters,
    links,
    terminology: noTerminology,
    firstPages: createFirstPages(db),
    xml,
    limits,
    operations: [],
    together: async () => undefined,
    baseUrl,
    softwareVersion: '0',
    ...policy,
    packages: createToldPackages(db, canonicals),
    ...{ canonicals, validation, onWrite },
  };
  core.together = createTogether(core);
  return core;
}

/** Removes all that is stored, for tests that each begin with nothing: a tenth of the time that a new database takes. */
export async function emptyStore(db: Db): Promise<void> {
  const tables = ['resource', 'resource_history', 'change', 'term', ...ownTables.map(({ table }) => table)];
  for (const table of tables) await db.query({ text: `delete from ${table}` });
}

interface VersionRow {
  type: string;
  id: string;
  version: number;
  seq: bigint;
  updated: number;
  op: 'c' | 'u' | 'd' | null;
  body: string | null;
}

interface CurrentRow extends VersionRow {
  rid: bigint;
  key: bigint;
  tokens: bigint[];
  facts: bigint[];
}

const nameOf = (row: { type: string; id: string }): string => `${row.type}/${row.id}`;

const former = {
  text: `select t.name as type, h.id, h.version, h.seq, h.updated, h.op, h.body
    from resource_history h join resource_type t on t.code = h.type order by 1, 2, 3`,
};
const current = {
  text: `select t.name as type, r.id, r.version, r.seq, r.updated, null as op, r.body, r.rid, r.key, r.tokens, r.facts
    from resource r join resource_type t on t.code = r.type`,
};
const changes = {
  text: `select t.name as type, c.id, c.version, c.seq, c.updated, c.op, '' as body
    from change c join resource_type t on t.code = c.type order by c.xid, c.seq`,
};

/** Version 1, 2, 3 …; a tombstone only at the end or before a creation; time and number rise; each body says what it is. */
function assertLine(name: string, line: VersionRow[], isCurrent: boolean): void {
  assert.deepEqual(
    line.map((row) => row.version),
    line.map((_, i) => i + 1),
    `${name}: versions are contiguous`,
  );
  assert.equal(line.at(-1)!.op !== 'd', isCurrent, `${name} has one current version or a tombstone`);
  line.forEach((row, i) => {
    const place = `${name} version ${row.version}`;
    const before = line[i - 1];
    if (before) assert.ok(before.seq < row.seq && before.updated <= row.updated, `${place} comes after the one before`);
    assert.ok(!(before?.op === 'd' && row.op === 'd'), `${place}: nothing is deleted twice`);
    assert.equal(row.body === null, row.op === 'd', `${place} has a body unless it is a tombstone`);
    if (row.body === null) return;
    const { resourceType, id, meta } = JSON.parse(row.body) as Resource;
    const said = [resourceType, id, meta?.versionId, meta?.lastUpdated];
    assert.deepEqual(said, [row.type, row.id, String(row.version), new Date(row.updated).toISOString()], place);
  });
}

/** One change row a version, with its number, in an order that has each resource's versions in theirs. */
function assertChanges(rows: VersionRow[], lines: Map<string, VersionRow[]>): void {
  const seen = new Map<string, number>();
  for (const row of rows) {
    const line = lines.get(nameOf(row)) ?? [];
    const version = (seen.get(nameOf(row)) ?? 0) + 1;
    seen.set(nameOf(row), version);
    const stored = line[version - 1];
    const first = version === 1 || line[version - 2]?.op === 'd';
    const op = stored?.op === 'd' ? 'd' : first ? 'c' : 'u';
    const wanted = [version, stored?.seq, stored?.updated, op];
    assert.deepEqual([row.version, row.seq, row.updated, row.op], wanted, `change of ${nameOf(row)}`);
  }
  for (const [name, line] of lines) assert.equal(seen.get(name), line.length, `${name}: a change row a version`);
}

const text = (values: unknown[]): string => values.map(String).join(' ');

async function assertIndex(db: Db, rows: CurrentRow[], extract: Extractor): Promise<void> {
  const fresh = rows.map((row) => ({ row, index: indexRows(extract(JSON.parse(row.body!) as Resource)) }));
  for (const { row, index } of fresh) {
    assert.equal(String(row.key), resourceKey(row.type, row.id), `key of ${nameOf(row)}`);
    assert.deepEqual(row.tokens.map(String).sort(), [...index.tokens].sort(), `tokens of ${nameOf(row)}`);
    assert.deepEqual(row.facts.map(String).sort(), [...index.facts].sort(), `facts of ${nameOf(row)}`);
  }
  await assertTerms(
    db,
    fresh.map(({ index }) => index),
  );
  for (const { table, columns, casts, values } of ownTables) {
    const shown = columns
      .split(', ')
      .map((column, i) => (casts[i] === 'numeric[]' ? `trim_scale(${column}) as ${column}` : column));
    const found = await db.query<Record<string, unknown>>({ text: `select rid, ${shown.join(', ')} from ${table}` });
    const wanted = fresh.flatMap(({ row, index }) => {
      const arrays = values(index);
      return arrays[0]!.map((_, i) => text([row.rid, ...arrays.map((array, a) => canonical(array[i], casts[a]!))]));
    });
    assert.deepEqual(found.map((row) => text(Object.values(row))).sort(), wanted.sort(), table);
  }
}

/** Each resource's terms are there, whoever brought them. */
async function assertTerms(db: Db, fresh: IndexRows[]): Promise<void> {
  const rows = await db.query<Record<string, unknown>>({ text: 'select kind, param, value, system, token from term' });
  const stored = new Set(rows.map((row) => text(Object.values(row))));
  for (const { termKinds, termParams, termValues, termSystems, termTokens } of fresh) {
    termKinds.forEach((kind, i) => {
      const term = text([kind, termParams[i], termValues[i], termSystems[i], termTokens[i]]);
      assert.ok(stored.has(term), `term ${term}`);
    });
  }
}

/** As trim_scale prints a number. */
function canonical(value: unknown, cast: string): unknown {
  if (cast !== 'numeric[]' || value === null) return value;
  const digits = String(value);
  return /^-?\d+\.\d+$/.test(digits) ? digits.replace(/\.?0+$/, '') : digits;
}

/**
 * Asserts of everything stored: versions are contiguous, each id has one current version or a tombstone, bodies and
 * columns agree, change rows are complete and in order, and the index rows are those of a fresh indexing.
 */
export async function assertStoreSound({ db, extract }: Pick<Store, 'db'> & Partial<Store>): Promise<void> {
  const [formerRows, currentRows, changeRows] = await Promise.all([
    db.query<VersionRow>(former),
    db.query<CurrentRow>(current),
    db.query<VersionRow>(changes),
  ]);
  const lines = Map.groupBy(formerRows, nameOf) as Map<string, VersionRow[]>;
  const live = new Set<string>();
  for (const row of currentRows) {
    assert.ok(!live.has(nameOf(row)), `${nameOf(row)} is current once`);
    live.add(nameOf(row));
    lines.set(nameOf(row), [...(lines.get(nameOf(row)) ?? []), row]);
  }
  for (const [name, line] of lines) assertLine(name, line, live.has(name));
  assertChanges(changeRows, lines);
  await assertIndex(db, currentRows, extract ?? extractBase);
}
