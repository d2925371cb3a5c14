// A rest-hook receiver for tests.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** X-Cerebra-Event-Number. */
  number: number;
}

export interface Receiver {
  url: string;
  /** Requests in the order their bodies were complete, refused ones included. */
  received: Received[];
  /** Decides the answer; a number is the status. Returning undefined leaves the response to the function. */
  answer: (request: Received, response: ServerResponse) => number | undefined | Promise<number | undefined>;
  /** Requests being answered right now, and the most there ever were. */
  inFlight: number;
  inFlightMax: number;
  /** Cuts all connections. */
  cut(): void;
}

export async function startReceiver(t: TestContext): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const receiver: Receiver = {
    ...{ url: '', received: [], inFlight: 0, inFlightMax: 0 },
    answer: () => 200,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  const server = createServer((request, response) => {
    receiver.inFlight++;
    receiver.inFlightMax = Math.max(receiver.inFlightMax, receiver.inFlight);
    response.on('close', () => receiver.inFlight--);
    void handle(receiver, request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  t.after(async () => {
    receiver.cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return receiver;
}

async function handle(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const received: Received = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body: Buffer.concat(chunks).toString(),
    number: Number(request.headers['x-cerebra-event-number']),
  };
  receiver.received.push(received);
  const status = await receiver.answer(received, response);
  if (status === undefined) return;
  response.statusCode = status;
  response.end();
}
