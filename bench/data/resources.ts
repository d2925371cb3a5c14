// Made-up resources of 1.2 to 1.5 kB for the benchmark. 2.999 is the arc kept for examples (ITU-T X.660).
import { type Measure, measures } from './codes.ts';
import type { Random } from './random.ts';

export const patientCount = 1_000;
export const seededObservationCount = 20_000;
export const deviceCount = 50;

/** Stands where each request puts a number of its own, ten digits. */
export const slotText = 'B0000000000';

export const loinc = 'http://loinc.org';
export const systems = {
  patient: 'urn:oid:2.999.1.21',
  observation: 'urn:oid:2.999.1.22',
  device: 'urn:oid:2.999.1.23',
} as const;

const number = (n: number, width: number): string => String(n).padStart(width, '0');
export const patientId = (n: number): string => `bench-p-${number(n, 4)}`;
export const observationId = (n: number): string => `bench-o-${number(n, 6)}`;
export const deviceId = (n: number): string => `bench-d-${number(n, 3)}`;
export const patientIdentifier = (n: number): string => `MRN-${number(n, 6)}`;

const surnames = ['Testperson', 'Sampleton', 'Mockford', 'Exampleby', 'Placeholder', 'Dummont', 'Fixture', 'Specimen'];
const givens = ['Avery', 'Blake', 'Casey', 'Devon', 'Emery', 'Finley', 'Harper', 'Jordan', 'Kendall', 'Morgan'];

const startMs = Date.UTC(2021, 0, 1);
const spanMs = 4 * 365 * 86_400_000;

const instant = (random: Random): string => new Date(startMs + Math.floor(random.next() * spanMs)).toISOString();

export function patient(random: Random, identifier: string): Record<string, unknown> {
  const family = random.pick(surnames);
  const given = [random.pick(givens), random.pick(givens)];
  return {
    resourceType: 'Patient',
    meta: { profile: ['http://hl7.org/fhir/StructureDefinition/Patient'] },
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace',
        valueAddress: { city: 'Sampletown', state: 'EX', country: 'ZZ' },
      },
    ],
    identifier: [
      {
        use: 'usual',
        type: {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/v2-0203',
              code: 'MR',
              display: 'Medical record number',
            },
          ],
        },
        system: systems.patient,
        value: identifier,
      },
      { system: 'urn:oid:2.999.1.24', value: `INS-${number(random.below(1e8), 8)}` },
    ],
    active: true,
    name: [
      { use: 'official', family: `${family}${random.below(900)}`, given, prefix: ['Mx.'] },
      { use: 'nickname', given: [given[0]] },
    ],
    telecom: [
      { system: 'phone', value: `555-01${number(random.below(100), 2)}`, use: 'home' },
      { system: 'email', value: `person${random.below(1e6)}@example.org` },
    ],
    gender: random.pick(['female', 'male', 'other', 'unknown']),
    birthDate: new Date(Date.UTC(1930 + random.below(90), random.below(12), 1 + random.below(28)))
      .toISOString()
      .slice(0, 10),
    address: [
      {
        use: 'home',
        line: [`${1 + random.below(999)} Example Street`],
        city: 'Sampletown',
        state: 'EX',
        postalCode: number(random.below(1e5), 5),
        country: 'ZZ',
      },
    ],
    maritalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', code: 'M', display: 'Married' }],
    },
    communication: [{ language: { coding: [{ system: 'urn:ietf:bcp:47', code: 'en' }] }, preferred: true }],
    generalPractitioner: [{ display: 'Sampletown Family Practice' }],
  };
}

export interface ObservationOptions {
  random: Random;
  identifier: string;
  /** `Patient/…` or a urn:uuid. */
  subject: string;
  encounter?: string;
  measure?: Measure;
}

export function observation(options: ObservationOptions): Record<string, unknown> {
  const { random, identifier, subject, encounter, measure = random.pick(measures) } = options;
  const { code, display, unit, low, high, digits, category } = measure;
  const value = Number((low + random.next() * (high - low)).toFixed(digits));
  const time = instant(random);
  const quantity = { value, unit, system: 'http://unitsofmeasure.org', code: unit };
  return {
    resourceType: 'Observation',
    meta: { profile: ['http://hl7.org/fhir/StructureDefinition/Observation'] },
    identifier: [{ system: systems.observation, value: identifier }],
    status: 'final',
    category: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/observation-category',
            code: category,
            display: category === 'laboratory' ? 'Laboratory' : 'Vital Signs',
          },
        ],
      },
    ],
    code: { coding: [{ system: loinc, code, display }], text: display },
    subject: { reference: subject },
    ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    effectiveDateTime: time,
    issued: time,
    performer: [{ display: 'Sampletown General Hospital, department of internal medicine' }],
    valueQuantity: quantity,
    interpretation: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation',
            code: 'N',
            display: 'Normal',
          },
        ],
      },
    ],
    method: { text: 'Measured by the usual procedure of the ward or the laboratory, without remarks' },
    referenceRange: [
      {
        low: { ...quantity, value: low },
        high: { ...quantity, value: high },
        text: `${low} to ${high} ${unit}`,
      },
    ],
  };
}

export function encounter(random: Random, identifier: string, subject: string): Record<string, unknown> {
  const start = instant(random);
  return {
    resourceType: 'Encounter',
    identifier: [{ system: 'urn:oid:2.999.1.25', value: identifier }],
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB', display: 'ambulatory' },
    type: [{ coding: [{ system: 'http://snomed.info/sct', code: '185349003', display: 'Encounter for check up' }] }],
    subject: { reference: subject },
    period: { start, end: new Date(Date.parse(start) + 1_800_000).toISOString() },
    reasonCode: [{ text: 'Yearly check-up' }],
    serviceProvider: { display: 'Sampletown General Hospital' },
  };
}

export function device(n: number): Record<string, unknown> {
  return {
    resourceType: 'Device',
    id: deviceId(n),
    identifier: [{ system: systems.device, value: `MONITOR-${number(n, 3)}` }],
    status: 'active',
    manufacturer: 'Example Devices',
    deviceName: [{ name: `Bedside monitor ${n}`, type: 'user-friendly-name' }],
    patient: { reference: `Patient/${patientId(n)}` },
  };
}
