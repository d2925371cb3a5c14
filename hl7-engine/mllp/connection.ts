// One MLLP connection: its messages are handled one after the other and answered in their order.
import type { Socket } from 'node:net';
import type { Refusal } from '../message/refusal.ts';
import type { HandleMessage, RefuseHead, Source } from '../seams.ts';
import { frame } from './frame.ts';
import { createInput, type Held, type InputOptions, shareOf } from './input.ts';

export interface ConnectionOptions extends InputOptions {
  /** A connection without a byte for so long is closed. */
  idleTimeoutMs: number;
  /** Whole frames that may wait on one connection before its socket is paused. */
  waitingFramesMax: number;
  handle: HandleMessage;
  refuse: RefuseHead;
}

export interface Connection {
  /** Resolves when everything read was answered and the socket is closed. */
  close(): Promise<void>;
}

// How long a peer may take to close its side after ours.
const lingerMs = 1000;
// A refused peer may still be sending its message: a reset would take the refusal from it. So long is thrown away.
const lingerRefusedMs = 30_000;

export function serveConnection(socket: Socket, source: Source, held: Held, options: ConnectionOptions): Connection {
  const output = createOutput(socket);
  let closing = false;
  const queue = createQueue(socket, held, options, {
    async handle({ content, refusal }) {
      if (refusal === undefined) return options.handle(content, source, output.send);
      await output.send(await options.refuse(content, source, refusal));
      stopReading();
      discardSlowly(socket);
      endSocket(socket, lingerRefusedMs);
    },
    resumed: () => input.watch(),
    idle() {
      if (closing) endSocket(socket, lingerMs);
    },
  });
  const input = createInput(socket, source, held, options, {
    frame: (content) => queue.add({ content }),
    refused(content, refusal) {
      if (content.length > 0) queue.add({ content, refusal });
      else socket.destroy();
    },
  });

  /** What was read is still answered; what comes later is thrown away, so that the peer's FIN can arrive. */
  function stopReading(): void {
    closing = true;
    socket.off('data', input.push);
    input.end();
    socket.resume();
    if (!queue.isWorking()) endSocket(socket, lingerMs);
  }

  // Not setTimeout's own callback: that is called once, and the connection may be at work then.
  socket.setTimeout(options.idleTimeoutMs).on('timeout', () => {
    // It waits for us, unless it is we who wait for it to read.
    if (queue.isWorking() && !output.isFull()) return;
    if (queue.isWorking() || !input.giveUp()) socket.destroy();
  });
  socket.on('data', input.push);
  // The peer has said all it will say, but may still wait for answers.
  socket.on('end', stopReading);
  socket.on('error', () => socket.destroy());
  socket.once('close', () => {
    input.end();
    queue.drop();
  });
  return {
    async close() {
      if (socket.destroyed) return;
      // Not events.once: a peer that resets the connection meanwhile would make it throw, and the stop with it.
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      if (socket.writableEnded) linger(socket, lingerMs);
      else stopReading();
      await closed;
    },
  };
}

/** A whole message, or the beginning of one with why it is refused. */
interface Work {
  content: Buffer;
  refusal?: Refusal;
}

interface Queue {
  add(work: Work): void;
  isWorking(): boolean;
  /** The connection is gone: what waits was not journalled, and is sent again. */
  drop(): void;
}

interface QueueEvents {
  handle(work: Work): Promise<void>;
  /** There is room again: the socket is read on. */
  resumed(): void;
  /** Nothing waits any more. */
  idle(): void;
}

function createQueue(socket: Socket, held: Held, options: ConnectionOptions, events: QueueEvents): Queue {
  const { waitingFramesMax, messageBytesMax } = options;
  const share = shareOf(held);
  const waiting: Work[] = [];
  let waitingBytes = 0;
  let working = false;

  function change(byteCount: number): void {
    waitingBytes += byteCount;
    share(waitingBytes);
  }

  function take(): Work | undefined {
    const next = socket.destroyed ? undefined : waiting.shift();
    if (next !== undefined) change(-next.content.length);
    return next;
  }

  async function work(): Promise<void> {
    working = true;
    try {
      for (let next = take(); next !== undefined; next = take()) {
        await events.handle(next);
        if (!socket.isPaused() || waiting.length * 2 >= waitingFramesMax) continue;
        socket.resume();
        events.resumed();
      }
    } catch (error) {
      options.log.error({ err: error }, 'MLLP connection closed: its message could not be answered');
      socket.destroy();
    }
    working = false;
    events.idle();
  }

  return {
    add(next) {
      waiting.push(next);
      change(next.content.length);
      if (waiting.length >= waitingFramesMax || waitingBytes >= messageBytesMax) socket.pause();
      if (!working) void work();
    },
    isWorking: () => working,
    drop() {
      waiting.length = 0;
      change(-waitingBytes);
    },
  };
}

interface Output {
  /** Resolves when the answer is with the system, or there is nobody any more to get it. */
  send(ack: Buffer): Promise<void>;
  /** The peer does not read its answers: no further message is handled until it does. */
  isFull(): boolean;
}

function createOutput(socket: Socket): Output {
  let full = false;
  return {
    async send(ack) {
      if (!socket.writable || socket.write(frame(ack))) return;
      full = true;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          socket.off('drain', done).off('close', done);
          resolve();
        };
        socket.on('drain', done).on('close', done);
      });
      full = false;
    },
    isFull: () => full,
  };
}

/** Destroying at once would reset the connection and could take the last answer with it. */
function endSocket(socket: Socket, waitMs: number): void {
  if (socket.writableEnded) return;
  socket.end();
  linger(socket, waitMs);
}

// A chunk is 64 KiB: 20 MB/s at most. At full speed 1 GB took the loop from the others (half a second a message, not 50 ms).
const discardPauseMs = 3;

function discardSlowly(socket: Socket): void {
  let timer: NodeJS.Timeout | undefined;
  socket.on('data', () => {
    socket.pause();
    timer = setTimeout(() => socket.resume(), discardPauseMs);
  });
  socket.once('close', () => clearTimeout(timer));
}

function linger(socket: Socket, waitMs: number): void {
  const timer = setTimeout(() => socket.destroy(), waitMs);
  socket.once('close', () => clearTimeout(timer));
}
