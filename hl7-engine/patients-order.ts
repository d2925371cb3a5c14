// Many messages at a time, those that name a patient's number one after the other: HL7 v2.9 chapter 2.9.2 leaves order to the
// sequence of messages, and senders number patients by several numbers.
import { createSlots } from '#platform';

export interface PatientsOrderOptions<Item> {
  /** In work at a time. */
  atATimeMax: number;
  /** Of all patients that it names, merged ones as well. One without any comes after all before it, and before all that follow. */
  numbersOf(item: Item): Iterable<string>;
  work(item: Item, index: number): Promise<unknown>;
}

/** So many times `atATimeMax` are looked at ahead: one patient's long list does not hold up the others. */
const AHEAD = 4;

/** Resolves when all are done; what fails rejects at the end, and ends what comes after it of the same patient. */
export async function inPatientsOrder<Item>(
  items: readonly Item[],
  { atATimeMax, numbersOf, work }: PatientsOrderOptions<Item>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const last = new Map<string, Promise<void>>();
  const slots = createSlots(atATimeMax);
  const inTurn = async (item: Item, index: number): Promise<void> => {
    const giveBack = await slots.take();
    try {
      await work(item, index);
    } finally {
      giveBack();
    }
  };
  const failures: unknown[] = [];
  for (const [index, item] of items.entries()) {
    if (failures.length > 0) break;
    const numbers = [...new Set(numbersOf(item))];
    if (numbers.length === 0) {
      await Promise.allSettled(running);
      if (failures.length > 0) break;
      await work(item, index);
      continue;
    }
    while (running.size >= AHEAD * atATimeMax) await Promise.race(running).catch(() => undefined);
    const before = Promise.all(numbers.map((number) => last.get(number)));
    const mine: Promise<void> = before
      .then(() => inTurn(item, index))
      .finally(() => {
        running.delete(mine);
        for (const number of numbers) if (last.get(number) === mine) last.delete(number);
      });
    mine.catch((error: unknown) => failures.push(error));
    running.add(mine);
    for (const number of numbers) last.set(number, mine);
  }
  await Promise.allSettled(running);
  if (failures.length > 0) throw failures[0];
}
