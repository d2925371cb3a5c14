// The change stream: nothing skipped, nothing early, each resource's versions in order.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import type { Change, ChangeCursor, Resource, TransactionEntry } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { transaction } from '../interactions/transaction.ts';
import { createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { createChangeStream } from './changes.ts';
import { storeCreate, storeDelete, storeUpdate } from './store.ts';

let db: Db;
let core: Core;

/** Where the test begins. */
let start: ChangeCursor;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const feed = () => core.store.stream.feed;
const read = async (cursor: ChangeCursor, limit = 1000): Promise<Change[]> =>
  (await feed().read(db, cursor, limit)).changes;
const show = (changes: Change[]): string[] =>
  changes.map(({ op, type, id, version }) => `${op} ${type}/${id} ${version}`);
const update = (type: string, id: string, more: object = {}) =>
  storeUpdate(core.store, { resourceType: type, id, ...more }, id, undefined, everything);
const put = (type: string, id: string): TransactionEntry => ({
  method: 'PUT',
  url: `${type}/${id}`,
  resource: { resourceType: type, id },
});

let ends = 0;

/** All changes after `cursor`, in pages of `limit`, up to one that this makes: other databases may hold the feed back. */
async function readAll(cursor: ChangeCursor, limit = 1000): Promise<Change[]> {
  const mark = `end${ends++}`;
  await update('Location', mark);
  const all: Change[] = [];
  const isEnd = (change: Change): boolean => change.id === mark;
  await waitFor(async () => {
    all.push(...(await read(all.at(-1) ?? cursor, limit)));
    return all.some(isEnd);
  }, 'the changes up to now');
  return all;
}

beforeEach(async () => {
  start = (await readAll({ xid: 0n, seq: 0n })).at(-1)!;
});

/** Without the ends of other readAll. */
const since = async (cursor: ChangeCursor, limit?: number): Promise<Change[]> =>
  (await readAll(cursor, limit)).filter((change) => !change.id.startsWith('end'));

interface Gate {
  open(): void;
  opened: Promise<void>;
}

function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, opened: promise };
}

const waiting = {
  text: `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
};
test('long texts come in several readings, each with one at least, and none is left out', async () => {
  const data = (megabytes: number) => ({ contentType: 'text/plain', data: 'A'.repeat(megabytes * 1024 * 1024) });
  const written: string[] = [];
  for (const [id, megabytes] of Object.entries({ b1: 6, b2: 6, b3: 6, b4: 20, b5: 1 })) {
    await update('Binary', id, data(megabytes));
    await update('Basic', `of-${id}`);
    written.push(`Binary/${id}`, `Basic/of-${id}`);
  }
  const end = (await readAll(start)).at(-1)!;
  // Another server, which has kept nothing of what this one wrote.
  const elsewhere = createChangeStream(core.store.layout, false).feed;
  const readings: [number, boolean][] = [];
  const all: Change[] = [];
  for (let more = true; more; ) {
    const found = await elsewhere.read(db, all.at(-1) ?? start, 1000);
    ({ more } = found);
    readings.push([found.changes.length, more]);
    all.push(...found.changes);
  }
  assert.deepEqual(readings, [
    [4, true],
    [2, true],
    [2, true],
    [3, false],
  ]);
  const told = all.filter(({ type }) => type !== 'Location');
  assert.deepEqual(
    told.map(({ type, id }) => `${type}/${id}`),
    written,
  );
  for (const { type, body } of told) assert.equal(body.length > 1024 * 1024, type === 'Binary');
  assert.equal(all.at(-1)!.seq, end.seq);
});

test('tells each change once, with its body', async () => {
  const { id } = await storeCreate(core.store, { resourceType: 'Basic', code: { text: 'x' } }, everything);
  await update('Patient', 'a', { active: true });
  await update('Patient', 'a', { active: false });
  await storeDelete(core.store, 'Patient', 'a', undefined, everything);
  await update('Patient', 'a');
  const changes = await since(start);
  assert.deepEqual(show(changes), [
    `create Basic/${id} 1`,
    'create Patient/a 1',
    'update Patient/a 2',
    'delete Patient/a 3',
    'create Patient/a 4',
  ]);
  const bodies = changes.map(({ body }) => (body === '' ? undefined : (JSON.parse(body) as Resource)));
  assert.deepEqual(
    bodies.map((body) => body?.active),
    [undefined, true, false, undefined, undefined],
  );
  assert.deepEqual(
    bodies.map((body) => body?.meta?.versionId),
    ['1', '1', '2', undefined, '4'],
  );
  for (const limit of [1, 2, 3]) assert.deepEqual(await since(start, limit), changes);
  assert.deepEqual(await since(changes.at(-1)!), []);
});

test('a failed write and one that changes nothing tell nothing', async () => {
  await update('Patient', 'b');
  await assert.rejects(storeUpdate(core.store, { resourceType: 'Patient', id: 'b' }, 'b', 7, everything), {
    code: 'precondition-failed',
  });
  await storeDelete(core.store, 'Patient', 'never', undefined, everything);
  await createWriter(core).createIfAbsent([{ resourceType: 'Patient', id: 'b' }], { scope: everything });
  await assert.rejects(
    transaction(core, [put('Patient', 'c'), { method: 'GET', url: 'Patient/none' }], { scope: everything }),
  );
  assert.deepEqual(show(await since(start)), ['create Patient/b 1']);
});

test('an open transaction holds back what was committed after it began; then all comes, in order', async (t) => {
  const { opened, open } = gate();
  t.after(open);
  const inside = gate();
  const late = transaction(core, [put('Patient', 'late')], {
    scope: everything,
    within: async (tx) => {
      // Behind the write on its connection: once this is answered, that is under way and not only sent.
      await tx.query({ text: 'select' });
      inside.open();
      await opened;
    },
  });
  await inside.opened;
  const end = await feed().end(db);
  for (let i = 0; i < 5; i++) await update('Patient', `early${i}`);
  assert.deepEqual(await read(start), [], 'nothing early');
  assert.deepEqual(await read(end), []);
  open();
  await late;
  const expected = ['create Patient/late 1', ...Array.from({ length: 5 }, (_, i) => `create Patient/early${i} 1`)];
  assert.deepEqual(show(await since(start)), expected);
  assert.deepEqual(show(await since(end)), expected, 'a consumer that started meanwhile misses nothing');
  assert.deepEqual(show(await since(start, 2)), expected);
});

test('a transaction that is older than the version it follows still comes after it', async (t) => {
  await transaction(core, [put('Location', 'l1'), put('Location', 'l2'), put('Patient', 'x'), put('Patient', 'y')], {
    scope: everything,
  });
  const cursor = (await readAll(start)).at(-1)!;
  const { opened, open } = gate();
  t.after(open);
  const held = gate();
  const holder = db.tx(async (tx) => {
    await tx.query({ text: `select 1 from r_location where id = 'l2' for update` });
    held.open();
    await opened;
  });
  await held.opened;
  // It locks l1, which gives it its xid, and waits for l2; then a younger one changes what it wants next.
  const entries = [put('Location', 'l1'), put('Location', 'l2'), put('Patient', 'x'), put('Patient', 'y')];
  const older = transaction(core, entries, { scope: everything });
  await waitFor(async () => (await db.query(waiting)).length === 1, 'a transaction that waits for a row');
  await update('Patient', 'x', { active: true });
  await storeDelete(core.store, 'Patient', 'y', undefined, everything);
  open();
  await Promise.all([holder, older]);
  const expected = [
    'update Patient/x 2',
    'delete Patient/y 2',
    'update Location/l1 2',
    'update Location/l2 2',
    'update Patient/x 3',
    'create Patient/y 3',
  ];
  assert.deepEqual(show(await since(cursor)), expected);
  for (const limit of [1, 2, 3]) assert.deepEqual(show(await since(cursor, limit)), expected);
  await assertStoreSound(core.store);
});

test('readers beside writers: nothing is missed, and versions come in order', async () => {
  const ids = Array.from({ length: 6 }, (_, i) => `r${i}`);
  const isLostRace = (error: unknown): void => assert.ok(isCerebraError(error, 'version-conflict'), String(error));
  const write = async (seed: number) => {
    for (let round = 0; round < 25; round++) {
      const turn = (seed + round) % ids.length;
      const some = [...ids.slice(turn), ...ids.slice(0, turn)].slice(0, 3);
      const entries =
        (seed + round) % 4 === 0
          ? some.map((id) => ({ method: 'DELETE' as const, url: `Patient/${id}` }))
          : some.map((id) => put('Patient', id));
      if (round % 3 === 0) await update('Patient', some[0]!).catch(isLostRace);
      else await transaction(core, entries, { scope: everything }).catch(isLostRace);
    }
  };
  const follow = async (limit: number) => {
    const seen: Change[] = [];
    // What comes after it may be of the same page.
    while (!seen.some(({ id }) => id === 'last')) seen.push(...(await read(seen.at(-1) ?? start, limit)));
    return seen.filter(({ id }) => !id.startsWith('end'));
  };
  const readers = [follow(1), follow(7), follow(500)];
  await Promise.all(Array.from({ length: 10 }, (_, i) => write(i)));
  await update('Location', 'last');
  const all = await since(start);
  for (const seen of await Promise.all(readers)) assert.deepEqual(show(seen), show(all));
  await assertStoreSound(core.store);
});

test('onCommit tells of each commit until it is stopped', async () => {
  let told = 0;
  const stop = core.store.stream.feed.onCommit(() => told++);
  await update('Patient', 'told');
  await transaction(core, [put('Patient', 'told2')], { scope: everything });
  await storeDelete(core.store, 'Patient', 'told', undefined, everything);
  await createWriter(core).createIfAbsent([{ resourceType: 'Patient', id: 'told3' }], { scope: everything });
  assert.equal(told, 4);
  stop();
  await update('Patient', 'told2');
  assert.equal(told, 4);
});

test('the texts of versions: current, replaced, deleted, never there', async () => {
  await update('Device', 'texts', { status: 'active' });
  await update('Device', 'texts', { status: 'inactive' });
  await storeDelete(core.store, 'Device', 'texts', undefined, everything);
  await update('Basic', 'texts');
  const wanted = [
    ...[1, 2, 3, 4].map((version) => ({ type: 'Device', id: 'texts', version })),
    { type: 'Basic', id: 'texts', version: 1 },
  ];
  const texts = await feed().bodies(db, wanted);
  const read = texts.map((text) => (text === '' ? '' : [JSON.parse(text).resourceType, JSON.parse(text).status]));
  assert.deepEqual(read, [['Device', 'active'], ['Device', 'inactive'], '', '', ['Basic', undefined]]);
});

test('the place of an instant lies before all that was dated then, though changes are dated before they have their place', async (t) => {
  const own = await testDatabase(t);
  const since = async (second: number): Promise<bigint> => {
    const { xid, seq } = await feed().since(own, second * 1000);
    assert.equal(seq, 0n);
    return xid;
  };
  assert.equal(await since(2000), 0n);
  // Transaction → its second. The third began long before it wrote.
  const seconds = { 10: 0, 20: 2000, 30: 1500, 40: 2100, 50: 3000 };
  await own.query(
    {
      text: `insert into change (xid, seq, updated, version, type, op, id)
        select x::text::xid8, x, to_timestamp(s), 1, 1, 'c', 'a' || x from unnest($1::bigint[], $2::float8[]) as c(x, s)`,
    },
    [Object.keys(seconds), Object.values(seconds)],
  );
  for (const [second, first] of [
    [-1000, 10],
    [0, 10],
    [2000, 20],
    [2100, 20],
    [2699, 40],
    [3000, 40],
    [3601, 50],
    [9000, 50],
  ] as const) {
    const xid = await since(second);
    const due = Object.entries(seconds).filter(([, dated]) => dated >= second);
    for (const [at] of due) assert.ok(xid <= BigInt(at), `${second} s leads to ${xid}, beyond ${at}`);
    assert.ok(xid <= BigInt(first), `${second} s leads to ${xid}`);
    assert.ok(second < 600 || xid > 0n);
  }
  assert.ok((await since(3601)) > 40n, 'what is long past is not read again');
});
