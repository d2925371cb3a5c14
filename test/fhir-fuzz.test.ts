// Attacks over HTTP, seeded: whatever comes, the answer is FHIR, never a 500, and the server lives on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createXmlCodec, loadDefinitions } from '#fhir-model';
import { random } from '#platform/testing';
import { assertOutcome, type Client, createClient, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';
import { createWire } from './wire.ts';

const xml = createXmlCodec(await loadDefinitions());
let server: TestServer;
let fhir: Client;

before(async () => {
  server = await startTestServer({ BODY_BYTES_MAX: '2000000' });
  fhir = createClient(server.fhirBaseUrl);
  await fhir('PUT', 'Patient/still', { resourceType: 'Patient', id: 'still', name: [{ family: 'Test' }] });
});
after(() => server.stop());

const next = random(4711);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;
const few = <T>(make: () => T): T[] => Array.from({ length: next(4) }, make);

const scraps = [
  '',
  '%00',
  '%',
  '%zz',
  '%ff',
  '%2F',
  '..',
  '.',
  "'",
  '"',
  ';--',
  '$everything',
  '_history',
  '_search',
  'metadata',
  '%F0%9F%98%80',
  'a'.repeat(65),
  '_',
  '__proto__',
  'constructor',
  '*',
  '\\',
  '%0d%0aX:1',
  '-1',
  '0',
  '99999999999999999999',
  '1e3',
  'NaN',
  '|',
  '$',
  ',',
  'true',
  '2020',
  'gt',
  'ge2020-13',
  'ap1',
  '1||',
  'http://x|y',
  'Patient/p',
  'Patient',
  'p',
];
const names = [
  '_id',
  '_id:not',
  '_lastUpdated',
  '_tag',
  'name',
  'name:exact',
  'name:contains',
  'name:missing',
  'identifier',
  'identifier:not',
  'birthdate',
  'general-practitioner',
  'general-practitioner:Practitioner',
  'general-practitioner.name',
  'organization.name:contains',
  '_sort',
  '_count',
  '_include',
  '_revinclude',
  '_total',
  '_summary',
  '_elements',
  '_cursor',
  '_format',
  '_has:Observation:patient:code',
  '_since',
  'code',
  'value-quantity',
  'url:below',
  'url:above',
  'near',
  '%00',
  'a:b:c.d.e',
];
const path = (): string => {
  const parts = [
    one(['Patient', 'Observation', 'ValueSet', 'Binary', one(scraps)]),
    ...few(() => one(['p', one(scraps)])),
  ];
  const query = few(() => `${one(names)}=${few(() => one(scraps)).join(one(['', ',', '|']))}`).join('&');
  return `/${parts.join('/')}${query === '' ? '' : `?${query}`}`;
};
const bodies = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{}',
  '{"resourceType":"Patient"}',
  '{"resourceType":"Patient","id":"p"}',
  '{"resourceType":5}',
  '{"resourceType":"__proto__"}',
  '{"resourceType":"Patient","__proto__":{"x":1}}',
  '\u0000',
  '<Patient/>',
  '<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>',
  '<Patient xmlns="http://hl7.org/fhir"><name><family value="&x;"/></Patient>',
  '<!DOCTYPE x [<!ENTITY x "y">]><Patient xmlns="http://hl7.org/fhir"/>',
  '{"resourceType":"Bundle","type":"batch","entry":[{}]}',
  '{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Patient/p?x"}}]}',
  'a=b&c',
  `{"resourceType":"ValueSet","status":"draft","url":"http://x\\u0000"}`,
];
const headers: [string, string][] = [
  ['If-Match', 'W/"x"'],
  ['If-Match', 'W/"1"'],
  ['If-None-Match', '*'],
  ['If-None-Exist', '_id=%00'],
  ['If-None-Exist', '&'],
  ['If-Modified-Since', 'yesterday'],
  ['Prefer', 'return=,;handling=strict'],
  ['Accept', ';;,'],
  ['Accept', 'application/fhir+xml'],
  ['Accept', 'application/fhir+ndjson, text/*;q=0.1, *'],
  ['Content-Encoding', 'br, br'],
  ['Content-Type', ''],
  ['Content-Type', 'application/fhir+xml'],
  ['Content-Type', 'text/xml; charset=utf-8'],
  ['Content-Type', 'application/x-www-form-urlencoded'],
  ['Content-Type', 'application/fhir+json; charset=x'],
  ['Content-Encoding', 'gzip'],
  ['X-Request-Id', 'a b'],
  ['Content-Type', 'text/html'],
];

interface Raw {
  status: number;
  text: string;
  type: string;
}

async function raw(method: string, target: string, body: string | Buffer, extra: Record<string, string>): Promise<Raw> {
  const headersSent = { 'Content-Type': 'application/fhir+json', ...extra };
  const { status, headers: got, bytes } = await createWire(server.fhirBaseUrl)(method, target, headersSent, body);
  return { status, text: String(bytes), type: got['content-type'] ?? '' };
}

const WHOLE = new Set([
  'Bundle',
  'OperationOutcome',
  'CapabilityStatement',
  'Patient',
  'ValueSet',
  'Observation',
  'Binary',
]);

/** The resources of the answer: one, or of NDJSON those of its lines. */
async function resourcesOf(text: string, type: string, what: string): Promise<unknown[]> {
  if (type.startsWith('application/fhir+xml')) return [await xml.read(text)];
  if (type.startsWith('application/fhir+ndjson'))
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  assert.match(type, /^application\/fhir\+json/, what);
  return [JSON.parse(text)];
}

async function assertFhir({ status, text, type }: Raw, what: string): Promise<void> {
  assert.ok(status >= 200 && status < 500, `${status} for ${what}: ${text.slice(0, 300)}`);
  if (text === '') return;
  const [resource] = await resourcesOf(text, type, what);
  const { resourceType, issue } = resource as { resourceType: string; issue?: { diagnostics: string }[] };
  assert.ok(WHOLE.has(resourceType), `${resourceType} for ${what}`);
  if (status >= 400)
    assert.ok(resourceType === 'OperationOutcome' && issue!.length > 0 && issue![0]!.diagnostics.length < 2000, what);
}

test('1,200 requests of garbage', async () => {
  const attack = async () => {
    for (let i = 0; i < 100; i++) {
      const method = one(['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS']);
      const target = one([path, path, () => `/Patient/_search?${one(names)}=${one(scraps)}`, () => ''])();
      const body = method === 'GET' || method === 'HEAD' ? '' : one(bodies);
      const extra = Object.fromEntries(few(() => one(headers)));
      const what = `${method} ${target} ${JSON.stringify(extra)} ${body.slice(0, 80)}`;
      await assertFhir(await raw(method, target, body, extra), what);
    }
  };
  await Promise.all(Array.from({ length: 12 }, attack));
  assert.equal((await fhir('GET', 'metadata')).status, 200);
});

test('500 requests at once', async () => {
  const work = (i: number): Promise<Reply> => {
    if (i % 4 === 0) return fhir('GET', 'Patient?name=test');
    if (i % 4 === 1)
      return fhir('PUT', `Patient/many${i % 20}`, {
        resourceType: 'Patient',
        id: `many${i % 20}`,
        active: i % 8 === 1,
      });
    if (i % 4 === 2) return fhir('POST', 'Patient', { resourceType: 'Patient' });
    return fhir('GET', 'Patient/still');
  };
  const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => work(i)));
  for (const reply of replies) assert.ok([200, 201, 409].includes(reply.status), reply.text.slice(0, 300));
});

describe('what costs much is refused', () => {
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const post = (body: string) => fhir('POST', 'Provenance/_search', body, form);
  const many = (count: number, make: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const bundle = (url: string) =>
    fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url } }] });

  test('a form of 100,000 names', async () => {
    assertOutcome(await post('a&'.repeat(100_000)), 400, 'too-costly');
  });
  test('a form of 1.5 MB', async () => {
    assertOutcome(await post(`target=${'x'.repeat(1_500_000)}`), 413, 'too-long');
  });
  test('a url of a Bundle with 100,000 names', async () => {
    const reply = await bundle(`Patient?${'a&'.repeat(100_000)}`);
    assert.match(reply.text, /"status":"400[^"]*".*too-costly/);
  });
  test('1,000 ids that may be of 146 types', async () => {
    const reply = await post(`target=${many(1000, (i) => `x${i}`).join(',')}`);
    assertOutcome(reply, 400, 'too-costly', 'target');
    assert.equal((await post(`target=${many(1000, (i) => `Patient/x${i}`).join(',')}`)).status, 200);
  });
  test('a body beyond the limit, announced or not', async () => {
    const huge = Buffer.alloc(3_000_000, 0x20);
    assertOutcome(await fhir('POST', 'Patient', huge), 413, 'too-long');
    const chunked = await raw('POST', '/Patient', huge, { 'Transfer-Encoding': 'chunked' });
    assert.equal(chunked.status, 413);
  });
  test('a page of large bodies ends early, and the next goes on', async () => {
    const note = [{ text: 'x'.repeat(1_000_000) }];
    for (let i = 0; i < 40; i++)
      await fhir(
        'PUT',
        `Device/big${i}`,
        { resourceType: 'Device', id: `big${i}`, note },
        { Prefer: 'return=minimal' },
      );
    for (const query of [
      'Device?_count=100',
      'Device?_sort=-_lastUpdated&_count=100',
      'Device?_sort=_id&_count=100',
      'Device/_history?_count=100',
    ]) {
      const seen = new Set<string>();
      let pages = 0;
      for (let url: string | undefined = query; url !== undefined; pages++) {
        const reply = await fhir('GET', url);
        assert.equal(reply.status, 200, reply.text.slice(0, 300));
        assert.ok(reply.text.length < 36_000_000, `${reply.text.length} characters`);
        for (const { resource } of reply.json.entry as unknown as { resource: { id: string } }[]) {
          assert.ok(!seen.has(resource.id), `${resource.id} comes once`);
          seen.add(resource.id);
        }
        url = (reply.json.link as unknown as { relation: string; url: string }[]).find(
          ({ relation }) => relation === 'next',
        )?.url;
      }
      assert.deepEqual([seen.size, pages], [40, 2], query);
    }
  });
});

describe('clients that don’t behave', () => {
  const connect = async () => {
    const { hostname, port } = new URL(server.fhirBaseUrl);
    const socket = net.connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.on('error', () => {});
    return socket;
  };
  const closed = (socket: net.Socket) => once(socket, 'close');

  test('who never ends the request holds nobody up', async (t) => {
    const sockets = await Promise.all(Array.from({ length: 100 }, connect));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const [i, socket] of sockets.entries()) {
      const whole = 'POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{';
      socket.write(i % 2 === 0 ? whole : 'GET /fhir/R4/Pat');
    }
    assert.equal((await fhir('GET', 'Patient/still')).status, 200);
  });

  test('who breaks off harms nobody', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await connect();
      socket.write(
        'POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\nContent-Length: 100\r\n\r\n{"resource',
      );
      socket.destroy();
    }
    assert.equal((await fhir('GET', 'Patient/still')).status, 200);
  });

  test('who speaks no HTTP gets 400', async () => {
    const socket = await connect();
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.write('MSH|^~\\&|\r\n\r\n');
    await closed(socket);
    assert.match(text, /^HTTP\/1\.1 400/);
  });
});

test('what was found in this way stays mended', async () => {
  for (const url of ['Patient/a%00b', 'Patient/a%00b/_history', 'Patient/a%00b/_history/1'])
    assertOutcome(await fhir('GET', url), 404, 'not-found');
  for (const url of ['Patient?_id=a%00', 'Patient?name:exact=%00', 'ValueSet?url:below=http://a%00'])
    assertOutcome(await fhir('GET', url), 400, 'value');
  const valueSet = { resourceType: 'ValueSet', status: 'draft', url: 'http://a\u0000' };
  assertOutcome(await fhir('POST', 'ValueSet', valueSet), 400, 'value', 'ValueSet.url');
  const cursor = (parts: string[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  assertOutcome(await fhir('GET', `Patient?_sort=birthdate&_cursor=${cursor(['1', 'abc'])}`), 400, 'value', '_cursor');
  // A reference to what R4 has no type for.
  const observation = {
    resourceType: 'Observation',
    id: 'foo',
    status: 'final',
    code: { text: 'x' },
    subject: { reference: 'Foo/1' },
  };
  assert.equal((await fhir('PUT', 'Observation/foo', observation)).status, 201);
  assert.equal((await fhir('GET', 'Observation?_include=Observation:subject')).status, 200);
  const metadata = { resourceType: 'Patient', id: 'metadata' };
  assert.equal((await fhir('PUT', 'Patient/metadata', metadata)).status, 201);
  assert.equal((await fhir('GET', 'Patient/metadata')).json.id, 'metadata');
});

test('requests of a Bundle that no single request could be', async () => {
  const run = (entry: object) => fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [entry] });
  const resource = { resourceType: 'Patient', id: 'p' };
  assertOutcome(
    await run({ request: { method: 'PUT', url: 'Patient/p/_history/1' }, resource }),
    400,
    'invalid',
    'Bundle.entry[0].request.url',
  );
  assertOutcome(
    await run({ request: { method: 'DELETE', url: 'Patient/p?active=true' } }),
    400,
    'invalid',
    'Bundle.entry[0].request.url',
  );
  assertOutcome(
    await run({ request: { method: 'GET', url: 'Patient/p/_history/99999999999' } }),
    404,
    'not-found',
    'Bundle.entry[0].request.url',
  );
  const put = () => ({
    request: { method: 'PUT', url: 'Patient?identifier=twice' },
    resource: { resourceType: 'Patient', identifier: [{ value: 'twice' }] },
  });
  const twice = { resourceType: 'Bundle', type: 'transaction', entry: [put(), put()] };
  assertOutcome(await fhir('POST', '', twice), 400, 'invalid', 'Bundle.entry[1]');
});
