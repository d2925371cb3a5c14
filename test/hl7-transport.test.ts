// Ways in for HL7 v2 messages as their users see them: HL7_LISTENERS, POST /hl7, drop folders, acknowledgment modes.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { sendMllp } from '#hl7-engine';
import { createTestAuthority, waitFor } from '#platform/testing';
import type { RunningServer } from '../bin/server.ts';
import { type Client, createClient } from './client.ts';
import { startTestServer } from './server.ts';

const authority = createTestAuthority('Test authority');
const stranger = createTestAuthority('Another authority');

let server: RunningServer;
let client: Client;
let folder: string;

/** `field` replaces fields of MSH by number. */
function message(controlId: string, fields: Record<number, string> = {}, family = 'TRANSPORT'): string {
  const msh = ['MSH', '^~\\&', 'SENDER', 'NORTH', 'CEREBRA', 'SOUTH', '20260131120000+0000', '', 'ADT^A08^ADT_A01'];
  msh.push(controlId, 'P', '2.5.1', '', '', '', '', '', '');
  for (const [number, text] of Object.entries(fields)) msh[Number(number) - 1] = text;
  const pid = `PID|1||${controlId}^^^NORTH^MR||${family}^TEST||19700101|F`;
  return [msh.join('|'), 'EVN||20260131120000', pid, 'PV1|1|O', ''].join('\r');
}

const lines = (ack: Buffer | string): string[] => String(ack).split('\r').filter(Boolean);
const code = (ack: Buffer | string): string => lines(ack)[1]?.split('|')[1] ?? String(ack);
const options = { timeoutMs: 30_000 };

interface Listener {
  name: string;
  kind: string;
  [detail: string]: unknown;
}

async function listener(name: string, kind = 'mllp'): Promise<Listener> {
  const reply = await client('GET', `${server.rootUrl}/admin/hl7/listeners`);
  const all = reply.json.listeners as unknown as Listener[];
  return all.find((one) => one.name === name && one.kind === kind)!;
}

async function familyOf(identifier: string): Promise<string | undefined> {
  const { json } = await client('GET', `Patient?identifier=${identifier}`);
  const [entry] = (json.entry ?? []) as unknown as { resource: { name: { family: string }[] } }[];
  return entry?.resource.name[0]?.family;
}

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-transport-'));
  await Promise.all([mkdir(path.join(folder, 'tls')), mkdir(path.join(folder, 'drop'))]);
  const own = authority.issue('cerebra');
  await writeFile(path.join(folder, 'tls/cert.pem'), own.cert);
  await writeFile(path.join(folder, 'tls/key.pem'), own.key);
  await writeFile(path.join(folder, 'tls/ca.pem'), authority.cert);
  const files = { cert: 'tls/cert.pem', key: 'tls/key.pem' };
  const listeners = [
    { name: 'secure', port: 0, tls: files },
    { name: 'mutual', port: 0, tls: { ...files, ca: 'tls/ca.pem', requestCert: true } },
    { name: 'elsewhere', port: 0, allow: ['10.0.0.0/8', '2001:db8::/32'] },
    { name: 'small', port: 0, messageBytesMax: 1024, frameTimeoutMs: 1_000 },
    { kind: 'http', name: 'strict', statusByAck: true },
    { kind: 'http', name: 'elsewhere', allow: ['10.0.0.0/8'] },
    { kind: 'http', name: 'narrow', messageBytesMax: 1024 },
    { kind: 'file', name: 'lab', folder: 'drop', pollMs: 50, stableMs: 0, charset: 'windows-1250' },
  ];
  await writeFile(path.join(folder, 'listeners.json'), JSON.stringify(listeners));
  server = await startTestServer({ HL7_LISTENERS: path.join(folder, 'listeners.json') });
  client = createClient(server.fhirBaseUrl);
});

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('MLLP listeners', () => {
  /** What comes back over TLS for one message; rejects when the connection is refused. */
  const sendTls = (name: string, content: string, client: { cert?: string; key?: string; ca?: string } = {}) =>
    new Promise<string>((resolve, reject) => {
      const port = server.mllpPorts.get(name)!;
      const socket = connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...client }, () =>
        socket.write(`\x0b${content}\x1c\r`),
      );
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString();
        if (received.endsWith('\x1c\r')) socket.end();
      });
      socket.on('error', reject);
      socket.on('close', () => (received === '' ? reject(new Error('closed')) : resolve(received.slice(1, -2))));
    });

  it('TLS: the message comes in, its journal entry tells by which listener', async () => {
    assert.equal(code(await sendTls('secure', message('TLS1'))), 'AA');
    assert.equal(await familyOf('TLS1'), 'TRANSPORT');
  });

  it('mutual TLS: only with a certificate of the authority', async () => {
    assert.equal(code(await sendTls('mutual', message('TLS2'), authority.issue('lab-1'))), 'AA');
    await assert.rejects(sendTls('mutual', message('TLS3')));
    await assert.rejects(sendTls('mutual', message('TLS4'), stranger.issue('lab-1')));
    assert.equal(await familyOf('TLS3'), undefined);
    assert.equal(await familyOf('TLS4'), undefined);
    const { connectionsRefused, tls } = await listener('mutual');
    assert.deepEqual({ connectionsRefused, tls }, { connectionsRefused: { tls: 2 }, tls: 'mutual' });
  });

  it('plain bytes on a TLS port are refused, and harm nothing', async () => {
    await assert.rejects(sendMllp('127.0.0.1', server.mllpPorts.get('secure')!, message('TLS5'), options));
    assert.equal(code(await sendTls('secure', message('TLS6'))), 'AA');
  });

  it('an address that is not on the list is refused', async () => {
    await assert.rejects(sendMllp('127.0.0.1', server.mllpPorts.get('elsewhere')!, message('ALLOW1'), options));
    assert.deepEqual((await listener('elsewhere')).connectionsRefused, { address: 1 });
    assert.equal(await familyOf('ALLOW1'), undefined);
  });

  it('a listener has limits of its own, and counts what it gets', async () => {
    const port = server.mllpPorts.get('small')!;
    const large = await sendMllp('127.0.0.1', port, message('SMALL1', {}, 'X'.repeat(2000)), options);
    assert.equal(code(large), 'AR');
    assert.match(String(large), /larger than 1024 bytes/);
    assert.equal(code(await sendMllp('127.0.0.1', port, message('SMALL2'), options)), 'AA');
    const { frames, connectionsTotal, lastMessageAt } = await listener('small');
    assert.deepEqual({ frames, connectionsTotal }, { frames: { oversize: 1, whole: 1 }, connectionsTotal: 2 });
    assert.ok(Date.parse(String(lastMessageAt)) > 0);
    const metrics = await (await fetch(`${server.rootUrl}/metrics`)).text();
    assert.match(metrics, /^cerebra_hl7_frames_total\{kind="mllp",listener="small",end="oversize"\} 1$/m);
  });
});

describe('acknowledgment modes', () => {
  const answers = async (content: string): Promise<string[]> => {
    const port = server.mllpPort;
    // A second message shows that no further answer belongs to the first.
    const marker = message(`MARK${marks++}`);
    const socket = connect({ host: '127.0.0.1', port });
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString();
    });
    socket.write(`\x0b${content}\x1c\r\x0b${marker}\x1c\r`);
    const id = marker.split('|')[9];
    await waitFor(() => received.includes(`MSA|AA|${id}`) && received.endsWith('\x1c\r'), 'the answer to the marker');
    socket.destroy();
    const frames = received.split('\x1c\r').filter(Boolean);
    return frames.filter((frame) => !frame.includes(`|${id}`)).map((frame) => lines(frame)[1]!);
  };
  let marks = 0;

  it('original: one application acknowledgment', async () => {
    assert.deepEqual(await answers(message('MODE1')), ['MSA|AA|MODE1']);
  });

  it('enhanced: what MSH-15 and MSH-16 ask for', async () => {
    assert.deepEqual(await answers(message('MODE2', { 15: 'AL', 16: 'AL' })), ['MSA|CA|MODE2', 'MSA|AA|MODE2']);
    assert.deepEqual(await answers(message('MODE3', { 15: 'AL', 16: 'NE' })), ['MSA|CA|MODE3']);
    assert.deepEqual(await answers(message('MODE4', { 15: 'NE', 16: 'AL' })), ['MSA|AA|MODE4']);
    assert.deepEqual(await answers(message('MODE5', { 15: 'NE', 16: 'NE' })), []);
    assert.deepEqual(await answers(message('MODE6', { 15: 'ER', 16: 'ER' })), []);
    assert.deepEqual(await answers(message('MODE7', { 15: 'SU', 16: 'SU' })), ['MSA|CA|MODE7', 'MSA|AA|MODE7']);
    assert.equal(await familyOf('MODE5'), 'TRANSPORT');
  });

  it('enhanced: a version that is none is rejected at once', async () => {
    const found = await answers(message('MODE8', { 12: '3.0', 15: 'AL', 16: 'AL' }));
    assert.deepEqual(found, ['MSA|CR|MODE8|MSH-12 names no version 2 of HL7']);
  });
});

describe('HL7 over HTTP', () => {
  const post = (place: string, body: string | Buffer, type?: string) =>
    fetch(`${server.rootUrl}${place}`, {
      method: 'POST',
      headers: type === undefined ? {} : { 'Content-Type': type },
      // A string would bring a Content-Type along.
      body: Buffer.from(body as string) as unknown as string,
    });

  it('the acknowledgment is the answer, in the type of the request', async () => {
    for (const [index, type] of ['application/hl7-v2', 'x-application/hl7-v2+er7', 'text/plain', undefined].entries()) {
      const reply = await post('/hl7', message(`HTTP${index}`), type);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get('content-type'), `${type ?? 'application/hl7-v2'}; charset=utf-8`);
      assert.equal(lines(await reply.text())[1], `MSA|AA|HTTP${index}`);
      assert.equal(await familyOf(`HTTP${index}`), 'TRANSPORT');
    }
  });

  it('the charset of the header is that of a message without MSH-18', async () => {
    const body = Buffer.from(message('HTTP10', {}, 'M\xfcLLER'), 'latin1');
    assert.equal((await post('/hl7', body, 'application/hl7-v2; charset=ISO-8859-1')).status, 200);
    assert.equal(await familyOf('HTTP10'), 'MüLLER');
    const czech = Buffer.from(message('HTTP11', {}, 'NOV\xc1\xc8EK'), 'latin1');
    assert.equal((await post('/hl7', czech, 'text/plain; charset="windows-1250"')).status, 200);
    assert.equal(await familyOf('HTTP11'), 'NOVÁČEK');
    assert.equal((await post('/hl7', czech, 'text/plain; charset=klingon')).status, 415);
  });

  it('UTF-16 is answered in UTF-16, which the header says', async () => {
    const text = message('HTTP12', { 18: 'UNICODE UTF-16' }, 'ജജ');
    for (const [mark, charset] of [
      ['', 'utf-16le'],
      ['\ufeff', 'utf-16'],
    ] as const) {
      const reply = await post('/hl7', Buffer.from(mark + text, 'utf16le'), `application/hl7-v2; charset=${charset}`);
      assert.equal(reply.headers.get('content-type'), `application/hl7-v2; charset=${charset}`);
      assert.match(Buffer.from(await reply.arrayBuffer()).toString('utf16le'), /^\ufeff?MSH.*\rMSA\|AA\|HTTP12\r$/s);
    }
    assert.equal(await familyOf('HTTP12'), 'ജജ');
  });

  it('a refusal is 200 as well, or 400 and 500 where the listener says so', async () => {
    const bad = message('HTTP20', { 12: '3.0' });
    const reply = await post('/hl7', bad);
    assert.deepEqual([reply.status, code(await reply.text())], [200, 'AR']);
    const strict = await post('/hl7/strict', bad);
    assert.deepEqual([strict.status, code(await strict.text())], [400, 'AR']);
    assert.equal((await post('/hl7/strict', message('HTTP21'))).status, 200);
  });

  it('of a batch the worst of its answers is the status, where a listener says so', async () => {
    const good = message('HTTP22');
    const refused = message('HTTP23', { 12: '3.0' });
    const failed = message('HTTP24').replace('PID|', 'PIDX|');
    const batchOf = (...messages: string[]): string =>
      `BHS|^~\\&|SENDER\r${messages.map((each) => `${each}\r`).join('')}BTS|${messages.length}\r`;
    const answers = async (...messages: string[]): Promise<[status: number, codes: string[]]> => {
      const reply = await post('/hl7/strict', batchOf(...messages));
      return [reply.status, [...(await reply.text()).matchAll(/MSA\|(..)/g)].map(([, each]) => each!)];
    };
    assert.deepEqual(await answers(good, message('HTTP25')), [200, ['AA', 'AA']]);
    assert.deepEqual(await answers(good, refused), [400, ['AA', 'AR']]);
    assert.deepEqual(await answers(refused, good, failed), [500, ['AR', 'AA', 'AE']]);
    const wide = Buffer.from(batchOf(good, failed), 'utf16le');
    assert.equal((await post('/hl7/strict', wide, 'application/hl7-v2; charset=utf-16le')).status, 500);
  });

  it('v2.xml: the acknowledgment is XML too', async () => {
    const msh =
      '<MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2><MSH.4><HD.1>NORTH</HD.1></MSH.4><MSH.7><TS.1>20260131120000+0000</TS.1></MSH.7>' +
      '<MSH.9><MSG.1>ADT</MSG.1><MSG.2>A08</MSG.2></MSH.9><MSH.10>XML1</MSH.10><MSH.11><PT.1>P</PT.1></MSH.11><MSH.12><VID.1>2.5.1</VID.1></MSH.12>';
    const pid =
      '<PID.3><CX.1>XML1</CX.1><CX.4><HD.1>NORTH</HD.1></CX.4><CX.5>MR</CX.5></PID.3><PID.5><XPN.1><FN.1>MÜLLER</FN.1></XPN.1></PID.5>';
    const xml = `<?xml version="1.0"?><ADT_A01 xmlns="urn:hl7-org:v2xml"><MSH>${msh}</MSH><PID>${pid}</PID><PV1><PV1.2>O</PV1.2></PV1></ADT_A01>`;
    const reply = await post('/hl7/strict', xml, 'application/hl7-v2+xml');
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('content-type'), 'application/hl7-v2+xml; charset=utf-8');
    const text = await reply.text();
    assert.match(text, /^<\?xml.*<ACK xmlns="urn:hl7-org:v2xml">.*<MSA.1>AA<\/MSA.1><MSA.2>XML1<\/MSA.2>/s);
    assert.equal(await familyOf('XML1'), 'MÜLLER');
    const broken = await post('/hl7/strict', xml.slice(0, -20), 'text/xml');
    assert.deepEqual([broken.status, /<MSA.1>AR<\/MSA.1>/.test(await broken.text())], [400, true]);
  });

  it('with two acknowledgments the later one, with none 204', async () => {
    const both = await post('/hl7', message('HTTP30', { 15: 'AL', 16: 'AL' }));
    assert.deepEqual([both.status, code(await both.text())], [200, 'AA']);
    const none = await post('/hl7', message('HTTP31', { 15: 'NE', 16: 'NE' }));
    assert.deepEqual([none.status, await none.text()], [204, '']);
    assert.equal(await familyOf('HTTP31'), 'TRANSPORT');
  });

  it('what cannot be a message is refused with a reason', async () => {
    const cases: [place: string, body: string, type: string | undefined, status: number, code: string][] = [
      ['/hl7/unknown', message('HTTP40'), undefined, 404, 'not-found'],
      ['/hl7/elsewhere', message('HTTP41'), undefined, 403, 'forbidden'],
      ['/hl7', message('HTTP42'), 'application/json', 415, 'unsupported-media-type'],
      ['/hl7', '', undefined, 400, 'required'],
      ['/hl7', 'x'.repeat(11 * 1024 * 1024), undefined, 413, 'too-large'],
    ];
    for (const [place, body, type, status, expected] of cases) {
      const reply = await post(place, body, type);
      const { error } = (await reply.json()) as { error: { code: string; message: string } };
      assert.deepEqual([reply.status, error.code], [status, expected], `${place} ${type}`);
      assert.ok(error.message.length > 10);
    }
    const got = await fetch(`${server.rootUrl}/hl7`);
    assert.deepEqual([got.status, got.headers.get('allow')], [405, 'POST']);
    const noise = await post('/hl7', 'no HL7 at all');
    assert.deepEqual([noise.status, code(await noise.text())], [200, 'AR']);
  });

  it('who sends through a proxy on this machine is known by the address that the proxy tells', async () => {
    const body = message('HTTP43');
    const admitted = ['10.1.2.3', '192.0.2.1, 10.1.2.3:49152', '[::ffff:10.1.2.3]:443'];
    for (const forwarded of [...admitted, '10.1.2.3, 192.0.2.1', 'unknown']) {
      const headers = { 'X-Forwarded-For': forwarded };
      const reply = await fetch(`${server.rootUrl}/hl7/elsewhere`, { method: 'POST', headers, body });
      assert.equal(reply.status, admitted.includes(forwarded) ? 200 : 403, forwarded);
    }
  });
});

describe('what is too large', () => {
  interface Journalled {
    messages: { id: string; state: string; error: string }[];
  }

  async function journalled(controlId: string): Promise<{ state: string; error: string; raw: Buffer }[]> {
    const place = `${server.rootUrl}/admin/hl7/messages`;
    const { json } = await client('GET', `${place}?controlId=${controlId}`);
    const { messages } = json as unknown as Journalled;
    return Promise.all(
      messages.map(async ({ id, state, error }) => {
        const one = (await client('GET', `${place}/${id}`)).json as unknown as { raw: string };
        return { state, error, raw: Buffer.from(one.raw, 'base64') };
      }),
    );
  }

  const head = (text: string): Buffer => Buffer.from(text).subarray(0, 64 * 1024);

  it('for the server is refused, and its beginning journalled', async () => {
    const before = (await listener('default', 'http')).frames as Record<string, number>;
    const large = message('LARGE1', {}, 'X'.repeat(11 * 1024 * 1024));
    const bytesMax = 10 * 1024 * 1024;
    for (const body of [large, new Blob([large]).stream()]) {
      const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
      const reply = await fetch(`${server.rootUrl}/hl7`, init);
      const { error } = (await reply.json()) as { error: { message: string } };
      assert.deepEqual([reply.status, error.message], [413, `The message is larger than ${bytesMax} bytes`]);
    }
    const error = `The message is larger than ${bytesMax} bytes`;
    assert.deepEqual(await journalled('LARGE1'), [{ state: 'failed', error, raw: head(large) }]);
    const { oversize } = (await listener('default', 'http')).frames as Record<string, number>;
    assert.equal(oversize, (before.oversize ?? 0) + 2);
  });

  it('for a listener too', async () => {
    const large = message('LARGE2', {}, 'X'.repeat(2_000));
    const reply = await fetch(`${server.rootUrl}/hl7/narrow`, { method: 'POST', body: large });
    assert.equal(reply.status, 413);
    const error = 'The message is larger than 1024 bytes';
    assert.deepEqual(await journalled('LARGE2'), [{ state: 'failed', error, raw: head(large) }]);
    assert.equal(await familyOf('LARGE2'), undefined);
  });
});

describe('a drop folder', () => {
  const place = (...names: string[]): string => path.join(folder, 'drop', ...names);

  async function drop(name: string, content: string | Buffer): Promise<void> {
    await writeFile(place(`${name}.tmp`), content);
    await rename(place(`${name}.tmp`), place(name));
  }

  it('a file with several messages, acknowledged beside it', async () => {
    await drop('b.hl7', ['FILE1', 'FILE2'].map((id) => message(id)).join(''));
    await waitFor(async () => (await readdir(place('done'))).includes('b.hl7'), 'the file to be done');
    const acks = await readFile(place('done', 'b.hl7.ack'), 'latin1');
    assert.deepEqual(
      lines(acks).filter((line) => line.startsWith('MSA')),
      ['MSA|AA|FILE1', 'MSA|AA|FILE2'],
    );
    assert.equal(await familyOf('FILE2'), 'TRANSPORT');
  });

  it('a batch with a refused message goes to error, with what was wrong; the others count', async () => {
    const batch = ['FHS|^~\\&|LAB', 'BHS|^~\\&|LAB'].join('\r');
    const content = `${batch}\r${message('FILE3')}${message('FILE4', { 12: '3.0' })}BTS|3\rFTS|1\r`;
    await drop('c.hl7', content);
    await waitFor(async () => (await readdir(place('error'))).includes('c.hl7'), 'the file in error');
    assert.equal(await readFile(place('error', 'c.hl7'), 'latin1'), content);
    const acks = await readFile(place('error', 'c.hl7.ack'), 'latin1');
    assert.match(acks, /MSA\|AA\|FILE3/);
    assert.match(acks, /MSA\|AR\|FILE4/);
    assert.match(acks, /# BTS-1 of batch 1 tells 3 messages, the batch has 2/);
    assert.equal(await familyOf('FILE3'), 'TRANSPORT');
  });

  it('the charset of the folder, and a second file of one name', async () => {
    await drop('b.hl7', Buffer.from(message('FILE5', {}, 'NOV\xc1\xc8EK'), 'latin1'));
    await waitFor(async () => (await readdir(place('done'))).includes('b.hl7.2'), 'the second file');
    assert.equal(await familyOf('FILE5'), 'NOVÁČEK');
    assert.ok((await readdir(place('done'))).includes('b.hl7.2.ack'));
  });

  it('what is no HL7 goes to error, other names stay', async () => {
    await drop('d.txt', message('FILE6'));
    await drop('e.hl7', 'no HL7 at all');
    await drop('f.hl7', '\r\n\r\n');
    await waitFor(async () => (await readdir(place('error'))).includes('f.hl7'), 'the files in error');
    await waitFor(async () => {
      const { state, filesRefused } = await listener('lab', 'file');
      return state === 'watching' && filesRefused === 3;
    }, 'the listener to be done with them');
    assert.match(await readFile(place('error', 'e.hl7.ack'), 'latin1'), /MSA\|AR\|/);
    assert.equal(await readFile(place('error', 'f.hl7.ack'), 'latin1'), '# The file has no message\n');
    assert.deepEqual((await readdir(place())).sort(), ['cerebra.lock', 'd.txt', 'done', 'error']);
    assert.equal((await listener('lab', 'file')).filesDone, 2);
  });
});
