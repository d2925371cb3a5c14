// What a patient's watchers are told: all of it, in order, whenever they come.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Change, ChangeCursor, Resource } from '#fhir-model';
import { openSocket, type TestSocket, testLog, waitFor } from '#platform/testing';
import { createKeyOf } from '../match/patient-key.ts';
import { createRig, inStream, observation, type Rig, testRules } from '../testing/rig.ts';
import { serveSockets } from '../testing/socket.ts';
import { createPatientStreams, defaultPatientStreamLimits } from './patient-stream.ts';

type Identified = Resource & { id: string };
const patient = (id: string) => ({ resourceType: 'Patient', id }) as Identified;
const of = (id: string, whose: string, rest: object = {}) =>
  observation(id, 'a', { subject: { reference: `Patient/${whose}` }, ...rest });
const resource = (resourceType: string, id: string, rest: object) =>
  ({ resourceType, id, ...rest }) as unknown as Identified;

interface Watched {
  rig: Rig;
  url: string;
  watch(id: string, after?: string): Promise<TestSocket>;
}

async function setUp(t: TestContext, options: object = {}): Promise<Watched> {
  const rig = await createRig(t);
  const url = await serveSockets(t, await rig.start(options));
  await rig.store.put(patient('p'));
  await rig.store.put(patient('q'));
  await inStream(rig);
  const watch = (id: string, after?: string) =>
    openSocket(t, `${url}ws/patient/${id}${after === undefined ? '' : `?after=${after}`}`);
  return { rig, url, watch };
}

const events = ({ heard }: TestSocket) =>
  heard.map((text) => JSON.parse(text)).filter(({ kind }) => kind !== 'watching');
const ids = (socket: TestSocket): string[] => events(socket).map(({ id }) => id);
const hears = (socket: TestSocket, count: number) =>
  waitFor(() => events(socket).length >= count && events(socket), `${count} events`);

test('observations, scores and alerts of the patient, as they happen; nothing of others', async (t) => {
  const { rig, watch } = await setUp(t);
  const socket = await watch('p');
  const [first] = await socket.hears(1);
  assert.match(first!, /^\{"kind":"watching","patient":"Patient\/p","cursor":"\d+\.0"\}$/);
  const subject = { reference: 'Patient/p' };
  await rig.store.put(of('o1', 'p', { valueQuantity: { value: 7 } }));
  await rig.store.put(of('o2', 'q'));
  await rig.store.put(of('news', 'p', { meta: { tag: [{ system: 'urn:cerebra:score', code: 'news2' }] } }));
  await rig.store.put(resource('Condition', 'c', { subject }));
  await rig.store.put(resource('RiskAssessment', 'r', { subject, status: 'final' }));
  await rig.store.put(resource('Flag', 'f', { subject, status: 'active' }));
  await rig.store.put(resource('Communication', 'm', { subject, status: 'completed' }));
  await rig.store.put(resource('Task', 't', { for: subject, status: 'requested' }));
  await rig.store.remove('Observation', 'o1');
  const told = (await hears(socket, 7)).map(({ kind, op, type, id, version }) => [kind, op, type, id, version]);
  assert.deepEqual(told, [
    ['observation', 'create', 'Observation', 'o1', 1],
    ['score', 'create', 'Observation', 'news', 1],
    ['score', 'create', 'RiskAssessment', 'r', 1],
    ['alert', 'create', 'Flag', 'f', 1],
    ['alert', 'create', 'Communication', 'm', 1],
    ['alert', 'create', 'Task', 't', 1],
    ['observation', 'delete', 'Observation', 'o1', 2],
  ]);
  const [created] = events(socket);
  assert.deepEqual(created.resource.valueQuantity, { value: 7 });
  assert.equal(events(socket).at(-1).resource, undefined);
});

test('what turns out to be another patient’s leaves the one and comes to the other, live and afterwards', async (t) => {
  const { rig, watch } = await setUp(t);
  const [ofP, ofQ] = [await watch('p'), await watch('q')];
  const [watching] = await ofP.hears(1);
  await ofQ.hears(1);
  const tag = { tag: [{ system: 'urn:cerebra:score', code: 'news2' }] };
  await rig.store.put(of('o1', 'p'));
  await rig.store.put(of('news', 'p', { meta: tag }));
  await rig.store.put(of('o1', 'p', { status: 'amended' }));
  await rig.store.put(of('o1', 'q', { valueQuantity: { value: 7 } }));
  await rig.store.put(of('news', 'q'));
  await rig.store.put(of('last', 'p'));
  const toP = [
    ['observation', 'create', 'o1', 1, true],
    ['score', 'create', 'news', 1, true],
    ['observation', 'update', 'o1', 2, true],
    ['observation', 'moved', 'o1', 3, false],
    ['score', 'moved', 'news', 2, false],
    ['observation', 'create', 'last', 1, true],
  ];
  const told = async (socket: TestSocket, count: number) =>
    (await hears(socket, count)).map(({ kind, op, id, version, resource }) => [
      ...[kind, op, id, version],
      resource !== undefined,
    ]);
  assert.deepEqual(await told(ofP, 6), toP);
  assert.deepEqual(await told(ofQ, 2), [
    ['observation', 'update', 'o1', 3, true],
    ['observation', 'update', 'news', 2, true],
  ]);
  const { cursor } = JSON.parse(watching!);
  assert.deepEqual(await told(await watch('p', cursor), 6), toP);
});

test('a patient that is replaced or deleted: its watchers are told, live and when they come back, and nothing of others', async (t) => {
  const { rig, watch } = await setUp(t);
  const [ofP, ofQ] = [await watch('p'), await watch('q')];
  const [watching] = await ofP.hears(1);
  await ofQ.hears(1);
  const { cursor } = JSON.parse(watching!);
  const told = async (socket: TestSocket, count: number) =>
    (await hears(socket, count)).map(({ kind, op, id, version, replacedBy }) => [kind, op, id, version, replacedBy]);
  const link = [{ other: { reference: 'Patient/q/_history/1' }, type: 'replaced-by' }];
  await rig.store.put({ ...patient('p'), gender: 'female' } as Identified);
  await rig.store.put({ ...patient('p'), active: false, link } as Identified);
  await rig.store.put(of('late', 'p'));
  const toP = [
    ['patient', 'replaced', 'p', 3, 'Patient/q'],
    ['observation', 'create', 'late', 1, undefined],
  ];
  assert.deepEqual(await told(ofP, 2), toP);
  const anew = await watch('p', cursor);
  assert.deepEqual(await told(anew, 2), toP);
  assert.equal(JSON.parse(anew.heard[0]!).replacedBy, 'Patient/q');
  await rig.store.remove('Patient', 'p');
  assert.equal(await ofP.closed, 1000);
  assert.equal(await anew.closed, 1000);
  assert.deepEqual((await told(ofP, 3))[2], ['patient', 'delete', 'p', 4, undefined]);
  await rig.store.put(of('o', 'q'));
  assert.deepEqual(await told(ofQ, 1), [['observation', 'create', 'o', 1, undefined]]);
  assert.equal(JSON.parse(ofQ.heard[0]!).replacedBy, undefined);
});

test('a patient that is deleted while somebody comes: that is told as well', async (t) => {
  const rig = await createRig(t);
  let onPatient: (() => Promise<void>) | undefined;
  const reader: typeof rig.store.reader = {
    ...rig.store.reader,
    async read(type, id, scope) {
      const found = await rig.store.reader.read(type, id, scope);
      const then = type === 'Patient' ? onPatient : undefined;
      if (then) onPatient = undefined;
      await then?.();
      return found;
    },
  };
  const url = await serveSockets(t, await rig.start({ reader }));
  await rig.store.put(patient('p'));
  await inStream(rig);
  onPatient = async () => {
    await rig.store.remove('Patient', 'p');
    await inStream(rig);
  };
  const socket = await openSocket(t, `${url}ws/patient/p`);
  const [told] = await hears(socket, 1);
  assert.deepEqual([told.kind, told.op, told.id], ['patient', 'delete', 'p']);
});

test('who was away comes back with the last cursor and is told what was missed, once each', async (t) => {
  const { rig, watch } = await setUp(t);
  const first = await watch('p');
  await first.hears(1);
  await rig.store.put(of('o1', 'p'));
  const [{ cursor }] = await hears(first, 1);
  await first.leave();
  for (const id of ['o2', 'o3']) await rig.store.put(of(id, 'p'));
  await rig.store.put(of('x', 'q'));
  const second = await watch('p', cursor);
  await rig.store.put(of('o4', 'p'));
  await hears(second, 3);
  assert.deepEqual(ids(second), ['o2', 'o3', 'o4']);
});

test('many come while changes go on: each is told all that follows its cursor, in order', async (t) => {
  const { rig, watch } = await setUp(t, { patientStreamLimits: { batchChanges: 7, pollMs: 20 } });
  const start = await watch('p');
  const [watching] = await start.hears(1);
  const { cursor } = JSON.parse(watching!);
  const wanted = Array.from({ length: 60 }, (_, index) => `o${index}`);
  const sockets: TestSocket[] = [start];
  for (const id of wanted) {
    await rig.store.put(of(id, 'p'));
    if (id.endsWith('7')) sockets.push(await watch('p', cursor));
  }
  for (const socket of sockets) {
    await hears(socket, wanted.length);
    assert.deepEqual(ids(socket), wanted);
  }
});

/** Watchers whose reading of the feed a test sees, and holds up: `after` what was read, before it is told. */
async function observed(t: TestContext, after: (cursor: ChangeCursor, batch: readonly Change[]) => Promise<void>) {
  const rig = await createRig(t);
  const { parameters } = await testRules();
  const streams = createPatientStreams({
    ...{ db: rig.db, reader: rig.store.reader, log: testLog(), keyOf: createKeyOf(parameters) },
    scopeOf: () => ({ kind: 'everything' }),
    limits: { ...defaultPatientStreamLimits, pollMs: 5 },
    feed: {
      ...rig.store.feed,
      async read(db, cursor, limit) {
        const batch = await rig.store.feed.read(db, cursor, limit);
        await after(cursor, batch.changes);
        return batch;
      },
    },
  });
  streams.start();
  t.after(() => streams.stop());
  const url = await serveSockets(t, { webSockets: streams });
  for (const id of ['p', 'q']) await rig.store.put(patient(id));
  // Other databases of the cluster may hold them back for a moment.
  const both = await waitFor(async () => {
    const { changes: found } = await rig.store.feed.read(rig.db, { xid: 0n, seq: 0n }, 2);
    return found.length === 2 && found;
  }, 'both patients in the stream');
  const { xid, seq } = both[0]!;
  return { rig, first: { xid, seq }, watch: (query = '') => openSocket(t, `${url}ws/patient/p${query}`) };
}

test('who comes while the others are being told misses nothing of it', async (t) => {
  const [newcomer, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reads = { all: 0, newcomer: 0, others: 0 };
  let from: ChangeCursor | undefined;
  const { rig, first, watch } = await observed(t, async (cursor, batch) => {
    reads.all++;
    if (from && cursor.xid === from.xid && cursor.seq === from.seq) {
      reads.newcomer++;
      await newcomer.promise;
    } else if (batch.some(({ id }) => id === 'o')) {
      reads.others++;
      await others.promise;
    }
  });
  const early = await watch();
  await waitFor(() => reads.all > 1, 'the early one to be followed');
  from = first;
  const late = await watch(`?after=${first.xid}.${first.seq}`);
  await waitFor(() => reads.newcomer === 1, 'the newcomer to have read');
  await rig.store.put(of('o', 'p'));
  await waitFor(() => reads.others === 1, 'the others to have read');
  newcomer.resolve();
  await new Promise(setImmediate);
  others.resolve();
  for (const socket of [early, late]) {
    await hears(socket, 1);
    assert.deepEqual(ids(socket), ['o']);
  }
});

test('who comes back when nothing happens is up to date with one look', async (t) => {
  let [looks, others] = [0, 0];
  let from: ChangeCursor | undefined;
  const { first, watch } = await observed(t, async (cursor) => {
    if (cursor.seq === 0n) others++;
    else if (from) looks++;
  });
  await watch();
  await waitFor(() => others > 1, 'the others to be followed');
  from = first;
  const late = await watch(`?after=${first.xid}.${first.seq}`);
  await late.hears(1);
  await waitFor(() => looks > 0, 'its look');
  const before = others;
  await waitFor(() => others > before + 3, 'the others to look on');
  assert.equal(looks, 1);
});

test('no such patient, a deleted one, a wrong cursor: refused; a cursor that is no longer kept: told', async (t) => {
  const { rig, watch } = await setUp(t);
  await assert.rejects(watch('nobody'), /404/);
  await assert.rejects(watch('no%20body'), /404/);
  await rig.store.remove('Patient', 'q');
  await assert.rejects(watch('q'), /404/);
  await assert.rejects(watch('p', 'yesterday'), /400/);
  const socket = await watch('p', '1.1');
  const [, gap] = await socket.hears(2);
  assert.equal(JSON.parse(gap!).kind, 'gap');
});

test('a cursor of no change: a gap once what followed it is forgotten; one from the future: a gap, and what follows', async (t) => {
  const { rig, watch } = await setUp(t);
  const { cursor } = JSON.parse((await (await watch('p')).hears(1))[0]!);
  const kept = await watch('p', cursor);
  const ahead = await watch('p', '900000000000000000.0');
  await rig.store.put(of('o', 'p'));
  await hears(kept, 1);
  assert.deepEqual(ids(kept), ['o']);
  await hears(ahead, 2);
  assert.deepEqual(
    events(ahead).map(({ kind }) => kind),
    ['gap', 'observation'],
  );
  await rig.db.query({ text: 'delete from change' });
  const late = await watch('p', cursor);
  const [, gap] = await late.hears(2);
  assert.equal(JSON.parse(gap!).kind, 'gap');
});

test('more was missed than is looked through: a gap, and what follows', async (t) => {
  const { rig, watch } = await setUp(t, { patientStreamLimits: { missedChangesMax: 10, batchChanges: 5 } });
  const first = await watch('p');
  const { cursor } = JSON.parse((await first.hears(1))[0]!);
  for (let index = 0; index < 30; index++) await rig.store.put(of(`x${index}`, 'q'));
  await inStream(rig);
  const socket = await watch('p', cursor);
  await waitFor(() => events(socket).some(({ kind }) => kind === 'gap'), 'the gap to be told');
  await rig.store.put(of('o', 'p'));
  await waitFor(() => ids(socket).includes('o'), 'what follows');
  assert.equal(events(socket).filter(({ kind }) => kind === 'gap').length, 1);
  await hears(first, 1);
  assert.deepEqual(ids(first), ['o']);
});

test('the gap is told once it is known from where on all follows: no change falls between the two', async (t) => {
  const { rig } = await setUp(t);
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let looks = 0;
  const end = async (...db: Parameters<typeof rig.store.feed.end>) => {
    looks += 1;
    if (looks === 2) {
      asked.resolve();
      await goOn.promise;
    }
    return rig.store.feed.end(...db);
  };
  const patientStreamLimits = { ...defaultPatientStreamLimits, missedChangesMax: 1, batchChanges: 5 };
  const url = await serveSockets(t, await rig.start({ feed: { ...rig.store.feed, end }, patientStreamLimits }));
  const [first] = (await rig.store.feed.read(rig.db, { xid: 0n, seq: 0n }, 1)).changes;
  for (let index = 0; index < 30; index++) await rig.store.put(of(`x${index}`, 'q'));
  await inStream(rig);
  const socket = await openSocket(t, `${url}ws/patient/p?after=${first!.xid}.${first!.seq}`);
  await asked.promise;
  const answered = once(socket.raw, 'pong');
  socket.raw.ping();
  await answered;
  assert.deepEqual(events(socket), []);
  goOn.resolve();
  const [gap] = await hears(socket, 1);
  assert.equal(gap.kind, 'gap');
});

test('a scope that shows nothing lets nobody watch', async (t) => {
  const { rig } = await setUp(t);
  const reader = { ...rig.store.reader, read: async () => undefined };
  const other = await serveSockets(t, await rig.start({ reader, scope: { kind: 'nothing' } }));
  await assert.rejects(openSocket(t, `${other}ws/patient/p`), /404/);
});

test('a client that says something, one too many, a server that stops', async (t) => {
  const { rig, watch } = await setUp(t, { patientStreamLimits: { viewersMax: 2 } });
  const talker = await watch('p');
  talker.say('hello');
  assert.equal(await talker.closed, 1003);
  await watch('p');
  const last = await watch('p');
  await assert.rejects(watch('p'), /503/);
  const server = await rig.start();
  const url = await serveSockets(t, server);
  const socket = await openSocket(t, `${url}ws/patient/p`);
  await socket.hears(1);
  await server.stop();
  assert.equal(await socket.closed, 1001);
  assert.equal(last.raw.readyState, last.raw.OPEN);
});
