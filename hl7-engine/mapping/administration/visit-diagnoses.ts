// Encounter.diagnosis: all that the message has, or with action codes (DG1-21) what it adds, changes and takes away.
// HL7 v2.9 chapter 2.10.4.2 (snapshot and action code mode)
import type { JsonObject, TransactionEntry } from '#fhir-model';
import { compact, list } from '../compact.ts';
import type { Diagnoses } from './clinical.ts';

const conditionOf = ({ condition }: JsonObject): unknown => (condition as JsonObject | undefined)?.reference;

/** `entry`: the visit's. */
export function setDiagnoses(entry: TransactionEntry, { diagnosis, removed, areAll }: Diagnoses): void {
  const { resource, merge } = entry;
  if (resource === undefined) return;
  if (diagnosis.length > 0) resource.diagnosis = compact(diagnosis);
  if (areAll || merge === undefined) return;
  entry.merge = (existing, incoming) => {
    const merged = merge(existing, incoming);
    if (existing === undefined || merged === existing) return merged;
    const told = new Set<unknown>([...removed, ...list(incoming.diagnosis).map(conditionOf)]);
    const kept = list(existing.diagnosis).filter((one) => !told.has(conditionOf(one)));
    const { diagnosis: _all, ...rest } = merged;
    const all = [...kept, ...list(incoming.diagnosis)];
    return { ...rest, ...(all.length > 0 && { diagnosis: all }) };
  };
}
