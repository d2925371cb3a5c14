// The answer on its way out: https://hl7.org/fhir/R4/http.html#general. Stored JSON goes as it is; other formats and
// compression take their detour here and nowhere else. Status, headers and body leave together: setting each header by
// itself through koa, and koa's own answer, took 5 µs of the 57 that node needs for a create.
import type { ServerResponse } from 'node:http';
import type { XmlCodec } from '#fhir-model';
import { etag } from '../interactions/etag.ts';
import { codingFor, compress, compressBytesMin } from './compress.ts';
import type { Exchange } from './exchange.ts';
import type { Asked } from './negotiate.ts';
import { present } from './present.ts';
import type { Answer } from './request.ts';

const varies = 'Accept, Accept-Encoding';
const compressible = /json|xml|^text\//;

/** Names and values in turn, as https://nodejs.org/api/http.html#responsewriteheadstatuscode-statusmessage-headers takes them. */
type Headers = string[];

let lastSecond = Number.NaN;
let lastText = '';

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7; what is written now is mostly of one second. */
function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = new Date(ms).toUTCString();
    lastSecond = second;
  }
  return lastText;
}

/** Of a GET; others are not kept by themselves: https://www.rfc-editor.org/rfc/rfc9111#section-3 */
const isKept = (method: string | undefined): boolean => method === 'GET' || method === 'HEAD';

function headersOf({ req, res, id }: Exchange, answer: Answer): Headers {
  // CORS may have put Origin there.
  const before = res.getHeader('Vary');
  const headers = ['X-Request-Id', id, 'Vary', before === undefined ? varies : `${before}, ${varies}`];
  if (answer.version !== undefined) headers.push('ETag', etag(answer.version));
  if (answer.updatedMs !== undefined) headers.push('Last-Modified', httpDate(answer.updatedMs));
  // With Last-Modified alone a browser may show a resource for a tenth of its age without asking: RFC 9111, section 4.2.2.
  if (isKept(req.method) && answer.headers?.['Cache-Control'] === undefined)
    headers.push('Cache-Control', 'private, no-cache');
  if (answer.location !== undefined) headers.push('Location', answer.location);
  if (answer.headers !== undefined)
    for (const [name, value] of Object.entries(answer.headers)) headers.push(name, value);
  return headers;
}

/** Nobody is there any more. */
const isOver = (res: ServerResponse): boolean => res.writableEnded || res.destroyed;

function sendNothing({ res }: Exchange, status: number, headers: Headers): void {
  // Without it Node sends an empty chunked body; 204 and 304 have none at all.
  if (status !== 204 && status !== 304) headers.push('Content-Length', '0');
  if (!isOver(res)) res.writeHead(status, headers).end();
}

function sendBytes({ res, req }: Exchange, status: number, headers: Headers, body: string | Buffer): void {
  if (isOver(res)) return;
  headers.push('Content-Length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.length));
  res.writeHead(status, headers);
  if (req.method === 'HEAD') res.end();
  else res.end(body);
}

/** Compresses what is large, if the client takes it. Only then there is something to wait for. */
function sendBody(
  exchange: Exchange,
  status: number,
  headers: Headers,
  body: string | Buffer,
  contentType: string,
): Promise<void> | undefined {
  headers.push('Content-Type', contentType);
  const accepted = exchange.req.headers['accept-encoding'];
  if (accepted !== undefined && body.length >= compressBytesMin && compressible.test(contentType)) {
    const coding = codingFor(Array.isArray(accepted) ? accepted.join(',') : accepted);
    if (coding !== undefined) {
      headers.push('Content-Encoding', coding);
      return compress(body, coding).then((bytes) => sendBytes(exchange, status, headers, bytes));
    }
  }
  sendBytes(exchange, status, headers, body);
  return undefined;
}

/** Sends the answer in the format that was asked for; one with a content type of its own goes out as it is. */
export function send(exchange: Exchange, answer: Answer, asked: Asked, xml: XmlCodec): Promise<void> | undefined {
  const { body, contentType, status } = answer;
  const headers = headersOf(exchange, answer);
  const isStored = asked.format === 'json' && !asked.pretty;
  if (contentType !== undefined || typeof body !== 'string' || isStored) {
    if (body !== undefined) return sendBody(exchange, status, headers, body, contentType ?? asked.contentType);
    sendNothing(exchange, status, headers);
    return undefined;
  }
  const presented = present(body, asked, xml);
  if (presented.link !== undefined) headers.push('Link', presented.link);
  return sendBody(exchange, status, headers, presented.body, presented.contentType);
}
