// create, read, vread, update, delete, history over HTTP: https://hl7.org/fhir/R4/http.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient, entries, linkOf } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const patient = (family: string) => ({ resourceType: 'Patient', active: true, name: [{ family, given: ['Ada'] }] });

describe('create', () => {
  test('answers 201 with Location, ETag, Last-Modified and the stored resource', async () => {
    const reply = await fhir('POST', 'Patient', { ...patient('Lovelace'), id: 'ignored' });
    assert.equal(reply.status, 201);
    const { id, meta } = reply.json;
    assert.match(id ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(meta?.versionId, '1');
    assert.equal(reply.headers.get('location'), `${fhir.base}/Patient/${id}/_history/1`);
    assert.equal(reply.headers.get('etag'), 'W/"1"');
    assert.equal(reply.headers.get('last-modified'), new Date(meta!.lastUpdated!).toUTCString());
    assert.equal(reply.headers.get('content-type'), 'application/fhir+json; charset=utf-8');
    assert.deepEqual(Object.keys(reply.json).slice(0, 3), ['resourceType', 'id', 'meta']);
  });

  test('keeps tags and profiles of meta, and every digit of a decimal', async () => {
    const posted = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00},
      "meta":{"versionId":"9","lastUpdated":"1999-01-01T00:00:00Z","tag":[{"code":"t"}],"profile":["http://p"]},
      "component":[{"code":{"text":"y"},"valueQuantity":{"value":0.1000000000000000055}},{"code":{"text":"z"},"valueQuantity":{"value":1e3}}]}`;
    const reply = await fhir('POST', 'Observation', posted);
    assert.equal(reply.status, 201);
    assert.match(
      reply.text,
      /"meta":\{"versionId":"1","lastUpdated":"20[^"]+","tag":\[\{"code":"t"\}\],"profile":\["http:\/\/p"\]\}/,
    );
    assert.match(reply.text, /"value":1\.00\}/);
    assert.match(reply.text, /"value":0\.1000000000000000055\}/);
    assert.match(reply.text, /"value":1e3\}/);
    const read = await fhir('GET', `Observation/${reply.json.id}`);
    assert.equal(read.text, reply.text);
  });

  test('Prefer chooses what comes back', async () => {
    const minimal = await fhir('POST', 'Patient', patient('A'), { Prefer: 'return=minimal' });
    assert.equal(minimal.status, 201);
    assert.equal(minimal.text, '');
    assert.match(minimal.headers.get('location') ?? '', /\/Patient\/[^/]+\/_history\/1$/);
    const outcome = await fhir('POST', 'Patient', patient('A'), { Prefer: 'return=OperationOutcome' });
    assert.equal(outcome.status, 201);
    assert.equal(outcome.json.resourceType, 'OperationOutcome');
  });

  test('conditional create: creates, finds, refuses several', async () => {
    const body = { ...patient('Cond'), identifier: [{ system: 'urn:c', value: '1' }] };
    const condition = { 'If-None-Exist': 'identifier=urn:c|1' };
    const first = await fhir('POST', 'Patient', body, condition);
    assert.equal(first.status, 201);
    const second = await fhir('POST', 'Patient', body, condition);
    assert.equal(second.status, 200);
    assert.equal(second.json.id, first.json.id);
    await fhir('POST', 'Patient', body);
    assertOutcome(await fhir('POST', 'Patient', body, condition), 412, 'multiple-matches');
    const unknown = { 'If-None-Exist': 'identifer=urn:c|1' };
    assertOutcome(await fhir('POST', 'Patient', body, unknown), 400, 'not-supported');
  });

  test('refuses what is no valid resource, naming the element', async () => {
    const bad = await fhir('POST', 'Patient', { resourceType: 'Patient', gender: 'unknwon' });
    assertOutcome(bad, 400, 'code-invalid', 'Patient.gender');
    assertOutcome(await fhir('POST', 'Patient', { resourceType: 'Patient', nme: [] }), 400, 'structure');
    assertOutcome(
      await fhir('POST', 'Observation', { resourceType: 'Observation', status: 'final' }),
      400,
      'required',
      'Observation.code',
    );
    assertOutcome(await fhir('POST', 'Patient', { resourceType: 'Observation' }), 400, 'invalid');
    assertOutcome(await fhir('POST', 'Patient', '{"resourceType":"Patient",'), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient', ''), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient', '[]'), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient', Uint8Array.of(0x7b, 0xff, 0x7d)), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient', `${'['.repeat(100_000)}`), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patent', patient('x')), 404, 'not-supported');
    assertOutcome(
      await fhir('POST', 'Patient', '<Patient/>', { 'Content-Type': 'application/fhir+xml' }),
      400,
      'structure',
    );
    assertOutcome(await fhir('POST', 'Patient', 'Patient', { 'Content-Type': 'text/plain' }), 415, 'not-supported');
    const proto = '{"resourceType":"Patient","__proto__":{"active":true}}';
    assertOutcome(await fhir('POST', 'Patient', proto), 400, 'structure');
  });
});

describe('read', () => {
  test('404 for what never was, 410 for what was deleted, 304 for what the client has', async () => {
    assertOutcome(await fhir('GET', 'Patient/never'), 404, 'not-found');
    const { json, headers } = await fhir('POST', 'Patient', patient('R'));
    const fresh = await fhir('GET', `Patient/${json.id}`, undefined, { 'If-None-Match': 'W/"1"' });
    assert.equal(fresh.status, 304);
    assert.equal(fresh.text, '');
    for (const method of ['GET', 'HEAD']) {
      const read = await fhir(method, `Patient/${json.id}`);
      assert.equal(read.headers.get('cache-control'), 'private, no-cache');
    }
    assert.equal(headers.get('cache-control'), null);
    const since = { 'If-Modified-Since': headers.get('last-modified')! };
    assert.equal((await fhir('GET', `Patient/${json.id}`, undefined, since)).status, 304);
    const old = { 'If-Modified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' };
    assert.equal((await fhir('GET', `Patient/${json.id}`, undefined, old)).status, 200);
    await fhir('DELETE', `Patient/${json.id}`);
    const gone = await fhir('GET', `Patient/${json.id}`);
    assertOutcome(gone, 410, 'deleted');
  });

  test('HEAD is GET without the body', async () => {
    const { json } = await fhir('POST', 'Patient', patient('Head'));
    const reply = await fhir('HEAD', `Patient/${json.id}`);
    assert.equal(reply.status, 200);
    assert.equal(reply.text, '');
    assert.equal(reply.headers.get('etag'), 'W/"1"');
  });
});

describe('update', () => {
  test('makes versions that vread keeps', async () => {
    const { json } = await fhir('POST', 'Patient', patient('V1'));
    const second = await fhir('PUT', `Patient/${json.id}`, { ...patient('V2'), id: json.id });
    assert.equal(second.status, 200);
    assert.equal(second.headers.get('etag'), 'W/"2"');
    assert.equal(second.headers.get('location'), `${fhir.base}/Patient/${json.id}/_history/2`);
    const first = await fhir('GET', `Patient/${json.id}/_history/1`);
    assert.deepEqual(first.json.name, patient('V1').name);
    assert.equal(first.headers.get('etag'), 'W/"1"');
    const current = await fhir('GET', `Patient/${json.id}/_history/2`);
    assert.deepEqual(current.json.name, patient('V2').name);
    assertOutcome(await fhir('GET', `Patient/${json.id}/_history/3`), 404, 'not-found');
    assertOutcome(await fhir('GET', `Patient/${json.id}/_history/x`), 404, 'not-found');
  });

  test('creates with the id of the client', async () => {
    const reply = await fhir('PUT', 'Patient/mine.1-A', { ...patient('Mine'), id: 'mine.1-A' });
    assert.equal(reply.status, 201);
    assert.equal(reply.json.meta?.versionId, '1');
    assertOutcome(await fhir('PUT', 'Patient/other', { ...patient('Mine'), id: 'mine' }), 400, 'invalid', 'Patient.id');
    assertOutcome(
      await fhir('PUT', 'Patient/no_good', { ...patient('Mine'), id: 'no_good' }),
      400,
      'invalid',
      'Resource.id',
    );
    assertOutcome(await fhir('PUT', 'Patient/abc', patient('NoId')), 400, 'invalid', 'Patient.id');
  });

  test('If-Match: 412 unless it is the current version', async () => {
    const { json } = await fhir('POST', 'Patient', patient('M'));
    const body = { ...patient('M2'), id: json.id };
    assert.equal((await fhir('PUT', `Patient/${json.id}`, body, { 'If-Match': 'W/"1"' })).status, 200);
    assertOutcome(await fhir('PUT', `Patient/${json.id}`, body, { 'If-Match': 'W/"1"' }), 412, 'conflict', 'If-Match');
    assertOutcome(
      await fhir('PUT', `Patient/${json.id}`, body, { 'If-Match': 'nonsense' }),
      400,
      'invalid',
      'If-Match',
    );
    assertOutcome(
      await fhir('PUT', 'Patient/not-there', { ...body, id: 'not-there' }, { 'If-Match': 'W/"1"' }),
      412,
      'conflict',
    );
    assert.equal((await fhir('GET', `Patient/${json.id}`)).json.meta?.versionId, '2');
  });

  test('after a deletion the versions go on', async () => {
    await fhir('PUT', 'Patient/phoenix', { ...patient('P1'), id: 'phoenix' });
    assert.equal((await fhir('DELETE', 'Patient/phoenix')).headers.get('etag'), 'W/"2"');
    const again = await fhir('PUT', 'Patient/phoenix', { ...patient('P3'), id: 'phoenix' });
    assert.equal(again.status, 201);
    assert.equal(again.json.meta?.versionId, '3');
    assertOutcome(await fhir('GET', 'Patient/phoenix/_history/2'), 410, 'deleted');
    const found = await fhir('GET', 'Patient?family=P3');
    assert.equal(found.json.total, 1);
  });

  test('replaces what searches find', async () => {
    await fhir('PUT', 'Patient/renamed', { ...patient('Before'), id: 'renamed', birthDate: '1970-01-01' });
    await fhir('PUT', 'Patient/renamed', { ...patient('After'), id: 'renamed', birthDate: '1971-01-01' });
    assert.equal((await fhir('GET', 'Patient?family=before')).json.total, 0);
    assert.equal((await fhir('GET', 'Patient?birthdate=1970-01-01')).json.total, 0);
    assert.equal((await fhir('GET', 'Patient?family=after&birthdate=1971-01-01')).json.total, 1);
  });

  test('16 at once on one resource: each its own version, none lost, the index right', async () => {
    await fhir('PUT', 'Patient/busy', { ...patient('Start'), id: 'busy' });
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) => fhir('PUT', 'Patient/busy', { ...patient(`Busy${i}`), id: 'busy' })),
    );
    const versions = replies.map((reply) => Number(reply.json.meta?.versionId)).sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      Array.from({ length: 16 }, (_, i) => i + 2),
    );
    const current = (await fhir('GET', 'Patient/busy')).json;
    assert.equal((await fhir('GET', 'Patient?family=busy&_count=50')).json.total, 1);
    const family = (current.name as unknown as { family: string }[])[0]!.family;
    assert.equal((await fhir('GET', `Patient?family:exact=${family}`)).json.total, 1);
    assert.equal(entries(await fhir('GET', 'Patient/busy/_history?_count=50')).length, 17);
  });

  test('16 at once create one resource of a new id', async () => {
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) => fhir('PUT', 'Patient/race', { ...patient(`Race${i}`), id: 'race' })),
    );
    assert.equal(replies.filter((reply) => reply.status === 201).length, 1);
    assert.equal(replies.filter((reply) => reply.status === 200).length, 15);
  });

  test('conditional update: creates, updates the one, refuses several', async () => {
    const body = { ...patient('CU'), identifier: [{ system: 'urn:cu', value: '1' }] };
    const first = await fhir('PUT', 'Patient?identifier=urn:cu|1', body);
    assert.equal(first.status, 201);
    const second = await fhir('PUT', 'Patient?identifier=urn:cu|1', body);
    assert.equal(second.status, 200);
    assert.equal(second.json.id, first.json.id);
    await fhir('POST', 'Patient', body);
    assertOutcome(await fhir('PUT', 'Patient?identifier=urn:cu|1', body), 412, 'multiple-matches');
    assertOutcome(await fhir('PUT', 'Patient', body), 400, 'value');
  });
});

describe('delete', () => {
  test('204, also when there is nothing; If-Match is honoured', async () => {
    const { json } = await fhir('POST', 'Patient', patient('D'));
    assertOutcome(await fhir('DELETE', `Patient/${json.id}`, undefined, { 'If-Match': 'W/"7"' }), 412, 'conflict');
    assert.equal((await fhir('DELETE', `Patient/${json.id}`)).status, 204);
    assert.equal((await fhir('DELETE', `Patient/${json.id}`)).status, 204);
    assert.equal((await fhir('DELETE', 'Patient/never-there')).status, 204);
    assert.equal((await fhir('GET', `Patient?_id=${json.id}`)).json.total, 0);
    assert.equal((await fhir('GET', `Patient/${json.id}/_history/1`)).status, 200);
  });

  test('conditional delete takes the one', async () => {
    const body = { ...patient('CD'), identifier: [{ system: 'urn:cd', value: '1' }] };
    const { json } = await fhir('POST', 'Patient', body);
    assert.equal((await fhir('DELETE', 'Patient?identifier=urn:cd|1')).status, 204);
    assertOutcome(await fhir('GET', `Patient/${json.id}`), 410, 'deleted');
    assert.equal((await fhir('DELETE', 'Patient?identifier=urn:cd|1')).status, 204);
    assertOutcome(await fhir('DELETE', 'Patient'), 400, 'value');
  });
});

describe('history', () => {
  test('of an instance: newest first, deletions without a resource, pages that neither skip nor repeat', async () => {
    await fhir('PUT', 'Device/h', { resourceType: 'Device', id: 'h', status: 'active' });
    await fhir('PUT', 'Device/h', { resourceType: 'Device', id: 'h', status: 'inactive' });
    await fhir('DELETE', 'Device/h');
    const whole = await fhir('GET', 'Device/h/_history');
    assert.equal(whole.json.type, 'history');
    assert.deepEqual(
      entries(whole).map((entry) => [entry.request?.method, entry.response?.etag, entry.resource?.meta?.versionId]),
      [
        ['DELETE', 'W/"3"', undefined],
        ['PUT', 'W/"2"', '2'],
        ['PUT', 'W/"1"', '1'],
      ],
    );
    const first = await fhir('GET', 'Device/h/_history?_count=2');
    const second = await fhir('GET', linkOf(first, 'next')!);
    assert.deepEqual(
      [...entries(first), ...entries(second)].map((entry) => entry.response?.etag),
      ['W/"3"', 'W/"2"', 'W/"1"'],
    );
    assert.equal(linkOf(second, 'next'), undefined);
    assertOutcome(await fhir('GET', 'Device/never/_history'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Device/h/_history?_count=x'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Device/h/_history?_cursor=x'), 400, 'value', '_cursor');
  });

  test('of a type and of all, with _since', async () => {
    const { json } = await fhir('POST', 'Location', { resourceType: 'Location', name: 'One' });
    const since = encodeURIComponent(json.meta!.lastUpdated!);
    const ofType = await fhir('GET', `Location/_history?_since=${since}`);
    assert.deepEqual(
      entries(ofType).map((entry) => entry.resource?.id),
      [json.id],
    );
    const all = await fhir('GET', `_history?_since=${since}`);
    assert.ok(entries(all).some((entry) => entry.resource?.id === json.id));
    const future = await fhir('GET', 'Location/_history?_since=2999-01-01T00:00:00Z');
    assert.deepEqual(entries(future), []);
    const strict = { Prefer: 'handling=strict' };
    assertOutcome(await fhir('GET', 'Location/_history?_snce=1', undefined, strict), 400, 'not-supported', '_snce');
  });
});

describe('the rest of the API', () => {
  test('unknown paths, methods and types', async () => {
    assertOutcome(await fhir('GET', 'Patient/1/2/3/4'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Nonsense/1'), 404, 'not-supported');
    assertOutcome(await fhir('POST', 'Patient/1', {}), 405, 'not-supported');
    assertOutcome(await fhir('GET', 'Patient/%E0%A4%A'), 400, 'invalid');
    const elsewhere = await fhir('GET', `${server.rootUrl}/nowhere`);
    assert.equal(elsewhere.status, 404);
  });

  test('a body over the limit is refused, a request id is kept', async () => {
    const small = await startTestServer({ BODY_BYTES_MAX: '2000' });
    try {
      const narrow = createClient(small.fhirBaseUrl);
      assertOutcome(await narrow('POST', 'Patient', patient('x'.repeat(3000))), 413, 'too-long');
      const kept = await narrow('GET', 'Patient', undefined, { 'X-Request-Id': 'abc-1' });
      assert.equal(kept.headers.get('x-request-id'), 'abc-1');
      const replaced = await narrow('GET', 'Patient', undefined, { 'X-Request-Id': 'a b' });
      assert.notEqual(replaced.headers.get('x-request-id'), 'a b');
    } finally {
      await small.stop();
    }
  });

  test('the CapabilityStatement is valid and tells what is there', async () => {
    const reply = await fhir('GET', 'metadata');
    assert.equal(reply.status, 200);
    assert.equal(reply.json.fhirVersion, '4.0.1');
    const [rest] = reply.json.rest as unknown as { resource: { type: string; searchParam: { name: string }[] }[] }[];
    assert.equal(rest!.resource.length, 146);
    const { resourceType: _type, ...statement } = reply.json;
    const stored = await fhir('POST', 'CapabilityStatement', { resourceType: 'CapabilityStatement', ...statement });
    assert.equal(stored.status, 201, stored.text.slice(0, 500));
    const observation = rest!.resource.find((one) => one.type === 'Observation');
    assert.ok(observation!.searchParam.some((param) => param.name === 'value-quantity'));
  });

  test('health, readiness and metrics', async () => {
    assert.equal((await fetch(`${server.rootUrl}/healthz`)).status, 200);
    // A part that does not answer within 2 s, as a slow machine may once, is not ready.
    const ready = await waitFor(async () => {
      const reply = await fetch(`${server.rootUrl}/readyz`);
      const told = await reply.json();
      return reply.status === 200 && told;
    }, 'all parts to be ready');
    assert.deepEqual(ready, { status: 'ready', parts: { database: 'ready', mqtt: 'ready' } });
    const metrics = await (await fetch(`${server.rootUrl}/metrics`)).text();
    assert.match(metrics, /cerebra_http_request_duration_seconds_count\{interaction="create",status="201"\} [1-9]/);
  });
});
