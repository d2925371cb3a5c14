// How a notification of a topic reaches an endpoint over HTTP: posted as it is, or as a FHIR message to $process-message.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html
import type { XmlCodec } from '#fhir-model';
import { type Clock, uuidv7 } from '#platform';
import { messageBundle, refusedBy } from '../message-bundle.ts';
import { inFormat } from '../payload.ts';
import type { Notification, RestHook, SendResult } from '../rest-hook.ts';

/** Sends one notification, JSON text; `last` is the number of its last event, undefined without any. Throws nothing. */
export type Sending = (
  to: Notification['registration'],
  text: string,
  last: bigint | undefined,
  signal: AbortSignal,
) => Promise<SendResult>;

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook */
export const posting =
  (hook: RestHook, xml: XmlCodec): Sending =>
  (registration, text, number, signal) =>
    hook.send({ registration, number, body: inFormat(text, registration.payload, xml) }, signal);

export interface MessagingOptions {
  hook: RestHook;
  xml: XmlCodec;
  /** Our own FHIR base. */
  baseUrl: string;
  clock: Clock;
}

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#fhir-messaging */
export const messaging =
  ({ hook, xml, baseUrl, clock }: MessagingOptions): Sending =>
  async (to, text, number, signal) => {
    const nowMs = clock.now();
    // Each sending is a message of its own: what comes along with an event may have changed since the one before, and a
    // receiver refuses the same MessageHeader.id with other content. Repetitions have the Bundle.id of the notification.
    const ids = { bundle: uuidv7(nowMs), header: uuidv7(nowMs) };
    const message = messageBundle(text, { baseUrl, endpoint: to.endpoint, ids, nowMs });
    const registration = { ...to, endpoint: processMessageUrl(to.endpoint), header: accepting(to) };
    const body = inFormat(message, to.payload, xml);
    const result = await hook.send({ registration, number, body, wantsAnswer: true }, signal);
    return (result.ok && result.answer ? await refusedBy(result.answer, xml) : undefined) ?? result;
  };

/** `[base]/$process-message`; a query of the endpoint stays. */
export function processMessageUrl(endpoint: string): string {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$|\/\$process-message\/*$/, '')}/$process-message`;
  return url.href;
}

/** Lest the answer comes in a format that nobody here reads. */
const accepting = ({ header, payload }: Notification['registration']): string[] =>
  header.some((line) => /^accept:/i.test(line)) ? header : [...header, `Accept: ${payload}`];
