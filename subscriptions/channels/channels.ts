// What each channel makes of a delivery: https://hl7.org/fhir/R4/subscription.html#channels
import { type AccessScope, parseJson, type Resource, type ResourceReader, type XmlCodec } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Channel, ChannelResult } from '../dispatch/deliver.ts';
import type { Claim } from '../dispatch/deliveries.ts';
import { essenceOf } from '../registration.ts';
import { type ContentOptions, contentOf } from './content.ts';
import type { Email } from './email.ts';
import type { RestHook } from './rest-hook.ts';
import type { WebSockets } from './websocket/websocket.ts';

/** A channel that fails goes into error and keeps what it is owed. What can't be read is read again. */
const outward = (send: Channel['deliver']): Channel => ({
  onExhausted: 'stop',
  async deliver(claim, delivery, signal): Promise<ChannelResult> {
    try {
      return await send(claim, delivery, signal);
    } catch (err) {
      return { ok: false, error: isCerebraError(err) ? err.message : 'The resource could not be read' };
    }
  },
});

const isFhir = ({ payload }: Pick<Claim, 'payload'>): boolean => essenceOf(payload).startsWith('application/');

export function restHookChannel(hook: RestHook, content: ContentOptions, xml: XmlCodec): Channel {
  return outward(async (claim, delivery, signal) => {
    const { number, type, id } = delivery;
    const json = isFhir(claim) ? await contentOf(content, claim, delivery) : '';
    if (json === undefined) return { ok: true, gone: true };
    const isXml = essenceOf(claim.payload) === 'application/fhir+xml';
    const body = isXml ? xml.write(parseJson(json).exact as Resource, false) : json;
    return hook.send({ registration: claim, number, type, id, body }, signal);
  });
}

/** It never fails: to whom nobody listens is told when somebody binds again. */
export const webSocketChannel = ({ notify }: Pick<WebSockets, 'notify'>): Channel => ({
  onExhausted: 'stop',
  async deliver({ id }, { number }) {
    notify(id, number);
    return { ok: true };
  },
});

/** Without a mail server what is owed waits for one, as long as retries last. */
export function emailChannel(email: Email | undefined, content: ContentOptions): Channel {
  return outward(async (claim, delivery) => {
    if (!email) return { ok: false, error: 'This server sends no email any more: SMTP_URL and SMTP_FROM are not set' };
    const body = isFhir(claim) ? await contentOf(content, claim, delivery) : '';
    if (body === undefined) return { ok: true, gone: true };
    const { number, type, id } = delivery;
    const reason = await reasonOf(content.reader, content.scope, claim.id);
    return email.send({ registration: claim, number, type, id, body, reason });
  });
}

async function reasonOf(reader: ResourceReader, scope: AccessScope, id: string): Promise<string> {
  const stored = await reader.read('Subscription', id, scope);
  if (!stored || stored.deleted) return '';
  const { reason } = parseJson(stored.body).exact as Resource;
  return typeof reason === 'string' ? reason : '';
}
