// Composition/$document and DocumentReference/$docref: https://hl7.org/fhir/R4/composition-operation-document.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient, entries, ids } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const ref = (reference: string) => ({ reference });
const put = async (resource: JsonObject) => {
  const reply = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.equal(reply.status, 201, reply.text);
};

const composition = (id: string, more: JsonObject = {}) => ({
  ...{ resourceType: 'Composition', id, status: 'final', type: { text: 'note' }, date: '2020-01-01', title: 'Note' },
  ...{ subject: ref('Patient/p'), author: [ref('Practitioner/doc')], ...more },
});

before(async () => {
  // More than one page of the documents of a patient.
  server = await startTestServer({ SEARCH_COUNT_MAX: '2', SEARCH_COUNT_DEFAULT: '2' });
  fhir = createClient(server.fhirBaseUrl);
  await put({ resourceType: 'Organization', id: 'org', partOf: ref('Organization/parent') });
  await put({ resourceType: 'Organization', id: 'parent', partOf: ref('Organization/org') });
  await put({ resourceType: 'Practitioner', id: 'doc', name: [{ family: 'Doc' }] });
  await put({ resourceType: 'Patient', id: 'other', active: true });
  await put({
    resourceType: 'Patient',
    id: 'p',
    managingOrganization: ref('Organization/org'),
    link: [{ type: 'seealso', other: ref('Patient/other') }],
  });
  await put({
    resourceType: 'Observation',
    id: 'obs',
    status: 'final',
    code: { text: 'c' },
    subject: ref('Patient/p'),
    valueQuantity: { value: 1 },
  });
  await put({
    resourceType: 'Observation',
    id: 'unlisted',
    status: 'final',
    code: { text: 'c' },
    subject: ref('Patient/p'),
  });
  await put(composition('first'));
  await put(
    composition('c', {
      custodian: ref('Organization/org'),
      relatesTo: [{ code: 'replaces', targetReference: ref('Composition/first') }],
      section: [
        { title: 'Results', entry: [ref('Observation/obs')], section: [{ entry: [ref('#inside'), { display: 'x' }] }] },
      ],
      contained: [{ resourceType: 'Basic', id: 'inside', code: { text: 'x' } }],
    }),
  );
});
after(() => server.stop());

const names = (list: { resource?: { resourceType: string; id?: string } }[]) =>
  list.map(({ resource }) => `${resource?.resourceType}/${resource?.id}`);
const whole = [
  'Composition/c',
  'Patient/p',
  'Practitioner/doc',
  'Organization/org',
  'Observation/obs',
  'Organization/parent',
];

describe('Composition/$document', () => {
  test('the composition first, then what it refers to, to any depth for what is nobody’s', async () => {
    const reply = await fhir('GET', 'Composition/c/$document');
    assert.equal(reply.status, 200);
    assert.equal(reply.json.type, 'document');
    assert.match((reply.json.identifier as unknown as { value: string }).value, /^urn:uuid:[0-9a-f-]{36}$/);
    assert.match(String(reply.json.timestamp), /^\d{4}-.*Z$/);
    assert.deepEqual(names(entries(reply)), whole);
    for (const { fullUrl, resource } of entries(reply))
      assert.equal(fullUrl, `${fhir.base}/${resource?.resourceType}/${resource?.id}`);
    const byId = await fhir('GET', 'Composition/$document?id=c');
    assert.deepEqual(names(entries(byId)), whole);
    const byUrl = await fhir('POST', 'Composition/$document', {
      resourceType: 'Parameters',
      parameter: [{ name: 'id', valueUri: `${fhir.base}/Composition/c` }],
    });
    assert.deepEqual(names(entries(byUrl)), whole);
  });

  test('persist stores it', async () => {
    const reply = await fhir('POST', 'Composition/c/$document?persist=true');
    assert.equal(reply.status, 201);
    assert.equal(reply.headers.get('location'), `${fhir.base}/Bundle/${reply.json.id}/_history/1`);
    const stored = await fhir('GET', `Bundle/${reply.json.id}`);
    assert.equal(stored.text, reply.text);
    assert.deepEqual(names(entries(stored)), whole);
    assert.equal((await fhir('GET', 'Composition/c/$document?persist=false')).status, 200);
    // A GET is safe: a link or an image of any page may send it.
    const count = async () => (await fhir('GET', 'Bundle?_summary=count')).json.total;
    const before = await count();
    const refused = await fhir('GET', 'Composition/c/$document?persist=true');
    assertOutcome(refused, 405, 'not-supported', 'persist');
    assert.match(refused.headers.get('allow')!, /POST/);
    assertOutcome(await fhir('GET', 'Composition/$document?id=c&persist=true'), 405, 'not-supported', 'persist');
    assert.equal(await count(), before);
    const entry = [{ request: { method: 'POST', url: 'Composition/c/$document?persist=true' } }];
    const [made] = entries(await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry }));
    assert.equal(made!.response!.status, '201 Created');
    assert.equal(made!.response!.location, `${fhir.base}/Bundle/${made!.resource!.id}/_history/1`);
  });

  test('is whole or an error', async () => {
    await put(composition('broken', { section: [{ entry: [ref('Observation/obs'), ref('Observation/none')] }] }));
    assertOutcome(
      await fhir('GET', 'Composition/broken/$document'),
      422,
      'business-rule',
      'Composition.section[0].entry[1].reference',
    );
    await put(composition('elsewhere', { custodian: ref('http://elsewhere.example/fhir/Organization/1') }));
    assertOutcome(
      await fhir('GET', 'Composition/elsewhere/$document'),
      422,
      'business-rule',
      'Composition.custodian.reference',
    );
  });

  test('what it refers to as a version comes as that version', async () => {
    const observation = (value: number, resourceId: string) => ({
      ...{ resourceType: 'Observation', id: resourceId, status: 'final', code: { text: 'c' } },
      valueQuantity: { value },
    });
    await put(observation(1, 'twice'));
    assert.equal((await fhir('PUT', 'Observation/twice', observation(2, 'twice'))).status, 200);
    const versions = async (...entry: string[]) => {
      const section = [{ entry: [...entry.map(ref), ref('Practitioner/doc/_history/1')] }];
      await fhir('PUT', 'Composition/versioned', composition('versioned', { section }));
      const reply = await fhir('GET', 'Composition/versioned/$document');
      assert.equal(reply.status, 200, reply.text);
      return entries(reply)
        .slice(1)
        .map(({ fullUrl, resource }) => {
          assert.equal(fullUrl, `${fhir.base}/${resource!.resourceType}/${resource!.id}`);
          return `${resource!.id}/${(resource!.meta as { versionId: string }).versionId}`;
        });
    };
    const whoever = ['p/1', 'doc/1'];
    const further = ['org/1', 'parent/1'];
    assert.deepEqual(await versions('Observation/twice/_history/1'), [...whoever, 'twice/1', ...further]);
    const both = await versions('Observation/twice', 'Observation/twice/_history/1', 'Observation/twice/_history/2');
    assert.deepEqual(both, [...whoever, 'twice/2', 'twice/1', ...further]);
    await put(composition('unversioned', { section: [{ entry: [ref('Observation/twice/_history/3')] }] }));
    const missing = await fhir('GET', 'Composition/unversioned/$document');
    assertOutcome(missing, 422, 'business-rule', 'Composition.section[0].entry[0].reference');
  });

  test('one that would be too large is refused, not put together', async () => {
    const div = `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(1_000_000)}</div>`;
    const versions = Array.from({ length: 68 }, (_, i) => String(i + 1));
    for (const text of versions) {
      const resource = { resourceType: 'Basic', id: 'large', text: { status: 'generated', div }, code: { text } };
      const { status } = await fhir('PUT', 'Basic/large', resource, { Prefer: 'return=minimal' });
      assert.ok(status === 200 || status === 201);
    }
    const entry = versions.map((version) => ref(`Basic/large/_history/${version}`));
    await put(composition('large', { section: [{ entry }] }));
    assertOutcome(await fhir('GET', 'Composition/large/$document'), 400, 'too-costly');
  });

  test('one whose resources of a type are too large to be read at once is whole', async () => {
    const scans = ['scan-1', 'scan-2', 'scan-3', 'scan-4'];
    for (const id of scans) {
      await put({ resourceType: 'Binary', id, contentType: 'text/plain', data: 'AAAA'.repeat(3_000_000) });
    }
    await put(composition('scans', { section: [{ entry: scans.map((id) => ref(`Binary/${id}`)) }] }));
    const reply = await fhir('GET', 'Composition/scans/$document');
    assert.equal(reply.status, 200, reply.text.slice(0, 500));
    const binaries = names(entries(reply)).filter((name) => name.startsWith('Binary/'));
    assert.deepEqual(
      binaries,
      scans.map((id) => `Binary/${id}`),
    );
  });

  test('refusals', async () => {
    assertOutcome(await fhir('GET', 'Composition/$document'), 400, 'required', 'id');
    assertOutcome(await fhir('GET', 'Composition/c/$document?id=c'), 400, 'value', 'id');
    assertOutcome(
      await fhir('GET', 'Composition/$document?id=http://elsewhere.example/Composition/1'),
      400,
      'value',
      'id',
    );
    assertOutcome(await fhir('GET', 'Composition/$document?id=none'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Composition/c/$document?persist=maybe'), 400, 'value', 'persist');
    assertOutcome(await fhir('GET', 'Composition/c/$document?graph=http://g'), 400, 'not-supported', 'graph');
    assertOutcome(await fhir('GET', 'Patient/p/$document'), 404, 'not-found');
  });
});

describe('DocumentReference/$docref', () => {
  const LOINC = 'http://loinc.org';
  const document = (id: string, code: string, period: JsonObject | undefined, more: JsonObject = {}) =>
    put({
      ...{ resourceType: 'DocumentReference', id, status: 'current', subject: ref('Patient/p') },
      ...{ type: { coding: [{ system: LOINC, code }] }, content: [{ attachment: { url: 'Binary/x' } }] },
      ...(period ? { context: { period } } : {}),
      ...more,
    });

  before(async () => {
    await document('ccd-old', '34133-9', { start: '2019-01-01', end: '2019-01-31' });
    await document('ccd-new', '34133-9', { start: '2020-01-01', end: '2020-01-31' });
    await document('letter', '57133-1', undefined, { date: '2018-06-01T00:00:00Z' });
    await document('past', '34133-9', { start: '2021-01-01' }, { status: 'superseded' });
    await document('others', '34133-9', { start: '2021-01-01' }, { subject: ref('Patient/other') });
  });

  test('without a time: the latest of each type', async () => {
    const reply = await fhir('GET', 'DocumentReference/$docref?patient=p');
    assert.equal(reply.json.type, 'searchset');
    assert.equal(reply.json.total, 2);
    assert.deepEqual(ids(reply), ['ccd-new', 'letter']);
  });

  test('a type with another display or translation, or in other letters, is the same type', async () => {
    await put({ resourceType: 'Patient', id: 'q' });
    const of = (type: JsonObject) => ({ subject: ref('Patient/q'), type });
    const local = { system: 'urn:own', code: 'DS' };
    const summary = { system: LOINC, code: '18842-5' };
    const old = { start: '2019-01-01' };
    await document('q-newest', '', { start: '2022-01-01' }, of({ coding: [{ ...local, display: 'Discharge' }] }));
    await document('q-both', '', old, of({ coding: [local, { ...summary, display: 'Summary' }], text: 'Letter' }));
    await document('q-old', '', old, of({ coding: [{ ...summary, display: 'Discharge summary' }] }));
    await document('q-text', '', { ...old, end: '2019-02' }, of({ text: 'Letter' }));
    await document('q-case', '', old, of({ coding: [{ ...local, code: 'ds' }] }));
    assert.deepEqual(ids(await fhir('GET', 'DocumentReference/$docref?patient=q')), ['q-newest', 'q-text']);
  });

  test('with a time: all about care in it', async () => {
    assert.deepEqual(ids(await fhir('GET', 'DocumentReference/$docref?patient=p&start=2018')), [
      'ccd-new',
      'ccd-old',
      'letter',
    ]);
    assert.deepEqual(ids(await fhir('GET', 'DocumentReference/$docref?patient=p&end=2019-01-15')), [
      'ccd-old',
      'letter',
    ]);
    assert.deepEqual(ids(await fhir('GET', 'DocumentReference/$docref?patient=p&start=2019-02&end=2019-12')), []);
  });

  test('care that has no start, or that begins or ends as the time does, is in it', async () => {
    await put({ resourceType: 'Patient', id: 'r' });
    const of = { subject: ref('Patient/r') };
    const instant = '2018-06-01T00:00:00.000Z';
    await document('r-until', 'a', { end: '2017-05-01' }, of);
    await document('r-instant', 'b', undefined, { ...of, date: instant });
    const found = async (time: string) => ids(await fhir('GET', `DocumentReference/$docref?patient=r&${time}`));
    assert.deepEqual(await found('end=2016'), ['r-until']);
    assert.deepEqual(await found('start=2017-05-02&end=2018-05-31'), []);
    assert.deepEqual(await found(`start=${instant}`), ['r-instant']);
    assert.deepEqual(await found(`end=${instant}&start=2018`), ['r-instant']);
  });

  test('of documents about the same care the one that was changed last', async () => {
    await put({ resourceType: 'Patient', id: 's' });
    const [of, care] = [{ subject: ref('Patient/s') }, { start: '2020-01-01', end: '2020-01-31' }];
    for (const id of ['s-1', 's-2', 's-3']) {
      await document(id, 'a', care, of);
      const before = Date.now();
      await waitFor(() => Date.now() > before, 'the next millisecond');
    }
    const ask = 'DocumentReference/$docref?patient=s';
    assert.deepEqual(ids(await fhir('GET', ask)), ['s-3']);
    assert.deepEqual(ids(await fhir('GET', `${ask}&start=2020`)), ['s-3', 's-2', 's-1']);
    // Care that goes on is later than what has ended, whenever that began.
    await document('s-on', 'a', { start: '2019-01-01' }, of);
    assert.deepEqual(ids(await fhir('GET', ask)), ['s-on']);
  });

  test('by type, in the URL and in Parameters', async () => {
    assert.deepEqual(ids(await fhir('GET', `DocumentReference/$docref?patient=p&type=${LOINC}|57133-1`)), ['letter']);
    const both = `patient=p&type=${LOINC}|34133-9&type=${LOINC}|57133-1`;
    assert.deepEqual(ids(await fhir('GET', `DocumentReference/$docref?${both}`)), ['ccd-new', 'letter']);
    const parameter = [
      { name: 'patient', valueId: 'p' },
      { name: 'type', valueCodeableConcept: { coding: [{ system: LOINC, code: '34133-9' }] } },
      { name: 'start', valueDateTime: '2018' },
    ];
    assert.deepEqual(ids(await fhir('POST', 'DocumentReference/$docref', { resourceType: 'Parameters', parameter })), [
      'ccd-new',
      'ccd-old',
    ]);
  });

  test('the self link asks for the same', async () => {
    const parameter = [
      { name: 'patient', valueId: 'p' },
      { name: 'start', valueDateTime: '2018' },
      { name: 'type', valueCodeableConcept: { coding: [{ system: LOINC, code: '34133-9' }, { code: 'a,b' }] } },
    ];
    const reply = await fhir('POST', 'DocumentReference/$docref', { resourceType: 'Parameters', parameter });
    const [link] = reply.json.link as unknown as [{ relation: string; url: string }];
    const asked = 'DocumentReference/$docref?patient=p&start=2018&type=http%3A%2F%2Floinc.org%7C34133-9&type=a%5C%2Cb';
    assert.deepEqual(link, { relation: 'self', url: `${server.fhirBaseUrl}/${asked}` });
    const again = await fhir('GET', asked);
    assert.deepEqual(again.json, reply.json);
    assert.equal(again.json.total, 2);
  });

  test('on demand there are none, and it says so', async () => {
    const reply = await fhir('GET', 'DocumentReference/$docref?patient=p&on-demand=true');
    assert.equal(reply.json.total, 0);
    assert.deepEqual(
      entries(reply).map(({ search, resource }) => [search?.mode, resource?.resourceType]),
      [['outcome', 'OperationOutcome']],
    );
  });

  test('refusals', async () => {
    assertOutcome(await fhir('GET', 'DocumentReference/$docref'), 400, 'required', 'patient');
    assertOutcome(await fhir('GET', 'DocumentReference/$docref?patient=none'), 404, 'not-found', 'patient');
    await put({ resourceType: 'Patient', id: 'gone' });
    await fhir('DELETE', 'Patient/gone');
    assertOutcome(await fhir('GET', 'DocumentReference/$docref?patient=gone'), 404, 'not-found', 'patient');
    assertOutcome(await fhir('GET', 'DocumentReference/$docref?patient=p&start=soon'), 400, 'value', 'start');
    assertOutcome(await fhir('GET', 'DocumentReference/$docref?patient=p&start=2020&end=2019'), 400, 'value', 'end');
    assertOutcome(await fhir('GET', 'DocumentReference/$docref?patient=p&patient=q'), 400, 'value', 'patient');
  });
});
