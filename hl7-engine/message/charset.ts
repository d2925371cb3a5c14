// Character sets: MSH-18, HL7 table 0211 (http://terminology.hl7.org/CodeSystem/v2-0211)
import { isUtf8 } from 'node:buffer';

/**
 * How the bytes of a message become text. Tokenising works on `text`. Where every delimiter is one ASCII byte that
 * cannot be part of another character (ASCII, UTF-8, ISO 8859), `text` holds one character a byte and `decode` turns
 * a token into real text; so tokenising costs no decoding and loses no byte. Otherwise `text` is decoded already.
 */
export interface CharsetText {
  /** WHATWG label of the encoding used. */
  charset: string;
  text: string;
  decode(token: string): string;
  /** The declared character set does not fit the bytes, or is not known. */
  mismatch: boolean;
}

const singleByte = new Map<string, string>([
  ['8859/1', 'windows-1252'],
  ['8859/2', 'iso-8859-2'],
  ['8859/3', 'iso-8859-3'],
  ['8859/4', 'iso-8859-4'],
  ['8859/5', 'iso-8859-5'],
  ['8859/6', 'iso-8859-6'],
  ['8859/7', 'iso-8859-7'],
  ['8859/8', 'iso-8859-8'],
  ['8859/9', 'windows-1254'],
  ['8859/10', 'iso-8859-10'],
  ['8859/13', 'iso-8859-13'],
  ['8859/14', 'iso-8859-14'],
  ['8859/15', 'iso-8859-15'],
  ['8859/16', 'iso-8859-16'],
]);

// Their second bytes may look like delimiters: decoded before tokenising.
const multiByte = new Map<string, string>([
  ['ISO IR87', 'iso-2022-jp'],
  ['ISO IR159', 'iso-2022-jp'],
  ['GB 18030-2000', 'gb18030'],
  ['KS X 1001', 'euc-kr'],
  ['CNS 11643-1992', 'big5'],
  ['BIG-5', 'big5'],
  ['UNICODE UTF-16', 'utf-16be'],
]);

const utf8Names = new Set(['UNICODE UTF-8', 'UTF-8', 'UTF8', 'UNICODE']);
const undeclared = new Set(['', 'ASCII', 'ISO IR6']);

const onlyAscii = /^[\x00-\x7f]*$/;

/** `declared` is the first repetition of MSH-18, '' when there is none: then UTF-8 if valid, else ISO 8859-1. */
export function charsetText(raw: Buffer, declared: string): CharsetText {
  const name = declared.trim().toUpperCase();
  const label = multiByte.get(name);
  if (label !== undefined) {
    return { charset: label, text: new TextDecoder(label).decode(raw), decode: (token) => token, mismatch: false };
  }
  const text = raw.toString('latin1');
  const single = singleByte.get(name) ?? knownLabel(name);
  if (single !== undefined && single !== 'utf-8') return byToken(single, text, false);
  if (isUtf8(raw)) return byToken('utf-8', text, false);
  // Decoding as UTF-8 would put U+FFFD in place of what the sender wrote.
  return byToken('windows-1252', text, !undeclared.has(name));
}

/** Some senders write a label of their own, for instance `WINDOWS-1252` or `ISO-8859-1`. */
function knownLabel(name: string): string | undefined {
  if (utf8Names.has(name) || undeclared.has(name)) return undefined;
  try {
    const label = new TextDecoder(name.toLowerCase()).encoding;
    return /^(iso-8859|windows-|koi8|ibm866|macintosh)/.test(label) ? label : undefined;
  } catch {
    return undefined;
  }
}

// ISO 8859-1 is read as windows-1252, as browsers do: bytes 80 to 9F are letters and quotes there, and never text in 8859-1.
function byToken(charset: string, text: string, mismatch: boolean): CharsetText {
  const decoder = new TextDecoder(charset, { ignoreBOM: true });
  const decode = (token: string): string =>
    onlyAscii.test(token) ? token : decoder.decode(Buffer.from(token, 'latin1'));
  return { charset, text, decode, mismatch };
}
