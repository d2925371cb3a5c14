// The HTTP port: taken first, given up first.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createNetServer, Server as NetServer } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Config } from '#platform';
import { basePathOf } from './fhir.ts';
import { answerStarting } from './http.ts';
import { answerMalformed } from './malformed.ts';

/**
 * While the server closes each answer says that its connection ends. Else a client would send its next request there, and
 * see it cut off without knowing whether it had been done.
 */
const closingResponse = (isOpen: () => boolean) =>
  class extends ServerResponse<IncomingMessage> {
    override writeHead(...args: unknown[]): this {
      if (!isOpen()) this.shouldKeepAlive = false;
      return (super.writeHead as (...args: unknown[]) => this)(...args);
    }
  };

/**
 * Listens before anything else is up, so that the port is known and a taken one is told at once; until the rest is there
 * requests get 503. With `shared` other processes may listen on the port too, and the system gives each connection to one.
 */
export async function listen(config: Config, shared = false): Promise<Server> {
  const server: Server = createServer(
    {
      ...{ requestTimeout: config.REQUEST_TIMEOUT_MS, keepAliveTimeout: 65_000 },
      // Told with an OperationOutcome where the Host is judged, instead of a status alone.
      requireHostHeader: false,
      ServerResponse: closingResponse(() => server.listening),
      // Any other wish to upgrade (h2c) is a plain request, as is each while nobody takes web sockets.
      shouldUpgradeCallback: ({ headers }) =>
        headers.upgrade?.toLowerCase() === 'websocket' && server.listenerCount('upgrade') > 0,
    },
    answerStarting(basePathOf(config)),
  );
  answerMalformed(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: config.PORT, host: config.HOST, backlog: 1024, reusePort: shared }, resolve);
  });
  return server;
}

/**
 * SO_REUSEPORT. Elsewhere the primary takes the connections and hands them round: one that is on its way to a worker that
 * is killed then stays open without an answer, until the client gives up.
 */
export const hasReusePort = process.platform === 'linux' || process.platform === 'freebsd';

/**
 * Workers share a port by its number, so any free one is chosen here, and kept until they have it: else another process may be
 * given it meanwhile. One that is named is tried: who shares ports would not be refused by another server that does too.
 */
export async function takePort({ PORT, HOST }: Pick<Config, 'PORT' | 'HOST'>) {
  const isKept = PORT === 0 && hasReusePort;
  const server = createNetServer((socket) => socket.destroy());
  server.listen({ port: PORT, host: HOST, reusePort: isKept });
  await once(server, 'listening');
  const address = server.address();
  const close = async (): Promise<void> => {
    server.close();
    await once(server, 'close');
  };
  if (!isKept) await close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, give: isKept ? close : async () => {} };
}

/** Where a client has sent its next request before it knew, that is read in this time. */
const LAST_REQUESTS_MS = 100;

/**
 * Requests under way finish, and so do those that come on open connections in the next moment; then connections that are
 * idle end at once, busy ones after their answer, and whoever keeps sending or reading is cut off after `graceMs`, so that
 * what stops next still has time.
 */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  // The close of http would end idle connections at once, with what has come on them and is not read yet.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  // And what came while the process stood still for all that time, which is read after the timers.
  const last = sleep(Math.min(LAST_REQUESTS_MS, graceMs)).then(() => turn());
  await Promise.race([closed, last]);
  server.close();
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
