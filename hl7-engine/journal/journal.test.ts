import assert from 'node:assert/strict';
import test from 'node:test';
import type { EntryResult } from '#fhir-model';
import { CerebraError, type Db, type Statement } from '#platform';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import { Refusal } from '../message/refusal.ts';
import { listDeadLetters, listReviews, resolveMessages, resolveOne, reviewsOf } from './decisions.ts';
import { failuresSince } from './failures.ts';
import { createIndexer } from './indexer.ts';
import { createJournal, type Journal, type Journaled, type StoredOutcome } from './journal.ts';
import { removeOldMessages } from './retention.ts';
import { searchMessages } from './search.ts';
import { attemptsOf, readMessage } from './view.ts';

const source = { kind: 'mllp', name: 'default', peer: '10.0.0.7' } as const;
const DAY_MS = 86_400_000;

const raw = (id: string, patient = '1'): Buffer =>
  Buffer.from(`MSH|^~\\&|LAB|N|||||ORU^R01|${id}|P|2.5\rPID|1||${patient}^^^H`);

const receive = (journal: Journal, id: string, body = raw(id), receivedMs = 1_000): Promise<Journaled> =>
  journal.receive(body, { sender: 'LAB|N', type: 'ORU^R01', controlId: id, time: '2026' }, receivedMs, source);

const result = (name: string): EntryResult => {
  const [type = '', id = ''] = name.split('/');
  return { status: 201, type, id, version: 1, updatedMs: 0, body: '', op: 'create' };
};

const effect = (message: Journaled, more: Partial<StoredOutcome> = {}): StoredOutcome => ({
  ...{ message, ack: Buffer.from('AA'), results: [result('Patient/1')], warnings: [], finishedMs: 2_000 },
  ...more,
});

const store = (db: Db, journal: Journal, outcomes: StoredOutcome[]): Promise<void> =>
  db.tx(async (tx) => journal.markStored(tx, outcomes));

const review = {
  kind: 'identity',
  text: 'Two patients',
  references: ['Patient/1', 'Patient/2'],
  details: { a: 1 },
} as const;
const refusal = (text = 'No', more = {}): Refusal => new Refusal('AE', '204', text, more);

const open = { which: 'open', beyond: undefined, limit: 10 } as const;

async function stateOf(db: Db, id: bigint) {
  const row = await readMessage(db, id);
  return row && { state: row.state, attempts: row.attempts, ack: row.ack?.toString() ?? null };
}

test('the commit of bytes waits for the disk, unless the caller waits for a later one', async (t) => {
  const db = await testDatabase(t);
  const settings: string[] = [];
  const watched = createJournal({
    ...db,
    query: <R>(statement: Statement, values?: unknown[]) =>
      db.tx(async (tx) => {
        await tx.query({ text: 'set local synchronous_commit = local' });
        const rows = await tx.query<R>(statement, values);
        const [row] = await tx.query<{ setting: string }>({
          text: `select current_setting('synchronous_commit') setting`,
        });
        settings.push(`${rows.length} ${row?.setting}`);
        return rows;
      }),
  });
  const header = { sender: 'LAB|N', type: 'ORU^R01', controlId: 'A' };
  const bytes = (text: string, isFlushed?: boolean) => watched.receive(Buffer.from(text), header, 0, source, isFlushed);
  await bytes('1');
  await bytes('2', false);
  // In one moment: those that differ in it share no statement.
  const ids = await Promise.all([bytes('2', false), bytes('3', true), bytes('4', false), bytes('5', false)]);
  assert.deepEqual(settings.sort(), ['1 local', '1 local', '1 off', '1 off', '2 off']);
  assert.equal(new Set(ids.map(({ id }) => id)).size, 4);
});

test('source, MSH-7, route and times are kept; several messages are marked by one statement', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const [one, two] = await Promise.all([receive(journal, 'A'), receive(journal, 'B')]);
  const timings = { parseUs: 5, mapUs: 7.6, storeUs: 2 ** 40 };
  const route = { id: 'lab', version: 2 };
  await store(db, journal, [
    effect(one!, {
      results: [result('Patient/1'), result('Observation/2')],
      warnings: ['a, b', 'c"\u0000d'],
      route,
      timings,
    }),
    effect(two!, { results: [], filtered: 'not ours' }),
  ]);
  journal.markAcknowledged(one!.id, 33);
  journal.markAcknowledged(two!.id, 33);
  await journal.flush();
  const row = (await readMessage(db, one!.id))!;
  assert.deepEqual(
    [row.source_kind, row.source_name, row.peer, row.message_time, row.route_id, row.route_version],
    ['mllp', 'default', '10.0.0.7', '2026', 'lab', 2],
  );
  assert.deepEqual([row.parse_us, row.map_us, row.store_us, row.ack_us], [5, 8, 2 ** 31 - 1, 33]);
  assert.deepEqual(row.wrote, ['Patient/1/_history/1', 'Observation/2/_history/1']);
  assert.deepEqual(row.warnings, ['a, b', 'c"d']);
  assert.equal(row.state, 'acknowledged');
  const other = (await readMessage(db, two!.id))!;
  assert.deepEqual([other.state, other.filtered, other.wrote, other.warnings], ['filtered', 'not ours', [], []]);
});

test('of two attempts at one message one commits, and takes nothing of its group with it', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const [one, two] = [await receive(journal, 'A'), await receive(journal, 'B')];
  await store(db, journal, [effect(one)]);
  await assert.rejects(
    store(db, journal, [effect(two), effect(one)]),
    (error) => error instanceof CerebraError && error.code === 'version-conflict',
  );
  assert.deepEqual(await stateOf(db, two.id), { state: 'received', attempts: 0, ack: null });
});

test('failed, failed again, stored, tried once more in vain: every attempt is there, dead letter and review come and go', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const first = await receive(journal, 'A');
  const ack = await journal.markFailed(first, refusal('Two', { review }), Buffer.from('AE1'), 10, { who: 'kim' });
  assert.equal(ack?.toString(), 'AE1');
  const second = (await journal.find(first.id))!;
  // The same reason: the acknowledgment that the sender has seen, and no second review.
  assert.equal(
    (await journal.markFailed(second, refusal('Two', { review }), Buffer.from('AE2'), 20))?.toString(),
    'AE1',
  );
  assert.deepEqual(
    (await listDeadLetters(db, open)).map(({ id }) => id),
    [first.id],
  );
  assert.deepEqual(
    (await reviewsOf(db, first.id)).map(({ kind, text, references, details, state }) => ({
      kind,
      text,
      references,
      details,
      state,
    })),
    [{ ...review, state: 'open' }],
  );
  const third = (await journal.find(first.id))!;
  await store(db, journal, [effect(third)]);
  assert.deepEqual(await listDeadLetters(db, open), []);
  assert.deepEqual(await listReviews(db, open, undefined), []);
  const fourth = (await journal.find(first.id))!;
  assert.equal(await journal.markFailed(fourth, refusal('Later'), Buffer.from('AE4'), 40, { who: 'sam' }), undefined);
  assert.deepEqual(await stateOf(db, first.id), { state: 'stored', attempts: 4, ack: 'AA' });
  assert.deepEqual(await listDeadLetters(db, open), []);
  const fifth = (await journal.find(first.id))!;
  await store(db, journal, [effect(fifth, { results: [result('Patient/9')] })]);
  const attempts = await attemptsOf(db, (await readMessage(db, first.id))!);
  assert.deepEqual(
    attempts.map(({ number, state, error, wrote, attemptedBy }) => [number, state, error, wrote, attemptedBy]),
    [
      [1, 'failed', 'Two', [], 'kim'],
      [2, 'failed', 'Two', [], null],
      [3, 'stored', null, ['Patient/1/_history/1'], null],
      [4, 'failed', 'Later', [], 'sam'],
      [5, 'stored', null, ['Patient/9/_history/1'], null],
    ],
  );
});

test('a first attempt that succeeds writes one row and touches no index', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const many = await Promise.all(Array.from({ length: 64 }, (_, index) => receive(journal, `A${index}`)));
  for (let at = 0; at < many.length; at += 16)
    await store(
      db,
      journal,
      many.slice(at, at + 16).map((one) => effect(one)),
    );
  for (const { id } of many) journal.markAcknowledged(id);
  await journal.flush();
  assert.deepEqual(await db.query({ text: 'select count(*)::int as n from hl7_attempt' }), [{ n: 0 }]);
  assert.deepEqual(await db.query({ text: 'select count(*)::int as n from hl7_stale' }), [{ n: 0 }]);
  const indexed = await db.query<{ name: string }>({
    text: `select a.attname as name from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
      where i.indrelid = 'hl7_message'::regclass and i.indpred is null group by 1 order by 1`,
  });
  assert.deepEqual(
    indexed.map(({ name }) => name),
    ['content_hash', 'control_id', 'id', 'sender'],
  );
  assert.deepEqual(
    await db.query({
      text: `select count(*)::int as n from pg_index where indrelid = 'hl7_message'::regclass and indpred is not null`,
    }),
    [{ n: 0 }],
  );
});

test('what has no outcome is found again, also when the index has passed it', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const indexer = createIndexer({ db, log: testLog() });
  const [one, two] = [await receive(journal, 'A'), await receive(journal, 'B')];
  await store(db, journal, [effect(one)]);
  await indexer.pass(1);
  const three = await receive(journal, 'C');
  assert.equal(await journal.backlog(), 2);
  const portion = { messagesMax: 10, bytesMax: 10_000 };
  const unfinished = await journal.unfinished(0n, portion);
  assert.deepEqual(
    unfinished.map(({ id, source: from }) => [id, from]),
    [
      [two.id, source],
      [three.id, source],
    ],
  );
  assert.deepEqual(
    (await journal.unfinished(two.id, portion)).map(({ id }) => id),
    [three.id],
  );
  for (const small of [
    { ...portion, messagesMax: 1 },
    { ...portion, bytesMax: 1 },
  ]) {
    assert.deepEqual(
      (await journal.unfinished(0n, small)).map(({ id }) => id),
      [two.id],
    );
  }
  await store(db, journal, [effect(two), effect(three)]);
  await indexer.pass(1);
  assert.equal(await journal.backlog(), 0);
});

test('that a message was acknowledged is not forgotten while the database is away', async (t) => {
  const db = await testDatabase(t);
  let isAway = false;
  const flaky: Db = {
    ...db,
    query: (statement, values) =>
      isAway ? Promise.reject(new CerebraError('unavailable', 'away')) : db.query(statement, values),
  };
  const journal = createJournal(flaky);
  const one = await receive(journal, 'A');
  await store(db, journal, [effect(one)]);
  journal.markAcknowledged(one.id, 33);
  isAway = true;
  await assert.rejects(journal.flush(), { message: 'away' });
  isAway = false;
  await journal.flush();
  assert.equal((await stateOf(db, one.id))?.state, 'acknowledged');
});

test('two servers that note the same acknowledgments do not wait for each other in a ring', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const ids: bigint[] = [];
  for (const id of ['A', 'B', 'C']) ids.push((await receive(journal, id)).id);
  await db.query({ text: `update hl7_message set state = 'stored'` });
  for (const id of ids.toReversed()) journal.markAcknowledged(id);
  const lock = { text: 'select from hl7_message where id = $1 for update' };
  const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  let noted = Promise.resolve();
  await db.tx(async (tx) => {
    await tx.query(lock, [ids[0]]);
    noted = journal.flush();
    noted.catch(() => undefined);
    await waitFor(async () => (await db.query({ text: waits })).length > 0, 'it to wait');
    for (const id of ids.slice(1)) await tx.query(lock, [id]);
  });
  await noted;
});

test('of very many attempts the last ones are shown', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const one = await receive(journal, 'A');
  await db.query(
    {
      text: `insert into hl7_attempt (message, number, finished_at, state, warnings, wrote)
        select $1, n, now(), 'failed', '{}', '{}' from generate_series(1, 500) n`,
    },
    [one.id],
  );
  await db.query({ text: `update hl7_message set attempts = 500, state = 'failed'` });
  const shown = await attemptsOf(db, (await readMessage(db, one.id))!);
  assert.deepEqual([shown.length, shown[0]!.number, shown.at(-1)!.number], [200, 301, 500]);
});

test('16 connections: the same bytes are one message; other bytes under its control id are others, flagged', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const same = await Promise.all(Array.from({ length: 16 }, (_, index) => receive(journal, 'A', raw('A'), index)));
  assert.equal(new Set(same.map(({ id }) => id)).size, 1);
  assert.equal(new Set(same.map(({ receivedMs }) => receivedMs)).size, 1);
  await Promise.all(Array.from({ length: 16 }, (_, index) => receive(journal, 'A', raw('A', `other${index}`))));
  const rows = await db.query<{ deliveries: number; control_id_reused: boolean }>({
    text: 'select deliveries, control_id_reused from hl7_message order by id',
  });
  assert.equal(rows.length, 17);
  assert.deepEqual(rows[0], { deliveries: 16, control_id_reused: false });
  assert.ok(rows.slice(1).every((row) => row.deliveries === 1 && row.control_id_reused));
  // What has no control id, such as a port scan, uses none again.
  for (const bytes of ['GET / HTTP/1.1', 'hello']) await receive(journal, '', Buffer.from(bytes));
  const flags = await db.query({ text: `select from hl7_message where control_id = '' and control_id_reused` });
  assert.equal(flags.length, 0);
});

test('a decision is taken once', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const message = await receive(journal, 'A');
  await journal.markFailed(message, refusal('Two', { review }), Buffer.from('AE'), 10);
  const how = { by: 'kim', comment: 'sent again' };
  assert.deepEqual(await resolveMessages(db, [message.id], how, 5_000), [message.id]);
  assert.deepEqual(await resolveMessages(db, [message.id], how, 6_000), []);
  const [resolved] = await listDeadLetters(db, { ...open, which: 'resolved' });
  assert.deepEqual(resolved!.shown.resolution, {
    at: '1970-01-01T00:00:05.000Z',
    author: 'kim',
    comment: 'sent again',
  });
  const [one] = await listReviews(db, open, 'identity');
  assert.deepEqual(await listReviews(db, open, 'merge'), []);
  assert.equal((await resolveOne(db, one!.id, how, 7_000))?.already, false);
  assert.equal((await resolveOne(db, one!.id, how, 8_000))?.already, true);
  assert.equal(await resolveOne(db, one!.id + 1n, how, 8_000), undefined);
  // It fails again: it is open again.
  await journal.markFailed((await journal.find(message.id))!, refusal('Three'), Buffer.from('AE'), 10);
  assert.equal((await listDeadLetters(db, open)).length, 1);
});

test('retention: by age and state; what is open stays; the index forgets what is gone', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const indexer = createIndexer({ db, log: testLog() });
  const nowMs = 1_000 * DAY_MS;
  const at = async (id: string, days: number) => receive(journal, id, raw(id), nowMs - days * DAY_MS);
  const stored = [await at('stored-400', 400), await at('stored-350', 350)];
  await store(
    db,
    journal,
    stored.map((one) => effect(one)),
  );
  const filtered = [await at('filtered-40', 40), await at('filtered-20', 20)];
  await store(
    db,
    journal,
    filtered.map((one) => effect(one, { filtered: 'x' })),
  );
  for (const name of ['failed-400', 'resolved-400', 'failed-900', 'review-900', 'failed-100']) {
    const message = await at(name, Number(name.split('-')[1]));
    await journal.markFailed(message, refusal('No', name === 'review-900' ? { review } : {}), Buffer.from('AE'), 1);
    if (name === 'resolved-400') await resolveMessages(db, [message.id], { by: 'kim', comment: 'x' }, 1);
  }
  await at('received-999', 999);
  await indexer.pass(1);
  const removed = await removeOldMessages(db, { done: 365, filtered: 30, failed: 730 }, nowMs);
  assert.deepEqual(removed, { done: 2, filtered: 1, failed: 1, blocks: 0 });
  const left = async () =>
    (await searchMessages(db, { filter: { sender: 'N' }, order: 'oldest', limit: 50 })).rows.map(
      (row) => row.control_id,
    );
  assert.deepEqual(await left(), [
    'stored-350',
    'filtered-20',
    'failed-400',
    'review-900',
    'failed-100',
    'received-999',
  ]);
  // Now more than half of the block goes: it is made anew.
  const more = await removeOldMessages(db, { done: 1, filtered: 1, failed: 1 }, nowMs);
  assert.deepEqual(more, { done: 1, filtered: 1, failed: 2, blocks: 1 });
  assert.deepEqual(await left(), ['review-900', 'received-999']);
  assert.deepEqual(await db.query({ text: 'select messages from hl7_index_block' }), [{ messages: 2 }]);
  // The same message again is a new one.
  assert.equal((await at('stored-400', 0)).attempts, 0);
  // A question that was decided holds its message no longer.
  const [question] = await db.query<{ id: bigint }>({ text: 'select id from hl7_review' });
  await resolveOne(db, question!.id, { by: 'kim', comment: 'x' }, 1);
  assert.equal((await removeOldMessages(db, { done: 1, filtered: 1, failed: 1 }, nowMs)).failed, 1);
  assert.deepEqual(await left(), ['received-999', 'stored-400']);
});

test('how the messages of each feed have fared since an instant', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const [early, good, bad] = [
    await receive(journal, 'A', raw('A'), 1_000),
    await receive(journal, 'B', raw('B'), 5_000),
    await receive(journal, 'C', raw('C'), 6_000),
  ];
  await store(db, journal, [effect(good)]);
  for (const one of [early, bad]) await journal.markFailed(one, refusal(), Buffer.from('AE'), 7_000);
  assert.deepEqual(await failuresSince(db, 5_000), [{ feed: 'mllp/default', failed: 1, total: 2 }]);
  assert.deepEqual(await failuresSince(db, 0), [{ feed: 'mllp/default', failed: 2, total: 3 }]);
  assert.deepEqual(await failuresSince(db, 6_001), []);
});
