// Text of a character set that the transport tells and the message does not: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.2
import iconv from 'iconv-lite';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';

/** As UTF-8, which a message without MSH-18 is read as; unchanged where MSH-18 names a set, or `charset` is no other one. */
export function inCharset(raw: Buffer, charset: string | undefined): Buffer {
  if (charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset) || tellsCharset(raw)) return raw;
  return Buffer.from(iconv.decode(raw, charset, { stripBOM: false }));
}

function tellsCharset(raw: Buffer): boolean {
  try {
    return parseMessage(raw).get('MSH-18') !== undefined;
  } catch (error) {
    if (error instanceof Refusal) return true;
    throw error;
  }
}
