// A V8 CPU profile by self time: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
import path from 'node:path';
import { fileURLToPath } from 'node:url';

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

export interface CpuProfile {
  nodes: ProfileNode[];
  samples: number[];
  timeDeltas: number[];
}

export interface Share {
  name: string;
  /** Of the time that was not idle. */
  share: number;
}

export interface ProfileSummary {
  busyShare: number;
  modules: Share[];
  functions: Share[];
}

const root = path.join(import.meta.dirname, '..');
const functionsMax = 25;

/** Calls into the kernel that wake PostgreSQL or the client, which on few cores take this process's core for a while. */
const socketWrites = new Set(['writev', 'writeUtf8String', 'writeLatin1String', 'writeBuffer']);

/** `node_modules/pg`, `fhir-server/store`, `node:http`, `(garbage collector)`. */
function moduleOf({ functionName, url }: ProfileNode['callFrame']): string {
  if (url === '' && socketWrites.has(functionName)) return '(socket writes)';
  if (url === '') return functionName.startsWith('(') ? functionName : '(native)';
  const packageName = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (packageName) return `node_modules/${packageName}`;
  if (url.startsWith('node:internal')) return 'node:internal';
  if (url.startsWith('node:')) return url;
  return path.dirname(fileOf(url)) || '.';
}

const fileOf = (url: string): string =>
  url.startsWith('file:') ? path.relative(root, fileURLToPath(url)) : url.replace(`${root}/`, '');

function functionOf({ functionName, url, lineNumber }: ProfileNode['callFrame']): string {
  if (url === '') return functionName || '(native)';
  return `${functionName || '(anonymous)'}  ${fileOf(url).replace('node_modules/', '')}:${lineNumber + 1}`;
}

function ranked(times: Map<string, number>, total: number): Share[] {
  return [...times]
    .map(([name, time]) => ({ name, share: time / total }))
    .sort((a, b) => b.share - a.share)
    .slice(0, functionsMax);
}

export function summarise({ nodes, samples, timeDeltas }: CpuProfile): ProfileSummary {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const modules = new Map<string, number>();
  const functions = new Map<string, number>();
  let busy = 0;
  let all = 0;
  samples.forEach((id, index) => {
    const frame = frames.get(id)!;
    const time = timeDeltas[index] ?? 0;
    all += time;
    if (frame.functionName === '(idle)' || frame.url.startsWith('node:inspector')) return;
    busy += time;
    for (const [times, name] of [[modules, moduleOf(frame)] as const, [functions, functionOf(frame)] as const]) {
      times.set(name, (times.get(name) ?? 0) + time);
    }
  });
  return { busyShare: busy / all, modules: ranked(modules, busy), functions: ranked(functions, busy) };
}
