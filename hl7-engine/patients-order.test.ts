import assert from 'node:assert/strict';
import test from 'node:test';
import { random } from '#platform/testing';
import { inPatientsOrder } from './patients-order.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Item {
  name: number;
  numbers: string[];
}

/** What began and ended, and how many were in work at most. */
async function run(items: Item[], atATimeMax: number, turns: (item: Item) => number) {
  const events: string[] = [];
  let inWork = 0;
  let most = 0;
  await inPatientsOrder(items, {
    atATimeMax,
    numbersOf: ({ numbers }) => numbers,
    async work(item) {
      most = Math.max(most, ++inWork);
      events.push(`begin ${item.name}`);
      for (let left = turns(item); left > 0; left--) await turn();
      events.push(`end ${item.name}`);
      inWork--;
    },
  });
  return { events, most };
}

test('whatever shares a number keeps its order, as does what has none; others go side by side', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed);
    const items = Array.from({ length: 120 }, (_, name) => ({
      name,
      numbers: Array.from({ length: next(20) === 0 ? 0 : 1 + next(3) }, () => `n${next(30)}`),
    }));
    const { events, most } = await run(items, 4, () => next(4));
    assert.equal(most, 4);
    assert.equal(events.length, 240);
    const at = new Map(events.map((event, index) => [event, index]));
    for (const one of items) {
      for (const later of items.slice(one.name + 1)) {
        const meet = one.numbers.length * later.numbers.length === 0;
        if (!meet && !one.numbers.some((number) => later.numbers.includes(number))) continue;
        assert.ok(at.get(`end ${one.name}`)! < at.get(`begin ${later.name}`)!, `${seed}: ${one.name}, ${later.name}`);
      }
    }
  }
});

test('what fails ends what comes after it of the same patient, and is thrown when the others are done', async () => {
  const done: number[] = [];
  const items = ['a', 'b', 'a', 'b', 'c'].map((number, name) => ({ name, numbers: [number] }));
  const work = async ({ name }: Item) => {
    await turn();
    if (name === 0) throw new Error('away');
    done.push(name);
  };
  const options = { atATimeMax: 4, numbersOf: ({ numbers }: Item) => numbers, work };
  await assert.rejects(inPatientsOrder(items, options), { message: 'away' });
  assert.deepEqual(done.sort(), [1, 3, 4]);
});
