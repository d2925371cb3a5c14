// ADT^A01, A04, A08: HL7 v2.9 chapter 3.3; https://hl7.org/fhir/uv/v2mappings/ (ADT_A01)
import type { Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { Mapping } from './context.ts';
import { upsertEncounter } from './encounter.ts';
import { addObservation, isDocument, type ObxGroup } from './observation.ts';
import { upsertPatient } from './patient.ts';

const mapped = new Set('MSH EVN PID PD1 NK1 PV1 PV2 OBX NTE SFT UAC DSC'.split(' '));

/** Throws Refusal AE when the message lacks PID, or the patient an identifier. */
export function mapAdt(mapping: Mapping): void {
  const { message } = mapping;
  const pid = message.segment('PID');
  if (pid === undefined) {
    throw new Refusal('AE', '100', 'Required segment PID is missing', { location: { segment: 'PID' } });
  }
  const nk1 = message.segments.filter((segment) => segment.name === 'NK1');
  const patient = upsertPatient(mapping, { pid, pd1: message.segment('PD1'), nk1 });
  const pv1 = message.segment('PV1');
  const pv2 = message.segment('PV2');
  const encounter = pv1 === undefined ? undefined : upsertEncounter(mapping, { pid, pv1, pv2 }, patient);
  const recorded = message.get('EVN-2') ?? mapping.messageKey;
  for (const observation of observations(message.segments)) {
    if (isDocument(observation.obx)) {
      mapping.warnings.add('OBX: a document outside a report has no place; left out');
      continue;
    }
    const key = JSON.stringify([patient.key, encounterKey(pv1), observation.obx.field(14).text ?? recorded]);
    addObservation(mapping, observation, { key, patient: patient.reference, encounter });
  }
  for (const segment of message.segments) {
    if (segment.raw.trim() !== '' && !mapped.has(segment.name)) mapping.warnings.add(unmapped(segment.name));
  }
}

function encounterKey(pv1: Segment | undefined): string | null {
  return pv1?.field(19).component(1).text ?? null;
}

function observations(segments: readonly Segment[]): ObxGroup[] {
  const found: ObxGroup[] = [];
  for (const [index, segment] of segments.entries()) {
    if (segment.name === 'OBX') found.push({ obx: segment, notes: [] });
    const before = segments[index - 1]?.name;
    if (segment.name === 'NTE' && (before === 'OBX' || before === 'NTE')) found.at(-1)?.notes.push(segment);
  }
  return found;
}

function unmapped(name: string): string {
  return /^[A-Z][A-Z0-9]{2}$/.test(name) ? `${name}: segment not mapped` : 'A line that is no segment';
}
