// In which order what is due comes to its turn where some of it fails, whatever the database holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Statement } from '#platform';
import { testLog } from '#platform/testing';
import { createTimers, type TimerOptions } from './timers.ts';

test('more than are looked at at once that fail hold up nobody, and are tried again', async () => {
  const due = Array.from({ length: 250 }, (_, index) => `a${index}`);
  const open = new Set(due);
  const tried: string[] = [];
  const isBad = (id: string) => due.indexOf(id) < 120;
  const query = async ({ name }: Statement, values: unknown[] = []) => {
    const [, limit, but] = values as [number, number, string[]];
    if (name !== 'alert_due_notices') return [];
    return [...open]
      .filter((id) => !but.includes(id))
      .slice(0, limit)
      .map((id) => ({ id }));
  };
  const notify = async (id: string) => {
    tried.push(id);
    if (isBad(id)) throw new Error('It fails');
    return open.delete(id);
  };
  const timers = createTimers({
    ...{ db: { query }, alerts: { notify }, rules: { all: async () => [], inForce: async () => undefined } },
    ...{ clock: { now: () => 0 }, caughtUpMs: () => undefined, log: testLog() },
  } as unknown as TimerOptions);
  // All of the first page fail: no more in this go. Of the second some do not, so that the third follows at once.
  assert.equal(await timers.run(), false);
  assert.equal(await timers.run(), true);
  assert.equal(await timers.run(), false);
  assert.deepEqual(tried, due);
  assert.deepEqual([...open], due.filter(isBad));
  await timers.run();
  assert.deepEqual(tried.slice(due.length), due.slice(0, 100));
});
