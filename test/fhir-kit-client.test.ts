// The server as an application finds it that uses a FHIR client library, which has its own idea of headers, slashes and links.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CapabilityTool, Client } from 'fhir-kit-client';
import { serveTests } from './server.ts';

const fhir = serveTests();

interface Shape {
  resourceType: string;
  id?: string;
  type?: string;
  total?: number;
  active?: boolean;
  data?: string;
  contentType?: string;
  meta?: { versionId?: string };
  entry?: { resource?: Shape; response?: { status: string } }[];
  code?: { text?: string };
}

let client: Client;
let patient: Shape & { id: string };

/** The library has types of its own for resources. */
const shape = (resource: unknown): Shape => resource as Shape;

const texts = (bundle: Shape): string[] => bundle.entry!.map(({ resource }) => resource!.code!.text!);

describe('fhir-kit-client', () => {
  before(async () => {
    client = new Client({ baseUrl: fhir.base });
    const body = { resourceType: 'Patient', name: [{ family: 'Kit', given: ['Ann Bea', 'C&D'] }] };
    patient = shape(await client.create({ resourceType: 'Patient', body })) as typeof patient;
    const entry = Array.from({ length: 5 }, (_, i) => ({
      request: { method: 'POST', url: 'Observation' },
      resource: {
        ...{ resourceType: 'Observation', status: 'final', code: { text: `x${i}` } },
        subject: { reference: `Patient/${patient.id}` },
      },
    }));
    const done = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } as never });
    assert.equal(shape(done).entry!.length, 5);
  });

  test('finds in the CapabilityStatement what it asks it for', async () => {
    const tool = new CapabilityTool(await client.capabilityStatement());
    for (const code of ['transaction', 'batch', 'search-system', 'history-system'])
      assert.ok(tool.serverCan(code), code);
    for (const code of ['read', 'vread', 'update', 'patch', 'delete', 'create', 'search-type', 'history-instance']) {
      assert.ok(tool.resourceCan('Patient', code), code);
    }
    for (const name of ['_id', '_lastUpdated', '_tag', '_has']) assert.ok(tool.serverSearch(name), name);
    assert.ok(tool.resourceSearch('Patient', 'general-practitioner'));
  });

  test('update, conditional update, patch, and each version of what they made', async () => {
    const { id } = patient;
    const type = { resourceType: 'Patient' };
    const updated = shape(await client.update({ ...type, id, body: { ...patient, active: true } as never }));
    assert.deepEqual([updated.id, updated.active, updated.meta!.versionId], [id, true, '2']);
    const again = { ...type, searchParams: { family: 'Kit' }, body: { ...patient, active: false } as never };
    assert.equal(shape(await client.update(again)).meta!.versionId, '3');
    const jsonPatch = [{ op: 'replace' as const, path: '/active', value: true }];
    assert.equal(shape(await client.patch({ ...type, id, jsonPatch })).meta!.versionId, '4');
    assert.equal(shape(await client.vread({ ...type, id, version: '3' })).active, false);
    assert.equal(shape(await client.history({ ...type, id })).total, 4);
    assert.equal(shape(await client.history({ ...type })).type, 'history');
    assert.equal(shape(await client.history({})).type, 'history');
    assert.equal(shape(await client.resolve({ reference: `${fhir.base}/Patient/${id}/_history/1` })).active, undefined);
  });

  test('searches by GET and POST, of a type, a compartment and all, page after page', async () => {
    for (const postSearch of [false, true]) {
      const options = { postSearch };
      for (const given of ['Ann Bea', 'C&D']) {
        const found = await client.search({ resourceType: 'Patient', searchParams: { given }, options });
        assert.equal(shape(found).total, 1, given);
      }
      const all = await client.search({ searchParams: { _type: 'Patient', _id: patient.id }, options });
      assert.equal(shape(all).total, 1);
      const compartment = { resourceType: 'Patient', id: patient.id };
      const searchParams = { _count: 2, _sort: '_lastUpdated' };
      const seen: string[] = [];
      let page = await client.search({ resourceType: 'Observation', compartment, searchParams, options });
      for (let pages = 1; ; pages++) {
        seen.push(...texts(shape(page)));
        const next = await client.nextPage({ bundle: page as never });
        if (!next) {
          assert.equal(pages, 3);
          break;
        }
        page = next;
      }
      assert.deepEqual(seen.sort(), ['x0', 'x1', 'x2', 'x3', 'x4']);
    }
  });

  test('batches and operations, whose paths it begins with a slash', async () => {
    const entry = ['/', `/Patient/${patient.id}/`, 'Observation?_summary=count'].map((url) => ({
      request: { method: 'GET', url },
    }));
    const reply = shape(await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } as never }));
    assert.deepEqual(
      reply.entry!.map(({ response }) => response!.status),
      ['200 OK', '200 OK', '200 OK'],
    );
    assert.equal(reply.entry![1]!.resource!.id, patient.id);
    const asked = { resourceType: 'Patient', id: patient.id, name: 'everything' };
    assert.equal(shape(await client.operation(asked)).total, 6);
    let page: unknown = await client.operation({ ...asked, method: 'GET', input: { _count: 2 } as never });
    const ids: (string | undefined)[] = [];
    while (page) {
      ids.push(...shape(page).entry!.map(({ resource }) => resource!.id));
      page = await client.nextPage({ bundle: page as never });
    }
    assert.deepEqual([ids.length, new Set(ids).size], [6, 6]);
    const valid = await client.operation({ name: '$validate', resourceType: 'Patient', input: patient as never });
    assert.equal(shape(valid).resourceType, 'OperationOutcome');
  });

  test('is answered with the Binary that its content became', async () => {
    const options = { headers: { 'content-type': 'text/plain' } };
    const made = shape(await client.create({ resourceType: 'Binary', body: 'hello' as never, options }));
    assert.deepEqual([made.contentType, made.data], ['text/plain', Buffer.from('hello').toString('base64')]);
    assert.equal(shape(await client.read({ resourceType: 'Binary', id: made.id! })).data, made.data);
  });

  test('errors have the status and the OperationOutcome', async () => {
    const body = { resourceType: 'Basic', code: { text: 'x' } } as never;
    const { id } = shape(await client.create({ resourceType: 'Basic', body }));
    assert.deepEqual(await client.delete({ resourceType: 'Basic', id: id! }), {});
    await assert.rejects(client.read({ resourceType: 'Basic', id: id! }), (error: unknown) => {
      const { response } = error as { response: { status: number; data: Shape } };
      assert.deepEqual([response.status, response.data.resourceType], [410, 'OperationOutcome']);
      return true;
    });
  });
});
