// https://www.rfc-editor.org/rfc/rfc6902, https://www.rfc-editor.org/rfc/rfc7396
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyPatch, createPatch } from 'rfc6902';
import { type Json, parseJson, stringify } from '#fhir-model';
import { isCerebraError } from '#platform';
import { random } from '#platform/testing';
import { applyJsonPatch, parseJsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';
import { isDeeper } from './tree.ts';

const apply = (doc: string, patch: string): string =>
  stringify(applyJsonPatch(parseJson(doc).exact, parseJsonPatch(parseJson(patch).exact)));

const refusal = (doc: string, patch: string): string => {
  try {
    return apply(doc, patch);
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    return `${error.code} ${error.issues[0]!.expression?.join()}`;
  }
};

describe('JSON Patch', () => {
  test('numbers keep their digits wherever they go', () => {
    const doc = '{"a":1.00,"b":[2.50],"c":{}}';
    const patch = `[{"op":"copy","from":"/a","path":"/c/d"},{"op":"move","from":"/b/0","path":"/e"},
      {"op":"add","path":"/b/-","value":3.10},{"op":"replace","path":"/a","value":1e2}]`;
    assert.equal(apply(doc, patch), '{"a":1e2,"b":[3.10],"c":{"d":1.00},"e":2.50}');
  });

  test('test compares numbers by value, objects in any order, lists in theirs', () => {
    const doc = '{"a":1.00,"o":{"x":1,"y":[1,2]}}';
    const holds = (path: string, value: string) =>
      refusal(doc, `[{"op":"test","path":"${path}","value":${value}}]`) === doc;
    assert.ok(holds('/a', '1') && holds('/a', '1.0') && holds('/a', '100e-2'));
    assert.ok(holds('/o', '{"y":[1.0,2],"x":1}'));
    for (const value of ['"1"', 'null', '[1]', '1.01', '1e999', `1${'0'.repeat(200)}`])
      assert.ok(!holds('/a', value), value);
    for (const value of ['{"x":1}', '{"x":1,"y":[2,1]}', '{"x":1,"y":[1,2,3]}', '{"x":1,"y":[1,2],"z":1}', '[]'])
      assert.ok(!holds('/o', value));
  });

  test('pointers: ~1 is told before ~0, and ~ stands for nothing else', () => {
    assert.equal(apply('{"a~1":1,"a/":2}', '[{"op":"remove","path":"/a~01"}]'), '{"a/":2}');
    assert.equal(refusal('{"a~2b":1}', '[{"op":"remove","path":"/a~2b"}]'), 'invalid patch[0].path');
  });

  test('what can’t be: a test without a value, a member of a value, a value within itself', () => {
    assert.equal(refusal('{"a":1}', '[{"op":"test","path":"/a"}]'), 'invalid patch[0].value');
    assert.equal(refusal('{"a":true}', '[{"op":"add","path":"/a/b","value":1}]'), 'patch-failed patch[0]');
    assert.equal(refusal('{"a":{}}', '[{"op":"move","from":"/a","path":"/a/b"}]'), 'invalid patch[0].path');
  });

  test('what is moved to where it is stays, the whole document too', () => {
    assert.equal(apply('{"a":1,"b":2}', '[{"op":"move","from":"/a","path":"/a"}]'), '{"a":1,"b":2}');
    assert.equal(apply('{"a":1}', '[{"op":"move","from":"","path":""}]'), '{"a":1}');
  });

  test('a patch that is applied again, as after a lost race, is what it was', () => {
    const text = `[{"op":"add","path":"/a","value":{"x":[]}},{"op":"add","path":"/a/x/-","value":1},
      {"op":"replace","path":"/b","value":[]},{"op":"add","path":"/b/-","value":2}]`;
    const operations = parseJsonPatch(parseJson(text).exact);
    for (let i = 0; i < 2; i++) {
      const patched = applyJsonPatch(parseJson('{"b":0}').exact, operations);
      assert.equal(stringify(patched), '{"b":[2],"a":{"x":[1]}}');
    }
  });

  test('names of prototypes are names', () => {
    assert.equal(refusal('{}', '[{"op":"replace","path":"/toString","value":1}]'), 'patch-failed patch[0]');
    assert.equal(refusal('{}', '[{"op":"add","path":"/__proto__/x","value":1}]'), 'patch-failed patch[0]');
    assert.equal(refusal('{}', '[{"op":"add","path":"/constructor/prototype/x","value":1}]'), 'patch-failed patch[0]');
    const added = '[{"op":"add","path":"/__proto__","value":{"x":1}},{"op":"copy","from":"/__proto__","path":"/a"}]';
    assert.equal(apply('{}', added), '{"__proto__":{"x":1},"a":{"x":1}}');
    assert.equal(({} as Record<string, unknown>).x, undefined);
  });

  test('an index is a number without leading zeros, within the list', () => {
    for (const index of ['01', '-1', '1e0', '3', '+1', ' 1', '']) {
      assert.equal(
        refusal('{"a":[1,2]}', `[{"op":"add","path":"/a/${index}","value":0}]`),
        'patch-failed patch[0]',
        index,
      );
    }
    assert.equal(apply('{"a":[1,2]}', '[{"op":"add","path":"/a/2","value":0}]'), '{"a":[1,2,0]}');
    assert.equal(refusal('{"a":[1,2]}', '[{"op":"remove","path":"/a/2"}]'), 'patch-failed patch[0]');
    assert.equal(refusal('{"a":[1,2]}', '[{"op":"remove","path":"/a/-"}]'), 'patch-failed patch[0]');
  });

  test('a value that is copied is not shared', () => {
    const patch = '[{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/x","value":1}]';
    assert.equal(apply('{"a":{}}', patch), '{"a":{},"b":{"x":1}}');
  });

  test('copies that double are stopped', () => {
    const copy = Array.from({ length: 40 }, (_, i) => `{"op":"copy","from":"","path":"/a${i}"}`);
    assert.equal(refusal('{"a":{"b":[1,2,3]}}', `[${copy.join()}]`), 'too-costly patch[17]');
  });

  test('copies into their own depths are stopped', () => {
    const document: Json[] = [{ op: 'add', path: '/a', value: {} }];
    for (let depth = 1; depth < 100_000; depth *= 2) {
      document.push({ op: 'copy', from: '/a', path: '/a'.repeat(depth + 1) });
    }
    assert.equal(refusal('{}', stringify(document)), 'patch-failed patch[8]');
  });

  test('more operations than 1,000 are too many', () => {
    const one = '{"op":"test","path":"/a","value":1}';
    assert.equal(apply('{"a":1}', `[${Array(1000).fill(one).join()}]`), '{"a":1}');
    assert.equal(refusal('{"a":1}', `[${Array(1001).fill(one).join()}]`), 'too-costly undefined');
  });

  test('does what another implementation does, on 500 random documents', () => {
    const below = random(6902);
    const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
    const tree = (depth: number): Json => {
      const kind = depth === 0 ? 0 : below(10);
      if (kind < 4) return pick<Json>([1, 2, 'x', 'y', true, null]);
      if (kind < 7) return Array.from({ length: below(4) }, () => tree(depth - 1));
      const names = ['a', 'b', '~', '/', 'é'].filter(() => below(2) === 0);
      return Object.fromEntries(names.map((name) => [name, tree(depth - 1)]));
    };
    for (let i = 0; i < 500; i++) {
      const [from, to] = [tree(4), tree(4)];
      const document = createPatch(from, to) as unknown as Json;
      const theirs = structuredClone({ root: from });
      const moved = (document as { path: string }[]).map((one) => ({ ...one, path: `/root${one.path}` }));
      applyPatch(theirs, moved as Parameters<typeof applyPatch>[1]);
      assert.deepEqual(applyJsonPatch(structuredClone(from), parseJsonPatch(document)), theirs.root, `document ${i}`);
      assert.deepEqual(theirs.root, to);
    }
  });
});

describe('JSON Merge Patch', () => {
  const cases: [string, string, string][] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a"]', '{"a":"b"}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ['{"a":1.00,"b":{"c":2.50}}', '{"a":1.10,"b":{"d":3.0}}', '{"a":1.10,"b":{"c":2.50,"d":3.0}}'],
    ['{}', '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ];
  for (const [target, patch, result] of cases) {
    test(`${target} with ${patch}`, () => {
      assert.equal(stringify(mergePatch(parseJson(target).exact, parseJson(patch).exact)), result);
    });
  }
});

test('depth is told without going deeper', () => {
  let tree: Json = 1;
  for (let i = 0; i < 100; i++) tree = [tree];
  assert.equal(isDeeper(tree), false);
  for (let i = 0; i < 100_000; i++) tree = { a: tree };
  assert.equal(isDeeper(tree), true);
});
