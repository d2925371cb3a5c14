// An HTTP server that gives upgrades to the subscriptions of a rig.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Subscriptions } from '../index.ts';

/** The URL at which a rig's server takes web sockets. */
export async function serveSockets(t: TestContext, { webSockets }: Pick<Subscriptions, 'webSockets'>): Promise<string> {
  const server = createServer().on('upgrade', webSockets.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await webSockets.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
