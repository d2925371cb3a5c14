// A load that is killed: nothing of it is ever seen, and the next one begins clean.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { connectDb } from '#platform';
import { testConnection, testLog, waitFor } from '#platform/testing';
import { clearUp } from '../system-tables.ts';
import { STORED_CONCEPTS_MAX } from './code-system.ts';
import { load, systemsThere, testFolder, writeFiles } from './testing/rig.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');

/** Large enough to be read in several pieces. */
const COUNT = STORED_CONCEPTS_MAX + 20_000;
const concept = Array.from({ length: COUNT }, (_, n) => ({
  ...{ code: `c${n}`, display: `Bloop number ${n}, which has a name that is long enough` },
  ...(n > 0 && { property: [{ code: 'parent', valueCode: `c${Math.floor(n / 10)}` }] }),
}));
const system = { resourceType: 'CodeSystem', url: 'http://example.org/k', version: '1', caseSensitive: true, concept };

test('kill -9 leaves nothing to be seen, at any moment', async (t) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 8, log: testLog() });
  t.after(() => db.close());
  const folder = await testFolder(t);
  const file = path.join(folder, 'k.json');
  await writeFiles(folder, { 'k.json': JSON.stringify(system) });
  for (const moment of ['reading', 'indexing']) {
    const started = spawn(process.execPath, [child, JSON.stringify(connection), file, moment], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(started, 'exit');
    await once(started.stdout, 'data');
    started.kill('SIGKILL');
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.deepEqual(await systemsThere(db), { active: [], others: 1 });
    // As soon as PostgreSQL has noticed that nobody is there any more, what was written can be cleared up.
    const isClean = async (): Promise<boolean> => {
      await clearUp(db);
      return (await systemsThere(db)).others === 0;
    };
    await waitFor(isClean, 'what was left to be cleared up', 60_000);
    const tables = await db.query({ text: "select relname from pg_class where relname ~ '^concept_.*_?[0-9]+$'" });
    assert.deepEqual(tables, []);
  }
  const { systems } = await load(db, file);
  assert.deepEqual(
    systems.map(({ concepts }) => concepts),
    [COUNT],
  );
  assert.deepEqual(await systemsThere(db), { active: ['http://example.org/k|1'], others: 0 });
});
