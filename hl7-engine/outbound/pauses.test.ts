// What a process has heard of its destinations, while others decide and answers of the database come late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db, Statement } from '#platform';
import { beforeClose, testDatabase, waitFor } from '#platform/testing';
import { message, mllp, soon, startOutbound } from '../testing/outbound-rig.ts';
import { answer, startReceiver } from '../testing/receiver.ts';

interface Renewal {
  /** It was read. */
  read: Promise<void>;
  /** Lets the process hear of it. */
  release(): void;
}

interface Withheld {
  db: Db;
  /** What the next renewal of leases reads comes no sooner than it is released. */
  withhold(): Renewal;
  /** Releases all, and withholds no more: what stops the rig waits for its renewals. */
  end(): Promise<void>;
}

/** A lease that is not renewed holds for the whole test. */
const limits = { leaseMs: 600_000 };

function withheld(db: Db): Withheld {
  const releases: (() => void)[] = [];
  let isOver = false;
  const wanted: { read(): void; released: Promise<void> }[] = [];
  const query: Db['query'] = async <R>(statement: Statement, values?: unknown[]) => {
    const one = statement.name === 'hl7_destination_hold' ? wanted.shift() : undefined;
    const rows = await db.query<R>(statement, values);
    one?.read();
    await one?.released;
    return rows;
  };
  return {
    db: Object.assign(Object.create(db) as Db, { query }),
    withhold() {
      const [read, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      wanted.push({ read: read.resolve, released: released.promise });
      releases.push(released.resolve);
      if (isOver) released.resolve();
      return { read: read.promise, release: released.resolve };
    },
    async end() {
      isOver = true;
      for (const release of releases) release();
    },
  };
}

test('a pause holds, though a renewal of the lease that read the destination before it is heard of after it', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const late = withheld(db);
  const retry = { ...soon, attemptsMax: 1 };
  const rig = await startOutbound(t, late.db, mllp(receiver.port, { onFailure: 'pause', retry }), { limits });
  beforeClose(db, late.end);
  await waitFor(async () => (await rig.heldState('ris')) !== undefined, 'the lease');
  const early = late.withhold();
  receiver.respond = async ({ controlId }) => {
    await early.read;
    return answer('AR', controlId);
  };
  await rig.send([message('ris', 'A0', 'PA')]);
  await waitFor(async () => (await rig.heldState('ris'))?.paused === true, 'the pause');
  const next = late.withhold();
  early.release();
  await next.read;
  const seen = [(await rig.heldState('ris'))?.paused, receiver.received.length];
  next.release();
  assert.deepEqual(seen, [true, 1]);
  // And ends with what an operator says.
  receiver.respond = ({ controlId }) => answer('AA', controlId);
  await rig.call('POST', '/admin/hl7/destinations/ris/resume');
  await rig.allBecome('delivered');
  assert.equal(receiver.received.length, 2);
});

test('a pause that the database has lost is over with the next renewal', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const retry = { ...soon, attemptsMax: 1 };
  const rig = await startOutbound(t, db, mllp(receiver.port, { onFailure: 'pause', retry }));
  receiver.respond = ({ controlId }) => answer('AR', controlId);
  await rig.send([message('ris', 'A0', 'PA')]);
  await waitFor(async () => (await rig.heldState('ris'))?.paused === true, 'the pause');
  receiver.respond = ({ controlId }) => answer('AA', controlId);
  // As of a standby that had not heard of it: the epoch is what it was.
  await db.query({ text: 'update hl7_destination set paused = false' });
  await rig.allBecome('delivered');
});

test('a resume that comes while a drain ends is not lost', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  let resumes = 0;
  const meeting: Db = Object.assign(Object.create(db) as Db, {
    async queryCount(statement: Statement, values: unknown[]) {
      if (statement.name === 'hl7_destination_drained' && resumes++ === 0) {
        await db.query({ text: 'update hl7_destination set paused = false, drain_to = null, epoch = epoch + 1' });
      }
      return db.queryCount(statement, values);
    },
  });
  const rig = await startOutbound(t, meeting, mllp(receiver.port));
  await rig.call('POST', '/admin/hl7/destinations/ris/drain');
  await waitFor(() => resumes > 0, 'the end of the drain');
  await rig.send([message('ris', 'LATER', 'PA')]);
  await rig.allBecome('delivered');
  const [state] = await db.query({ text: 'select paused, drain_to from hl7_destination' });
  assert.deepEqual(state, { paused: false, drain_to: null });
});

test('a destination that is redeployed is held by what is asked after that alone', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const late = withheld(db);
  const first = await startOutbound(t, late.db, mllp(receiver.port), { limits });
  beforeClose(db, late.end);
  await waitFor(async () => (await first.heldState('ris')) !== undefined, 'the lease');
  const early = late.withhold();
  await early.read;
  await first.configure(mllp(receiver.port, { connections: 2 }));
  const second = await startOutbound(t, db, mllp(receiver.port), { limits });
  await waitFor(async () => (await second.heldState('ris')) !== undefined, 'the other one to take it');
  const next = late.withhold();
  early.release();
  await next.read;
  const held = await first.heldState('ris');
  next.release();
  assert.equal(held, undefined);
  await first.send([message('ris', 'A0', 'PA')]);
  await first.allBecome('delivered');
  assert.equal(await second.measured('delivered_total'), 1);
});
