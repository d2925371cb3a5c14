// A load that is killed: nothing of it is ever seen, and the next one goes on where it was.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Connection, connectDb, type Db } from '#platform';
import { testConnection, testLog, waitFor } from '#platform/testing';
import { clearUp } from '../system-tables.ts';
import { STORED_CONCEPTS_MAX } from './code-system.ts';
import { fingerprints, load, systemsThere, writeFiles } from './testing/rig.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');
const URL = 'http://example.org/k';

/** Some 12 MB of rows: two lots and a rest. */
const COUNT = STORED_CONCEPTS_MAX + 2_000;
const concept = Array.from({ length: COUNT }, (_, n) => ({
  ...{ code: `c${n}`, display: `Bloop number ${n}`, definition: 'A thing that bloops. '.repeat(45) },
  ...(n % 7 === 0 && { designation: [{ language: 'de', value: `Blupp Nummer ${n}` }] }),
  ...(n > 0 && { property: [{ code: 'parent', valueCode: `c${Math.floor(n / 10)}` }] }),
}));
const textOf = (version: string): string =>
  JSON.stringify({ resourceType: 'CodeSystem', url: URL, version, caseSensitive: true, concept });

let connection: Connection;
let db: Db;
let folder: string;
/** What an unbroken load writes. */
let whole: Record<string, unknown>;

before(async () => {
  connection = await testConnection();
  db = connectDb({ ...connection, poolMax: 20, log: testLog() });
  folder = await mkdtemp(path.join(os.tmpdir(), 'terminology-'));
  await writeFiles(folder, { 'whole.json': textOf('whole') });
  await load(db, path.join(folder, 'whole.json'));
  whole = await fingerprints(db, URL, 'whole');
});

after(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

/** A file of that version, whose load was killed there. */
async function killed(version: string, moment: string): Promise<string> {
  const file = path.join(folder, `${version}.json`);
  await writeFiles(folder, { [`${version}.json`]: textOf(version) });
  const started = spawn(process.execPath, [child, JSON.stringify(connection), file, moment], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(started, 'exit');
  await once(started.stdout, 'data');
  started.kill('SIGKILL');
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  return file;
}

/** Of this database: other test files have theirs in the same cluster. */
const holds = `select from pg_locks where locktype = 'advisory'
  and database = (select oid from pg_database where datname = current_database())`;

/** As soon as PostgreSQL has noticed that nobody is there any more, it can be taken up, or cleared up. */
const letGo = (): Promise<unknown> =>
  waitFor(async () => (await db.query({ text: holds })).length === 0, 'the hold of the process that was killed to go');

const moments = {
  reading: ['read:11000', 1],
  'with all read': ['copy concept_lineage', COUNT],
  'in the closure': ['create unique index on concept_closure', COUNT],
  indexing: ['create index on concept_property', COUNT],
  attaching: ['alter table concept_property attach', COUNT],
} as const;

for (const [version, [moment, least]] of Object.entries(moments)) {
  test(`killed ${version}: nothing is seen, and the same command goes on`, async () => {
    const name = version.replaceAll(' ', '-');
    const before = await systemsThere(db);
    const file = await killed(name, moment);
    assert.deepEqual(await systemsThere(db), { active: before.active, others: before.others + 1 });
    await letGo();
    assert.equal(await clearUp(db), 0);
    const { systems, goneOnAfter, told } = await load(db, file);
    assert.deepEqual([systems.map(({ concepts }) => concepts), told], [[COUNT], []]);
    assert.equal(goneOnAfter.length, 1);
    assert.ok(goneOnAfter[0]! >= least && goneOnAfter[0]! <= COUNT, `${goneOnAfter[0]} concepts were there`);
    assert.deepEqual(await fingerprints(db, URL, name), whole);
    assert.deepEqual(await systemsThere(db), {
      active: [...before.active, `${URL}|${name}`].sort(),
      others: before.others,
    });
  });
}

test('of two loads that would go on one does, and the other begins anew', async () => {
  const file = await killed('two', 'copy concept_lineage');
  await letGo();
  const loads = await Promise.all([load(db, file), load(db, file)]);
  assert.deepEqual(
    loads.flatMap(({ goneOnAfter }) => goneOnAfter),
    [COUNT],
  );
  assert.deepEqual(await fingerprints(db, URL, 'two'), whole);
});

test('a file that has changed since, and --again, begin anew', async () => {
  const file = await killed('changed', 'copy concept_lineage');
  await letGo();
  const changed = textOf('changed').replace('"Bloop number 4"', '"Bleep number 4"');
  await writeFiles(folder, { 'changed.json': changed });
  const loaded = await load(db, file);
  assert.deepEqual([loaded.goneOnAfter, loaded.systems[0]?.concepts], [[], COUNT]);
  const there = await fingerprints(db, URL, 'changed');
  assert.notDeepEqual(there.concept, whole.concept);
  assert.deepEqual({ ...there, concept: 0 }, { ...whole, concept: 0 });

  const again = await killed('again', 'copy concept_lineage');
  await letGo();
  assert.deepEqual((await load(db, again, { again: true })).goneOnAfter, []);
  assert.deepEqual(await fingerprints(db, URL, 'again'), whole);
});

test('what nobody goes on with is removed after some days', async () => {
  const before = await systemsThere(db);
  await killed('left', 'copy concept_lineage');
  await letGo();
  const old = `update code_system set progress = progress || '{"at": 1}' where state = 'loading' returning cs`;
  const [row] = await db.query<{ cs: number }>({ text: old });
  assert.equal(await clearUp(db), 1);
  const tables = await db.query({ text: 'select relname from pg_class where relname ~ $1' }, [
    `^concept_?.*_${row!.cs}$`,
  ]);
  assert.deepEqual([tables, await systemsThere(db)], [[], before]);
});
