// Messages to other systems: queued in the transaction of what causes them, delivered at least once, a patient's in order.
import {
  type AdminRoute,
  CerebraError,
  type Clock,
  createEgress,
  createGather,
  createLoop,
  type Db,
  type Log,
  type Loop,
  type Metrics,
  uuidv7,
} from '#platform';
import type { Outbound, OutboundMessage } from '../seams.ts';
import { destinationRoutes } from './admin.ts';
import { type BacklogCounts, createBacklog } from './backlog.ts';
import type { Channel } from './channel.ts';
import type { Destination } from './destination.ts';
import { createFileChannel } from './file.ts';
import { createHostGate } from './host-gate.ts';
import { createHttpChannel } from './http.ts';
import { outboundMetrics } from './metrics.ts';
import { createMllpChannel } from './mllp.ts';
import { type Delivered, insertMessages, laneOf, markDelivered, pruneEnded } from './queue.ts';
import { createRunner, type Runner } from './runner.ts';
import { createStates, type DestinationState, holdStates, releaseStates, voidStates } from './state.ts';

export interface OutboundLimits {
  /** How long after its death another process takes a destination over. */
  leaseMs: number;
  /** How often leases are renewed, and what operators of other processes decided is seen. */
  renewMs: number;
  /** How often is looked for messages that other processes have queued. */
  pollMs: number;
  /** Messages under way to one host at a time. */
  hostExchangesMax: number;
  /** Delivered and skipped messages are kept so long. */
  retentionHours: number;
  /** On stop: how long what is under way may still take. */
  stopGraceMs: number;
}

const defaultOutboundLimits: OutboundLimits = {
  leaseMs: 6_000,
  renewMs: 1_000,
  pollMs: 500,
  hostExchangesMax: 64,
  retentionHours: 168,
  stopGraceMs: 5_000,
};

export interface OutboundOptions {
  db: Db;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** 0 … 1, for the jitter of retries. */
  random: () => number;
  destinations: readonly Destination[];
  /** No other server uses this database: what a killed one held is free at once. */
  alone?: boolean;
  limits?: Partial<OutboundLimits>;
}

export interface OutboundQueues extends Outbound {
  start(): Promise<void>;
  /** What is under way may end, the rest waits for the next start. */
  stop(): Promise<void>;
  /**
   * Takes these destinations instead of the former ones. One that is as before goes on untouched; what waits for one
   * that is gone is kept until there is one of that name again.
   */
  configure(destinations: readonly Destination[]): Promise<void>;
  /** What this process knows of a destination that it delivers to; undefined: another one does. */
  held(name: string): DestinationState | undefined;
  /** What is configured. */
  destinations(): readonly Destination[];
  readonly adminRoutes: AdminRoute[];
}

const pruneEveryMs = 60_000;
const pruneRowsMax = 5_000;
/** A transaction takes no longer: so long after `enqueue` a wake looks at the destination. */
const touchedMs = 60_000;

export function createOutbound(options: OutboundOptions): OutboundQueues {
  const { db, log } = options;
  const limits = { ...defaultOutboundLimits, ...options.limits };
  const holder = uuidv7(options.clock.now());
  const runners = new Map<string, Runner>();
  const backlog = createBacklog({ ...options, names: () => [...runners.keys()] });
  const createOne = runnerFactory(options, limits);
  let started = false;

  const leases = leaseLoop({ db, log, limits, holder, runners });
  const chores = choreLoops(db, log, limits.retentionHours, backlog.refresh);

  const stopRunners = async (names: string[]): Promise<void> => {
    const stopped = names.map((name) => runners.get(name)!);
    for (const name of names) runners.delete(name);
    await Promise.all(stopped.map((runner) => runner.stop(limits.stopGraceMs)));
    if (names.length > 0) await releaseStates(db, holder, names);
  };
  let configuring: Promise<unknown> = Promise.resolve();
  const configure = async (destinations: readonly Destination[]): Promise<void> => {
    const wanted = new Map(destinations.map((destination) => [destination.name, destination]));
    const same = ({ destination }: Runner) =>
      JSON.stringify(destination) === JSON.stringify(wanted.get(destination.name));
    await createStates(db, [...wanted.keys()]);
    await stopRunners(
      [...runners.values()].filter((runner) => !same(runner)).map(({ destination }) => destination.name),
    );
    for (const [name, destination] of wanted) if (!runners.has(name)) runners.set(name, createOne(destination));
    leases.wake();
    await backlog.refresh().catch((err: unknown) => log.warn({ err }, 'backlog of HL7 destinations'));
  };

  const queues: OutboundQueues = {
    ...createEntrance(runners, backlog),
    async start() {
      if (options.alone) await voidStates(db);
      await queues.configure(options.destinations);
      started = true;
      leases.start();
      for (const loop of chores) loop.start();
    },
    async stop() {
      if (!started) return;
      started = false;
      await Promise.all([leases.stop(), ...chores.map((loop) => loop.stop())]);
      await configuring;
      await stopRunners([...runners.keys()]).catch((err: unknown) => log.warn({ err }, 'HL7 destinations'));
    },
    configure(destinations) {
      const run = configuring.then(() => configure(destinations));
      configuring = run.catch(() => undefined);
      return run;
    },
    held: (name) => runners.get(name)?.held(),
    destinations: () => [...runners.values()].map(({ destination }) => destination),
    adminRoutes: destinationRoutes({
      db,
      runners,
      changed: () => leases.wake(),
    }),
  };
  return queues;
}

interface LeaseOptions {
  db: Db;
  log: Log;
  limits: OutboundLimits;
  holder: string;
  runners: ReadonlyMap<string, Runner>;
}

/** Takes and renews the leases of all destinations at once, and hands what operators decided to those who deliver. */
function leaseLoop({ db, log, limits, holder, runners }: LeaseOptions): Loop {
  return createLoop({
    async work() {
      const startMs = performance.now();
      // One that is redeployed meanwhile has given up what this asks for.
      const asked = [...runners];
      const names = asked.map(([name]) => name);
      const held = await holdStates(db, names, holder, limits.leaseMs);
      // The lease began after `startMs`; what is taken off is for a clock that runs at another speed.
      const untilMs = startMs + 0.9 * limits.leaseMs;
      const byName = new Map(held.map((state) => [state.name, state]));
      for (const [name, runner] of asked) {
        const state = byName.get(name);
        if (state === undefined) runner.lose();
        else runner.hold(state, untilMs, startMs);
      }
      return false;
    },
    onError: (err) => log.warn({ err }, 'leases of HL7 destinations could not be renewed'),
    ...{ idleMsMin: limits.renewMs, idleMsMax: limits.renewMs, errorMs: limits.renewMs },
  });
}

/** Where messages come in: whoever delivers them is another matter. */
function createEntrance(runners: ReadonlyMap<string, Runner>, backlog: BacklogCounts): Outbound {
  const touched = new Map<string, number>();
  return {
    async enqueue(tx, messages) {
      if (messages.length === 0) return;
      const rows = messages.map((message) => {
        const runner = runners.get(message.destination);
        if (runner === undefined) throw unknown(message.destination);
        backlog.admit(message.destination, runner.destination.queueMax);
        touched.set(message.destination, performance.now());
        return { ...message, ...lanesOf(runner.destination, message) };
      });
      await insertMessages(tx, rows);
    },
    wake() {
      const sinceMs = performance.now() - touchedMs;
      for (const [name, ms] of touched) {
        if (ms >= sinceMs) runners.get(name)?.wake();
        else touched.delete(name);
      }
    },
  };
}

const unknown = (name: string): CerebraError =>
  new CerebraError('config', `There is no destination named '${name}' for HL7 messages; HL7_DESTINATIONS lists them`);

/** A batch is one sequence of messages, whoever they are about. */
function lanesOf(destination: Destination, message: OutboundMessage): { lane: number; otherLanes: number[] } {
  const whole = destination.order === 'destination' || (destination.kind === 'file' && destination.batch !== undefined);
  if (whole) return { lane: laneOf(''), otherLanes: [] };
  const lane = laneOf(message.partition);
  const others = new Set((message.otherPartitions ?? []).map(laneOf));
  others.delete(lane);
  return { lane, otherLanes: [...others] };
}

/** Statements that write deliveries: those of one moment share one, and its commit. */
const markLanesMax = 2;
const markItemsMax = 256;
const markBytesMax = 4 * 1024 * 1024;

function runnerFactory(options: OutboundOptions, limits: OutboundLimits): (destination: Destination) => Runner {
  const { db, log, clock, random } = options;
  const metrics = outboundMetrics(options.metrics);
  const gate = createHostGate(limits.hostExchangesMax);
  // Whoever configures destinations is the operator: his own network is open, what never is a receiver stays closed.
  const egress = createEgress(['loopback', 'private']);
  const gather = createGather<Delivered, void>({
    ...{ lanesMax: markLanesMax, itemsMax: markItemsMax, weightMax: markBytesMax },
    weigh: ({ answer }) => answer?.length ?? 0,
    key: () => '',
    async run(many) {
      await markDelivered(db, many);
      return many.map(() => undefined);
    },
  });
  return (destination) => {
    const label = { destination: destination.name };
    const channelOf = (): Channel => {
      if (destination.kind === 'file') return createFileChannel(destination);
      if (destination.kind === 'http') return createHttpChannel({ destination, egress, clock });
      return createMllpChannel({
        ...{ destination, egress, clock },
        onUnexpected: () => metrics.unexpected.inc(label),
        onApplicationAnswer: (id, refusal, raw) => runner.answered(id, refusal, raw),
      });
    };
    const runner = createRunner({
      ...{ db, destination, gate, metrics, clock, random, log, pollMs: limits.pollMs },
      channel: channelOf(),
      markDelivered: gather,
    });
    return runner;
  };
}

function choreLoops(db: Db, log: Log, retentionHours: number, refreshBacklog: () => Promise<number>): Loop[] {
  const onError = (err: unknown): void => log.warn({ err }, 'upkeep of HL7 destinations');
  const every = (ms: number) => ({ idleMsMin: ms, idleMsMax: ms, errorMs: ms, onError });
  return [
    createLoop({
      work: async () => (await pruneEnded(db, retentionHours, pruneRowsMax)) === pruneRowsMax,
      ...every(pruneEveryMs),
    }),
    createLoop({
      async work() {
        await refreshBacklog();
        return false;
      },
      ...every(5_000),
    }),
  ];
}
