import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinitions, rawJson } from '#fhir-model';
import { primitiveRules } from './primitives.ts';

const rules = primitiveRules(await loadDefinitions());
const xhtml = (content: string) => `<div xmlns="http://www.w3.org/1999/xhtml">${content}</div>`;
const megabyte = 1024 * 1024;

const cases: Record<string, { valid: unknown[]; invalid: unknown[] }> = {
  boolean: { valid: [true, false], invalid: ['true', 1, null, 0] },
  decimal: { valid: [0, -1.5, 1e21, rawJson('1.00'), rawJson('1e3')], invalid: ['1.0', true, null, {}] },
  integer: {
    valid: [0, -1, 2147483647, -2147483648, rawJson('-0')],
    invalid: [1.5, 2147483648, -2147483649, 1e21, rawJson('1.0'), rawJson('1e3'), rawJson('12345678901234567890'), '1'],
  },
  unsignedInt: { valid: [0, 7], invalid: [-1, 0.5, 2147483648] },
  positiveInt: { valid: [1, 2147483647], invalid: [0, -1, 1.5] },
  string: {
    valid: ['a', ' ', 'a\u00a0b', '\u00a0', 'tab\tline\r\n', '\u{1F600}', 'x'.repeat(megabyte)],
    invalid: ['', 'a\u0000', '\u001f', 'x'.repeat(megabyte + 1), 1],
  },
  markdown: { valid: ['# a\n\nb'], invalid: ['', '\u0007'] },
  code: { valid: ['a', 'a b', 'a\u00a0b'], invalid: ['', ' a', 'a ', 'a  b', 'a\n', ' '] },
  id: { valid: ['a', 'A-z.0', 'x'.repeat(64)], invalid: ['', 'x'.repeat(65), 'a_b', 'a\n', 'ä'] },
  uri: { valid: ['http://x', 'urn:oid:1.2', 'x|y', 'relative'], invalid: ['', 'a b', 'a\n', ' a'] },
  url: { valid: ['http://x'], invalid: ['', 'a b'] },
  canonical: { valid: ['http://x|1'], invalid: ['', 'a b'] },
  oid: { valid: ['urn:oid:1.2.840.0'], invalid: ['1.2.3', 'urn:oid:3.1', 'urn:oid:1', 'urn:oid:1.01'] },
  uuid: {
    valid: ['urn:uuid:c757873d-ec9a-4326-a141-556f43239520'],
    invalid: ['c757873d-ec9a-4326-a141-556f43239520', 'urn:uuid:C757873D-EC9A-4326-A141-556F43239520', 'urn:uuid:x'],
  },
  base64Binary: {
    valid: ['AAAA', 'AA==', 'AA\r\n==', ' AAAA '],
    invalid: ['', 'A', 'AAA', 'AAAA!', ' ', 'AA-_', 'Aé=='],
  },
  date: {
    valid: ['2024', '2024-02', '2024-02-29', '2000-02-29', '0001-12-31'],
    invalid: [
      '',
      '24',
      '0000',
      '2024-13',
      '2024-00',
      '2023-02-29',
      '1900-02-29',
      '2024-04-31',
      '2024-1-1',
      '2024-01-01T00:00:00Z',
      '2024-01-01 ',
    ],
  },
  dateTime: {
    valid: [
      '2024',
      '2024-02-29',
      '2024-01-01T00:00:00Z',
      '2024-01-01T23:59:60.123456+14:00',
      '2024-01-01T00:00:00.1-05:30',
    ],
    invalid: [
      '2024-01-01T00:00:00',
      '2024-01-01T00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:00:00+15:00',
      '2023-02-29T00:00:00Z',
      '2024-01T00:00:00Z',
    ],
  },
  instant: {
    valid: ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000-03:00'],
    invalid: ['2024', '2024-01-01', '2024-01-01T00:00:00', '2024-02-30T00:00:00Z'],
  },
  time: { valid: ['00:00:00', '23:59:59.5'], invalid: ['24:00:00', '12:00', '12:00:00Z', '1:00:00'] },
  xhtml: {
    valid: [
      xhtml('a'),
      xhtml('<p title="a > b">a<br/></p><!-- <script> -->'),
      xhtml('<img src="#a" alt="a"/>'),
      xhtml('<a href="http://x?a=1&amp;b=2" style="color: red">x</a>'),
      ` ${xhtml('&lt;script&gt;')}\n`,
    ],
    invalid: [
      '',
      'a',
      '<p>a</p>',
      '<divx>a</divx>',
      xhtml(''),
      xhtml(' <p> </p>'),
      xhtml('<script>x</script>'),
      xhtml('<SCRIPT>x</SCRIPT>'),
      xhtml('<iframe src="x"/>a'),
      xhtml('<form>a</form>'),
      xhtml('<p onclick="x">a</p>'),
      xhtml('<p ONCLICK = "x">a</p>'),
      xhtml("<p title='a'onclick='x'>a</p>"),
      xhtml('<a href="javascript:x">a</a>'),
      xhtml('<a href=" java\nscript:x">a</a>'),
      xhtml('<a href="&#106;avascript&#x3A;x">a</a>'),
      xhtml('<a href="javascript&colon;x">a</a>'),
      xhtml('<a href="data:text/html,x">a</a>'),
      xhtml('<p a=b>a</p>'),
      xhtml('<p a'),
      xhtml('<p <b>a</b>'),
      xhtml('<!-- a'),
      xhtml('<![CDATA[a]]>'),
      `<!DOCTYPE x [<!ENTITY a "b">]>${xhtml('a')}`,
      xhtml('<?php x ?>a'),
      xhtml('a\u0000'),
    ],
  },
};

for (const [name, { valid, invalid }] of Object.entries(cases)) {
  test(name, () => {
    const rule = rules.get(name) ?? assert.fail('no such rule');
    const wrong = (values: unknown[], expected: boolean) => values.filter((value) => rule.check(value) !== expected);
    assert.deepEqual(wrong(valid, true), []);
    assert.deepEqual(wrong(invalid, false), []);
  });
}

test('every primitive of R4 has a rule', () => {
  assert.deepEqual([...rules.keys()].sort(), Object.keys(cases).sort());
});

test('texts of 8 MB neither throw nor stall', () => {
  const length = 8 * megabyte;
  const hostile = ['a', ' ', 'a ', '"', '<a ', '<p a="', "<p 'x' ", 'A', 'AAAA ', '.0', '&#', ' on', '<!--'];
  for (const piece of hostile) {
    const text = piece.repeat(length / piece.length);
    for (const [name, rule] of rules) {
      const value = name === 'xhtml' ? xhtml(`<p ${text}`) : `${text}!`;
      assert.equal(rule.check(value), false, `${name} ${piece}`);
    }
  }
});
