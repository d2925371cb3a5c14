// Routes as files.
import assert from 'node:assert/strict';
import fs, { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { by, callerOf, openRoutes, put, route, taken } from './testing.ts';

let db: Db;
before(async () => {
  db = await testDatabase();
});

describe('a folder of routes', () => {
  async function folder(t: TestContext) {
    const where = await mkdtemp(path.join(tmpdir(), 'hl7-routes-'));
    t.after(() => rm(where, { recursive: true, force: true }));
    const registry = openRoutes(db, { folder: where });
    // A file is put in place whole: one that is written to may be read half.
    const write = async (file: string, content: unknown): Promise<void> => {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      await writeFile(path.join(where, '.new'), text);
      await rename(path.join(where, '.new'), path.join(where, file));
      await registry.refresh();
    };
    return { where, registry, write, remove: (file: string) => rm(path.join(where, file)), call: callerOf(registry) };
  }

  it('is taken as it is, each file a route; what is removed goes out of force', async (t) => {
    const { registry, write, remove, call } = await folder(t);
    await write('one.json', route('one', { priority: 1 }));
    assert.equal(taken(registry), 'one 1');
    await write('two.json', route('two', { priority: 2 }));
    assert.equal(taken(registry), 'two 1');
    await write('one.json', route('one', { priority: 3 }));
    assert.equal(taken(registry), 'one 2');
    assert.equal(registry.deployment.version('two'), 1);
    await registry.refresh();
    assert.deepEqual(
      ((await call('GET', '/one/versions')).body.versions as Record<string, unknown>[]).map((one) => [
        one.author,
        one.comment,
        one.origin,
      ]),
      [
        ['folder', 'one.json', 'folder'],
        ['folder', 'one.json', 'folder'],
      ],
    );
    await remove('one.json');
    await remove('two.json');
    await registry.refresh();
    assert.equal(taken(registry), 'default 0');
    assert.equal((await call('GET', '/one')).status, 404);
  });

  it('keeps the former version while a file is no route', async (t) => {
    const { registry, write, remove } = await folder(t);
    await write('good.json', route('good'));
    await write('good.json', '{ "id": "good", ');
    assert.equal(taken(registry), 'good 1');
    await write('good.json', route('good', { priority: 'high' }));
    assert.equal(taken(registry), 'good 1');
    const extensions = [{ segment: 'ZPD', resource: 'Patient', rows: ['1 | colour | ST'] }];
    await write('good.json', route('good', { mapping: { extensions } }));
    assert.equal(taken(registry), 'good 1');
    // As long as one can't be read it is not known whether it has a route that seems to be gone.
    await write('other.json', route('other', { priority: -1 }));
    assert.equal(taken(registry), 'good 1');
    await write('good.json', route('good', { priority: 1 }));
    assert.equal(taken(registry), 'good 2');
    await write('twin.json', route('good', { priority: 9 }));
    assert.equal(taken(registry), 'good 2');
    for (const file of ['good.json', 'twin.json', 'other.json']) await remove(file);
    await registry.refresh();
    assert.equal(taken(registry), 'default 0');
  });

  it('takes a file that could not be read as soon as it can, though it is the same', async (t) => {
    const { registry, write, remove } = await folder(t);
    const reading = t.mock.method(fs, 'readFile', async () => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', syscall: 'open' });
    });
    syncBuiltinESMExports();
    await write('locked.json', route('locked'));
    await registry.refresh();
    assert.equal(taken(registry), 'default 0');
    reading.mock.restore();
    syncBuiltinESMExports();
    await registry.refresh();
    assert.equal(taken(registry), 'locked 1');
    await remove('locked.json');
    await registry.refresh();
  });

  it('has the say over its routes', async (t) => {
    const { registry, write, remove, call } = await folder(t);
    await put(call, route('both'));
    await write('both.json', route('both', { priority: 1 }));
    assert.equal(taken(registry), 'both 2');
    for (const answer of [
      await put(call, route('both', { priority: 2 }), '2'),
      await call('POST', '/both/disable', { body: by }),
      await call('POST', '/both/rollback', { body: { version: 1, ...by }, ifMatch: '2' }),
      await call('DELETE', '/both?author=operator', { ifMatch: '2' }),
    ]) {
      assert.deepEqual(answer, {
        status: 422,
        body: { error: 'Route both is the file both.json of HL7_ROUTES_DIR: change it there', code: 'business-rule' },
      });
    }
    await remove('both.json');
    await registry.refresh();
    assert.equal(taken(registry), 'default 0');
  });

  it('that goes away takes nothing with it', async (t) => {
    const { where, registry, write, remove } = await folder(t);
    await write('kept.json', route('kept'));
    await rename(where, `${where}-away`);
    await registry.refresh();
    const again = openRoutes(db, { folder: where });
    await again.refresh();
    assert.equal(taken(again), 'kept 1');
    await rename(`${where}-away`, where);
    await registry.refresh();
    assert.equal(taken(registry), 'kept 1');
    await remove('kept.json');
    await registry.refresh();
  });

  it('is looked at by itself', async (t) => {
    const { where } = await folder(t);
    const watching = openRoutes(db, { folder: where, pollIntervalMs: 5 });
    await watching.start();
    t.after(() => watching.stop());
    await writeFile(path.join(where, 'later.json'), JSON.stringify(route('later')));
    await waitFor(() => taken(watching) === 'later 1', 'the file to be seen');
    await rm(path.join(where, 'later.json'));
    await waitFor(() => taken(watching) === 'default 0', 'the file to be missed');
  });
});
