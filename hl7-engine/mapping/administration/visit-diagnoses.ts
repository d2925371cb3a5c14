// Encounter.diagnosis: all that the message has, or with action codes (DG1-21) what it adds, changes and takes away.
// HL7 v2.9 chapter 2.10.4.2 (snapshot and action code mode)
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { compact, list } from '../compact.ts';
import { deletedMs, keyed, toldMs, withDeleted } from '../late.ts';
import { stampMs, stampText } from '../ordering.ts';
import { takingAway, withoutTaken } from '../taken-away.ts';
import type { Diagnoses } from './clinical.ts';

const conditionOf = ({ condition }: JsonObject): unknown => (condition as JsonObject | undefined)?.reference;

/** What a diagnosis that was taken away is remembered by. */
const nameOf = (condition: unknown): string => keyed('diagnosis', String(condition));

/** `entry`: the visit's. */
export function setDiagnoses(entry: TransactionEntry, { diagnosis, removed, areAll }: Diagnoses): void {
  const { resource, merge } = entry;
  if (resource === undefined) return;
  if (diagnosis.length > 0) resource.diagnosis = compact(diagnosis);
  if (merge === undefined) return;
  // Also as what they have become: a Condition may be stored under another number of the patient.
  const taking = takingAway(
    'diagnosis',
    removed.map((reference) => ({ condition: { reference } })),
  );
  const { prune = (whole: Resource): Resource => whole } = entry;
  if (taking.prune !== undefined) entry.prune = (whole, idle) => taking.prune!(prune(whole, idle), idle);
  entry.merge = (existing, sent) => {
    const { told: diagnosed, taken } = withoutTaken(sent, 'diagnosis');
    const gone = [...new Set<unknown>([...removed, ...taken.map(conditionOf)])];
    const incoming = withoutDeleted(existing, diagnosed);
    const merged = merge(existing, incoming);
    if (areAll || isOutdated(existing, incoming)) return merged;
    const told = new Set<unknown>([...gone, ...list(incoming.diagnosis).map(conditionOf)]);
    if (told.size === 0) return merged;
    const kept = list(existing?.diagnosis).filter((one) => !told.has(conditionOf(one)));
    const { diagnosis: _all, ...rest } = merged;
    const all = [...kept, ...list(incoming.diagnosis)];
    const changed = { ...rest, ...(all.length > 0 && { diagnosis: all }) } as Resource;
    return withDeleted(changed, gone.map(nameOf), stampText(incoming));
  };
}

/** Newer messages have told the visit's diagnoses. */
function isOutdated(existing: Resource | undefined, incoming: Resource): boolean {
  const [before, now] = [existing && toldMs(existing, 'diagnosis'), stampMs(incoming)];
  return before !== undefined && now !== undefined && now < before;
}

/** Without those that a newer message has taken away: the admission may come after it. */
function withoutDeleted(existing: Resource | undefined, incoming: Resource): Resource {
  const now = stampMs(incoming);
  if (existing === undefined || now === undefined || incoming.diagnosis === undefined) return incoming;
  const all = list(incoming.diagnosis);
  const left = all.filter((one) => now >= (deletedMs(existing, nameOf(conditionOf(one))) ?? now));
  if (left.length === all.length) return incoming;
  const { diagnosis: _all, ...rest } = incoming;
  return (left.length > 0 ? { ...rest, diagnosis: left } : rest) as Resource;
}
