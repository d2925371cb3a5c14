// What the mapping of one message gathers: the transaction's entries and what was left out.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Hl7Message, Segment } from '../message/message.ts';
import { compact } from './compact.ts';
import { dateTime, fixedZone, offsetOf, type Zone } from './datetime.ts';

export interface MappingConfig {
  /** Holds where neither a time nor MSH-7 names an offset. */
  zone: Zone;
  /** Assigning authority (namespace id or object identifier) -> identifier system, ahead of the scheme in identifiers.ts. */
  identifierSystems: Readonly<Record<string, string>>;
}

export interface Mapping {
  readonly message: Hl7Message;
  /** MSH-4, or MSH-3: whom local codes and numbers without an assigning authority belong to. */
  readonly facility: string;
  readonly zone: Zone;
  readonly identifierSystems: Readonly<Record<string, string>>;
  /** Names this message among all: for ids of what has no identifier of its own. */
  readonly messageKey: string;
  readonly entries: TransactionEntry[];
  readonly warnings: Set<string>;
  /** Adds an entry and yields the reference to it. Empty elements of the resource are dropped. */
  add(entry: Omit<TransactionEntry, 'fullUrl'> & { resource: Resource }): string;
  /** The reference that `make` yielded for this key before, else what it yields now. */
  once(key: string, make: () => string): string;
  /** 1 for the first call with this key, 2 for the second … */
  occurrence(key: string): number;
}

export interface Mapped {
  entries: TransactionEntry[];
  /** Paths and reasons, without the values: what was sent and has no place, or could not be read. */
  warnings: string[];
}

/** Unique within the transaction, which several messages may share; the journal's number tells them apart. */
function fullUrlPrefix(messageKey: string): string {
  const number = /^\d{1,14}$/.test(messageKey) ? Number(messageKey).toString(16).padStart(12, '0') : '0'.repeat(12);
  return `urn:uuid:${number.slice(0, 8)}-${number.slice(8)}-4000-8000-`;
}

export function createMapping(message: Hl7Message, messageKey: string, config: MappingConfig): Mapping {
  const msh = message.segments[0]!;
  const authority = [msh.field(4), msh.field(3)].find((part) => !part.isEmpty);
  const offset = offsetOf(msh.field(7).text);
  const references = new Map<string, string>();
  const occurrences = new Map<string, number>();
  const entries: TransactionEntry[] = [];
  const warnings = new Set<string>();
  const urlPrefix = fullUrlPrefix(messageKey);
  if (message.charsetMismatch)
    warnings.add(`MSH-18: the bytes are not of that character set; read as ${message.charset}`);
  return {
    message,
    facility: authority?.component(1).text ?? authority?.component(2).text ?? 'unknown',
    zone: offset === undefined ? config.zone : fixedZone(offset),
    identifierSystems: config.identifierSystems,
    messageKey,
    entries,
    warnings,
    add(entry) {
      const resource = compact(entry.resource)!;
      const fullUrl = `${urlPrefix}${entries.length.toString(16).padStart(12, '0')}`;
      entries.push({ ...entry, fullUrl, resource });
      return fullUrl;
    },
    once(key, make) {
      const known = references.get(key);
      if (known !== undefined) return known;
      const made = make();
      references.set(key, made);
      return made;
    },
    occurrence(key) {
      const count = (occurrences.get(key) ?? 0) + 1;
      occurrences.set(key, count);
      return count;
    },
  };
}

/** A field as dateTime; one that cannot be read is left out with a warning. */
export function dateTimeField(mapping: Mapping, segment: Segment, field: number): string | undefined {
  const text = segment.field(field).text;
  const value = dateTime(text, mapping.zone);
  if (text !== undefined && value === undefined) mapping.warnings.add(`${segment.name}-${field}: not a time`);
  return value;
}

/** What stands for an element that must be there and was not sent. */
export const absent: JsonObject = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
};
