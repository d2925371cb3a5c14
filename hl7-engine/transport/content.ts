// Text of a character set that the transport tells and the message does not: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.2
import iconv from 'iconv-lite';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { decodeWide, unitBytes, wideCharset } from '../message/wide.ts';
import { startBlock, unframed } from '../mllp/frame.ts';

/** Where the next message of a batch begins, or its envelope goes on. In UTF-16 and UTF-32, with zeros between their letters, none does. */
const boundary = /(?<=[\r\n]|[\r\n\x1c]\x0b)(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\s])/;
const wideName = /^(?:utf|ucs)-?(?:16|32|2|4)/i;

/**
 * As UTF-8, which a message without MSH-18 is read as; unchanged where MSH-18 names a set, or `charset` is no other one. Each message
 * of a batch by itself. UTF-16 and UTF-32 are told by their bytes: a set of single bytes is not about them.
 */
export function inCharset(raw: Buffer, charset: string | undefined): Buffer {
  if (charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset)) return raw;
  if (wideCharset(raw) !== undefined && !wideName.test(charset)) return raw;
  const parts = raw.toString('latin1').split(boundary);
  if (parts.length === 1) return decoded(raw, charset);
  return Buffer.concat(parts.map((part) => decoded(Buffer.from(part, 'latin1'), charset)));
}

const decoded = (raw: Buffer, charset: string): Buffer =>
  tellsCharset(raw) ? raw : Buffer.from(iconv.decode(raw, charset, { stripBOM: false }));

function tellsCharset(raw: Buffer): boolean {
  try {
    return parseMessage(raw).get('MSH-18') !== undefined;
  } catch (error) {
    if (error instanceof Refusal) return true;
    throw error;
  }
}

/**
 * Without the block characters of MLLP around it, also in UTF-16 and UTF-32, and behind a byte order mark or blank lines: the last field
 * would end with one of them, or be followed by a line that is no segment. Those within are readBatch's to find.
 */
export function withoutFrame(raw: Buffer): Buffer {
  // Of single bytes, whatever is in it: in UTF-16 zeros stand beside them.
  const isOfBytes = raw[1] !== 0 || closing.test(raw.toString('latin1', raw.length - edgeCharactersMax));
  if (raw[0] === startBlock && isOfBytes) return unframed(raw);
  const wide = wideCharset(raw);
  const unit = wide === undefined ? 1 : unitBytes(wide);
  const textOf = (bytes: Buffer): string =>
    wide === undefined ? bytes.toString('latin1') : (decodeWide(bytes, wide) ?? '');
  if (!opening.test(textOf(raw.subarray(0, edgeCharactersMax * unit)))) return raw;
  // Without a line feed of one byte that was put behind characters of several.
  const whole = raw.length - (raw.length % unit);
  const end = closing.exec(textOf(raw.subarray(Math.max(0, whole - edgeCharactersMax * unit), whole)));
  return end === null ? raw : raw.subarray(0, whole - end[0].length * unit);
}

const edgeCharactersMax = 16;
/** What stands before MSH is no part of its line. */
const opening = /^(?:\u00ef\u00bb\u00bf|\ufeff)?\s*?\x0b/;
const closing = /\x1c[\r\n]*$/;
