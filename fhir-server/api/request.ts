// What a handler sees of an HTTP request: https://hl7.org/fhir/R4/http.html
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import {
  type AccessScope,
  type ParsedJson,
  parseSentJson,
  type Resource,
  type TransactionEntry,
  type XmlCodec,
} from '#fhir-model';
import { CerebraError, type Held, type Room, readBody } from '#platform';
import type { EntryAnswer, Return } from '../interactions/bundle.ts';
import type { Core } from '../interactions/core.ts';
import { searchPairs } from '../interactions/search.ts';
import { type Asked, formatOfContent, negotiate } from './negotiate.ts';

export interface FhirRequest {
  req: IncomingMessage;
  /** Path segments after the base, decoded. */
  segments: string[];
  /** Of the query string, decoded, in order. */
  pairs: [string, string][];
  queryString: string;
  scope: AccessScope;
  /** `Prefer: handling=strict`: unknown parameters are errors. */
  strict: boolean;
  /** `Prefer: return=…`; undefined when the client says nothing. */
  prefer: Return | undefined;
  bodyBytesMax: number;
  /** What large bodies take of memory together; an entry of a Bundle has come with that. */
  room: Room | undefined;
  /** It is an entry of a Bundle. */
  isEntry: boolean;
  /** What this request has of it until it is answered. */
  held: Held;
  /** How the answer is to look; a form's `_format` changes it. */
  asked: Asked;
  xml: XmlCodec;
  /** Errors that are ours go to the log through this. */
  onFault(error: unknown): void;
  /** Runs an entry of the Bundle that this request posts as a request of its own; its url is relative to the base. */
  answerEntry(core: Core, outer: FhirRequest, entry: TransactionEntry): Promise<Answer>;
}

/** What goes back. `body` is a resource's JSON text; with a `contentType` of its own it goes out as it is. */
export interface Answer extends EntryAnswer {
  /** Further headers. */
  headers?: Record<string, string>;
}

const RETURN = /(?:^|[,;\s])return\s*=\s*("?)(minimal|representation|OperationOutcome)\1(?![\w-])/i;
const HANDLING = /(?:^|[,;\s])handling\s*=\s*("?)(strict|lenient)\1(?![\w-])/i;
const RETURNS: readonly Return[] = ['minimal', 'representation', 'OperationOutcome'];

/**
 * One header of several tokens, without case, quoted or not; of a preference that is given twice the first one counts:
 * https://www.rfc-editor.org/rfc/rfc7240#section-2
 */
export function parsePrefer(header: string | string[] | undefined): { strict: boolean; prefer: Return | undefined } {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const wanted = RETURN.exec(text)?.[2]?.toLowerCase();
  const strict = HANDLING.exec(text)?.[2]?.toLowerCase() === 'strict';
  return { strict, prefer: RETURNS.find((each) => each.toLowerCase() === wanted) };
}

export const mediaType = (header: string | undefined): string => (header ?? '').split(';')[0]!.trim().toLowerCase();

/** The body, decompressed, as soon as there is room for it; throws what readBody does. */
export async function readBytes(request: FhirRequest, bytesMax = request.bodyBytesMax): Promise<Buffer> {
  const { req, room, held } = request;
  if (room === undefined) return readBody(req, bytesMax);
  const bytes = await readBody(req, bytesMax, (expected) => room.take(held, expected));
  // Of what was held for a body of unknown length.
  if (held.bytes > bytes.length) room.keep(held, bytes.length);
  return bytes;
}

/** The body as text, decompressed; throws what readBody does, and `structure` for what is no UTF-8. */
export async function readText(request: FhirRequest, bytesMax = request.bodyBytesMax): Promise<string> {
  const bytes = await readBytes(request, bytesMax);
  if (!isUtf8(bytes)) throw new CerebraError('structure', 'The body is not valid UTF-8');
  return bytes.toString('utf8');
}

function assertResource(parsed: ParsedJson): void {
  const { value } = parsed;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) throw new CerebraError('structure', 'A resource is a JSON object');
  if (typeof value.resourceType !== 'string') {
    throw new CerebraError('structure', 'The resource has no resourceType', { expression: ['Resource.resourceType'] });
  }
}

/**
 * Node keeps the first of two, or joins them: either way it would not be what was sent.
 * Throws `invalid` for a header that stands twice.
 */
export function assertSingle({ rawHeaders = [] }: IncomingMessage, name: string): void {
  let found = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const given = rawHeaders[i]!;
    if (given.length === name.length && given.toLowerCase() === name) found++;
  }
  if (found <= 1) return;
  throw new CerebraError('invalid', `The header ${name} stands twice: send it once`, { expression: [name] });
}

/** The posted resource, JSON or XML as its Content-Type says, its decimals with their digits. */
export async function readResource(request: FhirRequest): Promise<Resource> {
  assertSingle(request.req, 'content-type');
  const format = formatOfContent(request.req.headers['content-type']);
  const text = await readText(request);
  if (text.trim() === '')
    throw new CerebraError('structure', 'The request has no body: send a resource as JSON or XML');
  if (format === 'xml') return request.xml.read(text);
  const parsed = parseSentJson(text);
  assertResource(parsed);
  return parsed.exact as Resource;
}

/** More than any search may ask for. */
const FORM_BYTES_MAX = 1024 * 1024;

/** Parameters of POST _search: those of the URL, then those of the form. https://hl7.org/fhir/R4/http.html#search */
export async function readForm(request: FhirRequest): Promise<[string, string][]> {
  const type = mediaType(request.req.headers['content-type']);
  if (type !== 'application/x-www-form-urlencoded' && type !== '') {
    throw new CerebraError('unsupported-media-type', 'POST _search takes application/x-www-form-urlencoded', {
      expression: ['Content-Type'],
    });
  }
  const form = searchPairs(await readText(request, Math.min(request.bodyBytesMax, FORM_BYTES_MAX)));
  const pairs = [...request.pairs, ...form];
  askedByForm(request, pairs);
  return pairs;
}

/** `_format` and `_pretty` may be in the form as well. */
function askedByForm(request: FhirRequest, pairs: readonly [string, string][]): void {
  const first = (wanted: string) => pairs.find(([name]) => name === wanted)?.[1];
  const [format, pretty] = [first('_format'), first('_pretty')];
  if (format !== undefined || pretty !== undefined) {
    request.asked = negotiate(request.req.headers.accept, format, pretty);
  }
}
