// JSON, XML and NDJSON over HTTP: https://hl7.org/fhir/R4/http.html#mime-type
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createXmlCodec, loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { startTestServer, type TestServer } from './server.ts';
import {
  assertIssue,
  createWire,
  type IssueShape,
  identifiedXml,
  jsonOf,
  fhirNamespace as ns,
  observationXml,
  type WireReply,
} from './wire.ts';

const codec = createXmlCodec(await loadDefinitions());

const xmlType = 'application/fhir+xml; charset=utf-8';
const jsonType = 'application/fhir+json; charset=utf-8';
const bodyBytesMax = 8 * 1024 * 1024;

let server: TestServer;
let call: ReturnType<typeof createWire>;
before(async () => {
  server = await startTestServer({ BODY_BYTES_MAX: String(bodyBytesMax) });
  call = createWire(server.fhirBaseUrl);
});
after(() => server?.stop());

function xmlOf(reply: WireReply): Promise<Resource> {
  assert.equal(reply.headers['content-type'], xmlType, String(reply.bytes).slice(0, 500));
  return codec.read(String(reply.bytes));
}

const observation = {
  resourceType: 'Observation',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>K&#160;&lt; 3 &amp; more</p></div>' },
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
  effectiveDateTime: '2024-01-02',
  _effectiveDateTime: { extension: [{ url: 'http://e.example/x', valueString: 'a"b\nc' }] },
  valueQuantity: { id: 'v', value: 6.1, unit: 'mmol/L' },
};

const sendXml = { 'content-type': 'application/fhir+xml' };
const bothXml = { ...sendXml, accept: 'application/fhir+xml' };

describe('XML', () => {
  test('goes in, is stored as JSON with all of its digits, and comes out as JSON and as XML', async () => {
    const created = await call('PUT', '/Observation/x1', sendXml, identifiedXml('x1'));
    assert.equal(created.status, 201);
    assert.equal(created.headers['content-type'], jsonType);
    const read = await call('GET', '/Observation/x1');
    assert.match(String(read.bytes), /"value":6\.10,/);
    const { id, meta: _meta, ...rest } = jsonOf(read);
    assert.equal(id, 'x1');
    assert.deepEqual(rest, observation);
    const asXml = await call('GET', '/Observation/x1', { accept: 'application/fhir+xml' });
    assert.match(String(asXml.bytes), /<value value="6\.10"\/>/);
    assert.deepEqual(await xmlOf(asXml), parseJson(String(read.bytes)).exact);
    assert.deepEqual(
      [asXml.status, asXml.headers.etag, asXml.headers['last-modified'], asXml.headers.vary],
      [200, read.headers.etag, read.headers['last-modified'], 'Accept, Accept-Encoding'],
    );
    // And in again, unchanged.
    const again = await call('PUT', '/Observation/x1', bothXml, asXml.bytes);
    assert.equal(again.status, 200);
    const { meta: newMeta, ...same } = await xmlOf(again);
    const { meta: oldMeta, ...before } = parseJson(String(read.bytes)).exact as Resource;
    assert.deepEqual(same, before);
    assert.deepEqual([oldMeta?.versionId, newMeta?.versionId], ['1', '2']);
  });

  test('on every interaction', async () => {
    await call(
      'PUT',
      '/Basic/every',
      { 'content-type': 'application/json' },
      '{"resourceType":"Basic","id":"every","code":{"text":"x"}}',
    );
    const expected: [string, string][] = [
      ['/Basic/every', 'Basic'],
      ['/Basic/every/_history/1', 'Basic'],
      ['/Basic/every/_history', 'Bundle'],
      ['/Basic/_history', 'Bundle'],
      ['/_history', 'Bundle'],
      ['/Basic?_id=every', 'Bundle'],
      ['/metadata', 'CapabilityStatement'],
    ];
    for (const [path, type] of expected) {
      const parameter = `${path.includes('?') ? '&' : '?'}_format=xml`;
      const [json, xml] = await Promise.all([
        call('GET', `${path}${parameter.replace('xml', 'json')}`),
        call('GET', path + parameter),
      ]);
      assert.equal(xml.status, 200, path);
      const tree = await xmlOf(xml);
      assert.equal(tree.resourceType, type, path);
      // The links tell which of the two they are.
      const sameLinks = String(json.bytes).replaceAll('_format=json', '_format=xml');
      assert.deepEqual(tree, parseJson(sameLinks).exact, path);
    }
    const searched = await call(
      'POST',
      '/Basic/_search',
      { 'content-type': 'application/x-www-form-urlencoded' },
      '_id=every&_format=xml',
    );
    assert.equal(((await xmlOf(searched)).entry as unknown[]).length, 1);
    const deleted = await call('DELETE', '/Basic/every', { accept: 'text/xml', prefer: 'return=OperationOutcome' });
    assert.equal((await xmlOf(deleted)).resourceType, 'OperationOutcome');
  });

  test('as a transaction, answered in XML', async () => {
    const bundle =
      `<Bundle ${ns}><type value="transaction"/>` +
      '<entry><fullUrl value="urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"/><resource><Patient><name><family value="Doe"/></name></Patient></resource><request><method value="POST"/><url value="Patient"/></request></entry>' +
      '<entry><resource><Observation><status value="final"/><code><text value="x"/></code><subject><reference value="urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"/></subject><valueQuantity><value value="1.0"/></valueQuantity></Observation></resource><request><method value="POST"/><url value="Observation"/></request></entry></Bundle>';
    const reply = await call('POST', '', bothXml, bundle);
    assert.equal(reply.status, 200);
    const response = await xmlOf(reply);
    assert.equal(response.type, 'transaction-response');
    const [patient, stored] = (response.entry as unknown as { response: { status: string; location: string } }[]).map(
      (entry) => entry.response,
    );
    assert.equal(stored?.status, '201 Created');
    const path = (location: string | undefined) => `/${/(\w+\/[^/]+)\/_history\/1$/.exec(location ?? '')?.[1]}`;
    const read = await call('GET', path(stored?.location));
    assert.match(String(read.bytes), /"value":1\.0}/);
    assert.deepEqual(jsonOf(read).subject, { reference: path(patient?.location).slice(1) });
  });

  test('as a FHIRPath Patch and as the input of operations', async () => {
    await call(
      'PUT',
      '/Patient/patched',
      sendXml,
      `<Patient ${ns}><id value="patched"/><active value="true"/></Patient>`,
    );
    const part = (name: string, value: string) => `<part><name value="${name}"/>${value}</part>`;
    const patch =
      `<Parameters ${ns}><parameter><name value="operation"/>${part('type', '<valueCode value="replace"/>')}` +
      `${part('path', '<valueString value="Patient.active"/>')}${part('value', '<valueBoolean value="false"/>')}</parameter></Parameters>`;
    const patched = await call('PATCH', '/Patient/patched', bothXml, patch);
    assert.equal(patched.status, 200);
    assert.equal((await xmlOf(patched)).active, false);
    const tag = `<Parameters ${ns}><parameter><name value="meta"/><valueMeta><tag><code value="t"/></tag></valueMeta></parameter></Parameters>`;
    const tagged = await xmlOf(await call('POST', '/Patient/patched/$meta-add', bothXml, tag));
    const [result] = tagged.parameter as unknown as { name: string; valueMeta: { versionId: string; tag: object[] } }[];
    assert.deepEqual(
      [result?.name, result?.valueMeta.versionId, result?.valueMeta.tag],
      ['return', '3', [{ code: 't' }]],
    );
    const converted = await call('POST', '/$convert', sendXml, observationXml);
    assert.equal(converted.headers['content-type'], jsonType);
    assert.deepEqual(jsonOf(converted), observation);
  });

  test('is checked like JSON, and its errors are XML where XML is wanted', async () => {
    const missing = await call(
      'POST',
      '/Observation',
      bothXml,
      `<Observation ${ns}><status value="nope"/></Observation>`,
    );
    assert.equal(missing.status, 400);
    const issues = (await xmlOf(missing)).issue as unknown as IssueShape[];
    assert.deepEqual(
      issues.map(({ code, expression }) => [code, expression?.[0]]),
      [
        ['code-invalid', 'Observation.status'],
        ['required', 'Observation.code'],
      ],
    );
    const wrongType = await call('POST', '/Patient', bothXml, observationXml);
    assert.equal(wrongType.status, 400);
    assert.equal((await xmlOf(wrongType)).resourceType, 'OperationOutcome');
    for (const [path, status] of [
      ['/Nope', 404],
      ['/Patient/not-there', 404],
      ['/Patient/1/2/3/4/5', 404],
      ['/Patient?_count=x', 400],
      ['/%zz', 400],
    ] as const) {
      const reply = await call('GET', path, { accept: 'application/fhir+xml' });
      assert.equal(reply.status, status, path);
      assert.equal((await xmlOf(reply)).resourceType, 'OperationOutcome', path);
    }
  });

  const bad: [string, string, string, RegExp, string?][] = [
    ['cut', `<Patient ${ns}><name>`, 'structure', /line 1, column \d+: unclosed tag: name/, 'Patient.name[0]'],
    [
      'unknown element',
      `<Patient ${ns}>\n<nmae/></Patient>`,
      'structure',
      /no element <nmae> in Patient, at line 2, column 1/,
      'Patient',
    ],
    [
      'billion laughs',
      `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Patient ${ns}><gender value="&b;"/></Patient>`,
      'structure',
      /document type declaration \(DTD\) is not allowed/,
    ],
    [
      'external entity',
      `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><Patient ${ns}><gender value="&a;"/></Patient>`,
      'structure',
      /document type declaration/,
    ],
    [
      'depth 100,000',
      `<Patient ${ns}>${'<extension url="u">'.repeat(100_000)}`,
      'structure',
      /Nested deeper than 100 levels/,
    ],
    ['JSON', '{"resourceType":"Patient"}', 'structure', /text data outside of root node/],
    ['nothing', '', 'structure', /no body/],
    ['NUL', `<Patient ${ns}><gender value="\0"/></Patient>`, 'structure', /disallowed character/, 'Patient'],
  ];
  for (const [name, body, code, diagnostics, expression] of bad) {
    test(`malformed: ${name}`, async () => {
      const reply = await call('POST', '/Patient', bothXml, body);
      assert.equal(reply.status, 400);
      assertIssue(await xmlOf(reply), code, diagnostics, expression);
    });
  }

  test('malformed: no UTF-8', async () => {
    const latin1 = Buffer.from(
      `<?xml version="1.0" encoding="ISO-8859-1"?><Patient ${ns}><name><family value="Müller"/></name></Patient>`,
      'latin1',
    );
    const reply = await call('POST', '/Patient', sendXml, latin1);
    assert.equal(reply.status, 400);
    assertIssue(jsonOf(reply), 'structure', /not valid UTF-8/);
  });

  test('a narrative that is not well-formed makes a well-formed document', async () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a&nbsp;b<br>c</div>';
    const body = { resourceType: 'Basic', id: 'narrative', text: { status: 'generated', div }, code: { text: 'x' } };
    const put = await call('PUT', '/Basic/narrative', { 'content-type': 'application/json' }, JSON.stringify(body));
    assert.equal(put.status, 201);
    const read = await xmlOf(await call('GET', '/Basic/narrative', { accept: 'application/fhir+xml' }));
    assert.deepEqual(read.text, {
      status: 'generated',
      div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>a\u00a0b<br/>c</p></div>',
    });
  });

  test('the deepest resource that is let in comes out in a Bundle as well', async () => {
    const nested = (levels: number): string =>
      levels === 0 ? '"valueString":"x"' : `"extension":[{"url":"u",${nested(levels - 1)}}]`;
    const body = `{"resourceType":"Basic","id":"deep","code":{"text":"deep"},${nested(49)}}`;
    const put = await call('PUT', '/Basic/deep', { 'content-type': 'application/json' }, body);
    assert.equal(put.status, 201);
    for (const format of ['xml', 'ndjson', 'json&_pretty=true']) {
      const found = await call('GET', `/Basic?_id=deep&_format=${format}`);
      assert.equal(found.status, 200, format);
      assert.match(String(found.bytes), /valueString/);
    }
  });
});

test('a document as large as allowed is read while others are answered', async () => {
  const entry =
    '<entry><resource><Basic><code><text value="x"/></code></Basic></resource><request><method value="POST"/><url value="Nope"/></request></entry>';
  const head = `<Bundle ${ns}><type value="batch"/>`;
  const count = 9_000;
  const filler = `<!--${' '.repeat(bodyBytesMax - head.length - '</Bundle>'.length - entry.length * count - 7)}-->`;
  const large = `${head}${filler}${entry.repeat(count)}</Bundle>`;
  assert.equal(large.length, bodyBytesMax);
  const sent = call('POST', '', sendXml, large);
  const meanwhile = await Promise.all(Array.from({ length: 20 }, () => call('GET', '/Basic/small')));
  assert.ok(meanwhile.every((reply) => reply.status === 200 || reply.status === 404));
  const reply = await sent;
  assert.equal(reply.status, 200);
  assert.equal((jsonOf(reply).entry as unknown[]).length, count);
  const more = await call('POST', '', sendXml, `${large} `);
  assert.equal(more.status, 413);
});
