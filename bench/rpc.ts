// Calls between the processes of a benchmark: one request, one answer, over Node's IPC channel.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

interface Call {
  id: number;
  method: string;
  argument: unknown;
}

interface Reply {
  id: number;
  result?: unknown;
  error?: string;
}

type Handlers = Record<string, (argument: never) => unknown>;

/** The child's side. The process ends when its parent is gone. */
export function serve(handlers: Handlers): void {
  process.on('message', async ({ id, method, argument }: Call) => {
    const reply = await answer(handlers, method, argument);
    if (process.connected) process.send!({ id, ...reply });
  });
  process.on('disconnect', () => process.exit(0));
}

async function answer(handlers: Handlers, method: string, argument: unknown): Promise<Omit<Reply, 'id'>> {
  try {
    const handler = handlers[method];
    if (!handler) return { error: `no method ${method}` };
    return { result: await handler(argument as never) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

export interface Peer {
  call<T>(method: string, argument?: unknown): Promise<T>;
  /** Asks for `stop`, then ends the process. */
  stop(): Promise<void>;
}

const stopTimeoutMs = 15_000;

/**
 * The parent's side: starts `file` as a process of its own. Calls fail when the process ends before it answers, and it
 * ends on `signal`.
 */
export function startPeer(file: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Peer {
  const child = fork(file, [], {
    signal,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  child.on('message', ({ id, result, error }: Reply) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error));
  });
  // An abort is told as an error first; the exit that follows says all there is to say.
  child.on('error', () => undefined);
  child.on('exit', (code, name) => {
    for (const call of waiting.values()) call.reject(new Error(`${file} ended (${name ?? code})`));
    waiting.clear();
  });
  const call = <T>(method: string, argument: unknown = null): Promise<T> => {
    if (!child.connected) return Promise.reject(new Error(`${file} has ended`));
    const pending = Promise.withResolvers<unknown>();
    lastId += 1;
    waiting.set(lastId, pending);
    child.send({ id: lastId, method, argument });
    return pending.promise as Promise<T>;
  };
  return { call, stop: () => stopChild(child, call) };
}

async function stopChild(child: ChildProcess, call: Peer['call']): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await call('stop').catch(() => undefined);
  if (child.connected) child.disconnect();
  await ended;
  clearTimeout(timer);
}
