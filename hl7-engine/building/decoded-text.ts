// A message that comes as text, in JSON or in UTF-8, while its MSH-18 still names the set that its bytes were in.
import { encodeText, isEncodable } from '../message/codec.ts';
import { type Hl7Message, parseMessage } from '../message/message.ts';
import { declaredLabel } from '../message/names.ts';

/**
 * Reads text, not bytes: those of UTF-8 are often valid in GB 18030, Big5 or KS X 1001 and are other letters there, which may
 * swallow a delimiter. So it is written as its sender did, where that set has all its letters. Throws Refusal AR for what is no HL7.
 */
export function parseDecoded(text: string): Hl7Message {
  const message = parseMessage(Buffer.from(text, 'utf8'));
  if (message.charset === 'utf-8') return message;
  // In UTF-16 a letter is never taken for another one, whatever MSH-18 says.
  const plain = parseMessage(Buffer.from(`\ufeff${text.replace(/^\ufeff/, '')}`, 'utf16le'));
  const declared = declaredLabel(
    plain
      .part('MSH-18')
      .repetitions()
      .map((name) => name.text ?? ''),
  );
  if (declared === undefined || !isEncodable(text, declared)) return plain;
  return parseMessage(encodeText(text, declared));
}
