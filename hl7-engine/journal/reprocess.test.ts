import assert from 'node:assert/strict';
import test from 'node:test';
import { CerebraError, createRuns, type Db, type JobData, type Jobs, systemClock, uuidv7 } from '#platform';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import { Refusal } from '../message/refusal.ts';
import { listDeadLetters } from './decisions.ts';
import { createIndexer } from './indexer.ts';
import { createJournal, type Journal, type Journaled, type StoredOutcome } from './journal.ts';
import { createReprocessing, type Reprocessing, type ReprocessingOptions } from './reprocess.ts';
import { changeTo, continueRun, createRun, findRun, freeRuns, type Run } from './reprocess-run.ts';
import { readMessage } from './view.ts';

const raw = (id: string, patient: string): Buffer =>
  Buffer.from(`MSH|^~\\&|LAB|N|||||ORU^R01|${id}|P|2.5\rPID|1||${patient}^^^H`);

const receive = (journal: Journal, id: string, body = raw(id, '1')): Promise<Journaled> =>
  journal.receive(body, { sender: 'LAB|N', type: 'ORU^R01', controlId: id }, 1_000, { kind: 'mllp', name: 'default' });

const effect = (message: Journaled, more: Partial<StoredOutcome> = {}): StoredOutcome => ({
  ...{ message, ack: Buffer.from('AA'), results: [], warnings: [], finishedMs: 2_000 },
  ...more,
});

const store = (db: Db, journal: Journal, outcomes: StoredOutcome[]): Promise<void> =>
  db.tx(async (tx) => journal.markStored(tx, outcomes));

const refusal = (): Refusal => new Refusal('AE', '204', 'No');

interface Rig {
  db: Db;
  journal: Journal;
  done: string[];
  reprocessing: Reprocessing;
}

/** `before` is awaited for each message, by its control id. */
async function rig(db: Db, before: (id: string) => Promise<void> = async () => {}): Promise<Rig> {
  const journal = createJournal(db);
  const done: string[] = [];
  const reprocess = async (id: bigint, who?: string) => {
    const message = (await journal.find(id))!;
    const controlId = (await readMessage(db, id))!.control_id;
    await before(controlId);
    done.push(controlId);
    if (controlId.startsWith('bad')) return journal.markFailed(message, refusal(), Buffer.from('AE'), 1);
    await store(db, journal, [effect(message, who === undefined ? {} : { who })]);
    return Buffer.from('AA');
  };
  return { db, journal, done, reprocessing: createReprocessing({ db, reprocess, log: testLog(), clock: systemClock }) };
}

async function ended(db: Db, id: string, status: Run['status']): Promise<Run> {
  return waitFor(
    async () => {
      const run = await findRun(db, id);
      return run?.status === status ? run : undefined;
    },
    `the run to be ${status}`,
    120_000,
  );
}

const COUNT = 140;

/** Failed messages of 7 patients, of which the 26th, 76th and 126th fail again. */
async function failures(journal: Journal): Promise<void> {
  const messages: Journaled[] = [];
  for (let i = 0; i < COUNT; i++) {
    const id = `${i % 50 === 25 ? 'bad' : 'm'}${i}`;
    messages.push(await receive(journal, id, raw(id, `p${i % 7}`)));
  }
  await Promise.all(messages.map((message) => journal.markFailed(message, refusal(), Buffer.from('AE'), 1)));
}

test('a run finds what matches also where the index is far behind', async (t) => {
  const { db, journal, done, reprocessing } = await rig(await testDatabase(t));
  const found = (id: string) => receive(journal, id, Buffer.concat([raw(id, '1'), Buffer.from('\rNTE|1||needle')]));
  await found('first');
  await db.query({
    text: `insert into hl7_message (received_at, sender, control_id, content_hash, control_id_reused, type, raw, state, attempts)
      select now(), 'S|F', i::text, sha256(i::text::bytea), false, 'ORU^R01', 'MSH|', 'acknowledged', 1
      from generate_series(1, 4500) as i`,
  });
  await found('last');
  const run = await reprocessing.begin({ text: 'needle' }, 'kim');
  const { total, done: count } = await ended(db, run.id, 'done');
  assert.deepEqual([done, total, count], [['first', 'last'], 2n, 2n]);
});

test('a run processes all that match, each patient in order, and tells what failed', async (t) => {
  const { db, journal, done, reprocessing } = await rig(await testDatabase(t));
  await failures(journal);
  await createIndexer({ db, log: testLog() }).pass(1);
  const stored = await receive(journal, 'stored');
  await store(db, journal, [effect(stored)]);
  const { id } = await reprocessing.begin({ state: 'failed' }, 'kim');
  const run = await ended(db, id, 'done');
  assert.deepEqual([run.total, run.done, run.failures], [BigInt(COUNT), BigInt(COUNT), 3n]);
  assert.deepEqual(
    run.failed.map(({ error }) => error),
    ['No', 'No', 'No'],
  );
  assert.equal(done.length, COUNT);
  for (let patient = 0; patient < 7; patient++) {
    const order = done.map((name) => Number(name.replace(/\D+/, ''))).filter((i) => i % 7 === patient);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  }
  assert.deepEqual((await listDeadLetters(db, { which: 'open', beyond: undefined, limit: 50 })).length, 3);
  const [row] = await db.query<{ attempted_by: string }>({
    text: `select distinct attempted_by from hl7_message where state = 'stored' and control_id <> 'stored'`,
  });
  assert.equal(row!.attempted_by, 'kim');
  await reprocessing.stop();
});

test('paused between batches, gone on with by another process, nothing twice, nothing left out; cancelled', async (t) => {
  const db = await testDatabase(t);
  const first: Rig = await rig(db, async (name) => {
    if (name === 'm20') await changeTo(db, runId, 'pause');
  });
  let runId = '';
  await failures(first.journal);
  runId = uuidv7(1);
  await createRun(db, runId, { state: 'failed' }, 'kim', 1);
  await first.reprocessing.resume();
  await first.reprocessing.stop();
  const paused = (await findRun(db, runId))!;
  assert.equal(paused.status, 'paused');
  assert.equal(first.done.length, 100);
  const second = await rig(db);
  await second.reprocessing.change(runId, 'resume');
  const run = await ended(db, runId, 'done');
  assert.deepEqual([paused.done, run.done, run.failures], [100n, BigInt(COUNT), 3n]);
  assert.equal(first.done.length + second.done.length, COUNT);
  assert.equal(new Set([...first.done, ...second.done]).size, COUNT);
  assert.equal(await second.reprocessing.change(run.id, 'pause'), undefined);
  const other = uuidv7(2);
  await createRun(db, other, { text: 'anything' }, 'kim', 2);
  assert.equal((await second.reprocessing.change(other, 'cancel'))?.status, 'cancelled');
  assert.equal(await second.reprocessing.change(other, 'resume'), undefined);
  await second.reprocessing.stop();
});

test('a run whose process was killed is taken over when its lease has ended, and by one only', async (t) => {
  const db = await testDatabase(t);
  const id = uuidv7(1);
  await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const turn = (worker: string) => ({ id, worker, clock: systemClock });
  const never = { count: () => new Promise<number>(() => {}), next: async () => undefined };
  void continueRun(db, turn('killed'), never);
  await waitFor(async () => (await findRun(db, id))?.status === 'running', 'the claim');
  const work = { count: async () => 0, next: async () => undefined };
  assert.equal(await continueRun(db, turn('other'), work), 'held');
  await db.query({ text: `update hl7_reprocess_run set worker = 'gone', leased_until = now() - interval '1 second'` });
  assert.equal(await continueRun(db, turn('other'), work), 'ended');
  assert.equal((await findRun(db, id))?.status, 'done');
});

test('a run whose job the queue has lost is added again; one that somebody is at, or that goes on, is not', async (t) => {
  const db = await testDatabase(t);
  const [lost, held] = [uuidv7(1), uuidv7(2)];
  for (const id of [lost, held]) await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const never = { count: () => new Promise<number>(() => {}), next: async () => undefined };
  void continueRun(db, { id: held, worker: 'other', clock: systemClock }, never);
  await waitFor(async () => (await findRun(db, held))?.status === 'running', 'the claim');
  const handlers = new Map<string, (data: JobData) => Promise<void>>();
  const added: unknown[] = [];
  const repeated: string[] = [];
  const jobs: Jobs = {
    define: (name, handler) => void handlers.set(name, handler),
    add: async (_name, { id }) => void added.push(id),
    every: async (name) => void repeated.push(name),
    start: async () => {},
    close: async () => {},
  };
  const options = { db, jobs, reprocess: async () => undefined, log: testLog(), clock: systemClock };
  await createReprocessing(options).resume();
  assert.deepEqual(added.splice(0), [lost, held]);
  const look = () => handlers.get(repeated[0]!)!({});
  await look();
  assert.deepEqual(added, []);
  await look();
  assert.deepEqual(added.splice(0), [lost]);
  await db.query({ text: 'update hl7_reprocess_run set at = 1 where id = $1' }, [lost]);
  await look();
  assert.deepEqual(added, []);
});

test('a server that is alone goes on at once with what a killed one was at, and only with that', async (t) => {
  const db = await testDatabase(t);
  const [killed, own] = [uuidv7(1), uuidv7(2)];
  for (const id of [killed, own]) await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const never = { count: () => new Promise<number>(() => {}), next: async () => undefined };
  for (const [id, worker] of [
    [killed, 'killed'],
    [own, 'own'],
  ] as const) {
    void continueRun(db, { id, worker, clock: systemClock }, never);
    await waitFor(async () => (await findRun(db, id))?.status === 'running', 'the claim');
  }
  assert.equal(await freeRuns(db, 'own'), 1);
  const options = { db, reprocess: async () => undefined, log: testLog(), clock: systemClock };
  const another = createReprocessing(options);
  await another.resume();
  await another.stop();
  assert.equal((await findRun(db, own))?.status, 'running');
  await ended(db, killed, 'done');
  const alone = createReprocessing({ ...options, alone: true });
  await alone.resume();
  await ended(db, own, 'done');
  await alone.stop();
});

test('a batch that a killed process had begun is gone on with: nothing is processed twice', async (t) => {
  const db = await testDatabase(t);
  const killed = Promise.withResolvers<void>();
  let begun = 0;
  const first = await rig(db, async () => {
    begun++;
    // Of four patients at a time all wait in the end.
    if (begun > 40) await killed.promise;
  });
  await failures(first.journal);
  await db.query({ text: `update hl7_message set state = 'stored', attempted_by = 'kim' where control_id like 'm%'` });
  const id = uuidv7(1);
  await createRun(db, id, { type: 'ORU' }, 'kim', 1_500);
  await first.reprocessing.resume();
  await waitFor(() => begun > 40 && first.done.length === 40, 'the first 40');
  await waitFor(async () => {
    const rows = await db.query({ text: 'select from hl7_message where finished_at >= to_timestamp(1.5)' });
    return rows.length === first.done.filter((name) => !name.startsWith('bad')).length;
  }, 'their effect');
  await db.query({ text: `update hl7_reprocess_run set worker = 'gone', leased_until = now() - interval '1 second'` });
  const second = await rig(db);
  await second.reprocessing.resume();
  const run = await ended(db, id, 'done');
  assert.equal(run.done, BigInt(COUNT));
  const stored = [...first.done, ...second.done].filter((name) => !name.startsWith('bad'));
  assert.deepEqual([stored.length, new Set(stored).size], [COUNT - 3, COUNT - 3]);
  killed.resolve();
  await Promise.all([first.reprocessing.stop(), second.reprocessing.stop()]);
});

test('a run is held while the database is away and fails for a fault of ours', async (t) => {
  const db = await testDatabase(t);
  const id = uuidv7(1);
  await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const turn = (worker: string) => ({ id, worker, clock: systemClock });
  const failing = (error: Error) => ({ count: async () => 0, next: () => Promise.reject(error) });
  assert.equal(await continueRun(db, turn('w'), failing(new CerebraError('unavailable', 'away'))), 'held');
  assert.equal((await findRun(db, id))?.status, 'running');
  await assert.rejects(continueRun(db, turn('w'), failing(new TypeError('ours'))), TypeError);
  assert.deepEqual(
    [(await findRun(db, id))?.status, (await findRun(db, id))?.error],
    ['failed', 'Internal error: the log tells more'],
  );
});

test('a run is held where the database is away as it is taken up', async (t) => {
  const db = await testDatabase(t);
  const id = uuidv7(1);
  await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const away: Db = { ...db, query: () => Promise.reject(new CerebraError('unavailable', 'away')) };
  const turn = { id, worker: 'w', clock: systemClock };
  const work = { count: async () => 0, next: async () => undefined };
  assert.equal(await continueRun(away, turn, work), 'held');
  assert.equal(await continueRun(db, turn, work), 'ended');
});

test('the lease of a run lasts as long as its work, and no longer', async (t) => {
  const db = await testDatabase(t);
  const id = uuidv7(1);
  await createRun(db, id, { state: 'failed' }, 'kim', 1);
  const turn = (worker: string) => ({ id, worker, clock: systemClock });
  const runs = createRuns<Run>({ table: 'hl7_reprocess_run', columns: 'id, status', leaseMs: 6_000 });
  const lease = async () => {
    const text = 'select leased_until as until from hl7_reprocess_run';
    const [row] = await db.query<{ until: number | null }>({ text });
    return row!.until;
  };
  const batch = Promise.withResolvers<boolean>();
  const first = runs.goOn(db, turn('first'), () => batch.promise);
  const until = await waitFor(lease, 'the claim');
  // After a third of it: what follows has the rest, and more, before another one may take the run.
  await waitFor(async () => ((await lease()) ?? 0) > until, 'the lease to be renewed');
  assert.equal(await runs.goOn(db, turn('second'), async () => true), 'held');
  batch.resolve(false);
  assert.equal(await first, 'left');
  assert.equal(await lease(), null);
  assert.equal(await runs.goOn(db, turn('second'), async () => true), 'ended');
});

type Queue = NonNullable<ReprocessingOptions['jobs']>;

test('what cannot be processed for a passing reason holds the run: nothing overtakes it, and nothing is left out', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  for (const id of ['m1', 'm2']) {
    await journal.markFailed(await receive(journal, id), refusal(), Buffer.from('AE'), 1);
  }
  const acks = [Buffer.from('MSA|AE|m1\rERR||||||||Not processed for a passing reason. Send the message again.')];
  const asked: string[] = [];
  let handler: Parameters<Queue['define']>[1] = async () => {};
  const delays: (number | undefined)[] = [];
  const jobs: Queue = {
    define: (name, defined) => {
      if (name === 'hl7-reprocess') handler = defined;
    },
    add: async (_name, _data, options) => void delays.push(options?.delayMs),
    every: async () => {},
    start: async () => {},
    close: async () => {},
  };
  const reprocess = async (id: bigint, _who: string | undefined, isKept: boolean) => {
    asked.push(`${(await readMessage(db, id))!.control_id} ${isKept}`);
    return acks.shift() ?? Buffer.from('AA');
  };
  const { begin } = createReprocessing({ db, jobs, reprocess, log: testLog(), clock: systemClock });
  const { id } = await begin({ type: 'ORU' }, 'kim');
  await handler({ id });
  const held = (await findRun(db, id))!;
  assert.deepEqual([held.status, held.at, held.done, asked], ['running', 0n, 0n, ['m1 true']]);
  await handler({ id });
  const run = (await findRun(db, id))!;
  assert.deepEqual([run.status, run.done, asked], ['done', 2n, ['m1 true', 'm1 true', 'm2 true']]);
  assert.deepEqual(delays, [0, 5_000]);
});

test('what failed again is not tried once more while the run waits for another', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  await store(db, journal, [effect(await receive(journal, 'had'))]);
  for (const id of ['bad', 'm1']) await journal.markFailed(await receive(journal, id), refusal(), Buffer.from('AE'), 1);
  let handler: Parameters<Queue['define']>[1] = async () => {};
  const jobs: Queue = {
    define: (name, defined) => {
      if (name === 'hl7-reprocess') handler = defined;
    },
    add: async () => {},
    every: async () => {},
    start: async () => {},
    close: async () => {},
  };
  const acks = [Buffer.from('Not processed for a passing reason. Send the message again.'), Buffer.from('AA')];
  const asked: string[] = [];
  const reprocess = async (id: bigint, who = '') => {
    const controlId = (await readMessage(db, id))!.control_id;
    asked.push(controlId);
    if (controlId === 'm1') return acks.shift();
    await journal.markFailed((await journal.find(id))!, refusal(), Buffer.from('AE'), systemClock.now(), { who });
    return Buffer.from('AE');
  };
  const { begin } = createReprocessing({ db, jobs, reprocess, log: testLog(), clock: systemClock });
  const { id } = await begin({ type: 'ORU' }, 'kim');
  await handler({ id });
  assert.deepEqual([(await findRun(db, id))!.status, asked.splice(0)], ['running', ['had', 'bad', 'm1']]);
  await handler({ id });
  assert.deepEqual([(await findRun(db, id))!.status, asked], ['done', ['m1']]);
});
