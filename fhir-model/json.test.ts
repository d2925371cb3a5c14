import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError } from '#platform';
import { random } from '#platform/testing';
import { decimalText, depthMax, isRawJson, parseJson, type RawJson, stringify } from './json.ts';
import type { JsonObject } from './types.ts';

const lossyNumbers = [
  '1.00',
  '1e3',
  '1E3',
  '1.50e-7',
  '0.1000000000000000055',
  '-0',
  '-0.0',
  '12345678901234567890',
  '0.0000001',
  '1e400',
  '7.0',
];
const plainNumbers = ['0', '1', '-1', '1.5', '-0.25', '123456789012345', '0.000001', '72.5'];

function faultOf(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert.ok(error instanceof CerebraError);
    assert.equal(error.code, 'invalid-json');
    return error.message;
  }
  return assert.fail('parsed');
}

for (const digits of lossyNumbers) {
  test(`${digits} keeps its digits`, () => {
    const text = `{"a":[${digits},"${digits}"],"b":${digits}}`;
    const { value, exact } = parseJson(text);
    assert.equal(stringify(exact), text);
    const held = (exact as JsonObject).b as unknown as RawJson;
    assert.ok(isRawJson(held));
    assert.equal(decimalText(held), digits);
    assert.deepEqual(value, JSON.parse(text));
  });
}

for (const digits of plainNumbers) {
  test(`${digits} takes the fast path`, () => {
    const text = `{"a":[${digits}],"b":"1.00, 1e3"}`;
    const { value, exact } = parseJson(text);
    assert.equal(exact, value);
    assert.equal(stringify(exact), text);
    assert.equal(decimalText(((value as JsonObject).a as number[])[0] ?? Number.NaN), digits);
  });
}

test('a number alone is a text too', () => {
  assert.equal(stringify(parseJson('1.00').exact), '1.00');
  assert.equal(parseJson(' "x" ').value, 'x');
});

test('strings that look like marked numbers stay strings, beside a number that is marked', () => {
  for (const text of ['{"a":"\u00801.00","b":1.00}', '{"a":"\\u00801.00","b":1.00}', '{"\u0080":2.50}']) {
    const exact = parseJson(text).exact as JsonObject;
    assert.equal(stringify(exact), text.replace('\\u0080', '\u0080'));
  }
});

test('texts of any script survive, paired and lone surrogates too', () => {
  const text = '{"a":"\u{1F600} \u4E2D \u00DF \\ud83d","b":2.0}';
  assert.equal(stringify(parseJson(text).exact), text);
  assert.equal((parseJson(text).value as JsonObject).a, '\u{1F600} \u4E2D \u00DF \ud83d');
});

test('quotes, brackets and digits in strings are not structure', () => {
  const text = `{"a":"${'[{'.repeat(depthMax)} \\" 1.00 \\\\","b":"\\\\"}`;
  const { value, exact } = parseJson(text);
  assert.equal(exact, value);
  assert.equal(stringify(value), text);
});

test('a byte order mark is passed over', () => {
  assert.deepEqual(parseJson('\ufeff{"a":1}').value, { a: 1 });
});

test('of repeated names the last one counts, in both forms', () => {
  const { value, exact } = parseJson('{"a":1.0,"b":2,"a":3.0}');
  assert.equal(stringify(value), '{"a":3,"b":2}');
  assert.equal(stringify(exact), '{"a":3.0,"b":2}');
});

test('__proto__ and constructor are names like any other', () => {
  const text = '{"__proto__":{"polluted":1.0},"constructor":{"prototype":2.0},"x":1}';
  const { value, exact } = parseJson(text);
  assert.equal(stringify(exact), text);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal((value as JsonObject).polluted, undefined);
  assert.equal(Object.getPrototypeOf(parseJson('{"__proto__":1.0}').exact), Object.prototype);
  assert.equal(({} as JsonObject).polluted, undefined);
});

test(`${depthMax} levels pass, one more does not`, () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  assert.equal(stringify(parseJson(deep(depthMax)).exact), deep(depthMax));
  assert.equal(faultOf(deep(depthMax + 1)), `Nested deeper than ${depthMax} levels at line 1, column ${depthMax + 1}`);
  assert.equal(
    faultOf(`{"a":1.0,\n"b":${deep(100_000)}}`),
    `Nested deeper than ${depthMax} levels at line 2, column ${depthMax + 4}`,
  );
  assert.match(faultOf('['.repeat(100_000)), /^Nested deeper/);
  assert.match(faultOf('{"a":'.repeat(100_000)), /^Nested deeper/);
  assert.equal(
    faultOf(`${']'.repeat(100_000)}${'['.repeat(100_000)}`),
    "Not JSON at line 1, column 1: expected a value, found ']'",
  );
});

const faults: [string, string][] = [
  ['', 'line 1, column 1: expected a value, found the end of the text'],
  ['  ', 'line 1, column 3: expected a value, found the end of the text'],
  ['{', "line 1, column 2: expected a name in quotes or '}', found the end of the text"],
  ['{"a":1,}', "line 1, column 8: expected a name in quotes, found '}'"],
  ['{"a" 1}', "line 1, column 6: expected ':', found '1'"],
  ['{"a":}', "line 1, column 6: expected a value, found '}'"],
  ['{"a":1\n "b":2}', "line 2, column 2: expected ',' or '}', found '\"'"],
  ['[1,2', "line 1, column 5: expected ',' or ']', found the end of the text"],
  ['[1,]', "line 1, column 4: expected a value, found ']'"],
  ['[1}', "line 1, column 3: expected ',' or ']', found '}'"],
  ['{"a":1}x', "line 1, column 8: expected the end of the text, found 'x'"],
  ['{a:1}', "line 1, column 2: expected a name in quotes or '}', found 'a'"],
  ["{'a':1}", "line 1, column 2: expected a name in quotes or '}', found '''"],
  ['{"a":01}', "line 1, column 7: expected ',' or '}', found '1'"],
  ['{"a":1.}', "line 1, column 7: expected ',' or '}', found '.'"],
  ['{"a":.5}', "line 1, column 6: expected a value, found '.'"],
  ['{"a":+1}', "line 1, column 6: expected a value, found '+'"],
  ['{"a":NaN}', "line 1, column 6: expected a value, found 'N'"],
  ['{"a":"x\ty"}', 'line 1, column 8: expected a closing quote (control characters need escapes), found U+0009'],
  ['{"a":"\\x"}', "line 1, column 7: expected a valid escape, found '\\'"],
  ['{"a":"\\u12"}', "line 1, column 7: expected a valid escape, found '\\'"],
  [
    '{"a":"x',
    'line 1, column 8: expected a closing quote (control characters need escapes), found the end of the text',
  ],
  ['\n\n{"a":\u{1F600}}', 'line 3, column 6: expected a value, found U+1F600'],
  ['{"a":1e}', "line 1, column 7: expected ',' or '}', found 'e'"],
  ['{"a":1.00,"b":tru}', "line 1, column 15: expected a value, found 't'"],
];

for (const [text, where] of faults) {
  test(`the fault in ${JSON.stringify(text)} is located`, () => assert.equal(faultOf(text), `Not JSON at ${where}`));
}

test('10,000 damaged texts: parsed exactly when JSON.parse does, located otherwise', () => {
  const next = random(7);
  const original =
    '{"resourceType":"Observation","valueQuantity":{"value":6.30,"unit":"mmol/L"},"n":[1,-0,null,true,"a\\nb"]}';
  const inserts = ['"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', 'u', ' ', '\n', '\u0000', 'é'];
  for (let round = 0; round < 10_000; round++) {
    const at = next(original.length);
    const damaged = original.slice(0, at) + inserts[next(inserts.length)] + original.slice(at + next(3));
    let expected: string | undefined;
    try {
      expected = JSON.stringify(JSON.parse(damaged));
    } catch {
      expected = undefined;
    }
    if (expected === undefined) assert.match(faultOf(damaged), /^Not JSON at line \d+, column \d+: expected /);
    else assert.equal(JSON.stringify(parseJson(damaged).value), expected);
  }
});
