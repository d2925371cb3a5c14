import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinitions } from './definitions.ts';
import { parseJson, stringify } from './json.ts';
import { createLinks, isId, type ParsedReference, parseReference } from './references.ts';
import type { Resource } from './types.ts';

const base = 'https://fhir.example.org/fhir/R4';

const parsed: [string, ParsedReference][] = [
  ['Patient/1', { kind: 'local', type: 'Patient', id: '1' }],
  ['Patient/1/_history/2', { kind: 'local', type: 'Patient', id: '1', version: '2' }],
  [`${base}/Patient/1`, { kind: 'local', type: 'Patient', id: '1' }],
  [`${base}/Patient/1/_history/2`, { kind: 'local', type: 'Patient', id: '1', version: '2' }],
  [`${base}/Patient?identifier=a|b`, { kind: 'conditional', type: 'Patient', query: 'identifier=a|b' }],
  [`${base}evil/Patient/1`, { kind: 'absolute', url: `${base}evil/Patient/1`, type: 'Patient', id: '1' }],
  [
    'https://other.example/r4/Patient/1',
    { kind: 'absolute', url: 'https://other.example/r4/Patient/1', type: 'Patient', id: '1' },
  ],
  ['https://other.example/x', { kind: 'absolute', url: 'https://other.example/x' }],
  [
    'http://hl7.org/fhir/ValueSet/a|4.0.1',
    { kind: 'canonical', url: 'http://hl7.org/fhir/ValueSet/a', version: '4.0.1' },
  ],
  [
    'urn:uuid:8f5b4d0a-0000-4000-8000-000000000000',
    { kind: 'urn', url: 'urn:uuid:8f5b4d0a-0000-4000-8000-000000000000' },
  ],
  ['#p1', { kind: 'fragment', id: 'p1' }],
  ['#', { kind: 'fragment', id: '' }],
  ['Patient?identifier=http://x|1', { kind: 'conditional', type: 'Patient', query: 'identifier=http://x|1' }],
  ['/Patient?identifier=http://x|1', { kind: 'conditional', type: 'Patient', query: 'identifier=http://x|1' }],
  ['Patient?', { kind: 'conditional', type: 'Patient', query: '' }],
  ['Patient/', { kind: 'other', text: 'Patient/' }],
  ['patient/1', { kind: 'other', text: 'patient/1' }],
  ['Patient/1/2', { kind: 'other', text: 'Patient/1/2' }],
  [`Patient/${'x'.repeat(65)}`, { kind: 'other', text: `Patient/${'x'.repeat(65)}` }],
  ['Patient/a b', { kind: 'other', text: 'Patient/a b' }],
  ['/Patient/1', { kind: 'other', text: '/Patient/1' }],
  ['', { kind: 'other', text: '' }],
];

for (const [text, expected] of parsed) {
  test(`'${text.slice(0, 60)}' is ${expected.kind}`, () => {
    assert.deepEqual(parseReference(text, base), expected);
    assert.deepEqual(parseReference(text, `${base}/`), expected);
  });
}

test('without a base no absolute reference is local', () => {
  assert.equal(parseReference(`${base}/Patient/1`).kind, 'absolute');
});

test('ids: 1 to 64 letters, digits, hyphens and dots', () => {
  for (const id of ['1', 'a-b.C', 'x'.repeat(64)]) assert.ok(isId(id), id);
  for (const id of ['', 'a_b', 'a b', 'é', 'x'.repeat(65), '1\n']) assert.ok(!isId(id), id);
});

const links = createLinks(await loadDefinitions());

function bundleOf(...resources: Resource[]): Resource {
  return { resourceType: 'Bundle', type: 'transaction', entry: resources.map((resource) => ({ resource })) };
}

test('every Reference is visited once, with its path, in order', () => {
  const resource: Resource = {
    resourceType: 'Observation',
    status: 'final',
    contained: [{ resourceType: 'Specimen', id: 's', subject: { reference: 'Patient/2' } }],
    extension: [{ url: 'http://x', valueReference: { reference: 'Device/3' } }],
    subject: {
      reference: 'Patient/1',
      _reference: { extension: [{ url: 'u', valueReference: { reference: 'Group/9' } }] },
    },
    performer: [{ display: 'nobody' }, { reference: 'Practitioner/4' }],
    note: [{ authorReference: { reference: 'Patient/5' }, text: 'Patient/6' }],
    reference: 'Patient/7',
  };
  const found: [string, string][] = [];
  links.forEachReference(bundleOf(resource), (reference, site) => found.push([reference, site.path()]));
  const at = 'Bundle.entry[0].resource';
  assert.deepEqual(found, [
    ['Patient/2', `${at}.contained[0].subject.reference`],
    ['Device/3', `${at}.extension[0].valueReference.reference`],
    ['Patient/1', `${at}.subject.reference`],
    ['Group/9', `${at}.subject._reference.extension[0].valueReference.reference`],
    ['Practitioner/4', `${at}.performer[1].reference`],
    ['Patient/5', `${at}.note[0].authorReference.reference`],
  ]);
});

const urn = 'urn:uuid:00000000-0000-4000-8000-000000000001';
const map = (text: string) => (text === urn ? 'Patient/77' : undefined);

function rewritten(resource: Resource): Resource {
  const copy = structuredClone(resource);
  links.rewriteReferences(copy, map);
  return copy;
}

test('links of all the types that the transaction rules name are replaced', () => {
  assert.deepEqual(
    rewritten({
      resourceType: 'DocumentReference',
      subject: { reference: urn },
      meta: { source: urn },
      content: [{ attachment: { url: urn } }],
      extension: [
        { url: 'http://x', valueUuid: urn },
        { url: 'http://x', valueUri: `${urn}#part` },
      ],
      _implicitRules: { extension: [{ url: 'http://x', valueUrl: urn }] },
    }),
    {
      resourceType: 'DocumentReference',
      subject: { reference: 'Patient/77' },
      meta: { source: 'Patient/77' },
      content: [{ attachment: { url: 'Patient/77' } }],
      extension: [
        { url: 'http://x', valueUuid: 'Patient/77' },
        { url: 'http://x', valueUri: 'Patient/77#part' },
      ],
      _implicitRules: { extension: [{ url: 'http://x', valueUrl: 'Patient/77' }] },
    },
  );
});

test('canonicals, identifier values, names and strings stay', () => {
  const resource: Resource = {
    resourceType: 'Observation',
    meta: { profile: [urn] },
    identifier: [{ system: 'urn:ietf:rfc:3986', value: urn }],
    valueString: urn,
    subject: { display: urn, identifier: { value: urn } },
    extension: [{ url: 'http://x', valueCanonical: urn }],
    unknown: { reference: urn },
  };
  assert.deepEqual(rewritten(resource), resource);
});

test('names of systems, extensions and definitions stay, whatever form they have', () => {
  const named: Resource[] = [
    {
      resourceType: 'Observation',
      implicitRules: urn,
      identifier: [{ system: urn, value: '1' }],
      code: { coding: [{ system: urn, code: 'x' }] },
      valueQuantity: { value: 1, system: urn, code: 'x' },
      subject: { type: urn },
      extension: [{ url: urn, valueString: 'x' }],
    },
    {
      resourceType: 'ValueSet',
      url: urn,
      compose: { include: [{ system: urn, concept: [{ code: 'x' }] }] },
      expansion: { identifier: urn, contains: [{ system: urn, code: 'x' }] },
    },
    {
      resourceType: 'ConceptMap',
      sourceUri: urn,
      targetUri: urn,
      group: [{ source: urn, target: urn, element: [{ target: [{ dependsOn: [{ property: urn, value: 'x' }] }] }] }],
    },
    { resourceType: 'CodeSystem', url: urn, property: [{ code: 'p', uri: `${urn}#p`, type: 'string' }] },
    {
      resourceType: 'StructureDefinition',
      url: urn,
      type: urn,
      mapping: [{ identity: 'm', uri: urn }],
      differential: {
        element: [{ path: 'Extension.url', contentReference: `${urn}#x`, fixedUri: urn, type: [{ code: urn }] }],
      },
    },
    {
      resourceType: 'Questionnaire',
      url: urn,
      item: [{ linkId: '1', definition: `${urn}#Patient.name`, type: 'group' }],
    },
    { resourceType: 'MessageHeader', eventUri: urn },
    { resourceType: 'Device', udiCarrier: [{ issuer: urn, jurisdiction: urn }] },
  ];
  for (const resource of named) assert.deepEqual(rewritten(resource), resource, resource.resourceType);
});

function narrative(div: string): string {
  const { text } = rewritten({ resourceType: 'Patient', text: { status: 'generated', div } });
  return (text as { div: string }).div;
}

test('narrative links are replaced, other attributes and text are not', () => {
  const of = (link: string) =>
    `<div xmlns="http://www.w3.org/1999/xhtml"><a title="href=" href="${link}">${urn}</a><img alt='x' src='${link}'/><p title="${urn}">a</p></div>`;
  const expected = of('Patient/77')
    .replaceAll('title="Patient/77"', `title="${urn}"`)
    .replace("'Patient/77'", '"Patient/77"');
  assert.equal(narrative(of(urn)), expected);
  assert.equal(narrative(of('http://elsewhere')), of('http://elsewhere'));
});

test('entities in narrative links are read and written', () => {
  const div = '<div><a href="http://x?a=1&amp;b=2">x</a></div>';
  const resource: Resource = { resourceType: 'Patient', text: { status: 'generated', div } };
  links.rewriteReferences(resource, (text) => (text === 'http://x?a=1&b=2' ? 'http://y?c="1"&d=<' : undefined));
  assert.equal(
    (resource.text as { div: string }).div,
    '<div><a href="http://y?c=&quot;1&quot;&amp;d=&lt;">x</a></div>',
  );
});

test('hostile narratives take linear time', () => {
  for (const piece of ['<a ', '<a href="', '<a href=', '<a x="', '<img src=\'"', '<a href          ']) {
    const div = piece.repeat(50_000);
    assert.equal(narrative(div), div);
  }
});

test('digits survive a rewrite', () => {
  const { exact } = parseJson(
    `{"resourceType":"Observation","valueQuantity":{"value":6.30},"subject":{"reference":"${urn}"}}`,
  );
  links.rewriteReferences(exact as Resource, map);
  assert.equal(
    stringify(exact),
    '{"resourceType":"Observation","valueQuantity":{"value":6.30},"subject":{"reference":"Patient/77"}}',
  );
});

test('wrong shapes are passed over', () => {
  const resource: Resource = {
    resourceType: 'Observation',
    subject: [null, 3, { reference: [urn] }, { reference: { reference: urn } }],
    performer: 'x',
    contained: [{ resourceType: 'Nothing', subject: { reference: urn } }, { subject: { reference: urn } }, null],
  };
  const copy = rewritten(resource);
  assert.deepEqual(copy.contained, resource.contained);
  assert.deepEqual(copy.subject, [null, 3, { reference: ['Patient/77'] }, { reference: { reference: urn } }]);
});
