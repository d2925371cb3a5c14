// https://hl7.org/fhir/R4/http.html#compression
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { startTestServer, type TestServer } from './server.ts';
import { assertIssue, createWire, jsonOf, observationXml } from './wire.ts';

const bodyBytesMax = 8 * 1024 * 1024;
const sendXml = { 'content-type': 'application/fhir+xml' };

let server: TestServer;
let call: ReturnType<typeof createWire>;
before(async () => {
  server = await startTestServer({ BODY_BYTES_MAX: String(bodyBytesMax) });
  call = createWire(server.fhirBaseUrl);
});
after(() => server?.stop());

describe('compressed answers', () => {
  const codings: [string, string | undefined, (bytes: Buffer) => Buffer][] = [
    ['gzip', 'gzip', gunzipSync],
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['br;q=0.1, gzip;q=0.2', 'gzip', gunzipSync],
    ['deflate', undefined, (bytes) => bytes],
    ['identity', undefined, (bytes) => bytes],
  ];
  for (const [accepted, coding, decode] of codings) {
    test(`Accept-Encoding ${accepted}: ${coding}`, async () => {
      for (const format of ['json', 'xml']) {
        const plain = await call('GET', `/metadata?_format=${format}`);
        const reply = await call('GET', `/metadata?_format=${format}`, { 'accept-encoding': accepted });
        assert.equal(reply.headers['content-encoding'], coding);
        assert.equal(reply.headers.vary, 'Accept, Accept-Encoding');
        assert.equal(Number(reply.headers['content-length']), reply.bytes.length);
        assert.equal(reply.headers['content-type'], plain.headers['content-type']);
        assert.ok(decode(reply.bytes).equals(plain.bytes));
        if (coding !== undefined) assert.ok(reply.bytes.length * 4 < plain.bytes.length);
      }
    });
  }

  test('HEAD has the headers of GET', async () => {
    const headers = { 'accept-encoding': 'gzip' };
    const [get, head] = await Promise.all([call('GET', '/metadata', headers), call('HEAD', '/metadata', headers)]);
    for (const name of ['content-encoding', 'content-length', 'content-type', 'vary'])
      assert.equal(head.headers[name], get.headers[name], name);
    assert.equal(head.bytes.length, 0);
  });

  test('what is small stays as it is; errors and answers without a body vary too', async () => {
    await call(
      'PUT',
      '/Basic/small',
      { 'content-type': 'application/json' },
      '{"resourceType":"Basic","id":"small","code":{"text":"x"}}',
    );
    const headers = { 'accept-encoding': 'gzip, br' };
    const small = await call('GET', '/Basic/small', headers);
    assert.equal(small.headers['content-encoding'], undefined);
    assert.equal(jsonOf(small).id, 'small');
    const unchanged = await call('GET', '/Basic/small', { ...headers, 'if-none-match': small.headers.etag ?? '' });
    assert.deepEqual(
      [unchanged.status, unchanged.headers.vary, unchanged.bytes.length],
      [304, 'Accept, Accept-Encoding', 0],
    );
    assert.equal((await call('GET', '/Basic/none', headers)).headers.vary, 'Accept, Accept-Encoding');
  });
});

describe('compressed requests', () => {
  const body = (id: string) =>
    Buffer.from(`{"resourceType":"Basic","id":"${id}","code":{"text":"${'x'.repeat(5000)}"}}`);
  const type = { 'content-type': 'application/fhir+json' };

  for (const [coding, encode] of [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ] as const) {
    test(`${coding} is read, JSON and XML`, async () => {
      const json = await call('PUT', `/Basic/${coding}`, { ...type, 'content-encoding': coding }, encode(body(coding)));
      assert.equal(json.status, 201, String(json.bytes).slice(0, 300));
      const xml = await call(
        'POST',
        '/Observation',
        { ...sendXml, 'content-encoding': coding },
        encode(Buffer.from(observationXml)),
      );
      assert.equal(xml.status, 201);
    });

    test(`a ${coding} bomb gets 413`, async () => {
      const bomb = encode(Buffer.alloc(bodyBytesMax + 1, ' '));
      assert.ok(bomb.length < 20_000);
      const reply = await call('POST', '/Basic', { ...type, 'content-encoding': coding }, bomb);
      assert.equal(reply.status, 413);
      assertIssue(jsonOf(reply), 'too-long', /larger than 8388608 bytes/);
    });
  }

  test('other codings get 415 with what is read, damaged data 400', async () => {
    const other = await call('POST', '/Basic', { ...type, 'content-encoding': 'zstd' }, body('a'));
    assert.deepEqual([other.status, other.headers['accept-encoding']], [415, 'gzip, deflate, br']);
    assertIssue(jsonOf(other), 'not-supported', /'zstd' is not read/, 'Content-Encoding');
    const damaged = await call('POST', '/Basic', { ...type, 'content-encoding': 'gzip' }, body('a'));
    assert.equal(damaged.status, 400);
    assertIssue(jsonOf(damaged), 'invalid', /not what its Content-Encoding says/);
  });
});
