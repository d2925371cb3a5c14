// Load over raw sockets: a fetch or an MQTT library would take more of the shared cores than the server under test.
import { connect, type Socket } from 'node:net';

/** Finds the ends of answers in what a connection receives. */
export interface AnswerParser {
  /** Calls `done` once for each answer that is complete with this chunk; `failure` says why it is not a good one. */
  push(chunk: Buffer, done: (failure?: string) => void): void;
}

export interface Measured {
  count: number;
  seconds: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  failures: number;
  firstFailure?: string;
}

export interface ClosedLoop {
  port: number;
  connections: number;
  /** Requests under way on each connection. */
  window: number;
  seconds: number;
  parser(): AnswerParser;
  /** Bytes sent once when the connection opens, and answered once. */
  hello?: (connection: number) => Buffer;
  next(connection: number): Buffer;
  /**
   * Requests a second of all connections together, each due at its own time; undefined: as fast as they are answered. What
   * waits for its connection counts as slow.
   */
  perSecond?: number | undefined;
}

const drainTimeoutMs = 15_000;

export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

export function percentile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

export class Tally {
  readonly latencies: number[] = [];
  failures = 0;
  firstFailure: string | undefined;

  add(latencyMs: number, failure?: string): void {
    this.latencies.push(latencyMs);
    if (failure === undefined) return;
    this.failures += 1;
    this.firstFailure ??= failure;
  }

  measured(seconds: number): Measured {
    const sorted = Float64Array.from(this.latencies).sort();
    return {
      count: sorted.length,
      seconds,
      p50Ms: percentile(sorted, 0.5),
      p95Ms: percentile(sorted, 0.95),
      p99Ms: percentile(sorted, 0.99),
      failures: this.failures,
      ...(this.firstFailure === undefined ? {} : { firstFailure: this.firstFailure }),
    };
  }
}

/** Every connection sends its next request as soon as one of its window is answered and it is due, until the time is over. */
export async function closedLoop(options: ClosedLoop): Promise<Measured> {
  const tally = new Tally();
  const sockets = await Promise.all(Array.from({ length: options.connections }, () => open(options.port)));
  const parsers = sockets.map(() => options.parser());
  if (options.hello) await Promise.all(sockets.map((socket, index) => greet(socket, parsers[index]!, options, index)));
  const startMs = performance.now();
  const endMs = startMs + options.seconds * 1_000;
  await Promise.all(sockets.map((socket, index) => drive(socket, parsers[index]!, options, index, endMs, tally)));
  const seconds = (performance.now() - startMs) / 1_000;
  for (const socket of sockets) socket.destroy();
  return tally.measured(seconds);
}

function greet(socket: Socket, parser: AnswerParser, options: ClosedLoop, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void =>
      parser.push(chunk, (failure) => {
        socket.off('data', onData);
        if (failure) reject(new Error(failure));
        else resolve();
      });
    socket.on('data', onData);
    socket.write(options.hello!(index));
  });
}

/** When each request of a connection is due: the connections take turns. Without a rate always now. */
function dueTimes({ perSecond, connections }: ClosedLoop, index: number): () => number {
  if (perSecond === undefined) return () => performance.now();
  const stepMs = (connections * 1_000) / perSecond;
  let nextMs = performance.now() + (index / connections) * stepMs;
  return () => {
    const dueMs = nextMs;
    nextMs += stepMs;
    return dueMs;
  };
}

function drive(
  socket: Socket,
  parser: AnswerParser,
  options: ClosedLoop,
  index: number,
  endMs: number,
  tally: Tally,
): Promise<void> {
  // Answers come in the order of the requests on one connection.
  const sentMs: number[] = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${drainTimeoutMs} ms`)),
      options.seconds * 1_000 + drainTimeoutMs,
    );
    const finish = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const due = dueTimes(options, index);
    const write = (dueMs: number): void => {
      sentMs.push(dueMs);
      socket.write(options.next(index));
    };
    const send = (): void => {
      const dueMs = due();
      const waitMs = dueMs - performance.now();
      if (waitMs <= 0) write(dueMs);
      else setTimeout(() => (dueMs < endMs ? write(dueMs) : finish()), waitMs);
    };
    const done = (failure?: string): void => {
      const nowMs = performance.now();
      tally.add(nowMs - sentMs.shift()!, failure);
      if (nowMs < endMs) send();
      else if (sentMs.length === 0) finish();
    };
    socket.on('data', (chunk) => parser.push(chunk, done));
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error('the server closed a connection'));
    });
    for (let count = 0; count < options.window; count += 1) send();
  });
}
