// What becomes of tags, security labels and profiles in an update: https://hl7.org/fhir/R4/resource.html#tag-updates
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import type { Client } from './client.ts';
import { serveTests } from './server.ts';

const tag = (code: string, more: JsonObject = {}) => ({ system: 'urn:t', code, ...more });
const label = (code: string) => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code });
const first = {
  tag: [tag('a', { display: 'before' }), tag('b')],
  security: [label('R')],
  profile: ['http://example.org/fhir/StructureDefinition/first'],
  source: 'urn:first',
};
const patient = (id: string, meta?: JsonObject) => ({
  ...{ resourceType: 'Patient', id, identifier: [{ system: 'urn:test', value: id }] },
  ...(meta && { meta }),
});

/** Each way of an update; yields the stored `meta` without what is the server's. */
const ways: Record<string, (fhir: Client, id: string, meta?: JsonObject) => Promise<{ status: number }>> = {
  'by id': (fhir, id, meta) => fhir('PUT', `Patient/${id}`, patient(id, meta)),
  'by criteria': (fhir, id, meta) => fhir('PUT', `Patient?identifier=urn:test|${id}`, patient(id, meta)),
  'with If-Match': (fhir, id, meta) => fhir('PUT', `Patient/${id}`, patient(id, meta), { 'If-Match': 'W/"1"' }),
  'in a transaction': (fhir, id, meta) => bundle(fhir, 'transaction', id, meta),
  'in a batch': (fhir, id, meta) => bundle(fhir, 'batch', id, meta),
};

const bundle = (fhir: Client, type: string, id: string, meta?: JsonObject) =>
  fhir('POST', '', {
    ...{ resourceType: 'Bundle', type },
    entry: [{ request: { method: 'PUT', url: `Patient/${id}` }, resource: patient(id, meta) }],
  });

async function metaOf(fhir: Client, id: string): Promise<JsonObject> {
  const { json } = await fhir('GET', `Patient/${id}`);
  const { versionId, lastUpdated: _, ...meta } = json.meta as JsonObject;
  assert.equal(versionId, '2');
  return meta;
}

async function updated(fhir: Client, way: string, id: string, meta?: JsonObject): Promise<JsonObject> {
  assert.equal((await fhir('PUT', `Patient/${id}`, patient(id, first))).status, 201);
  assert.equal((await ways[way]!(fhir, id, meta)).status, 200);
  return metaOf(fhir, id);
}

const ids = (prefix: string) => Object.keys(ways).map((way, i) => [way, `${prefix}-${i}`] as const);

describe('by default', () => {
  const fhir = serveTests();
  for (const [way, id] of ids('replaced')) {
    test(`an update ${way} replaces them all`, async () => {
      assert.deepEqual(await updated(fhir, way, `${id}-none`), {});
      assert.deepEqual(await updated(fhir, way, `${id}-some`, { tag: [tag('c')] }), { tag: [tag('c')] });
    });
  }
});

describe('with UPDATE_LABELS=keep', () => {
  const fhir = serveTests({ UPDATE_LABELS: 'keep' });
  for (const [way, id] of ids('kept')) {
    test(`an update ${way} keeps tags and labels, each once, and replaces profiles`, async () => {
      const { tag: tags, security } = first;
      assert.deepEqual(await updated(fhir, way, `${id}-none`), { tag: tags, security });
      const profile = ['http://example.org/fhir/StructureDefinition/second'];
      const meta = { tag: [tag('a', { display: 'after' }), tag('c')], security: [label('V')], profile };
      assert.deepEqual(await updated(fhir, way, `${id}-some`, meta), {
        tag: [tag('b'), tag('a', { display: 'after' }), tag('c')],
        security: [label('R'), label('V')],
        profile,
      });
    });
  }

  test('an update that creates has what it brings', async () => {
    await fhir('PUT', 'Patient/fresh', patient('fresh', { tag: [tag('a')] }));
    assert.ok((await fhir('DELETE', 'Patient/fresh')).status < 300);
    assert.equal((await fhir('PUT', 'Patient/fresh', patient('fresh', { tag: [tag('b')] }))).status, 201);
    const { json } = await fhir('GET', 'Patient/fresh');
    assert.deepEqual((json.meta as JsonObject).tag, [tag('b')]);
  });

  test('a wrong If-Match and what is not valid are refused as ever', async () => {
    await fhir('PUT', 'Patient/refused', patient('refused', first));
    const stale = await fhir('PUT', 'Patient/refused', patient('refused'), { 'If-Match': 'W/"7"' });
    assert.equal(stale.status, 412, stale.text);
    const wrong = await fhir('PUT', 'Patient/refused', { ...patient('refused'), birthDate: 'x' } as JsonObject);
    assert.equal(wrong.status, 400, wrong.text);
    assert.deepEqual((wrong.json.issue as JsonObject[])[0]!.expression, ['Patient.birthDate']);
  });

  test('$meta-delete and patches remove them', async () => {
    await fhir('PUT', 'Patient/removed', patient('removed', first));
    const parameter = [{ name: 'meta', valueMeta: { security: [label('R')] } }];
    await fhir('POST', 'Patient/removed/$meta-delete', { resourceType: 'Parameters', parameter });
    const headers = { 'Content-Type': 'application/json-patch+json' };
    const patch = [{ op: 'remove', path: '/meta/tag/0' }];
    assert.equal((await fhir('PATCH', 'Patient/removed', patch, headers)).status, 200);
    const { json } = await fhir('GET', 'Patient/removed');
    const { tag: tags, security } = json.meta as JsonObject;
    assert.deepEqual([tags, security], [[tag('b')], undefined]);
  });
});
