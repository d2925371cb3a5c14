// `node bench/vitals-replay.ts [--patients 500] [--seconds 60] [--scores news2] [--no-alerts] [--kill 10,20]`: monitors that send a
// reading a second each over MQTT, blood pressure among them, to a whole server with everything embedded. How long after a
// reading was stored its NEWS2 and the Flags of its alerts are, and whether scores and alerts are those that the store leads to:
// none missing, none more, none other. --kill: so many seconds after the begin the server is killed (SIGKILL) and started again.
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { JsonObject, Resource } from '#fhir-model';
import { embeddedDb } from '../test/fault/server-process.ts';
import { plainNews2 } from '../test/plain-news2.ts';
import { readyUrl, removeFolder } from './boot.ts';
import { createRandom } from './data/random.ts';
import { type Publication, sendCarefully } from './load/careful.ts';
import { closedLoop, percentile } from './load/exchange.ts';
import { mqttConnect, mqttParser, mqttPublish } from './load/parsers.ts';
import { cpuMsOf } from './processes.ts';
import { setRules, tellAlerts } from './vitals-alerts.ts';

const { values } = parseArgs({
  options: {
    patients: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    scores: { type: 'string', default: 'news2' },
    alerts: { type: 'boolean', default: true },
    kill: { type: 'string', default: '' },
  },
  allowNegative: true,
});
const patients = Number(values.patients);
const seconds = Number(values.seconds);
const kills = values.kill.split(',').filter(Boolean).map(Number);
const connections = 16;
const bundleEntries = 500;
/** How long the last scores may take. */
const settleMsMax = 300_000;

/** Observations of the beginning, which arrive all at once. */
const charted = 2 * patients + Math.ceil(patients / 10);

const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-vitals-'));

async function start() {
  const ports = { PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', LOG_LEVEL: 'warn' };
  const server = spawn(process.execPath, [path.join(import.meta.dirname, '../bin/cerebra.ts'), 'start'], {
    env: { ...process.env, ...ports, DATA_DIR: path.join(dataDir, 'data'), SCORES: values.scores },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  let text = '';
  server.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  const ready = await readyUrl(server.stdout);
  const mqtt = /:(\d+)\s+embedded broker/;
  while (!mqtt.test(text)) await pause(10);
  const root = ready.replace('/readyz', '');
  return {
    root,
    cpuMs: () => cpuMsOf(server.pid!),
    base: `${root}/fhir/R4`,
    mqttPort: Number(mqtt.exec(text)![1]),
    async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') {
      server.kill(signal);
      await ended;
    },
  };
}

type Server = Awaited<ReturnType<typeof start>>;

async function ask(url: string, body?: object): Promise<Record<string, unknown>> {
  const headers = { 'Content-Type': 'application/fhir+json' };
  const reply = await fetch(url, body ? { method: 'POST', headers, body: JSON.stringify(body) } : {});
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${(await reply.text()).slice(0, 500)}`);
  return (await reply.json()) as Record<string, unknown>;
}

const own = (code: string): JsonObject => ({ coding: [{ system: 'urn:cerebra:vital', code }] });

/** A patient with a monitor; what nurses see is charted beforehand, for every tenth with the saturation scale 2. */
function bed(number: number): Resource[] {
  const id = `bed-${number}`;
  const effectiveDateTime = new Date(Date.now() - 60_000).toISOString();
  const charted = (code: string, value: string): Resource => ({
    ...{ resourceType: 'Observation', id: `${id}-${code}`, status: 'final', code: own(code) },
    ...{ subject: { reference: `Patient/${id}` }, effectiveDateTime, valueCodeableConcept: own(value) },
  });
  return [
    { resourceType: 'Patient', id, birthDate: '1950-05-05' },
    { resourceType: 'Device', id: `monitor-${number}`, patient: { reference: `Patient/${id}` } },
    charted('consciousness', number % 50 === 0 ? 'confusion' : 'alert'),
    charted('oxygen', number % 5 === 0 ? 'oxygen' : 'air'),
    ...(number % 10 === 0 ? [charted('spo2-scale', '2')] : []),
  ];
}

async function prepare({ base }: Server): Promise<void> {
  const resources = Array.from({ length: patients }, (_none, number) => bed(number)).flat();
  for (let at = 0; at < resources.length; at += bundleEntries) {
    const entry = resources.slice(at, at + bundleEntries).map((resource) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    }));
    await ask(base, { resourceType: 'Bundle', type: 'batch', entry });
  }
}

const random = createRandom(20_260_131);
const metrics: (() => object)[] = [
  () => ({ metric: 'respiratory-rate', value: 8 + random.below(20), unit: '/min' }),
  () => ({ metric: 'oxygen-saturation', value: 84 + random.below(17), unit: '%' }),
  () => ({ metric: 'blood-pressure', value: { systolic: 85 + random.below(100), diastolic: 60 }, unit: 'mmHg' }),
  () => ({ metric: 'heart-rate', value: 45 + random.below(90), unit: 'bpm' }),
  () => ({ metric: 'body-temperature', value: 35 + random.below(50) / 10, unit: 'Cel' }),
];

/** Of twenty monitors one is silent from a third of the time on, and one in the second third. */
function isSilent(bed: number, share: number): boolean {
  return (bed % 20 === 7 && share > 1 / 3) || (bed % 20 === 13 && share > 1 / 3 && share < 2 / 3);
}

let number = 0;

/** In the place of one that is silent the next one measures. */
function nextReading(): Publication {
  while (isSilent(number % patients, number / (patients * seconds))) number += 1;
  const turn = Math.floor(number / patients);
  const topic = `devices/monitor-${number % patients}/readings`;
  const reading = metrics[(turn + number) % metrics.length]!();
  number += 1;
  return { topic, payload: JSON.stringify({ time: new Date().toISOString(), ...reading }) };
}

async function replay({ mqttPort }: Server): Promise<number> {
  const sent = await closedLoop({
    ...{ port: mqttPort, connections, window: 64, seconds, perSecond: patients },
    parser: mqttParser,
    hello: (connection) => mqttConnect(`replay-${connection}`),
    next() {
      const { topic, payload } = nextReading();
      return mqttPublish(topic, (number % 65_535) + 1, payload);
    },
  });
  console.log(
    `readings   ${sent.count} acknowledged, ${(sent.count / sent.seconds).toFixed(0)}/s, p50 ${sent.p50Ms.toFixed(1)} ms, p99 ${sent.p99Ms.toFixed(1)} ms, ${sent.failures} failed`,
  );
  return sent.count;
}

/** The server is killed meanwhile, and started again on what it left. */
async function replayOverKills(): Promise<void> {
  const beginMs = performance.now();
  const killing = async () => {
    for (const afterSeconds of kills) {
      await pause(Math.max(0, beginMs + afterSeconds * 1_000 - performance.now()));
      await server.stop('SIGKILL');
      server = await start();
    }
  };
  const sender = { port: () => server.mqttPort, connections, perSecond: patients, seconds, next: nextReading };
  const [{ acknowledged, lost }] = await Promise.all([sendCarefully(sender), killing()]);
  console.log(
    `readings   ${acknowledged} acknowledged; killed ${kills.length} times, ${lost} connections lost or refused`,
  );
}

const subscriber = 'admin/subscriptions/score:vital-signs';

const isScored = values.scores !== 'none';

/** Nothing is to be scored or judged: what is found so three times has not just been written. */
async function settled({ root }: Server): Promise<void> {
  if (!isScored && !values.alerts) return;
  let idle = 0;
  for (let waitedMs = 0; waitedMs < settleMsMax; waitedMs += 500) {
    const { subscriptions } = await ask(`${root}/admin/subscriptions?limit=1000`);
    const all = subscriptions as { id: string; pending: number | string }[];
    idle = all.every(({ pending }) => Number(pending) === 0) ? idle + 1 : 0;
    if (idle === 3) return;
    await pause(500);
  }
  throw new Error(`there is still something to be scored or judged after ${settleMsMax} ms`);
}

/** From when a change was stored until its scores were, milliseconds, rising. */
async function latencies({ root }: Server): Promise<Float64Array> {
  const found: number[] = [];
  for (let after = 0; ; ) {
    const page = await ask(`${root}/${subscriber}/deliveries?limit=1000&after=${after}`);
    const deliveries = page.deliveries as { number: number; type: string; changed: string; ended: string }[];
    for (const { type, changed, ended } of deliveries) {
      if (type === 'Observation') found.push(Date.parse(ended) - Date.parse(changed));
    }
    if (deliveries.length < 1_000) break;
    after = Number(deliveries.at(-1)!.number);
  }
  return Float64Array.from(found.slice(charted)).sort();
}

function tellLatencies(ms: Float64Array): void {
  const late = ms.filter((one) => one > 1_000).length;
  const at = (share: number) => percentile(ms, share).toFixed(0);
  console.log(
    `scores     after p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms; ${late} of ${ms.length} later than 1 s`,
  );
}

async function searchAll(url: string): Promise<Resource[]> {
  const found: Resource[] = [];
  for (let next: string | undefined = url; next !== undefined; ) {
    const page: Record<string, unknown> = await ask(next);
    found.push(...((page.entry ?? []) as { resource: Resource }[]).map(({ resource }) => resource));
    next = (page.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

const codes = '9279-1,59408-5,85354-9,8867-4,8310-5,consciousness,oxygen,spo2-scale';
const told = (patient: string, atMs: number, total: unknown): string => `${patient} ${atMs} ${total ?? 'incomplete'}`;

async function compare({ base }: Server) {
  const vitals = await searchAll(`${base}/Observation?code=${codes}&_count=1000`);
  const scores = await searchAll(`${base}/Observation?_tag=urn:cerebra:score|news2&_count=1000`);
  const expected = new Set(plainNews2(vitals).map(({ patient, atMs, total }) => told(patient, atMs, total)));
  const actual = new Set(
    scores
      .filter(({ status }) => status !== 'entered-in-error')
      .map((one) => {
        const patient = String((one.subject as JsonObject).reference).replace('Patient/', '');
        const total = (one.valueQuantity as JsonObject | undefined)?.value;
        return told(patient, Date.parse(String(one.effectiveDateTime)), total);
      }),
  );
  const missing = expected.difference(actual);
  return { vitals: vitals.length, expected: expected.size, missing, more: actual.difference(expected) };
}

async function alertsAreRight(): Promise<boolean> {
  const db = await embeddedDb(path.join(dataDir, 'data'));
  try {
    const { root, base } = server;
    const search = (query: string) => searchAll(`${base}/${query}`);
    return await tellAlerts({ db, search, admin: (below) => ask(`${root}${below}`) });
  } finally {
    await db.close();
  }
}

let server = await start();
try {
  await prepare(server);
  if (values.alerts) await setRules(server.root, ask);
  await settled(server);
  console.log(`${patients} patients, a reading a second each for ${seconds} s; scores: ${values.scores}`);
  if (kills.length > 0) {
    await replayOverKills();
    await settled(server);
  } else {
    const cpuMs = server.cpuMs();
    const sent = await replay(server);
    await settled(server);
    const msPerReading = (server.cpuMs() - cpuMs) / sent;
    console.log(`processor  ${msPerReading.toFixed(2)} ms a reading, server and database together`);
  }
  if (isScored) tellLatencies(await latencies(server));
  if (values.scores.split(',').includes('news2')) {
    const { vitals, expected, missing, more } = await compare(server);
    console.log(
      `NEWS2      ${expected} expected of ${vitals} Observations: ${missing.size} missing, ${more.size} more`,
    );
    for (const one of [...missing].slice(0, 5)) console.log(`  missing  ${one}`);
    for (const one of [...more].slice(0, 5)) console.log(`  more     ${one}`);
    if (missing.size + more.size > 0) process.exitCode = 1;
  }
  if (values.alerts && !(await alertsAreRight())) process.exitCode = 1;
} finally {
  await server.stop();
  await removeFolder(dataDir);
}
