// Where a note (NTE) goes: onto the resource of the segment that it follows; where R4 has no place, a warning says so.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json, Resource } from '#fhir-model';
import { mapLines, segment } from '../../testing/mapped.ts';
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

const al1 = 'AL1|1|DA|7980^Penicillin^RXNORM|SV|Hives';
const rxc = 'RXC|B|555^Water^L|100|mL^mL^UCUM';
const rxg = 'RXG|1|||1234^Amoxicillin^L|250||mg^mg^UCUM';
const txa = 'TXA|1|DS|TX|||20260301070000|||||D1^EHR|D1^EHR|||||AU';
const no = undefined;
const about = (line: string, from: string, to: string): string => line.replace(from, to);

type Row = readonly [line: string, place: string | undefined];
const head = (type: string, ...more: Row[]): Row[] => [[msh(type), no], [pid, no], ...more];
const request = 'ServiceRequest.note';
// R4's report has no notes: the request has them, and the report as R5 has them.
const result = `${request} DiagnosticReport.extension`;
const drug = 'MedicationRequest.note';

/** Each segment with the place of a note after it. */
const messages: Record<string, readonly Row[]> = {
  ADT_A01: [
    [msh('ADT^A01^ADT_A01'), no],
    ['EVN||20260301', no],
    [pid, no],
    ['PD1||||100^Doc^Dora', no],
    ['NK1|1|TEST^MOTHER|MTH', no],
    [pv1, no],
    [obx, 'Observation.note'],
    [al1, 'AllergyIntolerance.note'],
    [dg1, 'Condition.note'],
    [pr1, 'Procedure.note'],
    ['GT1|1||TEST^GUARANTOR', no],
    ['IN1|1|PLAN^Plan|I1^^^INS|Insurer', no],
  ],
  ADT_A17: [
    [msh('ADT^A17^ADT_A17'), no],
    ['EVN||20260301', no],
    [pid, no],
    [pv1, no],
    [obx, 'Observation.note'],
    [about(pid, '777', '778'), no],
    [about(pv1, 'V1^', 'V2^'), no],
  ],
  PPP_PCB: head(
    'PPP^PCB^PPP_PCB',
    ['PTH|AD|HT^Hypertension pathway^L|PT1^CARE|20260301|ACTIVE', 'CarePlan.note'],
    ['VAR|V1|20260302||7^Doc^Dora||Not started', 'CarePlan.note'],
  ),
  ADT_A60: [
    [msh('ADT^A60^ADT_A60'), no],
    ['EVN||20260301', no],
    [pid, no],
    ['IAM|1|DA|7980^Penicillin^RXNORM|SV|Hives|A', 'AllergyIntolerance.note'],
  ],
  MDM_T02: [
    [msh('MDM^T02^MDM_T02'), no],
    ['EVN||20260301', no],
    [pid, no],
    [pv1, no],
    [orc, request],
    [tq1, request],
    [obr, request],
    [txa, 'DocumentReference.description'],
    ['OBX|1|TX|18842-5^Summary^LN||All is well||||||F', 'DocumentReference.description'],
    [about(obx, 'OBX|1', 'OBX|2'), 'Observation.note'],
  ],
  OML_O21: head(
    'OML^O21^OML_O21',
    [pv1, no],
    [al1, 'AllergyIntolerance.note'],
    [orc, request],
    [tq1, request],
    [obr, request],
    [dg1, 'Condition.note'],
    [obx, 'Observation.note'],
    [spm, 'Specimen.note'],
    [about(obx, '2345-7', '2346-7'), 'Observation.note'],
    [sac, 'Specimen.note'],
    [ft1, 'ChargeItem.note'],
  ),
  OML_O33: head('OML^O33^OML_O33', [spm, 'Specimen.note'], [sac, 'Specimen.note'], [orc, request], [obr, request]),
  'OML_O21 with an earlier result': head(
    'OML^O21^OML_O21',
    [orc, request],
    [obr, request],
    [pid, no],
    [segment('OBR', { 1: '1', 3: 'F9^LAB', 4: '2951-2^Sodium^LN', 7: '20260201' }), 'DiagnosticReport.extension'],
    [about(obx, '2345-7', '2951-2'), 'Observation.note'],
  ),
  ORL_O22: [
    [msh('ORL^O22^ORL_O22'), no],
    ['MSA|AA|M0', no],
    [pid, no],
    [about(orc, 'NW', 'OK'), request],
    [obr, request],
    [spm, 'Specimen.note'],
  ],
  OMG_O19: head('OMG^O19^OMG_O19', [orc, request], [tq1, request], [obr, request], [obx, 'Observation.note']),
  ORM_O01: head(
    'ORM^O01^ORM_O01',
    [pv1, no],
    [orc, request],
    [tq1, request],
    [obr, request],
    [dg1, 'Condition.note'],
    [obx, 'Observation.note'],
    [ft1, 'ChargeItem.note'],
  ),
  'ORM_O01 of a drug': head('ORM^O01^ORM_O01', [orc, drug], [rxo, drug], [rxr, drug], [obx, 'Observation.note']),
  'ORM_O01 of a diet': head(
    'ORM^O01^ORM_O01',
    [orc, 'NutritionOrder.note'],
    ['ODS|D||321^Low salt^L', 'NutritionOrder.note'],
    [obx, 'Observation.note'],
  ),
  'ORM_O01 of a supply': head('ORM^O01^ORM_O01', [orc, no], ['RQD|1|9^Gloves^L|||5|BX', no], [obx, 'Observation.note']),
  ORU_R01: head(
    'ORU^R01^ORU_R01',
    [pv1, no],
    [orc, result],
    [obr, result],
    [tq1, result],
    [obx, 'Observation.note'],
    [spm, 'Specimen.note'],
    [about(obx, '2345-7', '2346-7'), 'Observation.note'],
  ),
  OUL_R22: head(
    'OUL^R22^OUL_R22',
    [spm, 'Specimen.note'],
    [about(obx, '2345-7', '2346-7'), 'Observation.note'],
    [sac, 'Specimen.note'],
    [obr, result],
    [obx, 'Observation.note'],
  ),
  SIU_S12: [
    [msh('SIU^S12^SIU_S12'), no],
    ['SCH|A1^EHR||||||||||^^30^20260302090000^20260302093000', 'Appointment.comment'],
    [pid, no],
    [pv1, no],
    [obx, 'Observation.note'],
    [dg1, 'Condition.note'],
    ['RGS|1', no],
    ['AIS|1||X^Scan^L|20260302090000', 'Appointment.comment'],
    ['AIG|1||R1^Scanner^L', 'Appointment.comment'],
    ['AIL|1||ROOM1^^^HOSP', 'Appointment.comment'],
    ['AIP|1||100^Doc^Dora^^^^^^HOSP', 'Appointment.comment'],
  ],
  SIU_S23: [
    [msh('SIU^S23^SIU_S12'), no],
    ['SCH|A1^EHR||||||||||^^30^20260302090000^20260302093000', 'Slot.comment'],
    ['RGS|1', no],
    ['AIL|1||ROOM1^^^HOSP', 'Slot.comment'],
  ],
  VXU_V04: head(
    'VXU^V04^VXU_V04',
    ['NK1|1|TEST^MOTHER|MTH', no],
    [pv1, no],
    ['ORC|RE|P1^EHR|F1^LAB', 'Immunization.note'],
    [vaccine, 'Immunization.note'],
    ['RXR|IM^Intramuscular^HL70162', 'Immunization.note'],
    ['OBX|1|CE|64994-7^Eligibility^LN|1|V01^Not eligible^HL70064||||||F', 'Immunization.note'],
    [about(obx, 'OBX|1', 'OBX|2'), 'Observation.note'],
  ),
  OMP_O09: head(
    'OMP^O09^OMP_O09',
    [orc, drug],
    [tq1, drug],
    [rxo, drug],
    [rxr, drug],
    [rxc, drug],
    ['RXV|1|||B', drug],
    [obx, 'Observation.note'],
  ),
  RDE_O11: head(
    'RDE^O11^RDE_O11',
    [orc, drug],
    [tq1, drug],
    [rxo, drug],
    [rxr, drug],
    [rxe, drug],
    [tq1, drug],
    [rxr, drug],
    [rxc, drug],
    [obx, 'Observation.note'],
    [ft1, 'ChargeItem.note'],
  ),
  RDS_O13: head(
    'RDS^O13^RDS_O13',
    [orc, drug],
    [tq1, drug],
    [rxo, drug],
    [rxe, drug],
    [rxd, 'MedicationDispense.note'],
    [rxr, 'MedicationDispense.note'],
    [obx, 'Observation.note'],
  ),
  'RDS_O13 of nothing else': head(
    'RDS^O13^RDS_O13',
    [orc, 'MedicationDispense.note'],
    [rxd, 'MedicationDispense.note'],
  ),
  RAS_O17: head(
    'RAS^O17^RAS_O17',
    [orc, drug],
    [tq1, drug],
    [rxo, drug],
    [rxe, drug],
    [rxa, 'MedicationAdministration.note'],
    [rxr, 'MedicationAdministration.note'],
    [obx, 'Observation.note'],
  ),
  'RAS_O17 of nothing else': head(
    'RAS^O17^RAS_O17',
    [orc, 'MedicationAdministration.note'],
    [tq1, 'MedicationAdministration.note'],
    [rxa, 'MedicationAdministration.note'],
    [rxr, 'MedicationAdministration.note'],
  ),
  RGV_O15: head('RGV^O15^RGV_O15', [orc, drug], [rxg, drug], [rxr, drug], [obx, 'Observation.note']),
  DFT_P03: [
    [msh('DFT^P03^DFT_P03'), no],
    ['EVN||20260301', no],
    [pid, no],
    [pv1, no],
    [orc, request],
    [obr, request],
    [obx, 'Observation.note'],
    [ft1, 'ChargeItem.note'],
    [pr1, 'Procedure.note'],
    [dg1, 'Condition.note'],
    ['IN1|1|PLAN^Plan|I1^^^INS|Insurer', no],
  ],
  BAR_P01: [
    [msh('BAR^P01^BAR_P01'), no],
    ['EVN||20260301', no],
    [`${pid}|||||||||||||A1^^^HOSP`, no],
    [pv1, no],
    [obx, 'Observation.note'],
    [al1, 'AllergyIntolerance.note'],
    [dg1, 'Condition.note'],
    [pr1, 'Procedure.note'],
    ['GT1|1||TEST^GUARANTOR', no],
    ['IN1|1|PLAN^Plan|I1^^^INS|Insurer', no],
  ],
  PPR_PC1: head(
    'PPR^PC1^PPR_PC1',
    [pv1, no],
    ['PRB|AD|20260301|E11^Diabetes^I10|PR1^EHR', 'Condition.note'],
    [obx, 'Observation.note'],
    ['PTH|AD|PW1^Pathway^L|PT1^EHR', 'CarePlan.note'],
    ['GOL|AD|20260301|G1^Lose weight^L|GO1^EHR', 'Goal.note'],
    ['VAR|V1^EHR|20260301||||late', 'Goal.note'],
    [orc, request],
    [obr, request],
  ),
  REF_I12: [
    [msh('REF^I12^REF_I12'), no],
    ['RF1|A||MED^Medical^HL70281|||R1^EHR', request],
    ['PRD|RP|DOC^DORA', no],
    [pid, no],
    [dg1, 'Condition.note'],
    [al1, 'AllergyIntolerance.note'],
    [pr1, 'Procedure.note'],
    [obr, result],
    [obx, 'Observation.note'],
    [pv1, request],
  ],
  MFN_M02: [
    [msh('MFN^M02^MFN_M02'), no],
    ['MFI|PRA||UPD|||NE', no],
    ['MFE|MAD|1||100', no],
    ['STF|100|100^^^HOSP|DOC^DORA', no],
    ['PRA|100', no],
  ],
};

const words = 'made up for this test';

/** `Observation.note` of each resource with the words, once for each time. */
function placesOf(resources: readonly Resource[]): string[] {
  const count = (value: Json | undefined): number => JSON.stringify(value ?? null).split(words).length - 1;
  return resources.flatMap((resource) =>
    Object.entries(resource).flatMap(([name, value]) =>
      Array.from({ length: count(value as Json) }, () => `${resource.resourceType}.${name}`),
    ),
  );
}

const note = `NTE|1|L|${words}`;

describe('a note after', () => {
  for (const [structure, rows] of Object.entries(messages)) {
    const lines = rows.map(([line]) => line);
    rows.forEach(([line, place], index) => {
      const name = line.slice(0, 3);
      it(`${name} of ${structure}, segment ${index + 1}: ${place ?? 'no place'}`, () => {
        const without = mapLines(...lines).warnings;
        const mapped = mapLines(...lines.toSpliced(index + 1, 0, note));
        const resources = mapped.entries.flatMap(({ resource }) => resource ?? []);
        assert.deepEqual(placesOf(resources).sort(), place?.split(' ').sort() ?? []);
        const told = place === no ? [`NTE[1]: a note after ${name} has no place; left out`] : [];
        assert.deepEqual(mapped.warnings, [...without, ...told]);
      });
    });
  }
});
