// Acknowledgments, original mode: HL7 v2.9 chapter 2.9.2; MSA, ERR: chapter 2.13.8 and 2.13.5
import { type Delimiters, escapeText, standardDelimiters } from './escape.ts';
import { delimitersFault, type Hl7Message } from './message.ts';
import { type ErrorLocation, errorConditions, type Refusal } from './refusal.ts';

export interface AckOptions {
  /** MSH-10 of the acknowledgment. */
  controlId: string;
  /** When it was made, milliseconds since 1970 UTC; MSH-7. */
  nowMs: number;
  /** Why the message was refused; without it AA. */
  refusal?: Refusal | undefined;
}

const nothing = '';

/**
 * The acknowledgment of `message`; undefined for one that could not be read, which gets the least possible MSH.
 * Sender and receiver change places, byte for byte; version, processing id, event and character set stay.
 */
export function buildAck(message: Hl7Message | undefined, options: AckOptions): Buffer {
  const usable = message !== undefined && delimitersFault(message.delimiters) === undefined ? message : undefined;
  const delimiters = usable?.delimiters ?? standardDelimiters;
  const lines = [mshLine(usable, delimiters, options), msaLine(message, usable, delimiters, options.refusal)];
  if (options.refusal !== undefined) lines.push(errLine(options.refusal, delimiters));
  // Echoed fields are one character a byte, all else is ASCII; text that was decoded as a whole goes out as UTF-8.
  const text = `${lines.join('\r')}\r`;
  return Buffer.from(text, /^[\x00-\xff]*$/.test(text) ? 'latin1' : 'utf8');
}

function mshLine(message: Hl7Message | undefined, delimiters: Delimiters, options: AckOptions): string {
  const msh = message?.segments[0];
  const echo = (field: number): string => msh?.field(field).raw ?? nothing;
  const event = msh?.field(9).component(2).raw;
  const { component, repetition, escape: mark, subcomponent, truncation } = delimiters;
  const fields = [
    'MSH',
    component + repetition + mark + subcomponent + truncation,
    echo(5),
    echo(6),
    echo(3),
    echo(4),
    timestamp(options.nowMs),
    nothing,
    event ? ['ACK', event, 'ACK'].join(component) : 'ACK',
    options.controlId,
    echo(11) || 'P',
    echo(12) || '2.5.1',
    ...[13, 14, 15, 16, 17].map(() => nothing),
    echo(18),
  ];
  return fields.join(delimiters.field).replace(trailing(delimiters.field), '');
}

function msaLine(
  message: Hl7Message | undefined,
  usable: Hl7Message | undefined,
  delimiters: Delimiters,
  refusal: Refusal | undefined,
): string {
  // With delimiters that make no sense MSH-10 is still where the field separator says.
  const controlId =
    usable?.segments[0]?.field(10).raw ?? escapeText(asciiOnly(message?.segments[0]?.field(10).raw ?? ''), delimiters);
  const fields = ['MSA', refusal?.acknowledgment ?? 'AA', controlId];
  if (refusal !== undefined) fields.push(escapeText(asciiOnly(refusal.message), delimiters));
  return fields.join(delimiters.field);
}

function errLine(refusal: Refusal, delimiters: Delimiters): string {
  const { component } = delimiters;
  const fields = [
    'ERR',
    nothing,
    refusal.location === undefined ? nothing : locationText(refusal.location, component),
    [refusal.condition, errorConditions[refusal.condition], 'HL70357'].join(component),
    'E',
    nothing,
    nothing,
    escapeText(asciiOnly(refusal.message), delimiters),
    refusal.transient ? 'Not processed for a passing reason. Send the message again.' : nothing,
  ];
  return fields.join(delimiters.field).replace(trailing(delimiters.field), '');
}

/** ERL: segment, sequence, field, repetition, component. */
function locationText(location: ErrorLocation, component: string): string {
  const parts = [location.segment, location.sequence ?? 1, location.field, location.repetition, location.component];
  while (parts.at(-1) === undefined) parts.pop();
  if (parts.length > 3) parts[3] ??= 1;
  return parts.join(component);
}

/** The acknowledgment's own texts may meet any character set. */
function asciiOnly(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

function trailing(field: string): RegExp {
  return new RegExp(`(?:${field.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&')})+$`);
}

/** DTM with offset: `20260131123456+0000`. */
function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;
}
