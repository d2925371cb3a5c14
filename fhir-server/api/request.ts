// What a handler sees of an HTTP request: https://hl7.org/fhir/R4/http.html
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type AccessScope, type ParsedJson, parseJson, type Resource } from '#fhir-model';
import { CerebraError, readBody } from '#platform';
import type { Return } from '../interactions/bundle.ts';
import { searchPairs } from '../interactions/search.ts';

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
  /** Errors that are ours go to the log through this. */
  onFault(error: unknown): void;
}

/** What goes back. `body` is JSON text. */
export interface Answer {
  status: number;
  body?: string;
  /** Sets ETag and Last-Modified. */
  version?: number;
  updatedMs?: number;
  location?: string;
}

/** One header of several tokens: https://www.rfc-editor.org/rfc/rfc7240 */
export function parsePrefer(header: string | string[] | undefined): { strict: boolean; prefer: Return | undefined } {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const wanted = /(?:^|[,;\s])return=(minimal|representation|OperationOutcome)\b/.exec(text);
  return { strict: /(?:^|[,;\s])handling=strict\b/.test(text), prefer: wanted?.[1] as Return | undefined };
}

const JSON_TYPES = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json']);

const mediaType = (header: string | undefined): string => (header ?? '').split(';')[0]!.trim().toLowerCase();

function assertJsonType(req: IncomingMessage): void {
  const type = mediaType(req.headers['content-type']);
  if (type === '' || JSON_TYPES.has(type)) return;
  throw new CerebraError(
    'unsupported-media-type',
    `Content-Type '${type.slice(0, 80)}' is not read: send application/fhir+json`,
    {
      expression: ['Content-Type'],
    },
  );
}

async function bodyText(request: FhirRequest, bytesMax = request.bodyBytesMax): Promise<string> {
  const encoding = request.req.headers['content-encoding'];
  if (encoding && encoding !== 'identity') {
    throw new CerebraError(
      'unsupported-media-type',
      `Content-Encoding '${encoding.slice(0, 40)}' is not read: send the body as it is`,
      {
        expression: ['Content-Encoding'],
      },
    );
  }
  const bytes = await readBody(request.req, bytesMax);
  if (!isUtf8(bytes)) throw new CerebraError('invalid-json', 'The body is not valid UTF-8');
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

/** The posted resource, its decimals with their digits. */
export async function readResource(request: FhirRequest): Promise<Resource> {
  assertJsonType(request.req);
  const text = await bodyText(request);
  if (text.trim() === '') throw new CerebraError('structure', 'The request has no body: send a resource as JSON');
  const parsed = parseJson(text);
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
  return [...request.pairs, ...searchPairs(await bodyText(request, Math.min(request.bodyBytesMax, FORM_BYTES_MAX)))];
}

/** Whether the client takes JSON; `_format` outranks Accept. https://hl7.org/fhir/R4/http.html#mime-type */
export function assertAccepts(accept: string | undefined, format: string | undefined): void {
  if (format !== undefined) {
    const wanted = format.trim().replace(' ', '+').toLowerCase();
    if (wanted === 'json' || JSON_TYPES.has(mediaType(wanted))) return;
    throw new CerebraError('not-acceptable', `_format '${format.slice(0, 80)}' is not offered: json is`, {
      expression: ['_format'],
    });
  }
  if (!accept || accept.includes('*/*')) return;
  const accepted = accept.split(',').map(mediaType);
  if (accepted.some((type) => JSON_TYPES.has(type) || type === 'application/*')) return;
  throw new CerebraError('not-acceptable', 'None of the types in Accept is offered: application/fhir+json is', {
    expression: ['Accept'],
  });
}
