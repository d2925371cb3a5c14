import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMessage } from '../../message/message.ts';
import { createMapping } from '../context.ts';
import { fixedZone } from '../datetime.ts';
import { grouped } from '../structure/structures.ts';
import { TableError } from './row.ts';
import { compileTable, runTable, type TableOptions } from './table.ts';

const header = 'MSH|^~\\&|LAB|HOSPITAL|||20260301080000+0100||ADT^A01|1|P|2.5';

function run(rows: string, segments: string[], options: TableOptions & { target?: string } = {}) {
  const message = parseMessage(Buffer.from([header, ...segments].join('\r')));
  const mapping = createMapping(message, { messageKey: 'test' }, { zone: fixedZone('Z'), identifierSystems: {} });
  const { root } = grouped(message, 'ADT_A01');
  const table = compileTable('PID', options.target ?? 'Patient', rows, options);
  const cleared: string[] = [];
  const resource = runTable(table, { segment: message.segment('PID')!, group: root, mapping }, cleared);
  return { resource, cleared, warnings: mapping.finish().warnings };
}

describe('mapping table', () => {
  it('appends an item a repetition, of several fields in their order', () => {
    const { resource } = run('2,3 | identifier[] | CX', ['PID||9^^^A&1.2&ISO|1^^^A&1.2&ISO~2^^^B&1.3&ISO']);
    const values = (resource!.identifier as { system: string; value: string }[]).map(({ system, value }) => [
      system,
      value,
    ]);
    assert.deepEqual(values, [
      ['urn:oid:1.2', '9'],
      ['urn:oid:1.2', '1'],
      ['urn:oid:1.3', '2'],
    ]);
  });

  it('keeps what a plain element has: a later row is what stands where others gave none', () => {
    const rows = `
      8 | gender | code AdministrativeSex
      # a comment
      "unknown" | gender`;
    assert.deepEqual(run(`${rows}\n5 | name[] | XPN`, ['PID|||||DOE^JANE|||F']).resource, {
      resourceType: 'Patient',
      gender: 'female',
      name: [{ ...(run('5 | name[] | XPN', ['PID|||||DOE^JANE']).resource!.name![0 as never] as object) }],
    });
    assert.equal(run(`${rows}\n5 | name[] | XPN`, ['PID|||||DOE^JANE']).resource!.gender, 'unknown');
  });

  it('makes nothing of constants alone', () => {
    assert.equal(run('"active" | status\n5 | name[] | XPN', ['PID|1']).resource, undefined);
  });

  it('sets companions in the same item, and only with a value', () => {
    const rows = '2,4 | contact[].name.text & gender = "female" & relationship[0] = $next | ST';
    const options = { constants: { next: { text: 'N' } } };
    assert.deepEqual(run(rows, ['PID||A||B'], options).resource!.contact, [
      { name: { text: 'A' }, gender: 'female', relationship: [{ text: 'N' }] },
      { name: { text: 'B' }, gender: 'female', relationship: [{ text: 'N' }] },
    ]);
    assert.equal(run(rows, ['PID|1'], options).resource, undefined);
  });

  it('finds an extension by its url and an item by its index', () => {
    const rows = `
      2 | extension[http://a.example/x.y].extension[one].valueString | ST
      4 | extension[http://a.example/x.y].extension[two].valueString | ST
      5 | contact[0].name.text | ST
      6 | contact[0].gender | ID
      7 | _birthDate.extension[urn:t].valueDateTime | instant | length > 8`;
    const { resource } = run(rows, ['PID||1||2|N|male|198001011230']);
    assert.deepEqual(resource, {
      resourceType: 'Patient',
      extension: [
        {
          url: 'http://a.example/x.y',
          extension: [
            { url: 'one', valueString: '1' },
            { url: 'two', valueString: '2' },
          ],
        },
      ],
      contact: [{ name: { text: 'N' }, gender: 'male' }],
      _birthDate: { extension: [{ url: 'urn:t', valueDateTime: '1980-01-01T12:30:00+01:00' }] },
    });
    assert.equal(run(rows, ['PID|||||||19800101']).resource, undefined);
  });

  it('reads components, repetitions and other segments', () => {
    const rows = `
      5.2 | a | ST
      5[2].1 | b | ST
      3.4.2 | c | ST
      PV1-19 | d | ST
      5.1 | e[] | ST
      3.4 | f | HD.uri`;
    const { resource } = run(rows, ['PID|||1^^^NS&1.2.3&ISO||DOE^JANE~ROE', 'PV1|1||||||||||||||||||V7']);
    assert.deepEqual(resource, {
      resourceType: 'Patient',
      a: 'JANE',
      b: 'ROE',
      c: '1.2.3',
      d: 'V7',
      e: ['DOE', 'ROE'],
      f: 'urn:oid:1.2.3',
    });
  });

  it('tells that a repetition has no place', () => {
    const { resource, warnings } = run('8 | gender | code AdministrativeSex', ['PID||||||||F~M']);
    assert.equal(resource!.gender, 'female');
    assert.deepEqual(warnings, ['PID-8: only the first repetition has a place']);
  });

  it('lists what is cleared, unless another field gave it', () => {
    const rows = `
      5,9 | name[] | XPN
      8 | gender | code AdministrativeSex
      13 | telecom[] | XTN home
      14 | telecom[] | XTN work
      17 | extension[urn:r].valueString | ST
      29 | period.end | dateTime`;
    const nulls = run(rows, ['PID|||||""|||""|ROE||||""|5551234|||""||||||||||||""']);
    assert.deepEqual(nulls.cleared, ['gender', 'telecom[use=home]', 'extension[url=urn:r]', 'period.end']);
  });

  it('has the conditions', () => {
    const segment = 'PID||2||||||F|x~y^1|||||||||||||||||||||Y';
    const holds = (condition: string) =>
      run(`8 | gender | ID | ${condition}`, [segment, 'PV1|1|I']).resource !== undefined;
    for (const condition of [
      '29 empty',
      '30 valued',
      'not 29 valued',
      '30 = "Y"',
      '30 != "N"',
      'in ("F", "M")',
      'PV1-2 = "I"',
      '29 empty and (30 = "N" or PV1-2 in ("I"))',
      '9 length < 2',
      'matches /^[FM]$/',
      'length > 0',
      '7 empty and 6 empty and 5 empty',
    ])
      assert.equal(holds(condition), true, condition);
    for (const condition of [
      '29 valued',
      '30 = "N"',
      'in ("X")',
      'not 30 valued',
      'PV1-3 valued',
      '9 length > 3',
      '30 null',
    ])
      assert.equal(holds(condition), false, condition);
    assert.deepEqual(run('9 | name[].text | ST | .2 = "1"', [segment]).resource!.name, [{ text: 'y' }]);
  });

  it('lets custom maps give several items', () => {
    const custom = { words: (part: { text: string | undefined }) => part.text?.split(' ') };
    assert.deepEqual(run('5 | given[] | custom words', ['PID|||||A B'], { custom }).resource!.given, ['A', 'B']);
  });

  for (const [row, why] of [
    ['3 | identifier[] | CY', 'no data type map "CY"'],
    ['3 | identifier[] | CX a b c', 'a kind and a type'],
    ['8 | gender | code Gender', 'no concept map "Gender"'],
    ['8 | gender | custom x', 'no custom map "x"'],
    ['8 | gender | ID | 9 vald', 'condition "9 vald"'],
    ['8 | gender | ID | 9 = "x" or', 'condition "9 = "x" or"'],
    ['x | gender | ID', 'no field "x"'],
    ['8 | | ID', 'no target'],
    ['8 | - |', 'no reason'],
    ['8 | gender. | ID', 'element "gender."'],
    ['8 | a & b = $c | ID', '"& b = $c"'],
    ['8 | a | ID | 9 empty | 8', 'more than four columns'],
    ['8 | a | ref Nobody', 'one of Practitioner'],
  ] as const) {
    it(`names the row that has a fault: ${row}`, () => {
      assert.throws(
        () => compileTable('PID', 'Patient', row),
        (error: unknown) =>
          error instanceof TableError && error.message.includes(why) && error.message.startsWith('PID[Patient]: '),
      );
    });
  }
});
