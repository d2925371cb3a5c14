// If-Match of operations that change a resource: https://hl7.org/fhir/R4/http.html#concurrency
import type { OperationRequest } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { preconditionOf } from '../interactions/etag.ts';
import { ifMatchRequired } from '../interactions/version-required.ts';
import { holds } from '../store/preconditions.ts';
import { versionMismatch } from '../store/store.ts';

/** Throws `precondition-failed` unless this is the version that was asked for; 0 is none. */
export type AssertVersion = (current: number) => void;

/** What If-Match asks of the version of one resource. Throws for a header that is no tag. */
export function versionAsserter(type: string, id: string, { ifMatch }: OperationRequest): AssertVersion {
  const wanted = preconditionOf({ method: 'POST', ...(ifMatch === undefined ? {} : { ifMatch }) });
  return (current) => {
    if (!holds(wanted, current)) throw versionMismatch(type, id, wanted!, current);
  };
}

/** Throws `required` where VERSION_REQUIRED names the type and If-Match names no version: the operation is a change like any other. */
export function assertVersionGiven(core: Core, type: string, { ifMatch }: OperationRequest): void {
  const isExact = ifMatch !== undefined && ifMatch.trim() !== '*';
  if (core.versionRequired.has(type) && !isExact) throw ifMatchRequired(type, 'If-Match');
}
