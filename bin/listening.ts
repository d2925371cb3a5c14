// The HTTP port: taken first, given up first.
import { createServer, type Server } from 'node:http';
import type { Config } from '#platform';
import { answerStarting } from './http.ts';
import { answerMalformed } from './malformed.ts';

/**
 * Listens before anything else is up, so that the port is known and a taken one is told at once; until the rest is there
 * requests get 503. With `shared` other processes may listen on the port too, and the system gives each connection to one.
 */
export async function listen(config: Config, shared = false): Promise<Server> {
  const server: Server = createServer(
    {
      ...{ requestTimeout: config.REQUEST_TIMEOUT_MS, keepAliveTimeout: 65_000 },
      // Any other wish to upgrade (h2c) is a plain request, as is each while nobody takes web sockets.
      shouldUpgradeCallback: ({ headers }) =>
        headers.upgrade?.toLowerCase() === 'websocket' && server.listenerCount('upgrade') > 0,
    },
    answerStarting,
  );
  answerMalformed(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: config.PORT, host: config.HOST, backlog: 1024, reusePort: shared }, resolve);
  });
  return server;
}

/**
 * Requests under way finish; connections that are idle end at once, busy ones after their answer, and whoever keeps
 * sending or reading is cut off after `graceMs`, so that what stops next still has time.
 */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
