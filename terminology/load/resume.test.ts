// Loads that are broken off: the same command goes on with the system that was not complete, and within it where it was.
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { CerebraError, type Db } from '#platform';
import { testDatabase, tgzOf, zipOf } from '#platform/testing';
import { STORED_CONCEPTS_MAX } from './code-system.ts';
import { rf2Files } from './testing/rf2-release.ts';
import { dump, fingerprints, load, systemsThere, testFolder, writeFiles } from './testing/rig.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const COUNT = STORED_CONCEPTS_MAX + 1;
const concept = Array.from({ length: COUNT }, (_, n) => ({ code: `c${n}` }));
const large = (url: string, more: object = {}): string =>
  JSON.stringify({ resourceType: 'CodeSystem', url, version: '1', concept, ...more });

for (const kind of ['folder', 'package']) {
  test(`of a ${kind}, what is complete is passed over and the rest loaded`, async (t) => {
    const folder = await testFolder(t);
    const urls = ['a', 'b', 'c'].map((name) => `http://example.org/${kind}/${name}`);
    const files = Object.fromEntries(urls.map((url, i) => [`${i}.json`, large(url)]));
    const archive = tgzOf(Object.entries(files).map(([name, content]) => ({ name: `package/${name}`, content })));
    await writeFiles(folder, kind === 'folder' ? files : { 'p.tgz': archive });
    const name = kind === 'folder' ? folder : path.join(folder, 'p.tgz');
    const there = (await systemsThere(db)).active;
    const active = (some: string[]) => [...there, ...some.map((url) => `${url}|1`)].sort();

    const stop = new AbortController();
    const broken = await load(db, name, { signal: stop.signal, onLoaded: () => stop.abort() });
    assert.deepEqual([broken.interrupted, broken.systems.map(({ url }) => url)], [true, urls.slice(0, 1)]);
    assert.deepEqual((await systemsThere(db)).active, active(urls.slice(0, 1)));

    const again = await load(db, name);
    assert.deepEqual(
      again.knownSystems.map(({ url, concepts }) => [url, concepts]),
      [[urls[0], COUNT]],
    );
    assert.deepEqual(
      again.systems.map(({ url, concepts }) => [url, concepts]),
      urls.slice(1).map((url) => [url, COUNT]),
    );
    assert.deepEqual([again.known, again.interrupted, again.told], [1, false, []]);
    assert.deepEqual(await systemsThere(db), { active: active(urls), others: 0 });
  });
}

/** A load that is broken off, as by Ctrl-C, at the nth time that it tells how far it is. */
async function brokenOff(name: string, n: number, options: Parameters<typeof load>[2] = {}) {
  const stop = new AbortController();
  let told = 0;
  let concepts = 0;
  const onProgress = (progress: { concepts: number }): void => {
    concepts = progress.concepts;
    if (++told === n) stop.abort();
  };
  const loaded = await load(db, name, { ...options, signal: stop.signal, onProgress });
  return { interrupted: loaded.interrupted, concepts };
}

test('broken off anywhere in a release of many files, it goes on with not a concept lost', async (t) => {
  const folder = await testFolder(t);
  const content = Object.entries(rf2Files()).map(([name, text]) => ({ name, content: text }));
  await writeFiles(folder, { 'snomed.zip': zipOf(content) });
  const file = path.join(folder, 'snomed.zip');
  await load(db, file, { version: 'whole' });
  const expected = await fingerprints(db, 'http://snomed.info/sct', 'whole');
  const wentOnAfter = new Set<number>();
  for (let n = 1; ; n++) {
    const version = `broken-${n}`;
    const { interrupted, concepts } = await brokenOff(file, n, { version });
    if (!interrupted) break;
    const { goneOnAfter, systems, told } = await load(db, file, { version });
    assert.deepEqual([goneOnAfter, systems.length, told], [concepts === 0 ? [] : [concepts], 1, []]);
    assert.deepEqual(await fingerprints(db, 'http://snomed.info/sct', version), expected);
    wentOnAfter.add(concepts);
  }
  assert.deepEqual([...wentOnAfter], [0, Object.keys(await dump(db, 'http://snomed.info/sct', 'whole')).length]);
});

const twice = { code: 'c1' };

/** A load that is broken off when it meets the code that comes twice: at the end, all else being told. */
async function brokenAtEnd(name: string, options: Parameters<typeof load>[2] = {}): Promise<void> {
  const stop = new AbortController();
  const loaded = await load(db, name, { ...options, signal: stop.signal, onFault: () => stop.abort() });
  assert.equal(loaded.interrupted, true);
}

test('what one way of reading has begun, another does not go on with', async (t) => {
  const folder = await testFolder(t);
  await writeFiles(folder, { 'a.json': large('http://example.org/options', { concept: [...concept, twice] }) });
  const file = path.join(folder, 'a.json');
  await brokenAtEnd(file, { version: 'y' });
  assert.deepEqual((await systemsThere(db)).others, 1);
  assert.deepEqual((await load(db, file, { version: 'z' })).goneOnAfter, []);
  assert.deepEqual((await load(db, file, { version: 'y' })).goneOnAfter, [COUNT]);
  // Loaded already: what a broken --again left is of no use.
  await brokenAtEnd(file, { version: 'y', again: true });
  assert.deepEqual((await systemsThere(db)).others, 1);
  assert.equal((await load(db, file, { version: 'y' })).known, 1);
  assert.deepEqual((await systemsThere(db)).others, 0);
});

test('of systems without a version each goes on with its own', async (t) => {
  const folder = await testFolder(t);
  const url = 'http://example.org/no-version';
  const other = concept.map(({ code }) => ({ code: code.replace('c', 'd') }));
  await writeFiles(folder, {
    '0.json': large(url, { version: undefined }),
    '1.json': large(url, { version: undefined, concept: [...other, { code: 'd1' }] }),
  });
  await brokenAtEnd(folder);
  const { systems, goneOnAfter } = await load(db, folder);
  assert.deepEqual([systems.map(({ concepts }) => concepts), goneOnAfter], [[COUNT, COUNT], [COUNT]]);
  assert.equal(Object.keys(await dump(db, url))[0], 'd0');
});

test('after a lost connection it goes on; after a fault of the release it begins anew', async (t) => {
  const folder = await testFolder(t);
  const faulty = [...concept, twice];
  await writeFiles(folder, { 'a.json': large('http://example.org/lost', { concept: faulty }) });
  const file = path.join(folder, 'a.json');
  const losing: Db = {
    ...db,
    tx: (work) =>
      db.tx((tx) =>
        work({
          ...tx,
          copy: (text, data) =>
            text.includes('concept_closure')
              ? Promise.reject(new CerebraError('unavailable', 'the database is away'))
              : tx.copy(text, data),
        }),
      ),
  };
  await assert.rejects(load(losing, file), /the database is away/);
  const before = (await systemsThere(db)).others;
  // --strict finds its fault in what it passes over too.
  await assert.rejects(load(db, file, { strict: true }), /--strict wants none/);
  assert.equal((await systemsThere(db)).others, before - 1);
  await assert.rejects(load(losing, file), /the database is away/);
  const { goneOnAfter, told, systems } = await load(db, file);
  assert.deepEqual([goneOnAfter, systems[0]?.concepts, told.length], [[COUNT], COUNT, 1]);
});
