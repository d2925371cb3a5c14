// What one host is given: so many requests at a time, and none for a while when it fails whoever calls. So one receiver
// that hangs can't take all deliverers, and one that is down isn't called by a thousand subscriptions in turn.
import { type BackoffLimits, backoffMs } from '#platform';

export interface HostLimits {
  /** Requests under way to one host, of this process. */
  hostRequestsMax: number;
  /** Faults of a host in a row, over all its subscriptions, after which it is left alone for a while. */
  hostFaultsMax: number;
}

export interface Hosts {
  /** Hosts with as many requests as they may have. */
  full(): string[];
  /** Takes a place, or says how long to wait; 0: until one is free. */
  enter(host: string): 'entered' | { waitMs: number };
  /** True: others may be waiting for the place. */
  leave(host: string): boolean;
  /** What came of a request. `fault`: the host, not the one subscription, was at fault. */
  report(host: string, fault: boolean): void;
}

interface Host {
  requests: number;
  faults: number;
  /** By performance.now(): a clock that jumps keeps no host closed. */
  closedUntil: number;
  /** When it was last looked at it was full. */
  short: boolean;
}

export interface HostsOptions {
  limits: HostLimits;
  /** Of the pause, as of retries. */
  pause: BackoffLimits;
  random: () => number;
}

/** A host that is down is tried this often at least. */
const pauseMsMax = 60_000;

/** '' is no host: it has no limits. */
export function createHosts({ limits, pause, random }: HostsOptions): Hosts {
  const hosts = new Map<string, Host>();
  const pauses = { ...pause, backoffMsMax: Math.min(pause.backoffMsMax, pauseMsMax) };
  // While it fails one request at a time finds out whether it still does.
  const mostOf = ({ faults }: Host) => (faults >= limits.hostFaultsMax ? 1 : limits.hostRequestsMax);
  return {
    full() {
      for (const host of hosts.values()) host.short = host.requests >= mostOf(host);
      return [...hosts].filter(([, { short }]) => short).map(([name]) => name);
    },
    enter(name) {
      if (name === '') return 'entered';
      const host = hosts.get(name) ?? { requests: 0, faults: 0, closedUntil: 0, short: false };
      if (host.requests >= mostOf(host)) {
        host.short = true;
        return { waitMs: 0 };
      }
      const waitMs = host.closedUntil - performance.now();
      if (waitMs > 0) return { waitMs };
      host.requests++;
      hosts.set(name, host);
      return 'entered';
    },
    leave(name) {
      const host = hosts.get(name);
      if (!host) return false;
      host.requests--;
      if (host.requests === 0 && host.faults === 0) hosts.delete(name);
      return host.short;
    },
    report(name, fault) {
      const host = hosts.get(name);
      if (!host) return;
      host.faults = fault ? host.faults + 1 : 0;
      const over = host.faults - limits.hostFaultsMax;
      host.closedUntil = over < 0 ? 0 : performance.now() + backoffMs(over + 1, pauses, random);
    },
  };
}
