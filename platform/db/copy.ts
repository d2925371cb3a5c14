// COPY … FROM STDIN: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
import pg from 'pg';

/** The socket under a connection, of which pg's types say nothing. */
interface Wire {
  query(text: string): void;
  stream: { cork(): void; uncork(): void; write(bytes: Uint8Array): boolean };
}

/** What pg's client calls of a query: https://node-postgres.com/apis/client#queryable */
interface Copy {
  submit(wire: Wire): null;
  handleCopyInResponse(): void;
}

const COPY_DATA = 0x64;
/** A message's length is a signed 32-bit integer. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);

function writeData(wire: Wire, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += MESSAGE_BYTES_MAX) {
    const part = data.subarray(at, at + MESSAGE_BYTES_MAX);
    const head = Buffer.allocUnsafe(5);
    head[0] = COPY_DATA;
    head.writeInt32BE(part.length + 4, 1);
    wire.stream.write(head);
    wire.stream.write(part);
  }
}

/**
 * The statement with all its data behind it, without waiting for the server's word that it may come: what a server that
 * refuses the statement does not read as data it passes over. So several of them, and what follows, travel together.
 */
function submit(wire: Wire, text: string, data: readonly Uint8Array[]): null {
  wire.stream.cork();
  try {
    wire.query(text);
    for (const part of data) writeData(wire, part);
    wire.stream.write(copyDone);
  } finally {
    wire.stream.uncork();
  }
  return null;
}

/** Runs `COPY table (columns) FROM STDIN` with rows in COPY's text format; yields how many there were. */
export function copyFrom(client: pg.ClientBase, text: string, data: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // One of pg's own, since a pipelining client takes no other.
    const query = new pg.Query({ text }, undefined, (error: Error | undefined, result: { rowCount: number | null }) => {
      if (error) reject(error);
      else resolve(result.rowCount ?? 0);
    });
    const copy: Copy = { submit: (wire) => submit(wire, text, data), handleCopyInResponse: () => undefined };
    client.query(Object.assign(query, copy) as pg.Submittable);
  });
}
