// The HTTP side of HL7 over HTTP: https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
import { isIP } from 'node:net';
import type { Context, Middleware } from 'koa';
import { type Hl7Http, headBytesMax } from '#hl7-engine';
import { CerebraError, isLoopback, type Log, readBodyOrHead, sendError } from '#platform';

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

/**
 * The sender's address. What comes over loopback, as everything does while nobody logs in, may come from a proxy on this machine, which says
 * for whom: by the last address, since what stands before it is whatever the proxy was told. Some add a port.
 */
function peerOf({ ip, headers }: Context): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .at(-1)!
    .trim()
    .replace(/^(?:\[(.*)\](?::\d+)?|([\d.]+):\d+)$/, '$1$2');
  return isLoopback(ip.replace(/^::ffff:/, '')) && isIP(forwarded) !== 0 ? forwarded : ip;
}

async function answer(ctx: Context, listener: string, post: Hl7Http['post'], bytesMax: number): Promise<void> {
  if (ctx.method !== 'POST') {
    ctx.set('Allow', 'POST');
    throw new CerebraError('method-not-allowed', 'Send an HL7 v2 message here with POST');
  }
  const { bytes: body, isWhole } = await readBodyOrHead(ctx.req, bytesMax, headBytesMax);
  const contentType = ctx.get('Content-Type');
  const { status, headers, body: ack } = await post({ listener, contentType, peer: peerOf(ctx), body, isWhole });
  ctx.status = status;
  ctx.set(headers);
  if (ack.length > 0) ctx.body = Buffer.from(ack.buffer, ack.byteOffset, ack.byteLength);
}
