// Who may connect to a listener, and how many at a time: asked before a byte is read.
import type { AddressList } from '../transport/addresses.ts';

export interface GateOptions {
  /** Addresses that may connect; undefined: all. */
  allow?: AddressList | undefined;
  connectionsMax: number;
  /** Of one address at a time. */
  connectionsPerPeerMax?: number | undefined;
  /** Of one address, in a minute. */
  connectionsPerMinuteMax?: number | undefined;
  nowMs(): number;
}

/** Why a connection is not taken: not on the list, the listener is full, the peer has enough, or comes too often. */
export type Barred = 'address' | 'full' | 'peer' | 'rate';

export interface Gate {
  /** Undefined: it is in, and `leave` has to follow. */
  enter(address: string): Barred | undefined;
  leave(address: string): void;
}

const minuteMs = 60_000;

export function createGate(options: GateOptions): Gate {
  const { connectionsPerPeerMax = Number.POSITIVE_INFINITY, connectionsPerMinuteMax = Number.POSITIVE_INFINITY } =
    options;
  const open = new Map<string, number>();
  let total = 0;
  // Fixed minutes: at most twice as many in any 60 s, for one number an address.
  let attempts = new Map<string, number>();
  let minuteStartMs = Number.NEGATIVE_INFINITY;

  const attemptsOf = (address: string): number => {
    const nowMs = options.nowMs();
    if (nowMs - minuteStartMs >= minuteMs) {
      minuteStartMs = nowMs;
      attempts = new Map();
    }
    const count = (attempts.get(address) ?? 0) + 1;
    attempts.set(address, count);
    return count;
  };

  const barred = (address: string): Barred | undefined => {
    if (options.allow !== undefined && !options.allow.has(address)) return 'address';
    if (connectionsPerMinuteMax !== Number.POSITIVE_INFINITY && attemptsOf(address) > connectionsPerMinuteMax) {
      return 'rate';
    }
    if (total >= options.connectionsMax) return 'full';
    return (open.get(address) ?? 0) >= connectionsPerPeerMax ? 'peer' : undefined;
  };

  return {
    enter(address) {
      const reason = barred(address);
      if (reason !== undefined) return reason;
      total++;
      open.set(address, (open.get(address) ?? 0) + 1);
      return undefined;
    },
    leave(address) {
      total--;
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    },
  };
}
