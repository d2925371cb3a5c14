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

describe('IAM', () => {
  it('has the reactions (IAR) that follow it, where its message has no groups too', () => {
    const mapped = mapLines(
      ...[msh('ADT^A31^ADT_A05'), 'EVN||20240102', pid, 'AL1|1|DA|LAT^Latex^L'],
      ...['IAM|1|DA|PEN^Penicillin^L|||A|AL1^EHR', 'IAR|Hives|MO', 'IAM|2|FA|NUT^Peanut^L|||A|AL2^EHR', 'IAR|Rash'],
    );
    const reactions = entriesOf(mapped, 'AllergyIntolerance').map(({ resource }) =>
      ((resource.reaction ?? []) as JsonObject[]).map(({ manifestation }) => (manifestation as JsonObject[])[0]!.text),
    );
    assert.deepEqual(reactions, [[], ['Hives'], ['Rash']]);
  });

  it('says nothing of the status without IAM-17', () => {
    const allergy = (status: string) => {
      const iam = `IAM|1|DA|PEN^Penicillin^L|||U|AL1^EHR||||||||||${status}`;
      return onlyEntry(mapLines(msh('ADT^A60^ADT_A60'), 'EVN||20240102', pid, iam), 'AllergyIntolerance');
    };
    const [inactive, changed] = [allergy('I'), allergy('')];
    const code = ({ clinicalStatus }: JsonObject) => ((clinicalStatus as JsonObject).coding as JsonObject[])[0]!.code;
    assert.equal(code(changed.merge!(inactive.resource, changed.resource)), 'inactive');
    assert.equal(code(changed.merge!(undefined, changed.resource)), 'active');
    const again = changed.merge!(allergy('E').resource, changed.resource);
    assert.deepEqual([code(again), again.verificationStatus], ['active', undefined]);
  });
});

describe('what has no number of its own', () => {
  const derivedOf = (number: string): string[] =>
    mapLines(
      ...[msh('ADT^A01^ADT_A01'), 'EVN||20240102', `PID|1||${number}^^^HOSP^MR||Doe^Jane`],
      'PD1|||||||DNR^Do not resuscitate^HL70315',
      'NK1|1|Doe^John|SPO^Spouse^HL70063',
      'PV1|1|I|||||||||||||||||V1',
      'DB1|1|PT||Y',
      'OBX|1|NM|29463-7^Weight^LN||80|kg|||||F|||20240101',
      'AL1|1|DA|PEN^Penicillin^L',
      'DG1|1||E11.9^Diabetes^I10',
      'PR1|1||0DTJ^Appendectomy^I10P||20240101',
      'IN1|1|P1^Plan^L|I1|Insurer',
    )
      .entries.map(({ url }) => url)
      .filter((url) => /\/[0-9a-f-]{36}$/.test(url))
      .sort();

  it('is each patient’s, and the same when it comes again', () => {
    const [one, again, other] = [derivedOf('1'), derivedOf('1'), derivedOf('2')];
    const types = 'AllergyIntolerance Condition Coverage Observation Observation Observation Procedure RelatedPerson';
    assert.deepEqual(one.map((url) => url.split('/')[0]).join(' '), types);
    assert.deepEqual(again, one);
    assert.equal(new Set([...one, ...other]).size, 2 * one.length);
  });
});

describe('PR1', () => {
  it('is done or to be done, as it is before the message or after, and lasts its minutes', () => {
    const procedure = (fields: string) =>
      onlyResource(
        mapLines(msh('ADT^A01^ADT_A01'), 'EVN||20240102030405', pid, `PR1|1||1^App^L||${fields}`),
        'Procedure',
      );
    assert.equal(procedure('20240102020000').status, 'completed');
    assert.equal(procedure('20240102040000').status, 'preparation');
    assert.equal(procedure('').status, 'unknown');
    assert.deepEqual(procedure('20240101223000-0530||95').performedPeriod, {
      ...{ start: '2024-01-01T22:30:00-05:30', end: '2024-01-02T00:05:00-05:30' },
    });
    assert.equal(procedure('20240101||95').performedDateTime, '2024-01-01');
  });

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

  it('has what was measured in each of two apart', () => {
    const loss = (number: number) => `OBX|${number}|NM|EBL^Blood loss^L||150|mL`;
    const mapped = mapLines(
      ...[msh('BAR^P12^BAR_P12'), 'EVN||20240102', pid, 'PV1|1|I|||||||||||||||||V1'],
      ...['PR1|1||0DTJ^Appendectomy^I10P||20240101', loss(1)],
      ...['PR1|2||0FT4^Cholecystectomy^I10P||20240101', loss(1)],
    );
    const [first, second, ...more] = entriesOf(mapped, 'Observation').map(({ resource }) => resource);
    assert.deepEqual(
      [first!.partOf, second!.partOf, more.length],
      [...entriesOf(mapped, 'Procedure').map(({ url }) => [{ reference: url }]), 0],
    );
    const alone = mapLines(
      ...[msh('BAR^P12^BAR_P12'), 'EVN||20240103', pid, 'PV1|1|I|||||||||||||||||V1'],
      ...['PR1|1||0FT4^Cholecystectomy^I10P||20240101', loss(1)],
    );
    assert.equal(onlyEntry(alone, 'Observation').resource.id, second!.id, 'the same measurement, told alone');
  });
});
