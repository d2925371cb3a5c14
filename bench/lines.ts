// The lines of the benchmark as data: what is sent, what it is compared with, and what it should reach.
import type { RequestKind } from './data/requests.ts';

export type Load =
  | { kind: 'http'; requests: RequestKind; connections: number }
  | { kind: 'mllp' | 'mqtt'; connections: number; window: number }
  | { kind: 'notify'; rate?: number };

/** Medians over the rounds; rates in the line's unit. */
export interface LineResult {
  ours: Side;
  naked: Side;
  /** Median of each round's ours ÷ naked. */
  ratio: number;
}

export interface Side {
  rate: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU time of the server's process for one unit, µs. */
  cpuUs: number;
  /** And of PostgreSQL's processes. */
  postgresUs: number;
}

export interface Line {
  key: string;
  title: string;
  unit: string;
  /** Units of one request. */
  perRequest: number;
  load: Load;
  target?: { text: string; met(result: LineResult): boolean };
  needs?: 'observations' | 'devices';
}

const share = (atLeast: number, next?: number): NonNullable<Line['target']> => ({
  text: `≥ ${atLeast * 100} % of naked${next === undefined ? '' : ` (next ${next * 100} %)`}`,
  met: ({ ratio }) => ratio >= atLeast,
});

const http = (requests: RequestKind, connections = 16): Load => ({ kind: 'http', requests, connections });

/** In the order of the table. */
export const lines: readonly Line[] = [
  {
    ...{ key: 'create', title: 'create, 16-way', unit: 'creates/s', perRequest: 1 },
    load: http('create'),
    target: share(0.5, 0.6),
  },
  {
    ...{ key: 'create1', title: 'create, 1-way', unit: 'creates/s', perRequest: 1 },
    load: http('create', 1),
  },
  {
    ...{ key: 'update', title: 'update, 16-way', unit: 'updates/s', perRequest: 1 },
    load: http('update'),
    needs: 'observations',
  },
  {
    ...{ key: 'read', title: 'read, 16-way', unit: 'reads/s', perRequest: 1 },
    load: http('read'),
    target: share(0.7, 0.8),
    needs: 'observations',
  },
  {
    ...{ key: 'identifier', title: 'search by token: identifier, 1 match', unit: 'searches/s', perRequest: 1 },
    load: http('searchIdentifier'),
    target: share(0.6),
  },
  {
    ...{ key: 'code', title: 'search by token: code, page of 20', unit: 'searches/s', perRequest: 1 },
    load: http('searchCode'),
    target: share(0.6),
    needs: 'observations',
  },
  {
    ...{ key: 'patient', title: 'search by patient, sorted by -date, page of 20', unit: 'searches/s', perRequest: 1 },
    load: http('searchPatient'),
    target: share(0.6),
    needs: 'observations',
  },
  {
    ...{ key: 'bundle', title: 'transaction bundle of 50, 16-way', unit: 'resources/s', perRequest: 50 },
    load: http('bundle'),
    target: {
      text: '≥ 3,000/s or 40 % of naked',
      met: ({ ours, ratio }) => ours.rate >= 3_000 || ratio >= 0.4,
    },
  },
  {
    ...{ key: 'oru', title: 'HL7 ORU^R01 over MLLP, 16 connections', unit: 'messages/s', perRequest: 1 },
    load: { kind: 'mllp', connections: 16, window: 1 },
    target: { text: '≥ 400/s', met: ({ ours }) => ours.rate >= 400 },
  },
  {
    ...{ key: 'devices', title: 'device readings over MQTT QoS 1, 16 connections', unit: 'readings/s', perRequest: 1 },
    load: { kind: 'mqtt', connections: 16, window: 8 },
    needs: 'devices',
  },
  {
    ...{ key: 'notify', title: 'write → notification, one at a time', unit: 'writes/s', perRequest: 1 },
    load: { kind: 'notify' },
    target: { text: 'p99 < 50 ms', met: ({ ours }) => ours.p99Ms < 50 },
  },
  {
    ...{ key: 'notify200', title: 'write → notification, at 200 writes/s', unit: 'writes/s', perRequest: 1 },
    load: { kind: 'notify', rate: 200 },
  },
];

/** Lines that compare the data as it was seeded go before those that add to it. */
export const runOrder: readonly string[] = [
  ...['read', 'identifier', 'code', 'patient', 'update', 'create', 'create1', 'bundle', 'oru', 'devices'],
  ...['notify', 'notify200'],
];

export const bootKey = 'boot';
