// PATCH over HTTP: https://hl7.org/fhir/R4/http.html#patch
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, createWith, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const JSON_PATCH = { 'Content-Type': 'application/json-patch+json' };
const MERGE_PATCH = { 'Content-Type': 'application/merge-patch+json' };

const patient = (family: string) => ({ resourceType: 'Patient', active: true, name: [{ family, given: ['Ada'] }] });

const create = (resource: object) => createWith(fhir, resource);

const replace = (path: string, value: object) => ({
  resourceType: 'Parameters',
  parameter: [
    {
      name: 'operation',
      part: [
        { name: 'type', valueCode: 'replace' },
        { name: 'path', valueString: path },
        { name: 'value', ...value },
      ],
    },
  ],
});

describe('JSON Patch', () => {
  test('makes a new version, with the headers of an update, and what searches find', async () => {
    const path = await create(patient('Patch1'));
    const document = [
      { op: 'test', path: '/name/0/family', value: 'Patch1' },
      { op: 'replace', path: '/name/0/family', value: 'Patch2' },
      { op: 'add', path: '/name/0/given/-', value: 'Bea' },
      { op: 'remove', path: '/active' },
    ];
    const reply = await fhir('PATCH', path, document, JSON_PATCH);
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(reply.json.name, [{ family: 'Patch2', given: ['Ada', 'Bea'] }]);
    assert.equal('active' in reply.json, false);
    assert.equal(reply.headers.get('etag'), 'W/"2"');
    assert.equal(reply.headers.get('last-modified'), new Date(reply.json.meta!.lastUpdated!).toUTCString());
    assert.equal(reply.headers.get('location'), `${fhir.base}/${path}/_history/2`);
    assert.equal((await fhir('GET', path)).text, reply.text);
    assert.equal((await fhir('GET', 'Patient?family=patch2')).json.total, 1);
    assert.equal((await fhir('GET', 'Patient?family=patch1')).json.total, 0);
  });

  test('keeps every digit of decimals, those of the resource and those of the patch', async () => {
    const path = await create({ resourceType: 'Observation', status: 'final', code: { text: 'x' } });
    const text = '[{"op":"add","path":"/valueQuantity","value":{"value":1.00,"unit":"g"}}]';
    assert.match((await fhir('PATCH', path, text, JSON_PATCH)).text, /"valueQuantity":\{"value":1\.00,"unit":"g"\}/);
    const next =
      '[{"op":"test","path":"/valueQuantity/value","value":1.0},{"op":"add","path":"/status","value":"amended"}]';
    assert.match((await fhir('PATCH', path, next, JSON_PATCH)).text, /"status":"amended".*"value":1\.00/);
  });

  test('that can’t be applied changes nothing: 422 with the operation', async () => {
    const path = await create(patient('Fail'));
    const failing = [
      { op: 'replace', path: '/active', value: false },
      { op: 'test', path: '/gender', value: 'male' },
    ];
    assertOutcome(await fhir('PATCH', path, failing, JSON_PATCH), 422, 'processing', 'patch[1]');
    assert.equal((await fhir('GET', path)).json.active, true);
    assert.equal((await fhir('GET', path)).headers.get('etag'), 'W/"1"');
  });

  test('that is none is refused with its place: 400', async () => {
    const path = await create(patient('None'));
    const wrong: [unknown, string][] = [
      [{ op: 'add' }, 'patch'],
      [['x'], 'patch[0]'],
      [[{ op: 'ad', path: '/a', value: 1 }], 'patch[0].op'],
      [[{ op: 'add', path: 'a', value: 1 }], 'patch[0].path'],
      [[{ op: 'add', path: '/a~2', value: 1 }], 'patch[0].path'],
      [[{ op: 'add', path: '/a' }], 'patch[0].value'],
      [[{ op: 'move', path: '/a' }], 'patch[0].from'],
      [[{ op: 'move', from: '/name', path: '/name/0' }], 'patch[0].path'],
    ];
    for (const [document, expression] of wrong) {
      assertOutcome(await fhir('PATCH', path, document, JSON_PATCH), 400, 'invalid', expression);
    }
    assertOutcome(await fhir('PATCH', path, '[{', JSON_PATCH), 400, 'structure');
    assertOutcome(await fhir('PATCH', path, '', JSON_PATCH), 400, 'structure');
    assert.equal((await fhir('GET', path)).headers.get('etag'), 'W/"1"');
  });

  test('the result is validated; id and type stay', async () => {
    const path = await create(patient('Valid'));
    const run = (...document: object[]) => fhir('PATCH', path, document, JSON_PATCH);
    assertOutcome(await run({ op: 'add', path: '/gender', value: 'x' }), 400, 'code-invalid', 'Patient.gender');
    assertOutcome(await run({ op: 'add', path: '/nme', value: 'x' }), 400, 'structure', 'Patient.nme');
    assertOutcome(await run({ op: 'replace', path: '/id', value: 'x' }), 422, 'processing', 'id');
    assertOutcome(await run({ op: 'remove', path: '/id' }), 422, 'processing', 'id');
    const other = { op: 'replace', path: '/resourceType', value: 'Basic' };
    assertOutcome(await run(other), 422, 'processing', 'resourceType');
    assertOutcome(await run({ op: 'replace', path: '', value: [] }), 422, 'processing', 'resourceType');
    const version = { op: 'replace', path: '/meta/versionId', value: '9' };
    assert.equal((await run(version, { op: 'add', path: '/gender', value: 'female' })).json.meta?.versionId, '2');
  });
});

describe('FHIRPath Patch', () => {
  test('in JSON and in XML', async () => {
    const path = await create({ ...patient('FhirPath'), birthDate: '1970-01-01' });
    const reply = await fhir('PATCH', path, replace('Patient.birthDate', { valueDate: '1971-02-03' }));
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.birthDate, '1971-02-03');
    const part = (name: string, value: string) => `<part><name value="${name}"/>${value}</part>`;
    const xml = `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>${
      part('type', '<valueCode value="add"/>') +
      part('path', `<valueString value="Patient.name.where(family = 'FhirPath')"/>`) +
      part('name', '<valueString value="given"/>') +
      part('value', '<valueString value="Bea"/>')
    }</parameter></Parameters>`;
    const second = await fhir('PATCH', path, xml, { 'Content-Type': 'application/fhir+xml' });
    assert.equal(second.status, 200, second.text);
    assert.deepEqual(second.json.name, [{ family: 'FhirPath', given: ['Ada', 'Bea'] }]);
    assert.equal(second.headers.get('etag'), 'W/"3"');
  });

  test('what is none: 400; what fails: 422', async () => {
    const path = await create(patient('FhirPath'));
    assertOutcome(await fhir('PATCH', path, patient('x')), 400, 'invalid', 'Parameters');
    assertOutcome(await fhir('PATCH', path, []), 400, 'structure');
    const several = replace('Patient.name.given | Patient.name.family', { valueString: 'x' });
    assertOutcome(await fhir('PATCH', path, several), 400, 'invalid', 'Parameters.parameter[0]');
    const missing = replace('Patient.birthDate', { valueDate: '1970-01-01' });
    assertOutcome(await fhir('PATCH', path, missing), 422, 'processing', 'Parameters.parameter[0]');
    const wrong = replace('Patient.active', { valueString: 'yes' });
    assertOutcome(await fhir('PATCH', path, wrong), 422, 'processing', 'Parameters.parameter[0]');
    const bad = { resourceType: 'Parameters', parameter: [{ name: 'operation', prt: [] }] };
    assertOutcome(await fhir('PATCH', path, bad), 400, 'structure');
  });
});

describe('JSON Merge Patch', () => {
  test('merges objects, replaces lists, null removes', async () => {
    const path = await create({ ...patient('Merge'), maritalStatus: { text: 'a', coding: [{ code: 'M' }] } });
    const document = { active: null, maritalStatus: { text: 'b' }, name: [{ family: 'Merged' }] };
    const reply = await fhir('PATCH', path, document, MERGE_PATCH);
    assert.equal(reply.status, 200, reply.text);
    const { resourceType, id, meta, ...rest } = reply.json;
    assert.deepEqual(rest, { maritalStatus: { text: 'b', coding: [{ code: 'M' }] }, name: [{ family: 'Merged' }] });
    assertOutcome(await fhir('PATCH', path, ['x'], MERGE_PATCH), 400, 'invalid', 'patch');
    assertOutcome(await fhir('PATCH', path, { id: null }, MERGE_PATCH), 422, 'processing', 'id');
  });
});

describe('a patch', () => {
  test('that changes nothing makes no version', async () => {
    const path = await create(patient('Noop'));
    const same = [
      { op: 'add', path: '/gender', value: 'male' },
      { op: 'remove', path: '/gender' },
    ];
    const reply = await fhir('PATCH', path, same, JSON_PATCH);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('etag'), 'W/"1"');
    assert.equal((await fhir('PATCH', path, {}, MERGE_PATCH)).headers.get('etag'), 'W/"1"');
    assert.equal((await fhir('PATCH', path, { resourceType: 'Parameters' })).headers.get('etag'), 'W/"1"');
    const stamp = { meta: { versionId: '7', lastUpdated: null } };
    assert.equal((await fhir('PATCH', path, stamp, MERGE_PATCH)).headers.get('etag'), 'W/"1"');
    assert.equal((await fhir('PATCH', path, { meta: null }, MERGE_PATCH)).headers.get('etag'), 'W/"1"');
    assert.equal(entries(await fhir('GET', `${path}/_history`)).length, 1);
  });

  test('of nothing: 404, of what was deleted: 410, of another type of document: 415', async () => {
    assertOutcome(await fhir('PATCH', 'Patient/never', {}, MERGE_PATCH), 404, 'not-found');
    assertOutcome(await fhir('PATCH', 'Patient/no_id', {}, MERGE_PATCH), 404, 'not-found');
    assertOutcome(await fhir('PATCH', 'Nonsense/1', {}, MERGE_PATCH), 404, 'not-supported');
    const path = await create(patient('Gone'));
    await fhir('DELETE', path);
    assertOutcome(await fhir('PATCH', path, { active: false }, MERGE_PATCH), 410, 'deleted');
    const xml = await fhir('PATCH', path, '<diff/>', { 'Content-Type': 'application/xml-patch+xml' });
    assertOutcome(xml, 415, 'not-supported', 'Content-Type');
    assert.equal(
      xml.headers.get('accept-patch'),
      'application/json-patch+json, application/merge-patch+json, application/fhir+json, application/fhir+xml',
    );
  });

  test('with If-Match: 412 unless it is the current version', async () => {
    const path = await create(patient('Match'));
    const patch = (ifMatch: string, family: string) =>
      fhir('PATCH', path, { name: [{ family }] }, { ...MERGE_PATCH, 'If-Match': ifMatch });
    assert.equal((await patch('W/"1"', 'M2')).headers.get('etag'), 'W/"2"');
    assertOutcome(await patch('W/"1"', 'M3'), 412, 'conflict', 'If-Match');
    assertOutcome(await patch('"x"', 'M3'), 412, 'conflict', 'If-Match');
    assertOutcome(await patch('W/"1", W/"2"', 'M3'), 400, 'invalid', 'If-Match');
    assert.equal((await patch('*', 'M3')).headers.get('etag'), 'W/"3"');
    assert.equal((await patch('"3"', 'M4')).headers.get('etag'), 'W/"4"');
  });

  test('Prefer chooses what comes back', async () => {
    const path = await create(patient('Prefer'));
    const patch = (gender: string, prefer: string) =>
      fhir('PATCH', path, { gender }, { ...MERGE_PATCH, Prefer: `return=${prefer}` });
    const minimal = await patch('male', 'minimal');
    assert.deepEqual([minimal.status, minimal.text, minimal.headers.get('etag')], [200, '', 'W/"2"']);
    const outcome = await patch('female', 'OperationOutcome');
    assert.equal(outcome.json.resourceType, 'OperationOutcome');
    assert.equal((await patch('other', 'representation')).json.gender, 'other');
  });

  test('removes narrative that tells of what it changes, and none of a person’s', async () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml">Ada, active</div>';
    const generated = await create({ ...patient('Text'), text: { status: 'generated', div } });
    const tagged = await fhir('PATCH', generated, { meta: { tag: [{ code: 'x' }] } }, MERGE_PATCH);
    assert.deepEqual(tagged.json.text, { status: 'generated', div });
    const changed = await fhir('PATCH', generated, { active: false }, MERGE_PATCH);
    assert.deepEqual([changed.status, 'text' in changed.json], [200, false]);
    const written = await create({ ...patient('Text'), text: { status: 'additional', div } });
    assertOutcome(await fhir('PATCH', written, { active: false }, MERGE_PATCH), 422, 'processing', 'Patient.text');
    const both = { active: false, text: { div: div.replace('active', 'inactive') } };
    const rewritten = await fhir('PATCH', written, both, MERGE_PATCH);
    assert.deepEqual([rewritten.status, rewritten.json.active], [200, false]);
  });

  test('by criteria: the one that matches; none is 404, several are 412', async () => {
    const identifier = [{ system: 'urn:cp', value: '1' }];
    const path = await create({ ...patient('Cond'), identifier });
    const run = (query: string) => fhir('PATCH', `Patient?${query}`, { gender: 'female' }, MERGE_PATCH);
    const reply = await run('identifier=urn:cp|1');
    assert.equal(reply.status, 200, reply.text);
    assert.equal(`Patient/${reply.json.id}`, path);
    assert.equal(reply.json.gender, 'female');
    assertOutcome(await run('identifier=urn:cp|none'), 404, 'not-found', 'url');
    assertOutcome(await fhir('PATCH', 'Patient', { gender: 'male' }, MERGE_PATCH), 400, 'value', 'url');
    assertOutcome(await run('identifer=urn:cp|1'), 400, 'not-supported');
    await create({ ...patient('Cond'), identifier });
    assertOutcome(await run('identifier=urn:cp|1'), 412, 'multiple-matches', 'url');
  });
});

describe('many patches of one resource at once', () => {
  test('none is lost', async () => {
    const path = await create({ resourceType: 'Patient' });
    const count = 40;
    const replies = await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const telecom = { system: 'phone', value: String(i) };
        if (i % 2 === 0) return fhir('PATCH', path, [{ op: 'add', path: '/telecom/-', value: telecom }], JSON_PATCH);
        const part = [
          { name: 'type', valueCode: 'add' },
          { name: 'path', valueString: 'Patient' },
          { name: 'name', valueString: 'telecom' },
          { name: 'value', valueContactPoint: telecom },
        ];
        return fhir('PATCH', path, { resourceType: 'Parameters', parameter: [{ name: 'operation', part }] });
      }),
    );
    // A JSON Patch has nothing to append to until a FHIRPath Patch has made the list.
    const refused = replies.filter((reply) => reply.status === 422);
    const done = replies.filter((reply) => reply.status === 200);
    assert.equal(done.length + refused.length, count);
    assert.ok(done.length >= count / 2);
    const versions = done.map((reply) => Number(reply.json.meta?.versionId)).sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      done.map((_, i) => i + 2),
    );
    const { telecom } = (await fhir('GET', path)).json as unknown as { telecom: { value: string }[] };
    assert.equal(new Set(telecom.map(({ value }) => value)).size, done.length);
  });

  test('of those with If-Match one wins', async () => {
    const path = await create(patient('Race'));
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        fhir('PATCH', path, { name: [{ family: `Race${i}` }] }, { ...MERGE_PATCH, 'If-Match': 'W/"1"' }),
      ),
    );
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, ...Array(9).fill(412)]);
    assert.equal((await fhir('GET', path)).headers.get('etag'), 'W/"2"');
  });
});
