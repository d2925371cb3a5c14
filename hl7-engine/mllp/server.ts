// The MLLP server: HL7 MLLP R2. Messages of a connection are handled one after the other and answered in their order.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Log } from '#platform';
import { createFrameDecoder, frame } from './frame.ts';

export interface MllpServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  messageBytesMax: number;
  /** A connection without a byte for so long is closed. */
  idleTimeoutMs: number;
  connectionsMax: number;
  /** Whole frames that may wait on one connection before its socket is paused. */
  waitingFramesMax: number;
  /** How long `stop` waits for messages in work before it cuts connections. */
  stopTimeoutMs: number;
  log: Log;
  /** Yields the answer's content. A throw closes the connection: the sender sends again. */
  handle(content: Buffer): Promise<Buffer>;
  /** A message over `messageBytesMax`, its beginning. Yields the answer; then the connection closes. */
  refuseOversize(head: Buffer): Promise<Buffer>;
  onConnections?(count: number): void;
  onGarbage?(byteCount: number): void;
}

export interface MllpServer {
  start(): Promise<{ port: number }>;
  /** Takes no more connections and messages, answers what is in work, closes. */
  stop(): Promise<void>;
}

// How long an end block waits for its carriage return, which TCP may deliver apart.
const trailerWaitMs = 50;
// How long a peer may take to close its side after ours.
const lingerMs = 1000;

interface Connection {
  /** Resolves when everything read was answered and the socket is closed. */
  close(): Promise<void>;
  destroy(): void;
}

export function createMllpServer(options: MllpServerOptions): MllpServer {
  const connections = new Set<Connection>();
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const connection = serveConnection(socket, options);
    connections.add(connection);
    options.onConnections?.(connections.size);
    socket.once('close', () => {
      connections.delete(connection);
      options.onConnections?.(connections.size);
    });
  });
  server.maxConnections = options.connectionsMax;
  server.on('drop', () =>
    options.log.warn({ connectionsMax: options.connectionsMax }, 'MLLP connection refused: too many'),
  );

  return {
    async start() {
      server.listen(options.port, options.host);
      await once(server, 'listening');
      server.on('error', (error) => options.log.error({ err: error }, 'MLLP server'));
      return { port: (server.address() as AddressInfo).port };
    },
    async stop() {
      const closed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      const deadline = setTimeout(() => {
        for (const connection of connections) connection.destroy();
      }, options.stopTimeoutMs);
      await Promise.all([closed, ...[...connections].map((connection) => connection.close())]);
      clearTimeout(deadline);
    },
  };
}

type Work = { kind: 'frame' | 'oversize'; content: Buffer };

function serveConnection(socket: Socket, options: MllpServerOptions): Connection {
  const waiting: Work[] = [];
  let working = false;
  let closing = false;
  let trailerTimer: NodeJS.Timeout | undefined;

  const decoder = createFrameDecoder(options.messageBytesMax, {
    frame: (content) => add({ kind: 'frame', content }),
    garbage: (byteCount) => options.onGarbage?.(byteCount),
    oversize: (content) => add({ kind: 'oversize', content }),
  });
  const onData = (chunk: Buffer): void => {
    clearTimeout(trailerTimer);
    decoder.push(chunk);
    if (decoder.awaitsTrailer()) trailerTimer = setTimeout(() => decoder.endTrailer(), trailerWaitMs);
  };

  function add(next: Work): void {
    waiting.push(next);
    if (waiting.length >= options.waitingFramesMax) socket.pause();
    if (!working) void work();
  }

  async function work(): Promise<void> {
    working = true;
    try {
      for (let next = waiting.shift(); next !== undefined && !socket.destroyed; next = waiting.shift()) {
        await answer(socket, next, options);
        if (next.kind === 'oversize') stopReading();
        if (socket.isPaused() && waiting.length * 2 < options.waitingFramesMax) socket.resume();
      }
    } catch (error) {
      options.log.error({ err: error }, 'MLLP connection closed: its message could not be answered');
      socket.destroy();
    }
    working = false;
    if (closing) endSocket(socket);
  }

  /** What was read is still answered; what comes later is thrown away, so that the peer's FIN can arrive. */
  function stopReading(): void {
    closing = true;
    clearTimeout(trailerTimer);
    socket.off('data', onData);
    socket.resume();
    if (!working) endSocket(socket);
  }

  socket.setTimeout(options.idleTimeoutMs, () => {
    if (!working) socket.destroy();
  });
  socket.on('data', onData);
  // The peer has said all it will say, but may still wait for answers.
  socket.on('end', () => {
    decoder.endTrailer();
    stopReading();
  });
  socket.on('error', () => socket.destroy());
  socket.once('close', () => clearTimeout(trailerTimer));
  return {
    async close() {
      if (socket.destroyed) return;
      const closed = once(socket, 'close');
      stopReading();
      await closed;
    },
    destroy: () => socket.destroy(),
  };
}

async function answer(socket: Socket, work: Work, options: MllpServerOptions): Promise<void> {
  const content = await (work.kind === 'frame' ? options.handle(work.content) : options.refuseOversize(work.content));
  if (!socket.writable || socket.write(frame(content))) return;
  // The peer does not read its answers: no further message is handled until it does.
  const either = new AbortController();
  const { signal } = either;
  await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]);
  either.abort();
}

/** Destroying at once would reset the connection and could take the last answer with it. */
function endSocket(socket: Socket): void {
  socket.end();
  const linger = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(linger));
}
