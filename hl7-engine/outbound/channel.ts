// What carries messages to a destination: mllp.ts, http.ts, file.ts.

/** A message as a channel sees it. */
export interface Parcel {
  id: bigint;
  controlId: string;
  body: Buffer;
  /** Milliseconds since 1970 UTC. */
  queuedMs: number;
}

/**
 * What became of an attempt. `refused`: the receiver has it and says no. `unanswered`: it may have it, nothing valid was
 * said. `unreachable`: it was not sent, and no other would be. `impossible`: it can never be sent.
 */
export type Attempt =
  | { kind: 'delivered'; answer: Buffer | null }
  | { kind: 'refused'; error: string; answer: Buffer | null }
  | { kind: 'unanswered'; error: string; answer?: Buffer; retryAfterMs?: number }
  | { kind: 'unreachable'; error: string; retryAfterMs?: number }
  | { kind: 'impossible'; error: string };

export interface Channel {
  /** Parcels that go as one: more than 1 only for batches. */
  readonly parcelsMax: number;
  /** How long an incomplete batch waits for more. */
  readonly waitMs: number;
  /** Attempts at one receiver share a limit; files have none. */
  readonly host: string | undefined;
  /** Never throws. After `signal` it ends soon; what it then says is not recorded as a failure. */
  send(parcels: readonly Parcel[], signal: AbortSignal): Promise<Attempt>;
  /** Open connections. */
  connections(): number;
  close(): void;
}

/** Kept of an answer. */
export const answerBytesMax = 64 * 1024;
