// batch and transaction: https://hl7.org/fhir/R4/http.html#transaction
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests({ BUNDLE_ENTRIES_MAX: '500' });

interface EntryIn {
  fullUrl?: string;
  resource?: Record<string, unknown>;
  request: { method: string; url: string; [name: string]: string };
}

const bundle = (type: 'batch' | 'transaction', entry: EntryIn[]) => ({ resourceType: 'Bundle', type, entry });
const post = (resource: Record<string, unknown>, extra: Record<string, string> = {}, fullUrl?: string): EntryIn => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'POST', url: resource.resourceType as string, ...extra },
});
const patient = (value: string) => ({ resourceType: 'Patient', identifier: [{ system: 'urn:b', value }] });
const observation = (subject: string, more: Record<string, unknown> = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'bundle' },
  subject: { reference: subject },
  ...more,
});
const URN = 'urn:uuid:3b5a2f5e-0000-4000-8000-000000000001';
const total = async (query: string): Promise<unknown> => (await fhir('GET', `${query}&_total=accurate`)).json.total;

describe('transaction', () => {
  test('resolves urn:uuid references wherever links stand, and answers in entry order', async () => {
    const div = `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${URN}">p</a></div>`;
    const reply = await fhir(
      'POST',
      '',
      bundle('transaction', [
        post(
          observation(URN, {
            text: { status: 'generated', div },
            extension: [
              { url: 'http://x', valueReference: { reference: URN } },
              { url: 'http://y', valueUri: URN },
            ],
            valueString: URN,
          }),
        ),
        post(patient('urn1'), {}, URN),
      ]),
    );
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.type, 'transaction-response');
    const [first, second] = entries(reply);
    assert.equal(first!.response!.status, '201 Created');
    assert.match(first!.response!.location!, /^Observation\/[^/]+\/_history\/1$/);
    const target = second!.response!.location!.replace(/\/_history.*/, '');
    const read = (await fhir('GET', first!.response!.location!)).json;
    assert.deepEqual(read.subject, { reference: target });
    const [reference, uri] = read.extension as unknown as Record<string, unknown>[];
    assert.deepEqual(reference!.valueReference, { reference: target });
    assert.equal(uri!.valueUri, target);
    assert.match((read.text as unknown as { div: string }).div, new RegExp(`href="${target}"`));
    assert.equal(read.valueString, URN, 'a string that looks like a link is none');
    assert.equal((await fhir('GET', `Observation?subject=${target}`)).json.total, 1);
  });

  test('all or nothing: one bad entry and none is stored, with its place in the outcome', async () => {
    const good = post(patient('half'));
    const invalid = post({ resourceType: 'Patient', gender: 'x' });
    assertOutcome(
      await fhir('POST', '', bundle('transaction', [good, invalid])),
      400,
      'code-invalid',
      'Bundle.entry[1].resource.gender',
    );
    const mismatch: EntryIn = {
      request: { method: 'PUT', url: 'Patient/none', ifMatch: 'W/"3"' },
      resource: { ...patient('half'), id: 'none' },
    };
    assertOutcome(
      await fhir('POST', '', bundle('transaction', [good, mismatch])),
      412,
      'conflict',
      'Bundle.entry[1].request.ifMatch',
    );
    const missing: EntryIn = { request: { method: 'GET', url: 'Patient/not-there' } };
    assertOutcome(
      await fhir('POST', '', bundle('transaction', [good, missing])),
      404,
      'not-found',
      'Bundle.entry[1].request.url',
    );
    assert.equal(await total('Patient?identifier=urn:b|half'), 0);
  });

  test('order is DELETE, POST, PUT, GET whatever the order of entries', async () => {
    await fhir('PUT', 'Patient/gone', { ...patient('order'), id: 'gone' });
    const reply = await fhir(
      'POST',
      '',
      bundle('transaction', [
        { request: { method: 'GET', url: 'Patient?identifier=urn:b|order' } },
        { request: { method: 'PUT', url: 'Patient/stays' }, resource: { ...patient('order'), id: 'stays' } },
        { request: { method: 'DELETE', url: 'Patient/gone' } },
        { request: { method: 'GET', url: 'Patient/stays' } },
      ]),
    );
    assert.equal(reply.status, 200, reply.text);
    const found = entries(reply);
    assert.deepEqual(
      (found[0]!.resource as unknown as { entry: { resource: { id: string } }[] }).entry.map((e) => e.resource.id),
      ['stays'],
    );
    assert.deepEqual(
      found.map((entry) => entry.response!.status),
      ['200 OK', '201 Created', '204 No Content', '200 OK'],
    );
    assert.equal(found[3]!.resource!.id, 'stays');
  });

  test('conditional create: found, created, and the same criteria twice make one', async () => {
    const criteria = { ifNoneExist: 'identifier=urn:b|cond' };
    const entry = () => post(patient('cond'), criteria, `urn:uuid:${crypto.randomUUID()}`);
    const [a, b] = [entry(), entry()];
    const obs = post(observation(b.fullUrl!));
    const reply = await fhir('POST', '', bundle('transaction', [a, b, obs]));
    assert.equal(reply.status, 200, reply.text);
    const [one, two, three] = entries(reply).map((found) => found.response!);
    assert.equal(one!.status, '201 Created');
    assert.equal(two!.status, '200 OK');
    assert.equal(one!.location, two!.location);
    const read = await fhir('GET', three!.location!);
    assert.deepEqual(read.json.subject, { reference: one!.location!.replace(/\/_history.*/, '') });
    const again = await fhir('POST', '', bundle('transaction', [entry()]));
    assert.equal(entries(again)[0]!.response!.status, '200 OK');
    assert.equal(await total('Patient?identifier=urn:b|cond'), 1);
  });

  test('conditional references: resolved inside, refused when none or several match', async () => {
    await fhir('POST', 'Patient', patient('ref'));
    const one = await fhir('POST', '', bundle('transaction', [post(observation('Patient?identifier=urn:b|ref'))]));
    assert.equal(one.status, 200, one.text);
    const read = (await fhir('GET', entries(one)[0]!.response!.location!)).json;
    assert.match((read.subject as { reference: string }).reference, /^Patient\/[0-9a-f-]{36}$/);
    const none = bundle('transaction', [post(observation('Patient?identifier=urn:b|nobody'))]);
    assertOutcome(await fhir('POST', '', none), 412, 'conflict', 'Bundle.entry[0].resource.subject.reference');
    await fhir('POST', 'Patient', patient('ref'));
    const several = bundle('transaction', [post(observation('Patient?identifier=urn:b|ref'))]);
    assertOutcome(
      await fhir('POST', '', several),
      412,
      'multiple-matches',
      'Bundle.entry[0].resource.subject.reference',
    );
  });

  test('refuses references to nowhere, collisions, repeated fullUrls and malformed entries', async () => {
    const nowhere = bundle('transaction', [post(observation(URN))]);
    assertOutcome(await fhir('POST', '', nowhere), 400, 'invalid', 'Bundle.entry[0].resource.subject.reference');
    const put = (): EntryIn => ({
      request: { method: 'PUT', url: 'Patient/twice' },
      resource: { ...patient('t'), id: 'twice' },
    });
    assertOutcome(await fhir('POST', '', bundle('transaction', [put(), put()])), 400, 'invalid', 'Bundle.entry[1]');
    const same = bundle('transaction', [post(patient('x'), {}, URN), post(patient('y'), {}, URN)]);
    assertOutcome(await fhir('POST', '', same), 400, 'invalid', 'Bundle.entry[1].fullUrl');
    const bare = { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: patient('x') }] };
    assertOutcome(await fhir('POST', '', bare), 400, 'required', 'Bundle.entry[0].request');
    const patch = bundle('transaction', [{ request: { method: 'PATCH', url: 'Patient/1' } }]);
    assertOutcome(await fhir('POST', '', patch), 400, 'required', 'Bundle.entry[0].resource');
    const trace = bundle('transaction', [{ request: { method: 'TRACE', url: 'Patient/1' } }]);
    assertOutcome(await fhir('POST', '', trace), 400, 'code-invalid', 'Bundle.entry[0].request.method');
    assertOutcome(
      await fhir('POST', '', { resourceType: 'Bundle', type: 'collection' }),
      400,
      'invalid',
      'Bundle.type',
    );
    assertOutcome(await fhir('POST', '', patient('x')), 400, 'structure');
    const many = bundle(
      'transaction',
      Array.from({ length: 501 }, () => post(patient('many'))),
    );
    assertOutcome(await fhir('POST', '', many), 413, 'too-long', 'Bundle.entry');
  });

  test('16 at once with the same condition make one resource', async () => {
    const send = () =>
      fhir(
        'POST',
        '',
        bundle('transaction', [
          post(patient('storm'), { ifNoneExist: 'identifier=urn:b|storm' }, URN),
          post(observation(URN)),
        ]),
      );
    const replies = await Promise.all(Array.from({ length: 16 }, send));
    assert.deepEqual([...new Set(replies.map((reply) => reply.status))], [200]);
    assert.equal(await total('Patient?identifier=urn:b|storm'), 1);
    const created = replies.filter((reply) => entries(reply)[0]!.response!.status === '201 Created');
    assert.equal(created.length, 1);
  });

  test('updates move the old bodies to history, whatever the mix of types', async () => {
    const put = (type: string, id: string, more: Record<string, unknown>): EntryIn => ({
      request: { method: 'PUT', url: `${type}/${id}` },
      resource: { resourceType: type, id, ...more },
    });
    const once = [put('Patient', 'mix', { active: true }), put('Location', 'mix', { name: 'a' })];
    await fhir('POST', '', bundle('transaction', once));
    const reply = await fhir(
      'POST',
      '',
      bundle('transaction', [put('Patient', 'mix', { active: false }), put('Location', 'mix', { name: 'b' })]),
      { Prefer: 'return=representation' },
    );
    assert.deepEqual(
      entries(reply).map((entry) => entry.resource?.meta?.versionId),
      ['2', '2'],
    );
    assert.equal((await fhir('GET', 'Location/mix/_history/1')).json.name, 'a');
    assert.equal((await fhir('GET', 'Location?name=a')).json.total, 0);
    assert.equal((await fhir('GET', 'Location?name=b')).json.total, 1);
    await fhir('DELETE', 'Location/mix');
    const back = await fhir('POST', '', bundle('transaction', [put('Location', 'mix', { name: 'c' })]));
    assert.equal(entries(back)[0]!.response!.etag, 'W/"4"');
  });
});

describe('batch', () => {
  test('every entry stands for itself', async () => {
    const reply = await fhir(
      'POST',
      '',
      bundle('batch', [
        post(patient('batch')),
        post({ resourceType: 'Patient', gender: 'x' }),
        { request: { method: 'GET', url: 'Patient/not-there' } },
        { request: { method: 'PATCH', url: 'Patient/1' } },
        { request: { method: 'PUT', url: 'Patient/b1' }, resource: { ...patient('batch'), id: 'b1' } },
        { request: { method: 'GET', url: 'Patient?identifier=urn:b|batch' } },
      ]),
    );
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.type, 'batch-response');
    const statuses = entries(reply).map((entry) => entry.response!.status);
    assert.deepEqual(statuses, [
      '201 Created',
      '400 Bad Request',
      '404 Not Found',
      '400 Bad Request',
      '201 Created',
      '200 OK',
    ]);
    const outcome = entries(reply)[1]!.response!.outcome as unknown as { issue: { expression: string[] }[] };
    assert.deepEqual(outcome.issue[0]!.expression, ['Bundle.entry[1].resource.gender']);
    assert.equal((entries(reply)[5]!.resource as unknown as { entry: unknown[] }).entry.length, 2);
  });

  test('an empty batch is answered with an empty one', async () => {
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch' });
    assert.deepEqual(reply.json, { resourceType: 'Bundle', type: 'batch-response' });
  });
});
