// What the mapping of one message gathers: the transaction's entries and what was left out.
import type { AccessScope, JsonObject, Resource, ResourceReader, TransactionEntry } from '#fhir-model';
import type { Clock } from '#platform';
import type { Hl7Message, Segment } from '../message/message.ts';
import type { Response } from '../message/response.ts';
import type { KnownPatients } from './alias.ts';
import type { Concept } from './codes/concept-map.ts';
import { compact, isClean } from './compact.ts';
import { hasContent, withoutReferences } from './content.ts';
import { dateTime, fixedZone, offsetOf, type Zone } from './datetime.ts';
import { type LookUps, newLookUps } from './look-up.ts';
import { messageTime, stampWith, timeAsOf } from './ordering.ts';
import type { SegmentTable } from './table/table.ts';

export interface MappingConfig {
  /** Holds where neither a time nor MSH-7 names an offset. */
  zone: Zone;
  /** Assigning authority (namespace id or object identifier) -> identifier system, ahead of the scheme in identifiers.ts. */
  identifierSystems: Readonly<Record<string, string>>;
  /**
   * A site's own codes, ahead of the concept maps: `table` is an HL7 table (`0001`) or the sender's coding system. The
   * result stands in the resource as it is; where an element takes a code alone, its code.
   */
  codeMap?: (table: string, code: string) => Concept | undefined;
  /** Who sends, where neither MSH-4 nor MSH-3 says it. */
  facility?: string;
  /** A site's own rows that add to the resources of a message, see extend.ts. */
  extensions?: readonly SegmentTable[];
  merges?: Partial<MergePolicy>;
}

/** What becomes of a patient that is merged into another, beside the links between the two. */
export interface MergePolicy {
  /** `repoint`: what refers to it refers to the survivor. */
  references: 'repoint' | 'keep';
  /** The survivor gets its numbers, marked as old: `move`, it loses them; `copy`, it has them as well. */
  identifiers: 'move' | 'copy';
}

/** References to one patient that become those to another, once both are written; both by their fullUrl. */
export interface PatientMove {
  from: string;
  to: string;
  /** Only of resources that refer to this one as well: the visit that is moved. */
  about?: string;
  /** Only what a merge of `to` into `from` has moved goes back: A37. Both are called in the transaction. */
  back?: {
    /** Whether there was such a merge. */
    wasMerged(): boolean;
    warn(text: string): void;
  };
}

export interface Mapping {
  readonly message: Hl7Message;
  /** MSH-4, or MSH-3: whom local codes and numbers without an assigning authority belong to. */
  readonly facility: string;
  readonly zone: Zone;
  readonly identifierSystems: Readonly<Record<string, string>>;
  readonly codeMap: NonNullable<MappingConfig['codeMap']>;
  /** Names this message among all: for ids of what has no identifier of its own. */
  readonly messageKey: string;
  /** MSH-9.2 or what stands for it: `A01`. */
  readonly event: string;
  readonly entries: TransactionEntry[];
  readonly lookUps: LookUps;
  readonly warnings: Warnings;
  /**
   * Adds an entry and yields the reference to it. Empty elements of the resource are dropped. A resource that says
   * nothing but what it is of (see content.ts) is not added, and references to it are removed.
   */
  add(entry: NewEntry): string;
  /** Says in the resource as of when it is: the message's time, or `time`. merging({ ordered }) heeds it. */
  stamp(resource: JsonObject, time?: string): void;
  readonly merges: MergePolicy;
  /** Asks for references to be moved in the transaction of the entries. */
  move(move: PatientMove): void;
  /** Of the message, EVN-2 or MSH-7, as an instant; when it came, if that is earlier by more than an hour. */
  readonly time: string | undefined;
  /** The reference that `make` yielded for this key before, else what it yields now. */
  once(key: string, make: () => string): string;
  /** The message's patients, by the keys that ids of theirs are derived from: alias.ts. */
  readonly patients: KnownPatients;
  /** 1 for the first call with this key, 2 for the second … */
  occurrence(key: string): number;
  /** What the message gets in place of an acknowledgment: a query its answer, a master file that of each record. */
  respond(responder: Responder): void;
}

/** Whom a query asks, what it may see, and when. */
export interface Inquiry {
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
}

/** `inquiry`: undefined where there is no store to ask. */
export type Responder = (inquiry: Inquiry | undefined) => Promise<Response>;

type NewEntry = Omit<TransactionEntry, 'fullUrl'> & {
  resource: Resource;
  /** The segment that it is made of, for extensions of a site's own. */
  from?: Segment | undefined;
  /** Elements that are the same in every such resource: without others it is not worth writing. */
  constants?: readonly string[];
};

/** Paths and reasons, without the values: what was sent and has no place, or could not be read. Each is told once. */
interface Warnings {
  add(text: string): void;
}

export interface Mapped {
  entries: TransactionEntry[];
  /** Go before the entries where those are written, and write nothing: look-up.ts. */
  lookUps?: readonly TransactionEntry[];
  /** Grows while the entries are written: an older message that changes nothing is told then. */
  warnings: string[];
  moves?: readonly PatientMove[];
  /** Of a query or a master file. */
  respond?: Responder | undefined;
}

/** Unique within the transaction, which several messages may share; the journal's number tells them apart. */
function fullUrlPrefix(messageKey: string): string {
  const number = /^\d{1,14}$/.test(messageKey) ? Number(messageKey).toString(16).padStart(12, '0') : '0'.repeat(12);
  return `urn:uuid:${number.slice(0, 8)}-${number.slice(8)}-4000-8000-`;
}

function createWarnings(): Warnings & { list: string[] } {
  const known = new Set<string>();
  const list: string[] = [];
  return {
    list,
    add(text) {
      if (known.has(text)) return;
      known.add(text);
      list.push(text);
    },
  };
}

const unmapped = (): undefined => undefined;

/** A mapping that is filled, and what it comes to. */
export interface OpenMapping extends Mapping {
  /** Resource of an entry → what it was made of, where that was said. */
  readonly origins: ReadonlyMap<Resource, Segment>;
  finish(): Mapped;
}

/** What is known of a message beside its text. */
export interface Arrival {
  /** Names the message among all. */
  messageKey: string;
  /** When it came, in milliseconds since 1970; undefined where nothing is stored. */
  receivedMs?: number;
}

export function createMapping(
  message: Hl7Message,
  { messageKey, receivedMs }: Arrival,
  config: MappingConfig,
  event = '',
): OpenMapping {
  const msh = message.segments[0]!;
  const authority = [msh.field(4), msh.field(3)].find((part) => !part.isEmpty);
  const offset = offsetOf(msh.field(7).text);
  const references = new Map<string, string>();
  const occurrences = new Map<string, number>();
  const entries: TransactionEntry[] = [];
  const origins = new Map<Resource, Segment>();
  const warnings = createWarnings();
  const moves: PatientMove[] = [];
  const zone = offset === undefined ? config.zone : fixedZone(offset);
  const dropped = new Set<string>();
  let respond: Responder | undefined;
  const time = timeAsOf(messageTime(message, zone), receivedMs, () =>
    warnings.add('EVN-2, MSH-7: over an hour ahead of the clock here; the message counts as of when it came'),
  );
  const urlPrefix = fullUrlPrefix(messageKey);
  const clean = isClean(message);
  const lookUps = newLookUps();
  if (message.charsetMismatch)
    warnings.add(`MSH-18: the bytes are not of that character set; read as ${message.charset}`);
  return {
    message,
    facility: authority?.component(1).text ?? authority?.component(2).text ?? config.facility ?? 'unknown',
    zone,
    time,
    event,
    identifierSystems: config.identifierSystems,
    codeMap: config.codeMap ?? unmapped,
    merges: { references: 'repoint', identifiers: 'move', ...config.merges },
    move: (move) => moves.push(move),
    respond: (responder) => {
      respond = responder;
    },
    messageKey,
    entries,
    lookUps,
    origins,
    patients: new Map(),
    warnings,
    add({ constants, from, ...entry }) {
      const resource = compact(entry.resource, clean)!;
      const fullUrl = `${urlPrefix}${(entries.length + dropped.size).toString(16).padStart(12, '0')}`;
      if (from !== undefined) origins.set(resource, from);
      if (hasContent(resource, constants)) entries.push({ ...entry, fullUrl, resource });
      else dropped.add(fullUrl).add(entry.url);
      return fullUrl;
    },
    stamp: (resource, at = time) => stampWith(resource, at),
    finish() {
      if (dropped.size > 0) withoutReferences(entries, dropped);
      return { entries, lookUps: lookUps.entries, warnings: warnings.list, moves, respond };
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
