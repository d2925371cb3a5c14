// Which message is sent next: within a lane (a patient) one at a time and in order, lanes side by side.
import type { Queued } from './queue.ts';

interface Lane {
  key: number;
  waiting: Queued[];
  /** Being sent, or its outcome being written. */
  busy: boolean;
  /** What is being sent may have been taken out or delivered by somebody else meanwhile. */
  isVoid: boolean;
  /** On the clock of `performance.now()`. */
  notBeforeMs: number;
}

export interface Lanes {
  /** Rows in the order of their ids, of lanes that `has` does not know: what a lane has yet to come is loaded when it is empty. */
  add(rows: Queued[]): void;
  has(key: number): boolean;
  /** Messages that could be sent now. */
  ready(nowMs: number): number;
  /** The first messages, up to `countMax`, of the idle lane whose head is oldest; the lane is busy from then on. */
  take(nowMs: number, countMax: number): Queued[] | undefined;
  /** When the head of the lane that `take` would yield was queued (1970 UTC), and how many wait there. */
  head(nowMs: number): { queued_at: number; waiting: number } | undefined;
  keys(): Iterable<number>;
  /** The messages taken have ended. */
  done(key: number): void;
  /**
   * The messages taken go back to the head, to be taken not before `notBeforeMs`. If `forget` was called meanwhile they have
   * ended instead: what still waits of them is read anew.
   */
  putBack(taken: Queued[], notBeforeMs: number): void;
  /** Forgets all that waits, and what is put back of what is under way: it is read anew. */
  forget(): void;
  /** When the next lane that waits for its time is due; undefined: none waits. */
  dueMs(nowMs: number): number | undefined;
}

export function createLanes(): Lanes {
  const lanes = new Map<number, Lane>();

  const first = (nowMs: number): Lane | undefined => {
    let best: Lane | undefined;
    for (const lane of lanes.values()) {
      if (lane.busy || lane.notBeforeMs > nowMs) continue;
      if (best === undefined || lane.waiting[0]!.id < best.waiting[0]!.id) best = lane;
    }
    return best;
  };
  const drop = (lane: Lane): void => {
    if (lane.waiting.length === 0 && !lane.busy) lanes.delete(lane.key);
  };

  const end = (lane: Lane): void => {
    Object.assign(lane, { busy: false, isVoid: false, notBeforeMs: 0 });
    drop(lane);
  };

  return {
    add(rows) {
      for (const row of rows) {
        const lane = lanes.get(row.lane);
        if (lane !== undefined) lane.waiting.push(row);
        else lanes.set(row.lane, { key: row.lane, waiting: [row], busy: false, isVoid: false, notBeforeMs: 0 });
      }
    },
    has: (key) => lanes.has(key),
    ready(nowMs) {
      let count = 0;
      for (const lane of lanes.values()) if (!lane.busy && lane.notBeforeMs <= nowMs) count++;
      return count;
    },
    take(nowMs, countMax) {
      const lane = first(nowMs);
      if (lane === undefined) return undefined;
      lane.busy = true;
      return lane.waiting.splice(0, countMax);
    },
    head(nowMs) {
      const waiting = first(nowMs)?.waiting;
      return waiting && { queued_at: waiting[0]!.queued_at, waiting: waiting.length };
    },
    keys: () => lanes.keys(),
    done: (key) => end(lanes.get(key)!),
    putBack(taken, notBeforeMs) {
      const lane = lanes.get(taken[0]!.lane)!;
      if (lane.isVoid) return end(lane);
      lane.waiting.unshift(...taken);
      lane.busy = false;
      lane.notBeforeMs = notBeforeMs;
    },
    forget() {
      for (const lane of lanes.values()) {
        lane.waiting = [];
        lane.isVoid = lane.busy;
        drop(lane);
      }
    },
    dueMs(nowMs) {
      let due: number | undefined;
      for (const { busy, notBeforeMs } of lanes.values()) {
        if (!busy && notBeforeMs > nowMs && (due === undefined || notBeforeMs < due)) due = notBeforeMs;
      }
      return due;
    },
  };
}
