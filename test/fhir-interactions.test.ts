// Conditions, versions, HEAD, OPTIONS and CORS over HTTP: https://hl7.org/fhir/R4/http.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertOutcome, type Client, createClient, createWith, entries, putWith } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

before(async () => {
  server = await startTestServer({ CORS_ORIGINS: 'https://app.example.org', CONDITIONAL_DELETE_MAX: '3' });
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const patient = (family: string) => ({ resourceType: 'Patient', active: true, name: [{ family }] });

const create = (resource: object) => createWith(fhir, resource);
const put = (path: string, resource: object, headers?: Record<string, string>) =>
  putWith(fhir, path, resource, headers);

describe('conditional delete', () => {
  const many = async (family: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => create(patient(family))));

  test('deletes all that match, up to the limit', async () => {
    const paths = await many('Delete3', 3);
    const reply = await fhir('DELETE', 'Patient/?family=delete3');
    assert.deepEqual([reply.status, reply.text], [204, '']);
    for (const path of paths) assertOutcome(await fhir('GET', path), 410, 'deleted');
    assert.equal((await fhir('DELETE', 'Patient?family=delete3')).status, 204);
  });

  test('beyond the limit deletes nothing and says what to do', async () => {
    const paths = await many('Delete4', 4);
    const { diagnostics } = assertOutcome(
      await fhir('DELETE', 'Patient?family=delete4'),
      412,
      'multiple-matches',
      'url',
    );
    assert.match(diagnostics, /\b3\b/);
    for (const path of paths) assert.equal((await fhir('GET', path)).status, 200);
  });

  test('needs criteria, all of which are known', async () => {
    assertOutcome(await fhir('DELETE', 'Patient'), 400, 'value', 'url');
    assertOutcome(await fhir('DELETE', 'Patient?_count=1'), 400, 'value', 'url');
    assertOutcome(await fhir('DELETE', 'Patient?famly=x'), 400, 'not-supported');
  });

  test('tells what it did when that is preferred', async () => {
    await many('DeleteP', 2);
    const prefer = { Prefer: 'return=OperationOutcome' };
    const done = await fhir('DELETE', 'Patient?family=deletep', undefined, prefer);
    assert.deepEqual([done.status, done.json.resourceType], [200, 'OperationOutcome']);
    const nothing = await fhir('DELETE', 'Patient?family=deletep', undefined, prefer);
    assert.match(nothing.text, /nothing to delete/);
  });
});

describe('If-Match and If-None-Match on changes', () => {
  test('weak, strong and any; none that is there: 412; malformed: 400', async () => {
    const path = await create(patient('Etag'));
    const run = (ifMatch: string) => put(path, patient('Etag'), { 'If-Match': ifMatch });
    assert.equal((await run('W/"1"')).status, 200);
    assert.equal((await run('"2"')).status, 200);
    assert.equal((await run('3')).status, 200);
    assert.equal((await run('*')).status, 200);
    for (const tag of ['W/"4"', 'W/"0"', 'W/"abc"', '"99999999999"']) {
      assertOutcome(await run(tag), 412, 'conflict', 'If-Match');
    }
    for (const tag of ['W/"5', 'x', 'W/"4", W/"5"', 'w/"5"']) assertOutcome(await run(tag), 400, 'invalid', 'If-Match');
    assert.equal((await fhir('GET', path)).headers.get('etag'), 'W/"5"');
  });

  test('of what is not there: 412', async () => {
    for (const ifMatch of ['*', 'W/"1"']) {
      const headers = { 'If-Match': ifMatch };
      assertOutcome(await put('Patient/absent', patient('x'), headers), 412, 'conflict', 'If-Match');
      assertOutcome(await fhir('DELETE', 'Patient/absent', undefined, headers), 412, 'conflict', 'If-Match');
    }
    assertOutcome(await fhir('GET', 'Patient/absent'), 404, 'not-found');
  });

  test('If-None-Match: * creates only', async () => {
    const only = { 'If-None-Match': '*' };
    assert.equal((await put('Patient/once', patient('Once'), only)).status, 201);
    assertOutcome(await put('Patient/once', patient('Twice'), only), 412, 'conflict', 'If-None-Match');
    await fhir('DELETE', 'Patient/once');
    assert.equal((await put('Patient/once', patient('Thrice'), only)).headers.get('etag'), 'W/"3"');
    const replies = await Promise.all(Array.from({ length: 8 }, () => put('Patient/race', patient('Race'), only)));
    assert.deepEqual(replies.map(({ status }) => status).sort(), [201, ...Array(7).fill(412)]);
    const tag = { 'If-None-Match': 'W/"1"' };
    assertOutcome(await put('Patient/once', patient('x'), tag), 400, 'invalid', 'If-None-Match');
  });

  test('deletes of one version', async () => {
    const path = await create(patient('DeleteV'));
    await put(path, patient('DeleteV'));
    const run = (ifMatch: string) => fhir('DELETE', path, undefined, { 'If-Match': ifMatch });
    assertOutcome(await run('W/"1"'), 412, 'conflict', 'If-Match');
    const done = await run('W/"2"');
    assert.deepEqual([done.status, done.headers.get('etag')], [204, 'W/"3"']);
  });

  test('deletes by criteria: what matches nothing has no version', async () => {
    const url = 'Patient?family=deletenone';
    for (const ifMatch of ['W/"1"', '*'])
      assertOutcome(await fhir('DELETE', url, undefined, { 'If-Match': ifMatch }), 412, 'conflict', 'If-Match');
    const entry = [{ request: { method: 'DELETE', url, ifMatch: 'W/"1"' } }];
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
    assertOutcome(await fhir('POST', '', bundle), 412, 'conflict', 'Bundle.entry[0].request.ifMatch');
    const path = await create(patient('DeleteNone'));
    assertOutcome(await fhir('DELETE', url, undefined, { 'If-Match': 'W/"2"' }), 412, 'conflict', 'If-Match');
    assert.equal((await fhir('DELETE', url, undefined, { 'If-Match': 'W/"1"' })).status, 204);
    assert.equal((await fhir('GET', path)).status, 410);
    assert.equal((await fhir('DELETE', url)).status, 204);
  });
});

describe('conditions where they can’t be ones are refused, and nothing is done', () => {
  const patch = [{ op: 'add', path: '/active', value: false }];
  const jsonPatch = { 'Content-Type': 'application/json-patch+json' };

  test('If-None-Exist on anything but a create, a version on a create', async () => {
    const path = await create(patient('Misplaced'));
    const exist = { 'If-None-Exist': 'family=misplaced' };
    assertOutcome(await put(path, patient('Changed'), exist), 400, 'invalid', 'If-None-Exist');
    assertOutcome(await fhir('PATCH', path, patch, { ...jsonPatch, ...exist }), 400, 'invalid', 'If-None-Exist');
    assertOutcome(await fhir('DELETE', path, undefined, exist), 400, 'invalid', 'If-None-Exist');
    for (const name of ['If-Match', 'If-None-Match']) {
      assertOutcome(await fhir('POST', 'Patient', patient('Misplaced'), { [name]: '*' }), 400, 'invalid', name);
    }
    assert.equal((await fhir('GET', path)).headers.get('etag'), 'W/"1"');
    assert.equal((await fhir('GET', 'Patient?family=misplaced')).json.total, 1);
  });

  test('in Bundles too, told by the entry', async () => {
    const entry = [
      { resource: patient('Alone'), request: { method: 'POST', url: 'Patient', ifMatch: 'W/"1"' } },
      { request: { method: 'DELETE', url: 'Patient/alone', ifNoneExist: 'family=alone' } },
    ];
    const at = ['Bundle.entry[0].request.ifMatch', 'Bundle.entry[1].request.ifNoneExist'];
    const transaction = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    assertOutcome(transaction, 400, 'invalid', at[0]);
    const batch = entries(await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry })) as unknown as {
      response: { status: string; outcome: { issue: { expression: string[] }[] } };
    }[];
    assert.deepEqual(
      batch.map(({ response }) => [response.status, response.outcome.issue[0]!.expression[0]]),
      at.map((expression) => ['400 Bad Request', expression]),
    );
    assert.equal((await fhir('GET', 'Patient?family=alone')).json.total, 0);
  });

  test('If-Unmodified-Since, unless If-Match stands beside it', async () => {
    const path = await create(patient('Since'));
    const since = { 'If-Unmodified-Since': 'Fri, 01 Jan 2010 00:00:00 GMT' };
    assertOutcome(await put(path, patient('Late'), since), 400, 'not-supported', 'If-Unmodified-Since');
    assertOutcome(await fhir('DELETE', path, undefined, since), 400, 'not-supported', 'If-Unmodified-Since');
    const patched = await fhir('PATCH', path, patch, { ...jsonPatch, ...since });
    assertOutcome(patched, 400, 'not-supported', 'If-Unmodified-Since');
    const both = await put(path, patient('Both'), { ...since, 'If-Match': 'W/"1"' });
    assert.deepEqual([both.status, both.headers.get('etag')], [200, 'W/"2"']);
  });
});

describe('ids and types', () => {
  test('of URL and body must agree', async () => {
    assertOutcome(await fhir('PUT', 'Patient/a', { ...patient('x'), id: 'b' }), 400, 'invalid', 'Patient.id');
    assertOutcome(await fhir('PUT', 'Patient/a', patient('x')), 400, 'invalid', 'Patient.id');
    assertOutcome(await fhir('PUT', 'Observation/a', { ...patient('x'), id: 'a' }), 400, 'invalid');
    assertOutcome(await put(`Patient/${'a'.repeat(65)}`, patient('x')), 400, 'invalid');
    assertOutcome(await put('Patient/a_b', patient('x')), 400, 'invalid');
    assertOutcome(await fhir('GET', `Patient/${'a'.repeat(65)}`), 404, 'not-found');
  });

  test('a body where none belongs is passed over', async () => {
    const path = await create(patient('Body'));
    const sent = { method: 'DELETE', body: 'x', headers: { 'Content-Type': 'text/plain' } };
    assert.equal((await fetch(`${fhir.base}/${path}`, sent)).status, 204);
  });
});

describe('parts of a resource', () => {
  test('_summary and _elements on read, vread and history', async () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>';
    const resource = { ...patient('Part'), text: { status: 'generated', div }, contact: [{ gender: 'male' }] };
    const path = await create(resource);
    const summary = await fhir('GET', `${path}?_summary=true`);
    assert.deepEqual(summary.json.name, resource.name);
    assert.deepEqual([summary.json.text, summary.json.contact], [undefined, undefined]);
    assert.match(summary.text, /SUBSETTED/);
    assert.equal(summary.headers.get('etag'), 'W/"1"');
    const elements = await fhir('GET', `${path}/_history/1?_elements=active`);
    assert.deepEqual([elements.json.active, elements.json.name], [true, undefined]);
    const text = await fhir('GET', `${path}?_summary=text`);
    assert.deepEqual([(text.json.text as { div?: string }).div, text.json.name], [div, undefined]);
    const [entry] = entries(await fhir('GET', `${path}/_history?_elements=active`));
    assert.deepEqual([entry!.resource!.active, entry!.resource!.name], [true, undefined]);
    assertOutcome(await fhir('GET', `${path}?_summary=some`), 400, 'value', '_summary');
    assertOutcome(await fhir('GET', `${path}?_summary=count`), 400, 'value', '_summary');
    const strict = { Prefer: 'handling=strict' };
    for (const at of [path, `${path}/_history/1`, `${path}/_history`]) {
      assert.equal((await fhir('GET', `${at}?_elements=nonsense`)).status, 200);
      assertOutcome(await fhir('GET', `${at}?_elements=nonsense`, undefined, strict), 400, 'value', '_elements');
      assertOutcome(await fhir('GET', `${at}?_summary=true&_summary=data`), 400, 'value', '_summary');
      assertOutcome(await fhir('GET', `${at}?_elements=active&_elements=name`), 400, 'value', '_elements');
      const many = Array.from({ length: 201 }, (_, i) => `a${i}`).join(',');
      assertOutcome(await fhir('GET', `${at}?_elements=${many}`), 400, 'too-costly', '_elements');
    }
  });
});

describe('methods', () => {
  test('HEAD has the headers of GET and no body', async () => {
    const path = await create(patient('Head'));
    for (const one of [
      path,
      `${path}/_history/1`,
      `${path}/_history`,
      'Patient?family=head',
      'metadata',
      '_history?_count=1',
    ]) {
      const plain = { 'Accept-Encoding': 'identity' };
      const [get, head] = [await fhir('GET', one, undefined, plain), await fhir('HEAD', one, undefined, plain)];
      assert.deepEqual([head.status, head.text], [200, ''], one);
      for (const name of ['content-type', 'content-length', 'etag', 'last-modified', 'vary']) {
        assert.equal(head.headers.get(name), get.headers.get(name), `${name} of ${one}`);
      }
      assert.equal(head.headers.get('content-length'), String(Buffer.byteLength(get.text)), one);
    }
    assert.equal((await fhir('HEAD', 'Patient/never')).status, 404);
  });

  test('that a path doesn’t take: 405 with those that it does', async () => {
    const allowed = async (method: string, path: string) => {
      const reply = await fhir(method, path, method === 'GET' ? undefined : {});
      assertOutcome(reply, 405, 'not-supported');
      return reply.headers.get('allow');
    };
    assert.equal(await allowed('POST', 'Patient/1'), 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS');
    assert.equal(await allowed('PUT', 'Patient/1/_history/1'), 'GET, HEAD, OPTIONS');
    assert.equal(await allowed('DELETE', 'metadata'), 'GET, HEAD, OPTIONS');
    assert.equal(await allowed('GET', 'Patient/1/$meta-add'), 'POST, OPTIONS');
  });

  test('OPTIONS tells what a path takes, and at the base what the server does', async () => {
    const instance = await fhir('OPTIONS', 'Patient/1');
    assert.deepEqual([instance.status, instance.headers.get('allow')], [204, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS']);
    assert.match(instance.headers.get('accept-patch') ?? '', /^application\/json-patch\+json, /);
    const base = await fhir('OPTIONS', '');
    assert.deepEqual([base.status, base.json.resourceType], [200, 'CapabilityStatement']);
    assertOutcome(await fhir('OPTIONS', 'a/b/c/d'), 404, 'not-found');
  });
});

describe('pages of other origins', () => {
  const origin = 'https://app.example.org';

  test('that are allowed read answers, errors too, and may send what FHIR needs', async () => {
    const path = await create(patient('Cors'));
    for (const one of [path, 'Patient/never']) {
      const { headers } = await fhir('GET', one, undefined, { Origin: origin });
      assert.equal(headers.get('access-control-allow-origin'), origin);
      const exposed = headers.get('access-control-expose-headers')!.split(',');
      const needed = ['ETag', 'Location', 'Content-Location', 'Last-Modified', 'X-Progress', 'X-Request-Id'];
      for (const name of needed) assert.ok(exposed.includes(name), name);
      assert.match(headers.get('vary') ?? '', /Origin/);
    }
    const asks = { Origin: origin, 'Access-Control-Request-Method': 'PATCH' };
    const preflight = await fhir('OPTIONS', path, undefined, asks);
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin);
    assert.match(preflight.headers.get('access-control-allow-methods')!, /\bPATCH\b/);
    for (const name of ['Content-Type', 'If-Match', 'If-None-Exist', 'Prefer', 'Authorization']) {
      assert.ok(preflight.headers.get('access-control-allow-headers')!.split(',').includes(name), name);
    }
    assert.equal((await fhir('POST', 'Patient', patient('x'), { Origin: origin })).status, 201);
  });

  test('that are not get nothing, and change nothing', async () => {
    for (const other of ['https://evil.example', 'null', `${origin}.evil.example`]) {
      const read = await fhir('GET', 'metadata', undefined, { Origin: other });
      assert.equal(read.headers.get('access-control-allow-origin'), null);
      const asks = { Origin: other, 'Access-Control-Request-Method': 'PUT' };
      const preflight = await fhir('OPTIONS', 'Patient/1', undefined, asks);
      assert.equal(preflight.headers.get('access-control-allow-origin'), null);
      const form = { Origin: other, 'Content-Type': 'text/plain' };
      assertOutcome(await fhir('POST', 'Binary', 'x', form), 403, 'forbidden');
    }
    const own = { Origin: server.rootUrl };
    assert.equal((await fhir('POST', 'Patient', patient('x'), own)).status, 201);
    const named = { Origin: server.rootUrl.replace('127.0.0.1', 'localhost') };
    assert.equal((await fhir('POST', 'Patient', patient('x'), named)).status, 201);
  });
});

describe('the CapabilityStatement', () => {
  interface Statement {
    patchFormat: string[];
    rest: { security?: { cors: boolean }; resource: Record<string, unknown>[] }[];
  }

  test('tells of patches, conditions, versions and origins', async () => {
    const { patchFormat, rest } = (await fhir('GET', 'metadata')).json as unknown as Statement;
    assert.ok(patchFormat.includes('application/json-patch+json') && patchFormat.includes('application/fhir+json'));
    assert.equal(rest[0]!.security!.cors, true);
    const one = rest[0]!.resource.find(({ type }) => type === 'Patient')!;
    assert.deepEqual(
      [one.conditionalCreate, one.conditionalRead, one.conditionalUpdate, one.conditionalDelete, one.updateCreate],
      [true, 'full-support', true, 'multiple', true],
    );
    assert.deepEqual([one.versioning, one.readHistory], ['versioned-update', true]);
    assert.deepEqual(one.referencePolicy, ['literal', 'logical']);
    for (const subject of [{ reference: 'http://other.example/fhir/Patient/1' }, { identifier: { value: '1' } }]) {
      assert.equal((await fhir('POST', 'Basic', { resourceType: 'Basic', code: { text: 'x' }, subject })).status, 201);
    }
    const codes = (one.interaction as { code: string }[]).map(({ code }) => code);
    for (const code of ['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'create', 'search-type']) {
      assert.ok(codes.includes(code), code);
    }
    assert.ok((one.searchRevInclude as string[]).includes('Observation:patient'));
  });

  test('in parts: normative, terminology, a summary; 304 for who has it', async () => {
    const normative = (await fhir('GET', 'metadata?mode=normative')).json as unknown as Statement;
    assert.equal('security' in normative.rest[0]!, false);
    assert.equal('conditionalCreate' in normative.rest[0]!.resource[0]!, false);
    assert.ok(normative.rest[0]!.resource[0]!.interaction);
    const terminology = await fhir('GET', 'metadata?mode=terminology');
    assert.equal(terminology.json.resourceType, 'TerminologyCapabilities');
    const { resourceType: _type, ...capabilities } = terminology.json;
    const body = { resourceType: 'TerminologyCapabilities', ...capabilities };
    assert.equal((await fhir('POST', 'TerminologyCapabilities', body)).status, 201);
    assertOutcome(await fhir('GET', 'metadata?mode=some'), 400, 'value', 'mode');
    assert.equal('rest' in (await fhir('GET', 'metadata?_elements=fhirVersion')).json, false);
    const full = await fhir('GET', 'metadata');
    assert.notEqual(full.headers.get('etag'), terminology.headers.get('etag'));
    const again = await fhir('GET', 'metadata', undefined, { 'If-None-Match': full.headers.get('etag')! });
    assert.deepEqual([again.status, again.text], [304, '']);
  });
});

describe('VERSION_REQUIRED', () => {
  test('changes need If-Match; creation doesn’t', async () => {
    const strict = await startTestServer({ VERSION_REQUIRED: 'Patient, Basic' });
    try {
      const call = createClient(strict.fhirBaseUrl);
      const body = { ...patient('V'), id: 'v' };
      assert.equal((await call('PUT', 'Patient/v', body)).status, 201);
      assertOutcome(await call('PUT', 'Patient/v', body), 400, 'required', 'If-Match');
      assertOutcome(await call('PUT', 'Patient/v', body, { 'If-Match': '*' }), 400, 'required', 'If-Match');
      assertOutcome(await call('PUT', 'Patient?family=v', patient('V')), 400, 'required', 'If-Match');
      assertOutcome(await call('DELETE', 'Patient/v'), 400, 'required', 'If-Match');
      const merge = { 'Content-Type': 'application/merge-patch+json' };
      assertOutcome(await call('PATCH', 'Patient/v', { active: false }, merge), 400, 'required', 'If-Match');
      assert.equal((await call('GET', 'Patient/v')).headers.get('etag'), 'W/"1"');
      const first = { 'If-Match': 'W/"1"' };
      assert.equal((await call('PATCH', 'Patient/v', { active: false }, { ...merge, ...first })).status, 200);
      assertOutcome(await call('PUT', 'Patient/v', body, first), 412, 'conflict', 'If-Match');
      const entry = [{ resource: body, request: { method: 'PUT', url: 'Patient/v' } }];
      const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
      assertOutcome(await call('POST', '', bundle), 400, 'required', 'Bundle.entry[0].request.ifMatch');
      const remove = [{ request: { method: 'DELETE', url: 'Patient/v' } }];
      assertOutcome(
        await call('POST', '', { ...bundle, entry: remove }),
        400,
        'required',
        'Bundle.entry[0].request.ifMatch',
      );
      const meta = [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }];
      const tags = { resourceType: 'Parameters', parameter: meta };
      assertOutcome(await call('POST', 'Patient/v/$meta-add', tags), 400, 'required', 'If-Match');
      assert.equal((await call('DELETE', 'Patient/v', undefined, { 'If-Match': 'W/"2"' })).status, 204);
      const organization = { resourceType: 'Organization', id: 'o', name: 'O' };
      for (let i = 0; i < 2; i++) assert.ok((await call('PUT', 'Organization/o', organization)).status < 300);
      const { rest } = (await call('GET', 'metadata')).json as unknown as {
        rest: { resource: { type: string; documentation?: string }[] }[];
      };
      const documented = rest[0]!.resource.filter(({ documentation }) => documentation?.includes('If-Match'));
      assert.deepEqual(documented.map(({ type }) => type).sort(), ['Basic', 'Patient']);
    } finally {
      await strict.stop();
    }
  });

  test('of a type that there isn’t stops the start', async () => {
    await assert.rejects(startTestServer({ VERSION_REQUIRED: 'Patent' }), /VERSION_REQUIRED: 'Patent'/);
  });
});
