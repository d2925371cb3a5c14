// The answer on its way out: https://hl7.org/fhir/R4/http.html#general. Stored JSON goes as it is; other formats and
// compression take their detour here and nowhere else.
import type { Context } from 'koa';
import type { XmlCodec } from '#fhir-model';
import { etag } from '../interactions/etag.ts';
import { codingFor, compress, compressBytesMin } from './compress.ts';
import { type Asked, plainJson } from './negotiate.ts';
import { present } from './present.ts';
import type { Answer } from './request.ts';

const varies = 'Accept, Accept-Encoding';
const compressible = /json|xml|^text\//;

function setHeaders(ctx: Context, answer: Answer): void {
  ctx.status = answer.status;
  // CORS may have put Origin there.
  const before = ctx.res.getHeader('Vary');
  ctx.set('Vary', before === undefined ? varies : `${before}, ${varies}`);
  if (answer.version !== undefined) ctx.set('ETag', etag(answer.version));
  if (answer.updatedMs !== undefined) ctx.set('Last-Modified', new Date(answer.updatedMs).toUTCString());
  if (answer.location !== undefined) ctx.set('Location', answer.location);
  if (answer.headers !== undefined) ctx.set(answer.headers);
}

function sendNothing(ctx: Context, status: number): void {
  ctx.body = null;
  ctx.status = status;
  // Without it Node sends an empty chunked body; 204 and 304 have none at all.
  if (status !== 204 && status !== 304) ctx.set('Content-Length', '0');
}

async function sendCompressed(ctx: Context, body: string | Buffer, coding: 'br' | 'gzip'): Promise<void> {
  const bytes = await compress(body, coding);
  ctx.set('Content-Encoding', coding);
  ctx.body = bytes;
}

/** Compresses what is large, if the client takes it. Only then there is something to wait for. */
function sendBody(ctx: Context, body: string | Buffer, contentType: string): Promise<void> | undefined {
  ctx.set('Content-Type', contentType);
  const accepted = ctx.req.headers['accept-encoding'];
  if (accepted !== undefined && body.length >= compressBytesMin && compressible.test(contentType)) {
    const coding = codingFor(Array.isArray(accepted) ? accepted.join(',') : accepted);
    if (coding !== undefined) return sendCompressed(ctx, body, coding);
  }
  ctx.body = body;
  return undefined;
}

/** Sends the answer in the format that was asked for; one with a content type of its own goes out as it is. */
export function send(ctx: Context, answer: Answer, asked: Asked, xml: XmlCodec): Promise<void> | undefined {
  const { body, contentType } = answer;
  if (contentType !== undefined || typeof body !== 'string' || asked === plainJson) {
    setHeaders(ctx, answer);
    if (body !== undefined) return sendBody(ctx, body, contentType ?? asked.contentType);
    sendNothing(ctx, answer.status);
    return undefined;
  }
  // First, so that nothing of a success is set should this fail.
  const presented = present(body, asked, xml);
  setHeaders(ctx, answer);
  if (presented.link !== undefined) ctx.set('Link', presented.link);
  return sendBody(ctx, presented.body, presented.contentType);
}
