// Which diagnoses a draft claim bills each of its items for: HL7 v2.9 chapter 6.5.1.19; https://hl7.org/fhir/R4/claim.html
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { mapLines, onlyResource, segment } from '../../testing/mapped.ts';

const in1 = segment('IN1', { 1: '1', 2: 'PLAN1', 3: 'PAYER1', 4: 'Payer One', 36: 'POL1' });
const ft1 = (id: string, ...diagnoses: string[]): string =>
  segment('FT1', { 2: id, 4: '20260228', 6: 'CG', 7: '99213^Visit^C4', 19: diagnoses.join('~'), 20: '7^Doc^Dora' });

const claimOf = (...lines: string[]): { diagnosis: JsonObject[] | undefined; items: unknown[] } => {
  const mapped = mapLines(
    'MSH|^~\\&|BILL|CLINIC|EHR|HOSP|20260301080000||DFT^P11^DFT_P11|1|P|2.5.1',
    'EVN|P11|20260301',
    'PID|1||P1^^^CLINIC^MR||TEST^JANE',
    'PV1|1|O|||||||||||||||||V1',
    ...lines,
  );
  const { diagnosis, item } = onlyResource(mapped, 'Claim') as { diagnosis?: JsonObject[]; item: JsonObject[] };
  return { diagnosis, items: item.map(({ diagnosisSequence }) => diagnosisSequence) };
};

describe('diagnoses of a claim', () => {
  it('are those of FT1-19 where there is no DG1', () => {
    const { diagnosis, items } = claimOf(
      in1,
      ft1('T1', 'E11^Diabetes^I10', 'I10^Hypertension^I10'),
      ft1('T2', 'I10^^I10'),
    );
    assert.deepEqual(
      diagnosis?.map(({ sequence, diagnosisCodeableConcept: concept }) => [
        sequence,
        (concept as { coding: JsonObject[] }).coding[0]!.code,
      ]),
      [
        [1, 'E11'],
        [2, 'I10'],
      ],
    );
    assert.deepEqual(items, [[1, 2], [2]]);
  });

  it('are pointed to by the charge that they stand with or that names them', () => {
    const { diagnosis, items } = claimOf(
      'DG1|1||I10^Hypertension^I10|||W',
      in1,
      ft1('T1', 'I10^Hypertension^I10C'),
      'DG1|1||E11^Diabetes^I10|||W',
      ft1('T2'),
    );
    assert.equal(diagnosis?.length, 2);
    assert.deepEqual(items, [[1, 2], undefined]);
  });
});
