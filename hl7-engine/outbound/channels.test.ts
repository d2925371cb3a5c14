// Destinations over TLS, over HTTP and as files.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createEgress } from '#platform';
import { createTestAuthority, testDatabase, waitFor } from '#platform/testing';
import { message, mllp, rowsOf, sequence, soon, startOutbound } from '../testing/outbound-rig.ts';
import { answer, startReceiver } from '../testing/receiver.ts';
import { checkDestinations } from './destination.ts';
import { createHttpChannel } from './http.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-out-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The names of files with a certificate and key, and with its authority's certificate. */
function certificateFiles(folder: string, name: string) {
  const authority = createTestAuthority(`${name} authority`);
  const contents = { ca: authority.cert, ...authority.issue(name) };
  const fileOf = (part: keyof typeof contents): string => {
    const file = path.join(folder, `${name}.${part}`);
    writeFileSync(file, contents[part]);
    return file;
  };
  return { ca: fileOf('ca'), cert: fileOf('cert'), key: fileOf('key'), contents };
}

test('TLS with a client certificate; a receiver with another name or signer is not spoken to', async (t) => {
  const folder = folderOf(t);
  const [server, client] = [certificateFiles(folder, 'ris'), certificateFiles(folder, 'cerebra')];
  const tls = { ...server.contents, ca: client.contents.ca, requestCert: true };
  const receiver = await startReceiver(t, { tls: { ...tls, rejectUnauthorized: true } });
  const secure = { ca: server.ca, cert: client.cert, key: client.key, servername: 'localhost' };
  const named = (name: string, more: object) => ({ ...mllp(receiver.port, { tls: { ...secure, ...more } })[0], name });
  const db = await testDatabase(t);
  const rig = await startOutbound(t, db, [
    named('good', {}),
    named('other-name', { servername: 'lis.test' }),
    named('other-signer', { ca: client.ca }),
    named('no-file', { ca: path.join(folder, 'none.crt') }),
  ]);
  await rig.send(['good', 'other-name', 'other-signer', 'no-file'].map((name) => message(name, name, 'P')));
  const view = async () => (await rig.call('GET', '/admin/hl7/destinations')).body.destinations;
  const failures = async () =>
    Object.fromEntries(
      (await view()).map((one: { name: string; failing?: { error: string } }) => [one.name, one.failing?.error]),
    );
  await waitFor(async () => (await rig.states()).good === 'delivered', 'the good one');
  await waitFor(async () => Object.values(await failures()).filter(Boolean).length === 3, 'the others to fail');
  const text = await failures();
  assert.match(text['other-name'], /ERR_TLS_CERT_ALTNAME_INVALID/);
  assert.match(text['other-signer'], /UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
  assert.match(text['no-file'], /certificate file .*none\.crt cannot be read/);
  assert.deepEqual(receiver.firsts(), ['good']);
});

interface HttpDouble {
  url: string;
  requests: { headers: IncomingMessage['headers']; body: string }[];
  respond: (controlId: string, response: ServerResponse) => void;
}

async function startHttp(t: TestContext): Promise<HttpDouble> {
  const double: HttpDouble = { url: '', requests: [], respond: (_, response) => response.end() };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      double.requests.push({ headers: request.headers, body });
      double.respond(body.split('|')[9] ?? '', response);
    });
  });
  // A kept connection stays, however long its next message takes.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  double.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hl7`;
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return double;
}

/** As receivers answer that speak v2.xml. */
const xmlAnswer = (code: string, controlId: string): string =>
  `<ACK xmlns="urn:hl7-org:v2xml"><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH><MSA><MSA.1>${code}</MSA.1><MSA.2>${controlId}</MSA.2></MSA></ACK>`;

test('HTTP: the acknowledgment decides, else the status', async (t) => {
  const db = await testDatabase(t);
  const double = await startHttp(t);
  const seen = new Map<string, number>();
  double.respond = (controlId, response) => {
    const times = (seen.get(controlId) ?? 0) + 1;
    seen.set(controlId, times);
    const ack = (code: string, id = controlId) => response.end(answer(code, id));
    if (controlId === 'ACK') ack('AA');
    else if (controlId === 'EMPTY') response.writeHead(204).end();
    else if (controlId === 'NACK') ack('AR');
    else if (controlId === 'XML') response.end(xmlAnswer(times === 1 ? 'AE' : 'AA', controlId));
    else if (controlId === 'WRONG') response.writeHead(415).end('no');
    else if (controlId === 'OTHER') ack('AA', times === 1 ? 'X' : controlId);
    else if (controlId === 'FAULT') times === 1 ? response.writeHead(500).end() : ack('AA');
    else if (controlId === 'CUT') times === 1 ? response.destroy() : ack('AA');
  };
  const rig = await startOutbound(t, db, [
    {
      ...{ name: 'web', kind: 'http', url: double.url, headers: { Authorization: 'Bearer test' }, connections: 2 },
      retry: { ...soon, attemptsMax: 2 },
    },
    { name: 'metadata', kind: 'http', url: 'http://169.254.169.254/latest', retry: soon },
  ]);
  const names = ['ACK', 'EMPTY', 'NACK', 'XML', 'WRONG', 'OTHER', 'FAULT', 'CUT'];
  await rig.send([...names.map((id) => message('web', id, id)), message('metadata', 'SECRET', 'P')]);
  await waitFor(async () => (await rowsOf(db)).filter(({ state }) => state === 'queued').length === 1, 'all to end');
  assert.deepEqual(
    (await rowsOf(db)).map(({ control_id, state, attempts, error }) => [control_id, state, attempts, error]),
    [
      ['ACK', 'delivered', 1, null],
      ['EMPTY', 'delivered', 1, null],
      ['NACK', 'dead', 2, 'Refused with AR'],
      ['XML', 'delivered', 2, null],
      ['WRONG', 'dead', 2, 'The endpoint answered with HTTP 415'],
      ['OTHER', 'delivered', 2, null],
      ['FAULT', 'delivered', 2, null],
      // On a kept connection, which may have been closed before the message came: again at once.
      ['CUT', 'delivered', 1, null],
      ['SECRET', 'queued', 0, null],
    ],
  );
  // Of two connections either may be the first.
  const first = double.requests.find(({ body }) => body.split('|')[9] === 'ACK');
  assert.equal(first!.headers['content-type'], 'application/hl7-v2');
  assert.equal(first!.headers.authorization, 'Bearer test');
  assert.equal(first!.body, message('web', 'ACK', 'ACK').body.toString());
  const shown = async () => JSON.stringify((await rig.call('GET', '/admin/hl7/destinations')).body);
  await waitFor(async () => (await shown()).includes('an address that this server does not call'), 'the other one');
  assert.ok(!(await shown()).includes('Bearer'), 'headers are not shown');
});

test('HTTP: Retry-After holds all messages back for so long', async (t) => {
  const double = await startHttp(t);
  const [destination] = checkDestinations([{ name: 'web', kind: 'http', url: double.url, retry: soon }]);
  assert.ok(destination?.kind === 'http');
  const clock = { now: () => Date.UTC(2026, 0, 31, 12, 0, 0) };
  const channel = createHttpChannel({ destination, clock, egress: createEgress(['loopback']) });
  t.after(() => channel.close());
  const parcel = { id: 1n, controlId: 'A', body: Buffer.from('MSH|'), queuedMs: 0 };
  const attempt = async (retryAfter: string) => {
    double.respond = (_, response) => response.writeHead(503, { 'Retry-After': retryAfter }).end();
    return channel.send([parcel], new AbortController().signal);
  };
  const error = 'The endpoint answered with HTTP 503';
  assert.deepEqual(await attempt('7'), { kind: 'unreachable', error, retryAfterMs: 7_000 });
  const date = 'Sat, 31 Jan 2026 12:00:30 GMT';
  assert.deepEqual(await attempt(date), { kind: 'unreachable', error, retryAfterMs: 30_000 });
  assert.equal((await attempt('soon')).kind, 'unanswered');

  const db = await testDatabase(t);
  double.requests.length = 0;
  double.respond = (controlId, response) => {
    if (double.requests.length === 1) response.writeHead(503, { 'Retry-After': '1' }).end();
    else response.end(answer('AA', controlId));
  };
  const rig = await startOutbound(t, db, [destination]);
  await rig.send(sequence('M', 2).map((id, index) => message('web', id, `P${index}`)));
  await rig.allBecome('delivered');
  assert.deepEqual(
    double.requests.map(({ body }) => body.split('|')[9]),
    ['M0', 'M0', 'M1'],
  );
});

test('files: whole, one a message, with safe names; nothing that is there is overwritten', async (t) => {
  const db = await testDatabase(t);
  const folder = path.join(folderOf(t), 'drop');
  const rig = await startOutbound(t, db, [{ name: 'drop', kind: 'file', folder, retry: soon }]);
  const ids = ['A', '../../etc/passwd', 'ü/\\:*', ''];
  await rig.send(ids.map((id, index) => message('drop', id, `P${index}`)));
  await rig.allBecome('delivered');
  const names = readdirSync(folder).sort();
  assert.deepEqual(
    names.map((name) => name.replace(/^0*(\d+)-/, '$1-')),
    ['1-A.hl7', '2-______etc_passwd.hl7', '3-_____.hl7', '4-none.hl7'],
  );
  assert.equal(readFileSync(path.join(folder, names[0]!), 'utf8'), message('drop', 'A', 'P0').body.toString());

  // A run that wrote the file and did not come to say so; and a name that something else has.
  writeFileSync(path.join(folder, '000000000005-B.hl7'), message('drop', 'B', 'P').body);
  writeFileSync(path.join(folder, '000000000006-C.hl7'), 'something else');
  await rig.send(['B', 'C'].map((id) => message('drop', id, 'P')));
  await rig.allBecome('delivered');
  assert.deepEqual(readdirSync(folder).sort().slice(4), [
    '000000000005-B.hl7',
    '000000000006-C.hl7',
    '000000000006-C~1.hl7',
  ]);
  assert.equal(readFileSync(path.join(folder, '000000000006-C.hl7'), 'utf8'), 'something else');
});

test('files: a folder that can not be written is asked again', async (t) => {
  const db = await testDatabase(t);
  const blocked = path.join(folderOf(t), 'blocked');
  writeFileSync(blocked, 'a file in the way');
  const rig = await startOutbound(t, db, [{ name: 'drop', kind: 'file', folder: blocked, retry: soon }]);
  await rig.send([message('drop', 'A', 'P')]);
  await waitFor(async () => (await rig.measured('failed_attempts_total', { kind: 'unreachable' })) >= 2, 'failures');
  rmSync(blocked);
  await rig.allBecome('delivered');
  assert.equal(readdirSync(blocked).length, 1);
});

test('files: what a full disk took half of does not stay', { skip: !existsSync('/dev/full') }, async (t) => {
  const db = await testDatabase(t);
  const folder = folderOf(t);
  // What the file is written as first: a device that takes nothing.
  symlinkSync('/dev/full', path.join(folder, '.000000000001-A.hl7.tmp'));
  const rig = await startOutbound(t, db, [{ name: 'drop', kind: 'file', folder, retry: soon }]);
  await rig.send([message('drop', 'A', 'P')]);
  await rig.allBecome('delivered');
  assert.equal(await rig.measured('failed_attempts_total', { kind: 'unreachable' }), 1);
  assert.deepEqual(readdirSync(folder), ['000000000001-A.hl7']);
});

test('files: a batch has its messages in order, and is written when it is full or old enough', async (t) => {
  const db = await testDatabase(t);
  const folder = path.join(folderOf(t), 'drop');
  const drop = (waitMs: number) => [
    { name: 'drop', kind: 'file', folder, fileName: '{destination}-{id}.hl7', batch: { messagesMax: 3, waitMs } },
  ];
  const rig = await startOutbound(t, db, drop(3_600_000));
  await rig.send(sequence('M', 2).map((id, index) => message('drop', id, `P${index}`)));
  await rig.send(sequence('N', 3).map((id, index) => message('drop', id, `P${index}`)));
  await waitFor(async () => (await rig.states()).N0 === 'delivered', 'the full one');
  const { M0, M1, ...rest } = await rig.states();
  assert.deepEqual([M0, M1, rest], ['delivered', 'delivered', { N0: 'delivered', N1: 'queued', N2: 'queued' }]);
  await rig.configure(drop(100));
  await rig.allBecome('delivered');
  const contents = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(path.join(folder, name), 'utf8'));
  const lines = contents.map((text) => text.split('\r').filter((line) => /^(MSH|BHS|BTS)/.test(line)));
  assert.deepEqual(
    lines.map((some) => some.map((line) => (line.startsWith('MSH') ? line.split('|')[9] : line.slice(0, 3)))),
    [
      ['BHS', 'M0', 'M1', 'N0', 'BTS'],
      ['BHS', 'N1', 'N2', 'BTS'],
    ],
  );
  assert.match(contents[0]!, /^BHS\|\^~\\&\|CEREBRA\|TEST\|RCV\|FAC\|\d{14}\+0000\|\|\|\|1\r/);
  assert.match(contents[0]!, /\rBTS\|3\r$/);
});
