// The operations of this room: https://hl7.org/fhir/R4/operations.html
import type { AccessScope, OperationSpec } from '#fhir-model';
import type { EgressAllow, Jobs } from '#platform';
import { type ConvertDataParts, convertDataOperation } from './convert-data.ts';
import { createMessageResponder } from './message-responder.ts';
import { type ProcessMessageParts, processMessageOperation } from './process-message.ts';

export interface Hl7OperationParts extends ConvertDataParts, Omit<ProcessMessageParts, 'responder'> {
  /** Where answers of messages are sent from, before its start(); without it they are only given at once. */
  jobs?: Jobs | undefined;
  /** Of the server itself. */
  scope: AccessScope;
  egressAllow: EgressAllow;
}

export function hl7Operations(parts: Hl7OperationParts): OperationSpec[] {
  const { jobs } = parts;
  const responder = jobs && createMessageResponder({ ...parts, jobs });
  return [convertDataOperation(parts), processMessageOperation({ ...parts, responder })];
}
