// Moves of references beyond the transaction of their message, with a writer that keeps resources in memory.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { EntryResult, Resource, TransactionEntry } from '#fhir-model';
import { CerebraError, type Db, type JobData, type Jobs } from '#platform';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import type { PatientMove } from '../mapping/context.ts';
import { createMemoryWriter, type MemoryWriter } from '../testing/memory-writer.ts';
import { moveReferences } from './move.ts';
import { addRun, cancelRun, isAwaited, lastRuns } from './runs.ts';
import { createReferenceWork } from './worker.ts';

const scope = { kind: 'everything' } as const;
const put = (resource: Resource): TransactionEntry => ({
  method: 'PUT',
  url: `${resource.resourceType}/${resource.id}`,
  resource,
});
const patient = (id: string): Resource => ({ resourceType: 'Patient', id });

interface Bench {
  db: Db;
  writer: MemoryWriter;
  /** As a message would: `from` is merged into `to`. */
  merge(from: string, to: string): Promise<boolean>;
  unmerge(survivor: string, merged: string): Promise<string[]>;
  countOf(id: string): number;
  runs(): Promise<string[]>;
  work(): ReturnType<typeof createReferenceWork>;
}

async function bench(t: TestContext, counts: Record<string, number>): Promise<Bench> {
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  const entries = Object.entries(counts).flatMap(([id, count]) => [
    put(patient(id)),
    ...Array.from({ length: count }, (_, i) =>
      put({ resourceType: 'Observation', id: `${id}${i}`, subject: { reference: `Patient/${id}` } }),
    ),
  ]);
  await writer.transaction(entries, { scope });
  const within = async (moves: PatientMove[], ids: string[]): Promise<boolean> => {
    const named = ids.map((id) => ({ ...put(patient(id)), fullUrl: id }));
    const results = ids.map((id) => ({ type: 'Patient', id, op: 'update' }) as EntryResult);
    let left = false;
    await writer.transaction([], {
      scope,
      async within(tx) {
        left = await moveReferences({ writer, tx, scope }, { entries: named, moves }, results);
      },
    });
    return left;
  };
  return {
    db,
    writer,
    merge: (from, to) => within([{ from, to }], [from, to]),
    async unmerge(survivor, merged) {
      const warnings: string[] = [];
      const back = { wasMerged: () => true, warn: (text: string) => void warnings.push(text) };
      await within([{ from: survivor, to: merged, back }], [survivor, merged]);
      return warnings;
    },
    countOf: (id) =>
      writer.all('Observation').filter(({ subject }) => JSON.stringify(subject) === `{"reference":"Patient/${id}"}`)
        .length,
    runs: async () => (await lastRuns(db, 10)).reverse().map(({ kind, status }) => `${kind} ${status}`),
    work: () => createReferenceWork({ db, writer, scope, log: testLog() }),
  };
}

const allEnded = async ({ db }: Bench): Promise<boolean> =>
  (await lastRuns(db, 10)).every(({ status }) => status === 'done' || status === 'cancelled');

async function untilDone(t: TestContext, b: Bench): Promise<void> {
  const work = b.work();
  t.after(() => work.stop());
  await work.start();
  await waitFor(() => allEnded(b), 'the work');
  await work.stop();
}

test('a thousand resources are moved with the message, the others after it', async (t) => {
  const b = await bench(t, { a: 2500, b: 1 });
  assert.equal(await b.merge('a', 'b'), true);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [1500, 1001]);
  assert.deepEqual(await b.runs(), ['merge waiting']);
  await untilDone(t, b);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [0, 2501]);
  const [run] = await lastRuns(b.db, 1);
  assert.deepEqual([run!.status, run!.moved, run!.kept, run!.remaining], ['done', 1500n, 0n, 0n]);
  // All of it can be taken back, and what was the survivor's own stays.
  assert.deepEqual(await b.unmerge('b', 'a'), []);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [1000, 1501]);
  await untilDone(t, b);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [2500, 1]);
});

test('a merge into somebody else waits for the one before it, so that everything arrives', async (t) => {
  const b = await bench(t, { a: 1500, b: 2, c: 3 });
  await b.merge('a', 'b');
  assert.equal(await b.merge('b', 'c'), true);
  assert.deepEqual([b.countOf('a'), b.countOf('b'), b.countOf('c')], [500, 1002, 3]);
  await untilDone(t, b);
  assert.deepEqual([b.countOf('a'), b.countOf('b'), b.countOf('c')], [0, 0, 1505]);
  // Another one's merge waits for nobody.
  await b.writer.transaction([put(patient('d')), put(patient('e'))], { scope });
  assert.equal(await b.merge('d', 'e'), false);
});

test('A37 while the merge is under way ends it, and gives back what it has moved', async (t) => {
  const b = await bench(t, { a: 2500, b: 1 });
  await b.merge('a', 'b');
  assert.deepEqual(await b.unmerge('b', 'a'), []);
  assert.deepEqual(await b.runs(), ['merge cancelled']);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [2500, 1]);
  await untilDone(t, b);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [2500, 1]);
});

test('what has changed since the merge stays, and is told; a merge that nothing is known of as well', async (t) => {
  const b = await bench(t, { a: 3, b: 1 });
  await b.merge('a', 'b');
  await b.writer.transaction(
    [put({ resourceType: 'Observation', id: 'a1', subject: { reference: 'Patient/b' }, status: 'final' })],
    { scope },
  );
  assert.deepEqual(await b.unmerge('b', 'a'), [
    'A37: changed since the merge, so left with the other patient: Observation/a1',
  ]);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [2, 2]);
  assert.deepEqual(await b.unmerge('b', 'a'), [
    'A37: no reference is known to have been moved with the merge; all stay where they are',
  ]);
});

test('a portion that fails is tried again, and its fault is told; a server that dies leaves the rest to another', async (t) => {
  const b = await bench(t, { a: 2500, b: 0 });
  await b.merge('a', 'b');
  // More than one attempt: it stays failed while it is looked at.
  b.writer.failures.push(...Array.from({ length: 100 }, () => new TypeError('ours')));
  const first = b.work();
  t.after(() => first.stop());
  await first.start();
  await waitFor(async () => (await b.runs())[0] === 'merge failed', 'the failure');
  assert.equal((await lastRuns(b.db, 1))[0]!.error, 'Internal error: the log tells more');
  await first.stop();
  assert.equal(b.countOf('b'), 1000, 'nothing of the portion that failed');
  b.writer.failures.splice(0, Number.POSITIVE_INFINITY, new CerebraError('unavailable', 'away'));
  const second = b.work();
  t.after(() => second.stop());
  await second.start();
  await waitFor(() => b.writer.failures.length === 0, 'the next attempt');
  await second.stop();
  await untilDone(t, b);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [0, 2500]);
});

test('each look for work that stands still adds no further job that comes back by itself', async (t) => {
  const b = await bench(t, { a: 1001, b: 0 });
  await b.merge('a', 'b');
  const added: unknown[] = [];
  let handle: Parameters<Jobs['define']>[1] | undefined;
  let repeated: JobData = {};
  const jobs: Jobs = {
    define(_name, handler) {
      handle = handler;
    },
    async add(_name, data, options) {
      added.push([data, options?.delayMs]);
    },
    async every(_name, _intervalMs, data = {}) {
      repeated = data;
    },
    start: async () => {},
    close: async () => {},
  };
  const work = createReferenceWork({ db: b.db, writer: b.writer, scope, log: testLog(), jobs });
  await work.start();
  b.writer.failures.push(...Array.from({ length: 4 }, () => new TypeError('ours')));
  let nowMs = performance.now();
  const now = t.mock.method(performance, 'now', () => nowMs);
  await handle!(repeated);
  assert.deepEqual(added, [[{}, 0]], 'the one of the start');
  await handle!({});
  assert.deepEqual(added.splice(0), [
    [{}, 0],
    [{}, 5000],
  ]);
  // Nor does each message that leaves something to do; one that comes back does so again, when its time has come.
  await handle!({});
  assert.deepEqual(added, []);
  nowMs += 5000;
  await handle!({});
  assert.deepEqual(added.splice(0), [[{}, 5000]]);
  now.mock.restore();
  // A lost one is replaced by the look.
  await handle!(repeated);
  await waitFor(async () => {
    if (added.length > 0) await handle!((added.splice(0)[0] as unknown as [JobData])[0]);
    return allEnded(b);
  }, 'the work');
  assert.equal(b.countOf('b'), 1001);
  await work.stop();
});

test('of two servers one works at a time', async (t) => {
  const b = await bench(t, { a: 4500, b: 0 });
  await b.merge('a', 'b');
  const works = [b.work(), b.work()];
  for (const work of works) t.after(() => work.stop());
  await Promise.all(works.map((work) => work.start()));
  await waitFor(() => allEnded(b), 'the work');
  // Whoever did the last portion has heard of its commit then.
  await Promise.all(works.map((work) => work.stop()));
  const [run] = await lastRuns(b.db, 1);
  assert.deepEqual([run!.moved, b.countOf('b')], [3500n, 4500]);
});

test('what a message wrote that had found the patient before is found after the merge, and is taken back with it', async (t) => {
  const b = await bench(t, { a: 1, b: 1 });
  assert.equal(await b.merge('a', 'b'), false);
  const late = { resourceType: 'Observation', id: 'late', subject: { reference: 'Patient/a' } };
  await b.writer.transaction([put(late)], { scope });
  const due = () => b.db.query({ text: 'update hl7_reference_run set due = now()' });
  await due();
  const work = b.work();
  t.after(() => work.stop());
  await work.start();
  await waitFor(() => b.countOf('b') === 3, 'the late one');
  await waitFor(async () => (await b.runs()).join() === 'merge done', 'the end');
  await work.stop();
  assert.deepEqual(await b.unmerge('b', 'a'), []);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [2, 1]);
  // One that finds nothing leaves nothing, and one of a merge that was taken back does nothing.
  assert.equal(await b.merge('a', 'b'), false);
  await b.unmerge('b', 'a');
  await due();
  const next = b.work();
  t.after(() => next.stop());
  await b.merge('b', 'a');
  await due();
  await next.start();
  const left = { text: "select from hl7_reference_run where status = 'waiting'" };
  await waitFor(async () => (await b.db.query(left)).length === 0, 'all looks');
  await next.stop();
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [3, 0]);
});

test('after the later of two merges was taken back, what had changed between them stays when the first is', async (t) => {
  const b = await bench(t, { a: 2, b: 0, c: 0 });
  await b.merge('a', 'b');
  const changed = { resourceType: 'Observation', id: 'a0', subject: { reference: 'Patient/b' }, status: 'final' };
  await b.writer.transaction([put(changed)], { scope });
  await b.merge('b', 'c');
  assert.deepEqual(await b.unmerge('c', 'b'), []);
  assert.deepEqual([b.countOf('a'), b.countOf('b'), b.countOf('c')], [0, 2, 0]);
  assert.deepEqual(await b.unmerge('b', 'a'), [
    'A37: changed since the merge, so left with the other patient: Observation/a0',
  ]);
  assert.deepEqual([b.countOf('a'), b.countOf('b')], [1, 1]);
});

test('taking back a merge leaves the move of a visit between the two; a look for late arrivals holds nobody up', async (t) => {
  const db = await testDatabase(t);
  const between = { kind: 'merge', from: 'a', to: 'b' } as const;
  await db.tx(async (tx) => {
    await addRun(tx, { ...between, about: 'Encounter/1' });
    assert.equal(await cancelRun(tx, between), false);
    assert.deepEqual(
      [await isAwaited(tx, ['a']), await isAwaited(tx, ['b']), await isAwaited(tx, ['c'])],
      [true, true, false],
    );
    await addRun(tx, { kind: 'merge', from: 'd', to: 'e', sweep: true });
    assert.deepEqual([await isAwaited(tx, ['d']), await isAwaited(tx, ['e'])], [false, false]);
    assert.equal(await cancelRun(tx, { kind: 'merge', from: 'd', to: 'e' }), true);
  });
  assert.deepEqual(
    (await lastRuns(db, 10)).map(({ about, status }) => [about, status]),
    [['Encounter/1', 'waiting']],
  );
});
