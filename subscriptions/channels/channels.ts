// What each channel makes of a delivery: https://hl7.org/fhir/R4/subscription.html#channels
import { parseJson, type Resource, type XmlCodec } from '#fhir-model';
import type { Channel, ChannelResult } from '../dispatch/deliver.ts';
import type { Claim } from '../dispatch/deliveries.ts';
import { type ContentOptions, contentOf } from './content.ts';
import type { Email } from './email.ts';
import { faultOf } from './fault.ts';
import { withTopics } from './notification/channel.ts';
import type { Notifications } from './notification/notifications.ts';
import type { Sending } from './notification/sending.ts';
import { essenceOf, inFormat, isUnwritable } from './payload.ts';
import { createReadAhead } from './read-ahead.ts';
import type { RestHook } from './rest-hook.ts';
import type { WebSockets } from './websocket/websocket.ts';

/** A channel that fails goes into error and keeps what it is owed. What can't be read is read again, what can't be written is set aside. */
const outward = (send: Channel['deliver']): Channel => ({
  onExhausted: 'stop',
  async deliver(claim, delivery, signal): Promise<ChannelResult> {
    try {
      return await send(claim, delivery, signal);
    } catch (err) {
      return { ok: false, ...faultOf(err, 'The resource could not be read'), aside: isUnwritable(err) };
    }
  },
});

const isFhir = ({ payload }: Pick<Claim, 'payload'>): boolean => essenceOf(payload).startsWith('application/');

export interface ChannelParts {
  content: ContentOptions;
  notifications: Notifications;
  xml: XmlCodec;
}

export function restHookChannel(hook: RestHook, sending: Sending, parts: ChannelParts): Channel {
  const { content, notifications, xml } = parts;
  const ahead = createReadAhead(content.reader);
  const plain = outward(async (claim, delivery, signal) => {
    const { number, type, id } = delivery;
    const json = isFhir(claim) ? await contentOf(content, claim, delivery, ahead) : '';
    if (json === undefined) return { ok: true, gone: true };
    const body = json === '' ? '' : inFormat(json, claim.payload, xml);
    return hook.send({ registration: claim, number, resource: `${type}/${id}`, body }, signal);
  });
  return { ...withTopics(plain, notifications, sending), begin: ahead.begin, unrecordedMax: hookUnrecordedMax };
}

const hookUnrecordedMax = 16;

/** It never fails: to whom nobody listens is told when somebody binds again. */
export const webSocketChannel = ({ notify }: Pick<WebSockets, 'notify'>): Channel => ({
  onExhausted: 'stop',
  async deliver({ id }, { number }) {
    notify(id, number);
    return { ok: true };
  },
  // Whoever listens is told of them as one: the socket's own notifications are as long as maxCount says.
  many: {
    atOnce: ({ topic }) => (topic ? socketEventsMax : 1),
    async deliver({ id }, deliveries) {
      notify(id, deliveries.at(-1)!.number);
      return { ok: true };
    },
  },
});

const socketEventsMax = 1_000;

/** Without a mail server what is owed waits for one, as long as retries last. */
export function emailChannel(email: Email | undefined, { content, notifications }: ChannelParts): Channel {
  const none = { ok: false, error: 'This server sends no email any more: SMTP_URL and SMTP_FROM are not set' } as const;
  const plain = outward(async (claim, delivery) => {
    if (!email) return none;
    const body = isFhir(claim) ? await contentOf(content, claim, delivery) : '';
    if (body === undefined) return { ok: true, gone: true };
    const { number, type, id } = delivery;
    const reason = await reasonOf(content, claim.id);
    return email.send({ registration: claim, number, resource: { type, id }, body, reason });
  });
  return withTopics(plain, notifications, async (claim, body, number) => {
    if (!email) return none;
    return email.send({ registration: claim, number, body, reason: await reasonOf(content, claim.id) });
  });
}

async function reasonOf({ reader, scope }: ContentOptions, id: string): Promise<string> {
  const stored = await reader.read('Subscription', id, scope);
  if (!stored || stored.deleted) return '';
  const { reason } = parseJson(stored.body).exact as Resource;
  return typeof reason === 'string' ? reason : '';
}
