// What an appointment and its participants come to: the event and SCH-25 (table 0278). HL7 v2.9 chapter 10.4; FillerStatusCodes of
// https://hl7.org/fhir/uv/v2mappings/concept_maps.html
import type { Part } from '../../message/message.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import type { Mapping } from '../context.ts';
import { mappedCode } from '../types/coded.ts';

export interface AppointmentEvent {
  /** Whatever SCH-25 says: senders leave it as it was. */
  status?: string;
  /** It is about single services or resources: those that it does not name stay. */
  partial?: true;
  /** What comes or goes has times of its own: they are none of the whole appointment. */
  keepsTimes?: true;
}

/** S12 to S22 and S26; S23 and S24 block and open slots. */
const events: Readonly<Record<string, AppointmentEvent>> = {
  S15: { status: 'cancelled' },
  S16: { status: 'cancelled' },
  S17: { status: 'entered-in-error' },
  S18: { partial: true, keepsTimes: true },
  S19: { partial: true },
  S20: { partial: true, keepsTimes: true },
  S21: { partial: true, keepsTimes: true },
  S22: { partial: true, keepsTimes: true },
  S26: { status: 'noshow' },
};

export const appointmentEvent = (event: string): AppointmentEvent => events[event] ?? {};

const statuses = conceptMapOf('FillerStatusCodes[Appointment]');

/**
 * Of one that the event does not settle; undefined where nobody says it. A sender's own word says nothing: what was booked
 * stays booked.
 */
export function fillerStatus(mapping: Mapping, field: Part, where: string): string | undefined {
  return mappedCode(mapping, statuses, field, where);
}

const taken = new Set(['booked', 'arrived', 'checked-in', 'fulfilled']);
const gone = new Set(['cancelled', 'entered-in-error', 'noshow']);

export const isOver = (status: string | undefined): boolean => status !== undefined && gone.has(status);

/** Appointment.participant.status, of the resource's own status else the appointment's. */
export function participation(status: string | undefined): string {
  if (status === undefined || taken.has(status)) return 'accepted';
  return gone.has(status) ? 'declined' : 'needs-action';
}

/** How far it has come: of two messages of one time the further holds. */
export const appointmentRanks = [
  'proposed',
  'pending',
  'waitlist',
  'booked',
  'arrived',
  'checked-in',
  'fulfilled',
  'noshow',
  'cancelled',
  'entered-in-error',
];
