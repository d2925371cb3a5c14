// `node bench/websockets.ts [--sockets 5000] [--changes 500]`: so many clients, each bound to a Subscription of its own, on a
// whole server with everything embedded; what memory they cost, and how soon after the answer to a write its ping is there.
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { readyUrl, removeFolder } from './boot.ts';
import { memoryOf } from './processes.ts';

const options = { sockets: { type: 'string', default: '5000' }, changes: { type: 'string', default: '500' } } as const;
const { values } = parseArgs({ options });
const sockets = Number(values.sockets);
const changes = Number(values.changes);
const bundleEntries = 500;
const openedAtOnce = 50;
const settleMs = 5_000;

const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-sockets-'));
const ports = { PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', LOG_LEVEL: 'warn' };
const environment = {
  ...{ ...process.env, ...ports, DATA_DIR: path.join(dataDir, 'data') },
  WEBSOCKET_CONNECTIONS_MAX: String(sockets),
};

async function start() {
  const server = spawn(process.execPath, [path.join(import.meta.dirname, '../bin/cerebra.ts'), 'start'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const base = (await readyUrl(server.stdout)).replace('/readyz', '/fhir/R4');
  return {
    base,
    nodeMb: () => memoryOf(server.pid!).find(({ pid }) => pid === server.pid)?.pssMb ?? 0,
    async stop() {
      server.kill('SIGTERM');
      await ended;
    },
  };
}

interface Client {
  socket: WebSocket;
  /** When its last ping came, by performance.now(). */
  pingedMs: number;
}

async function post(base: string, body: object): Promise<{ entry: { response: { location: string } }[] }> {
  const reply = await fetch(base, {
    ...{ method: 'POST', headers: { 'Content-Type': 'application/fhir+json' } },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${(await reply.text()).slice(0, 500)}`);
  return (await reply.json()) as { entry: { response: { location: string } }[] };
}

async function subscribe(base: string): Promise<void> {
  for (let at = 0; at < sockets; at += bundleEntries) {
    const entry = Array.from({ length: Math.min(bundleEntries, sockets - at) }, (_, i) => ({
      request: { method: 'PUT', url: `Subscription/s${at + i}` },
      resource: {
        ...{ resourceType: 'Subscription', id: `s${at + i}`, status: 'requested', reason: 'benchmark' },
        ...{ criteria: `Observation?subject=Patient/p${at + i}`, channel: { type: 'websocket' } },
      },
    }));
    await post(base, { resourceType: 'Bundle', type: 'transaction', entry });
  }
  for (;;) {
    const reply = await fetch(`${base}/Subscription?status=active&_summary=count`);
    if (((await reply.json()) as { total: number }).total >= sockets) return;
    await pause(500);
  }
}

function open(url: string, id: string): Promise<Client> {
  const { promise, resolve, reject } = Promise.withResolvers<Client>();
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const client: Client = { socket, pingedMs: 0 };
  socket.on('error', reject);
  socket.on('open', () => socket.send(`bind ${id}`));
  socket.on('message', (data) => {
    const text = String(data);
    if (text === `bound ${id}`) resolve(client);
    else if (text === `ping ${id}`) client.pingedMs = performance.now();
    else reject(new Error(text));
  });
  return promise;
}

async function openAll(url: string): Promise<Client[]> {
  const clients: Client[] = [];
  for (let at = 0; at < sockets; at += openedAtOnce) {
    const some = Array.from({ length: Math.min(openedAtOnce, sockets - at) }, (_, i) => open(url, `s${at + i}`));
    clients.push(...(await Promise.all(some)));
  }
  return clients;
}

/** Milliseconds from the answer to each write to its ping, in order. */
async function pingTimes(base: string, clients: Client[]): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < changes; i++) {
    const client = clients[(i * 7919) % clients.length]!;
    const id = (i * 7919) % clients.length;
    client.pingedMs = 0;
    const reply = await fetch(`${base}/Observation`, {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/fhir+json' } },
      body: JSON.stringify({
        ...{ resourceType: 'Observation', status: 'final', code: { text: 'x' } },
        subject: { reference: `Patient/p${id}` },
      }),
    });
    const answeredMs = performance.now();
    await reply.arrayBuffer();
    while (client.pingedMs === 0) await pause(1);
    times.push(Math.max(0, client.pingedMs - answeredMs));
  }
  return times.sort((a, b) => a - b);
}

const say = (text: string) => process.stdout.write(`${text}\n`);

let server = await start();
try {
  await subscribe(server.base);
  // Anew, so that what the registering left in memory is not counted.
  await server.stop();
  server = await start();
  const { base, nodeMb } = server;
  await pause(settleMs);
  const beforeMb = nodeMb();
  const startedMs = performance.now();
  const clients = await openAll(`${base.replace('http', 'ws')}/ws`);
  const openedSeconds = (performance.now() - startedMs) / 1_000;
  await pause(settleMs);
  const openMb = nodeMb();
  const times = await pingTimes(base, clients);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))]!.toFixed(1);
  const perSocketKb = ((openMb - beforeMb) * 1_024) / sockets;
  say(`${sockets} web sockets, each bound to its own Subscription; opened in ${openedSeconds.toFixed(1)} s`);
  say(
    `node: ${beforeMb.toFixed(0)} MB before, ${openMb.toFixed(0)} MB with them open, ${perSocketKb.toFixed(1)} kB a socket`,
  );
  say(
    `from the answer of a write to its ping: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (${changes} changes, one at a time)`,
  );
  for (const { socket } of clients) socket.terminate();
} finally {
  await server.stop();
  await removeFolder(dataDir);
}
