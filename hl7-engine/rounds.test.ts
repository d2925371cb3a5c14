// Messages that come back from where they were sent, and are changed each time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { testDatabase, waitFor } from '#platform/testing';
import { checkDestinations } from './outbound/destination.ts';
import { createRounds, roundsMax } from './rounds.ts';
import { by, caller, route } from './routes/testing.ts';
import { build, msa, oru, rows } from './testing/engine-rig.ts';
import { createMemoryWriter } from './testing/memory-writer.ts';
import { soon } from './testing/outbound-rig.ts';

/** What network address translation is to the server: its own listener under another port. */
async function startDetour(t: TestContext): Promise<{ port: number; to(port: number): void }> {
  let target = 0;
  const server = createServer((socket) => {
    const onward = connect(target, '127.0.0.1');
    socket.on('error', () => onward.destroy()).on('close', () => onward.destroy());
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    to(port) {
      target = port;
    },
  };
}

test('a message that goes round and is changed each time is stopped after some rounds, and says why', async (t) => {
  const db = await testDatabase(t);
  const detour = await startDetour(t);
  const out = { name: 'out', kind: 'mllp', host: '127.0.0.1', port: detour.port, retry: { ...soon, attemptsMax: 2 } };
  const engine = build(db, createMemoryWriter(db), { destinations: checkDestinations([out]) });
  detour.to((await engine.start()).port);
  t.after(() => engine.stop());
  const round = route('round', {
    destinations: [{ kind: 'queue', name: 'out' }],
    transform: [{ op: 'replace', path: 'MSH-10', matches: '$', with: 'x' }],
  });
  const put = await caller(engine.adminRoutes, '/admin/hl7')('PUT', '/routes/round', { body: { route: round, ...by } });
  assert.equal(put.status, 201);
  assert.equal(msa(await engine.process(oru({ id: 'M' }))), 'MSA|AA|M');
  const sent = () =>
    db.query<{ state: string; error: string | null }>({ text: 'select state, error from hl7_outbound order by id' });
  await waitFor(async () => (await sent()).at(-1)?.state === 'dead', 'the end of it');
  const journal = await rows(db);
  assert.deepEqual(
    journal.map(({ state }) => (state === 'failed' ? state : 'stored')),
    [...Array<string>(roundsMax).fill('stored'), 'failed'],
  );
  const text =
    'This message has come back 16 times from where this server sent it: one of its destinations (out) leads back to it. ' +
    'Send elsewhere, or give the route a match that leaves out what comes back';
  assert.equal(journal.at(-1)!.error, text);
  assert.equal((await sent()).length, roundsMax);
  // Once a person says so, as when the route has been mended.
  const last = (await db.query<{ id: bigint }>({ text: 'select max(id) as id from hl7_message' }))[0]!;
  const again = await caller(engine.adminRoutes, '/admin/hl7')('POST', `/messages/${last.id}/reprocess`, {
    body: { author: by.author },
  });
  assert.equal(again.status, 200);
  await waitFor(async () => (await sent()).length > roundsMax, 'what it sends');
  // Others go on, and what only goes through and comes back unchanged has no second effect anyway.
  assert.equal(msa(await engine.process(oru({ id: 'N' }))), 'MSA|AA|N');
});

test('what is tried again and again, or sent on as it came, is no round', () => {
  const rounds = createRounds();
  const [came, made, next] = ['came', 'made', 'next'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
  for (let count = 0; count < 20; count++) rounds.sent([came, made], came, rounds.of(came));
  assert.deepEqual([rounds.of(came), rounds.of(made)], [0, 1]);
  for (let count = 0; count < 20; count++) rounds.sent([next], made, rounds.of(made));
  assert.equal(rounds.of(next), 2);
  // Nothing that is sent once displaces what goes round.
  for (let count = 0; count < 20_001; count++) rounds.sent([Buffer.from(`other ${count}`)], came, 0);
  assert.deepEqual([rounds.of(made), rounds.of(next)], [0, 2]);
});
