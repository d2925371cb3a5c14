// A receiver of HL7 messages that outlives the server: it records what comes, in the order of its coming.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface MllpReceiver {
  port: number;
  /** MSH-10 and PID-3.1 of each message. */
  received: { controlId: string; patient: string }[];
  /** Called for each message before it is answered; true: the connection is cut instead. */
  onMessage: (count: number) => boolean | Promise<boolean>;
  /** MSA-1 of its answers. */
  code: () => string;
}

const end = Buffer.from('\x1c\r');

export async function startMllpReceiver(t: TestContext): Promise<MllpReceiver> {
  const receiver: MllpReceiver = { port: 0, received: [], onMessage: () => false, code: () => 'AA' };
  const sockets = new Set<Socket>();
  const take = async (text: string, socket: Socket): Promise<void> => {
    const controlId = text.split('|')[9] ?? '';
    const patient = /\rPID\|[^|]*\|[^|]*\|([^|^]*)/.exec(text)?.[1] ?? '';
    const count = receiver.received.push({ controlId, patient });
    if (await receiver.onMessage(count)) socket.destroy();
    else socket.write(`\x0bMSH|^~\\&|RCV|FAC|||||ACK|R${count}|P|2.5.1\rMSA|${receiver.code()}|${controlId}\r\x1c\r`);
  };
  const server = createServer({ noDelay: true }, (socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let at = bytes.indexOf(end); at >= 0; at = bytes.indexOf(end)) {
        void take(bytes.toString('latin1', 1, at), socket);
        bytes = bytes.subarray(at + end.length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.port = (server.address() as AddressInfo).port;
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return receiver;
}
