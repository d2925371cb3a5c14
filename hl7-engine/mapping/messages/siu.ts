// Scheduling: SIU^S12 to S24 and S26: HL7 v2.9 chapter 10.4; https://hl7.org/fhir/uv/v2mappings/ (SIU_S12)
import type { JsonObject, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import { addDiagnoses } from '../administration/clinical.ts';
import { obxGroups } from '../clinical/groups.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { ofThesePatients } from '../clinical/whose.ts';
import type { Mapping } from '../context.ts';
import { findOrCreateEncounter } from '../encounter.ts';
import { eiIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { messageMap, required } from '../message-map.ts';
import { findOrCreatePatient, type MappedPatient } from '../patient.ts';
import { appointmentNumbers, upsertAppointment } from '../scheduling/appointment.ts';
import { isDeleted, servicesOf } from '../scheduling/participants.ts';
import { upsertSlots } from '../scheduling/slots.ts';
import { appointmentEvent, isOver } from '../scheduling/status.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { aisServiceRequest } from '../tables/sch.ts';

export const siu = messageMap({
  structures: ['SIU_S12'],
  events: 'S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26'.split(' '),
  defaultEvent: 'S12',
  reads: 'EVN SCH TQ1 NTE PID PD1 NK1 PV1 PV2 OBX DG1 RGS AIS AIG AIL AIP PRT'.split(' '),
  run: mapSchedule,
});

/** Throws Refusal AE without SCH or an appointment's number, and without a patient where one is booked. */
function mapSchedule(mapping: Mapping, root: Group): void {
  const sch = required(root.get('SCH'), 'SCH');
  const numbers = appointmentNumbers(mapping, sch);
  if (numbers.length === 0) {
    const location = { segment: 'SCH', field: 1 };
    throw new Refusal('AE', '101', 'SCH-1 and SCH-2 have no appointment number: send one of them', { location });
  }
  if (mapping.event === 'S23' || mapping.event === 'S24') {
    upsertSlots(mapping, root, sch, numbers);
    return;
  }
  const people = root.groups('PATIENT').filter((group) => group.get('PID') !== undefined);
  const patients = people.map((group) => ({ group, patient: patientOf(mapping, group) }));
  const [first] = patients;
  const encounters = patients.flatMap(({ group, patient }) => encounterOf(mapping, group, patient) ?? []);
  const basedOn = first === undefined ? [] : requests(mapping, root, sch, first.patient);
  const key = numberKey(numbers[0]!);
  const reasons = patients.flatMap(({ group, patient }) => reasonsOf(mapping, group, patient, key));
  const parts = { patients: patients.map(({ patient: { reference } }) => ({ reference })), basedOn, reasons, key };
  const appointment = upsertAppointment(mapping, root, sch, parts);
  for (const encounter of encounters) link(mapping, encounter, appointment);
  for (const { group, patient } of patients) addObservations(mapping, group, patient, key);
}

/** A scheduler's view of a patient changes nothing that is known. */
function patientOf(mapping: Mapping, group: Group): MappedPatient {
  return findOrCreatePatient(mapping, { pid: group.get('PID')!, pd1: group.get('PD1'), nk1: group.all('NK1') });
}

function encounterOf(mapping: Mapping, group: Group, patient: MappedPatient): string | undefined {
  const pv1 = group.get('PV1');
  if (pv1 === undefined) return undefined;
  return findOrCreateEncounter(mapping, { pid: group.get('PID')!, pv1, pv2: group.get('PV2') }, patient);
}

/** A visit that only the appointment tells of is planned. */
function link(mapping: Mapping, encounter: string, appointment: string): void {
  const visit = entryOf(mapping, encounter);
  const status = String(entryOf(mapping, appointment)?.resource?.status);
  if (visit?.resource === undefined || visit.method !== 'POST') return;
  visit.resource.appointment = [{ reference: appointment }];
  if (visit.resource.status !== 'finished') visit.resource.status = isOver(status) ? 'cancelled' : 'planned';
}

function entryOf({ entries }: Mapping, reference: string): TransactionEntry | undefined {
  return entries.find(({ fullUrl }) => fullUrl === reference);
}

/** SCH-26 and SCH-27: the orders that the appointment is for; found by number, whatever else is ordered under it. */
function requests(mapping: Mapping, root: Group, sch: Segment, patient: MappedPatient): JsonObject[] {
  const numbersOf = (field: number, kind: string, type: string): (Identifier | undefined)[] =>
    sch
      .field(field)
      .repetitions()
      .map((ei) => eiIdentifier(mapping, ei, kind, type));
  const placers = numbersOf(26, 'order-placer', 'PLAC');
  const fillers = numbersOf(27, 'order-filler', 'FILL');
  const count = Math.max(placers.length, fillers.length);
  return Array.from({ length: count }, (_, index) => {
    const identifier = [placers[index], fillers[index]].filter((one) => one !== undefined);
    return identifier.length === 0 ? [] : [{ reference: request(mapping, root, identifier, patient) }];
  }).flat();
}

function request(mapping: Mapping, root: Group, identifier: Identifier[], patient: MappedPatient): string {
  const isEnded = isOver(appointmentEvent(mapping.event).status);
  const service = servicesOf(root).find((one) => isEnded || !isDeleted(one));
  const found = service && runTable(aisServiceRequest, { ...service, mapping });
  const ifNoneExist = identifierCriterion(identifier[0]!);
  return mapping.once(`ServiceRequest?${ifNoneExist}`, () =>
    mapping.add({
      method: 'POST',
      url: 'ServiceRequest',
      ifNoneExist,
      choose: ofThesePatients(mapping),
      resource: {
        ...found,
        resourceType: 'ServiceRequest',
        identifier,
        status: 'active',
        intent: 'order',
        subject: { reference: patient.reference },
      },
    }),
  );
}

/** DG1: Conditions that are the appointment's reasons. */
function reasonsOf(mapping: Mapping, group: Group, patient: MappedPatient, key: string): JsonObject[] {
  return addDiagnoses(mapping, group, patient, key, undefined).diagnosis.map(
    ({ condition }) => condition as JsonObject,
  );
}

function addObservations(mapping: Mapping, group: Group, patient: MappedPatient, key: string): void {
  for (const one of obxGroups(group)) {
    if (isDocument(one.obx)) {
      mapping.warnings.add('OBX: a document of an appointment has no place; left out');
      continue;
    }
    const place = JSON.stringify([patient.key, 'appointment', key, one.obx.field(14).text ?? null]);
    addObservation(mapping, one, { group, key: place, patient: patient.reference, encounter: undefined });
  }
}
