import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';

const limits = { backoffMsMin: 1_000, backoffMsMax: 10_000 };

test('doubles up to the limit, jittered between half and all of it', () => {
  const low = [1, 2, 3, 4, 5, 1_000_000].map((attempts) => backoffMs(attempts, limits, () => 0));
  const high = [1, 2, 3, 4, 5, 1_000_000].map((attempts) => backoffMs(attempts, limits, () => 1));
  assert.deepEqual(low, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  assert.deepEqual(high, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});
