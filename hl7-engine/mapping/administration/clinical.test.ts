// Allergies of ADT^A60 with their notes and reactions, and what was measured in a procedure: HL7 v2.9 chapters 3.4.6 to 3.4.8, 6.5.4
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines, onlyEntry, onlyResource } from '../../testing/mapped.ts';

const msh = (type: string): string => `MSH|^~\\&|EHR|HOSP|X|Y|20240102030405||${type}|1|P|2.8`;
const pid = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800101|F';

describe('ADT^A60', () => {
  const a60 = (...lines: string[]) => mapLines(msh('ADT^A60^ADT_A60'), 'EVN||20240102', pid, ...lines);

  it('has the reactions of IAM and IAR, and the notes, of each allergy', () => {
    const mapped = a60(
      'IAM|1|DA|PEN^Penicillin^L|SV|Hives~247472004^Rash^SCT|A|AL1^EHR',
      'NTE|1|P|seen in 2020',
      'IAR|271807003^Eruption^SCT|MO||antihistamine',
      'IAR||SV',
      'IAM|2|FA|NUT^Peanut^L|MO||A|AL2^EHR',
    );
    const [penicillin, peanut] = entriesOf(mapped, 'AllergyIntolerance').map(({ resource }) => resource);
    const sct = (code: string, display: string): JsonObject => ({
      coding: [{ system: 'http://snomed.info/sct', code, display }],
    });
    assert.deepEqual(penicillin!.reaction, [
      { manifestation: [{ text: 'Hives' }, sct('247472004', 'Rash')], severity: 'severe' },
      { manifestation: [sct('271807003', 'Eruption')], severity: 'moderate', note: [{ text: 'antihistamine' }] },
    ]);
    assert.deepEqual(penicillin!.note, [{ authorString: 'Orderer (placer)', text: 'seen in 2020' }]);
    assert.deepEqual([peanut!.reaction, peanut!.note], [undefined, undefined]);
    assert.deepEqual(mapped.warnings, []);
  });
});

describe('PR1', () => {
  it('has what was measured in it', () => {
    const mapped = mapLines(
      msh('BAR^P12^BAR_P12'),
      'EVN||20240102',
      pid,
      'PV1|1|I|||||||||||||||||V1',
      'PR1|1||0DTJ^Appendectomy^I10P||20240101',
      'OBX|1|NM|EBL^Blood loss^L||150|mL',
    );
    const { partOf, subject, status } = onlyResource(mapped, 'Observation');
    assert.deepEqual(partOf, [{ reference: onlyEntry(mapped, 'Procedure').url }]);
    assert.deepEqual([subject, status], [{ reference: onlyEntry(mapped, 'Patient').fullUrl }, 'final']);
  });
});
