// How many messages are under way to one host, whatever the number of destinations there: a receiver that serves
// several interfaces must not be overrun by one queue that empties.

export interface HostGate {
  /** False when the host has as many as it may; `onFree` is then called once when one ends. */
  enter(host: string, onFree: () => void): boolean;
  leave(host: string): void;
}

export function createHostGate(exchangesMax: number): HostGate {
  const hosts = new Map<string, { count: number; waiting: Set<() => void> }>();
  return {
    enter(host, onFree) {
      const entry = hosts.get(host) ?? { count: 0, waiting: new Set() };
      hosts.set(host, entry);
      if (entry.count >= exchangesMax) {
        entry.waiting.add(onFree);
        return false;
      }
      entry.count++;
      return true;
    },
    leave(host) {
      const entry = hosts.get(host)!;
      entry.count--;
      // Each only looks whether it may: the first that is told takes the place, the others ask again.
      const waiting = [...entry.waiting];
      entry.waiting.clear();
      if (entry.count === 0 && waiting.length === 0) hosts.delete(host);
      for (const onFree of waiting) onFree();
    },
  };
}
