// Which message is sent next: within a lane (a patient) one at a time and in order, lanes side by side. A message of several lanes (a
// merge) is alone in all of them: what comes before it has gone, what comes after it is read when it has.
import type { Glanced, Queued } from './queue.ts';

interface Lane {
  key: number;
  /** Of a message of several lanes: nothing else goes in these either. */
  others: readonly number[];
  waiting: Queued[];
  /** Being sent, or its outcome being written. */
  busy: boolean;
  /** What is being sent may have been taken out or delivered by somebody else meanwhile. */
  isVoid: boolean;
  /** On the clock of `performance.now()`. */
  notBeforeMs: number;
}

export interface Lanes {
  /** Rows that `loadable` picked, in the order of their ids. */
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
  const held = new Set<number>();

  const first = (nowMs: number): Lane | undefined => {
    let best: Lane | undefined;
    for (const lane of lanes.values()) {
      if (lane.busy || lane.notBeforeMs > nowMs) continue;
      if (best === undefined || lane.waiting[0]!.id < best.waiting[0]!.id) best = lane;
    }
    return best;
  };
  const drop = (lane: Lane): void => {
    if (lane.waiting.length > 0 || lane.busy) return;
    lanes.delete(lane.key);
    for (const other of lane.others) held.delete(other);
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
        else {
          const others = row.other_lanes ?? [];
          lanes.set(row.lane, { key: row.lane, others, waiting: [row], busy: false, isVoid: false, notBeforeMs: 0 });
          for (const other of others) held.add(other);
        }
      }
    },
    has: (key) => lanes.has(key) || held.has(key),
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
    keys: () => [...lanes.keys(), ...held],
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

/**
 * Of rows in the order of their ids those that may be loaded while the lanes `known` are: what a known lane has yet to come is loaded
 * when it is empty, and a row of several lanes when all of them are.
 */
export function loadable(rows: readonly Glanced[], known: Iterable<number>): Glanced[] {
  const closed = new Set(known);
  const open = new Set<number>();
  return rows.filter(({ lane, other_lanes }) => {
    if (other_lanes === null) {
      if (!closed.has(lane)) open.add(lane);
      return !closed.has(lane);
    }
    const all = [lane, ...other_lanes];
    const isFree = !all.some((one) => closed.has(one) || open.has(one));
    for (const one of all) closed.add(one);
    return isFree;
  });
}
