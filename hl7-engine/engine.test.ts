import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { CerebraError, createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { createHl7Engine, createMllpClient, sendMllp } from './index.ts';
import { build, msa, oru, rig, rows } from './testing/engine-rig.ts';
import { createMemoryWriter } from './testing/memory-writer.ts';

test('a message over MLLP: journalled, stored, acknowledged, marked', async (t) => {
  const { db, writer, engine } = await rig(t);
  const { port } = await engine.start();
  const ack = await sendMllp('127.0.0.1', port, oru(), { timeoutMs: 30_000 });
  assert.equal(msa(ack), 'MSA|AA|M1');
  assert.equal(writer.all('Observation').length, 1);
  assert.match(JSON.stringify(writer.all('Observation')[0]), /"value":5\.10,/);
  await waitFor(async () => (await rows(db))[0]?.state === 'acknowledged', 'the mark');
  const [row] = await rows(db);
  assert.ok(row!.raw.equals(oru()));
  assert.ok(row!.ack.equals(ack));
  assert.equal(row!.attempts, 1);
  assert.deepEqual(
    row!.wrote.map((name) => name.replace(/\/.*\/_/, '/_')),
    ['Patient/_history/1', 'Observation/_history/1', 'DiagnosticReport/_history/1', 'Provenance/_history/1'],
  );
  await engine.stop();
});

test('the same message again: one effect, the same bytes', async (t) => {
  const { db, writer, engine } = await rig(t);
  const first = await engine.process(oru());
  const again = await Promise.all(Array.from({ length: 10 }, () => engine.process(oru())));
  for (const ack of again) assert.ok(ack.equals(first));
  const [row, ...others] = await rows(db);
  assert.deepEqual([row!.attempts, row!.deliveries, others.length], [1, 11, 0]);
  assert.equal(writer.all('Observation')[0]!.meta!.versionId, '1');
});

test('the same message on 16 connections at once: one effect, the same bytes', async (t) => {
  const { db, writer, engine } = await rig(t);
  const { port } = await engine.start();
  const acks = await Promise.all(
    Array.from({ length: 16 }, () => sendMllp('127.0.0.1', port, oru(), { timeoutMs: 30_000 })),
  );
  await engine.stop();
  assert.equal(new Set(acks.map((ack) => ack.toString('latin1'))).size, 1);
  const [row, ...others] = await rows(db);
  assert.deepEqual([row!.attempts, row!.deliveries, others.length], [1, 16, 0]);
  assert.equal(writer.all('Observation')[0]!.meta!.versionId, '1');
});

test('the same message on two servers at once: one effect, the same bytes', async (t) => {
  const { db, writer, engine } = await rig(t);
  const otherWriter = createMemoryWriter(db);
  const other = build(db, otherWriter);
  // Both have mapped and written, neither has committed.
  let arrived = 0;
  const meet = async (): Promise<void> => {
    arrived++;
    await waitFor(() => arrived >= 2, 'both attempts');
  };
  writer.pause = meet;
  otherWriter.pause = meet;
  const [one, two] = await Promise.all([engine.process(oru()), other.process(oru())]);
  assert.ok(one.equals(two));
  assert.equal(msa(one), 'MSA|AA|M1');
  assert.equal(writer.resources.size + otherWriter.resources.size, 4);
  assert.equal((await rows(db))[0]!.attempts, 1);
});

test('one control id with other content is a message of its own, and flagged', async (t) => {
  const { db, writer, engine } = await rig(t);
  await engine.process(oru());
  await engine.process(oru({ value: '5.20' }));
  await engine.process(oru({ sender: 'LAB|WEST' }));
  assert.deepEqual(
    (await rows(db)).map((row) => row.control_id_reused),
    [false, true, false],
  );
  assert.equal((writer.all('Observation')[0]!.valueQuantity as JsonObject).unit, 'mmol/L');
  assert.equal(writer.all('Observation').length, 1);
});

test('a passing fault: AE with a hint, journal failed, sending again works', async (t) => {
  const { db, writer, engine } = await rig(t);
  writer.failures.push(new CerebraError('unavailable', 'The database is not available'));
  const first = await engine.process(oru());
  assert.equal(msa(first), 'MSA|AE|M1');
  assert.match(first.toString(), /ERR\|\|\|207\^Application internal error\^HL70357\|E\|.*Send the message again/);
  assert.deepEqual(
    (await rows(db)).map((row) => [row.state, row.error_code]),
    [['failed', '207']],
  );
  const second = await engine.process(oru());
  assert.equal(msa(second), 'MSA|AA|M1');
  const [row] = await rows(db);
  assert.deepEqual([row!.state, row!.attempts, row!.error], ['stored', 2, null]);
});

test('a lost race is tried again before anybody hears of it', async (t) => {
  const { writer, engine } = await rig(t);
  writer.failures.push(new CerebraError('version-conflict', 'changed meanwhile'));
  writer.failures.push(Object.assign(new Error('deadlock detected'), { code: '40P01' }));
  assert.equal(msa(await engine.process(oru())), 'MSA|AA|M1');
});

test('a refusal by the store is AE with its reason', async (t) => {
  const { db, writer, engine } = await rig(t);
  writer.failures.push(new CerebraError('multiple-matches', 'The criteria match more than one resource'));
  const ack = await engine.process(oru());
  assert.equal(msa(ack), 'MSA|AE|M1');
  assert.equal((await rows(db))[0]!.error, 'Refused by the store: The criteria match more than one resource');
});

test('refusals are journalled with their reason, and repeat byte for byte', async (t) => {
  const { db, engine } = await rig(t);
  const unsupported = Buffer.from('MSH|^~\\&|A|B|||||NMD^N02|9|P|2.5');
  const first = await engine.process(unsupported);
  assert.equal(msa(first), 'MSA|AR|9');
  assert.ok((await engine.process(unsupported)).equals(first));
  assert.equal(msa(await engine.process(Buffer.from('\u0000\u0001binary\u00ff'))), 'MSA|AR|');
  assert.equal(msa(await engine.process(Buffer.alloc(0))), 'MSA|AR|');
  assert.equal(
    msa(await engine.process(Buffer.from('MSH|^~\\&|A|B\u0000|||||ADT^A01|\u00007|P|2.5\rPID|1'))),
    'MSA|AE|\u00007',
  );
  assert.deepEqual(
    (await rows(db)).map((row) => [row.state, row.error_code, row.error]),
    [
      ['failed', '200', 'Unsupported message type'],
      ['failed', '100', 'Not an HL7 v2 message: it does not begin with MSH'],
      ['failed', '100', 'Not an HL7 v2 message: it does not begin with MSH'],
      ['failed', '101', 'PID-3, the patient identifier list, has no identifier'],
    ],
  );
});

test('a message larger than the limit is refused, and its beginning journalled', async (t) => {
  const { db, engine } = await rig(t, { messageBytesMax: 5000 });
  const { port } = await engine.start();
  const ack = await sendMllp('127.0.0.1', port, Buffer.concat([oru(), Buffer.alloc(20_000, 'x')]), {
    timeoutMs: 30_000,
  });
  assert.equal(msa(ack), 'MSA|AR|M1');
  const [row] = await rows(db);
  assert.deepEqual(
    [row!.state, row!.error, row!.raw.length],
    ['failed', 'The message is larger than 5000 bytes', 5000],
  );
  await engine.stop();
});

test('a field of a megabyte goes all the way', async (t) => {
  const { writer, engine } = await rig(t);
  const { port } = await engine.start();
  const long = 'x'.repeat(1024 * 1024);
  const message = Buffer.concat([oru(), Buffer.from(`\rOBX|2|TX|NOTE^Note^L||${long}||||||F`)]);
  assert.equal(msa(await sendMllp('127.0.0.1', port, message, { timeoutMs: 30_000 })), 'MSA|AA|M1');
  assert.ok(writer.all('Observation').some((resource) => resource.valueString === long));
  await engine.stop();
});

test('a megabyte in MSH-3 and MSH-10, a million repetitions, a million segments: answered, journalled', async (t) => {
  const { db, writer, engine } = await rig(t);
  const long = '\u{1f489}'.repeat(250_000);
  const first = await engine.process(
    Buffer.from(oru().toString().replace('LAB|', `${long}|`).replace('|M1|', `|${long}|`)),
  );
  assert.match(first.toString(), /MSA\|AA\|/);
  const repeats = await engine.process(oru({ id: 'M2', value: '1~'.repeat(1_000_000) }));
  assert.match(repeats.toString(), /MSA\|AE\|M2\|A field repeats more than 10000 times/);
  const segments = await engine.process(
    Buffer.concat([oru({ id: 'M3' }), Buffer.from('\rOBX|1|ST|A||x'.repeat(1_000_000))]),
  );
  assert.match(segments.toString(), /MSA\|AR\|M3\|The message has more than 10000 segments/);
  assert.deepEqual(
    (await rows(db)).map((row) => row.state),
    ['stored', 'failed', 'failed'],
  );
  assert.equal(writer.all('Patient').length, 1);
});

test('a start takes up what a crash left between journal and store; the sender gets the same answer', async (t) => {
  const { db, writer, engine } = await rig(t);
  // The server dies while the first transaction is under way: the row is journalled, nothing else happens.
  const dying = createMemoryWriter(db);
  dying.transaction = () => new Promise<never>(() => {});
  void build(db, dying).process(oru());
  await waitFor(async () => (await rows(db)).length === 1, 'the journal row');
  assert.equal((await rows(db))[0]!.state, 'received');
  await engine.start();
  assert.equal((await rows(db))[0]!.state, 'stored');
  assert.equal(writer.all('Observation').length, 1);
  const ack = await engine.process(oru());
  assert.equal(msa(ack), 'MSA|AA|M1');
  assert.ok((await rows(db))[0]!.ack.equals(ack));
  assert.equal((await rows(db))[0]!.attempts, 1);
  await engine.stop();
});

test('without a journal nothing is acknowledged', async (t) => {
  const { db, writer, engine } = await rig(t);
  await db.query({ text: 'alter table hl7_message rename to hl7_message_gone' });
  const ack = await engine.process(oru());
  assert.equal(msa(ack), 'MSA|AE|M1');
  assert.match(ack.toString(), /could not be journalled/);
  assert.equal(writer.resources.size, 0);
});

test('16 connections, one patient: no duplicate, every order there, all acknowledged', async (t) => {
  const { db, writer, engine } = await rig(t);
  const { port } = await engine.start();
  await Promise.all(
    Array.from({ length: 16 }, async (_, connection) => {
      const client = createMllpClient({ host: '127.0.0.1', port, timeoutMs: 60_000 });
      for (let index = 0; index < 10; index++) {
        const name = `${connection}-${index}`;
        assert.equal(msa(await client.send(oru({ id: name, order: name }))), `MSA|AA|${name}`);
      }
      await client.close();
    }),
  );
  await engine.stop();
  assert.equal(writer.all('Patient').length, 1);
  assert.equal(writer.all('DiagnosticReport').length, 160);
  assert.equal(writer.all('Observation').length, 160);
  assert.deepEqual(new Set((await rows(db)).map((row) => row.state)), new Set(['acknowledged']));
});

test('the operator lists, reads and processes messages again', async (t) => {
  const { writer, engine } = await rig(t);
  writer.failures.push(new CerebraError('unavailable', 'The database is not available'));
  await engine.process(oru({ id: 'BAD' }));
  await engine.process(oru({ id: 'GOOD', order: 'F2' }));
  const call = async (method: string, path: string, params: Record<string, string> = {}, query = '') => {
    const route = engine.adminRoutes.find((one) => one.method === method && one.path === path)!;
    const { status, body } = await route
      .handle({ params, query: new URLSearchParams(query), body: Buffer.alloc(0) })
      .catch((error: CerebraError) => ({ status: error.status, body: {} }));
    JSON.stringify(body);
    return { status, body: body as Record<string, unknown> & { messages: Record<string, unknown>[] } };
  };
  const list = '/admin/hl7/messages';
  const failed = await call('GET', list, {}, 'state=failed');
  assert.deepEqual(
    failed.body.messages.map((message) => message.controlId),
    ['BAD'],
  );
  assert.deepEqual(
    (await call('GET', list)).body.messages.map((message) => message.controlId),
    ['GOOD', 'BAD'],
  );
  assert.deepEqual(
    (await call('GET', list, {}, 'controlId=GOOD')).body.messages.map((message) => message.state),
    ['stored'],
  );
  assert.equal((await call('GET', list, {}, 'limit=0')).status, 400);
  assert.equal((await call('GET', list, {}, 'state=odd')).status, 400);
  const id = String(failed.body.messages[0]!.id);
  const one = await call('GET', `${list}/:id`, { id });
  assert.ok(Buffer.from(String(one.body.raw), 'base64').equals(oru({ id: 'BAD' })));
  assert.equal(one.body.sender, 'LAB|NORTH');
  for (const wrong of ['999999', 'x', '1;drop table', '99999999999999999999']) {
    assert.equal((await call('GET', `${list}/:id`, { id: wrong })).status, 404, wrong);
    assert.equal((await call('POST', `${list}/:id/reprocess`, { id: wrong })).status, 404, wrong);
  }
  const again = await call('POST', `${list}/:id/reprocess`, { id });
  assert.deepEqual([again.status, again.body.state, again.body.attempts], [200, 'stored', 2]);
  assert.equal(msa(Buffer.from(String(again.body.ack), 'base64')), 'MSA|AA|BAD');
  // A message that was stored keeps the acknowledgment its sender has.
  const third = await call('POST', `${list}/:id/reprocess`, { id });
  assert.deepEqual([third.body.ack, third.body.attempts], [again.body.ack, 3]);
});

test('metrics count by type and outcome, with bounded labels', async (t) => {
  const { db, writer } = await rig(t);
  const metrics = createMetrics();
  const engine = createHl7Engine({
    db,
    writer,
    scope: { kind: 'everything' },
    log: testLog(),
    metrics,
    clock: systemClock,
  });
  await engine.process(oru());
  await engine.process(oru());
  await engine.process(Buffer.from('MSH|^~\\&|A|B|||||X1^Y2|9|P|2.5'));
  const text = await metrics.registry.metrics();
  assert.match(text, /cerebra_hl7_messages_total\{type="ORU\^R01",route="default",outcome="stored"\} 1/);
  assert.match(text, /cerebra_hl7_messages_total\{type="ORU\^R01",route="default",outcome="repeated"\} 1/);
  assert.match(text, /cerebra_hl7_messages_total\{type="other",route="default",outcome="refused"\} 1/);
  const stages = text.matchAll(/cerebra_hl7_stage_seconds_count\{stage="(\w+)",route="default"\} (\d+)/g);
  assert.deepEqual(Object.fromEntries([...stages].map(([, stage, count]) => [stage, count])), {
    parse: '3',
    journal: '3',
    map: '1',
    store: '1',
    ack: '3',
  });
});
