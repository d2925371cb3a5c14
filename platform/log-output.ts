// Standard output for log records, written in the background. The server goes on whatever becomes of them: while they cannot be
// written (a full disk, a reader that stands still) the oldest are kept, and how many were lost is told when there is room again.
// pino's own destination ends the process for such an error, and on the way out writes again and again without end: a server
// whose log was on a full disk stood still, with its ports open.
import { write, writeSync } from 'node:fs';

export interface LogOutput {
  write(line: string): void;
  /** For a process that ends: what is not written at once, or within a second to a reader that is slow, is given up. */
  flushSync(): void;
}

/** Of the file descriptor that is written to; tests give their own. */
export interface LogDescriptor {
  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void;
  writeSync(bytes: Buffer): number;
}

export interface LogOutputOptions {
  /** The record that stands for so many which were lost. */
  lostLine(lost: number): string;
  descriptor?: LogDescriptor;
  /** How much waits at most; default 4 MB. */
  keptBytesMax?: number;
}

const standardOutput: LogDescriptor = {
  write: (bytes, done) => write(1, bytes, 0, bytes.length, null, done),
  writeSync: (bytes) => writeSync(1, bytes),
};
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 100;
const FLUSH_MS = 1_000;

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code;
/** A pipe whose reader is slow. */
const isFull = (error: unknown): boolean => codeOf(error) === 'EAGAIN' || codeOf(error) === 'EBUSY';

export function createLogOutput(options: LogOutputOptions): LogOutput {
  const { lostLine, descriptor = standardOutput, keptBytesMax = KEPT_BYTES_MAX } = options;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  /** Handed to the system. */
  let under: Buffer | undefined;
  let retry: NodeJS.Timeout | undefined;
  let lost = 0;
  /** Nobody reads any more, and nobody will. */
  let isClosed = false;

  const keep = (bytes: Buffer, isFirst = false): void => {
    waiting[isFirst ? 'unshift' : 'push'](bytes);
    waitingBytes += bytes.length;
  };
  const takeAll = (): Buffer => {
    const all = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    return all;
  };
  const next = (): void => {
    if (under || retry || isClosed || waiting.length === 0) return;
    under = takeAll();
    descriptor.write(under, done);
  };
  const done = (error: NodeJS.ErrnoException | null, written: number): void => {
    const rest = under!.subarray(error ? 0 : written);
    under = undefined;
    if (rest.length > 0) keep(rest, true);
    if (error) failed(error);
    else {
      if (lost > 0) keep(Buffer.from(lostLine(lost)));
      lost = 0;
      next();
    }
  };
  const failed = (error: NodeJS.ErrnoException): void => {
    isClosed = error.code === 'EPIPE';
    if (isClosed) takeAll();
    else {
      retry = setTimeout(() => {
        retry = undefined;
        next();
      }, RETRY_MS).unref();
    }
  };
  return {
    write(line) {
      const bytes = Buffer.from(line);
      const isTooMuch = waitingBytes + (under?.length ?? 0) + bytes.length > keptBytesMax;
      if (isTooMuch) lost += isClosed ? 0 : 1;
      else if (!isClosed) keep(bytes);
      next();
    },
    flushSync() {
      // What is under way is the system's; of the rest nothing is written twice.
      const rest = writeAll(descriptor, takeAll());
      if (rest.length > 0 && !isClosed) keep(rest, true);
    },
  };
}

/** What could not be written. */
function writeAll(descriptor: LogDescriptor, bytes: Buffer): Buffer {
  const deadline = performance.now() + FLUSH_MS;
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(descriptor.writeSync(rest));
    } catch (error) {
      if (!isFull(error) || performance.now() > deadline) return rest;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
  return rest;
}
