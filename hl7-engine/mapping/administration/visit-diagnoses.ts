// Encounter.diagnosis: all that the message has, or with action codes (DG1-21) what it adds, changes and takes away.
// HL7 v2.9 chapter 2.10.4.2 (snapshot and action code mode)
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { compact, list } from '../compact.ts';
import { toldMs } from '../late.ts';
import { stampMs } from '../ordering.ts';
import { type Removable, rememberingTaken, takingAway, withoutTaken, withoutTakenSince } from '../taken-away.ts';
import type { Diagnoses } from './clinical.ts';

const conditionOf = ({ condition }: JsonObject): unknown => (condition as JsonObject | undefined)?.reference;

/** The admission may come after what takes its diagnoses away. */
const diagnoses: Removable = {
  element: 'diagnosis',
  keyOf: (one) => String(conditionOf(one)),
  partOf: () => 'diagnosis',
};

/** `entry`: the visit's. */
export function setDiagnoses(entry: TransactionEntry, { diagnosis, removed, areAll }: Diagnoses): void {
  const { resource, merge } = entry;
  if (resource === undefined) return;
  if (diagnosis.length > 0) resource.diagnosis = compact(diagnosis);
  if (merge === undefined) return;
  // Also as what they have become: a Condition may be stored under another number of the patient.
  const former = removed.map((reference) => ({ condition: { reference } }));
  const taking = takingAway('diagnosis', former);
  const { prune = (whole: Resource): Resource => whole } = entry;
  if (taking.prune !== undefined) entry.prune = (whole, idle) => taking.prune!(prune(whole, idle), idle);
  entry.merge = (existing, sent) => {
    const { told: diagnosed, taken: stored } = withoutTaken(sent, 'diagnosis');
    const taken = [...former, ...stored];
    const incoming = withoutTakenSince(existing, diagnosed, diagnoses);
    const merged = merge(existing, incoming);
    if (areAll || isOutdated(existing, incoming)) return merged;
    const told = new Set([...taken, ...list(incoming.diagnosis)].map(conditionOf));
    if (told.size === 0) return merged;
    const kept = list(existing?.diagnosis).filter((one) => !told.has(conditionOf(one)));
    const { diagnosis: _all, ...rest } = merged;
    const all = [...kept, ...list(incoming.diagnosis)];
    const changed = { ...rest, ...(all.length > 0 && { diagnosis: all }) } as Resource;
    return rememberingTaken(changed, { taken, incoming, existing }, diagnoses);
  };
}

/** Newer messages have told the visit's diagnoses. */
function isOutdated(existing: Resource | undefined, incoming: Resource): boolean {
  const [before, now] = [existing && toldMs(existing, 'diagnosis'), stampMs(incoming)];
  return before !== undefined && now !== undefined && now < before;
}
