// One message as an operator looks at it: its bytes, its fields, what was made of it, by which attempts.
import type { Db } from '#platform';
import { codecOf } from '../message/codec.ts';
import type { Dictionary } from '../message/dictionary.ts';
import type { Delimiters } from '../message/escape.ts';
import { type Part, type Segment, tryParse } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { reviewsOf } from './decisions.ts';
import { instant, type MessageRow, rowColumns, shown, shownAttempt } from './message-row.ts';

export interface Bodies {
  raw: Buffer;
  ack: Buffer | null;
}

const oneMessage = {
  name: 'hl7_one_message',
  text: `select ${rowColumns}, m.raw, m.ack from hl7_message m where m.id = $1`,
};

export async function readMessage(db: Db, id: bigint): Promise<(MessageRow & Bodies) | undefined> {
  return (await db.query<MessageRow & Bodies>(oneMessage, [id]))[0];
}

/** Text for eyes: one segment a line, control characters shown as ␀ and the like. Bytes that are no HL7 as ISO 8859-1. */
export function er7(raw: Buffer): string {
  const message = tryParse(raw);
  const text = message === undefined ? raw.toString('latin1') : codecOf(message.charset).decode(raw);
  return text
    .replaceAll(/\r\n|\r/g, '\n')
    .replaceAll(/[\x00-\x08\x0b-\x1f]/g, (character) => String.fromCharCode(0x2400 + character.charCodeAt(0)));
}

interface AttemptRow extends Omit<MessageRow, 'id' | 'received_at'> {
  number: number;
}

/** A sender may send what is refused every second. */
const attemptsMax = 200;
const formerAttempts = {
  name: 'hl7_attempts_of',
  text: `select * from (select a.* from hl7_attempt a where a.message = $1 order by a.number desc limit ${attemptsMax}) l
    order by number`,
};

const shownOutcome = (row: Omit<AttemptRow, 'attempts'>): Record<string, unknown> => ({
  number: row.number,
  finishedAt: instant(row.finished_at),
  state: row.state,
  ...shownAttempt(row),
  errorCode: row.error_code,
  error: row.error,
  warnings: row.warnings,
  wrote: row.wrote,
});

/** The last attempts, first to last: former ones have rows, the one that counts stands in the message. */
export async function attemptsOf(db: Db, row: MessageRow): Promise<Record<string, unknown>[]> {
  const former = await db.query<AttemptRow>(formerAttempts, [row.id]);
  const isThere = row.attempts === 0 || former.some(({ number }) => number === row.attempts);
  return [...former, ...(isThere ? [] : [{ ...row, number: row.attempts }])].map(shownOutcome);
}

interface OutboundRow {
  id: bigint;
  destination: string;
  state: string;
  control_id: string;
  queued_at: number;
  ended_at: number | null;
  attempts: number;
  error: string | null;
}

const outboundMax = 1_000;
const outboundOf = {
  name: 'hl7_outbound_of',
  text: `select id, destination, state, control_id, queued_at, ended_at, attempts, error from hl7_outbound
    where journal_id = $1 order by id limit ${outboundMax}`,
};

const shownOutbound = (row: OutboundRow): Record<string, unknown> => ({
  id: String(row.id),
  destination: row.destination,
  state: row.state,
  controlId: row.control_id,
  queuedAt: instant(row.queued_at),
  endedAt: instant(row.ended_at),
  attempts: row.attempts,
  error: row.error,
});

/** What everybody needs of one message. */
export async function overview(db: Db, row: MessageRow & Bodies): Promise<Record<string, unknown>> {
  const [attempts, reviews, outbound] = await Promise.all([
    attemptsOf(db, row),
    reviewsOf(db, row.id),
    db.query<OutboundRow>(outboundOf, [row.id]),
  ]);
  return {
    ...shown(row),
    raw: row.raw.toString('base64'),
    text: er7(row.raw),
    ack: row.ack?.toString('base64') ?? null,
    ackText: row.ack === null ? null : er7(row.ack),
    attemptHistory: attempts,
    reviews,
    outbound: outbound.map(shownOutbound),
  };
}

/** Nodes of one answer: a message of 10,000 segments would be a hundred megabytes of JSON. */
const nodesMax = 20_000;

interface Budget {
  nodes: number;
  delimiters: Delimiters;
  /** Something was left out. */
  isCut: boolean;
}

interface Node {
  path: string;
  name?: string;
  type?: string;
  value?: string;
  /** `""`: the sender says that there is no value. */
  isNull?: true;
  parts?: Node[];
}

/** Segments, fields, repetitions, components, subcomponents: only those that have something, with the names of their version. */
export function parsedTree(raw: Buffer, dictionary: Dictionary | undefined): Record<string, unknown> {
  const message = tryParse(raw);
  if (message === undefined) return { error: 'These bytes are no HL7 v2 message: they do not begin with MSH' };
  const naming = { dictionary, version: dictionary?.nearest(message.get('MSH-12')) ?? '' };
  const budget: Budget = { nodes: nodesMax, delimiters: message.delimiters, isCut: false };
  const seen = new Map<string, number>();
  const segments: Record<string, unknown>[] = [];
  for (const segment of message.segments) {
    if (budget.nodes <= 0) break;
    const sequence = (seen.get(segment.name) ?? 0) + 1;
    seen.set(segment.name, sequence);
    const path = sequence === 1 ? segment.name : `${segment.name}[${sequence}]`;
    const count = segment.raw.split(message.delimiters.field).length;
    segments.push({ segment: segment.name, path, fields: fieldNodes(segment, path, count, naming, budget) });
  }
  const cut = segments.length < message.segments.length || budget.nodes <= 0 || budget.isCut;
  return { version: message.get('MSH-12') ?? null, charset: message.charset, segments, ...(cut ? { cut: true } : {}) };
}

interface Naming {
  dictionary: Dictionary | undefined;
  version: string;
}

function fieldNodes(segment: Segment, path: string, count: number, naming: Naming, budget: Budget): Node[] {
  const fields: Node[] = [];
  for (let number = 1; number <= count && budget.nodes > 0; number++) {
    const part = segment.field(number);
    if (part.isEmpty) continue;
    const definition = naming.dictionary?.fieldOf(naming.version, segment.name, number);
    const { path: at, ...rest } = fieldNode(part, `${path}-${number}`, budget);
    fields.push({ path: at, ...(definition && { name: definition.name, type: definition.type }), ...rest });
  }
  return fields;
}

function fieldNode(part: Part, path: string, budget: Budget): Node {
  budget.nodes--;
  if (/^[MBF][SH][HS](?:\[\d+\])?-[12]$/.test(path)) return { path, value: part.raw };
  const repetitions = listed(part, budget);
  if (repetitions.length <= 1) return partNode(part.repetition(1), path, budget, 'component');
  const parts = repetitions.map((one, index) => partNode(one, `${path}[${index + 1}]`, budget, 'component'));
  return { path, parts };
}

/** Repetitions of a field that has more than any message may have, and components of any type. */
const repetitionsShown = 100;
const partsMax = 100;

function listed(part: Part, budget: Budget): Part[] {
  try {
    return part.repetitions();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    budget.isCut = true;
    return Array.from({ length: repetitionsShown }, (_, index) => part.repetition(index + 1));
  }
}

/** How many parts there are between delimiters, as far as they are shown. */
function countOf(raw: string, delimiter: string, budget: Budget): number {
  const count = delimiter === '' ? 1 : raw.split(delimiter, partsMax + 1).length;
  if (count > partsMax) budget.isCut = true;
  return Math.min(count, partsMax);
}

function partNode(part: Part, path: string, budget: Budget, below: 'component' | 'subcomponent'): Node {
  budget.nodes--;
  if (part.isNull) return { path, isNull: true };
  const parts: Node[] = [];
  const count = countOf(part.raw, budget.delimiters[below], budget);
  for (let number = 1; number <= count && budget.nodes > 0; number++) {
    const child = below === 'component' ? part.component(number) : part.subcomponent(number);
    if (child.isEmpty) continue;
    const at = `${path}.${number}`;
    parts.push(below === 'component' ? partNode(child, at, budget, 'subcomponent') : leafNode(child, at, budget));
  }
  const [only] = parts;
  const isLeaf = parts.length === 0 || (parts.length === 1 && only!.path === `${path}.1` && only!.parts === undefined);
  return isLeaf ? leafNode(part, path, budget) : { path, parts };
}

function leafNode(part: Part, path: string, budget: Budget): Node {
  budget.nodes--;
  if (part.isNull) return { path, isNull: true };
  return part.text === undefined ? { path } : { path, value: part.text };
}

/** `Patient/1/_history/2` as its parts. */
export const writtenOf = (wrote: readonly string[]): Record<string, unknown>[] =>
  wrote.map((reference) => {
    const [type, id, , version] = reference.split('/');
    return { reference, type, id, version: Number(version), url: `/fhir/R4/${reference}` };
  });
