import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTime } from './in-time.ts';

const endless = (): never => {
  for (;;);
};
const objects = (count: number) => Array.from({ length: count }, () => ({}));

test('what would go on for ever is stopped; what can not is not watched', () => {
  const watched: [string, number][] = [
    ['a.where(b.where(c.where(d).exists()).exists())', 40],
    ["a.where(b = '(' and c.where(d).exists()).exists()", 200],
    ['a.aggregate($total.combine($total), {})', 1],
    ['a.isDistinct()', 200],
  ];
  for (const [expression, count] of watched) {
    assert.throws(() => inTime(expression)(endless, [objects(count)]), {
      code: 'too-costly',
      message: `'${expression}' takes longer than 1000 ms on a resource: say it with fewer functions in each other`,
    });
  }
  // Under the watch there is another global object.
  const isWatched = (expression: string, count: number) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 50;
    const stack = inTime(expression)(() => new Error('here').stack ?? '', [objects(count)]);
    Error.stackTraceLimit = stackTraceLimit;
    return stack.includes('runInContext');
  };
  for (const [expression, count] of watched) assert.equal(isWatched(expression, count), true, expression);
  for (const [expression, count] of [
    ['a.where(b.where(c.where(d).exists()).exists())', 12],
    ['(a.exists() and (b.empty() or (c.exists())))', 5_000],
    ['a.b.where(c = 1).exists()', 5_000],
    ['a.isDistinct()', 100],
  ] as const) {
    assert.equal(isWatched(expression, count), false, expression);
  }
  assert.equal(
    inTime('a.isDistinct()')(() => 7, [objects(1_000)]),
    7,
  );
  assert.throws(() => inTime('a.isDistinct()')(() => assert.fail('as it is'), [objects(1_000)]), /as it is/);
});

test('what took too long is not tried at once on anything as large', () => {
  const bounded = inTime('a.where(b.where(c.where(d).exists()).exists())');
  const run = (count: number) => bounded(() => count, [objects(count)]);
  assert.equal(run(40), 40);
  assert.throws(() => bounded(endless, [objects(40)]), { code: 'too-costly' });
  assert.throws(() => run(40), { code: 'too-costly' });
  assert.throws(() => run(41), { code: 'too-costly' });
  assert.equal(run(39), 39);
});
