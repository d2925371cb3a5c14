// HL7 v2.xml back to vertical bars: XML encoding rules for HL7 v2 messages. Groups may be missing, and components may be
// named by their place (`PID.3.1`) instead of their type.
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { isCerebraError } from '#platform';
import { fieldNumberMax, joined, utf8Name } from '../build.ts';
import { encodeText, isEncodable } from '../codec.ts';
import { type Delimiters, escapeText, standardDelimiters } from '../escape.ts';
import { delimitersOf, type Hl7Message, hasDelimiters, parseMessage, segmentsMax } from '../message.ts';
import { Refusal } from '../refusal.ts';

/** Text, and escape sequences as they stand between two marks. */
type Piece = string | { sequence: string };

/** A field, component or subcomponent. */
interface Node {
  number: number;
  name: string;
  pieces: Piece[];
  children: Node[];
}

interface SegmentNode {
  name: string;
  fields: Node[];
}

/** Groups of groups: the standard's structures have at most 6. */
const groupDepthMax = 32;
const elementsMax = 500_000;

/** Whether the bytes are XML and no vertical bars. */
export function isXml(raw: Buffer): boolean {
  return /^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*<\0?[A-Za-z?!]/.test(raw.toString('latin1', 0, 1024));
}

/**
 * The message, in the character set that its MSH-18 names (UTF-8 without); where that has not all its characters in UTF-8, which
 * MSH-18 then says: XML has its own encoding, and senders leave MSH-18 as it was. Throws Refusal AR for what is no such XML: not
 * well-formed, with a DOCTYPE (no entity is ever resolved), too deep, more than 500,000 elements or 10,000 segments, parts that
 * MSH-2 has no delimiter for.
 */
export function fromXml(xml: Buffer): Hl7Message {
  const segments = readSegments(textOf(xml));
  if (segments[0]?.name !== 'MSH') throw refusal('The XML message has no MSH, or not as its first segment');
  const msh = segments[0].fields;
  const delimiters = delimitersIn(literal(msh, 1), literal(msh, 2));
  const text = textIn(segments, delimiters);
  const declared = firstText(msh.find(({ number }) => number === 18));
  if (isEncodable(text, declared)) return parseMessage(encodeText(text, declared));
  const others = msh.filter(({ number }) => number !== 18);
  segments[0].fields = [...others, { number: 18, name: 'MSH.18', pieces: [utf8Name], children: [] }];
  return parseMessage(encodeText(textIn(segments, delimiters), utf8Name));
}

function textIn(segments: readonly SegmentNode[], delimiters: Delimiters): string {
  try {
    return segments.map((segment) => `${segmentText(segment, delimiters)}\r`).join('');
  } catch (error) {
    throw isCerebraError(error, 'invalid') ? refusal(error.message) : error;
  }
}

const refusal = (text: string): Refusal => new Refusal('AR', '100', text);

/** https://www.w3.org/TR/xml/#charencoding: a byte order mark, else the declaration, else UTF-8. */
function textOf(xml: Buffer): string {
  const head = xml.toString('latin1', 0, 256);
  const mark = /^\xff\xfe|^<\0/.test(head) ? 'utf-16le' : /^\xfe\xff|^\0</.test(head) ? 'utf-16be' : undefined;
  const declared = /^(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(head)?.[1];
  try {
    return new TextDecoder(mark ?? declared ?? 'utf-8', { fatal: true }).decode(xml);
  } catch (error) {
    throw new Refusal('AR', '100', 'The XML message is not in the encoding that it declares', { cause: error });
  }
}

function readSegments(text: string): SegmentNode[] {
  const parser = new SaxesParser();
  const reader = createReader();
  parser.on('doctype', () => {
    throw refusal('The XML message has a DOCTYPE: leave it out');
  });
  parser.on('error', (error) => {
    throw new Refusal('AR', '100', `Not an XML message: ${error.message.slice(0, 200)}`, { cause: error });
  });
  parser.on('opentag', reader.open);
  parser.on('closetag', reader.close);
  parser.on('text', reader.text);
  parser.on('cdata', reader.text);
  parser.write(text).close();
  return reader.segments;
}

interface Reader {
  segments: SegmentNode[];
  open(tag: SaxesTagPlain): void;
  close(): void;
  text(text: string): void;
}

function createReader(): Reader {
  const segments: SegmentNode[] = [];
  const stack: ('group' | 'escape' | SegmentNode | Node)[] = [];
  let elements = 0;
  const openWithin = (parent: SegmentNode | Node, name: string): Node => {
    const node: Node = { number: numberOf(name), name, pieces: [], children: [] };
    const siblings = 'fields' in parent ? parent.fields : parent.children;
    siblings.push(node);
    return node;
  };
  return {
    segments,
    open({ name: qualified, attributes }) {
      const name = qualified.slice(qualified.indexOf(':') + 1);
      if (++elements > elementsMax) throw refusal(`The XML message has more than ${elementsMax} elements`);
      const parent = stack.at(-1);
      if (parent === 'escape') throw refusal('<escape> has no content');
      if (parent === undefined || parent === 'group') {
        const isSegment = parent !== undefined && /^[A-Z][A-Z0-9]{2}$/.test(name);
        if (stack.length > groupDepthMax) throw refusal('The XML message is nested too deeply');
        if (isSegment) segments.push({ name, fields: [] });
        if (segments.length > segmentsMax) throw refusal(`The XML message has more than ${segmentsMax} segments`);
        stack.push(isSegment ? segments.at(-1)! : 'group');
      } else if (name === 'escape' && 'pieces' in parent) {
        parent.pieces.push({ sequence: sequenceOf(attributes.V) });
        stack.push('escape');
      } else stack.push(openWithin(parent, name));
    },
    close: () => void stack.pop(),
    text(text) {
      const top = stack.at(-1);
      // Comments and CDATA part a text.
      if (typeof top === 'object' && 'pieces' in top) {
        const isMore = typeof top.pieces.at(-1) === 'string';
        top.pieces.push(isMore ? `${top.pieces.pop()}${text}` : text);
      } else if (text.trim() !== '') throw refusal('The XML message has text that is in no field');
    },
  };
}

function sequenceOf(value: string | undefined): string {
  if (value === undefined || !/^[ -~]+$/.test(value)) throw refusal('<escape> needs its sequence in the attribute V');
  return value;
}

function numberOf(name: string): number {
  const digits = /\.([1-9]\d{0,2})$/.exec(name)?.[1];
  if (digits === undefined)
    throw refusal(`<${name.slice(0, 40)}> is no field or component: their names end with a number`);
  return Number(digits);
}

function literal(fields: readonly Node[], number: number): string | undefined {
  const field = fields.find((one) => one.number === number);
  return (
    field?.pieces
      .filter((piece) => typeof piece === 'string')
      .join('')
      .trim() || undefined
  );
}

function delimitersIn(field = standardDelimiters.field, encoding = '^~\\&'): Delimiters {
  if (field.length !== 1) throw refusal('MSH.1 is one character, the field separator');
  return delimitersOf(field, field + encoding);
}

/** MSH.18's text, of its first repetition that has one. */
function firstText(node: Node | undefined): string {
  if (node === undefined) return '';
  if (node.children.length > 0) return firstText(node.children[0]);
  return node.pieces
    .filter((piece) => typeof piece === 'string')
    .join('')
    .trim();
}

function segmentText({ name, fields }: SegmentNode, delimiters: Delimiters): string {
  const shift = hasDelimiters(name) ? 1 : 0;
  const { component, repetition, escape: mark, subcomponent, truncation } = delimiters;
  const tokens = shift === 1 ? [name, component + repetition + mark + subcomponent + truncation] : [name];
  for (const [number, repetitions] of Map.groupBy(fields, (field) => field.number)) {
    if (number <= 2 * shift) continue;
    if (number > fieldNumberMax) throw refusal(`${name}.${number} is no field`);
    const texts = repetitions.map((node) => partText(node, delimiters, 'component'));
    // An empty one at the end is a repetition too, though an empty field has none.
    if (texts.length > 1 && repetition === '') throw refusal('MSH.2 names no repetition separator');
    tokens[number - shift] = texts.every((text) => text === '') ? '' : texts.join(repetition);
  }
  return joined(
    Array.from(tokens, (token) => token ?? ''),
    delimiters.field,
  );
}

function partText(node: Node, delimiters: Delimiters, separator: 'component' | 'subcomponent' | undefined): string {
  if (node.children.length === 0) {
    return withoutIndent(node.pieces)
      .map((piece) => pieceText(piece, delimiters))
      .join('');
  }
  if (separator === undefined) throw refusal(`<${node.name.slice(0, 40)}> has parts: no subcomponent has`);
  if (node.pieces.some((piece) => typeof piece !== 'string' || piece.trim() !== '')) {
    throw refusal(`<${node.name.slice(0, 40)}> has both text and parts`);
  }
  const parts: string[] = [];
  for (const child of node.children) {
    if (parts[child.number - 1] !== undefined)
      throw refusal(
        `<${child.name.slice(0, 40)}> stands twice in one ${separator === 'component' ? 'field' : 'component'}`,
      );
    parts[child.number - 1] = partText(child, delimiters, separator === 'component' ? 'subcomponent' : undefined);
  }
  return joined(
    Array.from(parts, (part) => part ?? ''),
    delimiters[separator],
  );
}

/**
 * Line breaks around a value, with the blanks beside them, are those of programs that indent XML; a line break of the value
 * itself is an <escape>.
 */
function withoutIndent(pieces: readonly Piece[]): Piece[] {
  return pieces.map((piece, at) => {
    if (typeof piece !== 'string') return piece;
    const text = at === 0 ? piece.replace(indentBefore, '') : piece;
    return at === pieces.length - 1 ? withoutIndentAfter(text) : text;
  });
}

const indentBefore = /^\s*[\r\n]\s*/;

function withoutIndentAfter(text: string): string {
  const rest = text.trimEnd();
  return /[\r\n]/.test(text.slice(rest.length)) ? rest : text;
}

function pieceText(piece: Piece, delimiters: Delimiters): string {
  if (typeof piece === 'string') return escapeText(piece, delimiters);
  const mark = delimiters.escape;
  if (mark === '') throw refusal('MSH.2 names no escape character for <escape>');
  if (Object.values(delimiters).some((character) => character !== '' && piece.sequence.includes(character))) {
    throw refusal('<escape> holds a delimiter');
  }
  return mark + piece.sequence + mark;
}
