// What the two steps of scoring hold to when something goes wrong between them. The store is a map; readings, and what is due,
// are in a database.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { EntryResult, JsonObject, Resource, ResourceReader, ResourceWriter, WriteContext } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { createScorer, type Scorer } from './scorer.ts';
import { readScores } from './scores.ts';

const db: Db = await testDatabase();
const set = readScores({ names: ['qsofa'] });
const noon = Date.UTC(2026, 0, 31, 12);
const scope = { kind: 'everything' } as const;
const fence = { id: 'score:vital-signs', lease_token: 7n };

let stored: Map<string, Resource>;
/** Called before each write; what it throws is what the write fails with. */
let onWrite: (resources: readonly Resource[]) => void;

const keyOf = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;

async function write(resources: Resource[], ops: EntryResult['op'][], { within }: WriteContext): Promise<void> {
  onWrite(resources);
  const results = ops.map((op) => ({ ...{ status: 200, type: '', id: '', version: 1, updatedMs: 0, body: '' }, op }));
  await db.tx(async (tx) => within?.(tx, results));
  for (const one of resources) stored.set(keyOf(one), one);
}

const reader: ResourceReader = {
  async read(type, id) {
    const found = stored.get(`${type}/${id}`);
    return found && { type, id, version: 1, updatedMs: 0, body: JSON.stringify(found), deleted: false };
  },
  search: () => Promise.reject(new CerebraError('unsupported', 'no search here')),
};

const writer: ResourceWriter = {
  async createIfAbsent(resources, context) {
    const absent = resources.map((one) => !stored.has(keyOf(one)));
    const fresh = resources.filter((_one, at) => absent[at]);
    await write(
      fresh,
      absent.map((is) => (is ? 'create' : 'none')),
      context,
    );
    return absent;
  },
  async transaction(entries, context) {
    const resources = entries.map(({ url, resource, merge }) =>
      merge ? merge(stored.get(url), resource!) : resource!,
    );
    await write(
      resources,
      resources.map(() => 'update'),
      context,
    );
    return [];
  },
};

/** As a server that has just started. */
const scorer = (): Scorer => createScorer(set, { db, reader, writer, scope, log: testLog() });

function vital(id: string, patient: string, minutes: number, code: string, value: number, unit = '/min'): void {
  stored.set(`Observation/${id}`, {
    ...{ resourceType: 'Observation', id, status: 'final', subject: { reference: `Patient/${patient}` } },
    code: { coding: [{ system: 'http://loinc.org', code }] },
    effectiveDateTime: new Date(noon + minutes * 60_000).toISOString(),
    valueQuantity: { value, system: 'http://unitsofmeasure.org', code: unit },
  });
}

const touched = (...ids: string[]) => ids.map((id) => ({ type: 'Observation', id }));

const scores = () =>
  [...stored.values()]
    .filter(({ resourceType, meta }) => resourceType === 'Observation' && meta?.tag !== undefined)
    .map((one) => [
      String((one.subject as JsonObject).reference),
      (Date.parse(String(one.effectiveDateTime)) - noon) / 60_000,
      (one.extension as JsonObject[] | undefined)?.[0]?.valueInteger ?? (one.valueQuantity as JsonObject)?.value ?? 0,
    ])
    .sort();

const dueCount = async () =>
  (await db.query<{ n: number }>({ text: 'select count(*)::int as n from score_due' }))[0]!.n;

beforeEach(async () => {
  stored = new Map();
  onWrite = () => undefined;
  await db.query({
    text: `truncate score_patient, score_reading, score_due, subscriber;
      insert into subscriber (id, channel, state, version, lease_token) values ('score:vital-signs', 'score', 'active', 0, 7)`,
  });
});

test('what was taken and not computed before the end is computed by whoever comes next', async () => {
  vital('o1', 'p', 0, '9279-1', 25);
  await scorer().take(touched('o1'), fence);
  onWrite = () => {
    throw new CerebraError('unavailable', 'the server is killed here');
  };
  await assert.rejects(scorer().compute(fence), /killed here/);
  assert.deepEqual([scores(), await dueCount()], [[], 1]);
  onWrite = () => undefined;
  // The delivery comes again, too.
  const next = scorer();
  await next.take(touched('o1'), fence);
  assert.equal(await next.compute(fence), false);
  assert.deepEqual([scores(), await dueCount()], [[['Patient/p', 0, 1]], 0]);
});

test('who has lost the lease writes nothing', async () => {
  vital('o1', 'p', 0, '9279-1', 25);
  const lost = { ...fence, lease_token: 6n };
  await assert.rejects(scorer().take(touched('o1'), lost), /Another server/);
  assert.equal((await db.query({ text: 'select 1 from score_reading' })).length, 0);
  await scorer().take(touched('o1'), fence);
  await assert.rejects(scorer().compute(lost), /Another server/);
  assert.deepEqual([scores(), await dueCount()], [[], 1]);
});

test('a score that the store refuses is left out, those of others are not', async () => {
  for (let i = 0; i < 9; i++) vital(`o${i}`, `p${i}`, 0, '9279-1', 25);
  onWrite = (resources) => {
    const bad = resources.some((one) => (one.subject as JsonObject).reference === 'Patient/p4');
    if (bad) throw new CerebraError('structure', 'not this one');
  };
  const one = scorer();
  await one.take(touched(...Array.from({ length: 9 }, (_none, i) => `o${i}`)), fence);
  assert.equal(await one.compute(fence), false);
  const expected = [0, 1, 2, 3, 5, 6, 7, 8].map((i) => [`Patient/p${i}`, 0, 1]);
  assert.deepEqual([scores(), await dueCount()], [expected, 0]);
});

test('a score that can not be computed is left out, those of others are not', async () => {
  // Its tables would be refused when they are read: only a complete score comes to its levels.
  const broken = { ...set, tables: set.tables.map((table) => ({ ...table, levels: [] })) };
  const one = createScorer(broken, { db, reader, writer, scope, log: testLog() });
  vital('a1', 'a', 0, '9279-1', 25);
  vital('a2', 'a', 0, '8480-6', 90, 'mm[Hg]');
  vital('a3', 'a', 0, '9269-2', 14, '{score}');
  vital('b1', 'b', 0, '9279-1', 25);
  await one.take(touched('a1', 'a2', 'a3', 'b1'), fence);
  assert.equal(await one.compute(fence), false);
  assert.deepEqual([scores(), await dueCount()], [[['Patient/b', 0, 1]], 0]);
});

test('a late reading that concerns many instants is computed in steps, each of which stays', async () => {
  const one = scorer();
  const ids = Array.from({ length: 700 }, (_none, i) => `r${i}`);
  for (const [i, id] of ids.entries()) vital(id, 'p', i + 1, '9279-1', 25);
  await one.take(touched(...ids), fence);
  assert.equal(await one.compute(fence), false);
  vital('late', 'p', 0, '8480-6', 90, 'mm[Hg]');
  await one.take(touched('late'), fence);
  const withBoth = () => scores().filter(([, , points]) => points === 2).length;
  assert.equal(await one.compute(fence), true);
  const first = withBoth();
  assert.ok(first > 300 && first < 700, `${first}`);
  // Killed here: another one goes on.
  const other = scorer();
  while (await other.compute(fence));
  assert.deepEqual([withBoth(), await dueCount()], [700, 0]);
});

test('the same again writes nothing', async () => {
  vital('o1', 'p', 0, '9279-1', 25);
  const one = scorer();
  await one.take(touched('o1'), fence);
  await one.compute(fence);
  onWrite = () => assert.fail('nothing is to be written');
  await one.take(touched('o1', 'o1', 'unknown'), fence);
  await one.compute(fence);
  assert.equal(await dueCount(), 0);
});
