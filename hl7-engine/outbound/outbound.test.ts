import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { isCerebraError } from '#platform';
import { createTestAuthority, testDatabase, waitFor } from '#platform/testing';
import { Refusal } from '../message/refusal.ts';
import { besideLateCommit, message, mllp, rowsOf, sequence, soon, startOutbound } from '../testing/outbound-rig.ts';
import { answer, startReceiver } from '../testing/receiver.ts';

const patientOrder = (received: { patient: string; controlId: string }[], patient: string): string[] =>
  received.filter((one) => one.patient === patient).map(({ controlId }) => controlId);
test('messages are delivered over several connections, each patient’s in order', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const rig = await startOutbound(t, db, mllp(receiver.port, { connections: 4 }));
  const sent = sequence('M', 300).map((id, index) => message('ris', id, `P${index % 7}`));
  for (let at = 0; at < sent.length; at += 50) await rig.send(sent.slice(at, at + 50));
  await rig.allBecome('delivered');
  assert.equal(receiver.received.length, 300);
  assert.equal(receiver.connectionCount, 4);
  for (let patient = 0; patient < 7; patient++) {
    const expected = sent.filter(({ partition }) => partition === `P${patient}`).map(({ controlId }) => controlId);
    assert.deepEqual(patientOrder(receiver.received, `P${patient}`), expected);
  }
  assert.equal(await rig.measured('delivered_total', { destination: 'ris' }), 300);
  const [row] = await db.query<{ answer: Buffer }>({ text: `select answer from hl7_outbound where control_id = 'M0'` });
  assert.equal(row!.answer.toString(), answer('AA', 'M0'));
});

test('what is queued in a transaction that is rolled back is never sent', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const rig = await startOutbound(t, db, mllp(receiver.port));
  const fault = new Error('rolled back');
  const lost = db.tx(async (tx) => {
    await rig.queues.enqueue(tx, [message('ris', 'LOST', 'P1')]);
    throw fault;
  });
  await assert.rejects(lost, fault);
  await rig.send([message('ris', 'KEPT', 'P1')]);
  await rig.allBecome('delivered');
  assert.deepEqual(receiver.firsts(), ['KEPT']);
});

test('of one patient nothing overtakes a transaction that commits late; other patients do not wait for it', async (t) => {
  const received = await besideLateCommit(t, message('ris', 'LATE', 'P1'));
  assert.deepEqual(received, ['OTHER', 'EARLY', 'LATE']);
});

test('what the receiver refuses is tried again, then set aside; the patient’s next message follows, others do not wait', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId }) => answer(controlId === 'A1' ? 'AE' : 'AA', controlId, '|MRN unknown');
  const rig = await startOutbound(t, db, mllp(receiver.port, { connections: 2, retry: { ...soon, attemptsMax: 3 } }));
  await rig.send([...sequence('A', 3).map((id) => message('ris', id, 'PA')), message('ris', 'B0', 'PB')]);
  await waitFor(async () => (await rowsOf(db)).every(({ state }) => state !== 'queued'), 'all to end');
  assert.deepEqual(await rowsOf(db), [
    { control_id: 'A0', state: 'delivered', attempts: 1, refusals: 0, error: null },
    { control_id: 'A1', state: 'dead', attempts: 3, refusals: 3, error: 'Refused with AE: MRN unknown' },
    { control_id: 'A2', state: 'delivered', attempts: 1, refusals: 0, error: null },
    { control_id: 'B0', state: 'delivered', attempts: 1, refusals: 0, error: null },
  ]);
  assert.deepEqual(patientOrder(receiver.received, 'PA'), ['A0', 'A1', 'A1', 'A1', 'A2']);
  const bodies = receiver.received.filter(({ controlId }) => controlId === 'A1').map(({ text }) => text);
  assert.equal(new Set(bodies).size, 1, 'the same bytes each time');
  // Counted when it is known that the row was written.
  await waitFor(
    async () => (await rig.measured('dead_total', { destination: 'ris' })) === 1,
    'the dead letter to count',
  );
  assert.equal(await rig.measured('failed_attempts_total', { kind: 'refused' }), 3);
});

test('onFailure pause keeps the message at the head; resumed, it and all behind it are delivered in order', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId }) => answer(controlId === 'A0' ? 'AR' : 'AA', controlId);
  const rig = await startOutbound(
    t,
    db,
    mllp(receiver.port, { onFailure: 'pause', retry: { ...soon, attemptsMax: 2 } }),
  );
  await rig.send(sequence('A', 3).map((id) => message('ris', id, 'PA')));
  const view = () => rig.call('GET', '/admin/hl7/destinations/ris');
  await waitFor(async () => (await view()).body.paused === true, 'the pause');
  const { body } = await view();
  assert.match(String(body.pauseReason), /^Message \d+: Refused with AR$/);
  assert.deepEqual([body.queued, body.dead, body.kind, body.concurrency], [3, 0, 'mllp', 1]);
  assert.deepEqual(
    receiver.received.map(({ controlId }) => controlId),
    ['A0', 'A0'],
  );
  receiver.respond = ({ controlId }) => answer('AA', controlId);
  assert.equal((await rig.call('POST', '/admin/hl7/destinations/ris/resume')).status, 204);
  await rig.allBecome('delivered');
  assert.deepEqual(receiver.firsts(), ['A0', 'A1', 'A2']);
});

test('a receiver that is away is asked again until it is there; nothing is lost or overtaken', async (t) => {
  const db = await testDatabase(t);
  const gone = await startReceiver(t);
  await gone.close();
  const rig = await startOutbound(t, db, mllp(gone.port, { connections: 3 }));
  await rig.send(sequence('M', 30).map((id, index) => message('ris', id, `P${index % 3}`)));
  const view = async () => (await rig.call('GET', '/admin/hl7/destinations/ris')).body;
  await waitFor(async () => Number((await view()).failing?.failures) >= 3, 'three failures');
  assert.equal((await view()).failing.error, 'The endpoint refused the connection');
  assert.ok((await rowsOf(db)).every(({ attempts, state }) => attempts === 0 && state === 'queued'));
  const receiver = await startReceiver(t, { port: gone.port });
  await rig.allBecome('delivered');
  for (const patient of ['P0', 'P1', 'P2']) {
    const expected = sequence('M', 30).filter((_, index) => `P${index % 3}` === patient);
    assert.deepEqual(patientOrder(receiver.received, patient), expected);
  }
  assert.equal((await view()).failing, undefined);
});

test('pause, drain, skip, retry, purge', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const rig = await startOutbound(t, db, mllp(receiver.port));
  const post = (path: string, query?: string) => rig.call('POST', `/admin/hl7/destinations/ris/${path}`, query);
  const view = async () => (await rig.call('GET', '/admin/hl7/destinations/ris')).body;
  assert.equal((await post('pause', 'reason=change+of+RIS')).status, 204);
  await waitFor(async () => (await view()).pauseReason === 'change of RIS', 'the pause');
  // The holder learns of it with its next renewal; before that it may still send.
  await waitFor(async () => (await rig.heldState('ris'))?.paused === true, 'the holder to know');
  await rig.send(sequence('A', 4).map((id) => message('ris', id, 'PA')));
  await turn();
  const listed = (await rig.call('GET', '/admin/hl7/destinations/ris/messages', 'state=queued')).body.messages;
  assert.deepEqual(
    listed.map(({ controlId }: { controlId: string }) => controlId),
    ['A3', 'A2', 'A1', 'A0'],
  );
  const idOf = (controlId: string) => listed.find((one: { controlId: string }) => one.controlId === controlId).id;
  assert.equal((await post(`messages/${idOf('A1')}/retry`)).status, 404, 'it waits already');
  assert.equal((await post(`messages/${idOf('A1')}/skip`)).status, 204);
  assert.equal((await post(`messages/${idOf('A1')}/skip`)).status, 404);
  assert.equal((await post('drain')).status, 204);
  await waitFor(async () => (await view()).pauseReason === 'Drained', 'the end of the drain');
  await rig.send([message('ris', 'LATER', 'PB')]);
  assert.deepEqual(await rig.states(), {
    A0: 'delivered',
    A1: 'skipped',
    A2: 'delivered',
    A3: 'delivered',
    LATER: 'queued',
  });
  assert.deepEqual(receiver.firsts(), ['A0', 'A2', 'A3']);
  assert.equal((await post(`messages/${idOf('A1')}/retry`)).status, 204);
  assert.equal((await post('resume')).status, 204);
  await rig.allBecome('delivered');
  assert.deepEqual(receiver.firsts(), ['A0', 'A2', 'A3', 'A1', 'LATER']);

  receiver.respond = ({ controlId }) => answer('AE', controlId);
  await rig.send(sequence('D', 3).map((id) => message('ris', id, 'PD')));
  await waitFor(async () => (await view()).dead === 3, 'three dead letters');
  const { body } = await rig.call('GET', `/admin/hl7/destinations/ris/messages`, 'limit=2');
  assert.deepEqual(
    body.messages.map((one: { controlId: string }) => one.controlId),
    ['D2', 'D1'],
  );
  const one = await rig.call('GET', `/admin/hl7/destinations/ris/messages/${body.messages[0].id}`);
  assert.equal(Buffer.from(one.body.answer, 'base64').toString(), answer('AE', 'D2'));
  receiver.respond = ({ controlId }) => answer('AA', controlId);
  assert.deepEqual((await post('retry')).body, { messages: 3 });
  await rig.allBecome('delivered');
  assert.deepEqual(patientOrder(receiver.received, 'PD').slice(-3), ['D0', 'D1', 'D2']);

  await rig.call('POST', '/admin/hl7/destinations/ris/pause');
  await waitFor(async () => (await rig.heldState('ris'))?.paused === true, 'the holder to know');
  await rig.send([message('ris', 'NEVER', 'PX')]);
  assert.equal((await post('purge', 'state=all')).status, 400);
  assert.deepEqual((await post('purge', 'state=queued')).body, { messages: 1 });
  assert.equal((await rig.states()).NEVER, 'skipped');
  const ofOther = `insert into hl7_outbound (destination, lane, control_id, body, body_bytes)
    values ('other', 1, 'NEVER', 'x', 1)`;
  await db.query({ text: ofOther });
  const named = await rig.call('GET', '/admin/hl7/destinations/ris/messages', 'controlId=NEVER');
  assert.deepEqual(
    named.body.messages.map(({ controlId, state }: Record<string, string>) => `${controlId} ${state}`),
    ['NEVER skipped'],
    'no other destination has a message of that number here',
  );
  for (const [state, found] of [
    ['queued', 0],
    ['skipped', 1],
  ]) {
    const both = await rig.call('GET', '/admin/hl7/destinations/ris/messages', `controlId=NEVER&state=${state}`);
    assert.equal(both.body.messages.length, found);
  }
  const { status, body: refusal } = await rig.call('POST', '/admin/hl7/destinations/none/pause');
  assert.equal(status, 404);
  const text = 'There is no such HL7 destination; GET /admin/hl7/destinations lists them';
  assert.deepEqual(refusal, { error: { code: 'not-found', message: text } });
  const list = await rig.call('GET', '/admin/hl7/destinations/none/messages');
  assert.deepEqual([list.status, list.body], [404, refusal]);
  const unknown = rig.call('GET', '/admin/hl7/destinations/ris/messages', 'status=queued');
  await assert.rejects(unknown, /status is no parameter here; there are state, controlId, before, limit/);
  const oneOfAll = rig.call('POST', '/admin/hl7/destinations/ris/retry', 'controlId=1');
  await assert.rejects(oneOfAll, /controlId is no parameter here; there are none/);
});

test('a message that is taken out while the receiver cannot be reached is not sent when it can', async (t) => {
  const db = await testDatabase(t);
  // Takes connections and says nothing: the handshake waits, and the attempt with it, until the receiver is closed.
  const silent = await startReceiver(t);
  const tls = createTestAuthority('ris authority');
  const rig = await startOutbound(t, db, mllp(silent.port, { tls: { ca: tls.cert, servername: 'localhost' } }));
  await rig.send(sequence('A', 2).map((id) => message('ris', id, 'PA')));
  await waitFor(() => silent.connectionCount === 1, 'the attempt at A0');
  const path = '/admin/hl7/destinations/ris';
  const { messages } = (await rig.call('GET', `${path}/messages`, 'state=queued')).body;
  assert.equal((await rig.call('POST', `${path}/messages/${messages[1].id}/skip`)).status, 204);
  const [{ epoch }] = (await db.query<{ epoch: bigint }>({ text: 'select epoch from hl7_destination' })) as [
    { epoch: bigint },
  ];
  await waitFor(async () => (await rig.heldState('ris'))?.epoch === epoch, 'the holder to know');
  await silent.close();
  const receiver = await startReceiver(t, { port: silent.port, tls: tls.issue('localhost') });
  await waitFor(async () => (await rig.states()).A1 === 'delivered', 'the next one');
  assert.deepEqual(receiver.firsts(), ['A1']);
  assert.deepEqual(await rig.states(), { A0: 'skipped', A1: 'delivered' });
});

test('an unknown destination and a full queue refuse the cause', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = () => undefined;
  const rig = await startOutbound(t, db, mllp(receiver.port, { queueMax: 2 }));
  const refused = (name: string) => (error: unknown) => isCerebraError(error, name as 'config');
  await assert.rejects(rig.send([message('rsi', 'A', 'PA')]), refused('config'));
  await rig.send(sequence('A', 2).map((id) => message('ris', id, 'PA')));
  await assert.rejects(rig.send([message('ris', 'A2', 'PA')]), (error) => error instanceof Refusal && error.transient);
  assert.deepEqual(Object.keys(await rig.states()), ['A0', 'A1']);
});

test('a changed destination alone is redeployed; what waits for one that was taken out is kept until it is back', async (t) => {
  const db = await testDatabase(t);
  const [one, two] = [await startReceiver(t), await startReceiver(t)];
  const both = [...mllp(one.port), { ...mllp(two.port)[0], name: 'lis' }];
  const rig = await startOutbound(t, db, both);
  await rig.send([message('ris', 'R0', 'P'), message('lis', 'L0', 'P')]);
  await rig.allBecome('delivered');
  await rig.configure([both[0], { ...both[1], port: one.port }]);
  await rig.send([message('ris', 'R1', 'P'), message('lis', 'L1', 'P')]);
  await rig.allBecome('delivered');
  assert.equal(one.connectionCount, 2, 'the first destination kept its connection');
  await waitFor(() => two.sockets.size === 0, 'the connection of the one that was changed to end');
  assert.deepEqual(one.firsts().sort(), ['L1', 'R0', 'R1']);
  await db.tx((tx) => rig.queues.enqueue(tx, [message('lis', 'L2', 'P')]));
  await rig.configure([both[0]]);
  await rig.configure(both);
  await rig.allBecome('delivered');
  assert.ok([...one.firsts(), ...two.firsts()].includes('L2'));
});

test('two processes on one database: one delivers, the other takes over when it gives up its lease', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  // Longer than either of them is ever held up.
  const limits = { leaseMs: 600_000 };
  const first = await startOutbound(t, db, mllp(receiver.port, { connections: 2 }), { limits });
  await waitFor(async () => (await first.heldState('ris')) !== undefined, 'the first to hold');
  const second = await startOutbound(t, db, mllp(receiver.port, { connections: 2 }), { limits });
  const sent = sequence('M', 100).map((id, index) => message('ris', id, `P${index % 3}`));
  for (const [index, one] of sent.entries()) await (index % 2 ? first : second).send([one]);
  await first.allBecome('delivered');
  assert.equal(receiver.received.length, 100);
  assert.equal(receiver.connectionCount, 2, 'one process delivers');
  assert.equal(await second.measured('delivered_total', { destination: 'ris' }), 0);
  await first.queues.stop();
  await second.send([message('ris', 'AFTER', 'P0')]);
  await second.allBecome('delivered');
  assert.equal(await second.measured('delivered_total', { destination: 'ris' }), 1);
  for (const patient of ['P0', 'P1', 'P2']) {
    const expected = sent.filter(({ partition }) => partition === patient).map(({ controlId }) => controlId);
    assert.deepEqual(
      patientOrder(receiver.received, patient).filter((id) => id !== 'AFTER'),
      expected,
    );
  }
});

test('a process that could not renew its lease sends nothing more, though nobody told it', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const asleep = await startOutbound(t, db, mllp(receiver.port), { limits: { leaseMs: 400, renewMs: 600_000 } });
  await waitFor(async () => (await asleep.heldState('ris')) !== undefined, 'the first to hold');
  const awake = await startOutbound(t, db, mllp(receiver.port));
  await waitFor(async () => (await awake.heldState('ris')) !== undefined, 'the second to take over');
  await asleep.send(sequence('M', 20).map((id, index) => message('ris', id, `P${index % 2}`)));
  await awake.allBecome('delivered');
  assert.equal(receiver.received.length, 20);
  assert.equal(await asleep.measured('delivered_total', { destination: 'ris' }), 0);
  assert.equal(await awake.measured('delivered_total', { destination: 'ris' }), 20);
});

test('a message whose transaction commits long after others were delivered is delivered too', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const rig = await startOutbound(t, db, mllp(receiver.port, { connections: 2 }));
  const [commit, queued] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const early = db.tx(async (tx) => {
    await rig.queues.enqueue(tx, [message('ris', 'EARLY', 'P1')]);
    queued.resolve();
    await commit.promise;
  });
  await queued.promise;
  // Long enough for many looks at the queue, from ever later ids.
  const untilMs = performance.now() + 1_500;
  for (let count = 1; performance.now() < untilMs; count++) {
    await rig.send([message('ris', `M${count}`, 'P2')]);
    await waitFor(() => receiver.received.length === count, 'the message of another patient');
  }
  commit.resolve();
  await early;
  rig.queues.wake();
  await rig.allBecome('delivered');
  assert.equal(receiver.firsts().at(-1), 'EARLY');
});

test('rows that ended long ago go, dead letters stay', async (t) => {
  const db = await testDatabase(t);
  const insert = `insert into hl7_outbound (destination, lane, control_id, body, body_bytes, state, ended_at)
    select 'x', 0, v.state || v.hours, 'x', 1, v.state, now() - v.hours * interval '1 hour'
    from (values ('delivered', 3), ('delivered', 1), ('skipped', 3), ('dead', 3)) v(state, hours)`;
  await db.query({ text: insert });
  const rig = await startOutbound(t, db, [], { limits: { retentionHours: 2 } });
  await waitFor(async () => Object.keys(await rig.states()).length === 2, 'the old ones to go');
  assert.deepEqual(await rig.states(), { delivered1: 'delivered', dead3: 'dead' });
});
