// An MLLP client: for other systems' tests, the demo and the benchmark, and for sending messages on.
import { connect, type Socket } from 'node:net';
import { CerebraError } from '#platform';
import { createFrameDecoder, frame } from './frame.ts';

export interface MllpClientOptions {
  host: string;
  port: number;
  /** For connecting and for each acknowledgment. */
  timeoutMs: number;
}

/** One connection, opened by the first `send`. Several messages may be under way; answers come in order. */
export interface MllpClient {
  /** Yields the acknowledgment's content. Throws CerebraError `timeout` or `unavailable`; the connection is closed then. */
  send(message: Buffer | string): Promise<Buffer>;
  close(): Promise<void>;
}

const answerBytesMax = 1024 * 1024;

interface Waiting {
  resolve(answer: Buffer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export function createMllpClient(options: MllpClientOptions): MllpClient {
  let socket: Socket | undefined;
  let waiting: Waiting[] = [];

  const fail = (from: Socket, error: CerebraError): void => {
    from.destroy();
    if (socket !== from) return;
    socket = undefined;
    const failed = waiting;
    waiting = [];
    for (const entry of failed) {
      clearTimeout(entry.timer);
      entry.reject(error);
    }
  };

  const open = (): Socket => {
    const opened = connect({ host: options.host, port: options.port, noDelay: true });
    const decoder = createFrameDecoder(answerBytesMax, {
      frame(content) {
        const entry = waiting.shift();
        clearTimeout(entry?.timer);
        entry?.resolve(content);
      },
      garbage: () => {},
      oversize: () => fail(opened, new CerebraError('unavailable', 'The MLLP answer is too large')),
    });
    opened.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      if (decoder.awaitsTrailer()) decoder.endTrailer();
    });
    opened.on('error', (cause) =>
      fail(opened, new CerebraError('unavailable', 'The MLLP connection failed', { cause })),
    );
    opened.on('close', () => fail(opened, new CerebraError('unavailable', 'The MLLP connection was closed')));
    return opened;
  };

  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        socket ??= open();
        const current = socket;
        const timer = setTimeout(
          () => fail(current, new CerebraError('timeout', 'No MLLP acknowledgment in time')),
          options.timeoutMs,
        );
        waiting.push({ resolve, reject, timer });
        current.write(frame(typeof message === 'string' ? Buffer.from(message) : message));
      }),
    async close() {
      const current = socket;
      if (current === undefined || current.destroyed) return;
      const closed = new Promise<void>((resolve) => current.once('close', () => resolve()));
      current.end();
      current.destroySoon();
      await closed;
    },
  };
}

/** Sends one message over a connection of its own and yields the acknowledgment's content. */
export async function sendMllp(
  host: string,
  port: number,
  message: Buffer | string,
  options: { timeoutMs: number },
): Promise<Buffer> {
  const client = createMllpClient({ host, port, timeoutMs: options.timeoutMs });
  try {
    return await client.send(message);
  } finally {
    await client.close();
  }
}
