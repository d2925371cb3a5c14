// How fast queued HL7 messages reach a receiver: node bench/hl7/outbound.ts [--messages 20000] [--connections 8]
//   [--patients 500] [--backlog 0]
// The receiver acknowledges at once, in a thread of its own. `--backlog` puts so many rows for another destination, and
// as many that were delivered, beside them, and tells the plan and time of the read of the next batch.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { createOutbound, type OutboundQueues, readDestinations } from '#hl7-engine';
import { connectDb, createMetrics, type Db, migrate, startEmbeddedPostgres, systemClock } from '#platform';
import { testLog } from '#platform/testing';

const end = Buffer.from('\x1c\r');

function serve(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      for (let at = bytes.indexOf(end); at >= 0; at = bytes.indexOf(end)) {
        const controlId = bytes.toString('latin1', 0, 300).split('|')[9] ?? '';
        bytes = bytes.subarray(at + end.length);
        socket.write(`\x0bMSH|^~\\&|DOUBLE|||||| ACK|${controlId}|P|2.5.1\rMSA|AA|${controlId}\r\x1c\r`);
      }
    });
  });
  server.listen(0, '127.0.0.1', () => parentPort!.postMessage((server.address() as { port: number }).port));
}

interface Options {
  messages: number;
  connections: number;
  patients: number;
  backlog: number;
}

function readArguments(): Options {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '20000' },
      connections: { type: 'string', default: '8' },
      patients: { type: 'string', default: '500' },
      backlog: { type: 'string', default: '0' },
    },
  });
  const numbers = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)]));
  return numbers as unknown as Options;
}

const filler = 'OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L^mmol/L^UCUM|3.9-5.6|N|||F\r'.repeat(25);

function bodyOf(controlId: string, patient: string): Buffer {
  const head = `MSH|^~\\&|BENCH|BENCH|DOUBLE|BENCH|20260101||ORU^R01|${controlId}|P|2.5.1\rPID|1||${patient}\r`;
  return Buffer.from(head + filler);
}

async function fill(db: Db, queues: OutboundQueues, { messages, patients }: Options): Promise<void> {
  for (let at = 0; at < messages; at += 500) {
    const many = Array.from({ length: Math.min(500, messages - at) }, (_, index) => {
      const partition = `P${(at + index) % patients}`;
      const controlId = `B${at + index}`;
      return { destination: 'double', partition, controlId, body: bodyOf(controlId, partition) };
    });
    await db.tx((tx) => queues.enqueue(tx, many));
  }
}

async function addBacklog(db: Db, rows: number): Promise<void> {
  const insert = `insert into hl7_outbound (destination, lane, control_id, body, body_bytes, state, ended_at)
    select 'other', n % 5000, 'X' || n, decode(repeat('4d53487c', 200), 'hex'), 800, $1::text,
      case when $1 = 'delivered' then now() end from generate_series(1, $2::int) n`;
  for (const state of ['delivered', 'queued']) {
    await db.tx(async (tx) => {
      await tx.query({ text: 'set local statement_timeout = 0' });
      await tx.query({ text: insert }, [state, rows]);
    });
  }
  await db.query({ text: 'analyze hl7_outbound' });
}

async function tellPlan(db: Db): Promise<void> {
  const glance = `select id, lane, other_lanes from hl7_outbound where destination = $1 and id + 0 >= $2 and id + 0 <= $3
    and state = 'queued' order by id + 0 limit $4`;
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    const lines = await db.tx(async (tx) => {
      await tx.query({ text: `set local plan_cache_mode = ${mode}` });
      await tx.query({ text: `prepare g (text, bigint, bigint, int) as ${glance}` });
      const execute = `explain (analyze, buffers) execute g ('other', 0, 9223372036854775807, 1024)`;
      await tx.query({ text: execute });
      const rows = await tx.query<Record<string, string>>({ text: execute });
      await tx.query({ text: 'deallocate g' });
      return rows.map((row) => row['QUERY PLAN']);
    });
    process.stdout.write(`${mode}\n${lines.join('\n')}\n`);
  }
}

async function main(): Promise<void> {
  const options = readArguments();
  const worker = new Worker(import.meta.filename);
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-bench-'));
  await chmod(folder, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir: folder, log: testLog() });
  const db = connectDb({ ...postgres.connection, poolMax: 20, log: testLog() });
  await migrate(db, path.join(import.meta.dirname, '../../migrations'), testLog());
  const destination = { name: 'double', kind: 'mllp', host: '127.0.0.1', port, connections: options.connections };
  const destinations = readDestinations(JSON.stringify([destination]));
  const queues = createOutbound({
    ...{ db, log: testLog(), metrics: createMetrics(), clock: systemClock, random: Math.random },
    destinations,
  });
  if (options.backlog > 0) {
    await addBacklog(db, options.backlog);
    await tellPlan(db);
  }
  await queues.configure(destinations);
  await fill(db, queues, options);
  const startMs = performance.now();
  await queues.start();
  const left = `select count(*)::int as n from hl7_outbound where destination = 'double' and state = 'queued'`;
  for (;;) {
    const [row] = await db.query<{ n: number }>({ text: left });
    if (row!.n === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const each = `${options.messages} messages of ${bodyOf('B0', 'P0').length} bytes, ${options.connections} connections`;
  process.stdout.write(`${each}: ${seconds.toFixed(2)} s, ${Math.round(options.messages / seconds)} messages/s\n`);
  await queues.stop();
  await db.close();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
  await worker.terminate();
}

if (isMainThread) await main();
else serve();
