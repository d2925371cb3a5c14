// A server that stands still (SIGSTOP: a paused machine, one that swaps) past its leases, and another that takes over. When it
// wakes it has nothing to say any more: no number is given twice, and nothing old is told as if it were new.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectDb, type Db } from '#platform';
import { beforeDrop, testConnection, testLog, waitFor } from '#platform/testing';
import { checkListener, type HookListener, hookListener, writeEvents } from './listeners.ts';
import { databaseUrl, dispatches, startProcess } from './server-process.ts';

const code = 'stopped';
const topic = 'urn:cerebra:topic:new-result';

async function startTwo(t: TestContext) {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 4, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  const start = () =>
    startProcess(t, {
      ...{ DATABASE_URL: databaseUrl(connection), SCORES: 'none' },
      // Leases of deliveries: three times this, and 5 s at least.
      SUBSCRIPTION_TIMEOUT_MS: '1000',
      // Whoever stands still may do so in the middle of any transaction.
      IDLE_TRANSACTION_TIMEOUT_MS: '2000',
    });
  const one = await start();
  await waitFor(() => dispatches(one), 'the first one to dispatch');
  return { db, one, two: await start() };
}

const holderOf = async (db: Db) =>
  (await db.query<{ holder: string }>({ text: `select holder from dispatcher where name = 'subscriptions'` }))[0]!
    .holder;

/** Refuses events from `number` on until told; then calls `then` once, before it takes them. */
function holdFrom(number: number, { receiver }: HookListener, isReady: () => boolean, then: () => void): void {
  let done = false;
  receiver.answer = (request) => {
    if (done || request.number < number) return 200;
    if (!isReady()) return 500;
    done = true;
    then();
    return 200;
  };
}

test('a server that stands still with a notification under way', async (t: TestContext) => {
  const { db, one, two } = await startTwo(t);
  const criteria = await hookListener(t, one, { id: 'criteria', code });
  const many = await hookListener(t, one, { id: 'topic', topic, maxCount: 4 });

  // Only the first one delivers until its notification has arrived; then it stands still, and only the other one does.
  two.child.kill('SIGSTOP');
  let ready = false;
  let stopped = false;
  const swap = () => {
    if (stopped) return;
    stopped = true;
    one.child.kill('SIGSTOP');
    two.child.kill('SIGCONT');
  };
  for (const listener of [criteria, many]) holdFrom(10, listener, () => ready, swap);
  await writeEvents(() => one, { code, from: 0, to: 30 });
  await waitFor(() => criteria.told().length > 0, 'the first one to dispatch');
  const holder = await holderOf(db);
  ready = true;
  await waitFor(() => stopped, 'the first one to stand still');
  await writeEvents(() => two, { code, from: 30, to: 50 });
  for (const listener of [criteria, many]) await checkListener(db, listener, code);
  assert.notEqual(await holderOf(db), holder);
  const successor = await holderOf(db);

  one.child.kill('SIGCONT');
  await writeEvents(() => one, { code, from: 50, to: 60 });
  await writeEvents(() => two, { code, from: 60, to: 70 });
  for (const listener of [criteria, many]) await checkListener(db, listener, code);
  assert.equal(await holderOf(db), successor);
});

/** While its lock is held, the dispatcher's transaction stands at its first delivery. */
const gate = `create function hold_delivery() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(4711); return null; end $$;
  create trigger hold_delivery after insert on delivery for each statement execute function hold_delivery()`;

test('a server that stands still in the middle of a dispatching transaction', async (t: TestContext) => {
  const { db, one, two } = await startTwo(t);
  const criteria = await hookListener(t, one, { id: 'criteria', code });
  const many = await hookListener(t, one, { id: 'topic', topic, maxCount: 4 });
  await writeEvents(() => one, { code, from: 0, to: 10 });
  for (const listener of [criteria, many]) await checkListener(db, listener, code);
  await db.query({ text: gate });

  await db.tx(async (tx) => {
    await tx.query({ text: 'select pg_advisory_xact_lock(4711)' });
    await writeEvents(() => two, { code, from: 10, to: 12 });
    const text = `select 1 from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`;
    await waitFor(async () => (await db.query({ text })).length === 1, 'the dispatcher to be in its transaction');
    one.child.kill('SIGSTOP');
  });
  // Its session has locked the cursor and the subscribers, and waits for a process that stands still.
  await writeEvents(() => two, { code, from: 12, to: 30 });
  for (const listener of [criteria, many]) await checkListener(db, listener, code);
  await waitFor(() => dispatches(two), 'the other one to say so');

  one.child.kill('SIGCONT');
  await writeEvents(() => one, { code, from: 30, to: 40 });
  for (const listener of [criteria, many]) await checkListener(db, listener, code);
});
