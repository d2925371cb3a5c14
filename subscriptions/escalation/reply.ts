// Replies by short message: Twilio posts what came in, signed. https://www.twilio.com/docs/usage/webhooks/webhooks-security
import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Whether the request is Twilio's: HMAC-SHA1 under the account's token of the URL it called and all parameters, sorted by
 * name, each name followed by its value; Base64.
 */
export function isSignedByTwilio(url: string, form: URLSearchParams, authToken: string, signature: string): boolean {
  const names = [...new Set(form.keys())].sort();
  const parameters = names.flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value));
  const expected = createHmac('sha1', authToken)
    .update(url + parameters.join(''))
    .digest();
  const given = Buffer.from(signature, 'base64');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** `ACK 4821`, `ok`, `4821`: the digits, '' where there are none; undefined for a text that acknowledges nothing. */
export function readReply(text: string): string | undefined {
  const match = /^\s*(ack|acknowledged?|ok|okay|yes)?[\s:#.!]*(\d{4})?[\s.!]*$/i.exec(text);
  return match && (match[1] !== undefined || match[2] !== undefined) ? (match[2] ?? '') : undefined;
}

/** Where Twilio tells what became of a message: its webhook for replies, which knows by this whose it is. */
export function statusUrlOf(replyUrl: string, messageId: string): string {
  const url = new URL(replyUrl);
  url.searchParams.set('message', messageId);
  return url.href;
}

/** https://www.twilio.com/docs/messaging/api/message-resource#message-status-values: the final ones of what did not arrive. */
const lost = new Set<unknown>(['failed', 'undelivered']);

/** Why it did not arrive; undefined for any other status. */
export function lossOf(form: URLSearchParams): string | undefined {
  const status = form.get('MessageStatus');
  if (!lost.has(status)) return undefined;
  const code = /^\d{1,6}$/.exec(form.get('ErrorCode') ?? '')?.[0];
  return `Twilio: ${status}${code === undefined ? '' : ` (${code})`}`;
}

const escaped = (text: string): string => text.replace(/[&<>]/g, (character) => `&#${character.codePointAt(0)};`);

/** The answer that is sent back as a message: https://www.twilio.com/docs/messaging/twiml */
export const twiml = (text: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Response><Message>${escaped(text)}</Message></Response>`;
