// `node bench/terminology.ts [--concepts 400000] [--seconds 3]`: a generated hierarchical code system is loaded into the
// tables of an embedded PostgreSQL, then asked over HTTP. docs/performance.md has the numbers.
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Resource } from '#fhir-model';
import {
  type Connection,
  connectDb,
  createLog,
  type EmbeddedPostgres,
  migrate,
  startEmbeddedPostgres,
} from '#platform';
import { writeSystem } from '#terminology';
import { removeFolder } from './boot.ts';
import { createRandom, type Random } from './data/random.ts';
import { closedLoop, type Measured } from './load/exchange.ts';
import { httpParser } from './load/parsers.ts';
import { cpuMsOf } from './processes.ts';
import { startPeer } from './rpc.ts';

const URL_OF_SYSTEM = 'http://bench.example.org/terms';
const about = {
  ...{ resourceType: 'CodeSystem', url: URL_OF_SYSTEM, version: '1', name: 'Bench', status: 'active' },
  ...{ caseSensitive: true, hierarchyMeaning: 'is-a', content: 'complete' },
} as unknown as Resource;

const log = createLog({ level: 'warn' });
const interrupt = new AbortController();

/** Words of the displays: few common ones, many rare ones. */
const words = (random: Random): string =>
  [3_000, 300, 3_000, 30].map((count) => `w${random.below(count).toString(36)}x`).join(' ');

const codeOf = (n: number): string => `C${n}`;
/** Eight children each; every fifth concept has a second parent. */
const parentOf = (n: number): number => Math.floor((n - 1) / 8);

async function load(connection: Connection, concepts: number) {
  const db = connectDb({ ...connection, poolMax: 10, log });
  await migrate(db, path.join(import.meta.dirname, '../migrations'), log);
  const startedMs = performance.now();
  const random = createRandom(1);
  const writer = await writeSystem(db, { url: URL_OF_SYSTEM, version: '1', about, caseSensitive: true });
  for (let i = 0; i < concepts; i++) {
    const n = writer.add({ code: codeOf(i), display: words(random) })!;
    if (i > 0) writer.parent(n, codeOf(parentOf(i)));
    if (i > 100 && i % 5 === 0) writer.parent(n, codeOf(random.below(parentOf(i))));
    if (i % 500 === 0) {
      writer.property(n, { code: 'kind', type: 'string', value: 'bench' });
      await writer.drain();
    }
  }
  const written = await writer.finish();
  const seconds = (performance.now() - startedMs) / 1_000;
  await db.close();
  return { seconds, ...written };
}

interface Line {
  name: string;
  connections: number;
  request(random: Random, concepts: number): string;
}

const system = encodeURIComponent(URL_OF_SYSTEM);
const implicit = (query: string): string => encodeURIComponent(`${URL_OF_SYSTEM}?fhir_vs${query}`);

const lines: Line[] = [
  {
    name: '$lookup',
    connections: 32,
    request: (random, n) => `CodeSystem/$lookup?system=${system}&code=${codeOf(random.below(n))}`,
  },
  {
    name: 'CodeSystem/$validate-code',
    connections: 32,
    request: (random, n) => `CodeSystem/$validate-code?url=${system}&code=${codeOf(random.below(n))}`,
  },
  {
    name: '$subsumes',
    connections: 32,
    request: (random, n) =>
      `CodeSystem/$subsumes?system=${system}&codeA=${codeOf(random.below(5_000))}&codeB=${codeOf(random.below(n))}`,
  },
  {
    name: 'ValueSet/$validate-code',
    connections: 32,
    request: (random, n) =>
      `ValueSet/$validate-code?url=${implicit('=isa/C3')}&system=${system}&code=${codeOf(random.below(n))}`,
  },
  {
    name: '$expand, two words',
    connections: 1,
    request: (random) => {
      const [first = '', second = ''] = words(random).split(' ');
      return `ValueSet/$expand?url=${implicit('')}&count=20&filter=${first.slice(0, 3)}+${second.slice(0, 3)}`;
    },
  },
  {
    name: '$expand, is-a page',
    connections: 1,
    request: (random) =>
      `ValueSet/$expand?url=${implicit(`=isa/${codeOf(random.below(2_000))}`)}&count=20&offset=${random.below(5) * 20}`,
  },
];

function measure(line: Line, port: number, concepts: number, seconds: number): Promise<Measured> {
  const random = createRandom(7);
  const next = (): Buffer =>
    Buffer.from(`GET /fhir/R4/${line.request(random, concepts)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  return closedLoop({ port, connections: line.connections, window: 1, seconds, parser: httpParser, next });
}

/** Processor time so far, ms. On a shared machine it tells more than the rate. */
interface Spent {
  server: number;
  postgres: number;
}

function tell(name: string, measured: Measured, spent: Spent): void {
  const { count, seconds, p50Ms, p95Ms, p99Ms, failures, firstFailure } = measured;
  const perRequest = (ms: number): string => `${Math.round((ms * 1_000) / count)} µs`;
  const rate = Math.round(count / seconds);
  const failed = failures === 0 ? '' : `, ${failures} failed: ${firstFailure}`;
  console.log(
    `${name}: ${rate}/s, p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms; processor time of the server ${perRequest(spent.server)}, of PostgreSQL ${perRequest(spent.postgres)}${failed}`,
  );
}

async function run(
  { connection, pid }: EmbeddedPostgres,
  concepts: number,
  seconds: number,
  only: string,
): Promise<void> {
  const loaded = await load(connection, concepts);
  const rate = Math.round(loaded.concepts / loaded.seconds);
  console.log(`load: ${rate} concepts/s, ${loaded.concepts} concepts with ${loaded.closure} pairs of the closure`);
  const settings = JSON.stringify({ connection, poolMax: 20 });
  const server = startPeer(path.join(import.meta.dirname, 'ours.ts'), { BENCH_OURS: settings }, interrupt.signal);
  const spent = async (): Promise<Spent> => ({ server: await server.call<number>('cpuMs'), postgres: cpuMsOf(pid) });
  try {
    const { http } = await server.call<{ http: number }>('start');
    for (const line of lines.filter(({ name }) => name.includes(only))) {
      await measure(line, http, concepts, Math.min(1, seconds)); // warm
      const before = await spent();
      const measured = await measure(line, http, concepts, seconds);
      const after = await spent();
      tell(line.name, measured, { server: after.server - before.server, postgres: after.postgres - before.postgres });
    }
  } finally {
    await server.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      concepts: { type: 'string', default: '400000' },
      seconds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
    },
  });
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-bench-'));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, log });
    process.once('exit', postgres.abandon);
    try {
      await run(postgres, Number(values.concepts), Number(values.seconds), values.only);
    } finally {
      await postgres.stop();
      process.off('exit', postgres.abandon);
    }
  } finally {
    await removeFolder(dataDir);
  }
}

process.once('SIGINT', () => interrupt.abort());
await main();
