// `start` and `end` of $everything are about care, not about records:
// https://hl7.org/fhir/R4/patient-operation-everything.html. Which date of a resource is the one of the care:
import type { DateRange } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { isOf } from '../search/index-tests.ts';
import type { SqlBuilder } from '../search/sql-text.ts';
import { keysOf } from './compartment.ts';

/** The search parameter of the date, by type. */
const DATES: Record<string, string> = {
  Account: 'period',
  AdverseEvent: 'date',
  Appointment: 'date',
  CarePlan: 'date',
  CareTeam: 'date',
  ChargeItem: 'occurrence',
  Claim: 'created',
  ClaimResponse: 'created',
  ClinicalImpression: 'date',
  Communication: 'sent',
  CommunicationRequest: 'authored',
  Composition: 'date',
  DetectedIssue: 'identified',
  DeviceRequest: 'authored-on',
  DiagnosticReport: 'date',
  DocumentManifest: 'created',
  DocumentReference: 'date',
  Encounter: 'date',
  EpisodeOfCare: 'date',
  ExplanationOfBenefit: 'created',
  Flag: 'date',
  ImagingStudy: 'started',
  Immunization: 'date',
  ImmunizationEvaluation: 'date',
  Invoice: 'date',
  Media: 'created',
  MedicationAdministration: 'effective-time',
  MedicationDispense: 'whenhandedover',
  MedicationRequest: 'authoredon',
  MedicationStatement: 'effective',
  NutritionOrder: 'datetime',
  Observation: 'date',
  Procedure: 'date',
  QuestionnaireResponse: 'authored',
  RequestGroup: 'authored',
  RiskAssessment: 'date',
  ServiceRequest: 'authored',
  Specimen: 'collected',
  SupplyRequest: 'date',
  VisionPrescription: 'datewritten',
};

/** What begins and lasts until it is over, which for an allergy is not told. */
const LASTING: Record<string, { from: string; until?: string }> = {
  AllergyIntolerance: { from: 'onset' },
  Condition: { from: 'onset-date', until: 'abatement-date' },
  Goal: { from: 'start-date' },
};

interface CareKeys {
  from: number[];
  until: number[];
}

function careKeys(core: Core): CareKeys {
  const keys: CareKeys = { from: [], until: [] };
  for (const [type, code] of Object.entries(DATES)) {
    const found = keysOf([core.parameters.get(type, code)]);
    keys.from.push(...found);
    keys.until.push(...found);
  }
  for (const [type, { from, until }] of Object.entries(LASTING)) {
    keys.from.push(...keysOf([core.parameters.get(type, from)]));
    if (until !== undefined) keys.until.push(...keysOf([core.parameters.get(type, until)]));
  }
  return keys;
}

const known = new WeakMap<Core, CareKeys>();

function dated(sql: SqlBuilder, rid: string, keys: readonly number[], test: string): string {
  const d = sql.alias();
  const all = `${sql.value(keys)}::int[]`;
  const rows = `from (select * from index_date where ${isOf('rid', rid)} offset 0) ${d} where ${d}.param = any(${all})`;
  return `(not exists (select 1 ${rows}) or exists (select 1 ${rows} and ${d}.${test}))`;
}

/** A condition on the resource `rid`: its care lies in the range at least in part, or it is not dated. */
export function inCareRange(core: Core, sql: SqlBuilder, rid: string, range: Partial<DateRange>): string {
  const keys = known.get(core) ?? careKeys(core);
  known.set(core, keys);
  const parts: string[] = [];
  if (range.hi !== undefined) parts.push(dated(sql, rid, keys.from, `lo <= ${sql.value(range.hi)}::bigint`));
  if (range.lo !== undefined) parts.push(dated(sql, rid, keys.until, `hi >= ${sql.value(range.lo)}::bigint`));
  return parts.length > 0 ? parts.join(' and ') : 'true';
}
