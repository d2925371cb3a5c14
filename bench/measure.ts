// Runs one line: warm-up, then rounds in which naked and ours take turns.
import { fhirPath } from './data/requests.ts';
import type { Line, LineResult, Side } from './lines.ts';
import type { Measured } from './load/exchange.ts';
import type { FeedLoad, HttpLoad } from './load/main.ts';
import type { NotifyLoad } from './load/notify.ts';
import type { Ports } from './naked/main.ts';
import { cpuMsOf } from './processes.ts';
import type { ProfileSummary } from './profile.ts';
import type { Peer } from './rpc.ts';

export interface Server {
  name: 'naked' | 'ours';
  peer: Peer;
  ports: Ports;
}

export interface Bench {
  loader: Peer;
  naked: Server;
  ours: Server;
  receiverPort: number;
  /** PostgreSQL's first process. */
  postgresPid: number;
  progress(text: string): void;
}

export interface RunLength {
  rounds: number;
  seconds: number;
}

// Each measurement's numbers begin where no other's reach.
const numbersPerRun = 10_000_000;
let lastNumber = 0;

async function load(bench: Bench, server: Server, line: Line, seconds: number): Promise<Measured> {
  lastNumber += numbersPerRun;
  const common = { seconds, firstNumber: lastNumber };
  const { ports } = server;
  const { load: what } = line;
  switch (what.kind) {
    case 'http': {
      const { connections, requests: kind } = what;
      return bench.loader.call('http', { ...common, connections, kind, port: ports.http } satisfies HttpLoad);
    }
    case 'notify':
      return bench.loader.call('notify', { ...common, ...what, port: ports.http } satisfies NotifyLoad & object);
    default: {
      const { kind, connections, window } = what;
      return bench.loader.call(kind, { ...common, connections, window, port: ports[kind] } satisfies FeedLoad);
    }
  }
}

async function measureOnce(bench: Bench, server: Server, line: Line, seconds: number): Promise<Side> {
  const cpuBeforeMs = await server.peer.call<number>('cpuMs');
  const postgresBeforeMs = cpuMsOf(bench.postgresPid);
  const measured = await load(bench, server, line, seconds);
  const cpuMs = (await server.peer.call<number>('cpuMs')) - cpuBeforeMs;
  const postgresMs = cpuMsOf(bench.postgresPid) - postgresBeforeMs;
  if (measured.failures > 0) {
    throw new Error(
      `${line.key}: ${measured.failures} of ${measured.count} failed at ${server.name}: ${measured.firstFailure}`,
    );
  }
  const units = measured.count * line.perRequest;
  return {
    rate: units / measured.seconds,
    p50Ms: measured.p50Ms,
    p99Ms: measured.p99Ms,
    cpuUs: (cpuMs * 1_000) / units,
    postgresUs: (postgresMs * 1_000) / units,
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function medianSide(sides: Side[]): Side {
  const of = (name: keyof Side): number => median(sides.map((side) => side[name]));
  return { rate: of('rate'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms'), cpuUs: of('cpuUs'), postgresUs: of('postgresUs') };
}

const settleMs = 100;
const settleTimeoutMs = 10_000;

/** Waits until the dispatcher has nothing left to do, so that its work is not counted against the next measurement. */
async function settle(bench: Bench): Promise<void> {
  const endMs = performance.now() + settleTimeoutMs;
  for (let before = ''; performance.now() < endMs; ) {
    const metrics = await (await fetch(`http://127.0.0.1:${bench.ours.ports.http}/metrics`)).text();
    const dispatched = /^cerebra_dispatcher_changes_total (\S+)/m.exec(metrics)?.[1] ?? '';
    if (dispatched === before) return;
    before = dispatched;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
}

/** V8 has compiled a create after some 20,000 of them: 375 µs of node each at first, 200 then. The floor's few lines need less. */
const warmUpSeconds = 8;

export async function measureLine(bench: Bench, line: Line, { rounds, seconds }: RunLength): Promise<LineResult> {
  const naked: Side[] = [];
  const ours: Side[] = [];
  const turn = async (server: Server, sides: Side[], round: number): Promise<void> => {
    bench.progress(`${line.title}: ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}, ${server.name}`);
    const length = round === 0 ? Math.max(seconds, warmUpSeconds) : seconds;
    const side = await measureOnce(bench, server, line, length);
    if (round > 0) sides.push(side);
    await settle(bench);
  };
  for (let round = 0; round <= rounds; round += 1) {
    const turns = [() => turn(bench.naked, naked, round), () => turn(bench.ours, ours, round)];
    for (const run of round % 2 === 0 ? turns : turns.reverse()) await run();
  }
  return {
    ours: medianSide(ours),
    naked: medianSide(naked),
    ratio: median(ours.map(({ rate }, round) => rate / naked[round]!.rate)),
  };
}

export async function profileLine(
  bench: Bench,
  line: Line,
  seconds: number,
): Promise<{ summary: ProfileSummary; profile: unknown }> {
  bench.progress(`${line.title}: CPU profile`);
  await bench.ours.peer.call('profileStart');
  await load(bench, bench.ours, line, seconds);
  return bench.ours.peer.call('profileStop');
}

const activationTimeoutMs = 20_000;

/** A rest-hook Subscription to all Observations while `work` runs; the naked server posts its creates likewise. */
export async function withSubscription<T>(bench: Bench, work: () => Promise<T>): Promise<T> {
  const url = `http://127.0.0.1:${bench.ours.ports.http}${fhirPath}/Subscription`;
  const id = await subscribe(url, `http://127.0.0.1:${bench.receiverPort}`);
  await bench.naked.peer.call('notify', { port: bench.receiverPort });
  try {
    return await work();
  } finally {
    await bench.naked.peer.call('notify', {});
    await fetch(`${url}/${id}`, { method: 'DELETE' });
  }
}

async function subscribe(url: string, endpoint: string): Promise<string> {
  const created = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/fhir+json' },
    body: JSON.stringify({
      resourceType: 'Subscription',
      status: 'requested',
      reason: 'benchmark',
      criteria: 'Observation?status=final',
      channel: { type: 'rest-hook', endpoint, payload: 'application/fhir+json' },
    }),
  });
  const { id } = (await created.json()) as { id: string };
  for (const endMs = performance.now() + activationTimeoutMs; performance.now() < endMs; ) {
    const { status } = (await (await fetch(`${url}/${id}`)).json()) as { status: string };
    if (status === 'active') return id;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
  throw new Error('the Subscription did not become active');
}
