// https://hl7.org/fhir/R4/codesystem.html#hierarchy
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createEdges, lineageOf } from './lineage.ts';

function lineage(count: number, pairs: [child: number, parent: number][]) {
  const edges = createEdges();
  for (const [child, parent] of pairs) edges.add(child, parent);
  return lineageOf(count, edges, 1_000_000);
}

describe('lineage', () => {
  test('a concept of two parents has the ancestors of both, each once', () => {
    const found = lineage(5, [
      [1, 0],
      [2, 0],
      [3, 2],
      [3, 1],
      [3, 1],
    ]);
    assert.deepEqual(found.parents, [[], [0], [0], [1, 2], []]);
    assert.deepEqual(found.ancestors, [[], [0], [0], [0, 1, 2], []]);
    assert.deepEqual([...found.descendants], [3, 1, 1, 0, 0]);
    assert.deepEqual(found.cyclic, []);
  });

  test('parents may come after their children', () => {
    const found = lineage(3, [
      [0, 2],
      [2, 1],
    ]);
    assert.deepEqual(found.ancestors, [[1, 2], [], [1]]);
  });

  test('the edge that closes a cycle is left out and told', () => {
    const found = lineage(4, [
      [0, 1],
      [1, 2],
      [2, 0],
      [3, 3],
    ]);
    assert.deepEqual(found.cyclic, [
      { child: 2, parent: 0 },
      { child: 3, parent: 3 },
    ]);
    assert.deepEqual(found.ancestors, [[1, 2], [2], [], []]);
    assert.deepEqual([...found.descendants], [0, 1, 2, 0]);
  });

  test('a chain is followed without recursion, and refused where it has too many pairs', () => {
    const chain = (count: number) =>
      lineage(
        count,
        Array.from({ length: count - 1 }, (_, i): [number, number] => [i, i + 1]),
      );
    const found = chain(1_000);
    assert.equal(found.ancestors[0]!.length, 999);
    assert.equal(found.descendants[999], 999);
    assert.throws(() => chain(100_000), { code: 'too-costly' });
  });
});
