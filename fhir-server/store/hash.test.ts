import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hash64 } from './hash.ts';

test('values are those that stores already hold: changing one means reindexing everything', () => {
  const pinned: [string, string][] = [
    ['', '582495541459816054'],
    ['a', '701377465919482763'],
    ['Patient/1', '-3843970123363983190'],
    ['884669960=16|http://loinc.org8867-4', '-2006165407038635392'],
    ['ü😀', '-2918850038389379288'],
    ['x'.repeat(1000), '-7222244737208940629'],
  ];
  for (const [text, hash] of pinned) assert.equal(hash64(text), hash, text.slice(0, 20));
});

test('the same text has the same hash, cached or not', () => {
  const long = 'x'.repeat(201);
  for (const text of ['a', 'x'.repeat(200), long, '\ud800', '😀'])
    assert.equal(hash64(text), hash64(`${text.slice(0, 1)}${text.slice(1)}`));
  assert.notEqual(hash64(long), hash64('x'.repeat(202)));
});

test('300,000 alike texts have as many hashes, spread over all 64 bits', () => {
  const seen = new Set<string>();
  const ones = new Uint32Array(64);
  for (let i = 0; i < 100_000; i++) {
    for (const text of [`884669960=17|http://loinc.org${i}`, `Patient/${i.toString(16)}`, `${i}`.padStart(40, '0')]) {
      const hash = hash64(text);
      seen.add(hash);
      const bits = BigInt.asUintN(64, BigInt(hash));
      const [high, low] = [Number(bits >> 32n), Number(bits & 0xffffffffn)];
      for (let bit = 0; bit < 32; bit++) {
        ones[bit]! += (low >>> bit) & 1;
        ones[bit + 32]! += (high >>> bit) & 1;
      }
    }
  }
  assert.equal(seen.size, 300_000);
  for (const [bit, count] of ones.entries())
    assert.ok(Math.abs(count - 150_000) < 3000, `bit ${bit}: ${count} of 300,000`);
});

test('the halves are independent: no two of 300,000 texts share one by more than chance', () => {
  const halves = [new Set<bigint>(), new Set<bigint>()];
  for (let i = 0; i < 300_000; i++) {
    const bits = BigInt.asUintN(64, BigInt(hash64(`urn:mrn|${i}`)));
    halves[0]!.add(bits >> 32n);
    halves[1]!.add(bits & 0xffffffffn);
  }
  // n²/2 pairs of 2^32: 10 expected in each half.
  for (const half of halves) assert.ok(300_000 - half.size < 40, `${300_000 - half.size} collisions of 32 bits`);
});
