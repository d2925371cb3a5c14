// Channels of Subscriptions to topics: events go together as maxCount allows, in notifications instead of plain resources.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html
import type { Channel, ChannelResult } from '../../dispatch/deliver.ts';
import type { Claim, Delivery } from '../../dispatch/deliveries.ts';
import { faultOf } from '../fault.ts';
import { isUnwritable } from '../payload.ts';
import type { SendResult } from '../rest-hook.ts';
import { type Notifications, notificationBytesMax } from './notifications.ts';

/** Sends one notification, JSON text; `last` is the number of its last event, undefined without any. Must not throw. */
export type SendNotification = (
  claim: Claim,
  text: string,
  last: bigint | undefined,
  signal: AbortSignal,
) => Promise<SendResult>;

/** `plain` serves the Subscriptions without topic. */
export function withTopics(plain: Channel, notifications: Notifications, send: SendNotification): Channel {
  const tell = async (claim: Claim, some: readonly Delivery[], signal: AbortSignal): Promise<ChannelResult> => {
    const topic = claim.topic!;
    const about = { subscription: claim.id, topic: topic.url, type: 'event-notification', status: 'active' } as const;
    const { text, count } = await notifications.fitting({ ...about, content: topic.content }, some);
    const tellHalf = async (): Promise<ChannelResult> => {
      const half = some.slice(0, Math.ceil(count / 2));
      const result = await tell(claim, half, signal);
      return result.ok && !('told' in result) ? { ok: true, told: half.length } : result;
    };
    if (count > 1 && Buffer.byteLength(text) > notificationBytesMax) return tellHalf();
    try {
      const result = await send(claim, text, some[count - 1]!.number, signal);
      return result.ok && count < some.length ? { ok: true, told: count } : result;
    } catch (err) {
      if (!isUnwritable(err) || topic.content !== 'full-resource') throw err;
      if (count > 1) return tellHalf();
      const [only] = some as [Delivery];
      const bare = await notifications.bundle({ ...about, content: 'id-only' }, [only]);
      const result = await send(claim, bare, only.number, signal);
      return result.ok && some.length > 1 ? { ok: true, told: 1 } : result;
    }
  };
  return {
    onExhausted: plain.onExhausted,
    deliver: (claim, delivery, signal) =>
      claim.topic ? caught(() => tell(claim, [delivery], signal)) : plain.deliver(claim, delivery, signal),
    many: {
      atOnce: ({ topic }) => topic?.maxCount ?? 1,
      deliver: (claim, deliveries, signal) => caught(() => tell(claim, deliveries, signal)),
    },
    heartbeat: (claim, signal) =>
      caught(async () => {
        const { url: topic, content } = claim.topic!;
        const about = { subscription: claim.id, topic, content, status: 'active' } as const;
        const told = { ...about, type: 'heartbeat', eventsSinceStart: claim.done_number } as const;
        return send(claim, await notifications.bundle(told, []), undefined, signal);
      }),
  };
}

async function caught<T extends ChannelResult>(run: () => Promise<T>): Promise<T | SendResult> {
  try {
    return await run();
  } catch (err) {
    // What can't be read now is read again.
    return { ok: false, ...faultOf(err, 'The notification could not be made') };
  }
}
