// Hours that end with the last second of a day or an hour leave nobody without somebody on call for that second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAvailable, isWithin } from './availability.ts';

const role = (availableStartTime: string, availableEndTime: string, more: object = {}) => ({
  resourceType: 'PractitionerRole',
  availableTime: [{ availableStartTime, availableEndTime, ...more }],
});
// 2026-01-05 is a Monday.
const is = (one: ReturnType<typeof role>, at: string) => isAvailable(one, Date.parse(`2026-01-${at}Z`), 'UTC');

test('23:59 is the end of the day, 59 seconds the end of the minute; other ends are excluded', () => {
  for (const end of ['23:59:59', '23:59:00', '23:59']) {
    const monday = role('08:00:00', end, { daysOfWeek: ['mon'] });
    assert.deepEqual(
      ['05T07:59:59', '05T08:00:00', '05T23:59:00', '05T23:59:59.999', '06T00:00:00'].map((at) => is(monday, at)),
      [false, true, true, true, false],
      end,
    );
    const allDay = role('00:00:00', end, { daysOfWeek: ['mon'] });
    assert.deepEqual(
      ['04T23:59:59', '05T00:00:00', '05T23:59:59', '06T00:00:00'].map((at) => is(allDay, at)),
      [false, true, true, false],
    );
  }
  const early = role('00:00:00', '07:59:59');
  assert.deepEqual([is(early, '05T07:59:59.500'), is(early, '05T08:00:00')], [true, false]);
  const night = role('20:00:00', '07:59:59', { daysOfWeek: ['mon'] });
  assert.deepEqual(
    ['05T07:59:59', '05T19:59:59', '05T20:00:00', '06T07:59:59.999', '06T08:00:00'].map((at) => is(night, at)),
    [false, false, true, true, false],
  );
  const plain = role('08:00:00', '16:00:00');
  assert.deepEqual([is(plain, '05T15:59:59'), is(plain, '05T16:00:00')], [true, false]);
});

test('a period that ends with a second has all of it; one with a fraction ends with that', () => {
  const ends = (end: string, at: string) => isWithin({ end }, Date.parse(at), 'UTC');
  assert.deepEqual(
    ['23:59:59.000Z', '23:59:59.999Z'].map((at) => ends('2026-01-05T23:59:59Z', `2026-01-05T${at}`)),
    [true, true],
  );
  assert.equal(ends('2026-01-05T23:59:59Z', '2026-01-06T00:00:00.000Z'), false);
  assert.equal(ends('2026-01-06T00:59:59+01:00', '2026-01-05T23:59:59.999Z'), true);
  assert.equal(ends('2026-01-05T23:59:59.500Z', '2026-01-05T23:59:59.501Z'), false);
  const starts = (at: string) => isWithin({ start: '2026-01-05T08:00:00Z' }, Date.parse(at), 'UTC');
  assert.deepEqual([starts('2026-01-05T07:59:59.999Z'), starts('2026-01-05T08:00:00Z')], [false, true]);
});
