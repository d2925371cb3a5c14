// A page of a destination's messages reads that destination's rows alone, however much others have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planned, testDatabase } from '#platform/testing';
import { listMessages, messageStates, type OutboundState } from './operate.ts';

const busyRows = 20_000;

test('lists of a quiet destination do not read those of a busy one', async (t) => {
  const db = await testDatabase(t);
  const insert = (destination: string, state: string, rows: number) =>
    db.query({
      text: `insert into hl7_outbound (destination, lane, control_id, body, body_bytes, state, ended_at)
        select '${destination}', 1, '${destination}' || n, 'MSH', 3, '${state}', case when '${state}' <> 'queued' then now() end
        from generate_series(1, ${rows}) n`,
    });
  for (const state of messageStates) await insert('quiet', state, 3);
  for (const state of messageStates) await insert('busy', state, state === 'delivered' ? busyRows : 2000);
  await db.query({ text: 'analyze hl7_outbound' });
  const { db: recording, plans } = planned(db);
  const page = async (state: OutboundState, before: bigint) => {
    const rows = await listMessages(recording, 'quiet', { state, controlId: null, before, limit: 2 });
    return rows.map((row) => [row.control_id, row.state]);
  };
  const all = 2n ** 62n;
  for (const state of messageStates) {
    assert.deepEqual(await page(state, all), [
      ['quiet3', state],
      ['quiet2', state],
    ]);
  }
  assert.deepEqual(await page('delivered', 6n), [
    ['quiet2', 'delivered'],
    ['quiet1', 'delivered'],
  ]);
  assert.equal(plans.length, 10);
  for (const plan of plans) {
    assert.match(plan, /Index Scan Backward using hl7_outbound_(?:queued|settled) on hl7_outbound/);
    assert.match(plan, /Index Cond: \(\(destination = .*AND \(\(id \+ 0\) < /);
    assert.doesNotMatch(plan, /Filter|Sort/);
  }
});
