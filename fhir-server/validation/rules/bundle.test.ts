// Bundles beyond their invariants: fullUrls, links, requests, and references between entries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, loadDefinitions } from '#fhir-model';
import { bundleFaults } from './bundle.ts';

const { isResourceType } = await loadDefinitions();

const told = (bundle: JsonObject): string[] =>
  bundleFaults({ resourceType: 'Bundle', ...bundle }, 'Bundle', { isResourceType }).map(
    ({ severity, id, expression }) => `${severity} ${id} ${expression}`,
  );

const base = 'http://example.org/fhir';
const uuid = (digit: number): string => `urn:uuid:00000000-0000-4000-8000-00000000000${digit}`;

function patient(id: string, more: JsonObject = {}): JsonObject {
  return { fullUrl: `${base}/Patient/${id}`, resource: { resourceType: 'Patient', id, ...more } };
}

test('a fullUrl is absolute, well-formed and fits the resource', () => {
  const collection = (entry: JsonObject): string[] => told({ type: 'collection', entry: [entry] });
  const resource = { resourceType: 'Patient', id: '1' };
  assert.deepEqual(collection({ fullUrl: `${base}/Patient/1`, resource }), []);
  assert.deepEqual(collection({ fullUrl: uuid(1), resource }), []);
  assert.deepEqual(collection({ fullUrl: 'http://example.org/anything', resource }), []);
  assert.deepEqual(collection({ fullUrl: 'Patient/1', resource }), [
    'error bundle-fullurl-absolute Bundle.entry[0].fullUrl',
  ]);
  assert.deepEqual(collection({ fullUrl: `${base}/Patient/2`, resource }), [
    'error bundle-fullurl-id Bundle.entry[0].fullUrl',
  ]);
  assert.deepEqual(collection({ fullUrl: `${base}/Group/1`, resource }), [
    'error bundle-fullurl-id Bundle.entry[0].fullUrl',
  ]);
  assert.deepEqual(collection({ fullUrl: 'urn:uuid:1', resource }), [
    'error bundle-fullurl-uuid Bundle.entry[0].fullUrl',
  ]);
  const upper = 'urn:uuid:ABCDEF00-0000-4000-8000-000000000001';
  assert.deepEqual(collection({ fullUrl: upper, resource }), ['warning bundle-fullurl-uuid Bundle.entry[0].fullUrl']);
  assert.deepEqual(collection({ fullUrl: 'urn:oid:1.02', resource }), [
    'error bundle-fullurl-oid Bundle.entry[0].fullUrl',
  ]);
  assert.deepEqual(collection({ resource }), ['warning bundle-fullurl-absent Bundle.entry[0].fullUrl']);
});

test('links of pages are for results, and each stands once', () => {
  const link = ['self', 'next', 'next'].map((relation) => ({ relation, url: `${base}/Patient` }));
  assert.deepEqual(told({ type: 'searchset', link }), ['error bundle-link-repeated Bundle.link[2].relation']);
  assert.deepEqual(told({ type: 'collection', link: link.slice(0, 2) }), [
    'error bundle-link-paging Bundle.link[1].relation',
  ]);
  assert.deepEqual(told({ type: 'searchset' }), ['warning bundle-link-self Bundle.link']);
});

test('entries of a searchset', () => {
  const link = [{ relation: 'self', url: `${base}/Patient` }];
  const outcome = { resourceType: 'OperationOutcome', issue: [] };
  const entry = [
    { ...patient('1'), search: { mode: 'match' } },
    { search: { mode: 'match' } },
    { ...patient('2'), search: { mode: 'outcome' } },
    { resource: outcome, search: { mode: 'match' } },
    { resource: outcome, search: { mode: 'outcome' } },
  ];
  assert.deepEqual(told({ type: 'searchset', link, entry }), [
    'error bundle-search-resource Bundle.entry[1].resource',
    'error bundle-search-mode Bundle.entry[2].search.mode',
    'warning bundle-search-mode Bundle.entry[3].search.mode',
  ]);
});

test('requests of a transaction fit their resources', () => {
  const resource = { resourceType: 'Patient', id: '1' };
  const request = (method: string, url: string, more: JsonObject = {}): string[] =>
    told({
      type: 'transaction',
      entry: [{ request: { method, url, ...more }, ...(method.startsWith('P') ? { resource } : {}) }],
    });
  assert.deepEqual(request('POST', 'Patient'), []);
  assert.deepEqual(request('PUT', 'Patient/1'), []);
  assert.deepEqual(request('PUT', `${base}/Patient/1`), []);
  assert.deepEqual(request('PUT', 'Patient?identifier=a|b'), []);
  assert.deepEqual(request('POST', 'Patient/$match'), []);
  assert.deepEqual(request('DELETE', 'Patient/1'), []);
  const wrong = ['error bundle-request-url Bundle.entry[0].request.url'];
  assert.deepEqual(request('POST', 'Observation'), wrong);
  assert.deepEqual(request('POST', 'Patient/1'), wrong);
  assert.deepEqual(request('PUT', 'Patient/2'), wrong);
  assert.deepEqual(request('PUT', 'Patient'), wrong);
  assert.deepEqual(request('PUT', 'Patient/1', { ifNoneExist: 'a=b' }), [
    'error bundle-request-condition Bundle.entry[0].request.ifNoneExist',
  ]);
  const bare = { request: { method: 'POST', url: 'Patient' } };
  assert.deepEqual(told({ type: 'batch', entry: [bare] }), ['error bundle-request-resource Bundle.entry[0].resource']);
  const gone = { request: { method: 'DELETE', url: 'Patient/1' }, resource };
  assert.deepEqual(told({ type: 'batch', entry: [gone] }), [
    'warning bundle-request-resource Bundle.entry[0].resource',
  ]);
});

test('a response has a status of HTTP', () => {
  const status = (text: string): string[] => told({ type: 'batch-response', entry: [{ response: { status: text } }] });
  assert.deepEqual(status('201 Created'), []);
  assert.deepEqual(status('404'), []);
  assert.deepEqual(status('OK'), ['error bundle-response-status Bundle.entry[0].response.status']);
});

function document(composition: JsonObject, ...others: JsonObject[]): JsonObject {
  const first = {
    fullUrl: `${base}/Composition/c`,
    resource: { resourceType: 'Composition', id: 'c', ...composition },
  };
  return { type: 'document', entry: [first, ...others] };
}

test('a document contains what its Composition refers to, and nothing that nothing leads to', () => {
  const composition = {
    subject: { reference: 'Patient/1' },
    author: [{ reference: `${base}/Patient/2` }],
    section: [{ section: [{ entry: [{ reference: uuid(3) }, { reference: '#inside' }] }] }],
    relatesTo: [{ targetReference: { reference: 'Composition/other' } }],
  };
  const third = { fullUrl: uuid(3), resource: { resourceType: 'Patient', link: [{ other: { reference: uuid(4) } }] } };
  const fourth = { fullUrl: uuid(4), resource: { resourceType: 'Patient' } };
  assert.deepEqual(told(document(composition, patient('1'), patient('2'), third, fourth)), []);
  assert.deepEqual(told(document(composition, patient('1'), patient('3'), third, fourth)), [
    'error bundle-reference-absent Bundle.entry[0].resource.author[0]',
    'warning bundle-unreached Bundle.entry[2]',
  ]);
  const provenance = {
    fullUrl: uuid(5),
    resource: { resourceType: 'Provenance', target: [{ reference: 'Patient/1' }] },
  };
  const only = { subject: { reference: 'Patient/1' } };
  assert.deepEqual(told(document(only, patient('1'), provenance)), [
    'warning bundle-reference-base Bundle.entry[2].resource.target[0]',
  ]);
  assert.deepEqual(told({ type: 'document' }), ['error bundle-empty Bundle.entry']);
});

test('versions tell entries of one fullUrl apart', () => {
  const versions = ['1', '2'].map((versionId) => patient('1', { meta: { versionId } }));
  const to = (reference: string): string[] => told(document({ subject: { reference } }, ...versions));
  assert.deepEqual(to('Patient/1/_history/2'), ['warning bundle-unreached Bundle.entry[1]']);
  assert.deepEqual(to('Patient/1'), ['error bundle-reference-ambiguous Bundle.entry[0].resource.subject']);
  assert.deepEqual(to('Patient/1/_history/3'), [
    'error bundle-reference-absent Bundle.entry[0].resource.subject',
    'warning bundle-unreached Bundle.entry[1]',
    'warning bundle-unreached Bundle.entry[2]',
  ]);
});

test('a message contains what its header is about', () => {
  const header = { resourceType: 'MessageHeader', focus: [{ reference: uuid(2) }] };
  const bundle = (url: string): JsonObject => ({
    type: 'message',
    entry: [
      { fullUrl: uuid(1), resource: header },
      { fullUrl: url, resource: { resourceType: 'Patient' } },
    ],
  });
  assert.deepEqual(told(bundle(uuid(2))), []);
  assert.deepEqual(told(bundle(uuid(3))), [
    'error bundle-reference-absent Bundle.entry[0].resource.focus[0]',
    'information bundle-unreached Bundle.entry[1]',
  ]);
});

test('references in a collection or transaction', () => {
  const observation = {
    resourceType: 'Observation',
    subject: { reference: 'Patient/1' },
    focus: [{ reference: uuid(9) }],
  };
  const collection = (entry: JsonObject): string[] => told({ type: 'collection', entry: [entry, patient('1')] });
  assert.deepEqual(collection({ fullUrl: uuid(1), resource: observation }), [
    'warning bundle-reference-base Bundle.entry[0].resource.subject',
    'warning bundle-urn-unresolved Bundle.entry[0].resource.focus[0]',
  ]);
  assert.deepEqual(collection({ resource: observation }), [
    'warning bundle-fullurl-absent Bundle.entry[0].fullUrl',
    'error bundle-relative-reference Bundle.entry[0].resource.subject',
    'warning bundle-urn-unresolved Bundle.entry[0].resource.focus[0]',
  ]);
  const posted = { resource: observation, request: { method: 'POST', url: 'Observation' } };
  assert.deepEqual(told({ type: 'transaction', entry: [posted] }), [
    'warning bundle-urn-unresolved Bundle.entry[0].resource.focus[0]',
  ]);
});

test('narrative links lead to one place', () => {
  const narrativeLink = (valueUrl: string): JsonObject => ({
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/narrativeLink', valueUrl }],
  });
  const div = '<div xmlns="http://www.w3.org/1999/xhtml"><p id="a">x</p><p id="b">y</p><p id="b">z</p></div>';
  const text = { status: 'generated', div };
  const to = (fragment: string): string[] =>
    told(
      document(
        { text, subject: { reference: 'Patient/1' } },
        patient('1', narrativeLink(`${base}/Composition/c#${fragment}`)),
      ),
    );
  assert.deepEqual(to('a'), []);
  assert.deepEqual(to('b'), ['error narrative-link Bundle.entry[1].resource.extension[0]']);
  assert.deepEqual(to('c'), ['error narrative-link Bundle.entry[1].resource.extension[0]']);
});

test('a hostile Bundle yields a bounded number of faults', () => {
  const entry = Array.from({ length: 5000 }, () => ({
    fullUrl: 'x',
    resource: { resourceType: 'Group', member: Array.from({ length: 10 }, () => ({ entity: { reference: uuid(9) } })) },
  }));
  assert.equal(told({ type: 'document', entry }).length, 200);
});
