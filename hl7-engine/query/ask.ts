// Patients that a query asks for, from the store: HL7 v2.9 chapter 3.3.57; https://hl7.org/fhir/R4/patient.html#search
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { objects } from '../building/building.ts';
import { identifierTypeOf } from '../building/types/identifier.ts';
import type { Inquiry, Mapping } from '../mapping/context.ts';
import { authorityOf, type Identifier, identifierSystem } from '../mapping/identifiers.ts';
import { anyOf, successorOf } from '../mapping/identity.ts';
import type { Part } from '../message/message.ts';
import type { Response } from '../message/response.ts';

/** Answers a query from the store. */
export type Asked = (inquiry: Inquiry) => Promise<Response>;

/** With the digits that its numbers were sent with. */
export function parsed(body: string): Resource {
  return parseJson(body).exact as Resource;
}

/** Numbers of the patient that are in use, those of the type MR first. */
export function patientNumbers({ identifier }: Resource): JsonObject[] {
  const current = objects(identifier).filter(({ use, value }) => use !== 'old' && value !== undefined);
  const rank = (one: JsonObject): number => (identifierTypeOf(one) === 'MR' ? 0 : 1);
  return current.toSorted((a, b) => rank(a) - rank(b));
}

/** A value in a search URL: https://hl7.org/fhir/R4/search.html#escaping */
export const escaped = (value: string): string => encodeURIComponent(value.replaceAll(/[\\$,|]/g, '\\$&'));

/** More patients than this have no one number. */
const patientsMax = 100;

/** Whom the numbers mean now: of a patient who was merged into another that other. */
export async function patientsByNumber(
  { reader, scope }: Inquiry,
  identifiers: readonly Identifier[],
): Promise<Resource[]> {
  const { resources } = await reader.search('Patient', `${anyOf(identifiers)}&_count=${patientsMax}`, scope);
  const found = new Map<string, Resource>();
  for (const { body } of resources) {
    const patient = await current({ reader, scope }, parsed(body));
    if (patient !== undefined) found.set(String(patient.id), patient);
  }
  return [...found.values()];
}

/** Merges follow each other; a circle of them is a fault, and nobody's. */
const mergesMax = 10;

async function current(
  { reader, scope }: Pick<Inquiry, 'reader' | 'scope'>,
  patient: Resource,
): Promise<Resource | undefined> {
  let last = patient;
  for (let count = 0; count < mergesMax; count++) {
    const successor = successorOf(last);
    if (successor === undefined) return last.active === false ? undefined : last;
    const [type = '', id = ''] = successor.split('/');
    const version = await reader.read(type, id, scope);
    if (version === undefined || version.deleted) return undefined;
    last = parsed(version.body);
  }
  return undefined;
}

export interface PatientPage {
  patients: Resource[];
  /** How many there are in all. */
  total: number | undefined;
  nextCursor: string | undefined;
}

/** `criteria`: as in a search URL, without `active` and paging. */
export async function patientsBy(
  { reader, scope }: Inquiry,
  criteria: readonly string[],
  { count, cursor }: { count: number; cursor: string | undefined },
): Promise<PatientPage> {
  const paging = cursor === undefined ? [] : [`_cursor=${encodeURIComponent(cursor)}`];
  const query = [...criteria, 'active:not=false', `_count=${count}`, '_total=accurate', ...paging].join('&');
  const { resources, total, nextCursor } = await reader.search('Patient', query, scope);
  return { patients: resources.map(({ body }) => parsed(body)), total, nextCursor };
}

/** Identifier.system of the domains that a query wants numbers of (CX.4 of each repetition); none: all. */
export function domainsOf(mapping: Mapping, field: Part): string[] {
  return field
    .repetitions()
    .map((cx) => cx.component(4))
    .filter((authority) => !authority.isEmpty)
    .map((authority) => identifierSystem(mapping, authorityOf(authority), ''));
}

export function inDomains(numbers: readonly JsonObject[], domains: readonly string[]): JsonObject[] {
  return domains.length === 0 ? [...numbers] : numbers.filter(({ system }) => domains.includes(String(system)));
}
