// PID, PD1, NK1 and what follows PID to Patient: https://hl7.org/fhir/uv/v2mappings/ (PID[Patient], PD1[Patient], NK1[Patient])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../message/message.ts';
import { primaryCare } from './administration/roles.ts';
import { formsOf, type KnownPatient, patientKeyOf } from './alias.ts';
import { systems } from './codes/systems.ts';
import { list } from './compact.ts';
import type { Mapping } from './context.ts';
import { uniteIdentifiers } from './identifiers.ts';
import { anyOf, type PatientIdentity, patientIdentity, thePatient } from './identity.ts';
import { deletedMs, type Fillable, filled, keyed, withDeleted, withOlder } from './late.ts';
import { merging } from './merge.ts';
import { stampMs, stampText } from './ordering.ts';
import { type Group, OpenGroup } from './structure/group.ts';
import { runTable } from './table/table.ts';
import { nk1Contact } from './tables/nk1.ts';
import { pd1Patient } from './tables/pd1.ts';
import { pidPatient } from './tables/pid.ts';
import {
  type Removable,
  rememberingTaken,
  takingAway,
  withoutItems,
  withoutTaken,
  withoutTakenSince,
} from './taken-away.ts';

export interface PatientSegments {
  pid: Segment;
  pd1: Segment | undefined;
  nk1: Segment[];
  /** ROL and PRT that follow PID, ARV as well. */
  others?: Segment[];
}

/** The patient's reference, and what tells this patient from others in keys of ours. */
export interface MappedPatient {
  reference: string;
  key: string;
  identity: PatientIdentity;
  /** Patients that were merged into this one, as `Patient/1`; known when it is written, before what comes after it. */
  replaced: Set<string>;
}

const location = { segment: 'PID', field: 3 };

const keyOf = ({ key }: PatientIdentity): string => patientKeyOf(key.system, key.value);

type Choose = NonNullable<TransactionEntry['choose']>;

/** Keeps whom the numbers mean, for what is derived from them. */
export function remembering({ patients }: Mapping, key: string, choose: Choose): Choose {
  const patient: KnownPatient = { known: undefined, forms: formsOf(key) };
  patients.set(key, patient);
  return (matches) => {
    const choice = choose(matches);
    patient.known = choice.match;
    return choice;
  };
}

/**
 * ADT: creates the patient or changes what the message carries. Throws Refusal AE without an identifier; the transaction
 * fails with one where the identifiers belong to several patients.
 */
export function upsertPatient(mapping: Mapping, segments: PatientSegments): MappedPatient {
  const identity = patientIdentity(mapping, segments.pid);
  const cleared: string[] = [];
  const resource = patient(mapping, segments, identity, cleared);
  mapping.stamp(resource);
  const change = patientMerge(mapping, cleared, (existing) => withoutDeleted(segments.pid, existing));
  const replaced = new Set<string>();
  const former = primaryCare(mapping, segments.others ?? [], 'ended');
  const reference = mapping.add({
    method: 'PUT',
    url: `Patient?${anyOf(identity.matching)}`,
    resource,
    ...takingAway('generalPractitioner', former),
    choose: remembering(mapping, keyOf(identity), thePatient(location)),
    merge: (existing, incoming) => {
      replaced.clear();
      for (const name of replacedBy(existing)) replaced.add(name);
      const told = existing === undefined ? incoming : withoutForgotten(existing, incoming);
      return withDeleted(change(existing, told), deletedNumbers(segments.pid), stampText(incoming));
    },
  });
  return mapped(mapping, { reference, key: keyOf(identity), identity, replaced });
}

/** What a message changes of a patient; `forget` takes away numbers that it deletes. Of an older one its numbers are taken, too. */
export function patientMerge(
  mapping: Mapping,
  cleared: readonly string[],
  forget: (existing: Resource) => Resource = (existing) => existing,
): NonNullable<TransactionEntry['merge']> {
  const change = merging({ ...patientRules, cleared, ordered: { warnings: mapping.warnings, fills: true } });
  return (existing, sent) => {
    const { told: said, taken } = withoutTaken(sent, 'generalPractitioner');
    const incoming = withoutTakenSince(existing, said, primaryCarers);
    const former = { taken, incoming, existing };
    const known = existing && withoutItems(forget(existing), former, primaryCarers);
    const late = { cleared, rules: lateElements };
    const told = withAddress(known, withoutVaguer(known, incoming, cleared), cleared);
    const changed = change(known, told);
    if (existing === undefined || changed !== known) {
      return rememberingTaken(withOlder(existing, changed, incoming, late), former, primaryCarers);
    }
    const older = withoutItems(existing, { ...former, isLate: true }, primaryCarers);
    return rememberingTaken(filled(withNumbers(older, incoming), told, late), former, primaryCarers);
  };
}

/** What says the same with less, and what it would drive out: that somebody died says nothing of when. */
const vaguer: readonly [says: string, known: string][] = [
  ['deceasedBoolean', 'deceasedDateTime'],
  ['multipleBirthBoolean', 'multipleBirthInteger'],
];

function withoutVaguer(existing: Resource | undefined, incoming: Resource, cleared: readonly string[]): Resource {
  const said = vaguer.filter(
    ([says, known]) => incoming[says] === true && existing?.[known] !== undefined && !cleared.includes(known),
  );
  if (said.length === 0) return incoming;
  const told: Resource = { ...incoming };
  for (const [says] of said) delete told[says];
  return told;
}

/** PID-12 without PID-11 says nothing of the rest of the address. */
function withAddress(existing: Resource | undefined, incoming: Resource, cleared: readonly string[]): Resource {
  const [sent, ...more] = list(incoming.address);
  const { district, ...rest } = (sent ?? {}) as JsonObject;
  const isAlone = district !== undefined && more.length === 0 && Object.keys(rest).length === 0;
  const before = list(existing?.address);
  const [only, ...others] = before;
  if (!isAlone || only === undefined || cleared.includes('address')) return incoming;
  const isThere = before.some((one) => one.district === district);
  const address = others.length === 0 ? [{ ...only, district }] : isThere ? before : [...before, { district }];
  return { ...incoming, address };
}

function mapped(mapping: Mapping, patient: MappedPatient): MappedPatient {
  const known = mapping.patients.get(patient.key);
  if (known !== undefined) known.reference = patient.reference;
  return patient;
}

/** Fields of one number each, whose `""` takes that number away, by what they are known by. */
const numberFields: readonly [number, (identifier: JsonObject) => boolean][] = [
  [19, ({ system }) => system === systems.ssn],
  [20, ({ type }) => list((type as JsonObject | undefined)?.coding).some(({ code }) => code === 'DL')],
];

function withoutDeleted(pid: Segment, existing: Resource): Resource {
  const gone = numberFields.filter(([field]) => pid.field(field).isNull).map(([, isOf]) => isOf);
  return withoutThese(existing, gone);
}

function withoutThese(patient: Resource, gone: readonly ((identifier: JsonObject) => boolean)[]): Resource {
  if (gone.length === 0) return patient;
  const identifier = list(patient.identifier).filter((one) => !gone.some((isOf) => isOf(one)));
  return { ...patient, identifier };
}

/** What a number that was deleted is remembered by. */
const numberName = (field: number): string => keyed('identifier', `PID-${field}`);

const deletedNumbers = (pid: Segment): string[] =>
  numberFields.filter(([field]) => pid.field(field).isNull).map(([field]) => numberName(field));

/** Without the numbers that a newer message has deleted: an older one does not bring them back. */
function withoutForgotten(existing: Resource, incoming: Resource): Resource {
  const now = stampMs(incoming);
  if (now === undefined) return incoming;
  const gone = numberFields.filter(([field]) => (deletedMs(existing, numberName(field)) ?? now) > now);
  return withoutThese(
    incoming,
    gone.map(([, isOf]) => isOf),
  );
}

/** ORU: creates the patient if unknown; a result never changes demographics. Throws Refusal as upsertPatient. */
export function findOrCreatePatient(mapping: Mapping, segments: PatientSegments): MappedPatient {
  const identity = patientIdentity(mapping, segments.pid);
  const criterion = anyOf(identity.matching);
  const reference = mapping.once(`Patient?${criterion}`, () =>
    mapping.add({
      method: 'POST',
      url: 'Patient',
      ifNoneExist: criterion,
      resource: patient(mapping, segments, identity, []),
      choose: remembering(mapping, keyOf(identity), thePatient(location)),
    }),
  );
  return mapped(mapping, { reference, key: keyOf(identity), identity, replaced: new Set() });
}

/** A number that an older message knows the patient by is one. */
function withNumbers(existing: Resource, incoming: Resource): Resource {
  const before = list(existing.identifier);
  const all = uniteIdentifiers(before, list(incoming.identifier));
  return all.length === before.length ? existing : { ...existing, identifier: all };
}

/** What an older message may change: all that says who the patient is, but not whether the record is in use. */
const elements = `name telecom gender birthDate _birthDate deceased address maritalStatus multipleBirth contact communication
  generalPractitioner extension`;

const patientRules = {
  replacedByKey: {
    telecom: (point: JsonObject) => String(point.use),
    extension: (extension: JsonObject) => String(extension.url),
    // PD1-3 is a practice, PD1-4 a person: a message that has one of them says nothing of the other.
    generalPractitioner: ({ type, reference }: JsonObject) =>
      type === 'Organization' || String(reference).startsWith('Organization/') ? 'Organization' : 'Practitioner',
  },
};

/** Of whom ROL and PRT take some away. */
const primaryCarers: Removable = {
  element: 'generalPractitioner',
  keyOf: ({ reference, display }) => String(reference ?? display),
  partOf: (one) => keyed('generalPractitioner', patientRules.replacedByKey.generalPractitioner(one)),
};

const lateElements: Fillable = { elements: new Set(elements.split(/\s+/)), byKey: patientRules.replacedByKey };

function replacedBy(existing: Resource | undefined): string[] {
  const links = Array.isArray(existing?.link) ? (existing.link as JsonObject[]) : [];
  return links
    .filter(({ type }) => type === 'replaces')
    .map(({ other }) => String((other as JsonObject | undefined)?.reference));
}

export function patient(
  mapping: Mapping,
  { pid, pd1, nk1, others = [] }: PatientSegments,
  { identifiers }: PatientIdentity,
  cleared: string[],
): Resource {
  const group: Group = new OpenGroup('PATIENT', undefined);
  const sent = runTable(pidPatient, { segment: pid, group, mapping }, cleared) ?? { resourceType: 'Patient' };
  const resource = sent as Resource;
  resource.identifier = distinctly([...identifiers, ...list(sent.identifier)]);
  withCounty(pid, resource);
  withoutHalfAnimal(mapping, resource);
  if (pd1 !== undefined) {
    addPd1(resource, runTable(pd1Patient, { segment: pd1, group, mapping }, cleared) ?? {});
    clearCarers(pd1, cleared);
  }
  const carers = primaryCare(mapping, others);
  if (carers.length > 0) resource.generalPractitioner = [...list(resource.generalPractitioner), ...carers];
  if (others.some(({ name }) => name === 'ARV')) restrict(resource);
  const contacts = nk1.map((segment) => contact(mapping, segment, group)).filter((one) => one !== undefined);
  if (contacts.length > 0) resource.contact = contacts;
  return resource;
}

function distinctly(identifiers: JsonObject[]): JsonObject[] {
  return [...new Map(identifiers.map((one) => [`${one.system}|${one.value}`, one] as const)).values()];
}

/** PD1-3 and PD1-4 share a list: each takes away what it has given. */
function clearCarers(pd1: Segment, cleared: string[]): void {
  const at = cleared.indexOf('generalPractitioner');
  if (at >= 0) cleared.splice(at, 1);
  for (const [field, type] of [
    [3, 'Organization'],
    [4, 'Practitioner'],
  ] as const) {
    if (pd1.field(field).isNull) cleared.push(`generalPractitioner[type=${type}]`);
  }
}

function addPd1(resource: Resource, { extension, resourceType: _type, ...rest }: JsonObject): void {
  Object.assign(resource, rest);
  if (extension !== undefined) resource.extension = [...list(resource.extension), ...list(extension)];
}

export const restricted = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  code: 'R',
  display: 'restricted',
};

/** PD1-12, PV2-22, and ARV: its own categories have no place, that there is a restriction has. */
export function restrict(resource: Resource): void {
  const security = list((resource.meta as JsonObject | undefined)?.security);
  if (security.some(({ code }) => code === 'R')) return;
  resource.meta = { ...resource.meta, security: [...security, { ...restricted }] } as NonNullable<Resource['meta']>;
}

/** PID-12: the district of the only address, else of one of its own. */
function withCounty(pid: Segment, resource: Resource): void {
  const district = pid.field(12).text;
  if (district === undefined) return;
  const addresses = list(resource.address);
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1 && only.district === undefined) {
    resource.address = [{ ...only, district }];
  } else if (!addresses.some((one) => one.district === district)) {
    resource.address = [...addresses, { district }];
  }
}

const animal = 'http://hl7.org/fhir/StructureDefinition/patient-animal';

/** The extension has to say the species (PID-35): a breed alone (PID-36) has no place. */
function withoutHalfAnimal({ warnings }: Mapping, resource: Resource): void {
  const extensions = list(resource.extension);
  const at = extensions.findIndex(({ url }) => url === animal);
  if (at < 0 || list(extensions[at]!.extension).some(({ url }) => url === 'species')) return;
  resource.extension = extensions.toSpliced(at, 1);
  warnings.add('PID-36: a breed without the species (PID-35) has no place');
}

/** Patient.contact has to have a name, telecom, address or organization (constraint pat-1). */
function contact(mapping: Mapping, segment: Segment, group: Group): JsonObject | undefined {
  const found = runTable(nk1Contact, { segment, group, mapping });
  if (found === undefined) return undefined;
  const { name, telecom, address, organization } = found;
  return [name, telecom, address, organization].every((one) => one === undefined) ? undefined : found;
}
