// A load of several systems that is broken off: the same command goes on with the system that was not complete.
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import type { Db } from '#platform';
import { testDatabase, tgzOf } from '#platform/testing';
import { STORED_CONCEPTS_MAX } from './code-system.ts';
import { load, systemsThere, testFolder, writeFiles } from './testing/rig.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const COUNT = STORED_CONCEPTS_MAX + 1;
const concept = Array.from({ length: COUNT }, (_, n) => ({ code: `c${n}` }));
const large = (url: string): string => JSON.stringify({ resourceType: 'CodeSystem', url, version: '1', concept });

for (const kind of ['folder', 'package']) {
  test(`of a ${kind}, what is complete is passed over and the rest loaded`, async (t) => {
    const folder = await testFolder(t);
    const urls = ['a', 'b', 'c'].map((name) => `http://example.org/${kind}/${name}`);
    const files = Object.fromEntries(urls.map((url, i) => [`${i}.json`, large(url)]));
    const archive = tgzOf(Object.entries(files).map(([name, content]) => ({ name: `package/${name}`, content })));
    await writeFiles(folder, kind === 'folder' ? files : { 'p.tgz': archive });
    const name = kind === 'folder' ? folder : path.join(folder, 'p.tgz');
    const there = (await systemsThere(db)).active;
    const active = (some: string[]) => ({ active: [...there, ...some.map((url) => `${url}|1`)].sort(), others: 0 });

    const stop = new AbortController();
    const broken = await load(db, name, { signal: stop.signal, onLoaded: () => stop.abort() });
    assert.deepEqual([broken.interrupted, broken.systems.map(({ url }) => url)], [true, urls.slice(0, 1)]);
    assert.deepEqual(await systemsThere(db), active(urls.slice(0, 1)));

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
    assert.deepEqual(await systemsThere(db), active(urls));
  });
}
