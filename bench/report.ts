// What the benchmark prints: the machine, one table, and profiles where they were asked for.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { type BootResult, bootTargets } from './boot.ts';
import type { Line, LineResult } from './lines.ts';
import type { ProfileSummary } from './profile.ts';

export function machine(postgresVersion: string): string {
  const cpus = os.cpus();
  const memoryGib = (os.totalmem() / 2 ** 30).toFixed(0);
  const model = cpus[0]?.model.trim() || modelOfArm() || os.arch();
  return `${model}, ${cpus.length} cores, ${memoryGib} GiB memory, ${os.type()} ${os.release()}, Node ${process.versions.node}, PostgreSQL ${postgresVersion}`;
}

const modelOfArm = (): string => {
  try {
    return readFileSync('/proc/device-tree/model', 'utf8').replaceAll('\0', '');
  } catch {
    return '';
  }
};

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const short = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(1));

export interface Row {
  line: Line;
  result: LineResult;
}

const header = [
  'line',
  'naked',
  'p50 / p99 ms',
  'Cerebra',
  'p50 / p99 ms',
  'of naked',
  'CPU µs: node, PostgreSQL',
  'naked',
  'target',
  '',
];

function cells({ line, result }: Row): string[] {
  const { naked, ours, ratio } = result;
  const latency = ({ p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) => `${short(p50Ms)} / ${short(p99Ms)}`;
  const isLatency = line.load.kind === 'notify';
  return [
    line.title,
    isLatency ? '' : `${whole(naked.rate)} ${line.unit}`,
    latency(naked),
    isLatency ? '' : `${whole(ours.rate)} ${line.unit}`,
    latency(ours),
    isLatency ? '' : `${(ratio * 100).toFixed(0)} %`,
    `${whole(ours.cpuUs)}, ${whole(ours.postgresUs)}`,
    `${whole(naked.cpuUs)}, ${whole(naked.postgresUs)}`,
    line.target?.text ?? '',
    line.target === undefined ? '' : line.target.met(result) ? 'OK' : 'missed',
  ];
}

function bootCells(boot: BootResult): string[][] {
  const row = (title: string, value: string, target: string, met: boolean): string[] => [
    ...[title, '', '', value, '', '', '', '', target, met ? 'OK' : 'missed'],
  ];
  const { firstStartSeconds, warmStartSeconds, idleMemoryMb } = bootTargets;
  return [
    row(
      'first start',
      `${short(boot.firstStartSeconds)} s`,
      `< ${firstStartSeconds} s`,
      boot.firstStartSeconds < firstStartSeconds,
    ),
    row(
      'warm start',
      `${short(boot.warmStartSeconds)} s`,
      `< ${warmStartSeconds} s`,
      boot.warmStartSeconds < warmStartSeconds,
    ),
    row(
      `idle memory, node (${whole(boot.nodeMemoryMb)} MB) and PostgreSQL, ${boot.processes} processes`,
      `${whole(boot.idleMemoryMb)} MB`,
      `< ${idleMemoryMb} MB`,
      boot.idleMemoryMb < idleMemoryMb,
    ),
  ];
}

/** A Markdown table, aligned to be read as it is. */
export function table(rows: Row[], boot: BootResult | undefined): string {
  const body = [header, ...rows.map(cells), ...(boot ? bootCells(boot) : [])];
  const widths = header.map((_, column) => Math.max(...body.map((row) => row[column]!.length)));
  const text = (row: string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [text(body[0]!), rule, ...body.slice(1).map(text)].join('\n');
}

const percent = (share: number): string => `${(share * 100).toFixed(1).padStart(5)} %`;

export function profileText(title: string, { busyShare, modules, functions }: ProfileSummary): string {
  const list = (shares: { name: string; share: number }[]): string[] =>
    shares.map(({ name, share }) => `  ${percent(share)}  ${name}`);
  return [
    `\n${title}: the server's thread was busy ${percent(busyShare).trim()} of the time; self time as a share of that`,
    '  by module',
    ...list(modules),
    '  by function',
    ...list(functions),
  ].join('\n');
}
