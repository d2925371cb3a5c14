// Notes (NTE) of groups that repeat, and notes that nothing in R4 has a place for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Resource } from '#fhir-model';
import { entriesOf, mapLines, segment } from '../../testing/mapped.ts';
import {
  dg1,
  ft1,
  msh,
  obr,
  obx,
  orc,
  pid,
  pr1,
  pv1,
  rxa,
  rxd,
  rxe,
  rxo,
  rxr,
  sac,
  spm,
  tq1,
  vaccine,
} from '../../testing/note-lines.ts';

/** `Observation 2345-7`: what tells a resource from others of its type, and the texts of its notes. */
function notesIn(lines: readonly string[]): Record<string, string[]> {
  const resources = mapLines(...lines).entries.flatMap(({ resource }) => resource ?? []);
  const noted = resources.filter(({ note: own }) => Array.isArray(own));
  return Object.fromEntries(
    noted.map((resource) => [nameOf(resource), (resource.note as { text: string }[]).map(({ text }) => text)]),
  );
}

function nameOf({ resourceType, identifier, code, medicationCodeableConcept, vaccineCode, id }: Resource): string {
  // Several have the number of their order.
  const [number] = (resourceType === 'MedicationAdministration' ? [] : (identifier ?? [])) as { value?: string }[];
  const [coding] =
    ((code ?? medicationCodeableConcept ?? vaccineCode) as { coding?: { code: string }[] })?.coding ?? [];
  return `${resourceType} ${number?.value ?? coding?.code ?? id}`;
}

const nte = (text: string): string => `NTE|1||${text}`;
const about = (line: string, from: string, to: string): string => line.replaceAll(from, to);

describe('where groups repeat, notes are of their own', () => {
  const second = (line: string) => about(about(line, 'P1^', 'P2^'), 'F1^', 'F2^');
  const repeated: [string, string[], Record<string, string[]>][] = [
    [
      'orders, their specimens and results',
      [
        ...[msh('OML^O21^OML_O21'), pid, orc, nte('one'), obr, obx, nte('glucose'), spm, nte('blood')],
        ...[second(orc), second(obr), nte('two'), about(obx, '2345-7', '2346-7'), nte('other')],
        ...[about(spm, 'S1&', 'S2&'), sac, nte('tube')],
      ],
      {
        'ServiceRequest P1': ['one'],
        'Observation 2345-7': ['glucose'],
        'Specimen S1': ['blood'],
        'ServiceRequest P2': ['two'],
        'Observation 2346-7': ['other'],
        'Specimen S2': ['tube'],
      },
    ],
    [
      'orders of ORM, with one note before and one behind each OBR',
      [
        ...[msh('ORM^O01^ORM_O01'), pid, orc, nte('one'), obr, nte('OBR'), obx, second(orc), nte('two'), second(obr)],
        ...[about(obx, '2345-7', '2346-7'), nte('other')],
      ],
      { 'ServiceRequest P1': ['one\nOBR'], 'ServiceRequest P2': ['two'], 'Observation 2346-7': ['other'] },
    ],
    [
      'administrations under one order and within one group',
      [
        ...[msh('RAS^O17^RAS_O17'), pid, 'ORC|NW|P1^EHR', nte('order'), rxo],
        ...[about(rxa, '1234^', '1^'), nte('first'), about(rxa, '1234^', '2^'), rxr, nte('second')],
        ...[obx, about(rxa, '1234^', '3^'), about(rxa, '1234^', '4^'), nte('fourth')],
      ],
      {
        'MedicationRequest P1': ['order'],
        'MedicationAdministration 1': ['first'],
        'MedicationAdministration 2': ['second'],
        'MedicationAdministration 4': ['fourth'],
      },
    ],
    [
      'dispenses',
      [
        ...[msh('RDS^O13^RDS_O13'), pid, orc, nte('one'), rxe, about(rxd, '1234^', '1^'), nte('first')],
        ...[second(orc), about(rxd, '1234^', '2^'), nte('second')],
      ],
      { 'MedicationRequest P1': ['one'], 'MedicationDispense 1': ['first'], 'MedicationDispense 2': ['second'] },
    ],
    [
      'charges and their procedures',
      [
        ...[msh('DFT^P03^DFT_P03'), 'EVN||20260301', pid, ft1, nte('visit'), pr1, nte('cut')],
        ...[about(about(ft1, '|T1|', '|T2|'), '99213', '99214'), nte('other visit')],
      ],
      { 'ChargeItem T1': ['visit'], 'Procedure 80146002': ['cut'], 'ChargeItem T2': ['other visit'] },
    ],
    [
      'vaccinations',
      [
        ...[msh('VXU^V04^VXU_V04'), pid, 'ORC|RE||F1^LAB', vaccine, nte('left arm')],
        ...['ORC|RE||F2^LAB', nte('late'), about(vaccine, '08^Hep B', '20^DTaP'), obx, nte('seen')],
      ],
      { 'Immunization F1': ['left arm'], 'Immunization F2': ['late'], 'Observation 2345-7': ['seen'] },
    ],
    [
      'specimens with their orders',
      [
        ...[msh('OML^O33^OML_O33'), pid, spm, nte('blood'), orc, nte('one'), obr],
        ...[about(spm, 'S1&', 'S2&'), nte('urine'), second(orc), second(obr), nte('two')],
      ],
      {
        'Specimen S1': ['blood'],
        'ServiceRequest P1': ['one'],
        'Specimen S2': ['urine'],
        'ServiceRequest P2': ['two'],
      },
    ],
    [
      'diagnoses, of which only the second has one',
      [msh('ADT^A01^ADT_A01'), 'EVN||20260301', pid, pv1, dg1, about(dg1, 'E11^', 'I10^'), nte('severe')],
      { 'Condition I10': ['severe'] },
    ],
  ];
  for (const [what, lines, expected] of repeated) {
    it(what, () => {
      const mapped = mapLines(...lines);
      assert.deepEqual(
        mapped.warnings.filter((text) => text.startsWith('NTE')),
        [],
      );
      assert.deepEqual(notesIn(lines), expected);
    });
  }

  it('of a diagnosis before results none is theirs', () => {
    const lines = [msh('SIU^S12^SIU_S12'), 'SCH|A1^EHR', pid, obx, dg1, nte('severe')];
    assert.deepEqual(notesIn(lines), { 'Condition E11': ['severe'] });
  });

  it('and all of one thing that the message tells of twice', () => {
    const second = [orc, obr, nte('two'), spm, nte('blood'), nte('more'), dg1, nte('severe')];
    const lines = [msh('OML^O21^OML_O21'), pid, orc, obr, nte('one'), spm, nte('blood'), ...second];
    assert.deepEqual(notesIn(lines), {
      'Specimen S1': ['blood', 'blood\nmore'],
      'Condition E11': ['severe'],
      'ServiceRequest P1': ['one', 'two'],
    });
    const given = [
      msh('VXU^V04^VXU_V04'),
      pid,
      'ORC|RE||F1^LAB',
      vaccine,
      nte('left'),
      'ORC|RE||F1^LAB',
      vaccine,
      nte('arm'),
    ];
    assert.deepEqual(notesIn(given), { 'Immunization F1': ['left', 'arm'] });
  });

  it('also of one thing that it tells of 4,000 times', () => {
    const lines = Array.from({ length: 4000 }, (_, at) => [dg1, nte(`${at} ${'x'.repeat(2000)}`)]).flat();
    const head = [msh('ADT^A01^ADT_A01'), 'EVN||20260301', pid, pv1];
    const { 'Condition E11': notes } = notesIn([...head, ...lines, ...lines.slice(0, 2)]);
    assert.deepEqual([notes!.length, notes![0]!.slice(0, 3), notes!.at(-1)!.slice(0, 6)], [4000, '0 x', '3999 x']);
  });

  it('also where what they are about stands out of order', () => {
    const lines = [msh('ORM^O01^ORM_O01'), pid, orc, obr, obx, dg1, nte('severe')];
    assert.deepEqual(notesIn(lines), { 'Condition E11': ['severe'] });
  });

  it('the last one of a referral is of the whole', () => {
    const lines = [
      msh('REF^I12^REF_I12'),
      'RF1|A||MED^Medical^HL70281|||R1^EHR',
      'PRD|RP|DOC^DORA',
      pid,
      nte('urgent'),
    ];
    assert.deepEqual(notesIn(lines), { 'ServiceRequest R1': ['urgent'] });
    // The structure has no other place for a note of the referral.
    for (const last of [dg1, 'AL1|1|DA|7980^Penicillin^RXNORM', pr1])
      assert.deepEqual(notesIn([...lines.slice(0, -1), last, nte('urgent')]), { 'ServiceRequest R1': ['urgent'] });
    const result = [obr, obx, nte('seen')];
    assert.deepEqual(notesIn([...lines.slice(0, -1), dg1, nte('severe'), ...result]), {
      'Condition E11': ['severe'],
      'Observation 2345-7': ['seen'],
    });
    // RF1 out of order.
    const [head, rf1, ...others] = lines.slice(0, -1);
    assert.deepEqual(notesIn([head!, ...others, rf1!, nte('urgent')]), { 'ServiceRequest R1': ['urgent'] });
  });

  it('those of an ORC and its timing are of each OBR that shares it', () => {
    const lines = [
      msh('OML^O21^OML_O21'),
      pid,
      'ORC|NW|P1^EHR',
      nte('all'),
      tq1,
      nte('time'),
      'OBR|1|||1^One^L',
      'OBR|2|||2^Two^L',
    ];
    const requests = entriesOf(mapLines(...lines), 'ServiceRequest');
    assert.deepEqual(
      requests.map(({ resource }) => (resource.note as { text: string }[]).map(({ text }) => text)),
      [['all\ntime'], ['all\ntime']],
    );
  });
});

describe('a note behind what is no subject of one', () => {
  it('is about what stands before a line that is no segment, whose words no warning has', () => {
    const text = ['OBX|1|TX|18842-5^Note^LN||Line one', 'and line two'];
    const result = [msh('ORU^R01^ORU_R01'), pid, obr, ...text, nte('seen')];
    assert.deepEqual(notesIn(result), { 'Observation 18842-5': ['seen'] });
    assert.deepEqual(mapLines(...result).warnings, ['A line that is no segment']);
    const visit = [msh('ADT^A01^ADT_A01'), 'EVN||20260301', pid, 'and line two', nte('lost')];
    assert.deepEqual(mapLines(...visit).warnings, [
      'A line that is no segment',
      'NTE[1]: a note after PID has no place; left out',
    ]);
  });

  it('is about the diagnosis alone before a Z segment, and about OBX that stand in no group of their own', () => {
    const order = [msh('ORM^O01^ORM_O01'), pid, orc, obr, dg1, 'ZDG|1', nte('severe')];
    assert.deepEqual(notesIn(order), { 'Condition E11': ['severe'] });
    const device = [msh('ORU^R01^ORU_R01'), pid, obr, 'DEV|A|1', obx, nte('by device')];
    assert.deepEqual(notesIn(device), { 'Observation 2345-7': ['by device'] });
  });

  it('is about the charge, and not about the next OBR of the same ORC', () => {
    const lines = [msh('OML^O21^OML_O21'), pid, 'ORC|NW|P1^EHR', nte('all'), 'OBR|1|||1^One^L', ft1, nte('charge')];
    const requests = entriesOf(mapLines(...lines, 'OBR|2|||2^Two^L'), 'ServiceRequest');
    assert.deepEqual(
      requests.map(({ resource }) => (resource.note as { text: string }[]).map(({ text }) => text)),
      [['all'], ['all']],
    );
  });
});

describe('notes without a place', () => {
  it('are told together where they follow each other, and the empty ones not at all', () => {
    const { warnings } = mapLines(
      ...[msh('OML^O21^OML_O21'), nte('message'), pid, nte('a'), nte('b'), 'NTE|3', nte('c'), orc, nte('order'), obr],
    );
    assert.deepEqual(warnings, [
      'NTE[1]: a note after MSH has no place; left out',
      'NTE[2] to NTE[3]: notes after PID have no place; left out',
      'NTE[5]: a note after PID has no place; left out',
    ]);
  });

  it('are no more than 50 warnings', () => {
    const guarantors = Array.from({ length: 60 }, (_, at) => [`GT1|${at}||TEST^GUARANTOR`, nte('x'), 'NTE|2']).flat();
    const { warnings } = mapLines(msh('ADT^A01^ADT_A01'), 'EVN||20260301', pid, pv1, ...guarantors);
    const told = warnings.filter((text) => text.startsWith('NTE'));
    assert.deepEqual(told.slice(-2), [
      'NTE[99]: a note after GT1 has no place; left out',
      'NTE: 10 more have no place; left out',
    ]);
    assert.equal(told.length, 51);
  });
});

it('a report whose order is named twice has the notes of both', () => {
  const panel = about(obr, 'P1^EHR', '');
  const results = [msh('ORU^R01^ORU_R01'), pid, panel, nte('one'), obx, panel, nte('two'), panel, nte('two')];
  const [report] = entriesOf(mapLines(...results), 'DiagnosticReport');
  const extensions = report!.resource.extension as unknown as { valueAnnotation: { text: string } }[];
  assert.deepEqual(
    extensions.map(({ valueAnnotation }) => valueAnnotation.text),
    ['one', 'two'],
  );
});

it('a report that is withdrawn of one patient and told of another has the notes of that one alone', () => {
  const panel = (status: string) => segment('OBR', { 3: 'F1^LAB', 4: '24323-8^Panel^LN', 25: status });
  const wrong = [pid, panel('X'), nte('of the wrong one')];
  const right = [about(pid, '777', '778'), panel('F'), nte('of the right one'), obx];
  const [report] = entriesOf(mapLines(msh('ORU^R01^ORU_R01'), ...wrong, ...right), 'DiagnosticReport');
  const extensions = report!.resource.extension as unknown as { valueAnnotation: { text: string } }[];
  assert.deepEqual(
    extensions.map(({ valueAnnotation }) => valueAnnotation.text),
    ['of the right one'],
  );
});
