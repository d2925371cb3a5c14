// A sender of HL7 messages as labs have them: one connection, one message at a time, sent again until it is taken.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** How a message asks to be acknowledged (MSH-15, MSH-16), and with which answer its sender goes on. */
export const ackModes = {
  original: { fields: '', last: ['AA'] },
  commit: { fields: '|||AL|NE', last: ['CA'] },
  both: { fields: '|||AL|AL', last: ['AA'] },
} as const;
export type AckModeName = keyof typeof ackModes;

/** Codes after which nothing more comes for this message. */
const endings = new Set(['AE', 'AR', 'CE', 'CR']);

export interface Answer {
  code: string;
  text: string;
}

export interface Exchange {
  /** All that came for one message, in order. Rejects when the connection is lost or an answer is for another message. */
  send(message: string | Buffer, controlId: string, mode?: AckModeName): Promise<Answer[]>;
  /** One frame, and the next one that comes. */
  frame(content: string | Buffer): Promise<string>;
  /** One frame, whatever comes of it. */
  write(content: string | Buffer): void;
  /** One frame, and all that comes up to the answer that `isLast`. */
  until(content: string | Buffer, isLast: (text: string) => boolean): Promise<string[]>;
  close(): void;
}

export async function dialMllp(port: number, timeoutMs = 120_000): Promise<Exchange> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const frames = framesOf(socket);
  await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  const write = (content: string | Buffer): void => {
    socket.write(Buffer.concat([Buffer.from([0x0b]), Buffer.from(content as string), Buffer.from([0x1c, 0x0d])]));
  };
  return {
    async send(message, controlId, mode = 'original') {
      write(message);
      const answers: Answer[] = [];
      for (;;) {
        const text = await frames.next(timeoutMs);
        const [, code = '', id] = /\rMSA\|(\w\w)\|([^|\r]*)/.exec(text) ?? [];
        if (id !== controlId) throw new Error(`the answer to ${controlId} is for ${id}: ${text}`);
        answers.push({ code, text });
        if (endings.has(code) || (ackModes[mode].last as readonly string[]).includes(code)) return answers;
      }
    },
    async frame(content) {
      write(content);
      return frames.next(timeoutMs);
    },
    write,
    async until(content, isLast) {
      write(content);
      const all: string[] = [];
      while (all.length === 0 || !isLast(all.at(-1)!)) all.push(await frames.next(timeoutMs));
      return all;
    },
    close: () => socket.destroy(),
  };
}

interface Frames {
  next(timeoutMs: number): Promise<string>;
}

function framesOf(socket: Socket): Frames {
  const waiting: string[] = [];
  let taker: { resolve(text: string): void; reject(error: Error): void } | undefined;
  let ended = false;
  let bytes = '';
  const give = (): void => {
    if (taker === undefined) return;
    const text = waiting.shift();
    if (text !== undefined) taker.resolve(text);
    else if (ended) taker.reject(new Error('the connection was lost'));
    else return;
    taker = undefined;
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    bytes += chunk;
    const parts = bytes.split('\x1c\r');
    bytes = parts.pop()!;
    waiting.push(...parts.map((part) => part.slice(1)));
    give();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    give();
  });
  return {
    next(timeoutMs) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer')), timeoutMs);
        const settled =
          <T>(then: (value: T) => void) =>
          (value: T): void => {
            clearTimeout(timer);
            then(value);
          };
        taker = { resolve: settled(resolve), reject: settled(reject) };
        give();
      });
    },
  };
}

/** What a careful sender remembers. */
export interface Sent {
  controlId: string;
  /** The answers of the time that it was taken, and how often it was sent. */
  answers: Answer[];
  times: number;
}

/**
 * Sends what `messages` yields, one after the other, each until it is taken; a lost connection is dialled anew, at whichever
 * port the server has then. Ends with the messages, or with the one at hand when `signal` says so, or at once by `giveUp`.
 */
export async function sendAll(
  messages: Iterable<{ controlId: string; text: string }>,
  options: { port(): number; mode: AckModeName; signal: AbortSignal; giveUp: AbortSignal; onSent?(): void },
): Promise<Sent[]> {
  const sent: Sent[] = [];
  let line: Exchange | undefined;
  for (const { controlId, text } of messages) {
    if (options.signal.aborted) break;
    for (let times = 1; !options.giveUp.aborted; times++) {
      let answers: Answer[] = [];
      try {
        line ??= await dialMllp(options.port());
        answers = await line.send(text, controlId, options.mode);
      } catch (error) {
        if (/is for/.test((error as Error).message)) throw error;
        line?.close();
        line = undefined;
      }
      const code = answers.at(-1)?.code ?? '';
      if ((ackModes[options.mode].last as readonly string[]).includes(code)) {
        sent.push({ controlId, answers, times });
        options.onSent?.();
        break;
      }
      if (code !== '' && !/Send the message again/.test(answers.at(-1)!.text)) {
        throw new Error(`${controlId} was refused: ${answers.at(-1)!.text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  line?.close();
  return sent;
}
