// How much is decoded at once. A JSON reading of 100 bytes becomes an Observation of about 2 kB on the heap, so 4 MB of
// payload are some 80 MB; messages beyond wait as bytes, in order, and their senders with them.

export interface Gate {
  /** Resolves, in the order of calls, when there is room. What is larger than all the room goes when nothing is in. */
  enter(bytes: number): Promise<void>;
  leave(bytes: number): void;
  /** Whether the next to enter would wait. */
  full(): boolean;
}

/** So that a million empty messages do not count as nothing. */
const messageBytes = 256;

export function createGate(pendingBytesMax: number): Gate {
  const waiting: { bytes: number; open: () => void }[] = [];
  let head = 0;
  let inside = 0;

  const hasRoom = (bytes: number) => inside === 0 || inside + bytes + messageBytes <= pendingBytesMax;

  const next = (): void => {
    while (head < waiting.length && hasRoom(waiting[head]!.bytes)) {
      const { bytes, open } = waiting[head]!;
      head++;
      inside += bytes + messageBytes;
      open();
    }
    if (head === waiting.length || head > 1000) {
      waiting.splice(0, head);
      head = 0;
    }
  };

  return {
    enter(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ bytes, open: resolve });
      next();
      return promise;
    },
    leave(bytes) {
      inside -= bytes + messageBytes;
      next();
    },
    full: () => waiting.length > 0 || !hasRoom(0),
  };
}
