// https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryAfterMs } from './retry-after.ts';

const now = () => Date.parse('2026-11-22T08:00:00Z');
const asked = (retryAfter: string, date?: string) =>
  retryAfterMs({ 'retry-after': retryAfter, ...(date === undefined ? {} : { date }) }, now);

test('seconds, and dates in each of their forms', () => {
  assert.equal(asked('120'), 120_000);
  assert.equal(asked('0'), 0);
  assert.equal(asked('Sun, 22 Nov 2026 08:05:00 GMT'), 300_000);
  assert.equal(asked('Sunday, 22-Nov-26 08:05:00 GMT'), 300_000);
  assert.equal(asked('Sun Nov 22 08:05:00 2026'), 300_000);
  assert.equal(asked('Sun, 22 Nov 2026 07:00:00 GMT'), 0, 'it is over');
});

test("a date counts from the receiver's own time", () => {
  assert.equal(asked('Sun, 22 Nov 2026 09:05:00 GMT', 'Sun, 22 Nov 2026 09:00:00 GMT'), 300_000);
  assert.equal(asked('Sun, 22 Nov 2026 08:05:00 GMT', 'soon'), 300_000);
});

test('what is neither asks for nothing', () => {
  assert.equal(retryAfterMs({}, now), undefined);
  for (const text of [
    '',
    '-1',
    '1.5',
    '1e3',
    'soon',
    '2026-11-22T08:05:00Z',
    'Sun, 99 Nov 2026 08:05:00 GMT',
    '12345678901',
  ])
    assert.equal(asked(text), undefined, text);
});
