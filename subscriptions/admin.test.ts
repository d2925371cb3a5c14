import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver, waitFor } from '#platform/testing';
import { changeFloor, pruneDeliveries } from './retention.ts';
import { createRig, observation, type Server, subscription, waitForState, waitForStatus } from './testing/rig.ts';

async function call(server: Server, method: string, path: string, id = '', query = '') {
  const route = server.adminRoutes.find((one) => one.method === method && one.path === path)!;
  const answer = await route.handle({ params: { id }, query: new URLSearchParams(query), body: Buffer.alloc(0) });
  return answer as { status: number; body: Record<string, Record<string, unknown>[]> };
}

const listPath = '/admin/subscriptions';
const deliveriesPath = '/admin/subscriptions/:id/deliveries';
const retryPath = '/admin/subscriptions/:id/retry';

test('lists subscriptions and their deliveries, and ends a backoff', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const server = await start({ limits: { backoffMsMin: 60_000, backoffMsMax: 60_000 } });
  let status = 200;
  receiver.answer = () => status;
  const channel = { type: 'rest-hook', endpoint: receiver.url, header: ['Authorization: Bearer secret'] };
  await store.put(subscription('s', receiver.url, { channel }));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 1, 'the first notification');
  status = 500;
  await store.put(observation('o2'));
  await waitFor(
    async () => (await db.query({ text: `select 1 from subscriber where id = 's' and attempts = 1` })).length === 1,
    'the failure',
  );
  const { body } = await call(server, 'GET', listPath, '', 'state=active');
  assert.deepEqual(
    body.subscriptions!.map(({ id, channel, lastNumber, pending, attempts, error }) => [
      ...[id, channel, lastNumber, pending, attempts, error],
    ]),
    [
      ['alert::acknowledgments', 'alert', 0n, 0n, 0, null],
      ['alert:critical-laboratory-values', 'alert', 0n, 0n, 0, null],
      ['s', 'rest-hook', 2n, 1n, 1, 'The endpoint answered with HTTP 500'],
    ],
  );
  assert.doesNotMatch(
    JSON.stringify(body, (_key, value) => String(value)),
    /secret/,
  );
  const pending = await call(server, 'GET', deliveriesPath, 's', 'outcome=pending');
  assert.deepEqual(
    pending.body.deliveries!.map(({ number, id, outcome, attempts }) => [number, id, outcome, attempts]),
    [[2n, 'o2', 'pending', 1]],
  );
  status = 200;
  assert.deepEqual(await call(server, 'POST', retryPath, 's'), { status: 202, body: { id: 's', resumed: true } });
  await waitFor(() => receiver.received.length === 3, 'the repeated notification');
});

test('a retry ends the backoff of what is told again, too', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const server = await start({ limits: { backoffMsMin: 60_000, backoffMsMax: 60_000 } });
  let status = 200;
  receiver.answer = () => status;
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  const isSo = async (condition: string) =>
    (await db.query({ text: `select 1 from subscriber where id = 's' and ${condition}` })).length === 1;
  await waitFor(() => isSo('done_number = 1'), 'the first notification');
  status = 500;
  // As $resend does.
  await db.query({ text: `update delivery set resend = true where subscriber = 's'` });
  await db.query({ text: `update subscriber set resends = 1, due_at = statement_timestamp() where id = 's'` });
  await waitFor(() => isSo('attempts = 1'), 'the failure');
  status = 200;
  assert.deepEqual(await call(server, 'POST', retryPath, 's'), { status: 202, body: { id: 's', resumed: true } });
  await waitFor(() => isSo('resends = 0'), 'the repeated notification');
  assert.equal(receiver.received.length, 3);
});

test('a retry of a subscription in error requests it anew', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const server = await start({ limits: { attemptsMax: 1 } });
  receiver.answer = () => (receiver.received.length === 1 ? 500 : 200);
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await waitForStatus(store, 's', 'error');
  assert.deepEqual(await call(server, 'POST', retryPath, 's'), { status: 202, body: { id: 's', requested: true } });
  await waitFor(() => receiver.received.length === 2, 'the repeated notification');
  await waitForStatus(store, 's', 'active');
});

test('what was never active, or is not any more, is shown as its Subscription asks for it', async (t) => {
  const { db, store, start } = await createRig(t);
  const server = await start();
  const shown = async (id: string) => {
    const { body } = await call(server, 'GET', listPath);
    const { state, channel, criteria, endpoint } = body.subscriptions!.find((one) => one.id === id)!;
    return { state, channel, criteria, endpoint };
  };
  const sms = { type: 'sms', endpoint: 'tel:+1-555-0100', header: ['Authorization: Bearer secret'] };
  await store.put(subscription('s', '', { channel: sms }));
  await waitForState(db, 's', 'error');
  const asked = { state: 'error', criteria: 'Observation?code=http://x|a' };
  assert.deepEqual(await shown('s'), { ...asked, channel: 'sms', endpoint: 'tel:+1-555-0100' });
  await store.put(subscription('o', 'http://127.0.0.1:9/o', { status: 'off' }));
  await waitForState(db, 'o', 'off');
  assert.deepEqual(await shown('o'), {
    ...asked,
    state: 'off',
    channel: 'rest-hook',
    endpoint: 'http://127.0.0.1:9/o',
  });
  await store.put(subscription('w', '', { channel: { type: 'websocket' } }));
  await waitForState(db, 'w', 'active');
  // A later version that is refused: what was active before is not what is in error.
  await store.put(subscription('w', '', { criteria: 'Observation?unknown=1', channel: { type: 'websocket' } }));
  await waitForState(db, 'w', 'error');
  const faulty = { ...asked, criteria: 'Observation?unknown=1' };
  assert.deepEqual(await shown('w'), { ...faulty, channel: 'websocket', endpoint: '' });
  await store.remove('Subscription', 'w');
  await waitForState(db, 'w', 'deleted');
  assert.deepEqual(await shown('w'), { state: 'deleted', channel: 'websocket', criteria: '', endpoint: '' });
  const { body } = await call(server, 'GET', listPath);
  const written = JSON.stringify(body, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
  assert.doesNotMatch(written, /secret/);
});

test('wrong requests', async (t) => {
  const { start } = await createRig(t);
  const server = await start();
  await assert.rejects(call(server, 'GET', deliveriesPath, 'nobody'), { code: 'not-found' });
  await assert.rejects(call(server, 'POST', retryPath, "'; drop table subscriber"), { code: 'not-found' });
  for (const query of ['limit=0', 'limit=1001', 'limit=x']) {
    await assert.rejects(call(server, 'GET', listPath, '', query), { code: 'invalid-parameter' });
  }
  await assert.rejects(call(server, 'GET', listPath, '', 'status=error'), {
    ...{ code: 'invalid-parameter', message: 'status is no parameter here; there are state, after, limit' },
  });
  await assert.rejects(call(server, 'GET', listPath, '', 'state=error&state=off'), {
    ...{ code: 'invalid-parameter', message: 'state is given twice' },
  });
  await assert.rejects(call(server, 'POST', retryPath, 's', 'x=1'), {
    message: 'x is no parameter here; there are none',
  });
  const alerts = '/admin/alerts';
  await assert.rejects(call(server, 'GET', alerts, '', 'subject=Patient/1'), { code: 'invalid-parameter' });
  assert.deepEqual((await call(server, 'GET', alerts, '', 'patient=1&status=open')).body.alerts, []);
  await assert.rejects(call(server, 'GET', deliveriesPath, 'alert:critical-laboratory-values', 'after=-1'), {
    code: 'invalid-parameter',
  });
});

test('what has ended is pruned in time, what is owed or failed stays, and so do the changes it needs', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start({ limits: { backoffMsMin: 60_000, backoffMsMax: 60_000 } });
  receiver.answer = ({ number }) => (number === 4 ? 500 : 200);
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  for (let i = 1; i <= 5; i++) await store.put(observation(`o${i}`));
  await waitFor(
    async () =>
      (await db.query({ text: `select 1 from subscriber where id = 's' and last_number = 5 and attempts = 1` }))
        .length === 1,
    'the failure of the fourth',
  );
  assert.equal(await pruneDeliveries(db, { keepMs: 3_600_000 }), 0);
  await db.query({ text: `update delivery set ended_at = ended_at - interval '2 hours' where number < 3` });
  await db.query({ text: `update delivery set outcome = 'failed' where number = 2` });
  assert.equal(await pruneDeliveries(db, { keepMs: 3_600_000, batchRows: 1 }), 1);
  const left = await db.query<{ number: bigint }>({
    text: `select number from delivery where subscriber = 's' order by 1`,
  });
  assert.deepEqual(
    left.map(({ number }) => number),
    [2n, 3n, 4n, 5n],
  );
  const [fourth] = await db.query({
    text: 'select change_xid as xid, change_seq as seq from delivery where number = 4',
  });
  assert.deepEqual(await changeFloor(db), fourth);
});
