// The channel kafka: one message an event, keyed by its patient. FHIR has no such channel: a Subscription names it by the extension
// backport-channel-type, http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-channel-type.html
import { parseJson, type Resource } from '#fhir-model';
import type { Channel, ChannelResult } from '../dispatch/deliver.ts';
import { type Claim, type Delivery, keepLeased } from '../dispatch/deliveries.ts';
import { isOfBroker, type KafkaMessage, type KafkaSender, kafkaFault, unlessAborted } from '../kafka/producer.ts';
import { changedResources, type KeyOf } from '../match/patient-key.ts';
import type { ChannelParts } from './channels.ts';
import { contentOf } from './content.ts';
import { faultOf } from './fault.ts';
import type { NotificationContent } from './notification/bundle.ts';
import { inFormat, isUnwritable } from './payload.ts';

/** Events in one request to the brokers, each as a message of its own. */
const eventsAtOnce = 100;

/** `leaseMs`: for how long the lease is prolonged, again and again, while the brokers take what may be many megabytes. */
export function kafkaChannel(
  sender: KafkaSender | undefined,
  keyOf: KeyOf,
  parts: ChannelParts,
  leaseMs: number,
): Channel {
  const send = async (claim: Claim, deliveries: readonly Delivery[], signal: AbortSignal): Promise<ChannelResult> => {
    if (!sender) return { ok: false, error: 'This server has no Kafka any more: KAFKA_BROKERS is not set' };
    let messages: KafkaMessage[];
    try {
      const { db, feed } = parts.content;
      const focuses = claim.topic ? await changedResources(db, feed, deliveries) : [];
      const made = await Promise.all(
        deliveries.map((delivery, index) =>
          messageOf(parts, claim, delivery, { keyOf, focus: focuses[index], sender }),
        ),
      );
      messages = made.filter((message) => message !== undefined);
    } catch (err) {
      return { ok: false, ...faultOf(err, 'The resource could not be read') };
    }
    if (messages.length === 0) return { ok: true, gone: true };
    try {
      await keepLeased(parts.content.db, claim, leaseMs, () => unlessAborted(sender.send(messages), signal));
      return { ok: true };
    } catch (err) {
      // The lease is given back next: what is still under way must not come behind what another server sends then.
      if (signal.aborted) await sender.close().catch(() => {});
      return { ok: false, error: `Kafka: ${kafkaFault(err)}`, hostFault: !isOfBroker(err) };
    }
  };
  return {
    onExhausted: 'stop',
    deliver: (claim, delivery, signal) => send(claim, [delivery], signal),
    many: { atOnce: () => eventsAtOnce, deliver: send },
  };
}

interface Making {
  keyOf: KeyOf;
  focus: Resource | undefined;
  sender: Pick<KafkaSender, 'fits'>;
}

/**
 * Undefined: there is nothing left to tell of. One that the brokers would refuse, or that XML can't hold, goes without its resources,
 * and says so.
 */
async function messageOf(
  { content, notifications, xml }: ChannelParts,
  claim: Claim,
  delivery: Delivery,
  { keyOf, focus, sender }: Making,
): Promise<KafkaMessage | undefined> {
  const { id, endpoint, topic, payload } = claim;
  const about = { subscription: id, type: 'event-notification', status: 'active' } as const;
  const bundle = (content: NotificationContent) =>
    notifications.bundle({ ...about, topic: topic!.url, content }, [delivery]);
  const json = topic ? await bundle(topic.content) : await contentOf(content, claim, delivery);
  if (json === undefined) return undefined;
  const resource = topic ? focus : (parseJson(json).exact as Resource);
  const whole = payload === '' && !topic ? '' : writtenOrNone(json, payload, xml);
  const message: KafkaMessage = {
    topic: endpoint.slice('kafka:'.length),
    key: keyOf(delivery, resource),
    value: whole ?? '',
    headers: { subscription: id, 'event-number': String(delivery.number), resource: `${delivery.type}/${delivery.id}` },
  };
  if (whole !== undefined && sender.fits(message)) return message;
  const value = topic ? inFormat(await bundle('id-only'), payload, xml) : '';
  const why = whole === undefined ? 'unwritable' : 'too-large';
  return { ...message, value, headers: { ...message.headers, [why]: 'true' } };
}

/** Undefined for what XML can't hold. */
function writtenOrNone(json: string, payload: string, xml: ChannelParts['xml']): string | undefined {
  try {
    return inFormat(json, payload, xml);
  } catch (err) {
    if (isUnwritable(err)) return undefined;
    throw err;
  }
}
