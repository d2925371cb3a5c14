// What answers to queries have in common: QAK, QPD, DSC. HL7 v2.9 chapters 5.4.2 and 5.5
import type { Resource } from '#fhir-model';
import { nk1Of, pidOf } from '../from-fhir/patient.ts';
import type { Authorities } from '../from-fhir/types.ts';
import type { Mapping } from '../mapping/context.ts';
import type { FieldValue, SegmentValue } from '../message/build.ts';
import type { Segment } from '../message/message.ts';
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

/** The site's own names of systems, the other way. */
export function authoritiesOf({ identifierSystems }: Mapping): Authorities {
  return new Map(Object.entries(identifierSystems).map(([name, system]) => [system, name]));
}

/** PID and NK1 of a patient. */
export function person(
  mapping: Mapping,
  patient: Resource,
  numbers: Parameters<typeof pidOf>[1],
  parts: 'with relations' | 'alone' = 'with relations',
): SegmentValue[] {
  const pid = pidOf(patient, numbers, authoritiesOf(mapping));
  return parts === 'alone' ? [pid] : [pid, ...nk1Of(patient)];
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
