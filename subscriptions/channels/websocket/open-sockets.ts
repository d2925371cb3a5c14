// The sockets that are open in this process: how many may be, and how all of them end with the server.
import type { Duplex } from 'node:stream';

/** What ends with the server. */
export interface Closeable {
  close(code: number, reason: string): void;
  cut(): void;
}

export interface OpenSockets<T extends Closeable> extends Iterable<T> {
  readonly size: number;
  readonly isClosing: boolean;
  add(one: T): void;
  delete(one: T): void;
  /** Answers the request with 503 where no more are taken. */
  refuses(socket: Duplex): boolean;
  /** They are taken again. */
  reopen(): void;
  /** Says so to all (1001), cuts after `graceMs` those that don't leave, and takes no more. */
  close(graceMs: number): Promise<void>;
}

/** https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1; 1013: https://www.iana.org/assignments/websocket */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  unsupported: 1003,
  policy: 1008,
  failed: 1011,
  tryAgainLater: 1013,
} as const;

export function createOpenSockets<T extends Closeable>(max: number): OpenSockets<T> {
  const open = new Set<T>();
  const allClosed = new Set<() => void>();
  let isClosing = false;
  return {
    get size() {
      return open.size;
    },
    get isClosing() {
      return isClosing;
    },
    [Symbol.iterator]: () => open.values(),
    add: (one) => void open.add(one),
    delete(one) {
      open.delete(one);
      if (open.size === 0) for (const resolve of allClosed) resolve();
    },
    refuses(socket) {
      if (!isClosing && open.size < max) return false;
      const text = isClosing ? 'The server is shutting down' : 'There are too many web sockets: try again later';
      refuseUpgrade(socket, 503, 'Service Unavailable', text);
      return true;
    },
    reopen() {
      isClosing = false;
    },
    async close(graceMs) {
      isClosing = true;
      if (open.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      allClosed.add(resolve);
      for (const one of open) one.close(closeCodes.goingAway, 'The server is shutting down');
      const cut = setTimeout(() => {
        for (const one of open) one.cut();
      }, graceMs);
      await promise;
      clearTimeout(cut);
    },
  };
}

/** A plain HTTP answer in place of the handshake. */
export function refuseUpgrade(socket: Duplex, status: number, name: string, text: string): void {
  socket.on('error', () => {});
  socket.end(
    `HTTP/1.1 ${status} ${name}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
