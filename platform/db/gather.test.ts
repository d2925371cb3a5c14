import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitFor } from '../testing/index.ts';
import { createGather, type GatherOptions, type Place } from './gather.ts';

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

  /** Statements that end when they are told to, and what they were given. */
  function held() {
    const groups: string[][] = [];
    const ends: (() => void)[] = [];
    const run = (items: string[]) => {
      groups.push(items);
      return new Promise<string[]>((resolve) => ends.push(() => resolve(items)));
    };
    return { groups, run, end: () => ends.splice(0).map((end) => end()) };
  }
  const turns = async () => {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  };

  it('begins another statement beside one under way for enough items, or when that one has ended', async () => {
    const { groups, run, end } = held();
    const gather = createGather(options({ run, lanesMax: 2, beside: { itemsMin: 3, waitMs: 3_600_000 } }));
    const results = [gather('a')];
    await turns();
    results.push(gather('b'), gather('c'));
    await turns();
    assert.deepEqual(groups, [['a']]);
    results.push(gather('d'));
    await turns();
    assert.deepEqual(groups, [['a'], ['b', 'c', 'd']]);
    results.push(gather('e'));
    await turns();
    assert.equal(groups.length, 2);
    end();
    await turns();
    assert.deepEqual(groups.at(-1), ['e']);
    end();
    assert.deepEqual(await Promise.all(results), ['a', 'b', 'c', 'd', 'e']);
  });

  it('begins it for fewer once they have waited, but never above the lanes', async () => {
    const { groups, run, end } = held();
    const gather = createGather(options({ run, lanesMax: 2, beside: { itemsMin: 3, waitMs: 1 } }));
    const results = [gather('a')];
    await turns();
    results.push(gather('b'));
    await waitFor(() => groups.length === 2, 'the second group');
    assert.deepEqual(groups, [['a'], ['b']]);
    results.push(gather('c'));
    await turns();
    assert.equal(groups.length, 2);
    end();
    await turns();
    end();
    assert.deepEqual(await Promise.all(results), ['a', 'b', 'c']);
  });

  it('puts no more than usual into a statement while no other would begin beside it, and as many as it may once one would', async () => {
    const { groups, run, end } = held();
    const beside = { itemsMin: 5, waitMs: 3_600_000 };
    const gather = createGather(options({ run, lanesMax: 2, itemsMax: 6, itemsUsual: 2, beside }));
    const results = ['a', 'b', 'c', 'd', 'e'].map(gather);
    await turns();
    assert.deepEqual(groups, [['a', 'b']]);
    results.push(gather('f'));
    await turns();
    assert.equal(groups.length, 1);
    results.push(gather('g'));
    await turns();
    assert.deepEqual(groups.slice(1), [['c', 'd']]);
    results.push(...['h', 'i', 'j', 'k', 'l'].map(gather));
    end();
    await turns();
    assert.deepEqual(groups.slice(2), [['e', 'f', 'g', 'h', 'i', 'j']]);
    end();
    await turns();
    assert.deepEqual(groups.slice(3), [['k', 'l']]);
    end();
    assert.deepEqual(await Promise.all(results), [...'abcdefghijkl']);
  });

  it('sends another one behind that under way for enough items, at most one, and before the callers of the first hear of it', async () => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const run = (items: string[], place: Place) => {
      begun.push(`${items.join('')} ${place}`);
      return new Promise<string[]>((resolve) => ends.push(() => resolve(items)));
    };
    const beside = { itemsMin: 4, waitMs: 3_600_000 };
    const behind = { itemsMin: 2, withinMs: 3_600_000 };
    const gather = createGather(options({ run, lanesMax: 2, itemsMax: 4, behind, beside }));
    const heard = (item: string) =>
      gather(item).then((result) => {
        begun.push(`${result} heard`);
        return result;
      });
    const results = [heard('a')];
    await turns();
    results.push(heard('b'));
    await turns();
    assert.deepEqual(begun.splice(0), ['a in line']);
    results.push(heard('c'));
    await turns();
    assert.deepEqual(begun.splice(0), ['bc in line']);
    results.push(...['d', 'e', 'f'].map(heard));
    await turns();
    assert.deepEqual(begun.splice(0), []);
    ends.shift()!();
    await turns();
    assert.deepEqual(begun.splice(0), ['def in line', 'a heard']);
    // The two in line are one lane: there is another one for four, and no third.
    results.push(...['g', 'h', 'i', 'j', 'k', 'l', 'm', 'n'].map(heard));
    await turns();
    assert.deepEqual(begun.splice(0), ['ghij beside']);
    while (ends.length > 0) {
      ends.shift()!();
      await turns();
    }
    assert.deepEqual(await Promise.all(results), [...'abcdefghijklmn']);
    assert.deepEqual(begun, [
      ...['klmn in line', 'b heard', 'c heard', 'd heard', 'e heard', 'f heard'],
      ...['g heard', 'h heard', 'i heard', 'j heard', 'k heard', 'l heard', 'm heard', 'n heard'],
    ]);
  });

  it('sends none behind one that takes long: those who wait go beside it', async (t) => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const run = (items: string[], place: Place) => {
      begun.push(`${items.join('')} ${place}`);
      return new Promise<string[]>((resolve) => ends.push(() => resolve(items)));
    };
    let nowMs = 0;
    t.mock.method(performance, 'now', () => nowMs);
    const gather = createGather(
      options({
        ...{ run, lanesMax: 2, behind: { itemsMin: 2, withinMs: 20 }, beside: { itemsMin: 4, waitMs: 1 } },
      }),
    );
    const results = [gather('a')];
    await turns();
    nowMs = 21;
    results.push(...['b', 'c'].map(gather));
    await new Promise<void>((resolve) => {
      const look = () => (begun.length === 2 ? resolve() : void setImmediate(look));
      look();
    });
    assert.deepEqual(begun, ['a in line', 'bc beside']);
    // The line is free again, and once another has gone beside no lane is.
    ends.shift()!();
    await turns();
    results.push(gather('d'));
    await new Promise<void>((resolve) => {
      const look = () => (begun.length === 3 ? resolve() : void setImmediate(look));
      look();
    });
    results.push(...['e', 'f', 'g', 'h', 'i'].map(gather));
    await turns();
    assert.deepEqual(begun.slice(2), ['d beside']);
    while (ends.length > 0) {
      ends.shift()!();
      await turns();
    }
    assert.deepEqual(await Promise.all(results), [...'abcdefghi']);
  });

  it('tries those alone whose statement the one before it in line was to prepare', async () => {
    const places: Place[] = [];
    const run = async (items: string[], place: Place) => {
      places.push(place);
      if (places.length === 1) throw sqlError('26000');
      return items;
    };
    assert.equal(await createGather(options({ run }))('a'), 'a');
    assert.equal(places.length, 2);
  });

  it('begins it for fewer where they have another key than what is under way', async () => {
    const { groups, run, end } = held();
    const beside = { itemsMin: 9, waitMs: 3_600_000, othersMin: 2 };
    const gather = createGather(options({ run, lanesMax: 3, itemsMax: 9, key: (item) => item[0]!, beside }));
    const results = ['a1', 'b1'].map(gather);
    await turns();
    assert.deepEqual(groups, [['a1']]);
    results.push(gather('b2'));
    await turns();
    assert.deepEqual(groups.slice(1), [['b1', 'b2']]);
    results.push(...['a2', 'a3', 'b3'].map(gather));
    await turns();
    assert.equal(groups.length, 2);
    end();
    await turns();
    assert.deepEqual(groups.slice(2), [['a2', 'a3']]);
    end();
    await turns();
    assert.deepEqual(groups.slice(3), [['b3']]);
    end();
    assert.deepEqual(await Promise.all(results), ['a1', 'b1', 'b2', 'a2', 'a3', 'b3']);
  });

  it('begins it for what another key or the weight kept out of the first', async () => {
    const { groups, run, end } = held();
    const gather = createGather(
      options({ run, lanesMax: 2, key: (item) => item[0]!, beside: { itemsMin: 3, waitMs: 1 } }),
    );
    const results = ['a1', 'b1', 'a2'].map(gather);
    await waitFor(() => groups.length === 2, 'the group of the other key');
    assert.deepEqual(groups, [['a1', 'a2'], ['b1']]);
    end();
    assert.deepEqual(await Promise.all(results), ['a1', 'b1', 'a2']);
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
