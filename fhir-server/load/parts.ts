// Pieces gathered into what one transaction writes.
import type { Item, Piece } from './records.ts';
import type { Fault, Mark } from './types.ts';

/**
 * So many ids are locked one by one (store/locks.ts), more would keep other creators of ids out altogether. 1,000 in a
 * transaction take PostgreSQL 46 µs each, 250 take 49.
 */
export const PART_RESOURCES_MAX = 250;

export interface Group {
  items: Item[];
  faults: Fault[];
  marks: Mark[];
  /** Nothing is written unless all is. */
  atomic: boolean;
}

export interface Gathering {
  add(piece: Piece): void;
  /** All of them in one group, whatever their number; `atomic`: as Group.atomic. */
  addWhole(pieces: Piece[], atomic: boolean): void;
  end(): Group[];
}

function mark(marks: Mark[], { source: { file }, from, to, lines, found }: Piece): void {
  const last = marks.at(-1);
  const count = found ? 1 : 0;
  if (last?.file === file && last.to === from) {
    last.to = to;
    last.lines += lines;
    last.found += count;
  } else marks.push({ file, from, to, lines, found: count });
}

const emptyGroup = (): Group => ({ items: [], faults: [], marks: [], atomic: false });

/** A group never has an id twice: the second one comes in a later transaction. */
export function gather(): Gathering {
  const groups: Group[] = [];
  let group = emptyGroup();
  let names = new Set<string>();
  const flush = (): void => {
    if (group.marks.length > 0) groups.push(group);
    group = emptyGroup();
    names = new Set();
  };
  const take = (piece: Piece): void => {
    const { item, fault } = piece;
    mark(group.marks, piece);
    if (fault) group.faults.push(fault);
    if (item) {
      group.items.push(item);
      names.add(`${item.resource.resourceType}/${item.id}`);
    }
  };
  return {
    add(piece) {
      const { item } = piece;
      const isFull = group.items.length >= PART_RESOURCES_MAX;
      if (item && (isFull || names.has(`${item.resource.resourceType}/${item.id}`))) flush();
      take(piece);
    },
    addWhole(pieces, atomic) {
      flush();
      group.atomic = atomic;
      for (const piece of pieces) take(piece);
      flush();
    },
    end() {
      flush();
      return groups;
    },
  };
}
