// HL7 v2.xml, XML encoding rules for HL7 v2 messages: https://www.hl7.org/implement/standards/product_brief.cfm?product_id=214
import type { Dictionary, FieldDefinition } from '../dictionary.ts';
import { unescapeToken } from '../escape.ts';
import { type Hl7Message, hasDelimiters, type Part, type Segment } from '../message.ts';
import { type SegmentTree, segmentTree } from './groups.ts';
import { structureNameOf } from './structure-name.ts';

interface Writer {
  message: Hl7Message;
  dictionary: Dictionary;
  version: string;
  /** Of group elements: `ORU_R01.PATIENT`. */
  structure: string;
}

/** Of a message whose MSH-9 names no structure. */
const plainRoot = 'HL7Message';

/**
 * The message as XML, in UTF-8. Components are named by their data type (`CX.4`, `HD.2`), as the version has it; those that it has not
 * by their place (`PID.3.11`). Segments stand in the groups of the structure; without groups where the structure is not
 * known, which is not conformant and is read by all the same. MSH-18 stays as it is: it tells how to write it back.
 */
export function toXml(message: Hl7Message, dictionary: Dictionary): string {
  const version = dictionary.nearest(message.get('MSH-12'));
  const structure = structureNameOf(message) ?? plainRoot;
  const writer: Writer = { message, dictionary, version, structure };
  const tree = segmentTree(message, structure, version, dictionary) ?? { name: structure, items: message.segments };
  const content = tree.items.map((item) => itemXml(writer, item)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${structure} xmlns="urn:hl7-org:v2xml">${content}</${structure}>\n`;
}

function itemXml(writer: Writer, item: Segment | SegmentTree): string {
  if (!('items' in item)) return segmentXml(writer, item);
  return element(`${writer.structure}.${item.name}`, item.items.map((one) => itemXml(writer, one)).join(''));
}

const element = (name: string, content: string): string =>
  content === '' ? `<${name}/>` : `<${name}>${content}</${name}>`;

function segmentXml(writer: Writer, segment: Segment): string {
  const { name } = segment;
  if (!/^[A-Z][A-Z0-9]{2}$/.test(name)) return '';
  const { dictionary, version, message } = writer;
  const definitions = dictionary.fieldsOf(version, name) ?? [];
  const count = segment.raw.split(message.delimiters.field).length - (hasDelimiters(name) ? 0 : 1);
  let content = '';
  for (let number = 1; number <= count; number++) {
    const field = segment.field(number);
    if (hasDelimiters(name) && number <= 2) content += element(`${name}.${number}`, textXml(field.raw));
    else content += fieldXml(writer, `${name}.${number}`, field, typeOf(definitions[number - 1], segment));
  }
  return element(name, content);
}

/** OBX-5 is of the type that OBX-2 says, MFE-4 of that of MFE-5. */
function typeOf(definition: FieldDefinition | undefined, segment: Segment): string | undefined {
  if (definition?.type !== 'VARIES') return definition?.type;
  return segment.field(segment.name === 'OBX' ? 2 : 5).text;
}

function fieldXml(writer: Writer, name: string, field: Part, type: string | undefined): string {
  return field
    .repetitions()
    .map((repetition) => element(name, partXml(writer, name, repetition.raw, type, 'component')))
    .join('');
}

/** A repetition, component or subcomponent, below the element `name`; a single `""` stays text. */
function partXml(
  writer: Writer,
  name: string,
  token: string,
  type: string | undefined,
  separator: 'component' | 'subcomponent' | undefined,
): string {
  if (separator === undefined) return leafXml(writer, token);
  const { delimiters } = writer.message;
  const character = delimiters[separator];
  const components = type === undefined ? [] : (writer.dictionary.componentsOf(writer.version, type) ?? []);
  const tokens = character === '' ? [token] : token.split(character);
  const below = separator === 'component' ? 'subcomponent' : undefined;
  // Neither a type with components nor a message that has them: text. `a&b` is one component, which has its own element.
  const isLeaf = below === undefined || delimiters[below] === '' || !token.includes(delimiters[below]);
  if (components.length === 0 && tokens.length === 1 && isLeaf) return leafXml(writer, token);
  return tokens
    .map((part, index) => {
      if (part === '') return '';
      const component = components[index];
      const partName = component === undefined ? `${name}.${index + 1}` : `${type}.${index + 1}`;
      return element(partName, partXml(writer, partName, part, component?.type, below));
    })
    .join('');
}

/** What is between two marks and stays an escape sequence in XML: all but those of delimiters. */
const kept = /^(?:[HN]|\.[A-Za-z]{2}[+-]?\d{0,3}|X(?:[0-9A-Fa-f]{2})+|Z[ -~]*)$/;
const switching = /^[CM](?:[0-9A-Fa-f]{2}){2,3}$/;

function leafXml({ message }: Writer, token: string): string {
  const { delimiters, coding } = message;
  const reading = { ...coding, delimiters };
  const mark = delimiters.escape;
  if (mark === '' || !token.includes(mark)) return textXml(coding.decode(token));
  const pieces = token.split(mark);
  // Text in several character sets: their switches have no meaning in Unicode.
  if (pieces.some((piece) => switching.test(piece))) return textXml(unescapeToken(token, reading));
  let result = '';
  let text = '';
  for (let at = 0; at < pieces.length; at++) {
    const isBetween = at > 0 && at < pieces.length - 1;
    if (isBetween && kept.test(pieces[at]!)) {
      result += `${textXml(unescapeToken(text, reading))}<escape V="${attributeXml(pieces[at]!)}"/>`;
      text = pieces[++at]!;
    } else text += at === 0 ? pieces[at]! : mark + pieces[at]!;
  }
  return result + textXml(unescapeToken(text, reading));
}

const attributeXml = (text: string): string => textXml(text).replaceAll('"', '&quot;');

// What XML 1.0 has no way to write: https://www.w3.org/TR/xml/#charsets
const unwritable = /[\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f]/g;

/** Control characters as the escape sequence that they would be. */
function textXml(text: string): string {
  if (!/[^\t\n\x20-\x25\x27-\x3b\x3d\x3f-\x7e]/.test(text)) return text;
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
    .replaceAll(unwritable, '\ufffd')
    .replaceAll(controls, (control) => `<escape V="X${Buffer.from(control).toString('hex').toUpperCase()}"/>`);
}
