// An MLLP listener of tests: a port of its own, and limits that nothing runs into by itself.
import type { MllpServerOptions } from '../mllp/server.ts';

export const listening = {
  name: 'test',
  host: '127.0.0.1',
  port: 0,
  messageBytesMax: 1024 * 1024,
  heldBytesMax: 100 * 1024 * 1024,
  idleTimeoutMs: 60_000,
  frameTimeoutMs: 60_000,
  handshakeTimeoutMs: 60_000,
  connectionsMax: 100,
  waitingFramesMax: 4,
  stopTimeoutMs: 30_000,
} satisfies Partial<MllpServerOptions>;
