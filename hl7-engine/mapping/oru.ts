// ORU^R01 unsolicited observation message: HL7 v2.9 chapter 7.3.1; https://hl7.org/fhir/uv/v2mappings/ (ORU_R01)
import type { Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { Mapping } from './context.ts';
import { findOrCreateEncounter } from './encounter.ts';
import { addObservation, isDocument, type ObxGroup } from './observation.ts';
import { addOrder, type OrderGroup } from './order.ts';
import { findOrCreatePatient } from './patient.ts';

interface PatientGroup {
  pid: Segment;
  pd1: Segment | undefined;
  pv1: Segment | undefined;
  pv2: Segment | undefined;
  nk1: Segment[];
  /** OBX before any OBR: about the patient, of no order. */
  observations: ObxGroup[];
  orders: OrderGroup[];
}

const read = new Set('MSH PID PD1 NK1 PV1 PV2 ORC OBR OBX NTE SPM'.split(' '));
// They say nothing of the patient.
const technical = new Set('SFT UAC DSC CTI FTS BTS FHS BHS'.split(' '));

/** Throws Refusal AE when the message lacks PID or OBR, or the patient an identifier. */
export function mapOru(mapping: Mapping): void {
  const groups = patientGroups(mapping);
  if (groups.length === 0) throw missing('PID');
  for (const group of groups) {
    if (group.orders.length === 0) throw missing('OBR');
    mapGroup(mapping, group);
  }
}

function missing(segment: string): Refusal {
  return new Refusal('AE', '100', `Required segment ${segment} is missing`, { location: { segment } });
}

function mapGroup(mapping: Mapping, group: PatientGroup): void {
  const patient = findOrCreatePatient(mapping, group);
  const { pid, pv1, pv2 } = group;
  const encounter = pv1 === undefined ? undefined : findOrCreateEncounter(mapping, { pid, pv1, pv2 }, patient);
  if (pv1 !== undefined && encounter === undefined) {
    mapping.warnings.add('PV1: no visit number (PV1-19) or account number to know the encounter by');
  }
  for (const observation of group.observations) {
    if (isDocument(observation.obx)) continue;
    const key = JSON.stringify([patient.key, observation.obx.field(14).text ?? mapping.messageKey]);
    addObservation(mapping, observation, { key, patient: patient.reference, encounter });
  }
  for (const order of group.orders) addOrder(mapping, order, patient, encounter);
}

/** PATIENT_RESULT and ORDER_OBSERVATION, by what begins each: PID, and OBR with the ORC before it. */
function patientGroups(mapping: Mapping): PatientGroup[] {
  const groups: PatientGroup[] = [];
  let orc: Segment | undefined;
  let notes: Segment[] | undefined;
  for (const segment of mapping.message.segments) {
    const group = groups.at(-1);
    if (segment.name === 'PID') {
      groups.push({
        pid: segment,
        pd1: undefined,
        pv1: undefined,
        pv2: undefined,
        nk1: [],
        observations: [],
        orders: [],
      });
      orc = undefined;
      notes = undefined;
    } else if (segment.name === 'ORC') {
      orc = segment;
    } else if (group === undefined) {
      noteUnread(mapping, segment);
    } else if (segment.name === 'OBR') {
      const order: OrderGroup = { orc, obr: segment, notes: [], observations: [], specimens: [] };
      group.orders.push(order);
      orc = undefined;
      notes = order.notes;
    } else if (segment.name === 'NTE') {
      if (notes === undefined) mapping.warnings.add('NTE after PID has no place; left out');
      else notes.push(segment);
    } else {
      notes = place(mapping, group, segment) ?? notes;
    }
  }
  return groups;
}

/** Puts a segment where it belongs and yields where the notes after it go. */
function place(mapping: Mapping, group: PatientGroup, segment: Segment): Segment[] | undefined {
  const order = group.orders.at(-1);
  switch (segment.name) {
    case 'OBX': {
      const observation: ObxGroup = { obx: segment, notes: [] };
      const underSpecimen = order?.specimens.at(-1)?.observations;
      (underSpecimen ?? order?.observations ?? group.observations).push(observation);
      return observation.notes;
    }
    case 'SPM':
      order?.specimens.push({ spm: segment, observations: [] });
      return [];
    case 'PD1':
      group.pd1 = segment;
      return undefined;
    case 'PV1':
      group.pv1 = segment;
      return undefined;
    case 'PV2':
      group.pv2 = segment;
      return undefined;
    case 'NK1':
      group.nk1.push(segment);
      return undefined;
    default:
      noteUnread(mapping, segment);
      return undefined;
  }
}

function noteUnread(mapping: Mapping, segment: Segment): void {
  if (segment.raw.trim() === '' || read.has(segment.name) || technical.has(segment.name)) return;
  mapping.warnings.add(
    /^[A-Z][A-Z0-9]{2}$/.test(segment.name) ? `${segment.name}: segment not mapped` : 'A line that is no segment',
  );
}
