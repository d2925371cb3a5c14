// Destinations at work on a database of the test's own.
import type { TestContext } from 'node:test';
import { createMetrics, type Db, type Metrics, systemClock, withKnownQuery } from '#platform';
import { beforeClose, testDatabase, testLog, waitFor } from '#platform/testing';
import { checkDestinations } from '../outbound/destination.ts';
import { createOutbound, type OutboundOptions, type OutboundQueues } from '../outbound/outbound.ts';
import type { DestinationState } from '../outbound/state.ts';
import type { OutboundMessage } from '../seams.ts';
import { startReceiver } from './receiver.ts';

export interface OutboundRig {
  db: Db;
  queues: OutboundQueues;
  metrics: Metrics;
  /** Queues, commits, wakes. */
  send(messages: OutboundMessage[]): Promise<void>;
  /** Control id -> state, of all rows in the order of their ids. */
  states(): Promise<Record<string, string>>;
  /** All rows, of which there are some, have come to that state. */
  allBecome(state: string): Promise<void>;
  /** What the deliverer here knows of a destination; undefined: another process has it. */
  heldState(name: string): Promise<DestinationState | undefined>;
  configure(destinations: unknown): Promise<void>;
  /** An admin call; `query` as `a=b`. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of which tests assert what it holds
  call(method: 'GET' | 'POST', path: string, query?: string): Promise<{ status: number; body: any }>;
  /** A value of a metric, 0 where it has none. */
  measured(name: string, labels?: Record<string, string>): Promise<number>;
}

/** Retries soon, so that a test need not wait. */
export const soon = { minMs: 10, maxMs: 20 };

/** `MSH…PID` of one patient. `msh`: MSH-13 and on. */
export function message(destination: string, controlId: string, patient: string, msh = ''): OutboundMessage {
  const text = [
    `MSH|^~\\&|CEREBRA|TEST|RCV|FAC|20260101000000+0000||ADT^A08|${controlId}|P|2.5.1${msh}`,
    `PID|1||${patient}||DOE^TEST`,
    '',
  ].join('\r');
  return { destination, partition: patient, controlId, body: Buffer.from(text) };
}

export async function startOutbound(
  t: TestContext,
  db: Db,
  destinations: unknown,
  options: Partial<OutboundOptions> = {},
): Promise<OutboundRig> {
  const metrics = createMetrics();
  const queues = createOutbound({
    ...{ db, metrics, log: testLog(), clock: systemClock, random: Math.random },
    destinations: checkDestinations(destinations),
    ...options,
    limits: { pollMs: 50, renewMs: 50, leaseMs: 5_000, stopGraceMs: 1_000, ...options.limits },
  });
  await queues.start();
  t.after(() => queues.stop());
  beforeClose(db, () => queues.stop());
  const rig: OutboundRig = {
    ...{ db, queues, metrics },
    async send(messages) {
      await db.tx((tx) => queues.enqueue(tx, messages));
      queues.wake();
    },
    async states() {
      const rows = await db.query<{ control_id: string; state: string }>({
        text: 'select control_id, state from hl7_outbound order by id',
      });
      return Object.fromEntries(rows.map(({ control_id, state }) => [control_id, state]));
    },
    allBecome: (state) =>
      waitFor(async () => {
        const values = Object.values(await rig.states());
        return values.length > 0 && values.every((one) => one === state);
      }, `all to be ${state}`).then(() => undefined),
    heldState: async (name) => queues.held(name),
    configure: (changed) => queues.configure(checkDestinations(changed)),
    async call(method, path, query = '') {
      for (const route of queues.adminRoutes.map(withKnownQuery)) {
        const match = new RegExp(`^${route.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`).exec(path);
        if (route.method !== method || match === null) continue;
        const request = { params: match.groups ?? {}, query: new URLSearchParams(query), body: Buffer.alloc(0) };
        const { status, body } = await route.handle(request);
        return { status, body };
      }
      throw new Error(`no route ${method} ${path}`);
    },
    async measured(name, labels = {}) {
      const metric = await metrics.registry.getSingleMetric(`cerebra_hl7_outbound_${name}`)!.get();
      const found = metric.values.find((value) =>
        Object.entries(labels).every(([label, text]) => (value.labels as Record<string, unknown>)[label] === text),
      );
      return found?.value ?? 0;
    },
  };
  return rig;
}

/** One destination `ris`. */
export const mllp = (port: number, more: object = {}) => [
  { name: 'ris', kind: 'mllp', host: '127.0.0.1', port, retry: soon, ...more },
];

export const sequence = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${letter}${n}`);

export interface Row {
  control_id: string;
  state: string;
  attempts: number;
  refusals: number;
  error: string | null;
}
export const rowsOf = (db: Db): Promise<Row[]> =>
  db.query<Row>({ text: 'select control_id, state, attempts, refusals, error from hl7_outbound order by id' });

/**
 * In which order the receiver gets three messages: EARLY of patient P1, whose transaction commits only when the two that were
 * queued after it wait or are there; `late`, queued while it is open; OTHER of P2.
 */
export async function besideLateCommit(t: TestContext, late: OutboundMessage): Promise<string[]> {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const rig = await startOutbound(t, db, mllp(receiver.port, { connections: 4 }));
  const commit = Promise.withResolvers<void>();
  const queued = Promise.withResolvers<void>();
  const early = db.tx(async (tx) => {
    await rig.queues.enqueue(tx, [message('ris', 'EARLY', 'P1')]);
    queued.resolve();
    await commit.promise;
  });
  await queued.promise;
  const sending = rig.send([late]);
  await rig.send([message('ris', 'OTHER', 'P2')]);
  await waitFor(() => receiver.received.length === 1, 'the other patient’s message');
  commit.resolve();
  await Promise.all([early, sending]);
  rig.queues.wake();
  await rig.allBecome('delivered');
  return receiver.firsts();
}
