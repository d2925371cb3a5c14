// `node bench/hl7/mllp.ts`: ORU^R01 over MLLP to committed FHIR, against a server of its own on an embedded PostgreSQL.
//   --seconds n    length of a measurement (20)
//   --messages n   for memory: how many messages, after the measurements (0: none)
//   --profile dir  a CPU profile of the server while 16 connections send
import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createLog, type EmbeddedPostgres, startEmbeddedPostgres } from '#platform';
import { removeFolder } from '../boot.ts';
import type { Measured } from '../load/exchange.ts';
import { cpuMsOf, memoryOf } from '../processes.ts';
import { type Peer, startPeer } from '../rpc.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    messages: { type: 'string', default: '0' },
    profile: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const messages = Number(values.messages);
if (!(seconds > 0) || !(messages >= 0)) throw new Error('--seconds and --messages are numbers');
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());

interface Rig {
  ours: Peer;
  loader: Peer;
  port: number;
  postgresPid: number;
}

let firstNumber = 0;

/** Processor time a message, in microseconds: what varies less than the rate while other programs run. */
interface Sent extends Measured {
  nodeUs: number;
  postgresUs: number;
}

async function send(rig: Rig, connections: number, forSeconds: number, perSecond?: number): Promise<Sent> {
  // Numbers that no other run has used: every message is new.
  firstNumber += 10_000_000;
  const load = { port: rig.port, connections, window: 1, seconds: forSeconds, firstNumber, perSecond };
  const [nodeMs, postgresMs] = await cpuOf(rig);
  const measured = await rig.loader.call<Measured>('mllp', load);
  if (measured.failures > 0) throw new Error(`${measured.failures} messages failed: ${measured.firstFailure}`);
  const [nodeMsAfter, postgresMsAfter] = await cpuOf(rig);
  const each = (ms: number): number => (ms * 1_000) / measured.count;
  return { ...measured, nodeUs: each(nodeMsAfter - nodeMs), postgresUs: each(postgresMsAfter - postgresMs) };
}

const cpuOf = async ({ ours, postgresPid }: Rig): Promise<[nodeMs: number, postgresMs: number]> => [
  await ours.call<number>('cpuMs'),
  cpuMsOf(postgresPid),
];

const rateOf = ({ count, seconds: took }: Measured): number => count / took;

function tell(what: string, measured: Sent): void {
  const { p50Ms, p95Ms, p99Ms, nodeUs, postgresUs } = measured;
  const times = [p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(1)).join(' / ');
  const cpu = `node ${nodeUs.toFixed(0)}, PostgreSQL ${postgresUs.toFixed(0)} µs each`;
  console.log(`${what.padEnd(44)} ${rateOf(measured).toFixed(0).padStart(6)}/s   p50 / p95 / p99 ${times} ms   ${cpu}`);
}

async function rates(rig: Rig): Promise<void> {
  await send(rig, 16, 8);
  if (values.profile !== undefined) await rig.ours.call('profileStart');
  const many = await send(rig, 16, seconds);
  if (values.profile !== undefined) {
    const { profile } = await rig.ours.call<{ profile: unknown }>('profileStop');
    await writeFile(path.join(values.profile, 'mllp.cpuprofile'), JSON.stringify(profile));
  }
  tell('16 connections, each waits for its answer', many);
  tell('one connection', await send(rig, 1, seconds));
  const half = Math.round(rateOf(many) / 2);
  tell(`16 connections, ${half} messages a second`, await send(rig, 16, seconds, half));
}

const pssMb = (pid: number): number => memoryOf(pid).reduce((total, one) => total + one.pssMb, 0);

/** In ten steps: what the server's heap and process have after each, and PostgreSQL. */
async function memory(rig: Rig): Promise<void> {
  console.log('\nmessages     heap    node  postgres  MB');
  for (let sent = 0; sent < messages; ) {
    const { count } = await send(rig, 16, Math.max(2, messages / 10 / 500));
    sent += count;
    const { heapUsed, pid } = await rig.ours.call<{ heapUsed: number; pid: number }>('memory');
    const cells = [sent, heapUsed / 1_048_576, memoryOf(pid)[0]?.pssMb ?? 0, pssMb(rig.postgresPid)];
    console.log(cells.map((cell, i) => cell.toFixed(0).padStart(i === 3 ? 10 : 8)).join(''));
  }
}

async function run({ connection, pid }: EmbeddedPostgres): Promise<void> {
  const start = (name: string, environment = {}): Peer =>
    startPeer(path.join(import.meta.dirname, '..', name), environment, interrupt.signal);
  const ours = start('ours.ts', { BENCH_OURS: JSON.stringify({ connection, poolMax: 20 }) });
  const loader = start('load/main.ts');
  try {
    const { mllp } = await ours.call<{ mllp: number }>('start');
    const rig: Rig = { ours, loader, port: mllp, postgresPid: pid };
    await rates(rig);
    if (messages > 0) await memory(rig);
  } finally {
    await Promise.all([ours.stop(), loader.stop()]);
  }
}

const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-mllp-'));
try {
  const postgres = await startEmbeddedPostgres({ dataDir, log: createLog({ level: 'warn' }) });
  process.once('exit', postgres.abandon);
  await run(postgres).finally(() => postgres.stop());
  process.off('exit', postgres.abandon);
} finally {
  await removeFolder(dataDir);
}
