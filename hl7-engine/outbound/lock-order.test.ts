// Who takes several rows takes them in the order in which others do: else each would wait for the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { insertMessages, markDelivered } from './queue.ts';
import { createStates, pauseDestination } from './state.ts';

/** Whether a statement of this database waits for a lock. */
async function isWaiting(db: Db): Promise<boolean> {
  const rows = await db.query({
    text: `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  });
  return rows.length > 0;
}

test('servers that have their destinations in another order start at once', async (t) => {
  const db = await testDatabase(t);
  const insert = { text: 'insert into hl7_destination (name) values ($1)' };
  let other: Promise<void> = Promise.resolve();
  await db.tx(async (tx) => {
    await tx.query(insert, ['a']);
    other = createStates(db, ['b', 'a']);
    other.catch(() => undefined);
    await waitFor(() => isWaiting(db), 'the other one to wait');
    await tx.query(insert, ['b']);
  });
  await other;
  assert.equal(await pauseDestination(db, 'b', 'test'), 0n);
  assert.equal(await pauseDestination(db, 'c', 'test'), undefined);
});

test('deliveries are noted while an operator takes out what waits', async (t) => {
  const db = await testDatabase(t);
  const one = { destination: 'ris', partition: '', lane: 1, body: Buffer.from('MSH|') };
  await db.tx((tx) =>
    insertMessages(
      tx,
      [1, 2, 3].map((n) => ({ ...one, controlId: `M${n}` })),
    ),
  );
  const ids = (await db.query<{ id: bigint }>({ text: 'select id from hl7_outbound order by id' })).map(({ id }) => id);
  const lock = { text: 'select from hl7_outbound where id = $1 for update' };
  let noted: Promise<number> = Promise.resolve(0);
  await db.tx(async (tx) => {
    await tx.query(lock, [ids[0]]);
    // In the order in which their answers came.
    noted = markDelivered(
      db,
      ids.toReversed().map((id) => ({ id, answer: null })),
    );
    noted.catch(() => undefined);
    await waitFor(() => isWaiting(db), 'it to wait');
    for (const id of ids.slice(1)) await tx.query(lock, [id]);
  });
  assert.equal(await noted, 3);
});
