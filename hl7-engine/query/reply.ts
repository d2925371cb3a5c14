// What answers to queries have in common: QAK, QPD, DSC. HL7 v2.9 chapters 5.4.2 and 5.5
import type { JsonObject, Resource } from '#fhir-model';
import { type Building, type BuildTarget, isObject, objects } from '../building/building.ts';
import { fitted } from '../building/fit.ts';
import { gatherAll } from '../building/gather.ts';
import { patientSegments } from '../building/subject.ts';
import { buildTarget } from '../building/target.ts';
import type { Inquiry, Mapping } from '../mapping/context.ts';
import type { FieldValue, SegmentValue } from '../message/build.ts';
import { loadDictionary } from '../message/dictionary.ts';
import type { Part, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { fieldOf } from '../message/response.ts';

/** Table 0208: data found, none found, more than are wanted, an error. */
export type QueryStatus = 'OK' | 'NF' | 'TM' | 'AE';

export interface Hits {
  total: number | undefined;
  /** On the pages before. */
  before: number;
  given: number;
}

/** QAK and QPD: QPD is sent back as it came. */
export function acknowledged(mapping: Mapping, qpd: Segment, status: QueryStatus, hits?: Hits): SegmentValue[] {
  const { delimiters } = mapping.message;
  const count = qpd.raw.split(delimiters.field).length - 1;
  const fields: Record<number, FieldValue> = {};
  for (let number = 1; number <= count; number++) fields[number] = fieldOf(qpd.field(number), delimiters);
  const { total, before = 0, given = 0 } = hits ?? {};
  const qak: Record<number, FieldValue> = { 1: qpd.field(2).whole, 2: status, 3: fieldOf(qpd.field(1), delimiters) };
  if (total !== undefined) {
    qak[4] = String(total);
    qak[5] = String(given);
    qak[6] = String(Math.max(0, total - before - given));
  }
  return [
    { name: 'QAK', fields: qak },
    { name: 'QPD', fields },
  ];
}

/** Where the next page begins; asked for with it in DSC-1 of the same query. */
export const continued = (cursor: string): SegmentValue => ({ name: 'DSC', fields: { 1: cursor, 2: 'I' } });

/** The answer is of whom was asked, by the names that the query calls them. */
function targetOf({ message, identifierSystems }: Mapping): BuildTarget {
  const msh = message.segments[0]!;
  const name = (part: Part): string | undefined => part.component(1).text ?? part.component(2).text;
  const [application, facility] = [5, 6].map((field) => name(msh.field(field)));
  return {
    ...buildTarget({ identifierSystems }),
    ...(application === undefined ? {} : { sendingApplication: application }),
    ...(facility === undefined ? {} : { sendingFacility: facility }),
    ...(message.get('MSH-12.1') === undefined ? {} : { version: message.get('MSH-12.1')! }),
  };
}

/** What answers say of others than those asked for. */
const types = ['Practitioner', 'PractitionerRole', 'Organization', 'Location'];

/** What `make` makes of the resources and those that they refer to, in the version of the query. */
export async function answering(
  mapping: Mapping,
  { reader, scope, clock }: Inquiry,
  resources: readonly Resource[],
  make: (building: Building, resources: readonly Resource[]) => SegmentValue[],
): Promise<SegmentValue[]> {
  const found = await gatherAll(resources, { reader, scope, types });
  const target = targetOf(mapping);
  const warnings = new Set<string>();
  const made = make({ target, graph: found.graph, nowMs: clock.now(), warnings }, found.resources);
  const segments = fitted(made, await loadDictionary(), target.version, warnings);
  // Of what is stored nothing asks for a value to be deleted; of what comes back of the query something may.
  return segments.map((segment) => ({ ...segment, quotes: 'text' }));
}

/** A patient, and those numbers that PID-3 is to have. */
export interface Person {
  patient: Resource;
  numbers: JsonObject[];
}

const legal = (name: JsonObject): JsonObject => ({ use: 'official', ...name });

/** XPN.7 is required by the profiles of answers; the only name that is known is the legal one. */
function withLegalNames(patient: Resource): Resource {
  const names = objects(patient.name);
  const contacts = objects(patient.contact).map(({ name, ...contact }) =>
    isObject(name) ? { ...contact, name: legal(name) } : contact,
  );
  return {
    ...patient,
    name: names.some(({ use }) => use === 'official') ? names : names.map(legal),
    contact: contacts,
  };
}

/** PID, PD1 and NK1 of each. */
export function people(mapping: Mapping, inquiry: Inquiry, found: readonly Person[]): Promise<SegmentValue[]> {
  const patients = found.map(({ patient, numbers }) => ({ ...withLegalNames(patient), identifier: numbers }));
  return answering(mapping, inquiry, patients, (building, resources) =>
    resources.flatMap((patient) => patientSegments(building, patient)),
  );
}

const countDefault = 25;
const countMax = 100;

/** RCP-2: how many records are wanted at most. Throws Refusal AE for what is no number, or lines instead of records. */
export function wantedCount(rcp: Segment | undefined): number {
  const quantity = rcp?.field(2);
  const text = quantity?.component(1).text;
  if (text === undefined) return countDefault;
  const unit = quantity?.component(2).text ?? 'RD';
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || unit !== 'RD') {
    throw new Refusal('AE', '102', 'RCP-2 is to be a number of records: 20^RD', {
      location: { segment: 'RCP', field: 2 },
    });
  }
  return Math.min(count, countMax);
}
