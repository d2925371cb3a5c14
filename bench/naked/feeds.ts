// The floors for feeds: a TCP server that inserts each MLLP frame as it came, and a broker that inserts each payload.
import { createServer, type Server } from 'node:net';
import { Aedes } from 'aedes';
import type pg from 'pg';
import { statements } from './database.ts';

const end = Buffer.from('\x1c\r');

function acknowledgement(frame: Buffer): Buffer {
  const controlId = frame.toString('latin1', 0, 300).split('|')[9] ?? '';
  return Buffer.from(`\x0bMSH|^~\\&|NAKED|||||ACK|${controlId}|P|2.5.1\rMSA|AA|${controlId}\r\x1c\r`);
}

export function createNakedMllp(pool: pg.Pool): Server {
  return createServer({ noDelay: true }, (socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      for (let at = bytes.indexOf(end); at >= 0; at = bytes.indexOf(end)) {
        const frame = bytes.subarray(0, at + end.length);
        bytes = bytes.subarray(at + end.length);
        pool.query({ ...statements.frame, values: [frame] }).then(
          () => socket.write(acknowledgement(frame)),
          (error: Error) => socket.destroy(error),
        );
      }
    });
  });
}

export async function createNakedBroker(pool: pg.Pool): Promise<Server> {
  const aedes = new Aedes({
    authorizePublish: (_client, { payload }, done) => {
      pool.query({ ...statements.frame, values: [payload] }).then(
        () => done(),
        (error: Error) => done(error),
      );
    },
  });
  await aedes.listen();
  return createServer({ noDelay: true }, aedes.handle);
}
