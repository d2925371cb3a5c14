// PID, PD1 and NK1 to Patient: https://hl7.org/fhir/uv/v2mappings/ (PID[Patient], PD1[Patient], NK1[Patient])
import type { JsonObject, Resource } from '#fhir-model';
import type { Part, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { dateTimeField, type Mapping } from './context.ts';
import { address, codeableConcept, contactPoint, humanName, repeated } from './datatypes.ts';
import { date, instant } from './datetime.ts';
import { cxIdentifier, type Identifier, identifierCriterion } from './identifiers.ts';
import { spokenLanguage } from './language.ts';
import { merging } from './merge.ts';
import { organizationReference, practitionerReference } from './practitioner.ts';
import { administrativeSex, maritalStatus, systems } from './tables.ts';

export interface PatientSegments {
  pid: Segment;
  pd1: Segment | undefined;
  nk1: Segment[];
}

/** The patient's reference, and what tells this patient from others in keys of ours. */
export interface MappedPatient {
  reference: string;
  key: string;
}

/** ADT: creates the patient or changes what the message carries. Throws Refusal AE without an identifier. */
export function upsertPatient(mapping: Mapping, segments: PatientSegments): MappedPatient {
  const { key, identifiers } = identify(mapping, segments.pid);
  const reference = mapping.add({
    method: 'PUT',
    url: `Patient?${identifierCriterion(key)}`,
    resource: patient(mapping, segments, identifiers),
    merge: merging({
      cleared: clearedElements(segments.pid),
      replacedByKey: { telecom: (point) => String(point.use), extension: (extension) => String(extension.url) },
    }),
  });
  return { reference, key: JSON.stringify([key.system, key.value]) };
}

/** ORU: creates the patient if unknown; a result never changes demographics. Throws Refusal AE without an identifier. */
export function findOrCreatePatient(mapping: Mapping, segments: PatientSegments): MappedPatient {
  const { key, identifiers } = identify(mapping, segments.pid);
  const criterion = identifierCriterion(key);
  const reference = mapping.once(`Patient?${criterion}`, () =>
    mapping.add({
      method: 'POST',
      url: 'Patient',
      ifNoneExist: criterion,
      resource: patient(mapping, segments, identifiers),
    }),
  );
  return { reference, key: JSON.stringify([key.system, key.value]) };
}

// Numbers of the patient as such come before numbers of something else that is the patient's.
const typeRanks: Readonly<Record<string, number>> = { MR: 0, MRN: 0, MRT: 4, PI: 1, PT: 2, PE: 2, PN: 2, NI: 3 };
const otherRank = 4;
const foreignRank = 5;
const foreignTypes = new Set(['SS', 'DL', 'AN', 'VN', 'PPN', 'BC', 'TAX', 'MC', 'MA', 'NH']);
const noAuthorityPenalty = 10;

function rank(cx: Part): number {
  const type = cx.component(5).text ?? '';
  const byType = foreignTypes.has(type) ? foreignRank : (typeRanks[type] ?? (type === '' ? 1 : otherRank));
  return byType + (cx.component(4).isEmpty ? noAuthorityPenalty : 0);
}

/** The identifier that the patient is matched by, and all of them: PID-3, PID-2, PID-4, and PID-19 and PID-18. */
function identify(mapping: Mapping, pid: Segment): { key: Identifier; identifiers: Identifier[] } {
  // PID-2 and PID-4 are what senders of old use; they count only without PID-3.
  const candidates = [3, 2, 4].map((field) => pid.field(field).repetitions()).find(hasNumber) ?? [];
  const best = candidates.filter((cx) => cx.component(1).text !== undefined).toSorted((a, b) => rank(a) - rank(b))[0];
  const key = best && patientIdentifier(mapping, best);
  if (key === undefined) {
    throw new Refusal('AE', '101', 'PID-3, the patient identifier list, has no identifier', {
      location: { segment: 'PID', field: 3 },
    });
  }
  const identifiers = [3, 2, 4].flatMap((field) => repeated(pid.field(field), (cx) => patientIdentifier(mapping, cx)));
  const account = cxIdentifier(mapping, pid.field(18), 'account', 'AN');
  const social = pid.field(19).text;
  if (account !== undefined) identifiers.push(account);
  if (social !== undefined) identifiers.push(socialSecurity(social));
  const unique = new Map(identifiers.map((identifier) => [`${identifier.system}|${identifier.value}`, identifier]));
  unique.set(`${key.system}|${key.value}`, key);
  return { key, identifiers: [...unique.values()] };
}

function hasNumber(repetitions: Part[]): boolean {
  return repetitions.some((cx) => cx.component(1).text !== undefined);
}

// One facility's MR, PI and untyped numbers are one kind: senders disagree on the type of the same number.
const plainTypes = new Set(['', 'MR', 'MRN', 'PI', 'PT']);

function patientIdentifier(mapping: Mapping, cx: Part): Identifier | undefined {
  const type = cx.component(5).text ?? '';
  const identifier = cxIdentifier(mapping, cx, plainTypes.has(type) ? '' : type);
  // "SS" under no authority is the same number that PID-19 carries.
  if (identifier === undefined || type !== 'SS' || !cx.component(4).isEmpty) return identifier;
  return { ...identifier, system: systems.ssn };
}

function socialSecurity(value: string): Identifier {
  return {
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'SS' }] },
    system: systems.ssn,
    value,
  };
}

function patient(mapping: Mapping, { pid, pd1, nk1 }: PatientSegments, identifiers: Identifier[]): Resource {
  const birth = pid.field(7).text;
  const birthTime = instant(birth, mapping.zone);
  if (birth !== undefined && date(birth) === undefined) mapping.warnings.add('PID-7: not a date');
  const language = codeableConcept(mapping, pid.field(15));
  return {
    resourceType: 'Patient',
    extension: extensions(mapping, pid),
    identifier: identifiers,
    name: [5, 9].flatMap((field) => repeated(pid.field(field), (xpn) => humanName(mapping, xpn, 'XPN'))),
    telecom: telecoms(mapping, pid),
    gender: administrativeSex[(pid.field(8).text ?? '').toUpperCase()],
    birthDate: date(birth),
    _birthDate:
      birthTime === undefined
        ? undefined
        : { extension: [{ url: `${structure}patient-birthTime`, valueDateTime: birthTime }] },
    ...deceased(mapping, pid),
    address: addresses(mapping, pid),
    maritalStatus: marital(mapping, pid.field(16)),
    ...multipleBirth(pid),
    contact: nk1.map((segment) => contact(mapping, segment)).filter((entry) => entry !== undefined),
    communication: language === undefined ? undefined : [{ language: spokenLanguage(language) }],
    generalPractitioner: pd1 === undefined ? undefined : generalPractitioners(mapping, pd1),
  };
}

const structure = 'http://hl7.org/fhir/StructureDefinition/';

function extensions(mapping: Mapping, pid: Segment): JsonObject[] {
  const maiden = humanName(mapping, pid.field(6), 'XPN')?.family;
  const religion = codeableConcept(mapping, pid.field(17));
  const birthPlace = pid.field(23).text;
  const found: JsonObject[] = [];
  if (typeof maiden === 'string') found.push({ url: `${structure}patient-mothersMaidenName`, valueString: maiden });
  if (religion !== undefined) found.push({ url: `${structure}patient-religion`, valueCodeableConcept: religion });
  if (birthPlace !== undefined) {
    found.push({ url: `${structure}patient-birthPlace`, valueAddress: { text: birthPlace } });
  }
  for (const [field, name] of [[10, 'race'] as const, [22, 'ethnicity'] as const]) {
    const extension = usCore(pid.field(field), name);
    if (extension !== undefined) found.push(extension);
  }
  return found;
}

const ombCategories = {
  race: new Set(['1002-5', '2028-9', '2054-5', '2076-8', '2106-3']),
  ethnicity: new Set(['2135-2', '2186-5']),
};

/** Race and ethnicity as US Core has them, where CDC's codes are sent: http://hl7.org/fhir/us/core/StructureDefinition/us-core-race */
function usCore(field: Part, name: 'race' | 'ethnicity'): JsonObject | undefined {
  const sent = field.repetitions().filter((cwe) => /^\d{4}-\d$/.test(cwe.component(1).text ?? ''));
  if (sent.length === 0) return undefined;
  const texts = sent.map((cwe) => cwe.component(2).text ?? cwe.component(1).text!);
  const categories = sent.map((cwe) => {
    const code = cwe.component(1).text!;
    const url = ombCategories[name].has(code) ? 'ombCategory' : 'detailed';
    const system = 'urn:oid:2.16.840.1.113883.6.238';
    return { url, valueCoding: { system, code, display: cwe.component(2).text } };
  });
  return {
    url: `http://hl7.org/fhir/us/core/StructureDefinition/us-core-${name}`,
    extension: [...categories, { url: 'text', valueString: texts.join(', ') }],
  };
}

function telecoms(mapping: Mapping, pid: Segment): JsonObject[] {
  const uses = [[13, 'home'] as const, [14, 'work'] as const, [40, undefined] as const];
  return uses.flatMap(([field, use]) => repeated(pid.field(field), (xtn) => contactPoint(mapping, xtn, use)));
}

function addresses(mapping: Mapping, pid: Segment): JsonObject[] {
  const found = repeated(pid.field(11), (xad) => address(mapping, xad));
  const county = pid.field(12).text;
  const [only] = found;
  if (county === undefined) return found;
  if (only !== undefined && found.length === 1 && only.district === undefined) return [{ ...only, district: county }];
  return found.some((entry) => entry.district === county) ? found : [...found, { district: county }];
}

function deceased(mapping: Mapping, pid: Segment): JsonObject {
  const when = dateTimeField(mapping, pid, 29);
  if (when !== undefined) return { deceasedDateTime: when };
  const indicator = yesNo(pid.field(30).text);
  return indicator === undefined ? {} : { deceasedBoolean: indicator };
}

function multipleBirth(pid: Segment): JsonObject {
  const order = Number(pid.field(25).text);
  if (Number.isInteger(order) && order > 0) return { multipleBirthInteger: order };
  const indicator = yesNo(pid.field(24).text);
  return indicator === undefined ? {} : { multipleBirthBoolean: indicator };
}

function yesNo(text: string | undefined): boolean | undefined {
  return text === 'Y' ? true : text === 'N' ? false : undefined;
}

function marital(mapping: Mapping, cwe: Part): JsonObject | undefined {
  const sent = codeableConcept(mapping, cwe);
  const system = cwe.component(3).text;
  const known = maritalStatus[cwe.component(1).text ?? ''];
  if (known === undefined || (system !== undefined && !/^HL7_?0002$/i.test(system))) return sent;
  const text = cwe.component(9).text ?? cwe.component(2).text;
  return { coding: [{ ...known }], text };
}

function contact(mapping: Mapping, nk1: Segment): JsonObject | undefined {
  const name = humanName(mapping, nk1.field(2).repetition(1), 'XPN');
  const organization = nk1.field(13).component(1).text;
  const telecom = [
    ...repeated(nk1.field(5), (xtn) => contactPoint(mapping, xtn, 'home')),
    ...repeated(nk1.field(6), (xtn) => contactPoint(mapping, xtn, 'work')),
  ];
  const place = address(mapping, nk1.field(4).repetition(1));
  // Patient.contact has to have one of these (constraint pat-1).
  if (name === undefined && telecom.length === 0 && place === undefined && organization === undefined) return undefined;
  const relationship = [3, 7].map((field) => codeableConcept(mapping, nk1.field(field))).filter((c) => c !== undefined);
  return {
    relationship,
    name,
    telecom,
    address: place,
    gender: administrativeSex[nk1.field(15).text ?? ''],
    organization: organization === undefined ? undefined : { display: organization },
  };
}

function generalPractitioners(mapping: Mapping, pd1: Segment): JsonObject[] {
  const organizations = repeated(pd1.field(3), (xon) => organizationReference(mapping, xon));
  const people = repeated(pd1.field(4), (xcn) => practitionerReference(mapping, xcn));
  return [...people, ...organizations];
}

/** Elements whose field is `""`. */
function clearedElements(pid: Segment): string[] {
  const elements: [number, string[]][] = [
    [5, ['name']],
    [7, ['birthDate', '_birthDate']],
    [8, ['gender']],
    [11, ['address']],
    [15, ['communication']],
    [16, ['maritalStatus']],
    [29, ['deceasedDateTime']],
    [30, ['deceasedBoolean']],
  ];
  const cleared = elements.flatMap(([field, names]) => (pid.field(field).isNull ? names : []));
  if (pid.field(13).isNull && pid.field(14).isNull) cleared.push('telecom');
  // deceased[x] and multipleBirth[x] hold one form only: a new one drives the other out.
  if (pid.field(29).text !== undefined) cleared.push('deceasedBoolean');
  else if (pid.field(30).text !== undefined) cleared.push('deceasedDateTime');
  if (pid.field(25).text !== undefined) cleared.push('multipleBirthBoolean');
  else if (pid.field(24).text !== undefined) cleared.push('multipleBirthInteger');
  return cleared;
}
