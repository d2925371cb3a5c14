// From which id on a queue has to be looked at: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
// Rows that were delivered leave entries in the index until vacuum comes, which a backup of hours holds back: looking
// from the beginning each time would pass them all (a million: 200 ms). Looking from the last row seen would miss what a
// transaction commits late. So the floor rises to an id only when every transaction that may own an id below it has ended.
import type { Glance } from './queue.ts';

export interface Floor {
  /** Nothing queued stands below, nor will. */
  id(): bigint;
  /** Learns from a glance that began at `id()`. */
  saw(glance: Glance): void;
  /** Rows below may be queued again. */
  reset(): void;
}

export function createFloor(): Floor {
  let floor = 0n;
  let highest = 0n;
  /** Ids up to `highest` belong to transactions with numbers below `xmax`. */
  let mark: { highest: bigint; xmax: bigint } | undefined;
  const rise = (first: bigint | undefined, { xmin, xmax }: { xmin: bigint; xmax: bigint }): void => {
    if (mark !== undefined && xmin >= mark.xmax) {
      const settled = mark.highest + 1n;
      floor = first !== undefined && first < settled ? first : settled;
      mark = undefined;
    }
    // `highest` was seen before this snapshot was taken, so its transactions had begun by then.
    if (mark === undefined && highest >= floor && highest > 0n) mark = { highest, xmax };
  };
  return {
    id: () => floor,
    saw({ rows, ended }) {
      if (ended !== undefined) rise(rows[0]?.id, ended);
      const last = rows.at(-1)?.id;
      if (last !== undefined && last > highest) highest = last;
    },
    reset() {
      floor = 0n;
      mark = undefined;
    },
  };
}
