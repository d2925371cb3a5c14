// What is sent to Kafka: https://kafka.apache.org/protocol. Acknowledged by all replicas in sync, by an idempotent producer:
// the brokers drop what its own repetitions bring twice.
import type { Producer, SASLOptions } from '@platformatic/kafka';

export interface KafkaOptions {
  /** `host:port` */
  brokers: readonly string[];
  tls: boolean;
  sasl?: { mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; username: string; password: string };
  /** For one request to a broker. */
  timeoutMs: number;
  /** What the brokers take at once for a partition, `message.max.bytes`: they refuse longer batches of messages, not only messages. */
  messageBytesMax: number;
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
  /** Whether the brokers take a message of this length. */
  fits(message: KafkaMessage): boolean;
  close(): Promise<void>;
}

const text = (value: string | undefined): Buffer | undefined => (value === undefined ? undefined : Buffer.from(value));

type Strings = Producer<string, string, string, string>;

/** Connects when something is sent first; the client (62 MB, 250 ms) is loaded then, and not by a server without Kafka. */
export function createKafkaSender(options: KafkaOptions): KafkaSender {
  let opened: Promise<Strings> | undefined;
  return {
    async send(messages) {
      opened ??= open(options);
      const used = opened;
      const producer = await used;
      try {
        // One after the other: what is of one key stays in order.
        for (const some of runsOf(messages, options.messageBytesMax)) await producer.send({ messages: some });
      } catch (error) {
        // Its sequence numbers may be ahead of the brokers' now: they would refuse whatever it sends next. Of several sends that
        // end with it each comes here: the one that was opened meanwhile stays.
        if (opened === used) opened = undefined;
        await cut(producer).catch(() => {});
        throw error;
      }
    },
    fits: (message) => batchBytes + bytesOf(message) <= options.messageBytesMax,
    async close() {
      const producer = await opened;
      opened = undefined;
      if (producer) await cut(producer);
    },
  };
}

/**
 * Its own close waits until the brokers have read all that is written: of one that stands still up to a minute, and what it then reads
 * comes behind what another server has sent meanwhile. So what is still here is thrown away.
 */
async function cut(producer: Strings): Promise<void> {
  const sockets = Array.from(producer.connections, ([, { socket }]) => socket);
  const closed = producer.close(true);
  for (const socket of sockets) socket?.destroy();
  await closed;
}

/** Of the head of a batch, and of the fields of a record beside its texts; https://kafka.apache.org/documentation/#recordbatch */
const batchBytes = 100;
const recordBytes = 50;
const headerBytes = 10;

function bytesOf({ key, value, headers = {} }: KafkaMessage): number {
  const texts = Object.entries(headers).reduce(
    (sum, [name, text]) => sum + name.length + Buffer.byteLength(text) + headerBytes,
    0,
  );
  return recordBytes + Buffer.byteLength(key) + Buffer.byteLength(value) + texts;
}

/**
 * As many messages in a row as a batch may have: the client makes one batch of all that go to a partition, and if that is too long
 * it is so again at each attempt.
 */
function runsOf(messages: readonly KafkaMessage[], bytesMax: number): KafkaMessage[][] {
  const runs: KafkaMessage[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const more = bytesOf(message);
    if (bytes + more > bytesMax) {
      runs.push([]);
      bytes = batchBytes;
    }
    runs.at(-1)!.push(message);
    bytes += more;
  }
  return runs;
}

async function open({ brokers, tls, sasl, timeoutMs }: KafkaOptions): Promise<Strings> {
  const kafka = await import('@platformatic/kafka');
  return new kafka.Producer<string, string, string, string>({
    clientId: 'cerebra',
    bootstrapBrokers: [...brokers],
    serializers: { key: text, value: text, headerKey: text, headerValue: text },
    ...{ acks: kafka.ProduceAcks.ALL, idempotent: true, autocreateTopics: true },
    ...{ timeout: timeoutMs, connectTimeout: timeoutMs, requestTimeout: 2 * timeoutMs, retries: 2, retryDelay: 200 },
    ...(tls ? { tls: {} } : {}),
    ...(sasl ? { sasl: sasl satisfies SASLOptions } : {}),
  });
}

/** What brokers never answer takes a minute to fail: a server that stops does not wait for that. */
export function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(new Error('The server stops'));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', stop));
}

/** What the client makes of a broker's answer that there is no such topic. */
const unknownTopic = /^Unknown topic /;

/** A broker's own answer, about a topic or a message: it can be reached. */
export function isOfBroker(error: unknown): boolean {
  const { apiId, message, errors = [] } = error as { apiId?: unknown; message?: unknown; errors?: unknown[] };
  return typeof apiId === 'string' || unknownTopic.test(String(message)) || errors.some(isOfBroker);
}

/** What is behind an error of a broker, without what was sent: `MESSAGE_TOO_LARGE`, `connect ECONNREFUSED …`, what is wrong with a certificate. */
export function kafkaFault(error: unknown): string {
  const {
    apiId,
    message,
    errors = [],
    cause,
  } = error as Partial<Record<'apiId' | 'message' | 'cause', unknown>> & {
    errors?: unknown[];
  };
  const behind = errors[0] ?? cause;
  const inner = behind === undefined ? undefined : kafkaFault(behind);
  return typeof apiId === 'string' ? apiId : (inner ?? String(message ?? error).slice(0, 200));
}
