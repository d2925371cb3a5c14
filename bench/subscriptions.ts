// `node bench/subscriptions.ts [--seconds 10] [--rounds 3] [--only latency,sustained,writes,sparse]`: a whole server with everything
// embedded and rest-hooks that answer at once: how soon after a write its notification is there at 200 writes a second, how many
// notifications a second are sustained, and what 1,000 active Subscriptions take from the writes.
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { JsonObject } from '#fhir-model';
import { readyUrl, removeFolder } from './boot.ts';
import { closedLoop, percentile } from './load/exchange.ts';
import { httpParser, httpRequests } from './load/parsers.ts';
import { cpuMsOf } from './processes.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'latency,sustained,writes' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const parts = values.only.split(',');
const connections = 16;
const writesPerSecond = 200;
const subscriptionsOfWrites = 1_000;
const bundleEntries = 250;
const system = 'urn:example:bench';
const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
const waitMsMax = 60_000;

const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-subscriptions-'));

async function start() {
  const ports = { PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', LOG_LEVEL: 'warn', SCORES: 'none' };
  const server = spawn(process.execPath, [path.join(import.meta.dirname, '../bin/cerebra.ts'), 'start'], {
    // All receivers are one host here: its share of the requests is not what is measured.
    env: { ...process.env, ...ports, DATA_DIR: path.join(dataDir, 'data'), SUBSCRIPTION_HOST_MAX: '64' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const base = (await readyUrl(server.stdout)).replace('/readyz', '/fhir/R4');
  return {
    base,
    port: Number(new URL(base).port),
    cpuMs: () => cpuMsOf(server.pid!),
    async stop() {
      server.kill('SIGTERM');
      await ended;
    },
  };
}

const thanks = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');

/**
 * What arrives: how many requests, when the last one was, and when each resource first did. Over raw sockets, as the writes are sent:
 * Node's http took as much of the two processors for a request as the server for the notification.
 */
async function startReceiver() {
  const arrived = { count: 0, events: 0, firstMs: 0, lastMs: 0, byId: new Map<string, number>() };
  const note = (head: string): void => {
    const nowMs = performance.now();
    if (arrived.count++ === 0) arrived.firstMs = nowMs;
    arrived.lastMs = nowMs;
    const target = head.slice(0, head.indexOf(' HTTP/'));
    const id = target.slice(target.lastIndexOf('/') + 1);
    if (!arrived.byId.has(id)) arrived.byId.set(id, nowMs);
    const number = /\r\nX-Cerebra-Event-Number: (\d+)/.exec(head)?.[1];
    arrived.events = Math.max(arrived.events, Number(number ?? 0));
  };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const push = httpRequests((head) => {
      note(head);
      socket.write(thanks);
    });
    socket.on('data', push);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    arrived,
    reset() {
      Object.assign(arrived, { count: 0, events: 0 });
      arrived.byId.clear();
    },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function post(base: string, body: JsonObject): Promise<JsonObject> {
  const headers = { 'Content-Type': 'application/fhir+json' };
  const reply = await fetch(base, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${(await reply.text()).slice(0, 500)}`);
  return (await reply.json()) as JsonObject;
}

async function transaction(base: string, entries: JsonObject[]): Promise<void> {
  for (let at = 0; at < entries.length; at += bundleEntries) {
    await post(base, { resourceType: 'Bundle', type: 'transaction', entry: entries.slice(at, at + bundleEntries) });
  }
}

const putEntry = (resource: JsonObject): JsonObject => ({
  resource,
  request: { method: 'PUT', url: `${String(resource.resourceType)}/${String(resource.id)}` },
});

const criteriaSubscription = (id: string, endpoint: string, code: string): JsonObject => ({
  ...{ resourceType: 'Subscription', id, status: 'requested', reason: 'benchmark' },
  criteria: `Observation?code=${system}|${code}`,
  channel: { type: 'rest-hook', endpoint, payload: 'application/fhir+json' },
});

const topicSubscription = (id: string, endpoint: string, maxCount: number): JsonObject => ({
  ...{ resourceType: 'Subscription', id, status: 'requested', reason: 'benchmark' },
  criteria: 'urn:cerebra:topic:new-result',
  channel: {
    ...{ type: 'rest-hook', endpoint, payload: 'application/fhir+json' },
    _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: 'id-only' }] },
    extension: [{ url: `${guide}/backport-max-count`, valuePositiveInt: maxCount }],
  },
});

const observation = (id: string, code: string): JsonObject => ({
  ...{ resourceType: 'Observation', id, status: 'final', subject: { reference: 'Patient/bench' } },
  code: { coding: [{ system, code }] },
  effectiveDateTime: '2026-01-05T08:00:00Z',
  valueQuantity: { value: 4.1, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
});

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + waitMsMax; !(await isSo()); await pause(20)) {
    if (performance.now() > endMs) throw new Error(`waited ${waitMsMax} ms for ${what}: ${arrived.count} came`);
  }
}

async function subscribe(base: string, subscriptions: JsonObject[]): Promise<void> {
  await transaction(base, subscriptions.map(putEntry));
  await until('the Subscriptions to be active', async () => {
    const reply = await fetch(`${base}/Subscription?status=active&_total=accurate&_count=1`);
    return ((await reply.json()) as { total: number }).total === subscriptions.length;
  });
}

async function unsubscribe(base: string, subscriptions: JsonObject[]): Promise<void> {
  await transaction(
    base,
    subscriptions.map(({ id }) => ({ request: { method: 'DELETE', url: `Subscription/${String(id)}` } })),
  );
}

function request(method: string, path: string, resource: JsonObject): Buffer {
  const body = JSON.stringify(resource);
  const head = `${method} /fhir/R4/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/fhir+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

const putRequest = (resource: JsonObject): Buffer => request('PUT', `Observation/${String(resource.id)}`, resource);

const postRequest = ({ id: _, ...resource }: JsonObject): Buffer => request('POST', 'Observation', resource);

const rows: string[][] = [['', 'measured', 'target']];
const server = await start();
const receiver = await startReceiver();
const { arrived } = receiver;
let number = 0;

/** Writes for so long. Yields when each was sent and the rate at which they were answered. */
async function write(codeOf: (write: number) => string, length: number, perSecond?: number, requestOf = putRequest) {
  const sentMs = new Map<string, number>();
  const { count, failures, firstFailure, ...measured } = await closedLoop({
    ...{ port: server.port, connections, window: 1, seconds: length, parser: httpParser, perSecond },
    next() {
      const id = `b-${number}`;
      sentMs.set(id, performance.now());
      return requestOf(observation(id, codeOf(number++)));
    },
  });
  if (failures > 0) throw new Error(`${failures} writes failed: ${firstFailure}`);
  return { sentMs, count, rate: count / measured.seconds };
}

async function latency(): Promise<void> {
  const subscriptions = [criteriaSubscription('latency', receiver.url, 'latency')];
  await subscribe(server.base, subscriptions);
  const warmUp = await write(() => 'latency', seconds, writesPerSecond);
  await until('all notifications', () => arrived.byId.size >= warmUp.count);
  receiver.reset();
  const { sentMs, count } = await write(() => 'latency', seconds, writesPerSecond);
  await until('all notifications', () => arrived.byId.size >= count);
  const sorted = Float64Array.from([...sentMs].map(([id, ms]) => arrived.byId.get(id)! - ms)).sort();
  const figure = `p50 ${percentile(sorted, 0.5).toFixed(1)} ms, p99 ${percentile(sorted, 0.99).toFixed(1)} ms`;
  rows.push([`write → rest-hook at ${writesPerSecond}/s, from sending the write`, figure, 'p50 ≤ 10, p99 ≤ 50']);
  await unsubscribe(server.base, subscriptions);
}

/** Writes all at once, then counts how fast the rest-hooks are called. */
async function sustained(title: string, subscriptions: JsonObject[], code: string, writes: number): Promise<void> {
  await subscribe(server.base, subscriptions);
  receiver.reset();
  const expected = writes * subscriptions.length;
  const isTopic = String(subscriptions[0]!.criteria).startsWith('urn:');
  const cpuMs = server.cpuMs();
  await transaction(
    server.base,
    Array.from({ length: writes }, () => putEntry(observation(`b-${number++}`, code))),
  );
  await until('all notifications', () => (isTopic ? arrived.events >= writes : arrived.count >= expected));
  const rate = expected / ((arrived.lastMs - arrived.firstMs) / 1_000);
  const cpu = ((server.cpuMs() - cpuMs) * 1_000) / expected;
  const figure = `${rate.toFixed(0)}/s, ${cpu.toFixed(0)} µs of processor time each`;
  rows.push([`${title}, ${expected} events`, figure, '≥ 2,000/s']);
  await unsubscribe(server.base, subscriptions);
}

const median = (all: number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1]!;

/** Rounds with and without Subscriptions take turns, after all is told; each share is that of neighbours. */
async function writesBeside(title: string, codeOf: (write: number) => string): Promise<void> {
  const subscriptions = Array.from({ length: subscriptionsOfWrites }, (_, at) =>
    criteriaSubscription(`s-${at}`, receiver.url, `writes-${at % 100}`),
  );
  const [alone, beside, told]: [number[], number[], number[]] = [[], [], []];
  const run = () => write(codeOf, seconds, undefined, postRequest);
  await run();
  for (let round = 0; round < rounds; round++) {
    alone.push((await run()).rate);
    await subscribe(server.base, subscriptions);
    receiver.reset();
    const { rate } = await run();
    beside.push(rate);
    told.push(arrived.count / seconds);
    await unsubscribe(server.base, subscriptions);
    await pause(500);
  }
  const falls = alone.map((rate, round) => 100 * (1 - beside[round]! / rate));
  const figure = `${median(beside).toFixed(0)} writes/s, without ${median(alone).toFixed(0)}: ${median(falls).toFixed(0)} % less; ${median(told).toFixed(0)} notifications/s meanwhile`;
  rows.push([title, figure, '< 10 % less']);
}

try {
  if (parts.includes('latency')) await latency();
  if (parts.includes('sustained')) {
    const fifty = Array.from({ length: 50 }, (_, at) => criteriaSubscription(`fan-${at}`, receiver.url, 'fan'));
    await sustained('50 Subscriptions', fifty, 'fan', 400);
    await sustained('one Subscription', [criteriaSubscription('one', receiver.url, 'one')], 'one', 4_000);
    await sustained(
      'one, to a topic, up to 100 a notification',
      [topicSubscription('t', receiver.url, 100)],
      'x',
      10_000,
    );
  }
  const matching = (one: number) => `writes-${one % 100}`;
  const isWanted = (part: string) => parts.includes('writes') || parts.includes(part);
  if (parts.includes('writes')) await writesBeside('1,000 active, none matches', () => 'others');
  if (isWanted('sparse')) {
    await writesBeside('1,000 active, one write in 100 matches 10', (one) =>
      one % 100 === 0 ? matching(one / 100) : 'others',
    );
  }
  if (parts.includes('writes')) await writesBeside('1,000 active, each write matches 10', matching);
} finally {
  await server.stop();
  receiver.close();
  await removeFolder(path.join(dataDir, 'data'));
}
const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
console.log(
  `${os.cpus().length} processors, load ${os
    .loadavg()
    .map((one) => one.toFixed(1))
    .join(' ')}`,
);
