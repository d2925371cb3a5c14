// https://hl7.org/fhir/R4/bundle.html#references
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entriesByReference, restfulUrl, urlInEntry, withoutVersion } from './entry-references.ts';

describe('a fullUrl', () => {
  const cases: [fullUrl: string | undefined, parts: [server: string, type: string, id: string] | undefined][] = [
    ['http://example.org/fhir/Patient/23', ['http://example.org/fhir', 'Patient', '23']],
    ['https://example.org/Patient/23', ['https://example.org', 'Patient', '23']],
    ['http://example.org/Patient/1/Patient/2', ['http://example.org/Patient/1', 'Patient', '2']],
    ['http://example.org/fhir/Patient/23/_history/2', undefined],
    ['http://example.org/fhir/patient/23', undefined],
    [`http://example.org/fhir/Patient/${'x'.repeat(65)}`, undefined],
    [`http://example.org/${'x'.repeat(2_100)}/Patient/1`, undefined],
    ['urn:uuid:c757873d-ec9a-4326-a141-556f43239520', undefined],
    ['Patient/23', undefined],
    [undefined, undefined],
  ];
  for (const [fullUrl, parts] of cases) {
    test(String(fullUrl).slice(0, 60), () => {
      const [server, type, id] = parts ?? [];
      assert.deepEqual(restfulUrl(fullUrl), parts && { server, type, id });
    });
  }
});

describe('a reference', () => {
  const restful = 'http://example.org/fhir/Observation/1';
  const urn = 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520';
  test('that is relative belongs to the server of the fullUrl, else to ours, else to none', () => {
    assert.equal(urlInEntry('Patient/1', restful), 'http://example.org/fhir/Patient/1');
    assert.equal(urlInEntry('Patient/1', restful, 'http://ours'), 'http://example.org/fhir/Patient/1');
    assert.equal(urlInEntry('Patient/1', urn, 'http://ours'), 'http://ours/Patient/1');
    assert.equal(urlInEntry('Patient/1', urn), undefined);
    assert.equal(urlInEntry('Patient/1', undefined), undefined);
  });

  test('that is absolute is what it says', () => {
    for (const text of ['http://other.example/Patient/1', urn, 'urn:oid:1.2.3']) {
      assert.equal(urlInEntry(text, restful, 'http://ours'), text);
    }
  });

  test('is told apart from its version', () => {
    assert.deepEqual(withoutVersion('http://a/Patient/1/_history/2'), { url: 'http://a/Patient/1', version: '2' });
    assert.deepEqual(withoutVersion('http://a/Patient/1'), { url: 'http://a/Patient/1' });
    assert.deepEqual(withoutVersion('http://a/_history/b/Patient/1'), { url: 'http://a/_history/b/Patient/1' });
  });
});

describe('of the versions of one resource', () => {
  const fullUrl = 'http://a/Patient/1';
  const ofDay = (versionId: string) => ({ meta: { versionId, lastUpdated: `2020-01-0${versionId}T00:00:00Z` } });
  const [first, second, third] = [ofDay('1'), ofDay('2'), ofDay('3')];
  const findIn = (...resources: { meta?: unknown }[]) =>
    entriesByReference(resources.map((resource) => ({ fullUrl, resource })));

  test('that which is asked for is meant', () => {
    const find = findIn(third, first, second);
    assert.equal(find(`${fullUrl}/_history/2`), second);
    assert.equal(find(`${fullUrl}/_history/4`), undefined);
    assert.equal(find('http://b/Patient/1/_history/2'), undefined);
  });

  test('the latest is meant where none is asked for, the first where nothing tells which is later', () => {
    assert.equal(findIn(first, third, second)(fullUrl), third);
    const [one, other] = [{}, { meta: null }];
    assert.equal(findIn(one, other)(fullUrl), one);
    assert.equal(findIn()(fullUrl), undefined);
  });
});
