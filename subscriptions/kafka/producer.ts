// What is sent to Kafka: https://kafka.apache.org/protocol. Acknowledged by all replicas in sync, by an idempotent producer:
// the brokers drop what its own repetitions bring twice.
import { ProduceAcks, Producer, type SASLOptions } from '@platformatic/kafka';

export interface KafkaOptions {
  /** `host:port` */
  brokers: readonly string[];
  tls: boolean;
  sasl?: { mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; username: string; password: string };
  /** For one request to a broker. */
  timeoutMs: number;
}

export interface KafkaMessage {
  topic: string;
  /** Messages with one key stay in order: they go to one partition. */
  key: string;
  value: string;
  headers?: Record<string, string>;
}

export interface KafkaSender {
  /** Resolves when all replicas in sync have them. After an error some may have been stored: send all of them again. */
  send(messages: readonly KafkaMessage[]): Promise<void>;
  close(): Promise<void>;
}

const text = (value: string | undefined): Buffer | undefined => (value === undefined ? undefined : Buffer.from(value));

/** Connects when something is sent first. */
export function createKafkaSender(options: KafkaOptions): KafkaSender {
  let producer: Producer<string, string, string, string> | undefined;
  const open = () =>
    new Producer<string, string, string, string>({
      clientId: 'cerebra',
      bootstrapBrokers: [...options.brokers],
      serializers: { key: text, value: text, headerKey: text, headerValue: text },
      ...{ acks: ProduceAcks.ALL, idempotent: true, autocreateTopics: true },
      ...{ timeout: options.timeoutMs, connectTimeout: options.timeoutMs, requestTimeout: 2 * options.timeoutMs },
      ...{ retries: 2, retryDelay: 200 },
      ...(options.tls ? { tls: {} } : {}),
      ...(options.sasl ? { sasl: options.sasl satisfies SASLOptions } : {}),
    });
  return {
    async send(messages) {
      producer ??= open();
      try {
        await producer.send({ messages: [...messages] });
      } catch (error) {
        // Its sequence numbers may be ahead of the brokers' now: they would refuse whatever it sends next.
        const broken = producer;
        producer = undefined;
        await broken.close(true).catch(() => {});
        throw error;
      }
    },
    async close() {
      const open = producer;
      producer = undefined;
      await open?.close(true);
    },
  };
}

/** What an error of a broker says, without what was sent: `UNKNOWN_TOPIC_OR_PARTITION`, `connect ECONNREFUSED …`. */
export function kafkaFault(error: unknown): string {
  const errors = (error as { errors?: unknown[] }).errors ?? [];
  const inner = errors.length > 0 ? kafkaFault(errors[0]) : undefined;
  const { apiId, message } = error as { apiId?: unknown; message?: unknown };
  return typeof apiId === 'string' ? apiId : (inner ?? String(message ?? error).slice(0, 200));
}
