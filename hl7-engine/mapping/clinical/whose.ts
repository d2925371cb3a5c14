// A number of an order, result or document leads to one patient and PID-3 to another: as with numbers of patients and visits a
// person has to decide. HL7 v2.9 chapter 4.5.1.2: numbers of orders are unique, but counters that begin anew are not.
import type { Resource, TransactionEntry } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import { isOf, patientOf } from '../alias.ts';
import type { Mapping } from '../context.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

const withdrawn = new Set(['entered-in-error', 'revoked', 'cancelled']);

export const isWithdrawn = (status: unknown): boolean => withdrawn.has(String(status));

/**
 * A merge for resources that stay their patient's. What was withdrawn may begin anew as another patient's: so a sender mends
 * what it sent of the wrong one. Otherwise the merge throws Refusal AE with a review item.
 */
export function ofOnePatient(mapping: Mapping, merge: Merge): Merge {
  return (existing, incoming) => {
    if (existing === undefined || isSame(mapping, existing, incoming)) return merge(existing, incoming);
    if (isWithdrawn(existing.status)) return incoming;
    throw anotherPatients(existing, incoming);
  };
}

/** As the first of what has the number that is of one of the message's patients, or of nobody; what is another's alone is none. */
export function ofThesePatients({ patients }: Mapping): NonNullable<TransactionEntry['choose']> {
  const isTheirs = (one: Resource): boolean =>
    patientOf(one) === undefined || [...patients.values()].some(({ known }) => isOf(one, known));
  return (matches) => {
    const match = matches.find(isTheirs);
    if (match !== undefined || matches.length === 0) return { match };
    const other = matches.find(({ status }) => !isWithdrawn(status));
    if (other === undefined) return {};
    throw anotherPatients(other);
  };
}

function isSame({ patients }: Mapping, existing: Resource, incoming: Resource): boolean {
  const [before, now] = [patientOf(existing), patientOf(incoming)];
  if (before === undefined || now === undefined || before === now) return true;
  // References to one who was merged may be left where they are.
  const patient = [...patients.values()].find(({ known }) => known !== undefined && `Patient/${known.id}` === now);
  return isOf(existing, patient?.known);
}

function anotherPatients(existing: Resource, incoming?: Resource): Refusal {
  // Of two groups of one message the first has no id yet.
  const name = existing.id === undefined ? existing.resourceType : `${existing.resourceType}/${existing.id}`;
  const text = `What has the number of this order, result or document is another patient's (${name}): correct the number or PID-3, or withdraw the other one first`;
  const references = [name, patientOf(existing)!, ...(incoming === undefined ? [] : [patientOf(incoming)!])];
  return new Refusal('AE', '205', text, {
    location: { segment: 'PID', field: 3 },
    review: { kind: 'identity', text, references },
  });
}
