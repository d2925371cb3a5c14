// How operations are called, $meta, $meta-add, $meta-delete, $convert: https://hl7.org/fhir/R4/operations.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome, entries, ids } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const parameters = (...parameter: JsonObject[]) => ({ resourceType: 'Parameters', parameter });
const metaInput = (valueMeta: JsonObject) => parameters({ name: 'meta', valueMeta });
const T = (code: string, more: JsonObject = {}) => ({ system: 'urn:t', code, ...more });

describe('calling an operation', () => {
  test('one that does not exist: 404 that tells what does', async () => {
    const { diagnostics } = assertOutcome(await fhir('GET', 'Patient/$nothing'), 404, 'not-found');
    assert.match(diagnostics, /There is no operation \$nothing: there are .*\$everything.*\$meta/);
    assertOutcome(await fhir('POST', '$nothing', {}), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Nothing/$meta'), 404, 'not-supported');
    assertOutcome(await fhir('GET', 'Patient/no_id/$meta'), 404, 'not-found');
  });

  test('at the wrong level: 404 that tells where it is', async () => {
    const reply = await fhir('POST', 'Patient/$meta-add', metaInput({ tag: [T('a')] }));
    assert.match(assertOutcome(reply, 404, 'not-found').diagnostics, /it is at \[type\]\/\[id\]\/\$meta-add$/);
  });

  test('with the wrong method: 405', async () => {
    assertOutcome(await fhir('DELETE', 'Patient/$meta'), 405, 'not-supported');
    assertOutcome(await fhir('PUT', '$meta', {}), 405, 'not-supported');
    const { diagnostics } = assertOutcome(await fhir('GET', 'Patient/1/$meta-add'), 405, 'not-supported');
    assert.match(diagnostics, /call it with POST/);
    assertOutcome(await fhir('GET', '$convert'), 405, 'not-supported');
  });

  test('with wrong parameters: 400 that names them', async () => {
    assertOutcome(await fhir('GET', 'Patient/$meta?what=1'), 400, 'not-supported', 'what');
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add', parameters()), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add', { resourceType: 'Parameters' }), 400, 'required', 'meta');
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add'), 400, 'required', 'meta');
    const wrongType = parameters({ name: 'meta', valueCoding: { code: 'x' } });
    assertOutcome(
      await fhir('POST', 'Patient/1/$meta-add', wrongType),
      400,
      'value',
      'Parameters.parameter[0].valueCoding',
    );
    const twice = parameters(
      { name: 'meta', valueMeta: { tag: [T('a')] } },
      { name: 'meta', valueMeta: { tag: [T('b')] } },
    );
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add', twice), 400, 'value', 'meta');
    const other = parameters({ name: 'other', valueString: 'x' });
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add', other), 400, 'not-supported', 'other');
    const invalid = metaInput({ tag: 'x' });
    assertOutcome(
      await fhir('POST', 'Patient/1/$meta-add', invalid),
      400,
      'structure',
      'Parameters.parameter[0].valueMeta.tag',
    );
    assertOutcome(
      await fhir('POST', 'Patient/1/$meta-add', { resourceType: 'Patient' }),
      400,
      'structure',
      'Parameters',
    );
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add?meta=x', parameters()), 400, 'structure');
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add?meta=x'), 400, 'value', 'meta');
    assertOutcome(await fhir('POST', 'Patient/1/$meta-add', '{'), 400, 'structure');
  });

  test('general parameters are no parameters of the operation', async () => {
    assert.equal((await fhir('GET', 'Patient/$meta?_format=json')).status, 200);
  });
});

describe('what is offered', () => {
  test('stands in the CapabilityStatement, with a definition that can be read', async () => {
    const { json } = await fhir('GET', 'metadata');
    const rest = (json.rest as unknown as JsonObject[])[0]!;
    const patient = (rest.resource as unknown as JsonObject[]).find(({ type }) => type === 'Patient')!;
    const names = (operations: unknown) => (operations as { name: string }[]).map(({ name }) => name);
    assert.ok(names(patient.operation).includes('meta-add'));
    assert.ok(names(rest.operation).includes('convert'));
    assert.ok(!names(rest.operation).includes('meta-add'));
    const all = [...(rest.operation as JsonObject[]), ...(patient.operation as JsonObject[])];
    for (const { name, definition } of all as { name: string; definition: string }[]) {
      const id = definition.slice(definition.lastIndexOf('/') + 1);
      const read = await fhir('GET', `OperationDefinition/${id}`);
      assert.equal(read.status, 200, id);
      assert.equal(read.json.code, name);
      assert.equal(read.json.url, definition);
      const { id: _id, ...valid } = read.json;
      assert.equal((await fhir('POST', 'OperationDefinition', valid)).status, 201, 'it is a valid resource');
    }
  });

  test('a stored OperationDefinition is read as before, an unknown one is 404', async () => {
    assertOutcome(await fhir('GET', 'OperationDefinition/nothing'), 404, 'not-found');
  });
});

describe('$convert', () => {
  test('gives back what was posted, digits and all, as a bare resource or in Parameters', async () => {
    const posted = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}';
    const bare = await fhir('POST', '$convert', posted);
    assert.equal(bare.status, 200);
    assert.equal(bare.text, posted);
    const wrapped = await fhir(
      'POST',
      '$convert',
      `{"resourceType":"Parameters","parameter":[{"name":"input","resource":${posted}}]}`,
    );
    assert.equal(wrapped.text, posted);
    assertOutcome(
      await fhir('POST', '$convert', { resourceType: 'Patient', gender: 'x' }),
      400,
      'code-invalid',
      'Patient.gender',
    );
    assertOutcome(await fhir('POST', '$convert'), 400, 'required', 'input');
  });
});

describe('$meta', () => {
  const create = async (meta: JsonObject) =>
    (await fhir('POST', 'Patient', { resourceType: 'Patient', meta, active: true })).json.id!;

  test('of a resource, and of a version', async () => {
    const id = await create({ tag: [T('first')] });
    await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id, meta: { tag: [T('second')] } });
    const now = await fhir('GET', `Patient/${id}/$meta`);
    const read = await fhir('GET', `Patient/${id}`);
    assert.deepEqual(now.json, parameters({ name: 'return', valueMeta: read.json.meta! }));
    const former = await fhir('GET', `Patient/${id}/_history/1/$meta`);
    const vread = await fhir('GET', `Patient/${id}/_history/1`);
    assert.deepEqual(former.json, parameters({ name: 'return', valueMeta: vread.json.meta! }));
    assertOutcome(await fhir('GET', `Patient/${id}/_history/7/$meta`), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Patient/none/$meta'), 404, 'not-found');
    await fhir('DELETE', `Patient/${id}`);
    assertOutcome(await fhir('GET', `Patient/${id}/$meta`), 410, 'deleted');
    assert.equal((await fhir('POST', `Patient/${id}/_history/1/$meta`)).status, 200);
    assertOutcome(await fhir('POST', `Patient/${id}/_history/1/$meta-add`, metaInput({})), 404, 'not-found');
  });

  test('of a type and of the server: each label once', async () => {
    const meta = { profile: ['http://p/1'], tag: [T('x'), T('y')], security: [{ system: 'urn:s', code: 'R' }] };
    await fhir('POST', 'Basic', { resourceType: 'Basic', meta, code: { text: 'c' } });
    await fhir('POST', 'Basic', {
      resourceType: 'Basic',
      meta: { ...meta, tag: [T('x', { display: 'X' })] },
      code: { text: 'c' },
    });
    await fhir('POST', 'Flag', {
      resourceType: 'Flag',
      meta: { tag: [T('only-flag')] },
      status: 'active',
      code: { text: 'f' },
      subject: { display: 's' },
    });
    const basic = await fhir('GET', 'Basic/$meta');
    const [{ valueMeta }] = basic.json.parameter as unknown as [{ valueMeta: JsonObject & { tag: JsonObject[] } }];
    assert.deepEqual(valueMeta.profile, ['http://p/1']);
    assert.deepEqual(valueMeta.security, [{ system: 'urn:s', code: 'R' }]);
    assert.deepEqual(
      valueMeta.tag.map(({ code }) => code),
      ['x', 'y'],
    );
    assert.equal(valueMeta.versionId, undefined);
    assert.deepEqual((await fhir('GET', 'Account/$meta')).json, { resourceType: 'Parameters' });
    const system = await fhir('GET', '$meta');
    const [{ valueMeta: all }] = system.json.parameter as unknown as [{ valueMeta: { tag: JsonObject[] } }];
    const codes = all.tag.map(({ code }) => code);
    for (const code of ['x', 'y', 'only-flag']) assert.ok(codes.includes(code), String(code));
  });

  test('$meta-add adds as a set, as a new version that _tag finds', async () => {
    const id = await create({ tag: [T('kept', { display: 'Kept' })], profile: ['http://p/kept'] });
    const given = {
      tag: [T('kept', { display: 'other', version: '2' }), T('added-1'), T('added-1')],
      security: [T('s')],
      profile: ['http://p/kept', 'http://p/new'],
    };
    const reply = await fhir('POST', `Patient/${id}/$meta-add`, metaInput(given));
    assert.equal(reply.status, 200);
    const { json } = await fhir('GET', `Patient/${id}`);
    assert.deepEqual(reply.json, parameters({ name: 'return', valueMeta: json.meta! }));
    assert.equal(json.active, true);
    assert.equal(json.meta!.versionId, '2');
    assert.deepEqual(json.meta!.tag, [T('kept', { display: 'Kept' }), T('added-1')]);
    assert.deepEqual(json.meta!.security, [T('s')]);
    assert.deepEqual(json.meta!.profile, ['http://p/kept', 'http://p/new']);
    assert.deepEqual(ids(await fhir('GET', 'Patient?_tag=urn:t|added-1')), [id]);
    const history = entries(await fhir('GET', `Patient/${id}/_history`));
    assert.deepEqual(
      history.map(({ resource }) => resource?.meta?.versionId),
      ['2', '1'],
    );
  });

  test('$meta-delete deletes by identity; what changes nothing makes no version', async () => {
    const id = await create({ tag: [T('go', { display: 'G' }), T('stay')], security: [T('s')] });
    const gone = { tag: [T('go', { version: '9' }), T('never-there')], security: [T('s')] };
    const reply = await fhir('POST', `Patient/${id}/$meta-delete`, metaInput(gone));
    const [{ valueMeta }] = reply.json.parameter as unknown as [{ valueMeta: JsonObject }];
    assert.deepEqual(valueMeta.tag, [T('stay')]);
    assert.equal(valueMeta.security, undefined);
    assert.equal(valueMeta.versionId, '2');
    assert.deepEqual(ids(await fhir('GET', 'Patient?_tag=urn:t|go')), []);
    const again = await fhir('POST', `Patient/${id}/$meta-delete`, metaInput(gone));
    assert.equal((again.json.parameter as unknown as [{ valueMeta: JsonObject }])[0].valueMeta.versionId, '2');
    const same = await fhir('POST', `Patient/${id}/$meta-add`, metaInput({ tag: [T('stay')] }));
    assert.equal((same.json.parameter as unknown as [{ valueMeta: JsonObject }])[0].valueMeta.versionId, '2');
    assertOutcome(await fhir('POST', 'Patient/none/$meta-add', metaInput(gone)), 404, 'not-found');
  });

  test('labels without a code are told apart by all they have; too many are refused', async () => {
    const id = await create({ tag: [{ display: 'one' }] });
    const given = { tag: [{ display: 'one' }, { display: 'two' }] };
    const reply = await fhir('POST', `Patient/${id}/$meta-add`, metaInput(given));
    assert.deepEqual((reply.json.parameter as unknown as [{ valueMeta: JsonObject }])[0].valueMeta.tag, given.tag);
    const many = { tag: Array.from({ length: 1001 }, (_, i) => T(String(i))) };
    assertOutcome(await fhir('POST', `Patient/${id}/$meta-add`, metaInput(many)), 400, 'too-costly', 'meta');
  });

  test('If-Match holds for them as for any change, in a batch too', async () => {
    const id = await create({ tag: [T('x')] });
    const add = (code: string, ifMatch: string) =>
      fhir('POST', `Patient/${id}/$meta-add`, metaInput({ tag: [T(code)] }), { 'If-Match': ifMatch });
    assert.equal((await add('y', 'W/"1"')).status, 200);
    assertOutcome(await add('z', 'W/"1"'), 412, 'conflict', 'If-Match');
    // Nothing would change, but the condition is asked first.
    assertOutcome(await add('y', 'W/"1"'), 412, 'conflict', 'If-Match');
    assertOutcome(await add('z', 'two'), 400, 'invalid', 'If-Match');
    const entry = (code: string, ifMatch: string) => ({
      request: { method: 'POST', url: `Patient/${id}/$meta-add`, ifMatch },
      resource: metaInput({ tag: [T(code)] }),
    });
    const batch = { resourceType: 'Bundle', type: 'batch', entry: [entry('late', 'W/"1"'), entry('new', 'W/"2"')] };
    const told = (await fhir('POST', '', batch)).json.entry as unknown as {
      response: { status: string; outcome?: { issue: { expression?: string[] }[] } };
    }[];
    assert.deepEqual(
      told.map(({ response }) => response.status),
      ['412 Precondition Failed', '200 OK'],
    );
    assert.deepEqual(told[0]!.response.outcome!.issue[0]!.expression, ['Bundle.entry[0].request.ifMatch']);
    const { json } = await fhir('GET', `Patient/${id}`);
    assert.deepEqual(json.meta!.tag, [T('x'), T('y'), T('new')]);
    assert.equal(json.meta!.versionId, '3');
  });

  test('fifty $meta-add at once: none is lost', async () => {
    const id = await create({ tag: [T('base')] });
    const codes = Array.from({ length: 50 }, (_, i) => `c${String(i).padStart(2, '0')}`);
    const replies = await Promise.all(
      codes.map((code) => fhir('POST', `Patient/${id}/$meta-add`, metaInput({ tag: [T(code)] }))),
    );
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200]);
    const { json } = await fhir('GET', `Patient/${id}`);
    assert.deepEqual(json.meta!.tag!.map(({ code }) => code).sort(), ['base', ...codes]);
    assert.equal(json.meta!.versionId, '51');
  });
});
