// A notification as a FHIR message, and what its receiver answers: https://hl7.org/fhir/R4/messaging.html. The MessageHeader
// stands first, the whole notification is the one resource that it is about:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#fhir-messaging
import { type JsonObject, objectsOf, type XmlCodec } from '#fhir-model';
import { notificationId } from './notification/bundle.ts';
import type { SendResult } from './rest-hook.ts';

/** What such a message is for. No code system of HL7 has a code for it; R5's example of one calls it so, too. */
const messageEvent = { system: 'urn:cerebra:message-event', code: 'subscription-notification' };

export interface MessageOptions {
  /** Our own FHIR base. */
  baseUrl: string;
  /** Subscription.channel.endpoint */
  endpoint: string;
  /** Names of the message: of its Bundle and of its MessageHeader. UUIDs, new at each sending. */
  ids: { bundle: string; header: string };
  nowMs: number;
}

/** JSON text of the message that holds this notification, JSON text as well. */
export function messageBundle(notification: string, { baseUrl, endpoint, ids, nowMs }: MessageOptions): string {
  const focus = `urn:uuid:${notificationId(notification)}`;
  const header = {
    ...{ resourceType: 'MessageHeader', id: ids.header },
    eventCoding: messageEvent,
    destination: [{ endpoint }],
    source: { name: 'Cerebra', endpoint: baseUrl },
    focus: [{ reference: focus }],
  };
  const entries = [
    `{"fullUrl":"urn:uuid:${ids.header}","resource":${JSON.stringify(header)}}`,
    `{"fullUrl":"${focus}","resource":${notification}}`,
  ];
  const timestamp = new Date(nowMs).toISOString();
  return `{"resourceType":"Bundle","id":"${ids.bundle}","type":"message","timestamp":"${timestamp}","entry":[${entries.join(',')}]}`;
}

/**
 * A receiver may take the request and refuse the message: MessageHeader.response.code then is transient-error or fatal-error.
 * Undefined for any other answer; it need not be a message.
 */
export async function refusedBy(answer: string, xml: XmlCodec): Promise<SendResult | undefined> {
  const [first] = objectsOf((await readAnswer(answer.trim(), xml))?.entry);
  const [header] = objectsOf([first?.resource]);
  const [response] = objectsOf([header?.response]);
  const code = response?.code;
  if (code !== 'transient-error' && code !== 'fatal-error') return undefined;
  return { ok: false, error: `The endpoint answered the message with ${code}` };
}

async function readAnswer(text: string, xml: XmlCodec): Promise<JsonObject | undefined> {
  try {
    const read = text.startsWith('<') ? await xml.read(text) : JSON.parse(text);
    return objectsOf([read])[0];
  } catch {
    return undefined;
  }
}
