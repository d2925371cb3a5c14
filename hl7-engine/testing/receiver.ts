// A receiver of MLLP messages that tests rule: it records what comes and answers as it is told.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { createFrameDecoder, frame } from '../mllp/frame.ts';

export interface Received {
  controlId: string;
  /** PID-3. */
  patient: string;
  text: string;
  socket: Socket;
}

/** Yields what is sent back; undefined: nothing. */
export type Respond = (received: Received) => Buffer | string | undefined | Promise<Buffer | string | undefined>;

export interface Receiver {
  port: number;
  received: Received[];
  /** Control ids in the order of their first coming. */
  firsts(): string[];
  respond: Respond;
  /** Connections so far, and those that are open. */
  connectionCount: number;
  sockets: Set<Socket>;
  close(): Promise<void>;
}

/** An acknowledgment of what was received. */
export function answer(code: string, controlId: string, more = ''): string {
  return `MSH|^~\\&|RCV|FAC|CEREBRA|FAC|20260101000000+0000||ACK|R${controlId}|P|2.5.1\rMSA|${code}|${controlId}${more}\r`;
}

export async function startReceiver(
  t: TestContext,
  options: { port?: number; tls?: TlsOptions } = {},
): Promise<Receiver> {
  const receiver: Receiver = {
    ...{ port: 0, received: [], connectionCount: 0, sockets: new Set<Socket>() },
    firsts: () => [...new Set(receiver.received.map(({ controlId }) => controlId))],
    respond: ({ controlId }) => answer('AA', controlId),
    async close() {
      for (const socket of receiver.sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
  const serve = (socket: Socket): void => {
    receiver.connectionCount++;
    receiver.sockets.add(socket);
    socket.on('close', () => receiver.sockets.delete(socket));
    socket.on('error', () => {});
    const decoder = createFrameDecoder(64 * 1024 * 1024, {
      frame(content) {
        void take(receiver, content.toString('latin1'), socket);
      },
      garbage: () => {},
      oversize: () => socket.destroy(),
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
  };
  const server = options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve);
  server.on('tlsClientError', () => {});
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  receiver.port = (server.address() as AddressInfo).port;
  t.after(() => receiver.close());
  return receiver;
}

async function take(receiver: Receiver, text: string, socket: Socket): Promise<void> {
  const fields = (name: string): string[] =>
    text
      .split('\r')
      .find((line) => line.startsWith(name))
      ?.split('|') ?? [];
  const received = { controlId: fields('MSH')[9] ?? '', patient: fields('PID')[3] ?? '', text, socket };
  receiver.received.push(received);
  const answered = await receiver.respond(received);
  if (answered !== undefined && !socket.destroyed) socket.write(frame(Buffer.from(answered)));
}
