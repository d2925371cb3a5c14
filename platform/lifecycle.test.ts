import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createLifecycle, stopOnSignals } from './lifecycle.ts';
import { testLog, waitFor } from './testing/index.ts';

const lifecycle = (timeoutMs = 5_000) => createLifecycle({ log: testLog(), timeoutMs });

describe('lifecycle', () => {
  it('stops in reverse order, one after the other', async () => {
    const order: string[] = [];
    const parts = lifecycle();
    for (const name of ['database', 'store', 'http']) {
      parts.onStop(name, async () => {
        order.push(`${name} stops`);
        await new Promise(setImmediate);
        order.push(`${name} stopped`);
      });
    }
    await parts.stop();
    const expected = ['http', 'store', 'database'].flatMap((name) => [`${name} stops`, `${name} stopped`]);
    assert.deepEqual(order, expected);
  });

  it('stops once', async () => {
    let stops = 0;
    const parts = lifecycle();
    parts.onStop('x', async () => void stops++);
    await Promise.all([parts.stop(), parts.stop()]);
    assert.equal(stops, 1);
  });

  it('goes on when a part fails', async () => {
    let stopped = false;
    const parts = lifecycle();
    parts.onStop('first', async () => {
      stopped = true;
    });
    parts.onStop('second', () => Promise.reject(new Error('x')));
    await parts.stop();
    assert.equal(stopped, true);
  });

  it('leaves behind what does not stop in time', async () => {
    let stopped = false;
    const parts = lifecycle(1);
    parts.onStop('first', async () => {
      stopped = true;
    });
    parts.onStop('hangs', () => new Promise(() => {}));
    await parts.stop();
    assert.equal(stopped, true);
  });
});

describe('stopOnSignals', () => {
  /** Exit codes so far, while a stop is held up; `release` lets it end. */
  function signalled(t: TestContext, repeatMs: number) {
    const exits: number[] = [];
    const parts = lifecycle();
    const held = Promise.withResolvers<void>();
    parts.onStop('x', () => held.promise);
    t.after(stopOnSignals(parts, testLog(), { exit: (code) => void exits.push(code), repeatMs }));
    return { exits, release: held.resolve };
  }

  it('exits with 0 after a stop, and at once at a second signal', async (t) => {
    const { exits, release } = signalled(t, 0);
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(exits, [130, 143]);
    release();
    await waitFor(() => exits.length === 3, 'the stop to end');
    assert.equal(exits[2], 0);
  });

  it('takes the Ctrl-C that npm passes on for the one from the terminal', async (t) => {
    const { exits, release } = signalled(t, 60_000);
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGINT', 'SIGINT');
    assert.deepEqual(exits, []);
    process.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(exits, [143]);
    release();
    await waitFor(() => exits.length === 2, 'the stop to end');
    assert.equal(exits[1], 0);
  });
});

describe('endOnUncaught', () => {
  /** Runs `text` in a process of its own, with a failing `error` as PostgreSQL tells one. */
  async function ended(text: string, pretty = false): Promise<{ code: number; output: string }> {
    const platform = path.join(import.meta.dirname, 'index.ts');
    const script = `import { createLog, endOnUncaught } from ${JSON.stringify(platform)};
      const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (name)=(Secret) already exists.' });
      endOnUncaught(createLog({ level: 'info', pretty: ${pretty} }));
      ${text}`;
    return new Promise((resolve) => {
      execFile(process.execPath, ['--input-type=module', '-e', script], (failed, stdout, stderr) => {
        resolve({ code: Number(failed?.code ?? 0), output: stdout + stderr });
      });
    });
  }

  it('logs an error that was thrown without what it quotes, and exits with 1', async () => {
    const { code, output } = await ended('setImmediate(() => { throw error; }); setInterval(() => {}, 1000);');
    const { time: _time, err, ...rest } = JSON.parse(output) as { time: string; err: Record<string, string> };
    const msg = 'an error that nobody caught ends the process';
    assert.deepEqual([code, rest], [1, { level: 'fatal', origin: 'uncaughtException', msg }]);
    assert.deepEqual([err.message, err.code, output.includes('Secret')], ['duplicate key', '23505', false]);
  });

  it('logs one that nobody awaited', async () => {
    const { code, output } = await ended('Promise.reject(error); setInterval(() => {}, 1000);', true);
    assert.match(output, /fatal an error that nobody caught ends the process origin=unhandledRejection/);
    assert.deepEqual([code, output.includes('Secret')], [1, false]);
  });
});
