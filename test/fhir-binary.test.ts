// Binary in its native content type: https://hl7.org/fhir/R4/binary.html#rest
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests({ BODY_BYTES_MAX: '3000000' });

const pdf = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 256);
const FHIR_JSON = { Accept: 'application/fhir+json' };

/** The answer as bytes. */
async function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(`${fhir.base}/${path}`, { method, headers });
  return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
}

async function store(body: string | Uint8Array, type: string, headers: Record<string, string> = {}): Promise<string> {
  const reply = await fhir('POST', 'Binary', body, { 'Content-Type': type, ...headers });
  assert.equal(reply.status, 201, reply.text);
  assert.equal(reply.text, '');
  return /\/(Binary\/[^/]+)\/_history\/1$/.exec(reply.headers.get('location')!)![1]!;
}

describe('content', () => {
  test('comes back byte for byte with its type, harmless to browsers', async () => {
    const path = await store(pdf, 'application/pdf');
    for (const accept of [
      undefined,
      '*/*',
      'application/pdf',
      'image/png',
      'text/html,application/xml;q=0.9,*/*;q=0.8',
    ]) {
      const reply = await get(path, accept === undefined ? {} : { Accept: accept });
      assert.equal(reply.status, 200, accept);
      assert.equal(reply.headers.get('content-type'), 'application/pdf');
      assert.deepEqual(reply.bytes, pdf);
      assert.equal(reply.headers.get('etag'), 'W/"1"');
      assert.ok(reply.headers.get('last-modified'));
      assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
      assert.match(reply.headers.get('content-security-policy')!, /^sandbox; default-src 'none'/);
      assert.equal(reply.headers.get('content-disposition'), 'attachment');
    }
  });

  test('HEAD tells its size, 304 that it is the same', async () => {
    const path = await store(pdf, 'application/pdf');
    const head = await get(path, {}, 'HEAD');
    assert.deepEqual([head.status, head.bytes.length], [200, 0]);
    assert.equal(head.headers.get('content-length'), '1000');
    assert.equal((await get(path, { 'If-None-Match': 'W/"1"' })).status, 304);
  });

  test('is the resource for who asks for FHIR', async () => {
    const path = await store(pdf, 'application/pdf');
    const wanted = [
      [path, FHIR_JSON],
      [path, { Accept: 'application/fhir+json, */*;q=0.5' }],
      [path, { Accept: 'application/json' }],
      [`${path}?_format=json`, {}],
      [`${path}?_format=application/json`, { Accept: 'application/pdf' }],
    ] as const;
    for (const [url, headers] of wanted) {
      const reply = await fhir('GET', url, undefined, headers);
      assert.equal(reply.headers.get('content-type'), 'application/fhir+json; charset=utf-8', JSON.stringify(headers));
      assert.equal(reply.json.contentType, 'application/pdf');
      assert.deepEqual(new Uint8Array(Buffer.from(reply.json.data as string, 'base64')), pdf);
    }
    const xml = await get(path, { Accept: 'application/fhir+xml' });
    assert.match(new TextDecoder().decode(xml.bytes), /<Binary xmlns="http:\/\/hl7.org\/fhir">/);
    assert.equal((await get(`${path}?_format=nonsense`)).status, 406);
    assert.deepEqual((await get(path, { Accept: 'application/pdf, application/fhir+json;q=0.1' })).bytes, pdf);
    const summary = await fhir('GET', `${path}?_summary=true`, undefined, FHIR_JSON);
    assert.deepEqual([summary.json.contentType, summary.json.data], ['application/pdf', undefined]);
  });

  test('is answered as the resource to a client that names FHIR in Accept', async () => {
    const data = Buffer.from('hello').toString('base64');
    const type = { 'Content-Type': 'text/plain' };
    const shown = [
      ['Binary', { Accept: 'application/fhir+json, */*; q=0.1' }],
      ['Binary', FHIR_JSON],
      ['Binary?_format=json', {}],
    ] as const;
    for (const [url, headers] of shown) {
      const reply = await fhir('POST', url, 'hello', { ...type, ...headers });
      assert.deepEqual([reply.status, reply.json.contentType, reply.json.data], [201, 'text/plain', data]);
      assert.equal(reply.headers.get('location'), `${fhir.base}/Binary/${reply.json.id}/_history/1`);
    }
    const bare: Record<string, string>[] = [
      { Accept: 'text/plain, application/fhir+json;q=0' },
      { Accept: 'application/json' },
      { ...FHIR_JSON, Prefer: 'return=minimal' },
    ];
    for (const headers of bare) {
      const reply = await fhir('POST', 'Binary', 'hello', { ...type, ...headers });
      assert.deepEqual([reply.status, reply.text], [201, ''], JSON.stringify(headers));
    }
    const put = await fhir('PUT', 'Binary/b-put', 'hello', { ...type, ...FHIR_JSON });
    assert.deepEqual([put.status, put.json.id, put.json.data], [201, 'b-put', data]);
  });

  test('of a kind that a generic type names comes as it is', async () => {
    const path = await store('{"a":1.00}', 'application/vnd.example+json');
    const reply = await fhir('GET', path, undefined, { Accept: 'application/json' });
    assert.deepEqual([reply.headers.get('content-type'), reply.text], ['application/vnd.example+json', '{"a":1.00}']);
  });

  test('is replaced by PUT, and each version is kept', async () => {
    const type = { 'Content-Type': 'text/plain; charset=utf-8' };
    const first = await fhir('PUT', 'Binary/note', 'eins', type);
    assert.deepEqual([first.status, first.text, first.headers.get('etag')], [201, '', 'W/"1"']);
    const shown = await fhir('PUT', 'Binary/note', 'zwei', { ...type, Prefer: 'return=representation' });
    assert.deepEqual([shown.status, shown.json.id, shown.json.data], [200, 'note', 'endlaQ==']);
    assert.equal(new TextDecoder().decode((await get('Binary/note')).bytes), 'zwei');
    const old = await get('Binary/note/_history/1');
    assert.deepEqual(
      [new TextDecoder().decode(old.bytes), old.headers.get('content-type')],
      ['eins', 'text/plain; charset=utf-8'],
    );
    assertOutcome(await fhir('PUT', 'Binary/note', 'x', { ...type, 'If-Match': 'W/"1"' }), 412, 'conflict');
    const inBundle = entries(await fhir('GET', 'Binary/note/_history'));
    assert.equal(inBundle[0]!.resource!.data, 'endlaQ==');
  });

  test('has its security context in a header, both ways', async () => {
    const path = await store('x', 'text/plain', { 'X-Security-Context': 'DocumentReference/1' });
    assert.equal((await get(path)).headers.get('x-security-context'), 'DocumentReference/1');
    const { json } = await fhir('GET', path, undefined, FHIR_JSON);
    assert.deepEqual(json.securityContext, { reference: 'DocumentReference/1' });
    const wrong = { 'Content-Type': 'text/plain', 'X-Security-Context': 'somebody' };
    assertOutcome(await fhir('POST', 'Binary', 'x', wrong), 400, 'invalid', 'X-Security-Context');
  });

  test('a script stored as HTML is served as what can’t run', async () => {
    const path = await store('<script>alert(1)</script>', 'text/html');
    const { headers } = await get(path, { Accept: 'text/html' });
    assert.equal(headers.get('content-type'), 'text/html');
    assert.match(headers.get('content-security-policy')!, /^sandbox;/);
    assert.equal(headers.get('content-disposition'), 'attachment');
  });
});

describe('resources', () => {
  const binary = { resourceType: 'Binary', contentType: 'application/pdf', data: 'JVBERi0=' };

  test('posted as FHIR are themselves', async () => {
    const reply = await fhir('POST', 'Binary', binary);
    assert.deepEqual([reply.status, reply.json.data], [201, 'JVBERi0=']);
    const plain = await fhir('POST', 'Binary', binary, { 'Content-Type': 'application/json' });
    assert.equal(plain.json.contentType, 'application/pdf');
    const xml = '<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="eHg="/></Binary>';
    const fromXml = await fhir('POST', 'Binary', xml, { 'Content-Type': 'application/fhir+xml' });
    assert.equal(fromXml.json.contentType, 'text/plain');
    assert.equal(new TextDecoder().decode((await get(`Binary/${fromXml.json.id}`)).bytes), 'xx');
  });

  test('of another type are content', async () => {
    const patient = '{"resourceType":"Patient","active":true}';
    const path = await store(patient, 'application/fhir+json');
    const { json } = await fhir('GET', path, undefined, FHIR_JSON);
    assert.equal(json.contentType, 'application/fhir+json');
    assert.equal(Buffer.from(json.data as string, 'base64').toString(), patient);
  });

  test('with a type that is no header are served as bytes', async () => {
    const path = `Binary/${(await fhir('POST', 'Binary', { ...binary, contentType: 'text/x y' })).json.id}`;
    const reply = await get(path);
    assert.deepEqual([reply.status, reply.headers.get('content-type')], [200, 'application/octet-stream']);
  });
});

describe('refusals', () => {
  test('nothing at all, FHIR that isn’t, too much, a type that is none', async () => {
    assertOutcome(await fhir('POST', 'Binary', '', { 'Content-Type': 'application/pdf' }), 400, 'required');
    assertOutcome(await fhir('POST', 'Binary', '{"resourceType":"Binary",'), 400, 'structure');
    assertOutcome(await fhir('POST', 'Binary', { resourceType: 'Binary' }), 400, 'required', 'Binary.contentType');
    const large = new Uint8Array(3_000_001);
    assertOutcome(await fhir('POST', 'Binary', large, { 'Content-Type': 'image/png' }), 413, 'too-long');
    assertOutcome(await fhir('POST', 'Binary', 'x', { 'Content-Type': 'nonsense' }), 400, 'invalid', 'Content-Type');
    const most = await fhir('POST', 'Binary', large.subarray(1), { 'Content-Type': 'image/png' });
    assert.equal(most.status, 201);
    const back = await get(/Binary\/[^/]+/.exec(most.headers.get('location')!)![0]);
    assert.equal(back.bytes.length, 3_000_000);
  });

  test('without a Content-Type it is just bytes', async () => {
    const response = await fetch(`${fhir.base}/Binary`, { method: 'POST', body: pdf });
    assert.equal(response.status, 201);
    const reply = await get(/Binary\/[^/]+/.exec(response.headers.get('location')!)![0]);
    assert.deepEqual([reply.headers.get('content-type'), reply.bytes], ['application/octet-stream', pdf]);
  });
});
