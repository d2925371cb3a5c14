import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createGather, type GatherOptions } from './gather.ts';

const options = (more: Partial<GatherOptions<string, string>>): GatherOptions<string, string> => ({
  lanesMax: 1,
  itemsMax: 3,
  weigh: (item) => item.length,
  weightMax: 100,
  key: () => '',
  run: async (items) => items.map((item) => item.toUpperCase()),
  ...more,
});

const sqlError = (code: string) => Object.assign(new Error(code), { code });

describe('createGather', () => {
  it('runs what comes in one turn together, up to the number and the weight, and answers each', async () => {
    const groups: string[][] = [];
    const run = async (items: string[]) => {
      groups.push(items);
      return items.map((item) => item.toUpperCase());
    };
    const gather = createGather(options({ run, weightMax: 10 }));
    const items = ['a', 'b', 'c', 'd', 'long enough', 'e', 'f'];
    const results = await Promise.all(items.map(gather));
    assert.deepEqual(results, ['A', 'B', 'C', 'D', 'LONG ENOUGH', 'E', 'F']);
    assert.deepEqual(groups, [['a', 'b', 'c'], ['d', 'e', 'f'], ['long enough']]);
  });

  it('never mixes keys and never has more statements under way than lanes', async () => {
    let running = 0;
    let most = 0;
    const run = async (items: string[]) => {
      running++;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      assert.equal(new Set(items.map((item) => item[0])).size, 1);
      return items;
    };
    const gather = createGather(options({ run, lanesMax: 2, key: (item) => item[0]! }));
    const items = Array.from({ length: 40 }, (_, i) => `${'xyz'[i % 3]}${i}`);
    assert.deepEqual(await Promise.all(items.map(gather)), items);
    assert.equal(most, 2);
  });

  it('gives each its own answer when one is at fault, and all the same when nobody is', async () => {
    const run = async (items: string[]) => {
      if (items.includes('bad')) throw sqlError('22021');
      if (items.includes('gone')) throw sqlError('08006');
      return items;
    };
    const gather = createGather(options({ run }));
    const settled = await Promise.allSettled(['a', 'bad', 'b'].map(gather));
    assert.deepEqual(
      settled.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code)),
      ['a', '22021', 'b'],
    );
    const lost = await Promise.allSettled(['c', 'gone', 'd'].map(gather));
    assert.deepEqual(
      lost.map((one) => (one.status === 'rejected' ? one.reason.code : one.value)),
      ['08006', '08006', '08006'],
    );
    assert.equal(await gather('after'), 'after');
  });
});
