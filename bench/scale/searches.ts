// The searches that are measured at size, over random arguments.
import type { Random } from '../data/random.ts';
import { conditions } from './codes.ts';
import { loinc, snomed } from './parts.ts';
import { identifierOf, patientId, patientSystem } from './people.ts';
import { bloodPressure, FIRST_MS, observationCodes, SPAN_MS } from './records.ts';

export interface MeasuredSearch {
  name: string;
  /** p95 at two million resources; undefined: told for comparison. */
  targetMs?: number;
  url(random: Random, patients: number): string;
}

const codeOf = (system: string, code: string): string => encodeURIComponent(`${system}|${code}`);
const anyPatient = (random: Random, patients: number): string => `Patient/${patientId(random.below(patients))}`;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
/** One in seven Observations, and one in five. */
const frequentCodes = [observationCodes[0]!.code, bloodPressure.code];
const organization = (random: Random, patients: number): string =>
  `ORG-${String(random.below(Math.max(1, Math.floor(patients / 100)))).padStart(5, '0')}`;

export const searches: readonly MeasuredSearch[] = [
  {
    name: 'read',
    url: (random, patients) => `/${anyPatient(random, patients)}`,
  },
  {
    name: 'identifier, one match',
    url: (random, patients) => `/Patient?identifier=${codeOf(patientSystem, identifierOf(random.below(patients)))}`,
  },
  {
    name: 'patient + code + date, sorted by -date',
    targetMs: 5,
    url: (random, patients) =>
      `/Observation?patient=${anyPatient(random, patients)}&code=${codeOf(loinc, random.pick(observationCodes).code)}&date=ge${2015 + random.below(8)}&_sort=-date&_count=20`,
  },
  {
    name: 'frequent code + month',
    targetMs: 30,
    url(random) {
      const fromMs = FIRST_MS + Math.floor(random.next() * SPAN_MS * 0.95);
      return `/Observation?code=${codeOf(loinc, random.pick(frequentCodes))}&date=ge${day(fromMs)}&date=lt${day(fromMs + 30 * 86_400_000)}&_count=20`;
    },
  },
  {
    name: 'frequent code + year, sorted by -date',
    targetMs: 30,
    url: (random) =>
      `/Observation?code=${codeOf(loinc, random.pick(frequentCodes))}&date=${2015 + random.below(9)}&_sort=-date&_count=20`,
  },
  {
    name: 'chain of two: patient.organization.identifier',
    targetMs: 30,
    url: (random, patients) =>
      `/Observation?patient.organization.identifier=${codeOf('urn:oid:2.999.1.32', organization(random, patients))}&_count=20`,
  },
  {
    name: 'chain of two with a rare end: encounter.patient.identifier',
    targetMs: 30,
    url: (random, patients) =>
      `/Observation?encounter.patient.identifier=${codeOf(patientSystem, identifierOf(random.below(patients)))}&_count=20`,
  },
  {
    name: '_has: Patient by code of its Observations',
    targetMs: 30,
    url: (random) =>
      `/Patient?_has:Observation:patient:code=${codeOf(loinc, random.pick(observationCodes).code)}&_count=20`,
  },
  {
    name: '_has and birth year',
    targetMs: 30,
    url: (random) =>
      `/Patient?_has:Condition:patient:code=${codeOf(snomed, random.pick(conditions).code)}&birthdate=${1936 + random.below(78)}&_count=20`,
  },
  {
    name: '_revinclude: Encounters of a patient with their Observations',
    targetMs: 20,
    url: (random, patients) =>
      `/Encounter?patient=${anyPatient(random, patients)}&_revinclude=Observation:encounter&_count=20`,
  },
  {
    name: 'accurate total of a frequent code',
    targetMs: 100,
    url: (random) => `/Observation?code=${codeOf(loinc, random.pick(frequentCodes))}&_summary=count`,
  },
];
