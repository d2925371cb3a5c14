// Servers may require If-Match: https://hl7.org/fhir/R4/http.html#concurrency
import type { TransactionEntry } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from './core.ts';

const CHANGES = new Set<string>(['PUT', 'PATCH', 'DELETE']);

export const ifMatchRequired = (type: string, expression: string): CerebraError =>
  new CerebraError('required', `A ${type} is changed only with If-Match and the version that was read, as in W/"1"`, {
    expression: [expression],
  });

/**
 * What the entry is to be where its type requires a version: with one, or an update that only creates. Throws `required`
 * for another one. `type` is the one in its URL, `expression` where If-Match belongs.
 */
export function withVersion(core: Core, entry: TransactionEntry, type: string, expression: string): TransactionEntry {
  if (!core.versionRequired.has(type) || !CHANGES.has(entry.method)) return entry;
  const { method, ifMatch, ifNoneMatch } = entry;
  if (ifMatch !== undefined && ifMatch.trim() !== '*') return entry;
  // "Whichever version there is": it names none, and who sends it doesn't want to create.
  if (method !== 'PUT' || ifMatch !== undefined) throw ifMatchRequired(type, expression);
  return ifNoneMatch === undefined ? { ...entry, ifNoneMatch: '*' } : entry;
}

/** The error of an update that withVersion made one that only creates: what is missing is If-Match. */
export function versionError(before: TransactionEntry, run: TransactionEntry, type: string, error: unknown): unknown {
  const restricted = before.ifNoneMatch !== run.ifNoneMatch && isCerebraError(error, 'precondition-failed');
  return restricted ? ifMatchRequired(type, 'If-Match') : error;
}
