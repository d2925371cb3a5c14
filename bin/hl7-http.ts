// The HTTP side of HL7 over HTTP: https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
import type { Context, Middleware } from 'koa';
import { type Hl7Http, headBytesMax } from '#hl7-engine';
import { CerebraError, type Log, readBodyOrHead, sendError } from '#platform';

/** `/hl7` and `/hl7/{listener}`. */
const place = /^\/hl7(?:\/([^/]+))?\/?$/;

/** Takes messages by POST; everything else is passed on. Errors become `{"error":{"code","message"}}`. */
export function hl7Endpoint(post: Hl7Http['post'], messageBytesMax: number, log: Log): Middleware {
  return async (ctx, next) => {
    const listener = place.exec(ctx.path);
    if (listener === null) return next();
    try {
      await answer(ctx, listener[1] ?? 'default', post, messageBytesMax);
    } catch (error) {
      sendError(ctx, error, log);
    }
  };
}

async function answer(ctx: Context, listener: string, post: Hl7Http['post'], bytesMax: number): Promise<void> {
  if (ctx.method !== 'POST') {
    ctx.set('Allow', 'POST');
    throw new CerebraError('method-not-allowed', 'Send an HL7 v2 message here with POST');
  }
  const { bytes: body, isWhole } = await readBodyOrHead(ctx.req, bytesMax, headBytesMax);
  const contentType = ctx.get('Content-Type');
  const { status, headers, body: ack } = await post({ listener, contentType, peer: ctx.request.ip, body, isWhole });
  ctx.status = status;
  ctx.set(headers);
  if (ack.length > 0) ctx.body = Buffer.from(ack.buffer, ack.byteOffset, ack.byteLength);
}
