// The change stream in a Kafka topic: every committed change at least once, all about one patient in order. The cursor moves
// when the brokers have what is before it; a server that dies in between sends that again.
import type { Change, ChangeCursor, ChangeFeed } from '#fhir-model';
import { type Clock, createLoop, type Db, type Log, type Statement } from '#platform';
import type { Lease } from '../dispatch/lease.ts';
import { changedResources, type KeyOf } from '../match/patient-key.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import { type KafkaMessage, type KafkaSender, kafkaFault, unlessAborted } from './producer.ts';

export interface KafkaChangesOptions {
  db: Db;
  feed: ChangeFeed;
  lease: Lease;
  sender: KafkaSender;
  topic: string;
  keyOf: KeyOf;
  leaseMs: number;
  batchChanges: number;
  /** A larger message goes without its resource, which is then to be read: brokers refuse it. */
  messageBytesMax: number;
  pollMs: number;
  /** On stop: how long the brokers may still take. */
  stopGraceMs?: number;
  metrics: Pick<SubscriptionMetrics, 'kafkaSent' | 'kafkaFailures' | 'kafkaLagSeconds'>;
  clock: Clock;
  log: Log;
}

export interface KafkaChanges {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const stopGraceMsUsual = 2_000;

/** Of table dispatcher. */
export const kafkaConsumer = 'kafka';

// The first start begins with the changes that are still kept: to leave out some would be to lose them.
const begin: Statement = { text: 'insert into dispatcher (name) values ($1) on conflict (name) do nothing' };

export function createKafkaChanges(options: KafkaChangesOptions): KafkaChanges {
  const { db, feed, lease, sender, metrics, log } = options;
  let unlisten: () => void = () => {};
  let failing = false;
  const broken = new AbortController();

  /** How far Kafka has it; undefined while that must be asked of the database. */
  let known: ChangeCursor | undefined;
  let renewedMs = 0;
  const lead = async (): Promise<ChangeCursor | undefined> => {
    // Renewing writes: three times a lease, and not at each look.
    const startedMs = performance.now();
    if (known && startedMs - renewedMs < options.leaseMs / 3) return known;
    known = await lease.acquire(db);
    renewedMs = startedMs;
    return known;
  };

  /** A send may take longer than the lease: with two servers each would else send what the other was sending, for ever. */
  const keeping = async (send: () => Promise<void>): Promise<void> => {
    const renewing = new Set<Promise<void>>();
    const renew = () => {
      const renewed = lease.acquire(db).then(
        () => void renewing.delete(renewed),
        () => void renewing.delete(renewed),
      );
      renewing.add(renewed);
    };
    const timer = setInterval(renew, options.leaseMs / 3);
    try {
      await send();
    } finally {
      clearInterval(timer);
      // One that is answered late would take the lease again that a server which stops has given back.
      await Promise.all(renewing);
    }
  };
  const work = async (): Promise<boolean> => {
    const from = await lead();
    if (!from) return false;
    const { changes: batch, more } = await feed.read(db, from, options.batchChanges);
    const last = batch.at(-1);
    const waitingMs = batch[0] ? Math.max(0, options.clock.now() - batch[0].updatedMs) : 0;
    metrics.kafkaLagSeconds.set(waitingMs / 1000);
    if (!last) return false;
    known = undefined;
    await keeping(async () => unlessAborted(sender.send(await messagesOf(options, batch)), broken.signal));
    const to: ChangeCursor = { xid: last.xid, seq: last.seq };
    // Whoever has taken the lease over sends the same again: at least once.
    if (!(await db.tx((tx) => lease.move(tx, from, to)))) return false;
    known = to;
    renewedMs = performance.now();
    metrics.kafkaSent.inc(batch.length);
    metrics.kafkaLagSeconds.set(0);
    if (failing) log.info({ topic: options.topic }, 'changes go to Kafka again');
    failing = false;
    return more;
  };

  const loop = createLoop({
    work,
    onError: (err) => {
      known = undefined;
      if (broken.signal.aborted) return;
      metrics.kafkaFailures.inc();
      // Once, and not at each of the attempts that follow every second.
      if (!failing) log.error({ fault: kafkaFault(err), topic: options.topic }, 'changes wait for Kafka');
      failing = true;
    },
    idleMsMin: 5,
    idleMsMax: options.pollMs,
    errorMs: 1_000,
    everyMsMin: 5,
  });

  return {
    async start() {
      await db.query(begin, [kafkaConsumer]);
      loop.start();
      unlisten = feed.onCommit(loop.wake);
    },
    async stop() {
      unlisten();
      const grace = setTimeout(() => broken.abort(), options.stopGraceMs ?? stopGraceMsUsual);
      await loop.stop();
      clearTimeout(grace);
      // What has not been answered is cut before another server sends it.
      await sender.close().catch(() => {});
      await lease.release(db).catch(() => {});
    },
  };
}

async function messagesOf(options: KafkaChangesOptions, batch: readonly Change[]): Promise<KafkaMessage[]> {
  const { db, feed, topic, keyOf } = options;
  const resources = await changedResources(db, feed, batch);
  return batch.map((change, index) => {
    return { topic, key: keyOf(change, resources[index]), value: messageOf(options, change) };
  });
}

/** The resource's own text goes as it is stored, with its digits. */
function messageOf({ messageBytesMax }: KafkaChangesOptions, change: Change): string {
  const { xid, seq, type, id, version, op, updatedMs, body } = change;
  const updated = new Date(updatedMs).toISOString();
  const head = JSON.stringify({ xid: String(xid), seq: String(seq), op, type, id, version, updated }).slice(0, -1);
  if (body === '') return `${head}}`;
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(body) + headBytes;
  return bytes > messageBytesMax ? `${head},"tooLarge":true}` : `${head},"resource":${body}}`;
}

/** `,"resource":` and the closing brace, the key and the record's own fields. */
const headBytes = 200;
