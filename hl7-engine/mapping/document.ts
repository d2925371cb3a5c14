// ED and RP to Attachment: https://hl7.org/fhir/uv/v2mappings/ (ED[Attachment], RP[Attachment])
import type { JsonObject } from '#fhir-model';
import type { Part, Segment } from '../message/message.ts';
import type { Mapping } from './context.ts';

/** Table 0191 and what is sent in its place -> the first half of a MIME type. */
const mainTypes: Readonly<Record<string, string>> = {
  AP: 'application',
  APPLICATION: 'application',
  AU: 'audio',
  AUDIO: 'audio',
  IM: 'image',
  IMAGE: 'image',
  TEXT: 'text',
  TX: 'text',
  FT: 'text',
};

/** The document of an OBX of type ED or RP; undefined when it has neither data nor address. */
export function documentOf(mapping: Mapping, obx: Segment): JsonObject | undefined {
  const value = obx.field(5).repetition(1);
  const title = obx.field(3).component(2).text ?? obx.field(3).component(1).text;
  return obx.field(2).text === 'RP' ? pointer(mapping, value, title) : encapsulated(mapping, value, title);
}

function pointer(mapping: Mapping, value: Part, title: string | undefined): JsonObject | undefined {
  const url = value.component(1).whole?.trim();
  if (url === undefined || url === '') return undefined;
  if (/\s/.test(url)) {
    mapping.warnings.add('OBX-5: a reference pointer with spaces is no address; left out');
    return undefined;
  }
  return { contentType: contentType(value.component(3).text, value.component(4).text), url, title };
}

function encapsulated(mapping: Mapping, value: Part, title: string | undefined): JsonObject | undefined {
  const sent = value.component(5).whole;
  if (sent === undefined) return undefined;
  const data = base64(sent, (value.component(4).text ?? '').toUpperCase());
  if (data === undefined) {
    mapping.warnings.add('OBX-5: encapsulated data is not of its encoding; left out');
    return undefined;
  }
  return { contentType: contentType(value.component(2).text, value.component(3).text), data, title };
}

/** Table 0299: Base64, Hex, A (as it stands). */
function base64(text: string, encoding: string): string | undefined {
  if (encoding === 'A') return Buffer.from(text, 'utf8').toString('base64');
  const packed = text.replaceAll(/\s/g, '');
  if (encoding === 'HEX')
    return /^(?:[0-9A-Fa-f]{2})+$/.test(packed) ? Buffer.from(packed, 'hex').toString('base64') : undefined;
  return packed.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(packed) ? packed : undefined;
}

function contentType(type: string | undefined, subtype: string | undefined): string | undefined {
  if (subtype === undefined) return undefined;
  if (/^[\w.+-]+\/[\w.+-]+$/.test(subtype)) return subtype.toLowerCase();
  if (!/^[\w.+-]+$/.test(subtype)) return undefined;
  const main = mainTypes[(type ?? '').toUpperCase()] ?? 'application';
  return `${main}/${subtype.toLowerCase()}`;
}
