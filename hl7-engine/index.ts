// The way into hl7-engine/: HL7 v2 messages over MLLP become FHIR resources.
import type { AccessScope, ResourceWriter } from '#fhir-model';
import type { AdminRoute, Clock, Db, Log, Metrics } from '#platform';
import { journalRoutes } from './journal/admin.ts';
import { createJournal, type Journal } from './journal/journal.ts';
import { namedZone } from './mapping/datetime.ts';
import { supportedTypes } from './mapping/map.ts';
import { createMllpServer } from './mllp/server.ts';
import { createProcessor, type Outcome } from './process.ts';
import type { HandleMessage } from './seams.ts';

export { createMllpClient, type MllpClient, type MllpClientOptions, sendMllp } from './mllp/client.ts';

export interface Hl7EngineConfig {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 2575; 0 means any free port. */
  port?: number;
  /** Default 16 MiB. */
  messageBytesMax?: number;
  /** A connection without a byte for so long is closed; default 30 minutes. */
  idleTimeoutMs?: number;
  /** Default 2,000. */
  connectionsMax?: number;
  /** Whole messages that may wait on one connection; default 16. */
  waitingFramesMax?: number;
  /** How long a stop waits for messages in work; default 10 s. */
  stopTimeoutMs?: number;
  /** IANA zone of times without an offset, where MSH-7 has none either; default UTC. */
  timeZone?: string;
  /** Assigning authority (namespace id or object identifier) -> Identifier.system. */
  identifierSystems?: Readonly<Record<string, string>>;
}

export interface Hl7EngineOptions {
  db: Db;
  writer: ResourceWriter;
  scope: AccessScope;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  config?: Hl7EngineConfig;
}

export interface Hl7Engine {
  /** Finishes what the last run left without an outcome, then listens. */
  start(): Promise<{ port: number }>;
  /** Takes no more messages, answers those in work, closes. */
  stop(): Promise<void>;
  readonly adminRoutes: AdminRoute[];
  /** One message's content without MLLP's block characters; yields its acknowledgment. */
  process(raw: Buffer): Promise<Buffer>;
}

const flushIntervalMs = 250;
const backlogIntervalMs = 10_000;

/** Throws RangeError for a time zone that does not exist. */
export function createHl7Engine(options: Hl7EngineOptions): Hl7Engine {
  const { clock, db, log, metrics, scope, writer, config = {} } = options;
  const journal = createJournal(db);
  const messageBytesMax = config.messageBytesMax ?? 16 * 1024 * 1024;
  const processor = createProcessor({
    journal,
    writer,
    scope,
    mapping: { zone: namedZone(config.timeZone ?? 'UTC'), identifierSystems: config.identifierSystems ?? {} },
    messageBytesMax,
    log,
    clock,
    onOutcome: outcomeMetrics(metrics),
  });
  const connections = metrics.gauge('cerebra_hl7_connections', 'Open MLLP connections');
  const garbage = metrics.counter('cerebra_hl7_garbage_bytes_total', 'Bytes outside MLLP frames');
  const server = createMllpServer({
    host: config.host ?? '127.0.0.1',
    port: config.port ?? 2575,
    messageBytesMax,
    idleTimeoutMs: config.idleTimeoutMs ?? 30 * 60_000,
    connectionsMax: config.connectionsMax ?? 2000,
    waitingFramesMax: config.waitingFramesMax ?? 16,
    stopTimeoutMs: config.stopTimeoutMs ?? 10_000,
    log,
    handle: (content) => answerOf(processor.handle, content),
    refuseOversize: processor.refuseOversize,
    onConnections: (count) => connections.set(count),
    onGarbage: (byteCount) => garbage.inc(byteCount),
  });
  const chores = journalChores(journal, metrics, log);
  return {
    async start() {
      const recovered = await processor.recover();
      if (recovered > 0) log.info({ recovered }, 'HL7 messages of the last run processed');
      const listening = await server.start();
      chores.start();
      return listening;
    },
    async stop() {
      await server.stop();
      await chores.stop();
    },
    adminRoutes: journalRoutes(db, processor.reprocess),
    process: (raw) => answerOf(processor.handle, raw),
  };
}

/** The one acknowledgment of a message. */
async function answerOf(handle: HandleMessage, raw: Buffer): Promise<Buffer> {
  const acks: Buffer[] = [];
  await handle(raw, { kind: 'api', name: 'default' }, async (ack) => void acks.push(ack));
  return Buffer.concat(acks);
}

function outcomeMetrics(metrics: Metrics): (type: string, outcome: Outcome, durationMs: number) => void {
  const messages = metrics.counter('cerebra_hl7_messages_total', 'HL7 messages by type and outcome', [
    'type',
    'outcome',
  ]);
  const seconds = metrics.histogram('cerebra_hl7_message_seconds', 'From whole frame to acknowledgment', ['outcome']);
  return (type, outcome, durationMs) => {
    // MSH-9 is the sender's: as a label it would be without bounds.
    messages.inc({ type: supportedTypes.has(type) ? type : 'other', outcome });
    seconds.observe({ outcome }, durationMs / 1000);
  };
}

interface Chores {
  start(): void;
  stop(): Promise<void>;
}

/** What is written in batches (acknowledged) and looked at now and then (the backlog). */
function journalChores(journal: Journal, metrics: Metrics, log: Log): Chores {
  const backlog = metrics.gauge('cerebra_hl7_journal_backlog', 'Journalled HL7 messages without an outcome');
  const timers: NodeJS.Timeout[] = [];
  let running: Promise<void> = Promise.resolve();
  const chain = (work: () => Promise<void>): void => {
    running = running.then(work).catch((error: unknown) => log.warn({ err: error }, 'HL7 journal upkeep'));
  };
  return {
    start() {
      timers.push(setInterval(() => chain(() => journal.flush()), flushIntervalMs));
      timers.push(setInterval(() => chain(async () => backlog.set(await journal.backlog())), backlogIntervalMs));
    },
    async stop() {
      for (const timer of timers) clearInterval(timer);
      chain(() => journal.flush());
      await running;
    },
  };
}
