// Binary in its native content type: https://hl7.org/fhir/R4/binary.html#rest
import { isUtf8 } from 'node:buffer';
import { type JsonObject, parseReference, parseSentJson, type Resource } from '#fhir-model';
import { CerebraError, ownValue } from '#platform';
import type { Core } from '../interactions/core.ts';
import { type Answer, assertSingle, type FhirRequest, mediaType, readBytes } from './request.ts';

const FHIR_JSON = new Set(['application/fhir+json', 'application/json+fhir']);
const FHIR_XML = new Set(['application/fhir+xml', 'application/xml+fhir']);
const isFhir = (type: string): boolean =>
  FHIR_JSON.has(type) || FHIR_XML.has(type) || type === 'application/fhir+ndjson';

/** A media type with its parameters: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1. Anything else could be no header. */
const MEDIA_TYPE =
  /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?: ?; ?[\w!#$&^.+-]{1,127}=(?:"[\w !#$%&'()*+,./:;<=>?@[\]^`{|}~-]{0,255}"|[\w!#$%&'*+.^`|~-]{1,255})){0,16}$/;

const kindOf = (type: string): 'json' | 'xml' | undefined =>
  /[/+]json$/.test(type) ? 'json' : /[/+]xml$/.test(type) ? 'xml' : undefined;

/** A generic type asks for the FHIR form unless the content is of that kind itself. */
const GENERIC: Record<string, 'json' | 'xml'> = {
  'application/json': 'json',
  'text/json': 'json',
  'application/xml': 'xml',
  'text/xml': 'xml',
};

function asksForFhir(range: string, content: string): boolean {
  const generic = ownValue(GENERIC, range);
  return generic === undefined ? isFhir(range) : kindOf(content) !== generic;
}

const weightOf = (range: string): number => {
  const weight = Number(/;\s*q=([\d.]+)/i.exec(range)?.[1] ?? 1);
  return weight >= 0 && weight <= 1 ? weight : 1;
};

interface Content {
  type: string;
  bytes: Buffer;
  securityContext: string | undefined;
}

function contentOf(body: string): Content {
  const { contentType, data, securityContext } = JSON.parse(body) as JsonObject;
  const reference = (securityContext as JsonObject | undefined)?.reference;
  return {
    type: typeof contentType === 'string' && MEDIA_TYPE.test(contentType) ? contentType : 'application/octet-stream',
    bytes: Buffer.from(typeof data === 'string' ? data : '', 'base64'),
    securityContext: typeof reference === 'string' && /^[\x21-\x7e]{1,1024}$/.test(reference) ? reference : undefined,
  };
}

/**
 * The content as it was stored. Browsers take it for what it says it is and nothing else, run no script in it and load
 * nothing from it: anybody may have stored it. https://hl7.org/fhir/R4/security.html#narrative
 */
const answerOf = ({ type, bytes, securityContext }: Content): Answer => ({
  status: 200,
  body: bytes,
  contentType: type,
  headers: {
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'Content-Disposition': 'attachment',
    ...(securityContext === undefined ? {} : { 'X-Security-Context': securityContext }),
  },
});

/**
 * The content by itself, unless the resource is asked for: by `_format`, or by a FHIR type in Accept. `body` is the JSON
 * text of a Binary.
 */
export function nativeAnswer({ req, pairs }: FhirRequest, body: string): Answer | undefined {
  if (pairs.some(([name]) => name === '_format')) return undefined;
  const ranges = (req.headers.accept ?? '').split(',').filter((range) => range.trim() !== '');
  const types = ranges.map(mediaType);
  if (types.length > 0 && types.every(isFhir)) return undefined;
  const content = contentOf(body);
  const weigh = (fhir: boolean) =>
    Math.max(0, ...ranges.filter((_, i) => asksForFhir(types[i]!, mediaType(content.type)) === fhir).map(weightOf));
  return ranges.length > 0 && weigh(true) >= weigh(false) ? undefined : answerOf(content);
}

/**
 * Whether who sends content names FHIR as what it takes, by `_format` or in Accept: the clients of FHIR libraries do, and read the
 * new id from the resource that they expect. The weight of what else they take does not matter here.
 */
export function takesResource({ req, pairs }: FhirRequest): boolean {
  if (pairs.some(([name]) => name === '_format')) return true;
  const ranges = (req.headers.accept ?? '').split(',');
  return ranges.some((range) => isFhir(mediaType(range)) && weightOf(range) > 0);
}

function securityContextOf(core: Core, { req }: FhirRequest): JsonObject {
  const header = req.headers['x-security-context'];
  if (header === undefined || header === '') return {};
  const reference = String(header).trim();
  const { kind } = parseReference(reference, core.baseUrl);
  if (kind === 'local' || kind === 'absolute') return { securityContext: { reference } };
  throw new CerebraError('invalid', 'X-Security-Context must be a reference such as DocumentReference/123', {
    expression: ['X-Security-Context'],
  });
}

/** The Binary that the body is, in JSON or XML; undefined when it is content. Throws for FHIR that can't be read. */
async function resourceIn(request: FhirRequest, type: string, bytes: Buffer): Promise<Resource | undefined> {
  const kind = type === '' ? 'json' : kindOf(type);
  if (kind === undefined || !isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    const read = kind === 'xml' ? await request.xml.read(text) : (parseSentJson(text).exact as Resource);
    return read?.resourceType === 'Binary' ? read : undefined;
  } catch (error) {
    // Said to be FHIR, it was meant to be a resource.
    if (isFhir(type)) throw error;
    return undefined;
  }
}

/** The Binary that a POST or PUT brings: the resource itself, or one around the body, whatever its type. */
export async function readBinary(
  core: Core,
  request: FhirRequest,
  id: string | undefined,
): Promise<{ resource: Resource; native: boolean }> {
  const { req } = request;
  assertSingle(req, 'content-type');
  const bytes = await readBytes(request);
  if (bytes.length === 0) {
    throw new CerebraError('required', 'The request has no body: send a Binary, or the content itself with its type');
  }
  const header = (req.headers['content-type'] ?? '').trim().replaceAll(/\s+/g, ' ');
  const resource = await resourceIn(request, mediaType(header), bytes);
  if (resource) return { resource, native: false };
  const contentType = header === '' ? 'application/octet-stream' : header;
  if (!MEDIA_TYPE.test(contentType)) {
    throw new CerebraError('invalid', 'Content-Type is not a media type such as application/pdf', {
      expression: ['Content-Type'],
    });
  }
  const native: Resource = {
    resourceType: 'Binary',
    ...(id === undefined ? {} : { id }),
    contentType,
    ...securityContextOf(core, request),
    data: bytes.toString('base64'),
  };
  return { resource: native, native: true };
}
