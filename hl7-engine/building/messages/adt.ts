// Patient and Encounter as ADT^A01, A03, A04, A05, A08, A11, A13, A28, A31 and A38: HL7 v2.9 chapter 3.3
import type { Resource } from '#fhir-model';
import type { SegmentValue } from '../../message/build.ts';
import type { Building } from '../building.ts';
import { isObject, noPlace, objects, since, text } from '../building.ts';
import { visitDiagnoses } from '../diagnosis.ts';
import { patientOf, patientSegments, visitSegments } from '../subject.ts';
import { dtm, dtmOf } from '../types/time.ts';
import type { MessageBuilder, Told } from './message.ts';

const outpatient = new Set(['AMB', 'EMER', 'VR', 'HH', 'FLD', 'OBSENC']);
const over = new Set(['finished', 'cancelled', 'entered-in-error']);

/** How a visit begins: registered, admitted, or announced. */
function beginning({ status, class: kind }: Resource): string {
  if (status === 'planned') return 'A05';
  return isObject(kind) && outpatient.has(text(kind.code) ?? '') ? 'A04' : 'A01';
}

const isTakenBack = (status: unknown): boolean => status === 'cancelled' || status === 'entered-in-error';

/** Of a visit that was taken back before anybody was admitted, behind its status. */
const announced = ' announced';

const wasAnnounced = (state: string | undefined): boolean =>
  state === 'planned' || (state?.endsWith(announced) ?? false);

/** What is kept of a visit: its status, and that nobody had been admitted: what changes of it later is told in the same way. */
const visitState = ({ status }: Resource, told?: Told): string =>
  `${text(status) ?? ''}${isTakenBack(status) && wasAnnounced(told?.state) ? announced : ''}`;

function visitEvent(visit: Resource, state: string | undefined): string {
  const { status } = visit;
  // A11 takes an admission back; who was only announced is not admitted.
  if (isTakenBack(status)) return wasAnnounced(state) ? 'A38' : 'A11';
  const before = state?.replace(announced, '');
  if (status === 'finished') return before === 'finished' ? 'A08' : 'A03';
  if (before === 'finished') return 'A13';
  const begins = before === undefined || over.has(before) || (before === 'planned' && status !== 'planned');
  return begins ? beginning(visit) : 'A08';
}

function eventTime(building: Building, focus: Resource, event: string): string | undefined {
  const period = isObject(focus.period) ? focus.period : {};
  const at = event === 'A03' ? period.end : event === 'A01' || event === 'A04' ? period.start : undefined;
  return dtm(at) ?? dtm(focus.meta?.lastUpdated ?? building.graph.resolve(focus.subject)?.meta?.lastUpdated);
}

export const adt: MessageBuilder = {
  code: 'ADT',
  structures: {
    ...{ A01: 'ADT_A01', A03: 'ADT_A03', A04: 'ADT_A01', A05: 'ADT_A05', A08: 'ADT_A01' },
    ...{ A11: 'ADT_A09', A13: 'ADT_A01', A28: 'ADT_A05', A31: 'ADT_A05', A38: 'ADT_A38' },
  },
  from: ['Encounter', 'Patient'],
  reads: ['Patient', 'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Account', 'Condition'],
  stateOf: (focus, told) => (focus.resourceType === 'Encounter' ? visitState(focus, told) : 'known'),
  eventOf(focus, told) {
    if (focus.resourceType === 'Encounter') return visitEvent(focus, told === undefined ? 'in-progress' : told.state);
    return told === undefined || told.state !== undefined ? 'A31' : 'A28';
  },
  segments(building, focus, event): SegmentValue[] {
    const visit = focus.resourceType === 'Encounter' ? focus : undefined;
    const patient = visit === undefined ? focus : patientOf(building, visit.subject, 'Encounter.subject');
    // EVN-2 is when it was recorded, EVN-6 when it took place.
    const recorded = dtm(focus.meta?.lastUpdated) ?? dtmOf(building.nowMs);
    const evn: SegmentValue = {
      name: 'EVN',
      fields: { 1: since(building, '2.7') ? undefined : event, 2: recorded, 6: eventTime(building, focus, event) },
    };
    if (patient.active === false) building.warnings.add('Patient.active false has no place in the message');
    noPlace(building, patient, ['link', 'managingOrganization', 'photo']);
    const diagnoses = event === 'A11' || event === 'A38' ? [] : visitDiagnoses(building, objects(visit?.diagnosis));
    return [evn, ...patientSegments(building, patient, visit), ...visitSegments(building, visit), ...diagnoses];
  },
};
