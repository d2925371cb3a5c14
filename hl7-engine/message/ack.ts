// Acknowledgments: HL7 v2.9 chapter 2.9 (original mode 2.9.2, enhanced mode 2.9.3); MSA, ERR: chapter 2.13.8 and 2.13.5
import type { AckMode } from '../seams.ts';
import { type Delimiters, escapeText, standardDelimiters } from './escape.ts';
import { delimitersFault, type Hl7Message } from './message.ts';
import { charsetLabel } from './names.ts';
import { type ErrorLocation, errorConditions, type Refusal } from './refusal.ts';

/** When an acknowledgment is sent, HL7 table 0155: AL, NE, ER, SU. */
export type AckWhen = 'always' | 'never' | 'error' | 'success';

/** Which acknowledgments a message gets. */
export interface AckPlan {
  /** The sender (or the route) asks for enhanced mode; its acknowledgments then want none themselves (MSH-15, MSH-16 NE). */
  enhanced: boolean;
  /** CA, CE, CR: as soon as the message is in safe storage, or could not get there. */
  commit: AckWhen;
  /** AA, AE, AR: when the message has had its effect, or is refused. Not after a CE or CR. */
  application: AckWhen;
}

const conditions: Readonly<Record<string, AckWhen>> = { AL: 'always', NE: 'never', ER: 'error', SU: 'success' };

const original: AckPlan = { enhanced: false, commit: 'never', application: 'always' };
const silent: AckPlan = { enhanced: false, commit: 'never', application: 'never' };

/**
 * What MSH-15 and MSH-16 ask for, within the route's mode; undefined is a message that could not be read. In enhanced
 * mode an empty field is NE, and a code that is not in table 0155 is AL: who waits for an answer must not wait for ever.
 * Forced to enhanced mode a message without either gets its commit acknowledgment alone: a second answer would be taken
 * for that of the next message. Acknowledgments themselves are acknowledged only where MSH-15 says so.
 */
export function ackPlan(message: Hl7Message | undefined, mode: AckMode): AckPlan {
  if (mode === 'none') return silent;
  if (message === undefined) return original;
  const [accept, application] = [asked(message, 15), asked(message, 16)];
  if (isAcknowledgment(message)) return { enhanced: true, commit: accept ?? 'never', application: 'never' };
  if (mode === 'original') return original;
  if (accept === undefined && application === undefined) {
    return mode === 'auto' ? original : { enhanced: true, commit: 'always', application: 'never' };
  }
  // Whoever asks wants the answer: MSH-15 alone is about the commit acknowledgment.
  const unasked = isQuery(message) ? 'always' : 'never';
  return { enhanced: true, commit: accept ?? 'never', application: application ?? unasked };
}

function asked(message: Hl7Message, field: 15 | 16): AckWhen | undefined {
  const code = message.get(`MSH-${field}`)?.toUpperCase();
  return code === undefined ? undefined : (conditions[code] ?? 'always');
}

const isQuery = (message: Hl7Message): boolean => message.get('MSH-9.1') === 'QBP';

/** Answering an ACK would go on for ever. MCF is the delayed acknowledgment of v2.1. */
export function isAcknowledgment(message: Hl7Message): boolean {
  const type = message.get('MSH-9.1');
  return type === 'ACK' || type === 'MCF';
}

/** Whether an acknowledgment is sent; `accepted`: it would be a positive one. */
export function isAckDue(when: AckWhen, accepted: boolean): boolean {
  return when === 'always' || when === (accepted ? 'success' : 'error');
}

export interface AckOptions {
  /** MSH-10 of the acknowledgment. */
  controlId: string;
  /** When it was made, milliseconds since 1970 UTC; MSH-7. */
  nowMs: number;
  /** Why the message was refused, and `refusal.more`: an ERR each. Without it AA or CA. */
  refusal?: Refusal | undefined;
  /** AckPlan.enhanced; a commit acknowledgment always is. */
  enhanced?: boolean;
}

const nothing = '';

/** HL7 table 0008: application acknowledgments and what they are as commit acknowledgments. */
const commitCodes = { AA: 'CA', AE: 'CE', AR: 'CR' } as const;

/**
 * The application acknowledgment (AA, AE, AR) of `message`; undefined for one that could not be read, which gets the least
 * possible MSH. Sender and receiver change places, byte for byte; delimiters, version, processing id, event and character
 * set stay. The form is that of the message's version: ERR-1 before 2.5, MSA-3 before 2.7, ACK^event from 2.2 on, with
 * its structure from 2.3.1 on.
 */
export function buildAck(message: Hl7Message | undefined, options: AckOptions): Buffer {
  return build(message, options, codeOf(options.refusal));
}

/** The commit acknowledgment (CA, CE, CR) of enhanced mode: CR for a refusal with AR, CE for one with AE. */
export function buildCommitAck(message: Hl7Message | undefined, options: Omit<AckOptions, 'enhanced'>): Buffer {
  return build(message, { ...options, enhanced: true }, commitCodes[codeOf(options.refusal)]);
}

/** Of several refusals the gravest decides. */
function codeOf(refusal: Refusal | undefined): 'AA' | 'AE' | 'AR' {
  if (refusal === undefined) return 'AA';
  return allOf(refusal).some(({ acknowledgment }) => acknowledgment === 'AR') ? 'AR' : 'AE';
}

const allOf = (refusal: Refusal | undefined): Refusal[] => (refusal === undefined ? [] : [refusal, ...refusal.more]);

/** What the parts of an acknowledgment are made with. */
interface Form {
  /** Undefined where its MSH makes no sense. */
  usable: Hl7Message | undefined;
  delimiters: Delimiters;
  /** Of the message, 2.5.1 where it tells none of 2. */
  version: Version;
  options: AckOptions;
}

function build(message: Hl7Message | undefined, options: AckOptions, code: string): Buffer {
  const usable = message !== undefined && delimitersFault(message.delimiters) === undefined ? message : undefined;
  const delimiters = usable?.delimiters ?? standardDelimiters;
  const form: Form = { usable, delimiters, version: versionOf(usable?.get('MSH-12')), options };
  const errors = errLines(form);
  // UTF-16 and UTF-32 are decoded as a whole: their byte order mark is a character then.
  const mark = usable?.prefix.includes('\ufeff') ? '\ufeff' : nothing;
  const text = `${mark}${[mshLine(form), msaLine(message, code, form), ...errors].join('\r')}\r`;
  return usable?.coding.toBytes(text) ?? Buffer.from(text, 'latin1');
}

function mshLine({ usable, delimiters, version, options }: Form): string {
  const msh = usable?.segments[0];
  const echo = (field: number): string => msh?.field(field).raw ?? nothing;
  const { component, repetition, escape: mark, subcomponent, truncation } = delimiters;
  const event = msh?.field(9).component(2).raw ?? nothing;
  const wanted = options.enhanced && !isBefore(version, 2, 2) ? 'NE' : nothing;
  const fields = [
    'MSH',
    component + repetition + mark + subcomponent + truncation,
    echo(5),
    echo(6),
    echo(3),
    echo(4),
    timestamp(options.nowMs),
    nothing,
    ackType(event, version).join(component),
    options.controlId,
    echo(11) || 'P',
    echo(12) || '2.5.1',
    nothing,
    nothing,
    wanted,
    wanted,
    nothing,
    echo(18),
  ];
  return line(fields, delimiters);
}

/** MSH-9: the event came with v2.2, the message structure with 2.3.1. */
function ackType(event: string, version: Version): string[] {
  if (event === nothing || isBefore(version, 2, 2)) return ['ACK'];
  return isBefore(version, 2, 3, 1) ? ['ACK', event] : ['ACK', event, 'ACK'];
}

function msaLine(message: Hl7Message | undefined, code: string, form: Form): string {
  const { usable, delimiters, version, options } = form;
  // With delimiters that make no sense MSH-10 is still where the field separator says.
  const controlId =
    usable?.segments[0]?.field(10).raw ?? escapeText(asciiOnly(message?.segments[0]?.field(10).raw ?? ''), delimiters);
  const { refusal } = options;
  const fields = ['MSA', code, controlId];
  if (refusal !== undefined && isBefore(version, 2, 7)) fields.push(own(msaText(refusal, version), form));
  // MSA-6, the error condition, was there from 2.2 until ERR-3 took its place.
  if (refusal !== undefined && isBefore(version, 2, 5) && !isBefore(version, 2, 2)) {
    fields.push(nothing, nothing, conditionText(refusal, delimiters.component));
  }
  return line(fields, delimiters);
}

const again = 'Not processed for a passing reason. Send the message again.';

/** Whether an acknowledgment of ours says that the message was not taken for a passing reason. */
export const saysAgain = (ack: Buffer): boolean => ack.toString('latin1').replaceAll('\0', '').includes(again);

/** Before 2.5 ERR has no text: all of it stands in MSA-3. */
function msaText(refusal: Refusal, version: Version): string {
  if (!isBefore(version, 2, 5)) return refusal.message;
  const texts = allOf(refusal).map(({ message }) => message);
  return refusal.transient ? `${texts.join('; ')}. ${again}` : texts.join('; ');
}

/** An ERR for each fault; before 2.5, whose ACK has one ERR at most, a repetition of ERR-1. */
function errLines(form: Form): string[] {
  const refusals = allOf(form.options.refusal);
  if (!isBefore(form.version, 2, 5)) return refusals.map((refusal) => errLine(refusal, form));
  const { repetition } = form.delimiters;
  const faults = refusals.map((refusal) => eld(refusal, form.delimiters));
  const told = repetition === nothing ? faults.slice(0, 1) : faults;
  return told.length === 0 ? [] : [line(['ERR', told.join(repetition)], form.delimiters)];
}

function eld(refusal: Refusal, { component, subcomponent }: Delimiters): string {
  const { location } = refusal;
  const where = location === undefined ? [nothing, nothing, nothing] : eldLocation(location);
  return [...where, conditionText(refusal, subcomponent || ' ')].join(component);
}

function errLine(refusal: Refusal, form: Form): string {
  const { delimiters } = form;
  const { component } = delimiters;
  const { location } = refusal;
  const fields = [
    'ERR',
    nothing,
    location === undefined ? nothing : locationText(location, component),
    conditionText(refusal, component),
    'E',
    nothing,
    nothing,
    own(refusal.message, form),
    refusal.transient ? again : nothing,
  ];
  return line(fields, delimiters);
}

/** CWE of table 0357. */
function conditionText({ condition }: Refusal, separator: string): string {
  return [condition, errorConditions[condition], 'HL70357'].join(separator);
}

/** The first three components of ELD: segment, sequence, field. */
function eldLocation({ segment, sequence, field }: ErrorLocation): string[] {
  return [segment, String(sequence ?? 1), String(field ?? nothing)];
}

/** ERL: segment, sequence, field, repetition, component. */
function locationText(location: ErrorLocation, component: string): string {
  const { segment, sequence, field, repetition, component: part, subcomponent } = location;
  const parts = [segment, sequence ?? 1, field, repetition, part, subcomponent];
  while (parts.at(-1) === undefined) parts.pop();
  if (parts.length > 3) parts[3] ??= 1;
  return parts.join(component);
}

/** Text of ours, in a field: in the character set that MSH-18 names, else in ASCII, whatever may be meant. */
function own(text: string, { usable, delimiters }: Form): string {
  const set = charsetLabel(usable?.get('MSH-18') ?? nothing);
  if (usable === undefined || set === undefined || set === 'us-ascii') return escapeText(asciiOnly(text), delimiters);
  return usable.coding.encode(escapeText(text.replaceAll(/[\x00-\x1f\x7f]/g, '?'), delimiters));
}

function asciiOnly(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

/** Without the empty fields at the end. */
function line(fields: string[], delimiters: Delimiters): string {
  while (fields.at(-1) === nothing) fields.pop();
  return fields.join(delimiters.field);
}

/** `2.3.1` as its numbers. */
type Version = readonly number[];

function versionOf(text: string | undefined): Version {
  const version = /^2(?:\.\d+)*/.exec(text ?? '')?.[0] ?? '2.5.1';
  return version.split('.').map(Number);
}

function isBefore(version: Version, ...limit: number[]): boolean {
  for (const [index, number] of limit.entries()) {
    const own = version[index] ?? 0;
    if (own !== number) return own < number;
  }
  return false;
}

/** DTM with offset: `20260131123456+0000`. */
function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;
}
