// `node bench/scale/run.ts --resources 200000,2000000`: generated records loaded by `cerebra load`, then what they take of
// the disk and how long searches over HTTP take, side by side.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connectDb, createLog, findEmbeddedPostgres } from '#platform';
import { removeFolder } from '../boot.ts';
import { cpuMsOf } from '../processes.ts';
import { generate } from './generate.ts';
import { type Disk, type Latency, measureDisk, measureSearches } from './measure.ts';
import { runCommand, serve, untilIdle } from './server.ts';

interface Size {
  resources: number;
  patients: number;
  jsonBytes: number;
  loadSeconds: number;
  /** Processor time of the load, PostgreSQL's included. */
  loadCpuMs: number;
  disk: Disk;
  latencies: Latency[];
}

const say = (text: string): void => console.error(text);

async function diskOf(dataDir: string): Promise<Disk> {
  const connection = await findEmbeddedPostgres(dataDir);
  if (!connection) throw new Error('the server is not there');
  const db = connectDb({ ...connection, poolMax: 1, log: createLog({ level: 'warn', pretty: true }) });
  try {
    return await measureDisk(db);
  } finally {
    await db.close();
  }
}

async function measureSize(resources: number, folder: string, keep: boolean): Promise<Size> {
  const input = path.join(folder, 'input');
  const dataDir = path.join(folder, 'data');
  await mkdir(dataDir, { recursive: true });
  try {
    const made = await generate(input, resources);
    say(
      `${made.resources} resources of ${made.patients} patients, ${Math.round(made.jsonBytes / made.resources)} bytes each`,
    );
    await runCommand(dataDir, ['migrate']);
    const [startedMs, cpuMs] = [performance.now(), cpuMsOf(process.pid)];
    await runCommand(dataDir, ['load', input]);
    const loadSeconds = (performance.now() - startedMs) / 1000;
    const loadCpuMs = cpuMsOf(process.pid) - cpuMs;
    await rm(input, { recursive: true });
    const server = await serve(dataDir);
    try {
      const disk = await diskOf(dataDir);
      await untilIdle(server);
      const latencies = await measureSearches(server, made.patients, (text) => say(`FAILED ${text}`));
      return { ...made, loadSeconds, loadCpuMs, disk, latencies };
    } finally {
      await server.stop();
    }
  } finally {
    if (!keep) await removeFolder(dataDir);
    await rm(input, { recursive: true, force: true });
  }
}

const row = (cells: string[]): string => `| ${cells.join(' | ')} |`;
const thousands = (n: number): string => Math.round(n).toLocaleString('en-US');

function loadTable(sizes: Size[]): string {
  const lines: [string, (size: Size) => string][] = [
    ['raw JSON, bytes a resource', (size) => thousands(size.jsonBytes / size.resources)],
    ['load, resources/s', (size) => thousands(size.resources / size.loadSeconds)],
    ['load, CPU µs a resource', (size) => thousands((size.loadCpuMs * 1000) / size.resources)],
    ['disk, bytes a resource', (size) => thousands(size.disk.total / size.resources)],
    ['disk, times raw JSON', (size) => (size.disk.total / size.jsonBytes).toFixed(2)],
  ];
  return lines.map(([name, tell]) => row([name, ...sizes.map(tell)])).join('\n');
}

/** Parts under so many bytes a resource are summed up. */
const PART_BYTES_MIN = 5;

function diskTable(sizes: Size[]): string {
  const largest = sizes.at(-1)!;
  const isLarge = (part: string): boolean => largest.disk.parts.get(part)! / largest.resources >= PART_BYTES_MIN;
  const shown = [...largest.disk.parts.keys()].filter(isLarge);
  const tell = (size: Size, part: string): string => ((size.disk.parts.get(part) ?? 0) / size.resources).toFixed(0);
  const others = (size: Size): string => {
    const bytes = [...size.disk.parts].filter(([part]) => !shown.includes(part)).reduce((sum, [, one]) => sum + one, 0);
    return (bytes / size.resources).toFixed(0);
  };
  return [
    ...shown.map((part) => row([part, ...sizes.map((size) => tell(size, part))])),
    row(['all others', ...sizes.map(others)]),
  ].join('\n');
}

function searchTable(sizes: Size[]): string {
  return sizes
    .at(-1)!
    .latencies.map(({ name, targetMs, p95Ms }) => {
      const cells = sizes.map(({ latencies }) => {
        const one = latencies.find((each) => each.name === name);
        return one
          ? `${one.p50Ms.toFixed(1)} / ${one.p95Ms.toFixed(1)}, ${one.cpuMs.toFixed(1)} (${thousands(one.matches)})`
          : 'failed';
      });
      const verdict = targetMs === undefined ? '' : p95Ms <= targetMs ? 'OK' : 'missed';
      return row([name, ...cells, targetMs === undefined ? '' : `≤ ${targetMs}`, verdict]);
    })
    .join('\n');
}

function report(sizes: Size[]): string {
  const heads = sizes.map(({ resources }) => thousands(resources));
  const head = (first: string, ...last: string[]): string => {
    const cells = [first, ...heads, ...last];
    return `${row(cells)}\n${row(cells.map(() => '---'))}`;
  };
  return [
    `${head('')}\n${loadTable(sizes)}`,
    `${head('disk, bytes a resource')}\n${diskTable(sizes)}`,
    `${head('p50 / p95 ms, CPU ms (matches)', 'target p95', '')}\n${searchTable(sizes)}`,
  ].join('\n\n');
}

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '200000' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help || !/^\d+(,\d+)*$/.test(values.resources)) {
  console.error(`node bench/scale/run.ts --resources 200000,2000000

  --resources <n,…>  how many, for each run
  --folder <folder>  where to put files and database (default: the system's temporary folder); 2,000,000 take 12 GB
  --keep             leave the databases there`);
  process.exitCode = values.help ? 0 : 2;
} else {
  const folder = values.folder ?? (await mkdtemp(path.join(os.tmpdir(), 'cerebra-scale-')));
  const sizes: Size[] = [];
  for (const resources of values.resources.split(',').map(Number)) {
    sizes.push(await measureSize(resources, path.join(folder, String(resources)), values.keep));
  }
  console.log(report(sizes));
  if (!values.keep) await rm(folder, { recursive: true, force: true });
}
