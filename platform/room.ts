// Memory that large bodies may take together: one of 50 MB is fine, twenty at once would fill the heap.
import { CerebraError } from './errors.ts';

/** What one request has of a Room. */
export interface Held {
  bytes: number;
  /** It needs no more: what comes late goes back at once. */
  over: boolean;
}

export interface Room {
  /**
   * Resolves when there is room for `bytes` more; in the order of the calls. What is larger than the whole room gets it
   * alone. Throws `unavailable` after `waitMsMax`.
   */
  take(held: Held, bytes: number): Promise<void>;
  /** Whether there was room at once. */
  tryTake(held: Held, bytes: number): boolean;
  /** Gives back what is more than `bytes`. */
  keep(held: Held, bytes: number): void;
  /** Gives back all, for good. */
  release(held: Held): void;
}

export const newHeld = (): Held => ({ bytes: 0, over: false });

interface Waiting {
  held: Held;
  bytes: number;
  granted(): void;
}

export function createRoom(bytesMax: number, waitMsMax: number): Room {
  let used = 0;
  const queue: Waiting[] = [];

  const fits = (bytes: number): boolean => used === 0 || used + bytes <= bytesMax;

  const grant = (held: Held, bytes: number): void => {
    used += bytes;
    held.bytes += bytes;
  };

  const next = (): void => {
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      if (!first.held.over && !fits(first.bytes)) return;
      queue.shift();
      if (!first.held.over) grant(first.held, first.bytes);
      first.granted();
    }
  };

  const keep = (held: Held, bytes: number): void => {
    if (held.bytes <= bytes) return;
    used -= held.bytes - bytes;
    held.bytes = bytes;
    next();
  };

  const tryTake = (held: Held, bytes: number): boolean => {
    if (queue.length > 0 || held.over || !fits(bytes)) return false;
    grant(held, bytes);
    return true;
  };

  const wait = (held: Held, bytes: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const waiting: Waiting = {
        held,
        bytes,
        granted() {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(waiting), 1);
        const seconds = Math.ceil(waitMsMax / 1000);
        const text = `Other large bodies took all room for ${seconds} seconds: send this one again later`;
        reject(new CerebraError('unavailable', text));
        next();
      }, waitMsMax);
      queue.push(waiting);
    });

  return {
    take: (held, bytes) => (tryTake(held, bytes) ? Promise.resolve() : wait(held, bytes)),
    tryTake,
    keep,
    release(held) {
      held.over = true;
      keep(held, 0);
      if (queue.length > 0) next();
    },
  };
}
