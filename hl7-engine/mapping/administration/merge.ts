// Two patients that are one: HL7 v2.9 chapter 3.6.2 (merging patient/person information); https://hl7.org/fhir/R4/patient.html#merge
//
// The survivor gets the number of the one that goes, marked as old, and a link `replaces`; the one that goes becomes inactive
// with a link `replaced-by`. Whom the numbers belong to is known only in the transaction: `choose` and `merge` of the
// entries are called there, in the order of the entries, survivor first.
import type { Choice, JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { type ErrorLocation, Refusal } from '../../message/refusal.ts';
import { patientKeyOf } from '../alias.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { uniteIdentifiers } from '../identifiers.ts';
import { anyOf, numberKey, type PatientIdentity, patientIdentity, successorOf, thePatient } from '../identity.ts';
import {
  type MappedPatient,
  type PatientSegments,
  patientMerge,
  patient as patientOf,
  remembering,
} from '../patient.ts';
import { perMessage } from '../per-message.ts';

export const nameOf = ({ id }: Resource): string => `Patient/${id}`;

export const identifiersOf = (resource: Resource | undefined): JsonObject[] => list(resource?.identifier);

export const linksOf = (resource: Resource | undefined): JsonObject[] => list(resource?.link);

export const linkTarget = ({ other }: JsonObject): string => String((other as JsonObject | undefined)?.reference);

/** On a link `replaces`: the numbers that the other patient had, as they were. A37 gives them back. */
const mergedIdentifier = 'urn:cerebra:hl7v2-merged-identifier';

/** Of the survivor: the numbers that `merged` had before; none where the link does not say. */
export function numbersBefore(survivor: Resource | undefined, merged: Resource): JsonObject[] {
  const link = linksOf(survivor).find((one) => one.type === 'replaces' && linkTarget(one) === nameOf(merged));
  return list(link?.extension).flatMap(({ url, valueIdentifier }) =>
    url === mergedIdentifier ? [valueIdentifier as JsonObject] : [],
  );
}

export const asOld = (identifier: JsonObject): JsonObject => ({ ...identifier, use: 'old' });

/** Whether the patient has any of these numbers, and all that it has of them are marked as old. */
export function hasOnlyAsOld(patient: Resource, numbers: ReadonlySet<string>): boolean {
  const own = identifiersOf(patient).filter((identifier) => numbers.has(numberKey(identifier)));
  return own.length > 0 && own.every(({ use }) => use === 'old');
}

interface Gone {
  identity: PatientIdentity;
  /** As it is in the transaction; undefined where it is unknown, or the survivor itself. */
  retired: Resource | undefined;
}

/** A survivor and those that are merged into it by one message. */
interface Survivor {
  mapping: Mapping;
  identity: PatientIdentity;
  reference: string;
  /** As it is in the transaction; undefined where it is new. */
  known: Resource | undefined;
  gone: Gone[];
  replaced: Set<string>;
}

const location: ErrorLocation = { segment: 'MRG', field: 1 };

/** Whom it is about: `patients`, and those of `links`. */
function conflict(text: string, patients: (Resource | undefined)[], links: JsonObject[] = []): Refusal {
  const references = [...patients.filter((one) => one !== undefined).map(nameOf), ...links.map(linkTarget)];
  return new Refusal('AE', '205', text, { location, review: { kind: 'merge', text, references } });
}

export const numbersOf = ({ matching }: PatientIdentity): Set<string> => new Set(matching.map(numberKey));

const mergedBefore = 'The patient to merge was merged into another patient before: decide which of the two is right';

const mergedOtherWay = 'The patients were merged the other way round before: decide which number is to stay';

/** Whom MRG-1 means: the patient that goes; idle where there is none, or it has gone into the survivor before. */
function chooseRetired(into: Survivor, gone: Gone, matches: Resource[]): Choice {
  const survivor = into.known;
  const numbers = numbersOf(gone.identity);
  gone.retired = undefined;
  const others = matches.filter(({ id }) => id !== survivor?.id);
  const living = others.filter((one) => successorOf(one) === undefined);
  if (living.length > 1)
    throw conflict('The numbers of the patient to merge belong to several patients: merge them one by one', living);
  const [other] = living;
  if (other !== undefined) {
    if (hasOnlyAsOld(other, numbers)) {
      throw conflict(mergedBefore, [other, survivor]);
    }
    gone.retired = other;
    // A survivor that is new gets its numbers in the same transaction.
    return { match: other, handsOver: true };
  }
  const [former] = others;
  if (former !== undefined && (survivor === undefined || successorOf(former) !== nameOf(survivor))) {
    throw conflict(mergedBefore, [former, survivor]);
  }
  const itself = survivor !== undefined && others.length < matches.length;
  if (itself && hasOnlyAsOld(survivor, numbersOf(into.identity)) && !hasOnlyAsOld(survivor, numbers)) {
    const merged = linksOf(survivor).filter(({ type }) => type === 'replaces');
    throw conflict(mergedOtherWay, [survivor], merged);
  }
  return { idle: true, as: into.reference };
}

/** The survivor after the merge: the message's demographics, both patients' numbers, a link to each that goes. */
function survivorAfter({ identity, gone }: Survivor, changed: Resource): Resource {
  const own = numbersOf(identity);
  const others = new Set(gone.flatMap((one) => [...numbersOf(one.identity)]).filter((number) => !own.has(number)));
  const have = identifiersOf(changed).map((one) => (others.has(numberKey(one)) ? asOld(one) : one));
  const known = new Set(have.map(numberKey));
  const brought = gone.flatMap(({ identity: sent, retired }) => [...identifiersOf(retired), ...sent.identifiers]);
  const identifier = uniteIdentifiers(have, brought.filter((one) => !known.has(numberKey(one))).map(asOld));
  const links = gone.flatMap(({ identity: { key }, retired }) => {
    if (retired === undefined) return [];
    const other = { reference: nameOf(retired), identifier: { system: key.system, value: key.value } };
    const had = identifiersOf(retired).map((valueIdentifier) => ({ url: mergedIdentifier, valueIdentifier }));
    return [{ ...(had.length > 0 ? { extension: had } : {}), other, type: 'replaces' }];
  });
  const named = new Set(links.map(linkTarget));
  const link = [...linksOf(changed).filter((one) => !named.has(linkTarget(one))), ...links];
  return { ...changed, identifier, ...(link.length > 0 ? { link } : {}) };
}

/** The one that goes after the merge; its numbers are the survivor's, so that whoever looks one up finds one patient. */
function retiredAfter(mapping: Mapping, existing: Resource | undefined, incoming: Resource): Resource {
  const [replacedBy] = linksOf(incoming);
  const { identifier, ...rest } = existing ?? incoming;
  const links = linksOf(existing).filter((link) => linkTarget(link) !== linkTarget(replacedBy!));
  const kept = mapping.merges.identifiers === 'copy' && identifier !== undefined ? { identifier } : {};
  return { ...rest, ...kept, active: false, link: [...links, replacedBy!] } as Resource;
}

/** A message may merge several patients into one. */
const survivorsOf = perMessage(() => new Map<string, Survivor>());

/**
 * Merges the patient of MRG into that of PID. Throws Refusal AE without numbers; the transaction fails with one for a merge
 * that contradicts another. Yields the survivor.
 */
export function mergePatients(mapping: Mapping, segments: PatientSegments, mrg: Segment): MappedPatient {
  const survivor = survivorOf(mapping, segments);
  const identity = patientIdentity(mapping, mrg, [1, 4]);
  const same = numbersOf(survivor.identity);
  // A number that both have tells nothing of which of the two is meant.
  identity.matching = identity.matching.filter((one) => !same.has(numberKey(one)));
  if (identity.matching.length === 0) {
    const text = 'PID-3 and MRG-1 name the same patient number: there is nothing to merge';
    throw new Refusal('AE', '101', text, { location });
  }
  const gone: Gone = { identity, retired: undefined };
  survivor.gone.push(gone);
  const link = { other: { reference: survivor.reference }, type: 'replaced-by' };
  const retired = mapping.add({
    method: 'PUT',
    url: `Patient?${anyOf(identity.matching)}`,
    resource: { resourceType: 'Patient', active: false, link: [link] },
    choose: (matches) => chooseRetired(survivor, gone, matches),
    merge: (existing, incoming) => retiredAfter(mapping, existing, incoming),
  });
  if (mapping.merges.references === 'repoint') mapping.move({ from: retired, to: survivor.reference });
  const { key } = survivor.identity;
  const { reference, replaced } = survivor;
  return { reference, key: JSON.stringify([key.system, key.value]), identity: survivor.identity, replaced };
}

function survivorOf(mapping: Mapping, segments: PatientSegments): Survivor {
  const all = survivorsOf(mapping);
  const identity = patientIdentity(mapping, segments.pid);
  const criteria = anyOf(identity.matching);
  const known = all.get(criteria);
  if (known !== undefined) return known;
  const survivor: Survivor = { mapping, identity, reference: '', known: undefined, gone: [], replaced: new Set() };
  survivor.reference = addSurvivor(survivor, segments, criteria);
  all.set(criteria, survivor);
  return survivor;
}

function addSurvivor(survivor: Survivor, segments: PatientSegments, criteria: string): string {
  const { mapping, identity, replaced } = survivor;
  const cleared: string[] = [];
  const resource = patientOf(mapping, segments, identity, cleared);
  mapping.stamp(resource);
  const change = patientMerge(mapping, cleared);
  const find = thePatient({ segment: 'PID', field: 3 });
  return mapping.add({
    method: 'PUT',
    url: `Patient?${criteria}`,
    resource,
    choose: remembering(mapping, patientKeyOf(identity.key.system, identity.key.value), (matches) => {
      const choice = find(matches);
      survivor.known = choice.match;
      return choice;
    }),
    merge(existing, incoming) {
      const after = survivorAfter(survivor, change(existing, incoming));
      replaced.clear();
      for (const link of linksOf(after)) if (link.type === 'replaces') replaced.add(linkTarget(link));
      return after;
    },
  });
}
