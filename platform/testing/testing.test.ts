import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { testDatabase, waitFor } from './index.ts';

/** Runs a test file of its own; yields its exit code and output. */
async function runFile(t: TestContext, body: string): Promise<{ code: number; output: string }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-kit-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'case.test.ts');
  const kit = JSON.stringify(path.join(import.meta.dirname, 'index.ts'));
  await writeFile(file, `import { it } from 'node:test';\nimport { testDatabase } from ${kit};\n${body}`);
  // Without its parent's context the file reports on its own.
  const { NODE_TEST_CONTEXT: _parent, ...env } = process.env;
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

describe('testDatabase', () => {
  it('yields a migrated database of its own each time', async (t) => {
    const [one, two] = await Promise.all([testDatabase(t), testDatabase(t)]);
    await one.query({ text: 'CREATE TABLE mine (n int)' });
    assert.deepEqual(await two.query({ text: `SELECT to_regclass('mine') AS mine` }), [{ mine: null }]);
    const [row] = await two.query<{ n: bigint }>({ text: 'SELECT count(*) AS n FROM migration' });
    assert.ok(row!.n >= 1n);
  });

  it('goes when the test is over', async (t) => {
    const db = await testDatabase(t);
    let name = '';
    await t.test('inner', async (inner) => {
      const own = await testDatabase(inner);
      name = (await own.query<{ name: string }>({ text: 'SELECT current_database() AS name' }))[0]!.name;
    });
    assert.deepEqual(await db.query({ text: 'SELECT 1 FROM pg_database WHERE datname = $1' }, [name]), []);
  });
});

describe('waitFor', () => {
  it('yields what the probe yields', async () => {
    let calls = 0;
    assert.equal(await waitFor(() => (++calls === 3 ? 'there' : undefined), 'the third call'), 'there');
  });

  it('says what it waited for, and the last error', async () => {
    const probe = () => Promise.reject(new Error('not there'));
    await assert.rejects(waitFor(probe, 'nothing', 5), (error: Error) => {
      assert.equal(error.message, 'waited 5 ms for nothing');
      assert.equal((error.cause as Error).message, 'not there');
      return true;
    });
  });
});

// Side by side: two of the three wait, for 15 and 30 s.
describe('leaks', { concurrency: true }, () => {
  it('let a tidy file pass', async (t) => {
    const { code, output } = await runFile(t, `it('x', async (t) => { await testDatabase(t); });`);
    assert.equal(code, 0, output);
  });

  it('fail a file that leaves a server listening', async (t) => {
    const body = `import { createServer } from 'node:http';\nit('x', async () => { createServer().listen(0); });`;
    const { code, output } = await runFile(t, body);
    assert.equal(code, 1);
    assert.match(output, /leak: this test file leaves open: .*TCPServerWrap/);
  });

  it('fail a test that leaves a connection checked out', async (t) => {
    const body = `it('x', async (t) => { const db = await testDatabase(t); void db.tx(() => new Promise(() => {})); await db.query({ text: 'SELECT 1' }); });`;
    const { code, output } = await runFile(t, body);
    assert.equal(code, 1);
    assert.match(output, /waited 30000 ms for all connections to return to the pool/);
  });
});
