// The state of an order by ORC-1 and ORC-5: https://hl7.org/fhir/uv/v2mappings/ (OrderControlCode[ServiceRequest.status],
// OrderStatus); HL7 tables 0119 and 0038. What one side asks of the other about an order that is there already is a Task
// (https://hl7.org/fhir/R4/task.html): its answer changes that Task.
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';

type RequestStatus = 'active' | 'on-hold' | 'revoked' | 'completed' | 'entered-in-error';

/** http://hl7.org/fhir/CodeSystem/task-code */
type TaskCode = 'abort' | 'suspend' | 'resume' | 'change' | 'replace' | 'fulfill';

interface Control {
  status?: RequestStatus;
  task?: readonly [TaskCode, 'requested' | 'completed' | 'rejected'];
  /** An order that ends without having been carried out: cancelled, or stopped while under way. */
  ended?: 'cancelled' | 'stopped';
}

/** Table 0119. Codes that say nothing of the order's state are not in it. */
const controls: Readonly<Record<string, Control>> = {
  NW: { status: 'active' },
  OK: { status: 'active' },
  UA: { task: ['fulfill', 'rejected'] },
  // What is only asked leaves the order as it was; the guide has CA and HD active, which would revive one that has ended.
  CA: { task: ['abort', 'requested'] },
  CR: { status: 'revoked', task: ['abort', 'completed'], ended: 'cancelled' },
  OC: { status: 'revoked', ended: 'cancelled' },
  UC: { task: ['abort', 'rejected'] },
  DC: { status: 'revoked', task: ['abort', 'requested'], ended: 'stopped' },
  DR: { status: 'revoked', task: ['abort', 'completed'], ended: 'stopped' },
  OD: { status: 'revoked', ended: 'stopped' },
  UD: { task: ['abort', 'rejected'] },
  HD: { task: ['suspend', 'requested'] },
  HR: { status: 'on-hold', task: ['suspend', 'completed'] },
  OH: { status: 'on-hold' },
  UH: { task: ['suspend', 'rejected'] },
  RL: { status: 'active', task: ['resume', 'requested'] },
  OR: { status: 'active', task: ['resume', 'completed'] }, // ours: "released as requested"
  OE: { status: 'active' }, // ours: "order released"
  UR: { task: ['resume', 'rejected'] },
  RP: { task: ['replace', 'requested'] },
  RO: { status: 'active' },
  // Ours, both: the order that was replaced; the guide has RQ active and leaves RU open.
  RQ: { status: 'revoked', task: ['replace', 'completed'], ended: 'cancelled' },
  RU: { status: 'revoked', ended: 'cancelled' },
  UM: { task: ['replace', 'rejected'] },
  XO: { task: ['change', 'requested'] },
  XR: { task: ['change', 'completed'] },
  UX: { task: ['change', 'rejected'] },
  PA: { status: 'active' }, // ours: the parent of orders
  CH: { status: 'active' }, // ours: a child order
  PR: { status: 'active' },
  AF: { status: 'active' },
  DF: { status: 'revoked', ended: 'stopped' },
  FU: { status: 'completed' },
  OF: { status: 'completed' }, // ours: "refilled as requested"
  PY: { status: 'active' },
};

/** Table 0038. */
const statuses: Readonly<Record<string, Control>> = {
  A: { status: 'active' }, // ours: "some, but not all, results available"
  CA: { status: 'revoked', ended: 'cancelled' },
  CM: { status: 'completed' },
  DC: { status: 'revoked', ended: 'stopped' },
  ER: { status: 'entered-in-error' },
  HD: { status: 'on-hold' },
  IP: { status: 'active' },
  RP: { status: 'revoked', ended: 'cancelled' },
  SC: { status: 'active' },
};

export interface OrderState {
  /** Undefined where neither field says it. */
  status: RequestStatus | undefined;
  ended: 'cancelled' | 'stopped' | undefined;
  task: Control['task'];
}

export function orderState(orc: Segment | undefined): OrderState {
  const control = controls[orc?.field(1).text?.toUpperCase() ?? ''];
  const sent = statuses[orc?.field(5).text?.toUpperCase() ?? ''];
  return {
    status: sent?.status ?? control?.status,
    ended: (sent ?? control)?.ended,
    task: control?.task,
  };
}

/** Where two messages bear the same time the status that is further on stays. */
export const requestRanks: readonly string[] = [
  'unknown',
  'draft',
  'active',
  'on-hold',
  'completed',
  'stopped',
  'cancelled',
  'revoked',
  'entered-in-error',
];

/** Task.code and Task.status. */
export function taskElements([code, status]: NonNullable<Control['task']>): JsonObject {
  return { status, code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code }] } };
}

/** MedicationRequest.status of the same state. */
export function medicationStatus({ status, ended }: OrderState): string | undefined {
  if (status === 'revoked') return ended ?? 'cancelled';
  return status;
}
