// What goes through a listener, counted: for /metrics and for whoever looks at the listeners.
import type { Clock, Counter, Gauge, Metrics } from '#platform';

/** `whole`: handed on. The others are refused and close their connection, `cut`: it broke within a frame. */
export type FrameEnd = 'whole' | 'oversize' | 'unterminated' | 'crowded' | 'cut';

export type ConnectionRefusal = 'address' | 'full' | 'peer' | 'rate' | 'tls';

/** The counts of one listener since its start. */
export interface TrafficCounts {
  connections: number;
  connectionsTotal: number;
  connectionsRefused: Partial<Record<ConnectionRefusal, number>>;
  frames: Partial<Record<FrameEnd, number>>;
  garbageBytes: number;
  /** When the last whole message came, milliseconds since 1970 UTC. */
  lastMessageMs?: number;
}

/** What an operator sees of a way in. */
export interface WayStatus extends TrafficCounts {
  name: string;
  kind: 'mllp' | 'http' | 'file';
}

export interface Traffic {
  opened(): void;
  closed(): void;
  refused(reason: ConnectionRefusal): void;
  frame(end: FrameEnd): void;
  garbage(byteCount: number): void;
  counts(): TrafficCounts;
}

/** Makes the `Traffic` of a listener: names are unique within a kind. */
export function trafficMetrics(metrics: Metrics, clock: Clock): (kind: WayStatus['kind'], listener: string) => Traffic {
  const open = metrics.gauge('cerebra_hl7_connections', 'Open MLLP connections', ['listener']);
  const total = metrics.counter('cerebra_hl7_connections_total', 'MLLP connections taken', ['listener']);
  const refusals = metrics.counter('cerebra_hl7_connections_refused_total', 'MLLP connections refused, by reason', [
    'kind',
    'listener',
    'reason',
  ]);
  const frames = metrics.counter('cerebra_hl7_frames_total', 'Messages by how they ended on the wire', [
    'kind',
    'listener',
    'end',
  ]);
  const garbage = metrics.counter('cerebra_hl7_garbage_bytes_total', 'Bytes outside MLLP frames', ['listener']);
  const meters = { open, total, refusals, frames, garbage };
  return (kind, listener) => trafficOf(kind, listener, meters, clock);
}

interface Meters {
  open: Gauge;
  total: Counter;
  refusals: Counter;
  frames: Counter;
  garbage: Counter;
}

function trafficOf(kind: WayStatus['kind'], listener: string, meters: Meters, clock: Clock): Traffic {
  const label = { listener };
  const counts: TrafficCounts = {
    connections: 0,
    connectionsTotal: 0,
    connectionsRefused: {},
    frames: {},
    garbageBytes: 0,
  };
  // Without connections there is nothing to see.
  if (kind === 'mllp') meters.open.set(label, 0);
  return {
    opened() {
      counts.connectionsTotal++;
      meters.total.inc(label);
      meters.open.set(label, ++counts.connections);
    },
    closed: () => meters.open.set(label, --counts.connections),
    refused(reason) {
      counts.connectionsRefused[reason] = (counts.connectionsRefused[reason] ?? 0) + 1;
      meters.refusals.inc({ kind, listener, reason });
    },
    frame(end) {
      if (end === 'whole') counts.lastMessageMs = clock.now();
      counts.frames[end] = (counts.frames[end] ?? 0) + 1;
      meters.frames.inc({ kind, listener, end });
    },
    garbage(byteCount) {
      counts.garbageBytes += byteCount;
      meters.garbage.inc(label, byteCount);
    },
    counts: () => ({ ...counts, connectionsRefused: { ...counts.connectionsRefused }, frames: { ...counts.frames } }),
  };
}
