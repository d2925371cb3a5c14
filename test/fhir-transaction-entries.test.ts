// Entries of a transaction: conditions, collisions, patches, reads. https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertOutcome, type Client, createClient, entries, ids, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

before(async () => {
  server = await startTestServer({ CONDITIONAL_DELETE_MAX: '3' });
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

type Element = Record<string, unknown>;
interface EntryIn {
  fullUrl?: string;
  resource?: Element;
  request: { method: string; url: string; [name: string]: string };
}

const transaction = (entry: EntryIn[], headers: Record<string, string> = {}): Promise<Reply> =>
  fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }, headers);
const request = (method: string, url: string, resource?: Element, extra: Record<string, string> = {}): EntryIn => ({
  ...(resource === undefined ? {} : { resource }),
  request: { method, url, ...extra },
});
const patient = (value: string, more: Element = {}): Element => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:e', value }],
  ...more,
});
const by = (value: string): string => `Patient?identifier=urn:e|${value}`;
const create = (value: string, ifNoneExist = `identifier=urn:e|${value}`): EntryIn =>
  request('POST', 'Patient', patient(value), { ifNoneExist });
const statuses = (reply: Reply): string[] => entries(reply).map((entry) => entry.response!.status);
const nameOf = (reply: Reply, index: number): string =>
  entries(reply)[index]!.response!.location!.replace(/\/_history\/.*/, '');
const total = async (value: string): Promise<unknown> => (await fhir('GET', `${by(value)}&_total=accurate`)).json.total;

/** A transaction that is refused and leaves no patient with this identifier. */
async function refused(entry: EntryIn[], status: number, code: string, expression: string, value: string) {
  const reply = await transaction(entry);
  assertOutcome(reply, status, code, expression);
  assert.equal(await total(value), 0, 'nothing is stored');
}

describe('conditional entries', () => {
  test('update: creates, then updates the one that matches, whatever stands first', async () => {
    const entry = [request('PUT', by('cu'), patient('cu', { active: true }))];
    const first = await transaction(entry);
    assert.deepEqual(statuses(first), ['201 Created']);
    const second = await transaction([request('GET', by('cu')), ...entry]);
    assert.deepEqual(statuses(second), ['200 OK', '200 OK']);
    assert.equal(nameOf(second, 1), nameOf(first, 0));
    assert.equal(entries(second)[1]!.response!.etag, 'W/"2"');
  });

  test('update with an id of its own: creates it, refuses another resource’s', async () => {
    const own = await transaction([request('PUT', by('cu-id'), patient('cu-id', { id: 'cu-id' }))]);
    assert.equal(nameOf(own, 0), 'Patient/cu-id');
    await fhir('PUT', 'Patient/cu-taken', patient('something-else', { id: 'cu-taken' }));
    const taken = await transaction([request('PUT', by('cu-none'), patient('cu-none', { id: 'cu-taken' }))]);
    assertOutcome(taken, 409, 'duplicate', 'Bundle.entry[0].resource.id');
    const other = await transaction([request('PUT', by('cu-id'), patient('cu-id', { id: 'cu-other' }))]);
    assertOutcome(other, 400, 'invalid', 'Bundle.entry[0].resource.id');
  });

  test('update with ifMatch: of the one that matches', async () => {
    await fhir('PUT', 'Patient/cu-match', patient('cu-match', { id: 'cu-match' }));
    const good = await transaction([request('PUT', by('cu-match'), patient('cu-match'), { ifMatch: 'W/"1"' })]);
    assert.deepEqual(statuses(good), ['200 OK']);
    const stale = await transaction([request('PUT', by('cu-match'), patient('cu-match'), { ifMatch: 'W/"1"' })]);
    assertOutcome(stale, 412, 'conflict', 'Bundle.entry[0].request.ifMatch');
  });

  test('delete: the one that matches; without a match it is done already; ifMatch counts', async () => {
    await fhir('PUT', 'Patient/cd', patient('cd', { id: 'cd' }));
    const stale = await transaction([request('DELETE', 'Patient/cd', undefined, { ifMatch: 'W/"9"' })]);
    assertOutcome(stale, 412, 'conflict', 'Bundle.entry[0].request.ifMatch');
    const reply = await transaction([request('DELETE', by('cd')), request('DELETE', by('cd-none'))]);
    assert.deepEqual(statuses(reply), ['204 No Content', '204 No Content']);
    assert.equal((await fhir('GET', 'Patient/cd')).status, 410);
  });

  test('several matches are refused, each with its place', async () => {
    await fhir('POST', 'Patient', patient('many'));
    await fhir('POST', 'Patient', patient('many'));
    const cases: [EntryIn, string][] = [
      [create('many'), 'Bundle.entry[0].request.ifNoneExist'],
      [request('PUT', by('many'), patient('many')), 'Bundle.entry[0].request.url'],
      [request('PATCH', by('many'), jsonPatch([])), 'Bundle.entry[0].request.url'],
    ];
    for (const [entry, expression] of cases) {
      assertOutcome(await transaction([entry]), 412, 'multiple-matches', expression);
    }
    assert.equal(await total('many'), 2);
  });

  test('delete of several: all of them up to the limit, none beyond it', async () => {
    const put = (id: string, value: string) => fhir('PUT', `Patient/${id}`, patient(value, { id }));
    for (const id of ['cdm-1', 'cdm-2']) await put(id, 'cdm');
    const reply = await transaction([request('DELETE', by('cdm')), create('cdm')], {
      Prefer: 'return=OperationOutcome',
    });
    assert.deepEqual(statuses(reply), ['204 No Content', '201 Created']);
    const outcome = entries(reply)[0]!.response!.outcome!.issue as unknown as { diagnostics: string }[];
    assert.equal(outcome[0]!.diagnostics, '2 resources are deleted');
    for (const id of ['cdm-1', 'cdm-2']) assert.equal((await fhir('GET', `Patient/${id}`)).status, 410);
    for (const id of ['cdm-3', 'cdm-4', 'cdm-5', 'cdm-6']) await put(id, 'cdm-many');
    assertOutcome(
      await transaction([request('DELETE', by('cdm-many'))]),
      412,
      'multiple-matches',
      'Bundle.entry[0].request.url',
    );
    assert.equal(await total('cdm-many'), 4);
  });

  test('wrong criteria are told with their place', async () => {
    const unknown = assertOutcome(
      await transaction([create('x', 'no-such=1')]),
      400,
      'not-supported',
      'Bundle.entry[0].request',
    );
    assert.match(unknown.diagnostics, /no-such/);
    const empty = await transaction([request('DELETE', 'Patient?')]);
    assertOutcome(empty, 400, 'value', 'Bundle.entry[0].request.url');
  });

  test('deletions come first: a conditional create or update does not find what is deleted', async () => {
    await fhir('PUT', 'Patient/first-1', patient('first', { id: 'first-1' }));
    const created = await transaction([create('first'), request('DELETE', 'Patient/first-1')]);
    assert.deepEqual(statuses(created), ['201 Created', '204 No Content']);
    assert.notEqual(nameOf(created, 0), 'Patient/first-1');
    const updated = await transaction([request('PUT', by('first'), patient('first')), request('DELETE', by('first'))]);
    assert.deepEqual(statuses(updated), ['201 Created', '204 No Content']);
    assert.equal(await total('first'), 1);
    assert.equal(ids(await fhir('GET', by('first')))[0], nameOf(updated, 0).slice('Patient/'.length));
  });
});

describe('identity collisions are refused', () => {
  test('one id, changed twice, by whatever methods', async () => {
    await fhir('PUT', 'Patient/twice', patient('twice-there', { id: 'twice' }));
    const put = request('PUT', 'Patient/twice', patient('twice', { id: 'twice' }));
    const remove = request('DELETE', 'Patient/twice');
    const patch = request('PATCH', 'Patient/twice', jsonPatch([{ op: 'add', path: '/active', value: true }]));
    for (const pair of [
      [put, put],
      [put, remove],
      [remove, put],
      [patch, put],
      [remove, patch],
      [remove, remove],
    ])
      await refused(pair, 400, 'invalid', 'Bundle.entry[1]', 'twice');
    assert.equal((await fhir('GET', 'Patient/twice')).json.meta!.versionId, '1');
  });

  test('by id and by criteria, or by two criteria that match one resource', async () => {
    await fhir('PUT', 'Patient/coll', patient('coll-id', { id: 'coll', active: true, birthDate: '1990-01-01' }));
    const byId = request('PUT', 'Patient/coll', patient('coll', { id: 'coll' }));
    const byIdentifier = request('PUT', by('coll-id'), patient('coll'));
    const byDate = request('PUT', `${by('coll-id')}&birthdate=1990-01-01`, patient('coll'));
    for (const pair of [
      [byId, byIdentifier],
      [byIdentifier, byDate],
      [byIdentifier, byIdentifier],
      [request('DELETE', by('coll-id')), byId],
    ])
      await refused(pair, 400, 'invalid', 'Bundle.entry[1]', 'coll');
  });

  test('a conditional create and update by the same criteria, when nothing matches', async () => {
    for (const order of [
      [create('cc'), request('PUT', by('cc'), patient('cc'))],
      [request('PUT', by('cc'), patient('cc')), create('cc')],
    ])
      assertOutcome(await transaction(order), 400, 'invalid');
    assert.equal(await total('cc'), 0);
  });

  test('criteria that match what another entry creates', async () => {
    const plain = request('POST', 'Patient', patient('made'));
    const both: Element = {
      resourceType: 'Patient',
      identifier: [
        { system: 'urn:e', value: 'made' },
        { system: 'urn:e', value: 'made-2' },
      ],
    };
    const first = request('POST', 'Patient', both, { ifNoneExist: 'identifier=urn:e|made' });
    const second = request('POST', 'Patient', both, { ifNoneExist: 'identifier=urn:e|made-2' });
    for (const pair of [
      [plain, request('PUT', by('made'), patient('made'))],
      [create('made'), plain],
      [first, second],
    ])
      assertOutcome(await transaction(pair), 400, 'invalid');
    assert.equal(await total('made'), 0);
    const apart = await transaction([create('apart-1'), create('apart-2'), request('POST', 'Patient', patient('x'))]);
    assert.deepEqual(statuses(apart), ['201 Created', '201 Created', '201 Created']);
  });

  test('the order of the entries does not matter', async () => {
    const list = [
      request('GET', by('order')),
      request('PUT', 'Patient/order-put', patient('order', { id: 'order-put' })),
      request('POST', 'Patient', patient('order')),
      request('DELETE', 'Patient/order-gone'),
    ];
    for (const order of [list, list.toReversed()]) {
      await fhir('PUT', 'Patient/order-gone', patient('order', { id: 'order-gone' }));
      const reply = await transaction(order);
      assert.equal(reply.status, 200, reply.text);
      const search = entries(reply)[order.indexOf(list[0]!)]!.resource as unknown as { entry: { resource: Element }[] };
      assert.equal(
        search.entry.some(({ resource }) => resource.id === 'order-gone'),
        false,
      );
      assert.equal(
        search.entry.some(({ resource }) => resource.id === 'order-put'),
        true,
      );
    }
  });
});

const jsonPatch = (operations: unknown[]): Element => ({
  resourceType: 'Binary',
  contentType: 'application/json-patch+json',
  data: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

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
    assert.deepEqual(statuses(reply), ['200 OK', '200 OK', '200 OK']);
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
    const reference = nameOf(reply, 0);
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
    assert.deepEqual(statuses(reply), ['200 OK', '201 Created']);
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
      request('GET', `${server.fhirBaseUrl}/Patient/rd`),
    ]);
    assert.equal(reply.status, 200, reply.text);
    const [read, vread, history, search, head, , , found, absolute] = entries(reply);
    assert.equal(read!.resource!.active, true);
    assert.equal(read!.fullUrl, `${server.fhirBaseUrl}/Patient/rd`);
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
    assert.deepEqual(statuses(reply), ['304 Not Modified', '200 OK', '304 Not Modified', '200 OK']);
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
    assert.equal(whole[0]!.fullUrl, `${server.fhirBaseUrl}/Patient/${whole[0]!.resource!.id}`);
    const told = entries(await transaction(list(), { Prefer: 'return=OperationOutcome' }));
    for (const { response, resource } of told) {
      assert.equal(resource, undefined);
      assert.equal(response!.outcome!.resourceType, 'OperationOutcome');
      assert.equal((response!.outcome!.issue as unknown as { severity: string }[])[0]!.severity, 'information');
    }
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
