import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '#platform';
import { memoryAdvice, memoryBytes } from './memory.ts';

test('too little memory for the largest bodies is told with what to set', () => {
  assert.equal(
    memoryAdvice(readConfig({}), 512 * 1024 * 1024),
    'There are 537 MB of memory, and large requests at the same time may need 1709 MB: set BODY_BYTES_MAX to 3000000, or have more memory',
  );
  assert.equal(memoryAdvice(readConfig({ BODY_BYTES_MAX: '3000000' }), 512 * 1024 * 1024), undefined);
  assert.equal(memoryAdvice(readConfig({}), 1_710_000_000), undefined);
  assert.match(memoryAdvice(readConfig({ WORKERS: '4' }), 4_000_000_000)!, / may need 6064 MB: .* to 30000000,/);
  assert.match(memoryAdvice(readConfig({}), 300_000_000)!, / BODY_BYTES_MAX to 1000000, or have more memory$/);
});

test('the memory that there is is known', () => {
  assert.ok(Number.isFinite(memoryBytes()) && memoryBytes() > 100_000_000);
});
