// Narrative.div between JSON, where it is a string, and XML, where it is a part of the document:
// https://hl7.org/fhir/R4/narrative.html#xhtml. A string that is well-formed goes into the XML as it is, byte for byte.
import { xhtmlNamespace } from './model.ts';
import { divDepthMax, repairDiv } from './repair.ts';

/** What text may hold: no bare `&`, no `]]>`, no control characters, no lone surrogates. */
const notText =
  /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)|]]>|[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const reference = /&#(x?)([0-9a-fA-F]+);/g;
const tagName = /\/?([A-Za-z][A-Za-z0-9]*)/y;
const attribute = /[ \t\r\n]+([A-Za-z][A-Za-z0-9._-]*|xml:lang|xml:space)[ \t\r\n]*=[ \t\r\n]*("[^"<]*"|'[^'<]*')/y;
const tagClose = /[ \t\r\n]*(\/?)>/y;

/** https://www.w3.org/TR/xml/#NT-Char, for those that a reference names. */
function isCharacter(code: number): boolean {
  return (
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff) ||
    code === 0x9 ||
    code === 0xa ||
    code === 0xd
  );
}

function isWellFormedText(text: string): boolean {
  if (notText.test(text) || !text.isWellFormed()) return false;
  if (!text.includes('&#')) return true;
  for (const [, hex, digits = ''] of text.matchAll(reference)) {
    if (!isCharacter(Number.parseInt(digits, hex === '' ? 10 : 16))) return false;
  }
  return true;
}

interface Scan {
  readonly div: string;
  at: number;
  /** Names of the tags that are open. */
  readonly open: string[];
  /** Whether the root says its namespace. */
  namespaced: boolean;
}

function match(pattern: RegExp, scan: Scan): RegExpExecArray | null {
  pattern.lastIndex = scan.at;
  const found = pattern.exec(scan.div);
  if (found !== null) scan.at = pattern.lastIndex;
  return found;
}

/** Namespaces: the root's own, and no other. */
function takeAttributes(scan: Scan): boolean {
  const seen = new Set<string>();
  for (let found = match(attribute, scan); found !== null; found = match(attribute, scan)) {
    const [, name = '', quoted = ''] = found;
    if (seen.has(name) || !isWellFormedText(quoted)) return false;
    seen.add(name);
    if (name !== 'xmlns') continue;
    if (scan.open.length > 0 || quoted.slice(1, -1) !== xhtmlNamespace) return false;
    scan.namespaced = true;
  }
  return true;
}

/** `scan.at` is after the `<`. */
function takeTag(scan: Scan): boolean {
  const closing = scan.div.charCodeAt(scan.at) === 0x2f;
  const name = match(tagName, scan)?.[1];
  if (name === undefined || (!closing && !takeAttributes(scan))) return false;
  const end = match(tagClose, scan);
  if (end === null) return false;
  if (closing) return end[1] === '' && scan.open.pop() === name;
  if (end[1] === '') scan.open.push(name);
  return scan.open.length <= divDepthMax;
}

/** A comment or a tag; `scan.at` is at its `<`. */
function takeMarkup(scan: Scan): boolean {
  if (!scan.div.startsWith('<!--', scan.at)) {
    scan.at++;
    return takeTag(scan);
  }
  const end = scan.div.indexOf('--', scan.at + 4);
  if (end === -1 || scan.div.charAt(end + 2) !== '>') return false;
  const comment = scan.div.slice(scan.at + 4, end);
  scan.at = end + 3;
  return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(comment) && comment.isWellFormed();
}

/**
 * Whether this is exactly one well-formed div whose elements are all of the XHTML namespace; stricter than XML where
 * narratives need no more (no prefixes, CDATA or processing instructions). -1: it is not; 1: it says its namespace.
 */
function check(div: string): -1 | 0 | 1 {
  const scan: Scan = { div, at: 0, open: [], namespaced: false };
  if (!/^<div[\s>/]/.test(div)) return -1;
  do {
    const next = div.indexOf('<', scan.at);
    if (next === -1 || !isWellFormedText(div.slice(scan.at, next))) return -1;
    scan.at = next;
    if (!takeMarkup(scan)) return -1;
  } while (scan.open.length > 0);
  if (scan.at !== div.length) return -1;
  return scan.namespaced ? 1 : 0;
}

/**
 * The div as it goes into a document. One without a namespace gets it; one that is not well-formed, as stored HTML may
 * be, is mended (repair.ts), since a document must be well-formed whatever its narrative says.
 */
export function divText(div: string): string {
  const trimmed = div.trim();
  const state = check(trimmed);
  if (state === 1) return trimmed;
  if (state === 0) return `<div xmlns="${xhtmlNamespace}"${trimmed.slice(4)}`;
  return repairDiv(trimmed);
}
