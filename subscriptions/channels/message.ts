// The message channel: https://hl7.org/fhir/R4/subscription.html#channels. Of R4 criteria each event is an HL7v2 message, which
// another room makes and sends; of a topic it is told in FHIR messages:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#fhir-messaging
import type { MessageChannel } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Channel } from '../dispatch/deliver.ts';
import type { ChannelParts } from './channels.ts';
import { type ContentOptions, contentOf } from './content.ts';
import { faultOf } from './fault.ts';
import { withTopics } from './notification/channel.ts';
import type { Sending } from './notification/sending.ts';

export const messageChannel = (
  messages: MessageChannel | undefined,
  sending: Sending,
  { content, notifications }: ChannelParts,
): Channel => withTopics(hl7Channel(messages, content), notifications, sending);

function hl7Channel(messages: MessageChannel | undefined, content: ContentOptions): Channel {
  return {
    onExhausted: 'stop',
    async deliver(claim, delivery) {
      if (messages === undefined) return { ok: false, error: 'This server sends no messages', permanent: true };
      const { endpoint, payload, header } = claim;
      const { number, type, id } = delivery;
      try {
        const body = await contentOf(content, claim, delivery);
        if (body === undefined) return { ok: true, gone: true };
        await messages.send({ subscription: claim.id, number, type, id, body, endpoint, payload, header });
        return { ok: true };
      } catch (err) {
        const fault = faultOf(err, 'The message could not be made');
        // One resource that is no message must not keep those of all other patients waiting.
        return { ok: false, ...fault, aside: isRefused(err) };
      }
    },
  };
}

const isRefused = (err: unknown): boolean =>
  isCerebraError(err) && err.status < 500 && err.status !== 409 && err.status !== 429;
