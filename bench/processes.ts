// Memory and CPU time of a process and its descendants, from /proc (Linux): https://docs.kernel.org/filesystems/proc.html
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100;

function readProc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, 'latin1');
  } catch {
    // It has ended since it was listed, or this is not Linux.
    return '';
  }
}

/** What follows the name in /proc/<pid>/stat: state, parent, …; the name, in parentheses, may have spaces. */
const statFields = (pid: number): string[] => (readProc(`${pid}/stat`).split(') ').at(-1) ?? '').split(' ');

/** Yields nothing where there is no /proc. */
function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** `root` and all its descendants. */
function familyOf(root: number): number[] {
  const parents = new Map(processIds().map((pid) => [pid, Number(statFields(pid)[1])]));
  const family = new Set([root]);
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

export interface ProcessMemory {
  pid: number;
  /** Proportional set size: shared pages count in equal parts for those who share them. */
  pssMb: number;
}

export function memoryOf(root: number): ProcessMemory[] {
  return familyOf(root).map((pid) => {
    const pss = /^Pss: +(\d+) kB/m.exec(readProc(`${pid}/smaps_rollup`))?.[1];
    return { pid, pssMb: Number(pss ?? 0) / 1_024 };
  });
}

/** User and system time of `root` and its descendants so far, those of it that have ended included. */
export function cpuMsOf(root: number): number {
  const ticks = familyOf(root).map((pid) => {
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = statFields(pid).slice(11, 15).map(Number);
    return user + system + endedUser + endedSystem;
  });
  return (ticks.reduce((sum, one) => sum + one, 0) * 1_000) / ticksPerSecond;
}
