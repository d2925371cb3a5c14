// The way into hl7-engine/: HL7 v2 messages over MLLP become FHIR resources.
import type { AccessScope, MessageChannel, ReferenceMover, ResourceReader, ResourceWriter } from '#fhir-model';
import {
  type AdminRoute,
  type Clock,
  createLoop,
  type Db,
  type Jobs,
  type Log,
  type Loop,
  type Metrics,
  withKnownQuery,
} from '#platform';
import { createMessageChannel, type MessageChannelOptions, warmForSubscriptions } from './building/channel.ts';
import { buildTarget } from './building/target.ts';
import { journalRoutes } from './journal/admin.ts';
import { type FeedFailures, failuresSince } from './journal/failures.ts';
import { createIndexer } from './journal/indexer.ts';
import { createJournal, type Journal } from './journal/journal.ts';
import { createReprocessing } from './journal/reprocess.ts';
import { namedZone } from './mapping/datetime.ts';
import { supportedTypes } from './mapping/map.ts';
import { loadDictionary } from './message/dictionary.ts';
import type { Destination } from './outbound/destination.ts';
import { createOutbound, type OutboundQueues } from './outbound/outbound.ts';
import { ownWay, storesAll, wayText } from './own-ways.ts';
import { createProcessor, type Processor, type ProcessorOptions } from './process.ts';
import { referenceRoutes } from './references/admin.ts';
import { createReferenceWork } from './references/worker.ts';
import { routesAdmin } from './routes/admin.ts';
import { createDryRun, storeTrial } from './routes/dry-run.ts';
import { createRoutes, type RouteRegistry } from './routes/routes.ts';
import type { HandleMessage } from './seams.ts';
import { defaultListener, type ListenerConfig } from './transport/config.ts';
import type { Hl7Http } from './transport/http.ts';
import { createListeners, type Listeners } from './transport/listeners.ts';
import { createValidation } from './validation/validation.ts';
import { createPieceWatch } from './waiting-pieces.ts';

export { removeOldNotes } from './building/channel-retention.ts';
export { type Hl7OperationParts, hl7Operations } from './building/operations.ts';
export { createIndexer } from './journal/indexer.ts';
export { type KeepDays, type Removed, removeOldMessages } from './journal/retention.ts';
export { type Filter as JournalFilter, searchMessages } from './journal/search.ts';
export { fixedZone } from './mapping/datetime.ts';
export { mapMessage } from './mapping/map.ts';
export { mappingPage, withComparison } from './mapping/page/page.ts';
export { parseMessage } from './message/message.ts';
export { createMllpClient, type MllpClient, type MllpClientOptions, sendMllp } from './mllp/client.ts';
export { type Destination, readDestinations } from './outbound/destination.ts';
export { createOutbound, type OutboundOptions, type OutboundQueues } from './outbound/outbound.ts';
export { headBytesMax } from './seams.ts';
export { type ListenerConfig, readListeners } from './transport/config.ts';
export type { Hl7Http, Hl7HttpAnswer, Hl7HttpRequest } from './transport/http.ts';
export { compileProfile } from './validation/profile/profile.ts';
export { loadStandardValidator } from './validation/standard.ts';

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
  /** A frame that has not ended so long after its first byte is refused; default 2 minutes. */
  frameTimeoutMs?: number;
  /** Longest that a TLS handshake may take; default 10 s. */
  handshakeTimeoutMs?: number;
  /** Bytes of messages that all connections together may hold; default 16 of the largest messages, 256 MiB at least. */
  heldBytesMax?: number;
  /** How often certificate files are looked at; default every minute. */
  tlsCheckMs?: number;
  /** Beside MLLP at `port` and HTTP at /hl7: see readListeners. */
  listeners?: readonly ListenerConfig[];
  /** Routes as files, beside those in the database; none where it is left out. */
  routesFolder?: string;
  /** Conformance profiles as files, beside those in the database; none where it is left out. */
  profilesFolder?: string;
  /** Where messages are sent to: see readDestinations. */
  destinations?: readonly Destination[];
  /** Delivered and skipped messages are kept so long; default 168. */
  outboundRetentionHours?: number;
  /** Messages under way to one host at a time; default 64. */
  outboundHostExchangesMax?: number;
  /** No other server uses this database: destinations and runs that a killed one was at are free at once. */
  alone?: boolean;
  /** IANA zone of times without an offset, where MSH-7 has none either; default UTC. */
  timeZone?: string;
  /** Assigning authority (namespace id or object identifier) -> Identifier.system. */
  identifierSystems?: Readonly<Record<string, string>>;
  /** MSH-3 and MSH-4 of messages made of resources; default CEREBRA. */
  sendingApplication?: string;
  sendingFacility?: string;
  /** Our own FHIR base: absolute references below it are local. */
  baseUrl?: string;
}

export interface Hl7EngineOptions {
  db: Db;
  writer: ResourceWriter & ReferenceMover;
  /** What queries (QBP) are answered from; without it they are refused. */
  reader?: ResourceReader;
  scope: AccessScope;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** For work over many messages; before its start(). Without it that is done in this process. */
  jobs?: Jobs;
  config?: Hl7EngineConfig;
}

export interface Hl7Engine {
  /** Finishes what the last run left without an outcome, then listens. `ports`: of all MLLP listeners by name. */
  start(): Promise<{ port: number; ports: ReadonlyMap<string, number> }>;
  /** Takes no more messages, answers those in work, closes. */
  stop(): Promise<void>;
  readonly adminRoutes: AdminRoute[];
  /** Messages that Subscriptions send; undefined without a reader. */
  readonly messageChannel: MessageChannel | undefined;
  /** HL7 over HTTP, for whoever has the HTTP port. */
  readonly http: Hl7Http;
  /** How the messages that came since that instant, milliseconds since 1970 UTC, have fared, by feed. */
  failures(sinceMs: number): Promise<FeedFailures[]>;
  /** One message's content without MLLP's block characters; yields its acknowledgment. */
  process(raw: Buffer): Promise<Buffer>;
}

/** What was left without an outcome for so long is taken up: its sender has gone, or another server has died. */
const sweepEveryMs = 10_000;
const sweepAfterMs = 30_000;
const flushIntervalMs = 250;
const backlogIntervalMs = 10_000;

/** Throws RangeError for a time zone that does not exist. */
export function createHl7Engine(options: Hl7EngineOptions): Hl7Engine {
  const { clock, db, log, metrics, scope, writer, config = {} } = options;
  const journal = createJournal(db);
  const mapping = { zone: namedZone(config.timeZone ?? 'UTC'), identifierSystems: config.identifierSystems ?? {} };
  const validation = createValidation({
    ...{ db, log, folder: config.profilesFolder },
    usedBy: (profile) => usersOf(routes, profile),
  });
  const routes = createRoutes({
    ...{ db, log, mapping },
    folder: config.routesFolder,
    validate: validation.validate,
    prepare: validation.prepare,
    profiles: validation.profiles,
    destinations: () => outbound.destinations().map(({ name }) => name),
    ownWay: (name) => wayOf(name),
  });
  const dryRun = createDryRun(routes, clock, storeTrial(writer, scope));
  const outbound = openOutbound(options);
  const references = createReferenceWork({ db, writer, scope, log, jobs: options.jobs });
  const processor = createProcessor({
    ...{ db, journal, writer, scope, routes, outbound, log, clock, reader: options.reader },
    onReferencesLeft: references.wake,
    onStage: stageMetrics(metrics),
    onOutcome: outcomeMetrics(metrics),
  });
  const listeners = openListeners(options, processor);
  const wayOf = (name: string) => {
    const destination = config.destinations?.find((one) => one.name === name);
    return destination && ownWay(destination, listeners.ways());
  };
  const chores = journalChores(journal, metrics, log);
  const { reprocess } = processor;
  const sweep = createSweep(processor, clock, log);
  const indexer = createIndexer({ db, log });
  const pieceWatch = createPieceWatch({ db, log, clock, metrics });
  const reprocessing = createReprocessing({ db, jobs: options.jobs, alone: config.alone, log, clock, reprocess });
  return {
    async start() {
      await validation.start();
      // Before the routes, which look at each of theirs whether it is there.
      await outbound.start();
      await routes.start();
      const recovered = await processor.recover();
      if (recovered > 0) log.info({ recovered }, 'HL7 messages of the last run processed');
      const ports = await listeners.start();
      if (options.reader !== undefined) await warmForSubscriptions({ db, log });
      chores.start();
      indexer.start();
      pieceWatch.start();
      sweep.start();
      await references.start();
      reprocessing.resume().catch((err: unknown) => log.error({ err }, 'HL7 reprocessing'));
      return { port: ports.get(defaultListener)!, ports };
    },
    async stop() {
      processor.stop();
      await listeners.stop();
      await sweep.stop();
      await reprocessing.stop();
      await references.stop();
      await routes.stop();
      await validation.stop();
      await outbound.stop();
      await indexer.stop();
      await pieceWatch.stop();
      await chores.stop();
    },
    adminRoutes: [
      ...journalRoutes({
        ...{ db, log, clock, reprocess, reprocessing },
        dictionary: loadDictionary,
        dryRun: async (raw, { kind, name }) =>
          dryRun({ messageBase64: raw.toString('base64'), source: { kind, name } }),
      }),
      ...referenceRoutes(db),
      ...listeners.adminRoutes,
      ...routesAdmin(routes, dryRun),
      ...validation.adminRoutes,
      ...outbound.adminRoutes,
    ].map(withKnownQuery),
    failures: (sinceMs) => failuresSince(db, sinceMs),
    messageChannel: openMessageChannel(options, outbound, (name) => {
      const way = wayOf(name);
      return way && storesAll(routes.deployment.routes(), way) ? wayText(way) : undefined;
    }),
    process: (raw) => answerOf(processor.handle, raw),
    http: listeners.http,
  };
}

const usersOf = ({ deployment }: RouteRegistry, profile: string): string[] =>
  deployment.routes().flatMap(({ route }) => (route.validation.profile === profile ? [route.id] : []));

function openMessageChannel(
  options: Hl7EngineOptions,
  outbound: OutboundQueues,
  storedAt: NonNullable<MessageChannelOptions['storedAt']>,
): MessageChannel | undefined {
  const { reader, config = {} } = options;
  if (reader === undefined) return undefined;
  return createMessageChannel({
    ...{ ...options, reader, outbound, storedAt, baseUrl: config.baseUrl },
    defaults: buildTarget(config),
    destinations: (config.destinations ?? []).map(({ name }) => name),
  });
}

function openOutbound({ db, log, metrics, clock, config = {} }: Hl7EngineOptions): OutboundQueues {
  return createOutbound({
    ...{ db, log, metrics, clock, random: Math.random },
    destinations: config.destinations ?? [],
    alone: config.alone ?? false,
    limits: {
      retentionHours: config.outboundRetentionHours ?? 168,
      hostExchangesMax: config.outboundHostExchangesMax ?? 64,
    },
  });
}

const mib = 1024 * 1024;

function openListeners(
  { log, metrics, clock, config = {} }: Hl7EngineOptions,
  { handle, refuse }: Processor,
): Listeners {
  const messageBytesMax = config.messageBytesMax ?? 16 * mib;
  return createListeners({
    ...{ log, metrics, clock, handle, refuse },
    host: config.host ?? '127.0.0.1',
    port: config.port ?? 2575,
    listeners: config.listeners ?? [],
    limits: {
      messageBytesMax,
      heldBytesMax: config.heldBytesMax ?? Math.max(16 * messageBytesMax, 256 * mib),
      idleTimeoutMs: config.idleTimeoutMs ?? 30 * 60_000,
      frameTimeoutMs: config.frameTimeoutMs ?? 120_000,
      handshakeTimeoutMs: config.handshakeTimeoutMs ?? 10_000,
      connectionsMax: config.connectionsMax ?? 2000,
      waitingFramesMax: config.waitingFramesMax ?? 16,
      stopTimeoutMs: config.stopTimeoutMs ?? 10_000,
      tlsCheckMs: config.tlsCheckMs ?? 60_000,
    },
  });
}

/** The one acknowledgment of a message. */
async function answerOf(handle: HandleMessage, raw: Buffer): Promise<Buffer> {
  const acks: Buffer[] = [];
  await handle(raw, { kind: 'api', name: 'default' }, async (ack) => void acks.push(ack));
  return Buffer.concat(acks);
}

function outcomeMetrics(metrics: Metrics): ProcessorOptions['onOutcome'] {
  const messages = metrics.counter('cerebra_hl7_messages_total', 'HL7 messages by type, route and outcome', [
    'type',
    'route',
    'outcome',
  ]);
  const seconds = metrics.histogram('cerebra_hl7_message_seconds', 'From the journal to the effect', [
    'route',
    'outcome',
  ]);
  return (type, route, outcome, durationMs) => {
    // MSH-9 is the sender's: as a label it would be without bounds.
    messages.inc({ type: supportedTypes.has(type) ? type : 'other', route, outcome });
    seconds.observe({ route, outcome }, durationMs / 1000);
  };
}

/** Upper bounds in seconds: parsing and mapping take 0.1 ms, a commit some. */
const stageBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

function stageMetrics(metrics: Metrics): ProcessorOptions['onStage'] {
  const text = 'Where the time of HL7 messages goes: parse, journal, map, store, ack';
  const seconds = metrics.histogram('cerebra_hl7_stage_seconds', text, ['stage', 'route'], stageBuckets);
  return (stage, route, us) => seconds.observe({ stage, route }, us / 1e6);
}

/** Takes up what has had no outcome for long. */
function createSweep(processor: Processor, clock: Clock, log: Log): Loop {
  return createLoop({
    async work() {
      const count = await processor.recover(clock.now() - sweepAfterMs);
      if (count > 0) log.info({ count }, 'HL7 messages without an outcome taken up');
      return false;
    },
    onError: (err) => log.warn({ err }, 'HL7 messages without an outcome'),
    ...{ idleMsMin: sweepEveryMs, idleMsMax: sweepEveryMs, errorMs: sweepEveryMs },
  });
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
