import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCerebraError } from '#platform';
import { random } from '#platform/testing';
import { parseJson, parseSentJson, stringify } from './json.ts';
import { countNames, findLoneSurrogate, findRepeatedName } from './json-sent.ts';

function refusal(text: string) {
  try {
    parseSentJson(text);
  } catch (error) {
    assert.ok(isCerebraError(error), String(error));
    return { code: error.code, message: error.message, expression: error.issues[0]?.expression };
  }
  return assert.fail(`taken: ${text.slice(0, 200)}`);
}

describe('repeated names', () => {
  const cases: [string, string, string][] = [
    ['{"resourceType":"Patient","active":true,"active":false}', 'Patient.active', 'line 1, column 41'],
    ['{"resourceType":"Patient","resourceType":"Observation"}', 'Observation.resourceType', 'line 1, column 27'],
    ['{"name":[{},\n{"family":"a","f\\u0061mily":"b"}]}', '$this.name[1].family', 'line 2, column 15'],
    ['{"__proto__":1,"__proto__":2}', '$this.__proto__', 'line 1, column 16'],
    ['[{"a":[{"b":1,"c":{"d":1,"d":2}}]}]', '$this[0].a[0].c.d', 'line 1, column 26'],
    ['{"a":"{\\",","a":1}', '$this.a', 'line 1, column 13'],
  ];
  for (const [text, path, place] of cases) {
    test(text.replaceAll('\n', ' '), () => {
      const { code, message, expression } = refusal(text);
      assert.equal(code, 'invalid-json');
      assert.deepEqual(expression, [path]);
      assert.match(message, new RegExp(`stands twice in one object, again at ${place}:`));
    });
  }

  test('the same name in several objects is none', () => {
    const text = '{"a":[{"b":1},{"b":2}],"b":{"a":{"b":",\\"b\\":"}},"c":"b"}';
    assert.deepEqual(parseSentJson(text).value, JSON.parse(text));
  });

  test('a string of megabytes is walked over', () => {
    const text = `{"a":"${'\\n'.repeat(3_000_000)}","a":1}`;
    assert.deepEqual(refusal(text).expression, ['$this.a']);
  });

  test('random trees are taken, and refused with one name more', () => {
    const next = random(99);
    const make = (depth: number): unknown => {
      const kind = next(depth > 4 ? 3 : 6);
      if (kind < 3) return ['x', 1.5, null][kind];
      if (kind === 3) return Array.from({ length: next(4) }, () => make(depth + 1));
      return Object.fromEntries(
        Array.from({ length: next(5) }, (_, i) => [`${'n'.repeat(next(3))}${i}`, make(depth + 1)]),
      );
    };
    for (let i = 0; i < 300; i++) {
      const text = JSON.stringify({ z: make(0), y: make(0) });
      assert.deepEqual(parseSentJson(text), parseJson(text), text);
      assert.equal(countNames(JSON.parse(text)), text.split('":').length - 1, text);
      const at = text.lastIndexOf('"y":');
      assert.equal(findRepeatedName(`${text.slice(0, at)}"z":1,${text.slice(at)}`)?.path, '.z', text);
    }
  });
});

describe('halves of surrogate pairs', () => {
  test('are refused with their place', () => {
    const cases: [string, number][] = [
      ['{"x":"\\ud800"}', 6],
      ['{"x":"a\\uDE00"}', 7],
      ['{"x":"\\ud83d \\ude00"}', 6],
      ['{"x":"\\ud83d","y":"\\ude00"}', 6],
      ['{"x":"\\ud83d\\ud83d\\ude00"}', 6],
      ['{"\\ud800":1}', 2],
    ];
    for (const [text, offset] of cases) {
      assert.equal(findLoneSurrogate(text), offset, text);
      assert.match(refusal(text).message, /Half a surrogate pair.*at line 1, column/);
    }
  });

  test('whole pairs, and what only looks like a half, are taken', () => {
    for (const text of [
      '{"x":"\\ud83d\\ude00"}',
      '{"x":"\\\\ud800"}',
      '{"x":"\ud83d\ude00"}',
      '{"x":"\\u0041\\\\\\ud83d\\ude00"}',
    ])
      assert.deepEqual(parseSentJson(text).value, JSON.parse(text));
  });
});

describe('how many values', () => {
  test('a million come through, and more in a text that is long', () => {
    const [few, many] = [`[${'1,'.repeat(999_000)}1]`, `[${'"0123456789",'.repeat(1_100_000)}1]`];
    assert.equal((parseSentJson(few).value as unknown[]).length, 999_001);
    assert.equal((parseSentJson(many).value as unknown[]).length, 1_100_001);
  });

  test('more are refused before they are made', () => {
    for (const text of [`[${'[],'.repeat(1_000_001)}1]`, `[${'1.00,'.repeat(300_000)}1]`]) {
      const { code, message } = refusal(text);
      assert.equal(code, 'too-costly');
      assert.match(message, /more than 1000000 values: send it in several parts/);
    }
  });
});

test('digits stay', () => {
  assert.equal(stringify(parseSentJson('{"a":1.00,"b":[2.50]}').exact), '{"a":1.00,"b":[2.50]}');
});
