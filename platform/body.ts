// Request bodies, compressed or not, within a limit: https://www.rfc-editor.org/rfc/rfc9110#section-8.4
import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CerebraError } from './errors.ts';

const decoders: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** What Content-Encoding may say, for answers that refuse another one. */
export const bodyEncodings = 'gzip, deflate, br';

/** The decoder for the body; undefined when it is sent as it is. One coding only: of several each could be a bomb. */
function decoderOf(request: IncomingMessage): Transform | undefined {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase();
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined;
  const create = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (create !== undefined) return create();
  throw new CerebraError(
    'unsupported-media-type',
    `Content-Encoding '${encoding.slice(0, 40)}' is not read: send the body as it is or as one of ${bodyEncodings}`,
    { expression: ['Content-Encoding'] },
  );
}

/** Calls `full` once, when more than `bytesMax` have come. */
function count(stream: Readable, bytesMax: number, full: () => void): void {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    const before = bytes;
    bytes += chunk.length;
    if (bytes > bytesMax && before <= bytesMax) full();
  });
}

/** Feeds the decoder; when it stops, be it full or at a fault, the rest of the request is discarded. */
function feed(request: IncomingMessage, decoder: Transform, bytesMax: number, full: () => void): void {
  count(request, bytesMax, full);
  request.pipe(decoder);
  decoder.on('close', () => {
    request.unpipe(decoder);
    request.resume();
  });
}

/** Smaller ones need not ask for room: they come in one piece or a few. */
const largeBytes = 1024 * 1024;

/** Waits for room, with the rest of the body still at the client. */
export type TakeRoom = (bytes: number) => Promise<void>;

/** Of a body that turns out to be large: reads on when there is room for as much as it may become. */
function askForRoom(body: Readable, bytes: number, take: TakeRoom, fail: (error: CerebraError) => void): void {
  body.pause();
  take(bytes).then(
    () => body.resume(),
    (error: CerebraError) => {
      fail(error);
      body.resume();
    },
  );
}

/** What a body of this request may become. */
function expectedBytes(request: IncomingMessage, decoder: Transform | undefined, bytesMax: number): number {
  const announced = Number(request.headers['content-length'] ?? bytesMax);
  return decoder === undefined ? Math.min(announced, bytesMax) : bytesMax;
}

export interface Body {
  bytes: Buffer;
  /** False: there was more than is taken, and `bytes` is its beginning. */
  isWhole: boolean;
}

interface Collecting {
  bytesMax: number;
  /** Before they are decompressed; default `bytesMax`. */
  sentBytesMax?: number;
  /** Bytes that are kept of a body that is larger. */
  headBytesMax: number;
  take?: TakeRoom | undefined;
}

/** Resolves with all chunks of `body`, or fails with the first thing that goes wrong. */
function collect(
  request: IncomingMessage,
  decoder: Transform | undefined,
  { bytesMax, sentBytesMax = bytesMax, headBytesMax, take }: Collecting,
): Promise<Body> {
  return new Promise((resolve, reject) => {
    const body = decoder ?? request;
    const chunks: Buffer[] = [];
    let ended = false;
    const end = () => {
      ended = true;
      chunks.length = 0;
      decoder?.destroy();
    };
    const fail = (error: CerebraError) => {
      reject(error);
      end();
    };
    const full = () => {
      resolve({ bytes: Buffer.concat(chunks).subarray(0, headBytesMax), isWhole: false });
      end();
    };
    // One listener for all: each costs as much as a small body's copy.
    const asks = take !== undefined && bytesMax > largeBytes;
    let bytes = 0;
    body.on('data', (chunk: Buffer) => {
      const before = bytes;
      bytes += chunk.length;
      if (!ended) chunks.push(chunk);
      if (bytes > bytesMax && before <= bytesMax) full();
      if (asks && !ended && bytes > largeBytes && before <= largeBytes) {
        askForRoom(body, expectedBytes(request, decoder, bytesMax), take, fail);
      }
    });
    body.on('end', () => resolve({ bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), isWhole: true }));
    decoder?.on('error', (cause) =>
      fail(new CerebraError('invalid', 'The body is not what its Content-Encoding says', { cause })),
    );
    // 'close' comes after each request: an error with its stack for every one was 1 % of the server's CPU.
    const brokenOff = () => {
      if (!request.complete) fail(new CerebraError('invalid', 'The request ended before its body was complete'));
    };
    request.on('error', brokenOff);
    request.on('close', brokenOff);
    if (decoder !== undefined) feed(request, decoder, sentBytesMax, full);
  });
}

const tooLarge = (bytesMax: number): CerebraError =>
  new CerebraError('too-large', `The request body is larger than ${bytesMax} bytes`);

/**
 * The whole body, decompressed as Content-Encoding says. Throws `too-large` as soon as more than `bytesMax` are announced
 * or have come, compressed or decompressed (the rest is discarded, so that the response can still be read);
 * `unsupported-media-type` for another coding; `invalid` when the client breaks off or the compressed data are damaged.
 * A body of more than 1 MB is read on only when `take` has given room for it.
 */
export async function readBody(request: IncomingMessage, bytesMax: number, take?: TakeRoom): Promise<Buffer> {
  const { bytes, isWhole } = await readOrDiscard(request, { bytesMax, headBytesMax: 0, take });
  if (!isWhole) throw tooLarge(bytesMax);
  return bytes;
}

/**
 * The body as readBody yields it; of one that is larger than `bytesMax` the first `headBytesMax` bytes at the most, decompressed.
 * Throws what readBody does, but for `too-large`.
 */
export const readBodyOrHead = (request: IncomingMessage, bytesMax: number, headBytesMax: number): Promise<Body> =>
  readOrDiscard(request, { bytesMax, headBytesMax });

async function readOrDiscard(request: IncomingMessage, { bytesMax, headBytesMax, take }: Collecting): Promise<Body> {
  const isLarge = Number(request.headers['content-length'] ?? 0) > bytesMax;
  try {
    if (isLarge && headBytesMax === 0) {
      request.resume();
      return { bytes: Buffer.alloc(0), isWhole: false };
    }
    // What is announced as too large is read no further than its head.
    const readMax = isLarge ? Math.min(headBytesMax, bytesMax) : bytesMax;
    return await collect(request, decoderOf(request), {
      bytesMax: readMax,
      sentBytesMax: bytesMax,
      headBytesMax,
      take,
    });
  } catch (error) {
    request.resume();
    throw error;
  }
}
