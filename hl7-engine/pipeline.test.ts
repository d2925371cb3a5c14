// Batches, continuation and the acknowledgments of enhanced mode, through the whole engine: HL7 v2.9 chapters 2.9.3 and 2.10.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { CerebraError } from '#platform';
import { waitFor } from '#platform/testing';
import { frame } from './mllp/frame.ts';
import { caller } from './routes/testing.ts';
import { build, msa, oru, rig, rows } from './testing/engine-rig.ts';
import { readListeners } from './transport/config.ts';

const lines = (ack: Buffer): string[] =>
  ack
    .toString('latin1')
    .split('\r')
    .filter((line) => line !== '');

test('a batch: each message has its effect, the whole is acknowledged as a batch', async (t) => {
  const { db, writer, engine } = await rig(t);
  const messages = [
    oru({ id: 'B1', order: 'O1' }),
    oru({ id: 'B2', order: 'O2', patient: '778' }),
    Buffer.from('MSH|^~\\&|LAB|NORTH|||||X1^Y2|B3|P|2.5.1'),
  ];
  const batch = Buffer.concat([
    Buffer.from('BHS|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000||||BATCH1\r'),
    ...messages.flatMap((message) => [message, Buffer.from('\r')]),
    Buffer.from('BTS|4\r'),
  ]);
  const ack = lines(await engine.process(batch));
  assert.match(ack[0]!, /^BHS\|\^~\\&\|EHR\|SOUTH\|LAB\|NORTH\|\d{14}\+0000\|\|\|\|CB0-\d+\|BATCH1$/);
  assert.deepEqual(
    ack.filter((line) => line.startsWith('MSA')).map((line) => line.split('|').slice(0, 3).join('|')),
    ['MSA|AA|B1', 'MSA|AA|B2', 'MSA|AR|B3'],
  );
  assert.equal(ack.at(-1), 'BTS|3|BTS-1 counts 4, there are 3');
  assert.equal(writer.all('Patient').length, 2);
  assert.equal(writer.all('DiagnosticReport').length, 2);
  assert.deepEqual(
    (await rows(db)).map((row) => row.state),
    ['stored', 'stored', 'failed'],
  );
});

test('who is told of a refusal: also a transport whose sender wants no acknowledgment (MSH-15, MSH-16 NE)', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-refused-'));
  const settings = { kind: 'file', name: 'night', folder, pollMs: 50, stableMs: 0 };
  const { engine } = await rig(t, { listeners: readListeners(JSON.stringify([settings])) });
  t.after(() => rm(folder, { recursive: true, force: true }));
  const quiet = (message: Buffer): string => message.toString().replace('|P|2.5.1', '|P|2.5.1|||NE|NE');
  await writeFile(path.join(folder, '1.hl7'), quiet(oru({ id: 'Q1' })));
  await writeFile(path.join(folder, '2.hl7'), quiet(oru({ id: 'Q2', patient: '' })));
  await engine.start();
  await waitFor(() => existsSync(path.join(folder, 'error', '2.hl7')), 'the second file');
  assert.deepEqual((await readdir(path.join(folder, 'done'))).sort(), ['1.hl7', '1.hl7.ack']);
});

test('a trailer alone is refused and journalled, not answered with nothing', async (t) => {
  const { db, engine } = await rig(t);
  const ack = await engine.process(Buffer.from('BTS|1\r'));
  assert.match(ack.toString(), /\rMSA\|AR\|\|?.*MSH/);
  assert.deepEqual(
    (await rows(db)).map(({ state }) => state),
    ['failed'],
  );
});

test('a batch of too many messages is refused as a whole: its beginning stands in the journal', async (t) => {
  const { db, writer, engine } = await rig(t);
  const head = 'BHS|^~\\&|LAB|NORTH|||||||BATCH1\r';
  const batch = Buffer.from(`${head}${'MSH|^~\\&|LAB|NORTH|||||ORU^R01|B1|P|2.5.1\r'.repeat(100_001)}BTS|100001\r`);
  const ack = await engine.process(batch);
  assert.match(ack.toString(), /\rMSA\|AR\|.*\rERR\|.*The batch has more than 100000 messages/s);
  const [row, ...others] = await rows(db);
  assert.deepEqual(others, []);
  assert.deepEqual([row!.state, row!.error], ['failed', 'The batch has more than 100000 messages']);
  assert.ok(row!.raw.equals(batch.subarray(0, 64 * 1024)));
  assert.ok(row!.ack.equals(ack));
  // Sent again it is the same message.
  await engine.process(batch);
  assert.equal((await rows(db)).length, 1);
  assert.equal(writer.all('Patient').length, 0);
});

test('several messages without an envelope are taken one by one; those of a patient keep their order', async (t) => {
  const { writer, engine } = await rig(t);
  const many = Array.from({ length: 40 }, (_, index) =>
    oru({ id: `V${index}`, patient: String(index % 3), order: `P${index % 3}`, value: `${index}.5` }),
  );
  const ack = lines(await engine.process(Buffer.concat(many.flatMap((message) => [message, Buffer.from('\r')]))));
  assert.equal(ack.filter((line) => line.startsWith('MSA|AA|V')).length, 40);
  assert.equal(ack.at(-1), 'BTS|40');
  const values = writer.all('Observation').map((one) => JSON.stringify(one.valueQuantity));
  assert.deepEqual(values.map((value) => /"value":([\d.]+)/.exec(value)![1]).toSorted(), ['37.5', '38.5', '39.5']);
});

test('several messages in frames of MLLP, as they come over HTTP, are each a message', async (t) => {
  const { db, writer, engine } = await rig(t);
  const messages = [oru({ id: 'F1', order: 'O1' }), oru({ id: 'F2', order: 'O2', patient: '778' })];
  const ack = lines(await engine.process(Buffer.concat(messages.map(frame))));
  assert.deepEqual(
    ack.filter((line) => line.startsWith('MSA')).map((line) => line.split('|').slice(0, 3).join('|')),
    ['MSA|AA|F1', 'MSA|AA|F2'],
  );
  assert.equal(writer.all('Patient').length, 2);
  assert.equal((await rows(db)).length, 2);
  // In UTF-16 without a byte order mark, too.
  const more = Buffer.concat(['F3', 'F4'].map((id) => frame(oru({ id, order: id }))));
  await engine.process(Buffer.from(more.toString(), 'utf16le'));
  assert.equal((await rows(db)).length, 4);
});

test('pieces of one message: the last has the effect of all', async (t) => {
  const { db, writer, engine } = await rig(t);
  const whole = oru({ id: 'C1' }).toString('latin1').split('\r');
  const [msh, pid, obr, obx] = whole as [string, string, string, string];
  const continued = (id: string, pointer: string): string =>
    msh.replace('|M1|', `|${id}|`).replace('C1', id).concat('||', pointer);
  const cut = obx.length - 12;
  const first = [msh, pid, obr, obx.slice(0, cut), 'ADD|', 'DSC|P-1|F'].join('\r');
  const last = [continued('C2', 'P-1'), `ADD|${obx.slice(cut)}`].join('\r');
  assert.equal(msa(await engine.process(Buffer.from(first))), 'MSA|AA|C1');
  assert.equal(writer.resources.size, 0);
  const lost = [continued('C9', 'P-9'), `ADD|${obx.slice(cut)}`].join('\r');
  const refusal = (await engine.process(Buffer.from(lost))).toString();
  assert.match(refusal, /MSA\|AE\|C9\|The message that this one continues \(MSH-14\) has not come: send it first/);
  // The pieces are in the database: another server, or this one after a restart, joins them.
  const other = build(db, writer);
  assert.equal(msa(await other.process(Buffer.from(last))), 'MSA|AA|C2');
  assert.equal(writer.all('Observation').length, 1);
  assert.match(JSON.stringify(writer.all('Observation')[0]), /"value":5\.10,/);
  assert.deepEqual(
    (await rows(db)).map((row) => row.state),
    ['filtered', 'failed', 'stored'],
  );
});

test('a piece has one continuation: where pointers are counted anew, no message goes on with one of another patient', async (t) => {
  const { db, writer, engine } = await rig(t);
  const pieces = (id: string, order: string, patient: string): [first: Buffer, last: Buffer] => {
    const [msh, pid, obr, obx] = oru({ id, order, patient }).toString('latin1').split('\r') as [
      string,
      string,
      string,
      string,
    ];
    const last = [`${msh.replace(`|${id}|`, `|${id}-2|`)}||1`, obr, obx];
    return [Buffer.from([msh, pid, 'DSC|1|F'].join('\r')), Buffer.from(last.join('\r'))];
  };
  const [one, two] = [pieces('A', 'F1', '777'), pieces('B', 'F2', '888')];
  for (const piece of one) assert.match(msa(await engine.process(piece)), /^MSA\|AA/);
  assert.equal(msa(await engine.process(two[1])), 'MSA|AE|B-2', 'its first piece was lost');
  assert.equal(writer.all('DiagnosticReport').length, 1);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const again = await call('POST', '/messages/2/reprocess', { body: { author: 'kim' } });
  assert.equal(again.status, 200, JSON.stringify(again.body));
  assert.deepEqual(
    (await rows(db)).map(({ state }) => state),
    ['filtered', 'stored', 'failed'],
  );
  for (const piece of two) assert.match(msa(await engine.process(piece)), /^MSA\|AA/);
  assert.deepEqual(
    writer.all('DiagnosticReport').map(({ subject }) => subject),
    writer.all('Patient').map(({ id }) => ({ reference: `Patient/${id}` })),
  );
});

/** Sends over MLLP and yields the first `count` acknowledgments. */
async function exchange(port: number, message: Buffer, count: number): Promise<string[]> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.write(frame(message));
  await waitFor(() => text.split('\x1c\r').length > count, 'the acknowledgments');
  socket.end();
  await once(socket, 'close');
  return text
    .split('\x1c\r')
    .slice(0, -1)
    .map((block) => block.slice(1));
}

test('enhanced mode: CA when the bytes are safe, AA as a message of its own; again, the same bytes', async (t) => {
  const { engine } = await rig(t);
  const { port } = await engine.start();
  const message = Buffer.from(oru({ id: 'E1' }).toString('latin1').replace('|P|2.5.1', '|P|2.5.1|||AL|AL'));
  const acks = await exchange(port, message, 2);
  assert.deepEqual(
    acks.map((ack) => msa(Buffer.from(ack))),
    ['MSA|CA|E1', 'MSA|AA|E1'],
  );
  assert.equal(new Set(acks.map((ack) => ack.split('|')[9])).size, 2);
  assert.deepEqual(await exchange(port, message, 2), acks);
  await engine.stop();
});

test('enhanced mode: what no route takes is refused at once, and not twice', async (t) => {
  const { db, engine } = await rig(t);
  const bad = Buffer.from('MSH|^~\\&|LAB|NORTH|||||ORU^R01|E2|P|9.9|||AL|AL\rPID|1');
  assert.deepEqual(
    lines(await engine.process(bad))
      .filter((line) => line.startsWith('MSA'))
      .map((line) => line.slice(0, 9)),
    ['MSA|CR|E2'],
  );
  assert.equal((await rows(db))[0]!.state, 'failed');
});

test('enhanced mode: no application acknowledgment wanted, or only of an error', async (t) => {
  const { engine } = await rig(t);
  const of = (id: string, accept: string, application: string, type = 'ORU^R01^ORU_R01'): Buffer =>
    Buffer.from(
      oru({ id })
        .toString('latin1')
        .replace('|P|2.5.1', `|P|2.5.1|||${accept}|${application}`)
        .replace('ORU^R01^ORU_R01', type),
    );
  const codes = async (message: Buffer): Promise<string[]> =>
    lines(await engine.process(message))
      .filter((line) => line.startsWith('MSA'))
      .map((line) => line.slice(4, 6));
  assert.deepEqual(await codes(of('N1', 'AL', 'NE')), ['CA']);
  assert.deepEqual(await codes(of('N2', 'NE', 'NE')), []);
  assert.deepEqual(await codes(of('N3', 'NE', 'AL')), ['AA']);
  assert.deepEqual(await codes(of('N4', 'ER', 'ER')), []);
  assert.deepEqual(await codes(of('N5', 'SU', 'ER', 'ORU^Z99')), ['AR']);
});

test('enhanced mode: a type that nothing is made of is refused with CR, unless its route changes or accepts it', async (t) => {
  const { db, engine } = await rig(t);
  await engine.start();
  const codes = async (id: string, accept: string, application: string, type: string): Promise<string[]> => {
    const message = enhanced(oru({ id }), accept, application).toString('latin1').replace('ORU^R01^ORU_R01', type);
    const answered = lines(await engine.process(Buffer.from(message)));
    return answered.filter((line) => /^(MSA|ERR)/.test(line)).map((line) => line.split('|').slice(1, 4).join(' '));
  };
  const refused = [
    'CR T1 Unsupported message type: unsupported event code',
    ' MSH^1^9 201^Unsupported event code^HL70357',
  ];
  assert.deepEqual(await codes('T1', 'AL', 'NE', 'ORU^Z99'), refused);
  assert.deepEqual(await codes('T1', 'AL', 'AL', 'ORU^Z99'), refused);
  assert.deepEqual(
    (await rows(db)).map(({ state, error_code }) => [state, error_code]),
    [
      ['failed', '201'],
      ['failed', '201'],
    ],
  );
  const call = caller(engine.adminRoutes, '/admin/hl7');
  let version = 0;
  const put = async (change: object): Promise<void> => {
    const route = { id: 'own', name: 'Own', match: { path: 'MSH-9.2', equals: 'Z99' }, ...change };
    const match = version === 0 ? {} : { ifMatch: `"${version}"` };
    const { status } = await call('PUT', '/routes/own', { body: { route, author: 'kim', comment: 'test' }, ...match });
    assert.ok(status < 300);
    version++;
  };
  await put({ transform: [{ op: 'set', path: 'MSH-9.2', value: 'R01' }] });
  assert.deepEqual(await codes('T2', 'AL', 'AL', 'ORU^Z99'), ['CA T2', 'AA T2']);
  await put({ onError: 'accept' });
  assert.deepEqual(await codes('T3', 'AL', 'AL', 'ORU^Z99'), ['CA T3', 'AA T3']);
  await put({ filter: [{ when: { path: 'PID', exists: true }, reason: 'test' }] });
  assert.deepEqual(await codes('T4', 'AL', 'AL', 'ORU^Z99'), ['CA T4', 'AA T4']);
  await engine.stop();
});

test('enhanced mode: of what failed and its route accepts the sender hears success, or nothing where it wants errors', async (t) => {
  const { db, engine } = await rig(t);
  await engine.start();
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const route = { id: 'lax', name: 'Lax', validation: { structure: 'strict' }, onError: 'accept' };
  const put = await call('PUT', '/routes/lax', { body: { route, author: 'kim', comment: 'test' } });
  assert.equal(put.status, 201);
  const codes = async (id: string, application: string): Promise<string[]> => {
    const message = enhanced(oru({ id, value: 'high' }), 'NE', application);
    const answered = lines(await engine.process(message));
    return answered.filter((line) => line.startsWith('MSA'));
  };
  assert.deepEqual(await codes('X1', 'SU'), ['MSA|AA|X1']);
  assert.deepEqual(await codes('X2', 'ER'), []);
  assert.deepEqual(
    (await rows(db)).map(({ state }) => state),
    ['failed', 'failed'],
  );
  await engine.stop();
});

/** The same message in enhanced mode. */
const enhanced = (message: Buffer, accept: string, application: string): Buffer =>
  Buffer.from(message.toString('latin1').replace('|P|2.5.1', `|P|2.5.1|||${accept}|${application}`));

const away = (): CerebraError => new CerebraError('unavailable', 'The database is not available');

test('what was taken with CA is tried until the store is back; in original mode the sender is told to send again', async (t) => {
  const { db, writer, engine } = await rig(t);
  writer.failures.push(away(), away());
  const codes = lines(await engine.process(enhanced(oru({ id: 'T1' }), 'AL', 'AL'))).filter((line) =>
    line.startsWith('MSA'),
  );
  assert.deepEqual(codes, ['MSA|CA|T1', 'MSA|AA|T1']);
  writer.failures.push(away());
  assert.match(String(await engine.process(oru({ id: 'T2' }))), /\rMSA\|AE\|T2\|.*\rERR\|.*Send the message again/);
  assert.deepEqual(
    (await rows(db)).map((row) => [row.state, row.attempts]),
    [
      ['stored', 1],
      ['failed', 1],
    ],
  );
  await engine.stop();
});

test('a stop leaves what was taken with CA to the next start', async (t) => {
  const { db, writer, engine } = await rig(t);
  await engine.start();
  writer.failures.push(...Array.from({ length: 100 }, away));
  const answered = engine.process(enhanced(oru({ id: 'T3' }), 'AL', 'NE'));
  await waitFor(() => writer.failures.length < 98, 'attempts');
  await engine.stop();
  assert.match(String(await answered), /\rMSA\|CA\|T3\r/);
  assert.deepEqual(
    (await rows(db)).map((row) => row.state),
    ['received'],
  );
  writer.failures.length = 0;
  const next = build(db, writer);
  await next.start();
  await next.stop();
  assert.deepEqual(
    (await rows(db)).map((row) => row.state),
    ['stored'],
  );
});
