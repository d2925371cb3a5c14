// Subscriptions' messages into the queues of destinations: fhir-model/ports.ts, MessageChannel. At least once as the
// subscription delivers, queued once: the message and the note of its delivery are one transaction.
import { createHash } from 'node:crypto';
import {
  type AccessScope,
  type MessageChannel,
  type MessageNotification,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError, type Clock, type Db, isCerebraError, type Log, type Statement } from '#platform';
import { loadDictionary } from '../message/dictionary.ts';
import type { OutboundQueues } from '../outbound/outbound.ts';
import { partitionsOf } from '../routes/partition.ts';
import { buildFrom } from './build.ts';
import type { BuildTarget } from './building.ts';
import { type AskedChannel, channelOptions } from './channel-options.ts';
import { gather } from './gather.ts';

export interface MessageChannelOptions {
  db: Db;
  outbound: OutboundQueues;
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
  clock: Clock;
  log: Log;
  /** What header lines of the Subscription don't say. */
  defaults: BuildTarget;
  /** Names of the destinations, also before they are open. */
  destinations: readonly string[];
  /** The way in of this server that a destination leads to, if what comes there is stored: a message would cause the next. */
  storedAt?: (destination: string) => string | undefined;
  /** Our own FHIR base. */
  baseUrl?: string | undefined;
}

const find: Statement = {
  name: 'hl7_message_channel_find',
  text: 'select number, told from hl7_message_channel where subscription = $1 and resource = $2',
};

// Of two deliverers whose lease overlaps the second waits here, and then writes nothing.
const note: Statement = {
  name: 'hl7_message_channel_note',
  text: `insert into hl7_message_channel as m (subscription, resource, number, told) values ($1, $2, $3, $4)
    on conflict (subscription, resource) do update set number = $3, told = $4, told_at = now() where m.number < $3`,
};

const isAsked: Statement = {
  name: 'hl7_message_channel_asked',
  // Those to topics send FHIR messages.
  text: "select from subscriber where channel = 'message' and topic is null and state in ('requested', 'active') limit 1",
};

/** At start: a message of a Subscription needs the dictionary, which takes seconds to load. Yields whether there is one. */
export async function warmForSubscriptions({ db, log }: Pick<MessageChannelOptions, 'db' | 'log'>): Promise<boolean> {
  const isNeeded = (await db.queryCount(isAsked, [])) > 0;
  if (isNeeded) warmDictionary(log);
  return isNeeded;
}

/** Begins to load it; where that fails, whoever needs it tries again. */
function warmDictionary(log: Log): void {
  loadDictionary().catch((err: unknown) => log.warn({ err }, 'HL7 dictionary'));
}

export function createMessageChannel(options: MessageChannelOptions): MessageChannel {
  const { db, outbound, reader, scope, clock, log, defaults, destinations, baseUrl } = options;
  const optionsOf = (asked: AskedChannel) => {
    const found = channelOptions(asked, defaults, destinations);
    const way = options.storedAt?.(found.destination);
    if (way === undefined) return found;
    const text = `hl7v2:${found.destination} leads to ${way} of this server, which stores what comes: each message would cause the next`;
    throw new CerebraError('invalid', `Subscription.channel.endpoint ${text}`);
  };
  return {
    refuse(asked) {
      try {
        optionsOf(asked);
        warmDictionary(log);
        return undefined;
      } catch (error) {
        if (isCerebraError(error)) return error.message;
        throw error;
      }
    },
    async send(notification) {
      const { subscription, number, type, id, body } = notification;
      const { destination, wanted, target } = optionsOf(notification);
      const resource = `${type}/${id}`;
      const [sent] = await db.query<{ number: bigint; told: string | null }>(find, [subscription, resource]);
      if (sent !== undefined && sent.number >= number) return;
      const types = wanted.builder.reads;
      const found = await gather(parseJson(body).exact as Resource, { reader, scope, types, baseUrl });
      const told = { state: sent === undefined ? undefined : (sent.told ?? '') };
      const controlId = controlIdOf(notification);
      const nowMs = clock.now();
      const made = buildFrom({ wanted, ...found, target, controlId, nowMs, told });
      const { message, warnings } = await made.catch(async (error: unknown) => {
        const unsent = sent === undefined ? wanted.builder.unsentOf?.(found.focus) : undefined;
        // As of the delivery before: this one is to be refused again when it is repeated.
        if (unsent !== undefined && isCerebraError(error, 'business-rule'))
          await db.query(note, [subscription, resource, number - 1n, unsent]);
        throw error;
      });
      const state = wanted.builder.stateOf?.(found.focus, told) ?? null;
      const queued = { destination, ...partitionsOf(message), controlId, body: message.raw };
      await db.tx(async (tx) => {
        if ((await tx.queryCount(note, [subscription, resource, number, state])) === 0) return;
        await outbound.enqueue(tx, [queued]);
      });
      outbound.wake();
      if (warnings.length > 0)
        log.debug({ subscription, resource, warnings }, 'not all of it has a place in the message');
    },
  };
}

/** 20 characters, which MSH-10 has until 2.6: the same for the same delivery, so that a receiver knows a repetition. */
function controlIdOf({ subscription, number }: MessageNotification): string {
  const digest = createHash('sha256').update(`${subscription} ${number}`).digest('hex');
  return `C${digest.slice(0, 19).toUpperCase()}`;
}
