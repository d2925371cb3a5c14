import assert from 'node:assert/strict';
import test from 'node:test';
import { createMetrics, type Db } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { caller } from './routes/testing.ts';
import { msa, oru, rig } from './testing/engine-rig.ts';
import { createPieceWatch } from './waiting-pieces.ts';

const hourMs = 3_600_000;

/** A message in two pieces: PID and the pointer, then the results. */
function piecesOf(id: string, pointer: string, patient: string): [first: Buffer, last: Buffer] {
  const [msh = '', pid = '', obr = '', obx = ''] = oru({ id, patient, order: `F${id}` })
    .toString('latin1')
    .split('\r');
  const last = [`${msh.replace(`|${id}|`, `|${id}-2|`)}||${pointer}`, obr, obx];
  return [Buffer.from([msh, pid, `DSC|${pointer}|F`].join('\r')), Buffer.from(last.join('\r'))];
}

interface Review {
  message: string;
  state: string;
  text: string;
  details: unknown;
  resolution: { comment: string } | null;
}

const reviewsIn = async (call: ReturnType<typeof caller>, state = 'all'): Promise<Review[]> => {
  const { status, body } = await call('GET', `/reviews?kind=continuation&state=${state}`);
  assert.equal(status, 200);
  return (body as { reviews: Review[] }).reviews;
};

/** The watch as it is so long from now; yields what it measures once it has looked. */
async function watched(db: Db, laterMs: number): Promise<{ waiting: number; oldestSeconds: number }> {
  const metrics = createMetrics();
  const nowMs = Date.now() + laterMs;
  const watch = createPieceWatch({ db, log: testLog(), metrics, clock: { now: () => nowMs } });
  const value = async (name: string) =>
    (await metrics.registry.getSingleMetric(`cerebra_hl7_pieces_${name}`)!.get()).values[0]?.value;
  watch.start();
  await waitFor(async () => (await value('oldest_seconds')) !== undefined, 'the first look');
  await watch.stop();
  return { waiting: (await value('waiting'))!, oldestSeconds: (await value('oldest_seconds'))! };
}

test('a piece whose continuation does not come is told after an hour, once, and resolved by what continues it', async (t) => {
  const { engine, writer, db } = await rig(t);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const [first, last] = piecesOf('A', 'P1', '777');
  assert.equal(msa(await engine.process(first)), 'MSA|AA|A');
  const early = await watched(db, hourMs - 60_000);
  assert.equal(early.waiting, 1);
  assert.deepEqual(await reviewsIn(call), []);
  const late = await watched(db, hourMs + 60_000);
  assert.equal(late.waiting, 1);
  assert.ok(late.oldestSeconds > 3600, String(late.oldestSeconds));
  const [review] = await reviewsIn(call, 'open');
  assert.equal(review!.message, '1');
  assert.deepEqual(review!.details, { sender: 'LAB|NORTH', pointer: 'P1' });
  assert.match(review!.text, /^The message that continues this one .* has not come within an hour, or was refused/);
  await watched(db, 2 * hourMs);
  assert.equal((await reviewsIn(call)).length, 1, 'told once');
  assert.equal(msa(await engine.process(last)), 'MSA|AA|A-2');
  assert.equal(writer.all('Observation').length, 1);
  assert.deepEqual(
    (await reviewsIn(call)).map(({ state, resolution }) => [state, resolution?.comment]),
    [['resolved', 'The message that continues it has come']],
  );
  assert.deepEqual(await watched(db, 3 * hourMs), { waiting: 0, oldestSeconds: 0 });
});

test('what a person has resolved is not told again and counts no more, but is joined if the rest comes after all', async (t) => {
  const { engine, writer, db } = await rig(t);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const [first, last] = piecesOf('A', 'P1', '777');
  await engine.process(first);
  assert.equal((await watched(db, 2 * hourMs)).waiting, 1);
  const resolved = await call('POST', '/reviews/1/resolve', { body: { author: 'kim', comment: 'the sender knows' } });
  assert.equal(resolved.status, 200);
  assert.deepEqual(await watched(db, 3 * hourMs), { waiting: 0, oldestSeconds: 0 });
  assert.deepEqual(await reviewsIn(call, 'open'), []);
  assert.equal(msa(await engine.process(last)), 'MSA|AA|A-2');
  assert.equal(writer.all('Observation').length, 1);
});

test('a piece whose pointer another message takes is told at once', async (t) => {
  const { engine, writer, db } = await rig(t);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const [lost] = piecesOf('A', '1', '777');
  const [first, last] = piecesOf('B', '1', '888');
  for (const piece of [lost, first, last]) assert.match(msa(await engine.process(piece)), /^MSA\|AA/);
  assert.equal(writer.all('Observation').length, 1);
  const reviews = await reviewsIn(call);
  assert.deepEqual(
    reviews.map(({ message, state }) => [message, state]),
    [['1', 'open']],
  );
  assert.match(reviews[0]!.text, /\(DSC-1 '1'\) has not come, and message 2 of the same sender has the same pointer/);
  assert.deepEqual(await watched(db, 2 * hourMs), { waiting: 0, oldestSeconds: 0 });
});

test('what fails of a joined message does so on its route: one that accepts what fails says AA', async (t) => {
  const { engine, writer, db } = await rig(t);
  await engine.start();
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const route = { id: 'lax', name: 'Lax', validation: { structure: 'strict' }, onError: 'accept' };
  assert.equal((await call('PUT', '/routes/lax', { body: { route, author: 'kim', comment: 'test' } })).status, 201);
  const [first, last] = piecesOf('A', 'P1', '777');
  assert.equal(msa(await engine.process(first)), 'MSA|AA|A');
  const wrong = Buffer.from(last.toString('latin1').replace('|5.10|', '|high|'));
  assert.equal(msa(await engine.process(wrong)), 'MSA|AA|A-2');
  const found = await db.query<{ state: string; route_id: string }>({
    text: 'select state, route_id from hl7_message order by id desc limit 1',
  });
  assert.deepEqual(found, [{ state: 'failed', route_id: 'lax' }]);
  assert.equal(writer.all('Observation').length, 0);
  await engine.stop();
});

test('a piece that was joined says so, and is no other message’s when it is processed once more', async (t) => {
  const { engine, writer, db } = await rig(t);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const [first, last] = piecesOf('A', '1', '777');
  for (const piece of [first, last]) assert.match(msa(await engine.process(piece)), /^MSA\|AA/);
  const { body } = await call('GET', '/messages/1');
  assert.equal((body as { filtered: string }).filtered, 'It is a part of message 2');
  assert.equal((await call('POST', '/messages/1/reprocess', { body: { author: 'kim' } })).status, 200);
  const [, strange] = piecesOf('B', '1', '888');
  assert.equal(msa(await engine.process(strange)), 'MSA|AE|B-2');
  assert.equal(writer.all('DiagnosticReport').length, 1);
  assert.deepEqual(await watched(db, 2 * hourMs), { waiting: 0, oldestSeconds: 0 });
});
