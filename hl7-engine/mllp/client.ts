// An MLLP client: for other systems' tests, the demo and the benchmark. Destinations have one of their own, which checks answers.
import { CerebraError } from '#platform';
import { type MllpConnection, type MllpTls, openMllpConnection } from './sender.ts';

export interface MllpClientOptions {
  host: string;
  port: number;
  /** For connecting and for each acknowledgment. */
  timeoutMs: number;
  tls?: MllpTls;
}

/** One connection, opened by the first `send`. Several messages may be under way; answers come in order. */
export interface MllpClient {
  /** Yields the acknowledgment's content. Throws CerebraError `timeout` or `unavailable`; the connection is closed then. */
  send(message: Buffer | string): Promise<Buffer>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(answer: Buffer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

interface Line {
  connection: MllpConnection;
  waiting: Waiting[];
  closed: Promise<void>;
}

export function createMllpClient(options: MllpClientOptions): MllpClient {
  let line: Line | undefined;

  const fail = (from: Line, error: CerebraError): void => {
    from.connection.destroy();
    if (line === from) line = undefined;
    for (const entry of from.waiting.splice(0)) {
      clearTimeout(entry.timer);
      entry.reject(error);
    }
  };

  const open = (): Line => {
    const closed = Promise.withResolvers<void>();
    const opened: Line = {
      waiting: [],
      closed: closed.promise,
      connection: openMllpConnection(options, {
        open: () => {},
        frame(content) {
          const entry = opened.waiting.shift();
          clearTimeout(entry?.timer);
          entry?.resolve(content);
        },
        closed(cause) {
          const text = cause === undefined ? 'The MLLP connection was closed' : 'The MLLP connection failed';
          fail(opened, new CerebraError('unavailable', text, { cause }));
          closed.resolve();
        },
      }),
    };
    return opened;
  };

  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        line ??= open();
        const current = line;
        const timer = setTimeout(
          () => fail(current, new CerebraError('timeout', 'No MLLP acknowledgment in time')),
          options.timeoutMs,
        );
        current.waiting.push({ resolve, reject, timer });
        current.connection.write(typeof message === 'string' ? Buffer.from(message) : message);
      }),
    async close() {
      if (line === undefined) return;
      line.connection.end();
      await line.closed;
    },
  };
}

/** Sends one message over a connection of its own and yields the acknowledgment's content. */
export async function sendMllp(
  host: string,
  port: number,
  message: Buffer | string,
  options: { timeoutMs: number; tls?: MllpTls },
): Promise<Buffer> {
  const client = createMllpClient({ host, port, ...options });
  try {
    return await client.send(message);
  } finally {
    await client.close();
  }
}
