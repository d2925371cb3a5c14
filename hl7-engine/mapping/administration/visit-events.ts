// What an ADT event does to the visit: HL7 v2.9 chapter 3.3; Event[EncounterStatus] of
// https://hl7.org/fhir/uv/v2mappings/concept_maps.html names A01 to A13 of these.

/**
 * How the patient's place changes. `arrive`: PV1-3 is where the patient is now; `undo`: PV1-3 is where the patient is again,
 * as if the move had not been; `leave`: the patient is nowhere here any more; `plan`: PV1-3 and PV1-42 are where the patient is
 * to be; `unplan`: that is off; `keep`: the event says nothing of it.
 */
export type Movement = 'arrive' | 'undo' | 'leave' | 'plan' | 'unplan' | 'keep';

export interface VisitEvent {
  /** The status that follows; without one the class tells that of a new encounter, and one that is there keeps its own. */
  status?: string;
  movement: Movement;
  /** What ended the visit is undone: its end, where the patient went. */
  reopens?: true;
  /** Of these participants (PV1-7, PV1-9) the former end, or what began with the event it takes back goes. */
  participants?: { code: 'ATND' | 'CON'; undone?: true };
}

const update: VisitEvent = { movement: 'arrive' };

const events: Readonly<Record<string, VisitEvent>> = {
  A01: { status: 'in-progress', movement: 'arrive', reopens: true },
  A02: { movement: 'arrive' },
  A03: { status: 'finished', movement: 'leave' },
  A04: { status: 'in-progress', movement: 'arrive', reopens: true },
  A05: { status: 'planned', movement: 'plan' },
  A06: { status: 'in-progress', movement: 'arrive' },
  A07: { status: 'in-progress', movement: 'arrive' },
  A09: { movement: 'keep' },
  A10: { movement: 'arrive' },
  A11: { status: 'cancelled', movement: 'leave' },
  A12: { movement: 'undo' },
  A13: { status: 'in-progress', movement: 'undo', reopens: true },
  A14: { status: 'planned', movement: 'plan' },
  A15: { movement: 'keep' },
  A16: { movement: 'keep' },
  A21: { status: 'onleave', movement: 'keep' },
  A22: { status: 'in-progress', movement: 'arrive' },
  A23: { status: 'entered-in-error', movement: 'leave' },
  A25: { movement: 'keep' },
  A26: { movement: 'unplan' },
  A27: { status: 'cancelled', movement: 'unplan' },
  A32: { movement: 'undo' },
  A33: { movement: 'undo' },
  A38: { status: 'cancelled', movement: 'unplan' },
  A52: { status: 'in-progress', movement: 'keep' },
  A53: { status: 'onleave', movement: 'keep' },
  A54: { movement: 'keep', participants: { code: 'ATND' } },
  A55: { movement: 'keep', participants: { code: 'ATND', undone: true } },
  A61: { movement: 'keep', participants: { code: 'CON' } },
  // Billing says nothing of where the patient is.
  P01: { movement: 'keep' },
  P03: { movement: 'keep' },
  P05: { movement: 'keep' },
  P11: { movement: 'keep' },
  P12: { movement: 'keep' },
  A62: { movement: 'keep', participants: { code: 'CON', undone: true } },
};

export function visitEvent(event: string): VisitEvent {
  return events[event] ?? update;
}
