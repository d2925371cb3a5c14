// Lines and rows of text files: encodings, line ends, quotes, and files without either.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { random } from '#platform/testing';
import { createFaults } from './faults.ts';
import { createIdTable } from './id-table.ts';
import { readLines } from './lines.ts';
import { readRows, readTable, splitCsv } from './table.ts';

const fileOf = (content: string | Buffer, pieceBytes = 5) => ({
  name: 'x.txt',
  bytes: content.length,
  mark: async () => '',
  async *read() {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  },
});

function faultsOf() {
  const told: string[] = [];
  const text = (kind: string) => (fault: { line?: number; text: string }) =>
    told.push(`${kind} ${fault.line}: ${fault.text}`);
  return { told, faults: createFaults(text('fault'), text('note')) };
}

async function lines(content: string | Buffer, pieceBytes?: number, lineBytesMax?: number) {
  const { told, faults } = faultsOf();
  const found: [number, string][] = [];
  for await (const { from, texts } of readLines(fileOf(content, pieceBytes), faults, lineBytesMax)) {
    for (const [i, text] of texts.entries()) found.push([from + i, text]);
  }
  return { found, told };
}

const numbered = (...texts: string[]): [number, string][] => texts.map((text, i) => [i + 1, text]);

describe('lines', () => {
  const expected = numbered('first', '', 'größe', 'last');
  for (const [what, content] of [
    ['line feeds', 'first\n\ngröße\nlast'],
    ['a line feed at the end', 'first\n\ngröße\nlast\n'],
    ['carriage returns too', 'first\r\n\r\ngröße\r\nlast\r\n'],
    ['carriage returns alone', 'first\r\rgröße\rlast'],
    ['a byte order mark', '\ufefffirst\n\ngröße\nlast'],
    ['UTF-16, little end first', Buffer.from('\ufefffirst\n\ngröße\nlast', 'utf16le')],
    ['UTF-16, big end first', Buffer.from('\ufefffirst\n\ngröße\nlast', 'utf16le').swap16()],
  ] as const) {
    test(`with ${what}, in pieces of any size`, async () => {
      for (const pieceBytes of [1, 2, 3, 7, 1000])
        assert.deepEqual(await lines(content, pieceBytes), { found: expected, told: [] });
    });
  }

  test('that are not UTF-8 are read as Windows-1252, those that are as they are', async () => {
    const content = Buffer.concat([
      Buffer.from('größe\n'),
      Buffer.from('caf\xe9 \x80\n', 'latin1'),
      Buffer.from('größe\n'),
    ]);
    const { found, told } = await lines(content, 1000);
    assert.deepEqual(found, numbered('größe', 'café €', 'größe'));
    assert.deepEqual(told, ['note 2: not UTF-8: lines of this file that are not are read as Windows-1252']);
  });

  test('that are too long are told and left out, whatever their length', async () => {
    const { found, told } = await lines(`a\n${'b'.repeat(5_000_000)}\nc\n`, 10_000, 50_000);
    assert.deepEqual(found, [
      [1, 'a'],
      [3, 'c'],
    ]);
    assert.deepEqual(told, ['fault 2: the line is longer than 50000 bytes and is left out']);
  });

  test('of an empty file are none', async () => {
    assert.deepEqual(await lines(''), { found: [], told: [] });
  });
});

describe('CSV', () => {
  test('splits as RFC 4180 tells', () => {
    assert.deepEqual(splitCsv('a,b,,'), ['a', 'b', '', '']);
    assert.deepEqual(splitCsv('"a,b","say ""no""",""'), ['a,b', 'say "no"', '']);
    assert.deepEqual(splitCsv('a,"b"c,d'), ['a', 'bc', 'd']);
    assert.equal(splitCsv('a,"b'), undefined);
  });

  test('reads records that span lines, with the line that they begin in', async () => {
    const { told, faults } = faultsOf();
    const rows = [];
    const content = 'a,b\r\n"one\r\ntwo","x ""y"" z"\r\n\r\nlast,1\r\n"open,\r\n';
    for await (const some of readRows(fileOf(content), ',', faults)) rows.push(...some);
    assert.deepEqual(rows, [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['one\ntwo', 'x "y" z'] },
      { line: 5, fields: ['last', '1'] },
    ]);
    assert.deepEqual(told, ['fault 6: a quote opens here that is not closed: the record is left out']);
  });

  test('what is written is what is read', async () => {
    const below = random(7);
    const pieces = ['a', ',', '"', '\n', ' ', 'ü', ''];
    const field = () => Array.from({ length: below(6) }, () => pieces[below(pieces.length)]).join('');
    for (let i = 0; i < 100; i++) {
      const rows = Array.from({ length: 4 }, () => ['x', field(), field()]);
      const content = rows.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(',')).join('\n');
      const found = [];
      for await (const some of readRows(fileOf(content, 1 + below(9)), ',', faultsOf().faults)) found.push(...some);
      assert.deepEqual(
        found.map(({ fields }) => fields),
        rows,
      );
    }
  });
});

test('a table is read by its header, in any order and case, rows of another width left out', async () => {
  const { told, faults } = faultsOf();
  const rows = [];
  const content = 'B\ta\tother\r\n1\t2\t3\r\nshort\r\n4\t5\t6\r\n';
  for await (const some of readTable(fileOf(content), '\t', ['A', 'b'], ['none'], faults)) rows.push(...some);
  assert.deepEqual(rows, [
    { line: 2, values: { A: '2', b: '1', none: '' } },
    { line: 4, values: { A: '5', b: '4', none: '' } },
  ]);
  assert.deepEqual(told, ['fault 3: 1 fields, the header has 3: the row is left out']);
});

test('a table of ids keeps what a Map keeps, ids of 18 digits told apart', () => {
  const table = createIdTable();
  const map = new Map<string, number>();
  const below = random(3);
  for (let i = 0; i < 20_000; i++) {
    const digits = 1 + below(18);
    const id = Array.from({ length: digits }, (_, at) => String(at === 0 ? 1 + below(9) : below(10))).join('');
    table.set(id, i);
    map.set(id, i);
  }
  assert.equal(table.size, map.size);
  for (const [id, value] of map) assert.equal(table.get(id), value);
  assert.deepEqual([table.get('0'), table.get('999999999999999998')], [undefined, map.get('999999999999999998')]);
});
