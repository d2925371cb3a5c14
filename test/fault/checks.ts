// Whether the store is whole: read past the server, in SQL, and then through it.
import assert from 'node:assert/strict';
import type { Db } from '#platform';
import { createClient, entries } from '../client.ts';
import type { Ledger } from './ledger.ts';
import { embeddedDb } from './server-process.ts';
import {
  bundleEntries,
  bundleSystem,
  change,
  codeSystem,
  controlId,
  createSystem,
  deviceIds,
  patientId,
  readingTime,
  resultsPerMessage,
} from './workload.ts';

interface Stored {
  id: string;
  version: number;
  resource: {
    identifier?: { system?: string; value: string }[];
    device?: { reference: string };
    effectiveDateTime?: string;
    result?: { reference: string }[];
    derivedFrom?: unknown[];
  };
}

async function stored(db: Db, table: string): Promise<Stored[]> {
  const rows = await db.query<{ id: string; version: number; body: string }>({
    text: `select id, version, body from ${table}`,
  });
  return rows.map(({ id, version, body }) => ({ id, version, resource: JSON.parse(body) }));
}

const valueIn = ({ resource }: Stored, system: string) =>
  resource.identifier?.find((identifier) => identifier.system === system)?.value;

/** Those that have the key, by it. */
function grouped(all: Stored[], keyOf: (one: Stored) => string | undefined): Map<string, Stored[]> {
  const groups = Map.groupBy(all, keyOf);
  groups.delete(undefined);
  return groups as Map<string, Stored[]>;
}

function checkCreates(observations: Stored[], ledger: Ledger): void {
  const created = grouped(observations, (one) => valueIn(one, createSystem));
  for (const [number, rows] of created) assert.equal(rows.length, 1, `create ${number} is stored once`);
  for (const [number, id] of ledger.acknowledged('create')) {
    assert.equal(created.get(String(number))?.[0]?.id, id, `create ${number} was acknowledged`);
  }
}

function checkBundles(observations: Stored[], ledger: Ledger): void {
  const bundles = grouped(observations, (one) => valueIn(one, bundleSystem));
  for (const [number, rows] of bundles) assert.equal(rows.length, bundleEntries, `bundle ${number} is stored whole`);
  for (const number of ledger.acknowledged('bundle').keys()) {
    assert.ok(bundles.has(String(number)), `bundle ${number} was acknowledged`);
  }
}

/** Each acknowledged version says what was acknowledged, and each resource has all versions up to its last. */
async function checkChanges(db: Db, ledger: Ledger): Promise<void> {
  const rows = await db.query<{ id: string; version: number; body: string | null }>({
    text: `select id, version, body from r_location where id like 'fault-location-%'
      union all select id, version, body from h_location where id like 'fault-location-%' order by id, version`,
  });
  for (const [id, all] of Map.groupBy(rows, (row) => row.id)) {
    assert.deepEqual(
      all.map(({ version }) => version),
      all.map((_one, at) => at + 1),
      `versions of ${id}`,
    );
  }
  const versions = new Map(rows.map((row) => [`${row.id}/${row.version}`, row.body]));
  for (const [number, version] of ledger.acknowledged('change')) {
    if (version === '') continue;
    const { id, body } = change(number);
    const stored = versions.get(`${id}/${version}`);
    const value = stored ? (JSON.parse(stored) as Stored['resource']).identifier![0]!.value : stored;
    assert.equal(
      value,
      body ? String(number) : null,
      `change ${number} was acknowledged as version ${version} of ${id}`,
    );
  }
}

/** By now every message was sent until it was acknowledged. */
async function checkMessages(db: Db, observations: Stored[], ledger: Ledger): Promise<void> {
  const journal = await db.query<{ control_id: string; state: string; rows: number }>({
    text: `select control_id, min(state) as state, count(*)::int as rows from hl7_message group by control_id`,
  });
  const sent = ledger.sent('message');
  assert.deepEqual(
    new Map(journal.map((row) => [row.control_id, row.rows])),
    new Map(journal.map((row) => [row.control_id, 1])),
    'each message is journalled once',
  );
  assert.deepEqual(new Set(journal.map((row) => row.control_id)), new Set(sent.map(controlId)));
  assert.deepEqual(
    journal.filter(({ state }) => !['stored', 'acknowledged'].includes(state)),
    [],
  );
  const reports = await stored(db, 'r_diagnosticreport');
  const byFiller = grouped(
    reports,
    ({ resource }) => resource.identifier?.find(({ value }) => value.startsWith('FAULT-FILLER-'))?.value,
  );
  for (const number of sent) {
    const found = byFiller.get(`FAULT-FILLER-${number}`) ?? [];
    assert.deepEqual(
      found.map(({ version }) => version),
      [1],
      `message ${number} has one effect`,
    );
  }
  const results = new Set(reports.flatMap(({ resource }) => resource.result!.map(({ reference }) => reference)));
  assert.equal(results.size, sent.length * resultsPerMessage);
  const known = new Set(observations.map(({ id }) => `Observation/${id}`));
  assert.deepEqual(
    [...results].filter((reference) => !known.has(reference)),
    [],
  );
  // What is derived from readings are scores.
  const others = observations.filter(
    (one) =>
      !one.resource.device && !one.resource.derivedFrom && !valueIn(one, createSystem) && !valueIn(one, bundleSystem),
  );
  assert.equal(others.length, results.size, 'no result is stored twice');
}

/** By now every reading was published until it was acknowledged. */
async function checkReadings(db: Db, observations: Stored[], ledger: Ledger): Promise<void> {
  const readings = grouped(observations, ({ resource }) => (resource.device ? resource.effectiveDateTime : undefined));
  for (const [time, rows] of readings)
    assert.deepEqual(
      rows.map(({ version }) => version),
      [1],
      `reading ${time}`,
    );
  assert.deepEqual(new Set(readings.keys()), new Set(ledger.sent('reading').map(readingTime)));
  const letters = await db.query<{ reason: string }>({ text: 'select reason from device_dead_letter' });
  assert.deepEqual(letters, []);
}

/** Nothing is half written: every version has its change row, every index row its resource. */
export async function checkStore(db: Db): Promise<void> {
  const [unmatched] = await db.query({
    text: `with version as (
        select type, id, version, seq from resource union all select type, id, version, seq from resource_history)
      select count(*)::int as rows from version v full join change c
        on (c.type, c.id, c.version, c.seq) = (v.type, v.id, v.version, v.seq)
      where c.seq is null or v.seq is null`,
  });
  assert.deepEqual(unmatched, { rows: 0 }, 'versions without a change row, and change rows without a version');
  for (const table of ['index_date', 'index_number', 'index_quantity', 'index_string', 'index_reference']) {
    const [orphans] = await db.query({
      text: `select count(*)::int as rows from ${table} i where not exists (select from resource r where r.rid = i.rid)`,
    });
    assert.deepEqual(orphans, { rows: 0 }, `rows of ${table} without a resource`);
  }
}

/** Of the embedded database: what was acknowledged is there, and the store is whole. */
export async function checkKept(dataDir: string, ledger: Ledger): Promise<void> {
  const db = await embeddedDb(dataDir);
  try {
    await checkAcknowledged(db, ledger);
    await checkStore(db);
  } finally {
    await db.close();
  }
}

async function checkAcknowledged(db: Db, ledger: Ledger): Promise<void> {
  const observations = await stored(db, 'r_observation');
  checkCreates(observations, ledger);
  checkBundles(observations, ledger);
  await checkChanges(db, ledger);
  await checkMessages(db, observations, ledger);
  await checkReadings(db, observations, ledger);
}

/** The same through the front door: by id, by token, by reference and date. */
export async function checkSearches(base: string, ledger: Ledger): Promise<void> {
  const get = createClient(base);
  const total = async (query: string) => (await get('GET', `${query}&_total=accurate&_count=1`)).json.total as unknown;
  const ids = [...ledger.acknowledged('create').values()];
  for (let from = 0; from < ids.length; from += 100) {
    const some = ids.slice(from, from + 100);
    const found = entries(await get('GET', `Observation?_id=${some.join(',')}&_count=100`));
    assert.deepEqual(new Set(found.map(({ resource }) => resource?.id)), new Set(some));
  }
  for (const code of ['create', 'bundle']) {
    const token = encodeURIComponent(`${codeSystem}|${code}`);
    const byCode = await total(`Observation?code=${token}`);
    assert.equal(await total(`Observation?code=${token}&subject=Patient/${patientId}&date=2026-01-05`), byCode);
    assert.ok((byCode as number) >= ledger.acknowledged(code as 'create').size);
  }
  assert.equal(await total('DiagnosticReport?status=final'), ledger.sent('message').length);
  const byDevice = await Promise.all(deviceIds.map((id) => total(`Observation?device=Device/${id}`)));
  assert.equal(
    byDevice.reduce<number>((sum, count) => sum + (count as number), 0),
    ledger.sent('reading').length,
  );
}
