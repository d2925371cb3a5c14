import assert from 'node:assert/strict';
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
