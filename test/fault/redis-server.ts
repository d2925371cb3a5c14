// A Redis of the test's own that keeps nothing: what is killed has lost everything it held.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { waitFor } from '#platform/testing';

export interface RedisServer {
  url: string;
  /** kill -9, and another one, empty, at the same port. */
  replace(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end());
    socket.on('error', () => resolve(false)).on('close', (failed) => failed || resolve(true));
  });

/** An inline command, such as FLUSHALL: https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands */
export async function redisCommand(url: string, command: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`${command}\r\n`);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return String(answer).trim();
}

/** Undefined where the machine has no redis-server. */
export async function startRedis(t: TestContext): Promise<RedisServer | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return undefined;
  const port = await freePort();
  let child: ChildProcess;
  const start = async () => {
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    child = spawn('redis-server', settings, { stdio: 'ignore' });
    await waitFor(() => answers(port), 'Redis');
  };
  const kill = async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  t.after(kill);
  return {
    url: `redis://127.0.0.1:${port}`,
    async replace() {
      await kill();
      await start();
    },
  };
}
