// What comes in which format, and what is refused: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/nd-json.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { startTestServer, type TestServer } from './server.ts';
import { assertIssue, createWire, identifiedXml, jsonOf, type WireReply } from './wire.ts';

const jsonType = 'application/fhir+json; charset=utf-8';
const sendXml = { 'content-type': 'application/fhir+xml' };

let server: TestServer;
let call: ReturnType<typeof createWire>;
before(async () => {
  server = await startTestServer();
  call = createWire(server.fhirBaseUrl);
});
after(() => server?.stop());

describe('what is refused by type', () => {
  for (const type of [
    'text/plain',
    'application/fhir+ndjson',
    'application/fhir+xml; fhirVersion=3.0',
    'application/fhir+json; charset=latin1',
  ]) {
    test(`415 for Content-Type ${type}`, async () => {
      const reply = await call('POST', '/Patient', { 'content-type': type }, '{"resourceType":"Patient"}');
      assert.equal(reply.status, 415);
      assertIssue(
        jsonOf(reply),
        'not-supported',
        /is not read: send application\/fhir\+json or application\/fhir\+xml/,
        'Content-Type',
      );
    });
  }

  for (const accept of ['text/turtle', 'application/fhir+json; fhirVersion=5.0', 'application/fhir+json;q=0']) {
    test(`406 for Accept ${accept}, before anything is written`, async () => {
      const reply = await call(
        'PUT',
        '/Basic/refused',
        { 'content-type': 'application/json', accept },
        '{"resourceType":"Basic","id":"refused","code":{"text":"x"}}',
      );
      assert.equal(reply.status, 406);
      assertIssue(jsonOf(reply), 'not-supported', /None of the types in Accept is offered/, 'Accept');
      assert.equal((await call('GET', '/Basic/refused')).status, 404);
    });
  }

  test('406 for another _format, also in a form', async () => {
    const inUrl = await call('GET', '/Patient?_format=turtle', { accept: 'application/fhir+json' });
    assert.equal(inUrl.status, 406);
    assertIssue(jsonOf(inUrl), 'not-supported', /_format 'turtle' is not offered: json, xml, ndjson are/, '_format');
    const inForm = await call(
      'POST',
      '/Patient/_search',
      { 'content-type': 'application/x-www-form-urlencoded' },
      '_format=turtle',
    );
    assert.equal(inForm.status, 406);
    assertIssue(jsonOf(inForm), 'not-supported', /_format 'turtle'/, '_format');
  });
});

test('_pretty: lines in JSON and XML, decimals with their digits', async () => {
  await call('PUT', '/Observation/pretty', sendXml, identifiedXml('pretty'));
  const json = await call('GET', '/Observation/pretty?_pretty=true');
  assert.equal(json.headers['content-type'], jsonType);
  const lines = String(json.bytes).split('\n');
  assert.deepEqual(lines.slice(0, 2), ['{', '  "resourceType": "Observation",']);
  assert.ok(lines.includes('    "value": 6.10,'));
  const xml = await call('GET', '/Observation/pretty?_pretty=true&_format=xml');
  assert.ok(String(xml.bytes).split('\n').includes('    <value value="6.10"/>'));
  const plain = await call('GET', '/Observation/pretty?_pretty=false');
  assert.equal(String(plain.bytes).includes('\n  '), false);
});

test('fhirVersion is told where it was asked for', async () => {
  const reply = await call('GET', '/metadata', { accept: 'application/fhir+xml; fhirVersion=4.0' });
  assert.equal(reply.headers['content-type'], 'application/fhir+xml; fhirVersion=4.0; charset=utf-8');
  // It asks for no line breaks: the same bytes, of a read and of a search.
  for (const path of ['/Observation/pretty', '/Observation?_id=pretty', '/Observation/never']) {
    const versioned = await call('GET', path, { accept: 'application/fhir+json; fhirVersion=4.0' });
    assert.equal(versioned.headers['content-type'], 'application/fhir+json; fhirVersion=4.0; charset=utf-8');
    const plain = await call('GET', path, { accept: 'application/fhir+json' });
    assert.equal(String(versioned.bytes), String(plain.bytes), path);
    const pretty = await call('GET', `${path}${path.includes('?') ? '&' : '?'}_pretty=true`, {
      accept: 'application/fhir+json; fhirVersion=4.0',
    });
    assert.match(String(pretty.bytes), /^\{\n {2}"resourceType"/);
  }
});

test('the CapabilityStatement lists the formats that are served', async () => {
  const { format } = jsonOf(await call('GET', '/metadata'));
  assert.deepEqual(format, ['application/fhir+json', 'application/fhir+xml', 'application/fhir+ndjson', 'json', 'xml']);
  for (const one of format as string[]) {
    const reply = await call('GET', `/Patient?_format=${encodeURIComponent(one)}`);
    assert.equal(reply.status, 200, one);
  }
});

describe('NDJSON', () => {
  const linesOf = (reply: WireReply): Resource[] => {
    const text = String(reply.bytes);
    assert.equal(reply.headers['content-type'], 'application/fhir+ndjson; charset=utf-8');
    assert.ok(text === '' || text.endsWith('\n'));
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Resource);
  };
  const next = (reply: WireReply): string | undefined =>
    /<([^>]*)>; rel="next"/.exec(reply.headers.link ?? '')?.[1]?.slice(server.fhirBaseUrl.length);

  before(async () => {
    const entry = Array.from({ length: 7 }, (_, n) => ({
      resource: { resourceType: 'Organization', id: `line${n}`, name: `a\nb${n}` },
      request: { method: 'PUT', url: `Organization/line${n}` },
    }));
    const reply = await call(
      'POST',
      '',
      { 'content-type': 'application/json' },
      JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
    );
    assert.equal(reply.status, 200);
  });

  test('a search: one resource a line, the next page by Link', async () => {
    const found: string[] = [];
    let pages = 0;
    for (
      let path: string | undefined = '/Organization?_count=3&_sort=_id&_format=ndjson';
      path !== undefined;
      pages++
    ) {
      const reply = await call('GET', path);
      assert.equal(reply.status, 200);
      found.push(...linesOf(reply).map((resource) => resource.id ?? ''));
      path = next(reply);
    }
    assert.equal(pages, 3);
    assert.deepEqual(
      found,
      Array.from({ length: 7 }, (_, n) => `line${n}`),
    );
  });

  test('history, a single resource, nothing found, and an error', async () => {
    const accept = { accept: 'application/fhir+ndjson' };
    await call('DELETE', '/Organization/line6');
    const history = linesOf(await call('GET', '/Organization/line6/_history', accept));
    assert.deepEqual(
      history.map((resource) => resource.meta?.versionId),
      ['1'],
    );
    assert.deepEqual(
      linesOf(await call('GET', '/Organization/line0', accept)).map((one) => one.name),
      ['a\nb0'],
    );
    assert.deepEqual(linesOf(await call('GET', '/Organization?name=nobody', accept)), []);
    const error = await call('GET', '/Organization/none', accept);
    assert.deepEqual([error.status, error.headers['content-type']], [404, jsonType]);
  });
});
