// The subscriber of the notification lines: tells when the resource with an awaited identifier came in.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Receiver {
  port: number;
  /** Resolves with performance.now() of the receipt; rejects after the deadline. */
  await(identifier: string, deadlineMs: number): Promise<number>;
}

const identifierPattern = /"(B\d{10})"/;

export async function startReceiver(): Promise<Receiver> {
  const waiting = new Map<string, (receivedMs: number) => void>();
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const receivedMs = performance.now();
      response.writeHead(200, { 'content-length': 0 }).end();
      const identifier = identifierPattern.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? '';
      waiting.get(identifier)?.(receivedMs);
      waiting.delete(identifier);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    await(identifier, deadlineMs) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(identifier);
          reject(new Error(`no notification of ${identifier} within ${deadlineMs} ms`));
        }, deadlineMs);
        waiting.set(identifier, (receivedMs) => {
          clearTimeout(timer);
          resolve(receivedMs);
        });
      });
    },
  };
}
