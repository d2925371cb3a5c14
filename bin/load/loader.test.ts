// How a load is told to stop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testLog } from '#platform/testing';
import { stopOnInterrupt } from './loader.ts';

test('the Ctrl-C that npm passes on is not a second one, which would end the load at once', (t) => {
  const exit = t.mock.method(process, 'exit', (() => undefined) as never);
  const before = new Set(process.listeners('SIGINT').concat(process.listeners('SIGTERM')));
  const signal = stopOnInterrupt(testLog());
  t.after(() => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      for (const one of process.listeners(name)) if (!before.has(one)) process.off(name, one);
    }
  });
  assert.equal(signal.aborted, false);
  process.emit('SIGINT', 'SIGINT');
  process.emit('SIGINT', 'SIGINT');
  assert.equal(signal.aborted, true);
  assert.equal(exit.mock.callCount(), 0);
  process.emit('SIGTERM', 'SIGTERM');
  assert.deepEqual(
    exit.mock.calls.map((call) => call.arguments),
    [[130]],
  );
});
