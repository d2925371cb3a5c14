// What the parts of the engine hand to each other: transport → journal → routes → mapping → store and destinations.
import type { JsonObject, TransactionEntry } from '#fhir-model';
import type { Queryable } from '#platform';
import type { MappingConfig } from './mapping/context.ts';
import type { Hl7Message } from './message/message.ts';
import type { Refusal } from './message/refusal.ts';

/** Where a message came in. */
export interface Source {
  kind: 'mllp' | 'http' | 'file' | 'api';
  /** The name of the listener, endpoint or folder in the configuration; `default` for MLLP_PORT and POST /hl7. */
  name: string;
  /** The peer's address, the subject of its certificate or the file's name: for the journal, never a PHI carrier by intent. */
  peer?: string;
}

/**
 * What a transport does with a whole message: journalled before anything else, then processed. `send` is called for each
 * acknowledgment in turn (enhanced mode has two: CA, later AA), or never where the sender wants none. The promise resolves
 * when all has been sent; a rejection means that not even the journal has it. `onRefused`: the message has no effect, whether its
 * sender hears of that or not.
 */
export type HandleMessage = (
  raw: Buffer,
  source: Source,
  send: (ack: Buffer) => Promise<void>,
  onRefused?: () => void,
) => Promise<void>;

/** Of a message that is not taken whole so much is journalled. */
export const headBytesMax = 64 * 1024;

/**
 * For a message that a transport does not take whole (too large, never ended): journals its beginning with the refusal.
 * Yields the acknowledgment.
 */
export type RefuseHead = (head: Buffer, source: Source, refusal: Refusal) => Promise<Buffer>;

/** HL7 v2.9 chapter 2.9: `auto` is enhanced where MSH-15 or MSH-16 is valued, else original. `none`: no answer at all. */
export type AckMode = 'auto' | 'original' | 'enhanced' | 'none';

/** What a route makes of one message. */
export interface RoutePlan {
  routeId: string;
  routeVersion: number;
  ack: AckMode;
  /** Why the route lets the message go without effect: journalled, acknowledged AA, nothing stored. */
  filtered?: string;
  /** The message as the route changes it, before it is validated and mapped; the same where it changes nothing. */
  transform(message: Hl7Message): Hl7Message;
  /** Structure and profile as the route asks for; throws Refusal. Yields warnings for the journal. */
  validate(message: Hl7Message): string[];
  mapping: MappingConfig;
  /** The FHIR store is one of the destinations. */
  stores: boolean;
  /** Its changes leave MSH-9 as it came: what type the message is mapped as is known before any work. */
  keepsType: boolean;
  /** What other destinations get, `entries` being what is stored. Enqueued in the transaction of the effect. */
  outbound(message: Hl7Message, entries: readonly TransactionEntry[]): OutboundMessage[];
  /** `refuse`: AE or AR. `accept`: acknowledged AA although it failed; it stands in the dead letters. */
  onError: 'refuse' | 'accept';
}

export interface Routes {
  /** Throws Refusal AR where no route takes the message. */
  plan(message: Hl7Message, source: Source): RoutePlan;
}

/** A message for a destination. */
export interface OutboundMessage {
  /** The destination's name in the configuration. */
  destination: string;
  /** Messages of one partition keep their order; the patient's identifier of PID-3, '' where there is none. */
  partition: string;
  /** Of other patients that it names (the one who is merged away): it keeps its place in the order of these as well. */
  otherPartitions?: readonly string[];
  /** MSH-10, '' for what is no HL7. */
  controlId: string;
  body: Buffer;
}

export interface Outbound {
  /**
   * In the transaction of what causes the messages, once for all of it: they are delivered if and only if it commits.
   * `journalId`: of the message that caused it.
   */
  enqueue(tx: Queryable, messages: readonly (OutboundMessage & { journalId?: bigint })[]): Promise<void>;
  /** Something was committed: look at once. */
  wake(): void;
}

/** Something that a person has to decide: kept with the message until it is resolved. */
export interface Review {
  /** `identity`: identifiers of one message belong to several patients. `continuation`: the rest of a message has not come. */
  kind: 'identity' | 'merge' | 'order' | 'content' | 'continuation';
  text: string;
  /** Resources it is about, as `Patient/1`. */
  references: string[];
  details?: JsonObject;
}
