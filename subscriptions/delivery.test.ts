// Receivers that fail, hang, break off and come back; servers that do the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db, Statement } from '#platform';
import { type Received, startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, type Rig, subscription, waitForState, waitForStatus } from './testing/rig.ts';

const numbers = (received: Received[]) => received.map(({ number }) => number);
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

async function activate(
  { db, store }: Rig,
  id: string,
  url: string,
  rest: Record<string, unknown> = {},
): Promise<void> {
  await store.put(subscription(id, url, rest));
  await waitForState(db, id, 'active');
}

async function putMany({ store }: Rig, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) await store.put(observation(`o${i}`));
}

const allDone = ({ db }: Rig, id: string, last: number) =>
  waitFor(
    async () =>
      (await db.query({ text: 'select 1 from subscriber where id = $1 and done_number >= $2' }, [id, last])).length > 0,
    `delivery ${last} of ${id}`,
  );

test('a receiver that fails gets the same event again, and the ones after it wait', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const { metrics } = await rig.start();
  const failures = [500, 503, 404, 302, 199 + 1];
  receiver.answer = () => failures.shift() ?? 204;
  await activate(rig, 's', receiver.url);
  await putMany(rig, 3);
  await allDone(rig, 's', 3);
  assert.deepEqual(numbers(receiver.received), [1, 1, 1, 1, 1, 2, 3]);
  const retries = await metrics.registry.getSingleMetric('cerebra_delivery_retries_total')!.get();
  assert.equal(retries.values[0]!.value, 4);
});

test('a connection broken off after receipt: the event comes again', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start();
  let deaths = 2;
  receiver.answer = (_request, response) => {
    if (deaths-- <= 0) return 200;
    response.socket?.resetAndDestroy();
    return undefined;
  };
  await activate(rig, 's', receiver.url);
  await putMany(rig, 2);
  await allDone(rig, 's', 2);
  assert.deepEqual([...new Set(numbers(receiver.received))], [1, 2]);
});

test('a receiver that hangs is timed out; others are not held up; one request in flight', async (t) => {
  const rig = await createRig(t);
  const hanging = await startReceiver(t);
  const fine = await startReceiver(t);
  hanging.answer = () => undefined;
  // So long that the other one, which answers at once, is in time on a machine that stands still.
  await rig.start({ limits: { timeoutMs: 2_000, deliverers: 2 } });
  await activate(rig, 'hanging', hanging.url);
  await activate(rig, 'fine', fine.url);
  await putMany(rig, 20);
  await allDone(rig, 'fine', 20);
  await waitFor(() => hanging.received.length >= 2, 'a second attempt');
  assert.deepEqual(numbers(fine.received), upTo(20));
  assert.equal(hanging.inFlightMax, 1);
  assert.equal(fine.inFlightMax, 1);
  const [row] = await rig.db.query<{ error: string }>({ text: `select error from subscriber where id = 'hanging'` });
  assert.equal(row!.error, 'The endpoint did not answer within 2000 ms');
  hanging.answer = () => 200;
  await allDone(rig, 'hanging', 20);
  assert.deepEqual([...new Set(numbers(hanging.received))], upTo(20));
});

test('a slow or endless answer ends with the timeout or the limit, a 2xx counts', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ limits: { timeoutMs: 2_000 } });
  receiver.answer = ({ number }, response) => {
    response.writeHead(200);
    if (number === 1) response.write('x');
    else response.write(Buffer.alloc(1024 * 1024));
    return undefined;
  };
  await activate(rig, 's', receiver.url);
  await putMany(rig, 2);
  await allDone(rig, 's', 2);
  assert.deepEqual(numbers(receiver.received), [1, 2]);
});

test('after the limit the Subscription is in error and keeps what it is owed; a new request resumes it', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const receiver = await startReceiver(t);
  await rig.start({ limits: { attemptsMax: 3 } });
  receiver.answer = () => 500;
  await activate(rig, 's', receiver.url);
  await putMany(rig, 2);
  const failed = await waitForStatus(store, 's', 'error');
  assert.equal(failed.error, 'The endpoint answered with HTTP 500');
  assert.deepEqual(numbers(receiver.received), [1, 1, 1]);
  await waitForState(db, 's', 'error');
  await waitFor(
    async () => (await db.query({ text: `select 1 from subscriber where id = 's' and report is null` })).length === 1,
    'the report to be done',
  );
  await putMany(rig, 1);
  receiver.answer = () => 200;
  await activate(rig, 's', receiver.url);
  const active = await waitForStatus(store, 's', 'active');
  assert.equal(active.error, undefined);
  await store.put(observation('later'));
  await allDone(rig, 's', 3);
  assert.deepEqual(numbers(receiver.received), [1, 1, 1, 1, 2, 3]);
});

test('410 Gone ends it at once', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start();
  receiver.answer = () => 410;
  await activate(rig, 's', receiver.url);
  await putMany(rig, 1);
  await waitForStatus(rig.store, 's', 'error');
  assert.deepEqual(numbers(receiver.received), [1]);
});

test('a status that could not be written is written later', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  rig.store.failWrites(new Error('the store is down'), 3);
  await activate(rig, 's', 'http://127.0.0.1:9/');
  await waitForStatus(rig.store, 's', 'active');
});

test('a restart in the middle of a backoff neither repeats nor forgets, and keeps the count of attempts', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await rig.start({ limits: { backoffMsMin: 60_000, backoffMsMax: 60_000 } });
  receiver.answer = () => 500;
  await activate(rig, 's', receiver.url);
  await putMany(rig, 2);
  await waitFor(() => receiver.received.length === 1, 'the first attempt');
  await waitFor(
    async () => (await rig.db.query({ text: `select 1 from subscriber where id = 's' and attempts = 1` })).length === 1,
    'the failure to be recorded',
  );
  await first.stop();
  receiver.answer = () => 200;
  await rig.start({ limits: { backoffMsMin: 60_000 } });
  await rig.store.put(subscription('t', receiver.url));
  await waitForState(rig.db, 't', 'active');
  await rig.store.put(observation('o3'));
  await allDone(rig, 't', 1);
  const [row] = await rig.db.query<Record<string, unknown>>({
    text: `select attempts, done_number, last_number, due_at > statement_timestamp() as waits from subscriber where id = 's'`,
  });
  assert.deepEqual(row, { attempts: 1, done_number: 0n, last_number: 3n, waits: true });
  await rig.db.query({ text: `update subscriber set due_at = statement_timestamp() where id = 's'` });
  await allDone(rig, 's', 3);
  assert.deepEqual(
    numbers(receiver.received.filter(({ headers }) => headers['x-cerebra-subscription'] === 's')),
    [1, 1, 2, 3],
  );
});

test('stopping lets a request in flight end and does not repeat it', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await rig.start({ limits: { stopGraceMs: 60_000 } });
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  receiver.answer = () => gate.then(() => 200);
  await activate(rig, 's', receiver.url);
  await putMany(rig, 2);
  await waitFor(() => receiver.received.length === 1, 'the request');
  const stopped = first.stop();
  open();
  await stopped;
  await rig.start();
  await allDone(rig, 's', 2);
  assert.deepEqual(numbers(receiver.received), [1, 2]);
});

test('two servers: one dispatches, both deliver, each event once and in order; the other takes over', async (t) => {
  const rig = await createRig(t);
  const receivers = await Promise.all([startReceiver(t), startReceiver(t), startReceiver(t), startReceiver(t)]);
  const servers = await Promise.all([
    rig.start({ limits: { batchDeliveries: 3 } }),
    rig.start({ limits: { batchDeliveries: 3 } }),
  ]);
  for (const [index, { url }] of receivers.entries()) await activate(rig, `s${index}`, url);
  await putMany(rig, 30);
  for (const index of receivers.keys()) await allDone(rig, `s${index}`, 30);
  const [row] = await rig.db.query<{ holder: string }>({ text: 'select holder from dispatcher' });
  assert.ok(row!.holder);
  await servers[0]!.stop();
  await putMany(rig, 10);
  for (const index of receivers.keys()) await allDone(rig, `s${index}`, 40);
  for (const { received, inFlightMax } of receivers) {
    assert.deepEqual(numbers(received), upTo(40));
    assert.equal(inFlightMax, 1);
  }
});

test('a dispatcher that lost its lease without noticing numbers nothing twice', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start();
  await activate(rig, 's', receiver.url);
  await putMany(rig, 1);
  await allDone(rig, 's', 1);
  // As after a long pause of the process: another server has taken the lease.
  await rig.db.query({ text: `update dispatcher set holder = 'somebody', lease_until = now() + interval '1 second'` });
  await putMany(rig, 3);
  await allDone(rig, 's', 4);
  assert.deepEqual(numbers(receiver.received), upTo(4));
});

test('changes of other servers are found by polling', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  rig.store.tellsCommits = false;
  await rig.start();
  await activate(rig, 's', receiver.url);
  await putMany(rig, 3);
  await allDone(rig, 's', 3);
  assert.deepEqual(numbers(receiver.received), [1, 2, 3]);
});

test('writers that commit late and out of order: nothing is skipped', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const { metrics } = await rig.start();
  await activate(rig, 's', receiver.url);
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = false;
  const late = rig.store.put(observation('late'), async () => {
    begun = true;
    await gate;
  });
  await waitFor(() => begun, 'the late writer to have written');
  await putMany(rig, 5);
  const lag = metrics.registry.getSingleMetric('cerebra_dispatcher_lag_seconds')!;
  await waitFor(async () => (await lag.get()).values[0]!.value > 0, 'the lag to show what the late writer holds back');
  release();
  await late;
  await Promise.all(upTo(100).map((i) => rig.store.put(observation(`w${i % 40}`))));
  await allDone(rig, 's', 106);
  assert.deepEqual(numbers(receiver.received), upTo(106));
  const [row] = await rig.db.query<{ id: string }>({
    text: `select id from delivery where subscriber = 's' and number = 1`,
  });
  assert.equal(row!.id, 'late');
});

/** Throws before or after some of the named statements, as a lost connection does; seeded. */
function faulty(db: Db, share: number): Db {
  let seed = 12345;
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  };
  const wrap = <R>(run: (statement: Statement, values?: unknown[]) => Promise<R>) => {
    return async (statement: Statement, values?: unknown[]): Promise<R> => {
      if (statement.name && random() < share) throw new Error(`lost before ${statement.name}`);
      const result = await run(statement, values);
      if (statement.name && random() < share) throw new Error(`lost after ${statement.name}`);
      return result;
    };
  };
  return {
    ...db,
    query: wrap(db.query) as Db['query'],
    queryCount: wrap(db.queryCount),
    async tx(work) {
      const result = await db.tx((tx) =>
        work({ ...tx, query: wrap(tx.query) as Db['query'], queryCount: wrap(tx.queryCount) }),
      );
      if (random() < share) throw new Error('lost after COMMIT');
      return result;
    },
  };
}

test('a database that fails before and after any statement: every event arrives, in order, none skipped', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  let requests = 0;
  receiver.answer = () => (++requests % 7 === 0 ? 500 : 200);
  // The lease is more than twice the timeout: of one that is lost along with the answer to it the end is waited for.
  const limits = { deliveryLeaseMs: 1_500, dispatchLeaseMs: 200, attemptsMax: 1_000, timeoutMs: 600, batchChanges: 7 };
  // The first start may meet a fault itself.
  await waitFor(() => rig.start({ db: faulty(rig.db, 0.03), limits }).then(() => true), 'a start');
  await activate(rig, 's', receiver.url);
  await putMany(rig, 150);
  await allDone(rig, 's', 150);
  const seen = numbers(receiver.received);
  assert.deepEqual([...new Set(seen)], upTo(150), 'first occurrences in order');
  // What was sent and not recorded comes again, in order: 16 before the one under way at most.
  for (let i = 1; i < seen.length; i++) {
    const before = seen[i - 1]!;
    const goesOn = seen[i]! === before + 1 || (seen[i]! <= before && seen[i]! >= before - 17);
    assert.ok(goesOn, `at ${i}: ${seen.slice(Math.max(0, i - 20), i + 20)}`);
  }
  const [row] = await rig.db.query<Record<string, unknown>>({
    text: `select count(*) as count, max(number) as last, count(distinct (change_xid, change_seq)) as changes
      from delivery where subscriber = 's'`,
  });
  assert.deepEqual(row, { count: 150n, last: 150n, changes: 150n });
});

test('a host that hangs takes its share of the deliverers and no more, and one that fails is left alone', async (t) => {
  const rig = await createRig(t);
  const hanging = await startReceiver(t);
  const { promise: gate, resolve: open } = Promise.withResolvers<number>();
  hanging.answer = () => gate;
  const failing = await startReceiver(t);
  failing.answer = () => 503;
  const fine = await startReceiver(t);
  await rig.start({
    limits: { deliverers: 4, hostRequestsMax: 2, hostFaultsMax: 1, backoffMsMin: 60_000, backoffMsMax: 60_000 },
  });
  for (let i = 1; i <= 6; i++) {
    await activate(rig, `hanging${i}`, hanging.url);
    await activate(rig, `failing${i}`, failing.url);
  }
  await activate(rig, 'fine', fine.url);
  await putMany(rig, 3);
  await allDone(rig, 'fine', 3);
  assert.deepEqual(numbers(fine.received), upTo(3));
  const claimed = `select 1 from subscriber where id like 'failing%' and due_at < now() + interval '1 s'`;
  await waitFor(async () => (await rig.db.query({ text: claimed })).length === 0, 'the failing ones to wait');
  // One found it out, another was under way perhaps; the rest were put back untried.
  const tried = failing.received.length;
  assert.ok(tried === 1 || tried === 2, `${tried} requests`);
  const [untried] = await rig.db.query<{ count: number }>({
    text: `select count(*)::int from subscriber where id like 'failing%' and attempts = 0 and state = 'active'`,
  });
  assert.equal(untried!.count, 6 - tried);
  assert.equal(hanging.inFlightMax, 2);
  open(200);
  for (let i = 1; i <= 6; i++) await allDone(rig, `hanging${i}`, 3);
  assert.equal(hanging.inFlightMax, 2);
});
