import assert from 'node:assert/strict';
import test from 'node:test';
import {
  encodeBucket,
  inAll,
  insertPosition,
  intoBuckets,
  listOf,
  type Postings,
  positionsOf,
  readBucket,
} from './postings.ts';

/** Park and Miller's generator: the same numbers each time. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Positions below `count`, each with that probability. */
function some(random: () => number, count: number, probability: number): number[] {
  return Array.from({ length: count }, (_, at) => at).filter(() => random() < probability);
}

const densities = [0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 1];

test('lists of any density come back as they were, sparse ones as differences, dense ones as bits', () => {
  const random = createRandom(7);
  const postings: Postings = new Map();
  densities.forEach((density, index) => {
    const positions = some(random, 65_536, density);
    if (positions.length > 0) postings.set((index * 613_566_757) >>> 0, positions);
  });
  const bucket = encodeBucket(postings);
  for (const [hash, positions] of postings) assert.deepEqual(positionsOf(listOf(bucket, hash)!), positions);
  assert.deepEqual(
    [...postings.keys()].map((hash) => listOf(bucket, hash)!.isBitmap),
    [false, false, false, false, true, true, true],
  );
  const read: Postings = new Map();
  readBucket(bucket, 0, read);
  assert.deepEqual(new Map([...read].sort()), new Map([...postings].sort()));
});

test('a term that is not there has no list; hashes up to 32 bits', () => {
  const bucket = encodeBucket(
    new Map([
      [0xffffffff, [0, 65_535]],
      [5, [3]],
    ]),
  );
  assert.deepEqual(positionsOf(listOf(bucket, 0xffffffff)!), [0, 65_535]);
  assert.deepEqual(positionsOf(listOf(bucket, 5)!), [3]);
  for (const hash of [0, 4, 6, 0xfffffffe]) assert.equal(listOf(bucket, hash), undefined);
  assert.equal(listOf(Buffer.alloc(0), 1), undefined);
});

test('what is cut off is told, not read for ever', () => {
  const bucket = encodeBucket(new Map([[1, [1, 500, 60_000]]]));
  assert.throws(() => readBucket(bucket.subarray(0, 4), 0, new Map()), RangeError);
});

test('blocks read in order become one, positions raised', () => {
  const postings: Postings = new Map();
  readBucket(encodeBucket(new Map([[9, [0, 2]]])), 0, postings);
  readBucket(
    encodeBucket(
      new Map([
        [9, [1]],
        [10, [0]],
      ]),
    ),
    100,
    postings,
  );
  assert.deepEqual(
    postings,
    new Map([
      [9, [0, 2, 101]],
      [10, [100]],
    ]),
  );
});

test('a position is put where it belongs, once', () => {
  const postings: Postings = new Map([[1, [2, 8]]]);
  insertPosition(postings, 1, 5);
  insertPosition(postings, 1, 5);
  insertPosition(postings, 2, 1);
  assert.deepEqual(
    postings,
    new Map([
      [1, [2, 5, 8]],
      [2, [1]],
    ]),
  );
});

test('terms are divided among buckets by their remainder', () => {
  const buckets = intoBuckets(
    [
      [0, [4, 5]],
      [7, [5, 9]],
    ],
    4,
  );
  assert.deepEqual(buckets, [
    new Map([[4, [0]]]),
    new Map([
      [5, [0, 7]],
      [9, [7]],
    ]),
    new Map(),
    new Map(),
  ]);
});

test('what is in one list of each group: as sets would tell, for every pair and triple of densities', () => {
  const random = createRandom(11);
  const lists = densities.map((density) => some(random, 8_192, density));
  const encoded = lists.map((positions) =>
    positions.length === 0 ? [] : listOf(encodeBucket(new Map([[1, positions]])), 1)!,
  );
  const has = lists.map((positions) => new Set(positions));
  for (let a = 0; a < lists.length; a++) {
    for (let b = 0; b < lists.length; b++) {
      for (let c = 0; c < lists.length; c++) {
        const either = lists[a]!.concat(lists[b]!);
        const expected = [...new Set(either)].filter((at) => has[c]!.has(at)).sort((x, y) => x - y);
        assert.deepEqual(inAll([[encoded[a]!, encoded[b]!].flat(), [encoded[c]!].flat()]), expected, `${a} ${b} ${c}`);
      }
    }
  }
  assert.deepEqual(inAll([]), []);
  assert.deepEqual(inAll([[], [encoded[6]!].flat()]), []);
});
