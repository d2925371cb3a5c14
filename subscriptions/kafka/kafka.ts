// Kafka as a listener on the change stream: docs/subscriptions.md, "Kafka".
import type { ChangeFeed, SearchParameters } from '#fhir-model';
import { type AdminRoute, CerebraError, type Clock, type Db, type Log, type Statement, uuidv7 } from '#platform';
import { createLease } from '../dispatch/lease.ts';
import { createKeyOf } from '../match/patient-key.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import { createKafkaChanges, kafkaConsumer } from './changes.ts';
import { createKafkaSender, type KafkaOptions } from './producer.ts';

export interface KafkaSettings extends KafkaOptions {
  /** Where every change goes; without it none does. */
  changesTopic?: string | undefined;
}

export interface KafkaParts {
  db: Db;
  feed: ChangeFeed;
  parameters: Pick<SearchParameters, 'get'>;
  baseUrl?: string;
  leaseMs: number;
  batchChanges: number;
  pollMs: number;
  clock: Clock;
  metrics: SubscriptionMetrics;
  log: Log;
}

export interface Kafka {
  start(): Promise<void>;
  stop(): Promise<void>;
  adminRoutes: AdminRoute[];
}

const state: Statement = {
  text: `select d.xid, d.seq, d.holder is not null as led, (select count(*) from (select 1 from change c
      where (c.xid, c.seq) > (d.xid::text::xid8, d.seq) limit 100000) waiting)::int as waiting
    from dispatcher d where d.name = $1`,
};

const forget: Statement = {
  text: `delete from dispatcher where name = $1 and (lease_until is null or lease_until < statement_timestamp())`,
};

/** Without `settings`, or a topic in it, nothing is sent; what was waiting to be stays until it is forgotten. */
export function createKafka(settings: KafkaSettings | undefined, parts: KafkaParts): Kafka {
  const { db, log, clock, metrics } = parts;
  const topic = settings?.changesTopic;
  const changes =
    settings && topic !== undefined
      ? createKafkaChanges({
          ...parts,
          ...{ topic, messageBytesMax: settings.messageBytesMax, metrics },
          sender: createKafkaSender(settings),
          keyOf: createKeyOf(parts.parameters, parts.baseUrl),
          lease: createLease(uuidv7(clock.now()), parts.leaseMs, kafkaConsumer),
        })
      : undefined;
  return {
    async start() {
      if (changes) return changes.start();
      const [left] = await db.query(state, [kafkaConsumer]);
      const text =
        'changes are kept for Kafka, but KAFKA_CHANGES_TOPIC is not set: DELETE /admin/kafka/changes forgets them';
      if (left) log.warn(text);
    },
    stop: async () => changes?.stop(),
    adminRoutes: [
      {
        method: 'GET',
        path: '/admin/kafka/changes',
        summary: 'How far the change stream has been sent to Kafka; `waiting` counts up to 100,000 changes',
        async handle() {
          const [found] = await db.query<{ waiting: number; led: boolean; xid: bigint; seq: bigint }>(state, [
            kafkaConsumer,
          ]);
          if (!found)
            throw new CerebraError('not-found', 'No changes have been sent to Kafka: KAFKA_CHANGES_TOPIC is not set');
          const { xid, seq, waiting, led } = found;
          const body = { topic: topic ?? null, xid: String(xid), seq: String(seq), waiting, sending: led };
          return { status: 200, body };
        },
      },
      {
        method: 'DELETE',
        path: '/admin/kafka/changes',
        summary:
          'Forgets how far Kafka has the change stream, and keeps no changes for it; refused while a server sends',
        async handle() {
          const found = await db.queryCount(forget, [kafkaConsumer]);
          if (found === 0)
            throw new CerebraError('business-rule', 'Nothing is kept for Kafka, or a server is sending it');
          return { status: 200, body: { forgotten: true } };
        },
      },
    ],
  };
}
