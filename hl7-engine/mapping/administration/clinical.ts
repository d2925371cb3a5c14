// AL1, IAM, DG1, PR1, PD1-7 and PDA: what admission messages say of the patient's health.
// https://hl7.org/fhir/uv/v2mappings/ (AL1[AllergyIntolerance], IAM[AllergyIntolerance], DG1[Condition], DG1[Encounter], PR1[Procedure])
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { obxGroups } from '../clinical/groups.ts';
import { noteAfter, noteTexts } from '../clinical/notes.ts';
import { addObservation, isDocument, type ObservationPlace } from '../clinical/observation.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { dateTime } from '../datetime.ts';
import { instantOf } from '../ordering.ts';
import type { MappedPatient } from '../patient.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { db1Observation, pdaCause } from '../tables/admission-others.ts';
import { al1Allergy, iamAllergy, iarReaction } from '../tables/al1.ts';
import { dg1Condition, dg1Diagnosis } from '../tables/dg1.ts';
import { pd1LivingWill } from '../tables/pd1.ts';
import { pr1Procedure } from '../tables/pr1.ts';
import { encounterParticipants, type Which } from './roles.ts';
import { conceptKey, firstNumber, type Removed, upsertDerived } from './upsert.ts';

const terminology = 'http://terminology.hl7.org/CodeSystem';

const coded = (system: string, code: string): JsonObject => ({
  coding: [{ system: `${terminology}/${system}`, code }],
});

/** Table 0323 (A, D, U, X), as a delete takes back what was said. */
const isDeleted = (segment: Segment, field: number): boolean => /^D/i.test(segment.field(field).text ?? '');

/** Table 0438 of IAM-17: whether it is active, and how sure. */
const allergyStatus: Readonly<Record<string, readonly [clinical: string, verification: string]>> = {
  C: ['active', 'confirmed'],
  I: ['inactive', 'confirmed'],
  P: ['active', 'unconfirmed'],
  S: ['active', 'unconfirmed'],
  U: ['active', 'unconfirmed'],
  D: ['active', 'refuted'],
};

/** AL1 and IAM; `patient` as in the keys of what is derived from the patient. */
export function addAllergies(
  mapping: Mapping,
  group: Group,
  patient: MappedPatient,
  segments: readonly Segment[],
): void {
  for (const segment of segments) addAllergy(mapping, group, patient, segment);
}

function addAllergy(mapping: Mapping, group: Group, patient: MappedPatient, segment: Segment): void {
  const isIam = segment.name === 'IAM';
  const cleared: string[] = [];
  const found = runTable(isIam ? iamAllergy : al1Allergy, { segment, group, mapping }, cleared);
  if (found?.code === undefined) {
    if (found !== undefined) mapping.warnings.add(`${segment.name}-3: an allergy to nothing has no place`);
    return;
  }
  // A severity of a reaction that nothing tells of has no place (reaction.manifestation is required).
  const { reaction, ...rest } = found;
  const reactions = [...list(reaction), ...furtherReactions(mapping, group, segment)].filter(
    ({ manifestation }) => manifestation !== undefined,
  );
  const note =
    group.name === 'ADVERSE_REACTION_GROUP' ? noteTexts(mapping, group.all('NTE')) : noteAfter(mapping, segment);
  const status = isIam ? (segment.field(17).text ?? '').toUpperCase() : '';
  const erroneous = isIam && (isDeleted(segment, 6) || status === 'E');
  const [clinical, verification] = allergyStatus[status] ?? ['active', undefined];
  const resource: JsonObject = {
    ...rest,
    ...(reactions.length > 0 ? { reaction: reactions } : {}),
    ...(note === undefined || note.length === 0 ? {} : { note }),
    ...statuses('allergyintolerance', erroneous ? undefined : clinical, erroneous ? 'entered-in-error' : verification),
    patient: { reference: patient.reference },
  };
  const key = JSON.stringify([patient.key, firstNumber(found.identifier) ?? conceptKey(found.code)]);
  // An IAM without IAM-17 says nothing of the status: active stands for it where nothing is known.
  const saysStatus = !isIam || allergyStatus[status] !== undefined;
  upsertDerived(mapping, resource, [key], {
    cleared: erroneous ? [...cleared, 'clinicalStatus'] : cleared,
    defaults: new Set(saysStatus ? [] : ['clinicalStatus']),
  });
}

/** IAR that follow the allergy, and no other. */
function furtherReactions(mapping: Mapping, group: Group, allergy: Segment): JsonObject[] {
  const following = group.segments.slice(group.segments.indexOf(allergy) + 1);
  const end = following.findIndex(({ name }) => name === 'IAM' || name === 'AL1');
  return following
    .slice(0, end < 0 ? following.length : end)
    .filter(({ name }) => name === 'IAR')
    .map((segment) => runTable(iarReaction, { segment, group, mapping }))
    .filter((one) => one !== undefined);
}

function statuses(
  kind: 'allergyintolerance' | 'condition',
  clinical: string | undefined,
  verification: string | undefined,
): JsonObject {
  const system = kind === 'condition' ? 'condition-ver-status' : 'allergyintolerance-verification';
  return {
    ...(clinical === undefined ? {} : { clinicalStatus: coded(`${kind}-clinical`, clinical) }),
    ...(verification === undefined ? {} : { verificationStatus: coded(system, verification) }),
  };
}

export interface Diagnoses {
  /** Items of Encounter.diagnosis. */
  diagnosis: JsonObject[];
  /** References to those that were wrong. */
  removed: string[];
  /** Whether those that the message does not name are none of the visit's any more: no action codes (DG1-21) say otherwise. */
  areAll: boolean;
}

/** DG1: Conditions, and the items of Encounter.diagnosis. `visit`: tells the visit in keys; undefined without one. */
export function addDiagnoses(
  mapping: Mapping,
  group: Group,
  patient: MappedPatient,
  visit: string | undefined,
  encounter: string | undefined,
): Diagnoses {
  const diagnosis: JsonObject[] = [];
  const removed: string[] = [];
  for (const segment of group.all('DG1')) {
    const cleared: string[] = [];
    const found = runTable(dg1Condition, { segment, group, mapping }, cleared);
    if (found?.code === undefined) {
      if (found !== undefined) mapping.warnings.add('DG1-3: a diagnosis without code or words has no place');
      continue;
    }
    const erroneous = isDeleted(segment, 21);
    const note = noteAfter(mapping, segment);
    const resource: JsonObject = {
      ...found,
      ...(note === undefined ? {} : { note }),
      ...statuses('condition', erroneous ? undefined : 'active', erroneous ? 'entered-in-error' : undefined),
      category: [coded('condition-category', 'encounter-diagnosis')],
      subject: { reference: patient.reference },
      ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    };
    const number = firstNumber(found.identifier);
    const key = JSON.stringify([patient.key, ...(number === undefined ? [visit, conceptKey(found.code)] : [number])]);
    const condition = upsertDerived(mapping, resource, [key], {
      cleared: erroneous ? [...cleared, 'clinicalStatus'] : cleared,
    });
    if (erroneous) removed.push(condition);
    if (erroneous || diagnosis.some((one) => (one.condition as JsonObject).reference === condition)) continue;
    diagnosis.push({ condition: { reference: condition }, ...runTable(dg1Diagnosis, { segment, group, mapping }) });
  }
  return { diagnosis, removed, areAll: !group.all('DG1').some((segment) => !segment.field(21).isEmpty) };
}

/** PR1 of PROCEDURE groups, or where the structure has none. */
export function addProcedures(
  mapping: Mapping,
  group: Group,
  patient: MappedPatient,
  visit: string | undefined,
  encounter: string | undefined,
): void {
  for (const procedure of [...group.groups('PROCEDURE'), group]) {
    for (const segment of procedure.all('PR1')) {
      const cleared: string[] = [];
      const found = runTable(pr1Procedure, { segment, group: procedure, mapping }, cleared);
      if (found?.code === undefined) continue;
      const performed = performedOf(mapping, segment);
      if (segment.field(5).isNull) cleared.push('performedDateTime', 'performedPeriod');
      const performer = [...list(found.performer), ...performers(mapping, procedure)];
      const note = noteAfter(mapping, segment);
      const resource: JsonObject = {
        ...found,
        ...(note === undefined ? {} : { note }),
        ...(performer.length > 0 ? { performer } : {}),
        ...performed,
        status: isDeleted(segment, 20) ? 'entered-in-error' : procedureStatus(mapping, segment),
        subject: { reference: patient.reference },
        ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
      };
      const when = segment.field(5).text;
      const number = firstNumber(found.identifier);
      const unnumbered = [visit, conceptKey(found.code), when];
      const key = JSON.stringify([patient.key, ...(number === undefined ? unnumbered : [number])]);
      const rules = {
        cleared: [...cleared.filter((path) => path !== 'performer'), ...nobody(segment)],
        replacedByKey: { performer: performerKey },
      };
      const reference = upsertDerived(mapping, resource, [key], rules, formerPerformers(mapping, procedure));
      if (procedure !== group) {
        const also = { partOf: [{ reference }] };
        addMeasured(mapping, procedure, { key, patient: patient.reference, encounter, also });
      }
    }
  }
}

/** OBX of a PROCEDURE group: what was found in it. */
function addMeasured(
  mapping: Mapping,
  group: Group,
  { key, ...place }: Pick<ObservationPlace, 'key' | 'patient' | 'encounter' | 'also'>,
): void {
  for (const one of obxGroups(group)) {
    if (isDocument(one.obx)) mapping.warnings.add('OBX: a document outside a report has no place; left out');
    else addObservation(mapping, one, { ...place, group, key: JSON.stringify(['procedure', key]), status: 'final' });
  }
}

/** ROL and PRT in a group of its own, beside PR1-8, 11 and 12: who did it in which role. */
function performers(mapping: Mapping, group: Group, which: Which = 'present'): JsonObject[] {
  const others = group.name === 'PROCEDURE' ? encounterParticipants(mapping, group.segments, which) : [];
  return others.map(({ individual: actor, type }) => {
    const [role] = (type ?? []) as JsonObject[];
    return { actor, ...(role === undefined ? {} : { function: role }) } as JsonObject;
  });
}

/** Who did not do it after all (ROL-2, PRT-2: DE). */
function formerPerformers(mapping: Mapping, group: Group): Removed | undefined {
  const items = performers(mapping, group, 'ended');
  if (items.length === 0) return undefined;
  const keyOf = ({ function: role, actor }: JsonObject): string => {
    const { reference, display } = (actor ?? {}) as JsonObject;
    return JSON.stringify([conceptKey(role) ?? null, reference ?? display ?? null]);
  };
  return { what: { element: 'performer', keyOf, partOf: () => 'performer' }, items };
}

/** Each of PR1-8, 11 and 12 says who has that function, and nothing of the others. */
const performerKey = ({ function: role }: JsonObject): string => JSON.stringify(role ?? null);

const functionFields: readonly [number, string][] = [
  [8, 'performer[function.text=Anesthesiologist]'],
  [11, 'performer[function.text=Surgeon]'],
  [12, 'performer[function=]'],
];

/** Of those whose field is `""` nobody has the function any more. */
const nobody = (pr1: Segment): string[] =>
  functionFields.filter(([field]) => pr1.field(field).isNull).map(([, path]) => path);

/** PR1-5, with the minutes of PR1-7 where it has at least minutes itself. */
function performedOf(mapping: Mapping, pr1: Segment): JsonObject {
  const text = pr1.field(5).text;
  const start = dateTime(text, mapping.zone);
  if (start === undefined) {
    if (text !== undefined) mapping.warnings.add('PR1-5: not a time');
    return {};
  }
  const minutes = Number(pr1.field(7).text);
  const instant = instantOf(text, mapping.zone);
  if (!Number.isFinite(minutes) || minutes <= 0 || minutes > 60_000 || !start.includes('T') || instant === undefined) {
    return { performedDateTime: start };
  }
  const offset = /(?:Z|[+-]\d\d:\d\d)$/.exec(start)![0];
  return { performedPeriod: { start, end: shifted(instant, minutes, offset) } };
}

/** The time so many minutes later, with the same offset. */
function shifted(instant: string, minutes: number, offset: string): string {
  const [, sign, hours, rest] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? [];
  const offsetMs = (sign === '-' ? -60_000 : 60_000) * (Number(hours ?? 0) * 60 + Number(rest ?? 0));
  const wall = new Date(Date.parse(instant) + minutes * 60_000 + offsetMs).toISOString().slice(0, 19);
  return `${wall}${offset}`;
}

/** The guide leaves it to the context: what has its time behind it is done. */
function procedureStatus(mapping: Mapping, pr1: Segment): string {
  const when = instantOf(pr1.field(5).text, mapping.zone);
  if (when === undefined || mapping.time === undefined) return 'unknown';
  return Date.parse(when) <= Date.parse(mapping.time) ? 'completed' : 'preparation';
}

/** PD1-7. */
export function addLivingWill(mapping: Mapping, group: Group, patient: MappedPatient): void {
  const segment = group.get('PD1');
  const found = segment && runTable(pd1LivingWill, { segment, group, mapping });
  if (found === undefined) return;
  upsertDerived(mapping, { ...found, subject: { reference: patient.reference } }, [patient.key, '75320-2']);
}

/** PDA-1, the cause of death. */
export function addDeath(mapping: Mapping, group: Group, patient: MappedPatient): void {
  const segment = group.get('PDA');
  const found = segment && runTable(pdaCause, { segment, group, mapping });
  if (found?.valueCodeableConcept === undefined) return;
  const code = {
    coding: [
      { system: 'http://loinc.org', code: '69453-9', display: 'Cause of death [US Standard Certificate of Death]' },
    ],
  };
  const resource = { ...found, status: 'final', code, subject: { reference: patient.reference } };
  upsertDerived(mapping, resource, [patient.key, '69453-9']);
}

const disability: JsonObject = {
  coding: [{ system: 'http://snomed.info/sct', code: '21134002', display: 'Disability (finding)' }],
};

/** DB1 of the patient: whether there is a disability, and when. */
export function addDisability(mapping: Mapping, group: Group, patient: MappedPatient): void {
  for (const segment of group.all('DB1')) {
    if ((segment.field(2).text?.toUpperCase() ?? 'PT') !== 'PT') {
      mapping.warnings.add('DB1-2: a disability of somebody else than the patient has no place');
      continue;
    }
    const found = runTable(db1Observation, { segment, group, mapping });
    if (found?.valueBoolean === undefined) continue;
    const period = soundPeriod(mapping, found.effectivePeriod, 'DB1-6');
    const { effectivePeriod: _period, ...rest } = found;
    const resource = {
      ...rest,
      ...(period === undefined ? {} : { effectivePeriod: period }),
      status: 'final',
      code: disability,
      subject: { reference: patient.reference },
    };
    upsertDerived(mapping, resource, [patient.key, 'disability', segment.field(5).text]);
  }
}
