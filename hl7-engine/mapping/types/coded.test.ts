import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMessage } from '../../message/message.ts';
import { conceptMap } from '../codes/concept-map.ts';
import { compact } from '../compact.ts';
import { createMapping, type MappingConfig } from '../context.ts';
import { fixedZone } from '../datetime.ts';
import { grouped } from '../structure/structures.ts';
import { compileTable, runTable } from '../table/table.ts';

/** What a field becomes. */
function value(map: string, field: string, config: Partial<MappingConfig> = {}) {
  const message = parseMessage(Buffer.from(`MSH|^~\\&|A|HOSP|||2026||ADT^A01|1|P|2.5\rPID|${field}`));
  const mapping = createMapping(
    message,
    { messageKey: '1' },
    { zone: fixedZone('Z'), identifierSystems: {}, ...config },
  );
  const { root } = grouped(message, 'ADT_A01');
  const table = compileTable('PID', 'Patient', `1 | value | ${map}`);
  const result = runTable(table, { segment: message.segments[1]!, group: root, mapping });
  return { value: compact(result)?.value, warnings: mapping.finish().warnings };
}

const v3 = 'http://terminology.hl7.org/CodeSystem/v3-';
const v2 = 'http://terminology.hl7.org/CodeSystem/v2-';

describe('codes through a concept map', () => {
  it('are the map’s, whatever the sender calls the table', () => {
    for (const field of [
      'F',
      'f',
      'F^Female',
      'F^Female^HL70001',
      'F^Female^hl7_1',
      `F^Female^${v2}0001`,
      'F^Female^L',
    ]) {
      assert.deepEqual(value('code AdministrativeSex', field), { value: 'female', warnings: [] }, field);
    }
  });

  it('are the element’s own or none, with a warning, where the map does not have them', () => {
    assert.deepEqual(value('code AdministrativeSex', 'X'), {
      value: 'unknown',
      warnings: ['PID-1: code not known in table 0001'],
    });
    assert.deepEqual(value('code AdministrativeSex', 'F^Fox^99ANIMALS').value, 'unknown');
    assert.deepEqual(value('code AllergyType', 'ZZ'), {
      value: undefined,
      warnings: ['PID-1: code not known in table 0127'],
    });
    // Moderate has no criticality: that is no fault of the sender's.
    assert.deepEqual(value('code AllergySeverity[AllergyIntolerance.criticality]', 'MO'), {
      value: undefined,
      warnings: [],
    });
  });

  it('stand before what was sent', () => {
    assert.deepEqual(value('concept MaritalStatus', 'E^Legally separated').value, {
      coding: [
        { system: `${v3}MaritalStatus`, code: 'L', display: 'Legally Separated' },
        { system: `${v2}0002`, code: 'E', display: 'Legally separated' },
      ],
    });
    assert.deepEqual(value('concept MaritalStatus', 'M^Married^HL70002^^^^^^wed').value, {
      coding: [
        { system: `${v3}MaritalStatus`, code: 'M', display: 'Married' },
        { system: `${v2}0002`, code: 'M', display: 'Married' },
      ],
      text: 'wed',
    });
  });

  it('are said once where both are the same', () => {
    assert.deepEqual(value('concept MaritalStatus', 'M^verheiratet').value, {
      coding: [{ system: `${v3}MaritalStatus`, code: 'M', display: 'Married' }],
    });
    assert.deepEqual(value('CWE AdmissionType', 'E').value, { coding: [{ system: `${v2}0007`, code: 'E' }] });
  });

  it('stay as sent where the map or the table does not have them', () => {
    assert.deepEqual(value('concept MaritalStatus', 'Q^Queer').value, { coding: [{ code: 'Q', display: 'Queer' }] });
    assert.deepEqual(value('coding PatientClass[EncounterClass]', 'X^Extra^99HOSP').value, {
      system: 'urn:id:HOSP:99HOSP',
      code: 'X',
      display: 'Extra',
    });
    // No invented system under which the code does not exist.
    assert.deepEqual(value('CWE AdmissionType', 'Q').value, { coding: [{ code: 'Q' }] });
  });

  it('are a site’s own first', () => {
    const codeMap = (table: string, code: string) =>
      table === '0001' && code === 'X'
        ? { code: 'other' }
        : table === 'LOCAL' && code === 'K'
          ? { system: 'http://loinc.org', code: '2823-3', display: 'Potassium' }
          : undefined;
    assert.deepEqual(value('code AdministrativeSex', 'X', { codeMap }), { value: 'other', warnings: [] });
    assert.deepEqual(value('CWE', 'K^Kalium^LOCAL', { codeMap }).value, {
      coding: [
        { system: 'http://loinc.org', code: '2823-3', display: 'Potassium' },
        { system: 'urn:id:HOSP:LOCAL', code: 'K', display: 'Kalium' },
      ],
    });
    assert.deepEqual(
      (value('concept MaritalStatus', 'K^Kalium^LOCAL', { codeMap }).value as { coding: unknown[] }).coding.length,
      2,
    );
  });
});

describe('a concept map', () => {
  it('tells what is ours, what has no equivalent and what only stands in place of its codes', () => {
    const map = conceptMap('M', {
      table: '0001',
      system: 'urn:t',
      codes: 'A=x B C= !D=x =E',
      systems: { 'urn:u': 'B' },
    });
    assert.deepEqual(
      [...map.codes].map(([from, { system, code }]) => [from, system, code]),
      [
        ['A', 'urn:t', 'x'],
        ['B', 'urn:u', 'B'],
        ['D', 'urn:t', 'x'],
        ['E', 'urn:t', 'E'],
      ],
    );
    assert.deepEqual([...map.without, '|', ...map.ours, '|', ...map.knownCodes], ['C', '|', 'D', '|', 'A', 'B', 'C']);
    assert.throws(() => conceptMap('M', { table: '0001', codes: '=' }), SyntaxError);
  });
});

describe('simple types', () => {
  it('are left out with a warning where they cannot be read', () => {
    for (const [map, field, expected] of [
      ['date', '19800230', 'not a date'],
      ['dateTime', 'yesterday', 'not a time'],
      ['time', '25', 'not a time of day'],
      ['boolean', 'maybe', 'not Y or N'],
      ['integer', '1.5', 'not a whole number'],
      ['positiveInt', '0', 'not a whole number above 0'],
      ['unsignedInt', '-1', 'not a whole number'],
      ['decimal', 'many', 'not a number'],
      ['ST.uri', 'here', 'not a URI'],
    ] as const) {
      assert.deepEqual(value(map, field), { value: undefined, warnings: [`PID-1: ${expected}`] }, map);
    }
  });

  it('are read', () => {
    for (const [map, field, expected] of [
      ['date', '198002', '1980-02'],
      ['dateTime', '198002031405', '1980-02-03T14:05:00Z'],
      ['instant', '1980', undefined],
      ['boolean', 'Y', true],
      ['boolean', 'n', false],
      ['integer', '-7', -7],
      ['positiveInt', '2', 2],
      ['ID', ' a  b ', 'a b'],
      ['TX', 'one~two', 'one\ntwo'],
      ['CWE.text', 'C^words', 'words'],
      ['XPN.text', 'DOE^JANE^^^DR', 'DR JANE DOE'],
      ['CWE.Duration', '2^h^UCUM', { value: 2, unit: 'h', system: 'http://unitsofmeasure.org', code: 'h' }],
      ['NM.Quantity d', '3', { value: 3, unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' }],
      ['NR', '1^2', { low: { value: 1 }, high: { value: 2 } }],
      ['DR', '2026^2027', { start: '2026', end: '2027' }],
      [
        'DLN',
        'D1^CA^20270101',
        {
          type: { coding: [{ system: `${v2}0203`, code: 'DL' }] },
          system: 'urn:id:CA:DL',
          value: 'D1',
          period: { end: '2027-01-01' },
          assigner: { display: 'CA' },
        },
      ],
    ] as const) {
      assert.deepEqual(value(map, field), { value: expected, warnings: [] }, map);
    }
  });
});
