// Whom a message is about: the numbers of PID-3, PID-2, PID-4, PID-18, PID-19 and PV1-19, PV1-50 as identifiers, and which
// stored resource they mean. HL7 v2.9 chapter 3.3.1 and 3.4.2.3; https://hl7.org/fhir/R4/patient.html#id
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { ownValue } from '#platform';
import type { Part, Segment } from '../message/message.ts';
import { type ErrorLocation, Refusal } from '../message/refusal.ts';
import { systems, v2Table } from './codes/systems.ts';
import { list } from './compact.ts';
import type { Mapping } from './context.ts';
import { repeated } from './datatypes.ts';
import { authorityOf, cxIdentifier, type Identifier, identifierCriterion } from './identifiers.ts';

/** A patient's numbers as one message has them. */
export interface PatientIdentity {
  /** The best of them: part of the ids of what is derived from this patient. */
  key: Identifier;
  /** What the patient is matched by: any of them is enough. */
  matching: Identifier[];
  /** All that stand in Patient.identifier. */
  identifiers: Identifier[];
}

// Numbers of the patient as such come before numbers of something else that is the patient's.
const typeRanks: Readonly<Record<string, number>> = { MR: 0, MRN: 0, MRT: 4, PI: 1, PT: 2, PE: 2, PN: 2, NI: 3 };
const otherRank = 4;
const foreignRank = 5;
const noAuthorityPenalty = 10;

/**
 * Numbers of table 0203 that are given to several persons, mistyped or made up (a family's insurance, 999-99-9999): kept, but
 * a patient is matched by them only where there is nothing better.
 */
const foreignTypes = new Set(
  'SS SSN DL DLN PPN BC TAX MC MCD MCR MA MB MCN NH SN SNBSN XV WC WP HC JHN BR PRC CZ AM DI DS VS CC BA EN'.split(' '),
);

/** 2.16.840.1.113883.2.1.4.1: the number that the British health service gives to a person, for life; NH of others is an insurer's. */
function isForeign(cx: Part): boolean {
  if (!foreignTypes.has(typeOf(cx))) return false;
  const { namespace, universalId } = authorityOf(cx.component(4));
  return !(typeOf(cx) === 'NH' && (namespace === 'NHS' || universalId === '2.16.840.1.113883.2.1.4.1'));
}

/** Of the visit and of the account. */
const visitTypes = new Set(['VN', 'AN', 'ANC', 'AND', 'ANT', 'ANON']);

/** Patients have a few numbers; a message with hundreds would make criteria that no look-up should pay for. */
const matchingMax = 20;

function rank(cx: Part): number {
  const type = cx.component(5).text ?? '';
  const byType = isForeign(cx) ? foreignRank : (ownValue(typeRanks, type) ?? (type === '' ? 1 : otherRank));
  return byType + (cx.component(4).isEmpty ? noAuthorityPenalty : 0);
}

const typeOf = (cx: Part): string => cx.component(5).text ?? '';

const numbered = (field: Part): Part[] => field.repetitions().filter((cx) => cx.component(1).text !== undefined);

/** Of PID, or of MRG with `fields` [1, 4]. Throws Refusal AE where there is no number. */
export function patientIdentity(mapping: Mapping, segment: Segment, fields = [3, 2, 4]): PatientIdentity {
  const sent = fields.map((field) => numbered(segment.field(field)));
  // PID-2 and PID-4 are what senders of old use; they count only without PID-3.
  const first = sent.find((list) => list.length > 0) ?? [];
  const own = first.filter((cx) => !visitTypes.has(typeOf(cx)));
  const candidates = (own.length > 0 ? own : first).toSorted((a, b) => rank(a) - rank(b));
  const best = candidates[0];
  const key = best && patientNumber(mapping, best);
  if (best === undefined || key === undefined) throw noIdentifier(segment, fields[0]!);
  const good = candidates.filter((cx) => !isForeign(cx));
  const matching = (good.length > 0 ? good.slice(0, matchingMax) : [best]).map((cx) => patientNumber(mapping, cx)!);
  const all = sent.flat().filter((cx) => !visitTypes.has(typeOf(cx)));
  const identifiers = (all.length > 0 ? all : [best]).map((cx) => patientNumber(mapping, cx)!);
  return { key, matching: distinct(matching), identifiers: distinct(identifiers) };
}

function noIdentifier({ name }: Segment, field: number): Refusal {
  const list = name === 'PID' ? 'PID-3, the patient identifier list,' : `${name}-${field}`;
  return new Refusal('AE', '101', `${list} has no identifier`, { location: { segment: name, field } });
}

/**
 * Each system and value once: the first of those alike, with what it does not say and a later one does. PID-4 often has the
 * number of PID-3 again, without its type.
 */
function distinct(identifiers: Identifier[]): Identifier[] {
  const found = new Map<string, Identifier>();
  for (const one of identifiers) {
    const first = found.get(numberKey(one));
    found.set(numberKey(one), first === undefined ? one : ({ ...one, ...stated(first) } as Identifier));
  }
  return [...found.values()];
}

const stated = (identifier: Identifier): JsonObject =>
  Object.fromEntries(Object.entries(identifier).filter(([, value]) => value !== undefined));

export const numberKey = ({ system, value }: JsonObject): string => `${system}|${value}`;

// One facility's MR, PI and untyped numbers are one kind: senders disagree on the type of the same number.
const plainTypes = new Set(['', 'MR', 'MRN', 'PI', 'PT']);

function patientNumber(mapping: Mapping, cx: Part): Identifier | undefined {
  const type = typeOf(cx);
  const identifier = cxIdentifier(mapping, cx, plainTypes.has(type) ? '' : type);
  // "SS" under no authority is the same number that PID-19 carries.
  if (identifier === undefined || type !== 'SS' || !cx.component(4).isEmpty) return identifier;
  return { ...identifier, system: systems.ssn };
}

export function socialSecurityNumber(part: Part): Identifier | undefined {
  const value = part.text;
  if (value === undefined) return undefined;
  return { type: { coding: [{ system: v2Table('0203'), code: 'SS' }] }, system: systems.ssn, value };
}

export const accountNumber = (mapping: Mapping, cx: Part): Identifier | undefined =>
  cxIdentifier(mapping, cx, 'account', 'AN');

export const visitNumber = (mapping: Mapping, cx: Part): Identifier | undefined =>
  cxIdentifier(mapping, cx, 'visit', 'VN');

/** PID-18, else a number of type AN in PID-3. */
export function accountIdentifier(mapping: Mapping, pid: Segment): Identifier | undefined {
  const listed = numbered(pid.field(3)).find((cx) => typeOf(cx) === 'AN');
  return accountNumber(mapping, pid.field(18).repetition(1)) ?? (listed && accountNumber(mapping, listed));
}

/** PV1-19, PV1-50 and numbers of type VN in PID-3, else PID-18: the first is what the encounter is matched by. */
export function visitIdentifiers(mapping: Mapping, pid: Segment, pv1: Segment): Identifier[] {
  const visit = visitNumber(mapping, pv1.field(19).repetition(1));
  const alternate = repeated(pv1.field(50), (cx) => cxIdentifier(mapping, cx, 'visit'));
  const listed = numbered(pid.field(3)).filter((cx) => typeOf(cx) === 'VN');
  const found = [visit, ...alternate, ...listed.map((cx) => visitNumber(mapping, cx))];
  const visits = distinct(found.filter((one) => one !== undefined));
  if (visits.length > 0) return visits;
  const account = accountNumber(mapping, pid.field(18).repetition(1));
  return account === undefined ? [] : [account];
}

/** `identifier=a|1,b|2`: any of them. */
export function anyOf(identifiers: readonly Identifier[]): string {
  return `identifier=${identifiers.map((one) => identifierCriterion(one).slice('identifier='.length)).join('%2C')}`;
}

/** `Patient/1` that a patient was merged into. */
export function successorOf(patient: Resource): string | undefined {
  if (patient.active !== false) return undefined;
  const link = list(patient.link).find(({ type }) => type === 'replaced-by');
  const reference = (link?.other as JsonObject | undefined)?.reference;
  return typeof reference === 'string' ? reference : undefined;
}

/**
 * The one patient that a message's numbers mean: one that was merged into another means that other. Throws Refusal AE for
 * numbers of several patients: a person has to decide.
 */
export function thePatient(location: ErrorLocation): NonNullable<TransactionEntry['choose']> {
  return (matches) => {
    const known = new Set(matches.map(({ id }) => `Patient/${id}`));
    const meant = new Set(
      matches.map((patient) => successorOf(patient) ?? `Patient/${patient.id}`).map((name) => name),
    );
    const last = [...meant].filter((name) => {
      const match = matches.find(({ id }) => `Patient/${id}` === name);
      return match === undefined || successorOf(match) === undefined;
    });
    if (last.length > 1) throw severalPatients(last, location);
    const [name] = last;
    if (name === undefined || !known.has(name)) return name === undefined ? {} : { follow: name };
    return { match: matches.find(({ id }) => `Patient/${id}` === name) };
  };
}

function severalPatients(references: string[], location: ErrorLocation): Refusal {
  const where = `${location.segment}-${location.field}`;
  const text = `The numbers in ${where} belong to ${references.length} patients: merge them, or correct the number that is not this patient's`;
  return new Refusal('AE', '205', text, { location, review: { kind: 'identity', text, references } });
}
