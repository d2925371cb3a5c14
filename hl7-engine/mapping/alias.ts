// Ids that are derived from a patient's number are others where the patient comes under another number: after a merge, or from a
// sender that names another one first. What is stored under one of those is the same.
import type { Choice, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from './compact.ts';
import { derivedId } from './derived-id.ts';

/** A patient of a message, by what its keys are made of. */
export interface KnownPatient {
  /** As it is in the transaction; undefined where it is new, or not looked up yet. */
  known: Resource | undefined;
  /** As resources of the message refer to it. */
  reference?: string;
  /** Its key as it stands in other keys. */
  readonly forms: readonly string[];
}

/** Keys of patients (`["system","value"]`) to what is known of them. */
export type KnownPatients = Map<string, KnownPatient>;

/** A patient has a few numbers; more than these are not looked for. */
const NUMBERS_MAX = 20;

export const patientKeyOf = (system: string, value: string): string => JSON.stringify([system, value]);

/** A key stands in other keys as JSON in JSON: as it is, and escaped once and twice. */
export function formsOf(key: string): string[] {
  const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);
  return [key, escaped(key), escaped(escaped(key))];
}

/** Undefined where the key has no patient in it. */
export function aliasOf(
  patients: KnownPatients,
  type: string,
  key: readonly (string | undefined)[],
): TransactionEntry['alias'] {
  for (const [patientKey, patient] of patients) {
    const { forms } = patient;
    if (!key.some((part) => part !== undefined && forms.some((form) => part.includes(form)))) continue;
    return {
      ids: () => otherKeys(patient, patientKey).map((other) => derivedId(type, swapped(key, forms, formsOf(other)))),
      fits: (stored) => isOf(stored, patient.known),
      instead: () => derivedId(type, [...key, `Patient/${patient.known?.id ?? 'new'}`]),
    };
  }
  return undefined;
}

function otherKeys({ known }: KnownPatient, own: string): string[] {
  const keys = list(known?.identifier).map(({ system, value }) => patientKeyOf(String(system), String(value)));
  return [...new Set(keys)].filter((key) => key !== own).slice(0, NUMBERS_MAX);
}

function swapped(
  key: readonly (string | undefined)[],
  from: readonly string[],
  to: readonly string[],
): (string | undefined)[] {
  // The most escaped first: the others are part of it.
  return key.map((part) => from.reduceRight((text, form, level) => text?.replaceAll(form, to[level]!), part));
}

/**
 * A number that has been another patient's may have given a resource of that one its id. What refers to a patient who was merged
 * into this one is this one's.
 */
export function isOf(stored: Resource, patient: Resource | undefined): boolean {
  if (patient === undefined) return false;
  const reference = patientOf(stored);
  const replaced = list(patient.link).filter(({ type }) => type === 'replaces');
  const names = [`Patient/${patient.id}`, ...replaced.map(({ other }) => (other as JsonObject | undefined)?.reference)];
  return names.includes(reference);
}

/** The reference to whom the resource is of. */
export function patientOf({ subject, patient, beneficiary, for: whom }: Resource): string | undefined {
  const of = (subject ?? patient ?? beneficiary ?? whom) as JsonObject | undefined;
  return of?.reference as string | undefined;
}

/**
 * Of what has one number that which is the patient's of this reference: counters of samples begin anew, and nothing of another
 * patient is touched.
 */
export function ownOf(patients: KnownPatients, reference: unknown): (matches: Resource[]) => Choice {
  return (matches) => {
    const patient = [...patients.values()].find((one) => one.reference === reference);
    return { match: matches.find((stored) => patient === undefined || isOf(stored, patient.known)) };
  };
}
