// ED and RP, and documents in text, to DocumentReference and Binary: https://hl7.org/fhir/uv/v2mappings/ (ED[Attachment],
// ED[DocumentReference], RP[Attachment], OBX[DocumentReference]); https://hl7.org/fhir/R4/binary.html
import type { JsonObject, Resource } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { latestMerge } from './merging.ts';

/** Table 0191 and what is sent in its place -> the first half of a MIME type. */
const mainTypes: Readonly<Record<string, string>> = {
  AP: 'application',
  APPLICATION: 'application',
  AU: 'audio',
  AUDIO: 'audio',
  FT: 'text',
  IM: 'image',
  IMAGE: 'image',
  MULTIPART: 'multipart',
  SD: 'application',
  SI: 'image',
  TEXT: 'text',
  TX: 'text',
};

/** Texts up to this size stand in the DocumentReference itself: with a Binary each they would be two reads. */
const inlineBytesMax = 4096;

const utf8Text = 'text/plain; charset=utf-8';

/** A document before it has its place: where it is, or what it is. */
export interface Content {
  contentType: string | undefined;
  url?: string;
  /** Base64. */
  data?: string;
}

/** Of one repetition of an OBX-5 of type ED or RP; undefined, with a warning, for what can't be read. */
export function contentOf(mapping: Mapping, type: string | undefined, value: Part): Content | undefined {
  return type === 'RP' ? pointer(mapping, value) : encapsulated(mapping, value);
}

function pointer(mapping: Mapping, value: Part): Content | undefined {
  // A pointer is an address, and an address may hold the component separator's escape or the character itself.
  const url = value.component(1).whole?.trim();
  if (url === undefined || url === '') return undefined;
  if (/\s/.test(url)) {
    mapping.warnings.add('OBX-5: a reference pointer with spaces is no address; left out');
    return undefined;
  }
  return { contentType: contentType(value.component(3).text, value.component(4).text), url };
}

function encapsulated(mapping: Mapping, value: Part): Content | undefined {
  const sent = value.component(5);
  if (sent.raw === '') return undefined;
  const encoding = (value.component(4).text ?? '').toUpperCase();
  const data = base64(sent, encoding);
  if (data === undefined) {
    mapping.warnings.add('OBX-5: encapsulated data is not of its encoding; left out');
    return undefined;
  }
  const sentType = contentType(value.component(2).text, value.component(3).text);
  const plain = encoding === 'A' && sentType === 'text/plain';
  return { contentType: plain ? utf8Text : sentType, data };
}

/** Table 0299: Base64, Hex, A (as it stands). Base64 of 10 MB is looked at once and never un-escaped: it has no delimiters. */
function base64(value: Part, encoding: string): string | undefined {
  if (encoding === 'A') return Buffer.from(value.whole ?? '', 'utf8').toString('base64');
  const sent = plainBase64.test(value.raw) ? value.raw : (value.whole ?? '').replaceAll(/\s/g, '');
  if (encoding === 'HEX')
    return /^(?:[0-9A-Fa-f]{2})+$/.test(sent) ? Buffer.from(sent, 'hex').toString('base64') : undefined;
  return sent.length % 4 === 0 && plainBase64.test(sent) ? sent : undefined;
}

const plainBase64 = /^[A-Za-z0-9+/]+={0,2}$/;

function contentType(type: string | undefined, subtype: string | undefined): string | undefined {
  const main = mainTypes[(type ?? '').toUpperCase()];
  if (subtype === undefined) return main === 'text' ? 'text/plain' : undefined;
  if (/^[\w.+-]+\/[\w.+-]+$/.test(subtype)) return subtype.toLowerCase();
  if (!/^[\w.+-]+$/.test(subtype)) return undefined;
  return `${main ?? 'application'}/${subtype.toLowerCase()}`;
}

/** What each document holds: `documents` are OBX of type ED and RP, as they follow each other. */
export function documentContents<T extends { obx: Segment }>(
  mapping: Mapping,
  documents: readonly T[],
): { one: T; contents: Content[] }[] {
  const found: { one: T; contents: Content[] }[] = [];
  for (const one of documents) {
    const { obx } = one;
    const type = obx.field(2).text;
    const own = obx
      .field(5)
      .repetitions()
      .flatMap((value) => contentOf(mapping, type, value) ?? []);
    const contents: Content[] = [];
    const before = found.at(-1);
    let target = before !== undefined && codeOf(before.one.obx) === codeOf(obx) ? before.contents : contents;
    for (const content of own) {
      const last = target.at(-1);
      if (last !== undefined && isRestOf(last, content)) {
        target[target.length - 1] = { ...last, data: together(last.data!, content.data!) };
        continue;
      }
      target = contents;
      contents.push(content);
    }
    if (contents.length > 0 || own.length === 0) found.push({ one, contents });
  }
  return found;
}

const codeOf = (obx: Segment): string | undefined => obx.field(3).component(1).text;

const pdf = 'application/pdf';
/** `%PDF` in base64: each PDF begins so. */
const pdfBeginning = 'JVBER';

/** Senders with a limit to OBX-5 cut a PDF and send its parts as values, or as OBX, one after the other. */
function isRestOf({ contentType: type, data: before }: Content, { contentType: next, data }: Content): boolean {
  if (type !== pdf || next !== pdf || before === undefined || data === undefined) return false;
  return before.startsWith(pdfBeginning) && !data.startsWith(pdfBeginning);
}

function together(first: string, second: string): string {
  if (!first.endsWith('=')) return first + second;
  return Buffer.concat([Buffer.from(first, 'base64'), Buffer.from(second, 'base64')]).toString('base64');
}

/** Lines of TX, FT or ST, as they follow each other in OBX-5 of several segments. */
export function textContent(lines: readonly string[]): Content | undefined {
  const text = lines.join('\n').trimEnd();
  if (text.trim() === '') return undefined;
  return { contentType: utf8Text, data: Buffer.from(text, 'utf8').toString('base64') };
}

/** The Attachment, with its data in a Binary where they are more than a few lines. `key` tells the document among all. */
export function attachment(
  mapping: Mapping,
  content: Content,
  key: readonly (string | undefined)[],
  title: string | undefined,
): JsonObject {
  const { contentType: type, url, data } = content;
  if (data === undefined) return { contentType: type, url, title };
  const size = Math.floor((data.length * 3) / 4) - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);
  if (type?.startsWith('text/') && data.length <= inlineBytesMax) return { contentType: type, data, size, title };
  const id = derivedId('Binary', key);
  const resource: Resource = { resourceType: 'Binary', id, contentType: type ?? 'application/octet-stream', data };
  mapping.stamp(resource);
  mapping.add({ method: 'PUT', url: `Binary/${id}`, resource, merge: latestMerge(mapping) });
  return { contentType: type, url: `Binary/${id}`, size, title };
}

/** What the document is called: OBX-3. */
export function titleOf(obx: Segment): string | undefined {
  return obx.field(3).component(2).text ?? obx.field(3).component(1).text;
}
