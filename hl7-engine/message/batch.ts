// Batches: HL7 v2.9 chapter 2.10.3; FHS, BHS, BTS, FTS: chapter 2.14
import { wideText } from './charset.ts';
import { type Delimiters, escapeText, standardDelimiters } from './escape.ts';
import { delimitersOf } from './message.ts';
import { Refusal } from './refusal.ts';
import { decodeWide, encodeWide, unitBytes, type WideCharset, wideCharset } from './wide.ts';

/** One message of a batch. */
export interface BatchMessage {
  raw: Buffer;
  /** Where it begins in the batch's bytes. */
  offset: number;
}

/** BHS or FHS: read with its own delimiters. Fields as they stand, one character a byte; index 0 is its name, 1 and 2 the delimiters. */
export interface EnvelopeHeader {
  delimiters: Delimiters;
  fields: readonly string[];
}

export interface MessageGroup {
  /** BHS; undefined where the messages stand without. */
  header: EnvelopeHeader | undefined;
  messages: BatchMessage[];
  /** What is wrong with its own envelope: a count that does not hold, no BTS. */
  faults: string[];
}

export interface Batch {
  /** FHS, BHS, BTS or FTS is there: it is acknowledged as a batch. */
  enveloped: boolean;
  /** The set that its acknowledgment is in too, with a byte order mark where it has one; undefined: ASCII is one byte a character. */
  wide: { charset: WideCharset; mark: string } | undefined;
  /** FHS. */
  file: EnvelopeHeader | undefined;
  groups: MessageGroup[];
  /** What is wrong with the file: FTS-1 that does not hold, no FTS, lines outside of messages. */
  faults: string[];
}

const messagesMax = 100_000;

/**
 * Frames of MLLP, which some put around messages in files and over HTTP as well: <VT> after a line or a frame begins a line too;
 * within a text it is a line break of programs that write text.
 */
const envelopeLine =
  /(?:^|(?<=[\r\n]|[\r\n\x1c]\x0b))(?:(?:MSH|FHS|BHS)(?=[^A-Za-z0-9\s])|(?:BTS|FTS)(?=[^A-Za-z0-9]|$))[^\r\n\x1c]*/g;

/**
 * A batch's messages, with the bytes as they came. A single message without envelope is a batch of one; so are several
 * without, each from its MSH to the next. Bytes with none of the five segments are one message, which says itself what it is not.
 * Throws Refusal AR for more than 100,000 messages.
 */
export function readBatch(raw: Buffer): Batch {
  const wide = wideCharset(raw);
  const coding = wide === undefined ? undefined : wideText(raw, wide);
  const text = coding?.text ?? raw.toString('latin1');
  const reader = createReader();
  const bytesOf = (from: number, to: number): number =>
    coding === undefined || wide === undefined
      ? to - from
      : unitBytes(wide) === 2
        ? 2 * (to - from)
        : coding.toBytes(text.slice(from, to)).length;
  const start = startOf(text);
  let message: number | undefined;
  let offset = 0;
  let measured = 0;
  const offsetOf = (position: number): number => {
    offset += bytesOf(measured, position);
    measured = position;
    return offset;
  };
  const close = (end: number, isLast = false): void => {
    if (message === undefined) return;
    const from = offsetOf(message);
    const to = isLast ? raw.length : offsetOf(end - betweenFrames(text.slice(Math.max(message, end - 16), end)));
    reader.message({ raw: raw.subarray(from, to), offset: from });
    message = undefined;
  };
  envelopeLine.lastIndex = 0;
  let outside = start;
  for (const match of text.slice(start).matchAll(envelopeLine)) {
    const at = start + match.index;
    if (message === undefined && !isBlank(text.slice(outside, at))) reader.stray();
    close(at);
    if (match[0].startsWith('MSH')) {
      // The first takes what stands before it along: a byte order mark, blank lines.
      message = reader.isEmpty() ? 0 : at;
    } else {
      reader.envelope(match[0]);
      outside = at + match[0].length;
    }
  }
  if (message !== undefined) close(text.length, true);
  else if (reader.isEmpty()) reader.message({ raw, offset: 0 });
  else if (!isBlank(text.slice(outside))) reader.stray();
  const batch = reader.finish();
  if (wide !== undefined) batch.wide = { charset: wide, mark: text.startsWith(byteOrderMark) ? byteOrderMark : '' };
  return batch;
}

/** How many characters at the end are a frame's end and the beginning of the next: no part of a message. */
const betweenFrames = (end: string): number => /(?:\x1c[\r\n]*)?\x0b$/.exec(end)?.[0].length ?? 0;

/** Blank lines, and the ends of frames. */
const isBlank = (between: string): boolean => /^[\s\x1c]*$/.test(between);

const byteOrderMark = '\ufeff';

function startOf(text: string): number {
  return /^(?:\u00ef\u00bb\u00bf|\ufeff)?[\s\0]*/.exec(text)![0].length;
}

interface Reader {
  isEmpty(): boolean;
  message(message: BatchMessage): void;
  envelope(line: string): void;
  stray(): void;
  finish(): Batch;
}

function createReader(): Reader {
  const batch: Batch = { enveloped: false, wide: undefined, file: undefined, groups: [], faults: [] };
  let group: MessageGroup | undefined;
  let messageCount = 0;
  let strayCount = 0;
  let isFileOpen = false;
  const fault = (text: string): void => void batch.faults.push(text);
  const closeGroup = (line?: string): void => {
    const faults = group?.faults ?? batch.faults;
    if (group?.header !== undefined && line === undefined) faults.push(`BTS is missing: batch ${batch.groups.length}`);
    if (group?.header === undefined && line !== undefined) faults.push('BTS without BHS');
    if (group !== undefined && line !== undefined) {
      check(line, 'BTS-1', group.messages.length, group.header ?? batch.file, faults);
    }
    group = undefined;
  };
  const open = (header: EnvelopeHeader | undefined): MessageGroup => {
    group = { header, messages: [], faults: [] };
    batch.groups.push(group);
    return group;
  };
  return {
    isEmpty: () => messageCount === 0 && !batch.enveloped,
    message(message) {
      if (++messageCount > messagesMax)
        throw new Refusal('AR', '207', `The batch has more than ${messagesMax} messages`);
      (group ?? open(undefined)).messages.push(message);
    },
    envelope(line) {
      batch.enveloped = true;
      const name = line.slice(0, 3);
      if (name === 'BTS') closeGroup(line);
      else if (group !== undefined) closeGroup();
      if (name === 'BHS') open(headerOf(line));
      if (name === 'FHS') {
        if (batch.file !== undefined) fault('A second FHS');
        batch.file ??= headerOf(line);
        isFileOpen = true;
      }
      if (name === 'FTS') {
        if (isFileOpen) check(line, 'FTS-1', batch.groups.length, batch.file, batch.faults);
        else fault('FTS without FHS');
        isFileOpen = false;
      }
    },
    stray: () => void strayCount++,
    finish() {
      if (group !== undefined) closeGroup();
      if (isFileOpen) fault('FTS is missing');
      if (strayCount > 0) fault('Segments outside of any message');
      return batch;
    },
  };
}

function headerOf(line: string): EnvelopeHeader {
  const separator = line[3]!;
  const [, encoding = '', ...fields] = line.split(separator);
  return {
    delimiters: delimitersOf(separator, line.slice(3)),
    fields: [line.slice(0, 3), separator, encoding, ...fields],
  };
}

/** A trailer without a count is right. */
function check(
  line: string,
  field: 'BTS-1' | 'FTS-1',
  count: number,
  header: EnvelopeHeader | undefined,
  faults: string[],
): void {
  const declared = line.split(header?.delimiters.field ?? line[3]!)[1]?.trim() ?? '';
  if (declared !== '' && Number(declared) !== count) {
    faults.push(`${field} counts ${/^\d{1,9}$/.test(declared) ? declared : 'no number'}, there are ${count}`);
  }
}

export interface BatchAckOptions {
  /** BHS-11 and FHS-11 of the answer. */
  controlId: string;
  /** When it was made, milliseconds since 1970 UTC; BHS-7 and FHS-7. */
  nowMs: number;
}

/**
 * The acknowledgment of a batch: FHS if there was one, for each group BHS, the acknowledgments of its messages (MSH, MSA,
 * ERR) and BTS with their count and, in BTS-2, what is wrong with that batch; FTS-2, else the last BTS-2, tells what is wrong
 * with the file. `acks`: in the order of the messages; undefined for one whose sender wants none. Sender and
 * receiver change places, byte for byte; BHS-12 refers to BHS-11 of what came.
 */
export function buildBatchAck(batch: Batch, acks: readonly (Buffer | undefined)[], options: BatchAckOptions): Buffer {
  const parts: Buffer[] = [];
  const bytes = bytesIn(batch.wide);
  const line = (text: string): void => void parts.push(bytes(`${text}\r`));
  if (batch.file !== undefined) line(headerLine('FHS', batch.file, options));
  let at = 0;
  for (const [number, group] of batch.groups.entries()) {
    const header = group.header ?? batch.file;
    const controlId = batch.groups.length === 1 ? options.controlId : `${options.controlId}-${number + 1}`;
    line(headerLine('BHS', header, { ...options, controlId }));
    let count = 0;
    for (const ack of acks.slice(at, at + group.messages.length)) {
      if (ack === undefined) continue;
      count++;
      parts.push(bytes(textIn(ack, batch.wide).replace(/[^\r\n]$/, '$&\r')));
    }
    at += group.messages.length;
    const isLast = number === batch.groups.length - 1;
    const rest = isLast && batch.file === undefined ? batch.faults : [];
    line(trailerLine('BTS', count, header, [...group.faults, ...rest]));
  }
  if (batch.file !== undefined) line(trailerLine('FTS', batch.groups.length, batch.file, batch.faults));
  return Buffer.concat([bytes(batch.wide?.mark ?? ''), ...parts]);
}

const bytesIn =
  (wide: Batch['wide']) =>
  (text: string): Buffer =>
    wide === undefined ? Buffer.from(text, 'latin1') : encodeWide(text, wide.charset);

/** An acknowledgment's text, without a mark of its own. One for what could not be read is ASCII also among others. */
function textIn(ack: Buffer, wide: Batch['wide']): string {
  const text = wide === undefined || wideCharset(ack) === undefined ? undefined : decodeWide(ack, wide.charset);
  return text?.replace(byteOrderMark, '') ?? ack.toString('latin1');
}

function headerLine(name: 'FHS' | 'BHS', header: EnvelopeHeader | undefined, options: BatchAckOptions): string {
  const delimiters = header?.delimiters ?? standardDelimiters;
  const { component, repetition, escape: mark, subcomponent, truncation } = delimiters;
  const was = (field: number): string => header?.fields[field] ?? '';
  const fields = [
    name,
    component + repetition + mark + subcomponent + truncation,
    was(5),
    was(6),
    was(3),
    was(4),
    timeOf(options.nowMs),
    '',
    was(9),
    '',
    escapeText(options.controlId, delimiters),
    was(11),
  ];
  return fields.join(delimiters.field).replace(new RegExp(`[${delimiters.field.replace(/[\\\]^-]/, '\\$&')}]+$`), '');
}

/** `20260131123456+0000` */
function timeOf(nowMs: number): string {
  return `${new Date(nowMs).toISOString().replaceAll(/[-:T]|\..*/g, '')}+0000`;
}

function trailerLine(
  name: 'BTS' | 'FTS',
  count: number,
  header: EnvelopeHeader | undefined,
  faults: readonly string[],
): string {
  const delimiters = header?.delimiters ?? standardDelimiters;
  const fields = [name, String(count)];
  if (faults.length > 0) fields.push(Buffer.from(escapeText(faults.join('; '), delimiters)).toString('latin1'));
  return fields.join(delimiters.field);
}
