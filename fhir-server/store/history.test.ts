// Former and current versions side by side: https://hl7.org/fhir/R4/http.html#history
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { everything, testCore } from '../testing.ts';
import { countHistory, type HistoryRequest, readHistory } from './history.ts';
import { storeUpdate } from './store.ts';

let db: Db;
let core: Core;
let nowMs = 0;

const DAY_MS = 86_400_000;

/** Three versions of each, on days 1, 2 and 3. */
before(async () => {
  db = await testDatabase();
  core = await testCore(db, { now: () => nowMs });
  for (let day = 1; day <= 3; day++) {
    nowMs = day * DAY_MS;
    for (const id of ['a', 'b']) {
      await storeUpdate(core.store, { resourceType: 'Basic', id, code: { text: `${day}` } }, id, undefined, everything);
    }
  }
});

async function versions(request: Omit<HistoryRequest, 'count'>): Promise<string[]> {
  const asked = { ...request, count: 50 };
  const { entries } = await readHistory(db, core.store.layout, asked, everything);
  assert.equal(await countHistory(db, core.store.layout, asked, everything), entries.length);
  return entries.map(({ id, version }) => `${id}${version}`);
}

const at = (fromMs: number, toMs = fromMs) => ({ at: { fromMs, toMs } });

describe('what was current at a time', () => {
  for (const [name, of] of Object.entries({ one: { type: 'Basic', id: 'a' }, all: { type: 'Basic' }, system: {} })) {
    const both = (version: number) => (name === 'one' ? [`a${version}`] : [`b${version}`, `a${version}`]);
    test(`${name}: a version ends with the next, be that the current one`, async () => {
      assert.deepEqual(await versions({ ...of, ...at(DAY_MS / 2) }), []);
      assert.deepEqual(await versions({ ...of, ...at(2.5 * DAY_MS) }), both(2));
      assert.deepEqual(await versions({ ...of, ...at(3 * DAY_MS - 1) }), both(2));
      assert.deepEqual(await versions({ ...of, ...at(3 * DAY_MS) }), both(3));
      assert.deepEqual(await versions({ ...of, ...at(4 * DAY_MS) }), both(3));
      assert.deepEqual(await versions({ ...of, ...at(2.5 * DAY_MS, 3.5 * DAY_MS) }), [...both(3), ...both(2)]);
    });
  }
});

test('what is named twice comes once', async () => {
  const only = ['a', 'b', 'a'].map((id) => ({ type: 'Basic', id }));
  assert.deepEqual(await versions({ type: 'Basic', only }), ['b3', 'a3', 'b2', 'a2', 'b1', 'a1']);
  assert.deepEqual(await versions({ only, ...at(2 * DAY_MS) }), ['b2', 'a2']);
});
