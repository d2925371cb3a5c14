import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, ChangeCursor } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { type Claim, claimDue, createPending, type Match } from './deliveries.ts';
import { createEnd } from './ends.ts';
import { createLease, moveText } from './lease.ts';
import { insertDeliveries, oweMatches, owing, type Places } from './owe.ts';

const statement = owing('move_and_owe', moveText);
const leaseMs = 60_000;
const places: Places = { most: 100, leaseMs, without: [] };

const change = (id: string): Change => ({
  ...{ xid: 7n, seq: 8n, type: 'Observation', id, version: 3, op: 'update', updatedMs: 1_767_600_000_123 },
  body: '{}',
});

const match = (subscriber: string, id: string): Match => ({ subscriber, change: change(id) });

/** `set`: SQL of what is not as it is at first. */
async function putSubscriber(db: Db, id: string, set = ''): Promise<void> {
  await db.query(
    { text: `insert into subscriber (id, channel, state, version) values ($1, 'rest-hook', 'active', 1)` },
    [id],
  );
  if (set !== '') await db.query({ text: `update subscriber set ${set} where id = $1` }, [id]);
}

/** Dispatches as a server that leads does. */
async function createOwing(db: Db) {
  const lease = createLease('here', leaseMs);
  let at = (await lease.acquire(db)) as ChangeCursor;
  return async (matches: Match[], given = places) => {
    const to = { xid: at.xid, seq: at.seq + 1n };
    const owed = await oweMatches(db, statement, lease.moving(at, to), matches, given);
    at = to;
    return owed;
  };
}

const numbersOf = async (db: Db, subscriber: string): Promise<[bigint, string][]> => {
  const text = 'select number, id from delivery where subscriber = $1 order by number';
  return (await db.query<{ number: bigint; id: string }>({ text }, [subscriber])).map((one) => [one.number, one.id]);
};

const delivered = { outcome: 'delivered' } as const;

test('what is owed is numbered in the order of the matches, and leased with all there is to send', async (t) => {
  const db = await testDatabase(t);
  await putSubscriber(db, 'a', 'last_number = 4, done_number = 4, lease_token = 9');
  await putSubscriber(db, 'b');
  const owe = await createOwing(db);
  const owed = await owe([match('b', '1'), match('a', '1'), match('a', '2')]);
  assert.equal(owed?.waiting, false);
  const told = owed.leased.map(({ claim, deliveries }) => ({ id: claim.id, token: claim.lease_token, deliveries }));
  const delivery = { type: 'Observation', version: 3, op: 'update', again: false };
  const at = { change_xid: 7n, change_seq: 8n, changed_at: 1_767_600_000_123 };
  assert.deepEqual(
    told.sort((one, other) => one.id.localeCompare(other.id)),
    [
      {
        ...{ id: 'a', token: 10n },
        deliveries: [
          { ...delivery, ...at, id: '1', number: 5n },
          { ...delivery, ...at, id: '2', number: 6n },
        ],
      },
      { id: 'b', token: 1n, deliveries: [{ ...delivery, ...at, id: '1', number: 1n }] },
    ],
  );
  // What was handed over is what the database has.
  const pending = createPending(db);
  for (const { claim, deliveries } of owed.leased) assert.deepEqual(await pending({ claim, limit: 9 }), deliveries);
  assert.deepEqual(await claimDue(db, 9, leaseMs, []), []);
});

test('who is served by another, has to wait or is not active is leased to nobody', async (t) => {
  const db = await testDatabase(t);
  await putSubscriber(db, 'a-leased', `lease_until = now() + interval '1 hour', lease_token = 3`);
  await putSubscriber(db, 'b-behind', 'last_number = 1, due_at = now()');
  await putSubscriber(db, 'c-backoff', `last_number = 1, attempts = 1, due_at = now() + interval '1 hour'`);
  await putSubscriber(db, 'd-error', `state = 'error'`);
  await putSubscriber(db, 'e-resends', 'resends = 1, due_at = now()');
  await putSubscriber(db, 'f-host', `host = 'full:80'`);
  await putSubscriber(db, 'g-free', `lease_until = now() - interval '1 hour'`);
  await putSubscriber(db, 'h-beyond');
  await putSubscriber(db, 'i-deleted', `state = 'deleted'`);
  const ids = [
    'a-leased',
    'b-behind',
    'c-backoff',
    'd-error',
    'e-resends',
    'f-host',
    'g-free',
    'h-beyond',
    'i-deleted',
  ];
  const owe = await createOwing(db);
  const owed = await owe(
    ids.map((id) => match(id, '1')),
    { most: 1, leaseMs, without: ['full:80'] },
  );
  assert.deepEqual([owed?.leased.map(({ claim }) => claim.id), owed?.waiting], [['g-free'], true]);
  const counts = await Promise.all(ids.map(async (id) => (await numbersOf(db, id)).length));
  assert.deepEqual(counts, [1, 1, 1, 1, 1, 1, 1, 1, 0]);
  const due = (await claimDue(db, 9, leaseMs, [])).map(({ id }) => id).sort();
  assert.deepEqual(due, ['b-behind', 'e-resends', 'f-host', 'h-beyond']);
});

test('whose lease to dispatch is lost writes nothing', async (t) => {
  const db = await testDatabase(t);
  await putSubscriber(db, 'a');
  const owe = await createOwing(db);
  await db.query({ text: `update dispatcher set holder = 'there'` });
  assert.equal(await owe([match('a', '1')]), undefined);
  assert.deepEqual(await numbersOf(db, 'a'), []);
  assert.equal((await claimDue(db, 9, leaseMs, [])).length, 0);
});

test('of ends recorded together each is fenced by itself', async (t) => {
  const db = await testDatabase(t);
  for (const id of ['a', 'b', 'c', 'd', 'e']) await putSubscriber(db, id);
  await insertDeliveries(
    db,
    ['a', 'b', 'c', 'd', 'd', 'e'].map((id) => match(id, '1')),
  );
  const claims = new Map((await claimDue(db, 9, leaseMs, [])).map((claim) => [claim.id, claim]));
  const of = (id: string) => claims.get(id) as Claim;
  await db.query({ text: `update subscriber set lease_token = lease_token + 1 where id in ('b', 'e')` });
  const end = createEnd(db);
  const next = { release: true, leaseMs, count: 1 };
  const held = await Promise.all([
    end(of('d'), 1n, { outcome: 'failed', error: 'no' }, next),
    end(of('c'), 2n, delivered, next),
    end(of('b'), 1n, delivered, next),
    end(of('a'), 1n, delivered, { ...next, release: false }),
    // Of one that has been leased anew by this same server the new lease alone is held.
    end(of('e'), 1n, delivered, next),
    end({ ...of('e'), lease_token: of('e').lease_token + 1n }, 1n, delivered, next),
  ]);
  assert.deepEqual(held, ['due', 'lost', 'lost', 'held', 'lost', 'held']);
  const text = `select id, done_number as done, due_at is not null as due, lease_until is not null as leased, s.error,
      (select string_agg(coalesce(outcome, '-'), ' ' order by number) from delivery where subscriber = s.id) as outcomes
    from subscriber s order by id`;
  assert.deepEqual(await db.query({ text }), [
    { id: 'a', done: 1n, due: false, leased: true, error: null, outcomes: 'delivered' },
    { id: 'b', done: 0n, due: true, leased: true, error: null, outcomes: '-' },
    { id: 'c', done: 0n, due: true, leased: true, error: null, outcomes: '-' },
    { id: 'd', done: 1n, due: true, leased: false, error: 'no', outcomes: 'failed -' },
    { id: 'e', done: 1n, due: false, leased: false, error: null, outcomes: 'delivered' },
  ]);
});

test('dispatching and recording the same subscribers in any order never wait for each other in turn', async (t) => {
  const db = await testDatabase(t);
  const ids = Array.from({ length: 40 }, (_, at) => `s-${at}`);
  for (const id of ids) await putSubscriber(db, id);
  const owe = await createOwing(db);
  const end = createEnd(db);
  const pending = createPending(db);
  const told = new Map(ids.map((id) => [id, [] as bigint[]]));
  const rounds = 30;
  let dispatching = true;
  const serve = async (claims: Claim[]) => {
    const batches = await Promise.all(claims.map((claim) => pending({ claim, limit: 50 })));
    // In the order that is not that of the ids.
    await Promise.all(
      claims.toReversed().map(async (claim, at) => {
        const some = batches[claims.length - 1 - at]!;
        for (const { number } of some) told.get(claim.id)!.push(number);
        const next = { release: true, leaseMs, count: some.length };
        assert.notEqual(await end(claim, some.at(-1)!.number, delivered, next), 'lost');
      }),
    );
  };
  const dispatch = async () => {
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? ids : ids.toReversed();
      const owed = await owe(
        order.map((id) => match(id, String(round))),
        { ...places, most: 10 },
      );
      await serve(owed!.leased.map(({ claim }) => claim));
    }
    dispatching = false;
  };
  const deliver = async () => {
    for (let claims: Claim[] = []; dispatching || claims.length > 0; await serve(claims)) {
      claims = await claimDue(db, 16, leaseMs, []);
    }
  };
  await Promise.all([dispatch(), deliver(), deliver()]);
  await deliver();
  const all = Array.from({ length: rounds }, (_, at) => BigInt(at + 1));
  for (const id of ids) assert.deepEqual(told.get(id), all, id);
});
