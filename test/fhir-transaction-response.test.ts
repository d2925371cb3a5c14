// Patches and reads in a transaction, its response, and Bundles that are wrong: https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Element, type EntryIn, identified, jsonPatch, request, statusesOf, writtenBy } from './bundle-entries.ts';
import { assertOutcome, entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const transaction = (entry: EntryIn[], headers: Record<string, string> = {}): Promise<Reply> =>
  fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }, headers);
const { by, create, patient } = identified('urn:e');
const total = async (value: string): Promise<unknown> => (await fhir('GET', `${by(value)}&_total=accurate`)).json.total;

const fhirPathPatch = (path: string, name: string, value: Element): Element => ({
  resourceType: 'Parameters',
  parameter: [
    {
      name: 'operation',
      part: [
        { name: 'type', valueCode: 'add' },
        { name: 'path', valueString: path },
        { name: 'name', valueString: name },
        { name: 'value', ...value },
      ],
    },
  ],
});

describe('PATCH', () => {
  const put = (id: string): Promise<Reply> => fhir('PUT', `Patient/${id}`, patient(id, { id }));

  test('by JSON Patch and FHIRPath Patch, by id and by criteria', async () => {
    await put('pa');
    await put('pb');
    const add = jsonPatch([{ op: 'add', path: '/birthDate', value: '2001-02-03' }]);
    const reply = await transaction([
      request('PATCH', 'Patient/pa', add),
      request('PATCH', by('pb'), fhirPathPatch('Patient', 'active', { valueBoolean: true })),
      request('GET', 'Patient/pb'),
    ]);
    assert.deepEqual(statusesOf(reply), ['200 OK', '200 OK', '200 OK']);
    assert.equal((await fhir('GET', 'Patient/pa')).json.birthDate, '2001-02-03');
    assert.equal(entries(reply)[2]!.resource!.active, true, 'a read sees it');
    assert.deepEqual(
      entries(reply).map((entry) => entry.response!.etag),
      ['W/"2"', 'W/"2"', 'W/"2"'],
    );
    assert.equal((await fhir('GET', 'Patient?birthdate=2001-02-03')).json.total, 1, 'it is indexed');
  });

  test('puts in links: fullUrls and conditional references', async () => {
    await put('pl');
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000b1';
    const organization = { resourceType: 'Organization', identifier: [{ system: 'urn:e', value: 'org' }] };
    const reply = await transaction([
      { fullUrl: urn, ...request('POST', 'Organization', organization) },
      request(
        'PATCH',
        'Patient/pl',
        jsonPatch([
          { op: 'add', path: '/managingOrganization', value: { reference: urn } },
          { op: 'add', path: '/generalPractitioner', value: [{ reference: 'Organization?identifier=urn:e|org' }] },
        ]),
      ),
    ]);
    const reference = writtenBy(reply, 0);
    const { json } = await fhir('GET', 'Patient/pl');
    assert.deepEqual(json.managingOrganization, { reference });
    assert.deepEqual(json.generalPractitioner, [{ reference }]);
  });

  test('that changes nothing makes no version', async () => {
    await put('pn');
    const same = jsonPatch([{ op: 'replace', path: '/identifier/0/value', value: 'pn' }]);
    const reply = await transaction([
      request('PATCH', 'Patient/pn', same),
      request('POST', 'Patient', patient('pn-2')),
    ]);
    assert.deepEqual(statusesOf(reply), ['200 OK', '201 Created']);
    assert.equal(entries(reply)[0]!.response!.etag, 'W/"1"');
    assert.equal(entries(await fhir('GET', 'Patient/pn/_history')).length, 1);
  });

  test('is refused, and all with it, where it can’t be applied', async () => {
    await put('pr');
    await put('pr-gone');
    await fhir('DELETE', 'Patient/pr-gone');
    const add = jsonPatch([{ op: 'add', path: '/active', value: true }]);
    const invalid = jsonPatch([{ op: 'add', path: '/gender', value: 'neither' }]);
    const cases: [EntryIn, number, string, string][] = [
      [request('PATCH', 'Patient/pr-none', add), 404, 'not-found', '.request.url'],
      [request('PATCH', 'Patient/pr-gone', add), 410, 'deleted', '.request.url'],
      [request('PATCH', by('pr-no-match'), add), 404, 'not-found', '.request.url'],
      [request('PATCH', 'Patient/pr', add, { ifMatch: 'W/"4"' }), 412, 'conflict', '.request.ifMatch'],
      [request('PATCH', 'Patient/pr', invalid), 400, 'code-invalid', '.resource.gender'],
      [request('PATCH', 'Patient/pr', patient('pr')), 400, 'invalid', '.resource'],
      [
        request('PATCH', 'Patient/pr', { resourceType: 'Binary', contentType: 'text/plain' }),
        400,
        'invalid',
        '.resource',
      ],
      [request('PATCH', 'Patient/pr', jsonPatch([{ op: 'jump', path: '/active' }])), 400, 'invalid', '.resource'],
    ];
    for (const [entry, status, code, path] of cases) {
      const reply = await transaction([request('POST', 'Patient', patient('pr-half')), entry]);
      assertOutcome(reply, status, code, `Bundle.entry[1]${path}`);
    }
    assert.equal(await total('pr-half'), 0);
    const failing = jsonPatch([{ op: 'remove', path: '/birthDate' }]);
    const reply = await transaction([request('PATCH', 'Patient/pr', failing)]);
    assert.ok(reply.status === 400 || reply.status === 422, reply.text);
    assert.equal((await fhir('GET', 'Patient/pr')).json.meta!.versionId, '1');
  });
});

describe('reads in a transaction', () => {
  test('see what it writes: read, vread, search, history, compartment', async () => {
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000c1';
    await fhir('PUT', 'Patient/rd', patient('rd', { id: 'rd' }));
    const subject = { reference: 'Patient/rd' };
    const reply = await transaction([
      request('GET', 'Patient/rd'),
      request('GET', 'Patient/rd/_history/1'),
      request('GET', 'Patient/rd/_history'),
      request('GET', `${by('rd')}&_elements=active`),
      request('HEAD', 'Patient/rd'),
      request('PUT', 'Patient/rd', patient('rd', { id: 'rd', active: true })),
      {
        fullUrl: urn,
        ...request('POST', 'Observation', {
          resourceType: 'Observation',
          status: 'final',
          code: { text: 'c' },
          subject,
        }),
      },
      request('GET', 'Observation?subject=Patient/rd'),
      request('GET', `${fhir.base}/Patient/rd`),
    ]);
    assert.equal(reply.status, 200, reply.text);
    const [read, vread, history, search, head, , , found, absolute] = entries(reply);
    assert.equal(read!.resource!.active, true);
    assert.equal(read!.fullUrl, `${fhir.base}/Patient/rd`);
    assert.equal(read!.response!.etag, 'W/"2"');
    assert.equal(vread!.resource!.active, undefined);
    assert.equal((history!.resource as unknown as { entry: unknown[] }).entry.length, 2);
    assert.equal((search!.resource as unknown as { entry: { resource: Element }[] }).entry[0]!.resource.active, true);
    assert.deepEqual(Object.keys(head!), ['response']);
    assert.equal(head!.response!.status, '200 OK');
    assert.equal((found!.resource as unknown as { entry: unknown[] }).entry.length, 1);
    assert.equal(absolute!.resource!.id, 'rd');
  });

  test('ifNoneMatch and ifModifiedSince', async () => {
    const { json } = await fhir('PUT', 'Patient/cond-read', patient('cond-read', { id: 'cond-read' }));
    const reply = await transaction([
      request('GET', 'Patient/cond-read', undefined, { ifNoneMatch: 'W/"1"' }),
      request('GET', 'Patient/cond-read', undefined, { ifNoneMatch: 'W/"2"' }),
      request('GET', 'Patient/cond-read', undefined, { ifModifiedSince: '2999-01-01T00:00:00Z' }),
      request('GET', 'Patient/cond-read', undefined, { ifModifiedSince: '2000-01-01T00:00:00Z' }),
    ]);
    assert.deepEqual(statusesOf(reply), ['304 Not Modified', '200 OK', '304 Not Modified', '200 OK']);
    assert.equal(entries(reply)[0]!.resource, undefined);
    assert.equal(entries(reply)[3]!.resource!.id, json.id);
  });

  test('one that fails fails all, with its place', async () => {
    const made = request('POST', 'Patient', patient('read-fails'));
    const cases: [string, number, string][] = [
      ['Patient/not-there', 404, 'not-found'],
      ['Patient?birthdate=never', 400, 'value'],
      ['Nothing/1', 404, 'not-supported'],
      ['http://elsewhere.example/fhir/Patient/1', 400, 'invalid'],
    ];
    for (const [url, status, code] of cases) {
      const reply = await transaction([made, request('GET', url)]);
      assertOutcome(reply, status, code, 'Bundle.entry[1].request.url');
    }
    assert.equal(await total('read-fails'), 0);
  });

  test('operations are no part of a transaction', async () => {
    const operation = request('POST', 'Patient/$match', { resourceType: 'Parameters' });
    assertOutcome(await transaction([operation]), 400, 'not-supported', 'Bundle.entry[0].request.url');
  });
});

describe('the response', () => {
  const list = (): EntryIn[] => [
    request('POST', 'Patient', patient('resp')),
    create('resp-found'),
    request('DELETE', 'Patient/never-was'),
  ];

  test('by default tells versions, and shows what a conditional create has found', async () => {
    await fhir('POST', 'Patient', patient('resp-found'));
    const reply = await transaction(list());
    const [made, found, gone] = entries(reply);
    assert.equal(reply.json.type, 'transaction-response');
    assert.equal(made!.resource, undefined);
    assert.match(made!.response!.location!, /^Patient\/[0-9a-f-]{36}\/_history\/1$/);
    assert.equal(made!.response!.etag, 'W/"1"');
    assert.match(made!.response!.lastModified!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(found!.response!.status, '200 OK');
    assert.equal(found!.resource!.resourceType, 'Patient');
    assert.deepEqual(gone, { response: { status: '204 No Content' } });
  });

  test('return=representation brings the resources, return=OperationOutcome an outcome for each', async () => {
    const whole = entries(await transaction(list(), { Prefer: 'return=representation' }));
    assert.equal(whole[0]!.resource!.meta!.versionId, '1');
    assert.equal(whole[0]!.fullUrl, `${fhir.base}/Patient/${whole[0]!.resource!.id}`);
    const told = entries(await transaction(list(), { Prefer: 'return=OperationOutcome' }));
    for (const { response, resource } of told) {
      assert.equal(resource, undefined);
      assert.equal(response!.outcome!.resourceType, 'OperationOutcome');
      assert.equal((response!.outcome!.issue as unknown as { severity: string }[])[0]!.severity, 'information');
    }
  });

  test('a conditional delete that finds nothing has deleted nothing, whatever another one deletes', async () => {
    await fhir('POST', 'Patient', patient('rs-several'));
    await fhir('POST', 'Patient', patient('rs-several'));
    const deletions = [request('DELETE', by('rs-none')), request('DELETE', by('rs-several'))];
    const reply = await transaction(deletions, { Prefer: 'return=OperationOutcome' });
    assert.deepEqual(statusesOf(reply), ['204 No Content', '204 No Content']);
    const notes = entries(reply).map(
      ({ response }) => (response!.outcome!.issue as unknown as Element[])[0]!.diagnostics,
    );
    assert.deepEqual(notes, ['There was nothing to delete', '2 resources are deleted']);
  });

  test('an entry that deletes several may have a fullUrl, which then means none of them', async () => {
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000c1';
    for (let i = 0; i < 3; i++) await fhir('POST', 'Patient', patient('rs-three'));
    const deletion = { fullUrl: urn, ...request('DELETE', by('rs-three')) };
    const flag = { resourceType: 'Basic', code: { text: 'x' }, subject: { reference: urn } };
    const linked = await transaction([deletion, request('POST', 'Basic', flag)]);
    assertOutcome(linked, 400, 'invalid', 'Bundle.entry[1].resource.subject.reference');
    assert.deepEqual(statusesOf(await transaction([deletion])), ['204 No Content']);
    assert.equal(await total('rs-three'), 0);
  });

  test('comes in XML to who asks in XML', async () => {
    const body =
      '<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry><resource><Patient><active value="true"/></Patient>' +
      '</resource><request><method value="POST"/><url value="Patient"/></request></entry></Bundle>';
    const response = await fetch(fhir.base, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+xml', Accept: 'application/fhir+xml' },
      body,
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.match(
      text,
      /^<\?xml .*<type value="transaction-response"\/><entry><response><status value="201 Created"\/>/s,
    );
  });

  test('an empty transaction is answered with an empty one', async () => {
    assert.deepEqual((await transaction([])).json, { resourceType: 'Bundle', type: 'transaction-response' });
  });
});

describe('a Bundle that is wrong', () => {
  const good = request('POST', 'Patient', patient('wrong'));
  const cases: [string, unknown, string, string][] = [
    ['entry is no array', { entry: { request: {} } }, 'structure', 'Bundle.entry'],
    ['an entry is no object', { entry: [good, 'x'] }, 'structure', 'Bundle.entry[1]'],
    ['an entry is null', { entry: [good, null] }, 'structure', 'Bundle.entry[1]'],
    [
      'a request without url',
      { entry: [good, { request: { method: 'POST' } }] },
      'required',
      'Bundle.entry[1].request',
    ],
    [
      'a resource that is no object',
      { entry: [good, { ...good, resource: [] }] },
      'structure',
      'Bundle.entry[1].resource',
    ],
    [
      'ifNoneExist that is no string',
      { entry: [good, { ...good, request: { ...good.request, ifNoneExist: 5 } }] },
      'structure',
      'Bundle.entry[1].request.ifNoneExist',
    ],
    ['fullUrl that is no string', { entry: [good, { ...good, fullUrl: 1 }] }, 'structure', 'Bundle.entry[1].fullUrl'],
    [
      'an element that a request does not have',
      { entry: [good, { ...good, request: { ...good.request, ifNoneExists: 'a=b' } }] },
      'structure',
      'Bundle.entry[1].request.ifNoneExists',
    ],
    ['an element that a Bundle does not have', { entry: [good], entries: [] }, 'structure', 'Bundle.entries'],
    [
      'a POST without a resource',
      { entry: [good, request('POST', 'Patient')] },
      'required',
      'Bundle.entry[1].resource',
    ],
    [
      'a resource of another type',
      { entry: [good, request('POST', 'Observation', patient('wrong'))] },
      'invalid',
      'Bundle.entry[1].resource',
    ],
    [
      'a url with an id in a POST',
      { entry: [good, request('POST', 'Patient/1', patient('wrong'))] },
      'invalid',
      'Bundle.entry[1].request.url',
    ],
    [
      'a PUT to another id',
      { entry: [good, request('PUT', 'Patient/other', patient('wrong', { id: 'one' }))] },
      'invalid',
      'Bundle.entry[1].resource.id',
    ],
    [
      'ifMatch that is no version',
      { entry: [good, request('PUT', 'Patient/w', patient('wrong', { id: 'w' }), { ifMatch: 'latest' })] },
      'invalid',
      'Bundle.entry[1].request.ifMatch',
    ],
  ];
  for (const [what, more, code, expression] of cases) {
    test(what, async () => {
      const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', ...(more as Element) });
      assertOutcome(reply, 400, code, expression);
      assert.equal(await total('wrong'), 0);
    });
  }

  for (const type of ['collection', 'history', 'searchset', 'document', 'message', 'transaction-response', 'x']) {
    test(`a ${type} is not run`, async () => {
      assertOutcome(await fhir('POST', '', { resourceType: 'Bundle', type }), 400, 'invalid', 'Bundle.type');
    });
  }

  test('any Bundle posted to its own type is stored and not run', async () => {
    const stored = { resourceType: 'Bundle', type: 'transaction', entry: [good] };
    const reply = await fhir('POST', 'Bundle', stored);
    assert.equal(reply.status, 201, reply.text);
    assert.deepEqual((await fhir('GET', `Bundle/${reply.json.id}`)).json.entry, [good]);
    assert.equal(await total('wrong'), 0);
  });
});
