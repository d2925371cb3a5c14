// HL7v2 2.5.1 messages authored for the demo: an admission (ADT^A01, chapter 3) and a laboratory result (ORU^R01,
// chapter 7). MSH-10 and the order's numbers carry the run's id, so that each run is news to the server.
import { authorities, patientMrn, practitionerIdentifier } from './names.ts';

/** A segment from its fields by number; what is not given is empty. MSH's numbers count its separator as MSH-1. */
function segment(name: string, fields: Record<number, string>): string {
  const numbers = Object.keys(fields).map(Number);
  const first = name === 'MSH' ? 2 : 1;
  const values = Array.from({ length: Math.max(...numbers) - first + 1 }, (_, index) => fields[index + first] ?? '');
  return `${[name, ...values].join('|')}\r`;
}

/** DTM with seconds and offset: https://hl7.org/fhir/uv/v2mappings/datatype_dtm_to_datetime.html */
function dtm(ms: number): string {
  return `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}+0000`;
}

function header(sender: string, type: string, controlId: string, nowMs: number): string {
  return segment('MSH', {
    2: '^~\\&',
    3: sender,
    4: 'DEMOHOSP',
    5: 'CEREBRA',
    6: 'DEMOHOSP',
    7: dtm(nowMs),
    9: type,
    10: controlId,
    11: 'P',
    12: '2.5.1',
    18: 'UNICODE UTF-8',
  });
}

const doctor = `${practitionerIdentifier.value}^Example^Casey^^^Dr.^^^${authorities.practitioners}`;

const pid = segment('PID', {
  1: '1',
  3: `${patientMrn.value}^^^${authorities.patients}^MR`,
  5: 'Testperson^Avery^Demo^^^^L',
  7: '19700101',
  8: 'F',
  11: '1 Example Street^^Sampletown^^00000^^H',
  13: '^PRN^PH^^^^5550100',
});

function visit(runId: string, nowMs: number): string {
  return segment('PV1', {
    1: '1',
    2: 'I',
    3: 'DEMOWARD^101^1^DEMOHOSP',
    4: 'E',
    7: doctor,
    19: `DEMO-VISIT-${runId}^^^${authorities.visits}`,
    44: dtm(nowMs),
  });
}

/** The patient is admitted. */
export function demoAdmission(runId: string, nowMs: number): string {
  return [
    header('DEMOADT', 'ADT^A01^ADT_A01', `DEMO-${runId}-ADT`, nowMs),
    segment('EVN', { 1: 'A01', 2: dtm(nowMs) }),
    pid,
    visit(runId, nowMs),
  ].join('');
}

/** The laboratory's number of the order (OBR-3), which identifies the DiagnosticReport. */
export const fillerOrderNumber = (runId: string): string => `DEMO-LAB-${runId}`;

const results: [code: string, name: string, value: string, units: string, range: string, flag: string][] = [
  ['2823-3', 'Potassium [Moles/volume] in Serum or Plasma', '7.1', 'mmol/L', '3.5-5.1', 'HH'],
  ['2951-2', 'Sodium [Moles/volume] in Serum or Plasma', '139', 'mmol/L', '136-145', 'N'],
  ['2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', '1.0', 'mg/dL', '0.6-1.1', 'N'],
  ['2345-7', 'Glucose [Mass/volume] in Serum or Plasma', '94', 'mg/dL', '70-99', 'N'],
];

/** The laboratory's results: one critically high potassium (7.1 mmol/L) among normal values. */
export function demoResults(runId: string, nowMs: number): string {
  const filler = `${fillerOrderNumber(runId)}^DEMOLAB`;
  const placer = `DEMO-ORDER-${runId}^DEMOHIS`;
  return [
    header('DEMOLAB', 'ORU^R01^ORU_R01', `DEMO-${runId}-ORU`, nowMs),
    pid,
    visit(runId, nowMs),
    segment('ORC', { 1: 'RE', 2: placer, 3: filler, 12: doctor }),
    segment('OBR', {
      1: '1',
      2: placer,
      3: filler,
      4: '24323-8^Comprehensive metabolic 2000 panel - Serum or Plasma^LN',
      7: dtm(nowMs - 30 * 60_000),
      16: doctor,
      22: dtm(nowMs),
      24: 'LAB',
      25: 'F',
    }),
    ...results.map(([code, name, value, units, range, flag], index) =>
      segment('OBX', {
        1: String(index + 1),
        2: 'NM',
        3: `${code}^${name}^LN`,
        5: value,
        6: `${units}^${units}^UCUM`,
        7: range,
        8: flag,
        11: 'F',
        14: dtm(nowMs - 30 * 60_000),
      }),
    ),
    segment('SPM', { 1: '1', 2: `DEMO-SPECIMEN-${runId}`, 4: '119364003^Serum specimen^SCT' }),
  ].join('');
}
