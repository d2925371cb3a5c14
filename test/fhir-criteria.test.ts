// What criteria of conditional interactions say, however they come: https://hl7.org/fhir/R4/http.html#ccreate, #trules
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, createClient, entries } from './client.ts';
import { serveTests, startTestServer } from './server.ts';

const fhir = serveTests();
const asSent = (text: string): string => Buffer.from(text).toString('latin1');

describe('If-None-Exist', () => {
  test('in UTF-8, as a shell sends it: the second POST finds what the first has created', async () => {
    const body = { resourceType: 'Patient', identifier: [{ system: 'urn:crit', value: 'Müller-Łęk' }] };
    const headers = { 'If-None-Exist': asSent('identifier=urn:crit|Müller-Łęk') };
    const first = await fhir('POST', 'Patient', body, headers);
    const second = await fhir('POST', 'Patient', body, headers);
    assert.deepEqual([first.status, second.status, second.json.id], [201, 200, first.json.id]);
  });

  test('in ISO 8859-1, as fetch sends it', async () => {
    const body = { resourceType: 'Patient', identifier: [{ system: 'urn:crit', value: 'Jäger' }] };
    const headers = { 'If-None-Exist': 'identifier=urn:crit|Jäger' };
    const first = await fhir('POST', 'Patient', body, headers);
    const second = await fhir('POST', 'Patient', body, headers);
    assert.deepEqual([first.status, second.status, second.json.id], [201, 200, first.json.id]);
  });
});

test('a value with an ampersand is not two parameters: each entry creates its own', async () => {
  const create = (name: object, ifNoneExist: string) => ({
    resource: { resourceType: 'Patient', name: [name] },
    request: { method: 'POST', url: 'Patient', ifNoneExist },
  });
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      create({ family: 'Bay&given=Ada' }, 'family=Bay%26given%3DAda'),
      create({ family: 'Bay', given: ['Ada'] }, 'family=Bay&given=Ada'),
    ],
  };
  const places = async () => entries(await fhir('POST', '', bundle)).map(({ response }) => response!);
  const first = await places();
  assert.deepEqual(
    first.map(({ status }) => status),
    ['201 Created', '201 Created'],
  );
  const second = await places();
  assert.deepEqual(
    second.map(({ status, location }) => [status, location]),
    first.map(({ location }) => ['200 OK', location]),
  );
});

test('criteria say nothing of what is contained: nothing is deleted in its stead', async () => {
  await fhir('PUT', 'Patient/crit-c', {
    resourceType: 'Patient',
    id: 'crit-c',
    active: true,
    identifier: [{ value: 'crit-c' }],
  });
  const criteria = 'identifier=crit-c&_contained=true';
  assertOutcome(await fhir('DELETE', `Patient?${criteria}`), 400, 'not-supported', '_contained');
  const create = await fhir('POST', 'Patient', { resourceType: 'Patient' }, { 'If-None-Exist': criteria });
  assertOutcome(create, 400, 'not-supported', '_contained');
  assert.equal((await fhir('DELETE', 'Patient?identifier=crit-c&_contained=false')).status, 204);
  assert.equal((await fhir('GET', 'Patient/crit-c')).status, 410);
});

test('criteria beside an id, or in the URL of a create, are refused: they would be ignored', async () => {
  const resource = { resourceType: 'Patient', id: 'crit-id', active: true };
  const path = 'Patient/crit-id';
  assert.equal((await fhir('PUT', `${path}?_format=json&_pretty=true&_=1`, resource)).status, 201);
  const patch = { 'Content-Type': 'application/merge-patch+json' };
  assertOutcome(await fhir('DELETE', `${path}?active=false`), 400, 'invalid', 'active');
  assertOutcome(await fhir('PUT', `${path}?identifier:of-type=1`, resource), 400, 'invalid', 'identifier:of-type');
  assertOutcome(
    await fhir('PATCH', `${path}?_lastUpdated=lt2000`, { active: null }, patch),
    400,
    'invalid',
    '_lastUpdated',
  );
  const chain = 'general-practitioner.name';
  assertOutcome(await fhir('DELETE', `${path}?${chain}=x`), 400, 'invalid', chain);
  assertOutcome(await fhir('DELETE', `${path}?_has:Observation:subject:code=x`), 400, 'invalid');
  const { text } = await fhir('POST', 'Patient?family=once', { resourceType: 'Patient', name: [{ family: 'once' }] });
  assert.match(text, /A create takes criteria in If-None-Exist: 'family' in the URL would be ignored/);
  assert.equal((await fhir('GET', 'Patient?family=once&_summary=count')).json.total, 0);
  const { meta } = (await fhir('GET', path)).json;
  assert.equal(meta!.versionId, '1');
});

test('VERSION_REQUIRED: If-Match: * creates nothing', async () => {
  const strict = await startTestServer({ VERSION_REQUIRED: 'Patient' });
  try {
    const call = createClient(strict.fhirBaseUrl);
    const body = { resourceType: 'Patient', id: 'absent' };
    assertOutcome(await call('PUT', 'Patient/absent', body, { 'If-Match': '*' }), 400, 'required', 'If-Match');
    assertOutcome(await call('PUT', 'Patient/absent', body, { 'If-Match': '' }), 400, 'invalid', 'If-Match');
    const other = { 'If-None-Match': 'W/"1"' };
    assertOutcome(await call('PUT', 'Patient/absent', body, other), 400, 'invalid', 'If-None-Match');
    assert.equal((await call('GET', 'Patient/absent')).status, 404);
  } finally {
    await strict.stop();
  }
});
