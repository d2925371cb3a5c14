// What the parts of a destination at work share.
import type { BackoffLimits, Clock, Db, Log } from '#platform';
import type { Channel } from './channel.ts';
import type { Destination } from './destination.ts';
import type { Floor } from './floor.ts';
import type { HostGate } from './host-gate.ts';
import type { Lanes } from './lanes.ts';
import type { OutboundMetrics } from './metrics.ts';
import type { Delivered } from './queue.ts';
import type { DestinationState } from './state.ts';

export interface RunnerOptions {
  db: Db;
  destination: Destination;
  channel: Channel;
  gate: HostGate;
  /** Writes what was delivered, many at a time. */
  markDelivered(delivered: Delivered): Promise<void>;
  /** Looked for messages of other processes so often. */
  pollMs: number;
  metrics: OutboundMetrics;
  clock: Clock;
  /** 0 … 1, for the jitter of retries. */
  random: () => number;
  log: Log;
}

/** The receiver can't be reached; until `untilMs` (performance.now()) nothing is tried, then one message. */
export interface Failing {
  count: number;
  sinceMs: number;
  untilMs: number;
  error: string;
}

/** What pump, refill and settle share. */
export interface Work {
  readonly options: RunnerOptions;
  readonly backoff: BackoffLimits;
  readonly lanes: Lanes;
  readonly floor: Floor;
  readonly stop: AbortController;
  /** Undefined while another process delivers. */
  state: DestinationState | undefined;
  /** performance.now() until which the lease surely holds. */
  leaseMs: number;
  /** When this process knew of its latest pause, performance.now(), and the epoch of that. */
  pausedMs: number;
  pausedEpoch: bigint;
  failing: Failing | undefined;
  /** Attempts in a row without an answer. */
  unanswered: number;
  /** Attempts under way; each of them, and its outcome being written, by the id of its first message. */
  inFlight: number;
  active: Map<bigint, Promise<void>>;
  /** There may be rows that are not loaded. */
  more: boolean;
  /** There were rows of lanes that were known: they are read when such a lane is empty. */
  behind: boolean;
  /** Rises when everything loaded is void. */
  generation: number;
  depth: number;
  snapshotMs: number;
  timer: NodeJS.Timeout | undefined;
  stopping: boolean;
  wake(): void;
  /** Told by the gate. One function: the gate knows by it who waits already. */
  onFree(): void;
}
