// Chains on `composition` and `message` of Bundles look into their first resource, and from there into the other entries:
// https://hl7.org/fhir/R4/bundle.html#search
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const urn = (n: number) => `urn:uuid:c0000000-0000-4000-8000-00000000000${n}`;
const bundle = (id: string, type: string, ...entry: object[]) => ({ resourceType: 'Bundle', id, type, entry });
const composition = (id: string, title: string, subject: string, rest: object = {}) => ({
  ...{
    resourceType: 'Composition',
    id,
    status: 'final',
    title,
    date: '2026-03-01',
    type: { coding: [{ code: 'ips' }] },
  },
  ...{ subject: { reference: subject }, author: [{ display: 'A' }], ...rest },
});
const patient = (id: string, value: string, rest: object = {}) => ({
  ...{ resourceType: 'Patient', id, identifier: [{ system: 'urn:t', value }], ...rest },
});
const document = { identifier: { system: 'urn:d', value: '1' }, timestamp: '2026-03-01T00:00:00Z' };

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const elsewhere = 'http://elsewhere/fhir';
  const entries = [{ resource: { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'x' } } }];
  const all = [
    patient('p', 'stored'),
    {
      ...document,
      ...bundle(
        'urns',
        'document',
        {
          fullUrl: urn(0),
          resource: composition('c1', 'Summary', urn(1), { section: [{ entry: [{ reference: urn(2) }] }] }),
        },
        {
          fullUrl: urn(1),
          resource: patient('x', 'inside', { gender: 'female', managingOrganization: { reference: urn(3) } }),
        },
        { fullUrl: urn(2), resource: patient('y', 'entry') },
        { fullUrl: urn(3), resource: { resourceType: 'Organization', id: 'g', name: 'Far' } },
      ),
    },
    {
      ...document,
      ...bundle('stored', 'document', { fullUrl: urn(4), resource: composition('c2', 'Letter', 'Patient/p') }),
    },
    {
      ...document,
      ...bundle(
        'other',
        'document',
        { fullUrl: `${elsewhere}/Composition/c3`, resource: composition('c3', 'Letter', 'Patient/p') },
        { fullUrl: `${elsewhere}/Patient/p`, resource: patient('p', 'elsewhere') },
      ),
    },
    {
      ...document,
      ...bundle(
        'versions',
        'document',
        {
          fullUrl: `${elsewhere}/Composition/other-name`,
          resource: composition('c6', 'Note', 'Patient/v', {
            section: [{ entry: [{ reference: `${elsewhere}/Patient/v/_history/1` }] }],
          }),
        },
        ...['2', '1'].map((versionId) => ({
          fullUrl: `${elsewhere}/Patient/v`,
          resource: patient('v', `version ${versionId}`, {
            meta: { versionId, lastUpdated: `2026-01-0${versionId}T00:00:00Z` },
          }),
        })),
      ),
    },
    bundle(
      'message',
      'message',
      {
        fullUrl: urn(5),
        resource: {
          ...{ resourceType: 'MessageHeader', id: 'm', eventCoding: { system: 'urn:e', code: 'A01' } },
          ...{ source: { endpoint: 'http://from' }, focus: [{ reference: urn(6) }] },
        },
      },
      { fullUrl: urn(6), resource: patient('z', 'told') },
    ),
    bundle('others', 'collection', ...entries, { fullUrl: urn(7), resource: composition('c4', 'Summary', urn(1)) }),
  ] as (Resource & { id: string })[];
  assert.ok((await createWriter(core).createIfAbsent(all, { scope: everything })).every(Boolean));
});

async function found(text: string): Promise<string[]> {
  const query = parseQuery(core, 'Bundle', searchPairs(text), true);
  const { resources, total } = await search(core, query, { scope: everything, db });
  assert.equal(total, resources.length);
  return resources.map(({ id }) => id).sort();
}

describe('finds', () => {
  const cases: [text: string, ids: string[]][] = [
    ['composition.title=summ', ['urns']],
    ['composition.title=letter', ['other', 'stored']],
    ['composition.type=ips&composition.date=2026-03', ['other', 'stored', 'urns', 'versions']],
    ['composition.title:missing=true', []],
    ['composition.patient=p', ['stored']],
    ['composition.patient=Patient/p', ['stored']],
    ['composition.subject=http://elsewhere/fhir/Patient/p', ['other']],
    ['composition.patient.identifier=urn:t|stored', ['stored']],
    ['composition.patient.identifier=urn:t|inside', ['urns']],
    ['composition.subject:Patient.gender=female', ['urns']],
    ['composition.patient.identifier=urn:t|elsewhere', ['other']],
    ['composition.patient.identifier=urn:t|entry', []],
    // Versions of one resource have one fullUrl: without a version the latest is meant.
    ['composition.patient.identifier=urn:t|version 2', ['versions']],
    ['composition.patient.identifier=urn:t|version 1', []],
    ['composition.entry:Patient.identifier=urn:t|version 1', ['versions']],
    ['composition.entry:Patient.identifier=urn:t|version 2', []],
    ['composition.entry:Patient.identifier=urn:t|entry', ['urns']],
    // Entries that the first resource does not name itself are not looked into.
    ['composition.patient.organization.name=far', []],
    ['message.event=urn:e|A01', ['message']],
    ['message.focus:Patient.identifier=told', ['message']],
    ['_filter=composition.title eq "Summary"', ['urns']],
    ['type=document&composition.title=x', []],
  ];
  for (const [text, ids] of cases) test(text, async () => assert.deepEqual(await found(text), ids));
});

test('of more than sixteen entries of a type the search tells that it does not find all', async () => {
  const many = Array.from({ length: 17 }, (_, i) => ({
    fullUrl: `urn:oid:1.2.${i}`,
    resource: patient(`n${i}`, `n${i}`),
  }));
  const entry = many.map(({ fullUrl }) => ({ reference: fullUrl }));
  const first = { fullUrl: urn(8), resource: composition('c5', 'Many', urn(9), { section: [{ entry }] }) };
  const large = { ...document, ...bundle('large', 'document', first, ...many) } as Resource & { id: string };
  await createWriter(core).createIfAbsent([large], { scope: everything });
  const asked = async (value: string) => {
    const pairs = searchPairs(`composition.entry:Patient.identifier=${value}`);
    return search(core, parseQuery(core, 'Bundle', pairs, false), { scope: everything, db });
  };
  const [within, beyond] = [await asked('n15'), await asked('n16')];
  assert.deepEqual([within.resources.length, beyond.resources.length], [1, 0]);
  const text = 'Some Bundle contain more than 16 resources of one type: chains find the first 16 of them';
  assert.deepEqual(
    beyond.issues?.map(({ diagnostics }) => diagnostics),
    [text],
  );
  assert.deepEqual(await found('composition.title=many'), ['large']);
});

test('the store is sound', () => assertStoreSound(core.store));
