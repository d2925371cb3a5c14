// `npm run bench`: one table, each line beside a floor measured in the same run. docs/performance.md tells what it means.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createLog, type EmbeddedPostgres, startEmbeddedPostgres } from '#platform';
import { type BootResult, measureBoot, removeFolder } from './boot.ts';
import { bootKey, type Line, lines, runOrder } from './lines.ts';
import { type Bench, measureLine, profileLine, withSubscription } from './measure.ts';
import type { Ports } from './naked/main.ts';
import { type Options, readOptions, usage } from './options.ts';
import { machine, profileText, type Row, table } from './report.ts';
import { type Peer, startPeer } from './rpc.ts';
import { seed } from './seed.ts';

/** Ends the children; what waits for them fails, and everything is cleared away. */
const interrupt = new AbortController();

/** As the server's default. */
const poolMax = 20;

interface Result {
  machine: string;
  rows: Row[];
  boot: BootResult | undefined;
  profiles: string[];
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

async function measureAll(options: Options): Promise<Result> {
  const wanted = runOrder.filter((key) => options.keys.has(key)).map((key) => lines.find((line) => line.key === key)!);
  const boot = options.keys.has(bootKey) ? await measureBoot(progress, interrupt.signal) : undefined;
  if (wanted.length === 0) return { machine: machine('18 (embedded)'), rows: [], boot, profiles: [] };
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-bench-'));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, log: createLog({ level: 'warn' }) });
    process.once('exit', postgres.abandon);
    try {
      return { ...(await withServers(postgres, wanted, options)), boot };
    } finally {
      await postgres.stop();
      process.off('exit', postgres.abandon);
    }
  } finally {
    await removeFolder(dataDir);
  }
}

async function withServers(
  { connection, pid }: EmbeddedPostgres,
  wanted: Line[],
  options: Options,
): Promise<Omit<Result, 'boot'>> {
  progress('starting the servers');
  const file = (name: string): string => path.join(import.meta.dirname, name);
  const settings = JSON.stringify({ connection, poolMax });
  const peers: Peer[] = [];
  const start = (name: string, environment = {}): Peer => {
    const peer = startPeer(file(name), environment, interrupt.signal);
    peers.push(peer);
    return peer;
  };
  try {
    const ours = start('ours.ts', { BENCH_OURS: settings });
    const naked = start('naked/main.ts', { BENCH_NAKED: settings });
    const loader = start('load/main.ts');
    const bench: Bench = {
      ours: { name: 'ours', peer: ours, ports: await ours.call<Ports>('start') },
      naked: { name: 'naked', peer: naked, ports: await naked.call<Ports>('start') },
      loader,
      receiverPort: await loader.call<number>('receiverPort'),
      postgresPid: pid,
      progress,
    };
    progress('seeding');
    const version = await seed(connection, bench.ours.ports.http, new Set(wanted.map(({ needs }) => needs)));
    return { machine: machine(version), ...(await runLines(bench, wanted, options)) };
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
}

async function runLines(bench: Bench, wanted: Line[], options: Options): Promise<Pick<Result, 'rows' | 'profiles'>> {
  const rows: Row[] = [];
  const profiles: string[] = [];
  for (const line of wanted) {
    const work = async (): Promise<void> => {
      rows.push({ line, result: await measureLine(bench, line, options) });
      if (options.profile) profiles.push(await takeProfile(bench, line, options.profile, options.seconds));
    };
    await (line.load.kind === 'notify' ? withSubscription(bench, work) : work());
  }
  rows.sort((a, b) => lines.indexOf(a.line) - lines.indexOf(b.line));
  return { rows, profiles };
}

async function takeProfile(bench: Bench, line: Line, folder: string, seconds: number): Promise<string> {
  const { summary, profile } = await profileLine(bench, line, seconds);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${line.key}.cpuprofile`), JSON.stringify(profile));
  return profileText(line.title, summary);
}

function print({ machine: name, rows, boot, profiles }: Result, options: Options): void {
  if (options.json) {
    const measured = rows.map(({ line, result }) => ({
      ...{ key: line.key, title: line.title, unit: line.unit, ...result },
      ...(line.target && { target: line.target.text, met: line.target.met(result) }),
    }));
    console.log(JSON.stringify({ machine: name, lines: measured, boot }, null, 2));
    return;
  }
  console.log(`\n${name}\nmedians of ${options.rounds} rounds of ${options.seconds} s\n\n${table(rows, boot)}`);
  for (const text of profiles) console.log(text);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());

try {
  const options = readOptions(process.argv.slice(2));
  if (options) print(await measureAll(options), options);
  else console.log(usage);
} catch (error) {
  const reason = error instanceof Error ? (error.stack ?? error.message) : error;
  console.error(interrupt.signal.aborted ? '\nInterrupted.' : `\nThe benchmark stopped: ${reason}`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
}
