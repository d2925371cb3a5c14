// Callers of the same moment share a statement. A statement that writes one resource costs PostgreSQL 280 µs, most of it
// spent before the first row: opening seventeen tables and indexes, a snapshot, a commit. Sixteen at once share that.
import { sqlState } from './errors.ts';

/** On the connection where statements go one behind the other (Db.inLine), or on another one. */
export type Place = 'in line' | 'beside';

export interface GatherOptions<Item, Result> {
  /** Statements under way at a time: two keep PostgreSQL busy while the next ones gather. */
  lanesMax: number;
  /**
   * When so many items wait, another statement is sent behind the one under way, over its connection: PostgreSQL begins it without
   * being woken for it, and the callers of the first are answered meanwhile. Both count as one lane. Not behind one that has taken
   * longer than `withinMs`: it is slow, and others go beside it.
   */
  behind?: { itemsMin: number; withinMs: number };
  /**
   * Another statement begins beside those under way when so many items wait, or one has waited `waitMs`: a slow statement
   * does not hold up a few others for long. Default: one is enough. `othersMin`: so many where the first of them has another
   * key than what is under way, and will not go with what comes next either.
   */
  beside?: { itemsMin: number; waitMs: number; othersMin?: number };
  /** Items of one statement. */
  itemsMax: number;
  /**
   * Of one statement while so few wait that no other would begin beside it: callers that wait for their answers come back
   * in two groups then, and one is answered while the other's statement runs. Default: `itemsMax`.
   */
  itemsUsual?: number;
  /** What an item weighs, and what all of a statement may: one huge item shall not hold up many small ones. */
  weigh(item: Item): number;
  weightMax: number;
  /** Items for one statement: those that come with different keys never share one. */
  key(item: Item): string;
  /** One statement, which has all effects or none; results in the order of the items. */
  run(items: Item[], place: Place): Promise<Result[]>;
}

interface Running {
  key: string;
  place: Place;
  /** When it was sent, by performance.now(). */
  sinceMs: number;
}

/** Under way and behind it: more would only wait for longer, and no longer for others to share a statement with. */
const IN_LINE_MAX = 2;

interface Waiting<Item, Result> {
  item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** The statement was refused for what it says: one of its items is at fault, the others are not. */
const isOfAnItem = (error: unknown): boolean => /^(2[123]|54)/.test(sqlState(error) ?? '');

/** invalid_sql_statement_name: it was to be the same prepared one as that before it in line, which could not be prepared. */
const isUnprepared = (error: unknown): boolean => sqlState(error) === '26000';

type Run<Item, Result> = (items: Item[]) => Promise<Result[]>;

/** Alone, each item gets its own answer. */
async function runAlone<Item, Result>(group: Waiting<Item, Result>[], run: Run<Item, Result>): Promise<void> {
  for (const { item, resolve, reject } of group) {
    try {
      resolve((await run([item]))[0] as Result);
    } catch (error) {
      reject(error);
    }
  }
}

/** `ended` is called before the callers hear of it: what may begin now is on its way while they are answered. */
async function runGroup<Item, Result>(
  group: Waiting<Item, Result>[],
  run: Run<Item, Result>,
  ended: () => void,
): Promise<void> {
  let results: Result[];
  try {
    results = await run(group.map(({ item }) => item));
  } catch (error) {
    if ((group.length > 1 && isOfAnItem(error)) || isUnprepared(error)) await runAlone(group, run);
    else for (const { reject } of group) reject(error);
    ended();
    return;
  }
  ended();
  group.forEach(({ resolve }, i) => {
    resolve(results[i] as Result);
  });
}

/** Takes from the front of the queue what goes into one statement with the first. */
function takeGroup<Item, Result>(
  queue: Waiting<Item, Result>[],
  { itemsMax, itemsUsual = itemsMax, beside, weightMax, weigh, key }: GatherOptions<Item, Result>,
): Waiting<Item, Result>[] {
  const most = beside !== undefined && queue.length <= beside.itemsMin ? itemsUsual : itemsMax;
  const wanted = key(queue[0]!.item);
  const group: Waiting<Item, Result>[] = [];
  const rest: Waiting<Item, Result>[] = [];
  let weight = 0;
  for (const one of queue) {
    const fits = group.length < most && key(one.item) === wanted;
    const heavier = fits ? weight + weigh(one.item) : 0;
    if (!fits || (group.length > 0 && heavier > weightMax)) {
      rest.push(one);
      continue;
    }
    group.push(one);
    weight = heavier;
  }
  queue.length = 0;
  queue.push(...rest);
  return group;
}

/**
 * Yields a function that takes one item and resolves with its result. What comes in one turn of the event loop, or while
 * all lanes are taken, goes together; a lone caller waits for nothing but the end of the turn.
 */
export function createGather<Item, Result>(options: GatherOptions<Item, Result>): (item: Item) => Promise<Result> {
  const { lanesMax, beside, behind } = options;
  const queue: Waiting<Item, Result>[] = [];
  let scheduled = false;
  let patience: NodeJS.Timeout | undefined;
  let overdue = false;
  const running: Running[] = [];
  const inLine = (): Running[] => running.filter(({ place }) => place === 'in line');
  const isLaneFree = (): boolean => running.length - Math.max(0, inLine().length - 1) < lanesMax;
  const mayGoBehind = (): boolean => {
    if (!behind || queue.length < behind.itemsMin) return false;
    const line = inLine();
    if (line.length === 0) return isLaneFree();
    return line.length < IN_LINE_MAX && performance.now() - line[0]!.sinceMs <= behind.withinMs;
  };
  const leastBeside = (): number => {
    if (overdue || beside === undefined) return 1;
    const { itemsMin, othersMin = itemsMin } = beside;
    if (queue.length >= itemsMin || queue.length < othersMin) return itemsMin;
    const first = options.key(queue[0]!.item);
    return running.some(({ key }) => key === first) ? itemsMin : othersMin;
  };
  /** Where the next statement may begin now, if it may. */
  const nextPlace = (): Place | undefined => {
    if (queue.length === 0) return undefined;
    if (running.length === 0) return 'in line';
    if (mayGoBehind()) return 'in line';
    return isLaneFree() && queue.length >= leastBeside() ? 'beside' : undefined;
  };
  const begin = (place: Place): void => {
    const one: Running = { key: options.key(queue[0]!.item), place, sinceMs: performance.now() };
    running.push(one);
    overdue = false;
    // Of whoever has waited longest, who goes now.
    clearTimeout(patience);
    patience = undefined;
    const ended = (): void => {
      running.splice(running.indexOf(one), 1);
      if (mayGoBehind()) pump();
      else schedule();
    };
    void runGroup(takeGroup(queue, options), (items) => options.run(items, place), ended);
  };
  const pump = (): void => {
    scheduled = false;
    for (let place = nextPlace(); place !== undefined; place = nextPlace()) begin(place);
    // For what was left by a full group, or has another key.
    schedule();
  };
  const beginAnyway = (): void => {
    patience = undefined;
    overdue = queue.length > 0;
    schedule();
  };
  const schedule = (): void => {
    if (scheduled) return;
    if (nextPlace() !== undefined) {
      scheduled = true;
      setImmediate(pump);
    } else if (queue.length > 0 && isLaneFree()) patience ??= setTimeout(beginAnyway, beside?.waitMs);
  };
  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      schedule();
    });
}
