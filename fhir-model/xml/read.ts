// Resources from XML: https://hl7.org/fhir/R4/xml.html. Saxes yields tags, a stack of frames puts them into the tree that
// the JSON form has. Nothing is passed over in silence but comments, processing instructions and xsi attributes.
import { type SaxesAttributeNSIncomplete, SaxesParser, type SaxesTagNS } from 'saxes';
import { CerebraError, type ErrorCode } from '#platform';
import { depthMax, positionText, rawJson } from '../json.ts';
import type { Json, JsonObject, Resource } from '../types.ts';
import { createDivReader, type DivReader } from './div-read.ts';
import { countOf, dropEmptyArrays, type Frame, isPrimitive, levelOf, pathOf, place, settle } from './frame.ts';
import { fhirNamespace, type XmlElement, type XmlModel, type XmlType, xhtmlNamespace } from './model.ts';

const schemaInstance = 'http://www.w3.org/2001/XMLSchema-instance';
const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/';

interface Reader {
  readonly model: XmlModel;
  readonly text: string;
  readonly parser: SaxesParser<{ xmlns: true }>;
  /** Of the tag that is being read. */
  attributes: SaxesAttributeNSIncomplete[];
  top: Frame | undefined;
  root: JsonObject | undefined;
  /** While inside a narrative. */
  div: DivReader | undefined;
}

const shown = (text: string): string => (text.length <= 64 ? text : `${text.slice(0, 64)}…`);

/** The offset of the tag that was just read: no `<` can stand in an attribute. */
const tagStart = ({ text, parser }: Reader): number => text.lastIndexOf('<', parser.position - 1);

/** A refusal at the tag that was just read, or at `path` below it. */
function refuse(reader: Reader, frame: Frame | undefined, what: string, code: ErrorCode = 'structure'): CerebraError {
  const path = pathOf(frame);
  const where = positionText(reader.text, tagStart(reader));
  const text = `${path === '' ? '' : `${path}: `}${what}, at ${where}`;
  return new CerebraError(code, text, path === '' ? {} : { expression: [path] });
}

function assertNamespace(reader: Reader, tag: SaxesTagNS): void {
  if (tag.uri === fhirNamespace) return;
  const found = tag.uri === '' ? 'no namespace' : `the namespace '${shown(tag.uri)}'`;
  throw refuse(
    reader,
    reader.top,
    `<${shown(tag.name)}> is of ${found}: elements of FHIR are of '${fhirNamespace}' (xmlns on the root element)`,
  );
}

/** Attributes that say nothing about the resource: namespaces, and where a schema is. */
function isSilent(tag: SaxesTagNS, { name, prefix }: SaxesAttributeNSIncomplete): boolean {
  if (prefix === '') return name === 'xmlns';
  const uri = tag.attributes[name]?.uri;
  return uri === xmlnsNamespace || uri === schemaInstance;
}

/** Passes on those of FHIR. */
function takeAttributes(
  reader: Reader,
  tag: SaxesTagNS,
  frame: Frame,
  take: (frame: Frame, name: string, value: string) => boolean,
): void {
  const { attributes } = reader;
  for (const attribute of attributes) {
    const { name, value } = attribute;
    if (isSilent(tag, attribute)) continue;
    if (value === '') throw refuse(reader, frame, `attribute '${shown(name)}' must not be empty`);
    if (!take(frame, name, value)) throw refuse(reader, frame, `attribute '${shown(name)}' is not known here`);
  }
}

const takeNone = (): boolean => false;

const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Longer ones are no measurement; V8 takes time square in their length for numbers it must round. */
const numberLengthMax = 1024;

/** As parseJson gives it: a number where it keeps its digits, else RawJson. */
function numberOf(text: string): Json {
  const number = Number(text);
  return String(number) === text ? number : (rawJson(text) as unknown as Json);
}

function primitiveOf(reader: Reader, frame: Frame, { kind, type }: XmlElement, text: string): Json {
  if (kind === 'string') return text;
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  if (kind === 'number' && text.length <= numberLengthMax && numberPattern.test(text)) return numberOf(text);
  const wanted = kind === 'boolean' ? 'true or false' : 'a number';
  throw refuse(reader, frame, `'${shown(text)}' is not ${wanted} (${type})`, 'invalid');
}

function resourceFrame(reader: Reader, tag: SaxesTagNS, parent: Frame | undefined): Frame {
  if (!reader.model.isResourceType(tag.local)) {
    throw refuse(reader, parent, `<${shown(tag.local)}> is not a resource type of FHIR R4`);
  }
  if (parent?.filled === true) throw refuse(reader, parent, 'only one resource may stand in here');
  const object: JsonObject = { resourceType: tag.local };
  const frame: Frame = {
    type: reader.model.type(tag.local),
    element: undefined,
    parent,
    index: 0,
    depth: (parent?.depth ?? 0) + 1,
    object,
    value: undefined,
    filled: true,
    sparse: undefined,
  };
  takeAttributes(reader, tag, frame, takeNone);
  if (parent === undefined) reader.root = object;
  else place(parent, object);
  return frame;
}

function elementOf(reader: Reader, tag: SaxesTagNS, parent: Frame): XmlElement {
  const element = parent.type?.elements.get(tag.local);
  if (element === undefined) {
    const owner = parent.element !== undefined && isPrimitive(parent.element) ? parent.element.type : parent.type?.name;
    throw refuse(reader, parent, `there is no element <${shown(tag.local)}> in ${owner}`);
  }
  return element;
}

/** The type that an element's tag follows; none for one that holds a resource. */
function typeInside(reader: Reader, element: XmlElement): XmlType | undefined {
  if (element.kind === 'resource') return undefined;
  return reader.model.type(isPrimitive(element) ? 'Element' : element.type);
}

function elementFrame(reader: Reader, tag: SaxesTagNS, parent: Frame): Frame {
  const element = elementOf(reader, tag, parent);
  // The first extension of a primitive: now it gets its `_name`.
  parent.object ??= {};
  const index = countOf(parent.object, element);
  const frame: Frame = {
    type: typeInside(reader, element),
    element,
    parent,
    index,
    depth: parent.depth + (element.array ? 2 : 1),
    object: undefined,
    value: undefined,
    filled: false,
    sparse: undefined,
  };
  if (!element.array && index > 0) throw refuse(reader, frame, 'must not be repeated');
  if (element.kind === 'resource') takeAttributes(reader, tag, frame, takeNone);
  else if (isPrimitive(element)) {
    takeAttributes(reader, tag, frame, takeOfPrimitive);
    if (frame.filled) frame.value = primitiveOf(reader, frame, element, frame.value as string);
  } else {
    frame.object = {};
    takeAttributes(reader, tag, frame, takeOfComplex);
    place(frame, frame.object);
  }
  return frame;
}

function takeOfPrimitive(frame: Frame, name: string, value: string): boolean {
  if (name === 'value') {
    frame.value = value;
    frame.filled = true;
    return true;
  }
  if (name === 'id') frame.object = { id: value };
  return name === 'id';
}

/** An extension's url is content, an id alone is none (ele-1). */
function takeOfComplex(frame: Frame, name: string, value: string): boolean {
  if (frame.object === undefined || frame.type?.attributes.includes(name) !== true) return false;
  frame.object[name] = value;
  frame.filled ||= name === 'url';
  return true;
}

function openTag(reader: Reader, tag: SaxesTagNS): void {
  const parent = reader.top;
  if (reader.div !== undefined) {
    reader.div.open(tag, (what) => refuse(reader, parent, what));
    return;
  }
  if (parent !== undefined && parent.type?.elements.get(tag.local)?.kind === 'xhtml') {
    openDiv(reader, tag, parent);
    return;
  }
  assertNamespace(reader, tag);
  const inside = parent === undefined || parent.type === undefined;
  const frame = inside ? resourceFrame(reader, tag, parent) : elementFrame(reader, tag, parent);
  if (levelOf(frame) > depthMax) throw refuse(reader, undefined, `Nested deeper than ${depthMax} levels`);
  if (parent !== undefined) parent.filled = true;
  reader.top = frame;
}

function openDiv(reader: Reader, tag: SaxesTagNS, parent: Frame): void {
  if (tag.uri !== xhtmlNamespace) {
    throw refuse(reader, parent, `<div> must be of the namespace '${xhtmlNamespace}' (xmlns on the div)`);
  }
  if (parent.object?.div !== undefined) throw refuse(reader, parent, 'div must not be repeated');
  reader.div = createDivReader(reader.text, tagStart(reader));
  reader.div.open(tag, (what) => refuse(reader, parent, what));
}

function closeDiv(reader: Reader, div: string): void {
  reader.div = undefined;
  if (reader.top?.object === undefined) return;
  reader.top.object.div = div;
  reader.top.filled = true;
}

function closeTag(reader: Reader, tag: SaxesTagNS): void {
  if (reader.div !== undefined) {
    const div = reader.div.close(tag, reader.parser.position);
    if (div !== undefined) closeDiv(reader, div);
    return;
  }
  const frame = reader.top;
  if (frame === undefined) return;
  if (!frame.filled) {
    const wanted = frame.type === undefined ? 'a resource' : 'a value, children or extensions';
    throw refuse(reader, frame, `must not be empty: it needs ${wanted}`);
  }
  if (frame.sparse !== undefined) dropEmptyArrays(frame);
  const { element, parent } = frame;
  if (element !== undefined && isPrimitive(element) && parent?.object !== undefined)
    settle(frame, parent.object, element);
  reader.top = parent;
}

function takeText(reader: Reader, text: string): void {
  if (reader.div !== undefined) reader.div.text(text);
  else if (/[^ \t\r\n]/.test(text)) {
    throw refuse(reader, reader.top, 'text may stand in a narrative only: values are in the attribute value');
  }
}

/** Elements of FHIR have three; a narrative's table cell some ten. 50 MB of them would take gigabytes of heap. */
const attributesMax = 100;

const encodings = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

function malformed(reader: Reader, what: string): CerebraError {
  const where = positionText(reader.text, reader.parser.position);
  const path = pathOf(reader.top);
  return new CerebraError(
    'invalid-xml',
    `Not XML that is read here, at ${where}: ${what}`,
    path === '' ? {} : { expression: [path] },
  );
}

function listen(reader: Reader): void {
  const { parser } = reader;
  // It prefixes its messages with line and column, in its own counting.
  parser.on('error', (error) => {
    throw malformed(reader, shown(error.message.replace(/^\d+:\d+: /, '')));
  });
  parser.on('doctype', () => {
    throw malformed(reader, 'a document type declaration (DTD) is not allowed, nor are entities of its own');
  });
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding === undefined || encodings.has(encoding.toLowerCase())) return;
    throw malformed(reader, `the encoding '${shown(encoding)}' is declared, FHIR is UTF-8`);
  });
  parser.on('attribute', (attribute) => {
    if (reader.attributes.length === attributesMax)
      throw malformed(reader, `a tag has over ${attributesMax} attributes`);
    reader.attributes.push(attribute);
  });
  parser.on('opentag', (tag) => {
    openTag(reader, tag);
    if (reader.attributes.length > 0) reader.attributes = [];
  });
  parser.on('closetag', (tag) => closeTag(reader, tag));
  parser.on('text', (text) => takeText(reader, text));
  parser.on('cdata', (text) => takeText(reader, text));
}

function createReader(model: XmlModel, text: string): Reader {
  const parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' });
  const reader: Reader = { model, text, parser, attributes: [], top: undefined, root: undefined, div: undefined };
  listen(reader);
  return reader;
}

/** What is parsed before others get their turn: some 5 ms. */
const sliceLength = 64 * 1024;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The root resource. Numbers are as in `parseJson().exact`. */
export type XmlReader = (text: string) => Promise<Resource>;

/**
 * A reader of whole documents, a leading byte order mark included. It throws CerebraError `invalid-xml` for what is not
 * well-formed or has a DTD, `structure` or `invalid` for what is not FHIR, each with line, column and element path.
 */
export function createXmlReader(model: XmlModel): XmlReader {
  return async (given) => {
    const text = given.charCodeAt(0) === 0xfeff ? given.slice(1) : given;
    const reader = createReader(model, text);
    for (let at = 0; at < text.length; at += sliceLength) {
      if (at > 0) await turn();
      reader.parser.write(text.slice(at, at + sliceLength));
    }
    reader.parser.close();
    return reader.root as unknown as Resource;
  };
}
