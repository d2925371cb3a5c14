// The subscriber's side of a rest-hook channel: https://hl7.org/fhir/R4/subscription.html#2.46.7.1
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Notification {
  method: string;
  path: string;
  body: string;
  atMs: number;
}

export interface Receiver {
  url: string;
  received: readonly Notification[];
  close(): Promise<void>;
}

/** Listens on a free port of this machine and answers every notification with 200. */
export async function startReceiver(): Promise<Receiver> {
  const received: Notification[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => '');
    received.push({ method: request.method ?? '', path: request.url ?? '', body, atMs: Date.now() });
    response.end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/notify`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
