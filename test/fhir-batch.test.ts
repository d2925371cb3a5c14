// Entries of a batch stand for themselves: https://hl7.org/fhir/R4/http.html#brules
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Element, type EntryIn, identified, request } from './bundle-entries.ts';
import { entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const batch = (entry: unknown[], headers: Record<string, string> = {}): Promise<Reply> =>
  fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry }, headers);
const { by, patient } = identified('urn:bt');
const total = async (value: string): Promise<unknown> => (await fhir('GET', `${by(value)}&_total=accurate`)).json.total;

/** Statuses without their texts, after a look at the answer as a whole. */
function statuses(reply: Reply): number[] {
  assert.equal(reply.status, 200, reply.text.slice(0, 1000));
  assert.equal(reply.json.type, 'batch-response');
  return entries(reply).map((entry) => Number.parseInt(entry.response!.status, 10));
}

function issueOf(reply: Reply, index: number): { code: string; expression?: string[] } {
  return (entries(reply)[index]!.response!.outcome!.issue as unknown as { code: string; expression?: string[] }[])[0]!;
}

describe('batch', () => {
  test('every interaction, each with its own outcome', async () => {
    await fhir('PUT', 'Patient/b-gone', patient('gone', { id: 'b-gone' }));
    await fhir('PUT', 'Patient/b-patch', patient('patch', { id: 'b-patch' }));
    await fhir('POST', 'Patient', patient('found'));
    const json = [{ op: 'add', path: '/active', value: true }];
    const patch = {
      resourceType: 'Binary',
      contentType: 'application/json-patch+json',
      data: Buffer.from(JSON.stringify(json)).toString('base64'),
    };
    const reply = await batch([
      request('GET', 'Patient/b-put'),
      request('PUT', 'Patient/b-put', patient('put', { id: 'b-put' })),
      request('POST', 'Patient', patient('found'), { ifNoneExist: 'identifier=urn:bt|found' }),
      request('POST', 'Patient', patient('made'), { ifNoneExist: 'identifier=urn:bt|made' }),
      request('PUT', by('cond-put'), patient('cond-put')),
      request('PATCH', 'Patient/b-patch', patch),
      request('DELETE', 'Patient/b-gone'),
      request('DELETE', by('nothing')),
      request('GET', 'Patient/b-put/_history'),
      request('GET', 'Patient/b-gone'),
      request('GET', 'metadata'),
      request('HEAD', 'Patient/b-put'),
      request('PUT', 'Patient/b-patch', patient('patch', { id: 'b-patch' }), { ifMatch: 'W/"9"' }),
    ]);
    assert.deepEqual(statuses(reply), [200, 201, 200, 201, 201, 200, 204, 204, 200, 410, 200, 200, 412]);
    const list = entries(reply);
    assert.equal(list[0]!.resource!.id, 'b-put');
    assert.equal(list[10]!.resource!.resourceType, 'CapabilityStatement');
    assert.equal(list[11]!.resource, undefined);
    assert.deepEqual(issueOf(reply, 12).expression, ['Bundle.entry[12].request.ifMatch']);
    assert.equal((await fhir('GET', 'Patient/b-patch')).json.active, true);
  });

  test('operations are run as if they had come alone', async () => {
    await fhir('PUT', 'Patient/b-op', patient('op', { id: 'b-op' }));
    const tag = { system: 'urn:tags', code: 'x' };
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [tag] } }] };
    const reply = await batch([
      request('POST', 'Patient/b-op/$meta-add', parameters),
      request('GET', 'Patient/b-op/$meta'),
      request('GET', 'Patient/$no-such-operation'),
      request('POST', '$reindex?type=Basic'),
    ]);
    assert.deepEqual(statuses(reply), [200, 200, 404, 202], reply.text);
    const { resource, response } = entries(reply)[3]!;
    const [{ valueId }] = resource!.parameter as unknown as [{ valueId: string }];
    assert.equal(response!.location, `${fhir.base}/$reindex-status?job=${valueId}`);
    assert.deepEqual(issueOf(reply, 2).expression, ['Bundle.entry[2].request.url']);
    assert.deepEqual((await fhir('GET', 'Patient/b-op')).json.meta!.tag, [tag]);
  });

  test('searches: of a type, of all types, by POST, with includes and summaries', async () => {
    await fhir('PUT', 'Patient/b-s', patient('searched', { id: 'b-s', active: true }));
    const reply = await batch([
      request('GET', by('searched')),
      request('POST', 'Patient/_search?identifier=urn:bt|searched'),
      request('GET', '?_type=Patient,Observation&_id=b-s'),
      request('POST', '_search?_type=Patient&_id=b-s'),
      request('GET', `${fhir.base}/${by('searched')}&_summary=count`),
      request('GET', 'Patient/_history?_count=1'),
      request('GET', '_history?_count=1'),
    ]);
    assert.deepEqual(statuses(reply), [200, 200, 200, 200, 200, 200, 200], reply.text);
    const pages = entries(reply).map(({ resource }) => resource as unknown as { total?: number; entry?: unknown[] });
    assert.deepEqual(
      pages.slice(0, 4).map(({ entry }) => (entry![0] as { resource: Element }).resource.id),
      ['b-s', 'b-s', 'b-s', 'b-s'],
    );
    assert.deepEqual([pages[4]!.total, pages[4]!.entry], [1, undefined]);
    assert.deepEqual([pages[5]!.entry!.length, pages[6]!.entry!.length], [1, 1]);
  });

  test('POST _search of a compartment, by either of its paths, is no read', async () => {
    await fhir('PUT', 'Patient/b-c', patient('compartment', { id: 'b-c' }));
    const told = { status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/b-c' } };
    await fhir('PUT', 'Observation/b-c', { resourceType: 'Observation', id: 'b-c', ...told });
    const paths = [
      'Patient/b-c/_search',
      '/Patient/b-c/*/_search',
      `${fhir.base}/Patient/b-c/_search?_type=Observation`,
    ];
    const reply = await batch([...paths, 'Patient/b-c/Observation/_search'].map((path) => request('POST', path)));
    const found = entries(reply).map(({ resource }) =>
      ((resource!.entry ?? []) as unknown as { resource: Element }[]).map((one) => one.resource.resourceType).sort(),
    );
    const both = ['Observation', 'Patient'];
    assert.deepEqual(found, [both, both, ['Observation'], ['Observation']], reply.text);
  });

  test('urls may begin and end with a slash, the base may have none', async () => {
    const list = (type: string) => [
      request('PUT', `/Patient/b-slash-${type}/`, patient('slash', { id: `b-slash-${type}` })),
      request('POST', '/Basic/', { resourceType: 'Basic', code: { text: 'x' } }),
      ...['/', fhir.base, `${fhir.base}/`, `${fhir.base}?_type=Patient`].map((url) => request('GET', url)),
      request('GET', `${fhir.base}/Patient/b-slash-${type}/`),
    ];
    const done = await batch(list('batch'));
    assert.deepEqual(statuses(done), [201, 201, 200, 200, 200, 200, 200]);
    assert.equal(entries(done)[6]!.resource!.id, 'b-slash-batch');
    const all = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: list('transaction') });
    const codes = entries(all).map((entry) => entry.response!.status.slice(0, 3));
    assert.deepEqual(codes, ['201', '201', '200', '200', '200', '200', '200'], all.text.slice(0, 500));
    const wrong = await batch([
      request('DELETE', 'Patient/'),
      request('DELETE', '/'),
      request('POST', '/', patient('x')),
      request('GET', `${fhir.base}x/Patient`),
    ]);
    assert.deepEqual(statuses(wrong), [400, 400, 400, 400]);
    for (const i of [0, 1, 2, 3]) {
      assert.deepEqual(issueOf(wrong, i).expression, [`Bundle.entry[${i}].request.url`]);
    }
  });

  test('what is wrong with one entry is told there and harms no other', async () => {
    const good = request('POST', 'Patient', patient('beside'));
    const reply = await batch([
      good,
      null,
      'x',
      { resource: patient('beside') },
      { ...good, resource: 'x' },
      { ...good, request: { ...good.request, ifNoneExist: 7 } },
      request('POST', 'Patient', { resourceType: 'Patient', gender: 'x' }),
      request('POST', 'Nothing', { resourceType: 'Nothing' }),
      request('TRACE', 'Patient/1'),
      request('GET', 'http://elsewhere.example/Patient/1'),
      request('GET', 'Patient?birthdate=never'),
      request('DELETE', 'Patient?no-such=1'),
      request('POST', '', patient('beside')),
      good,
    ]);
    assert.deepEqual(statuses(reply), [201, 400, 400, 400, 400, 400, 400, 404, 400, 400, 400, 400, 400, 201]);
    for (let index = 1; index < 13; index++) {
      const [path = ''] = issueOf(reply, index).expression ?? [];
      assert.ok(path.startsWith(`Bundle.entry[${index}]`), `${index}: ${path}`);
    }
    assert.equal(await total('beside'), 2);
  });

  test('1,000 creates, some of them invalid, among updates and deletes', async () => {
    const list: EntryIn[] = [];
    for (let i = 0; i < 1000; i++) {
      const wrong = i % 100 === 50;
      list.push(
        request('POST', 'Patient', wrong ? { ...patient('k'), gender: 'x' } : patient('k', { active: i % 2 === 0 })),
      );
    }
    for (let i = 0; i < 150; i++) {
      const id = `b-k-${i}`;
      list.push(request('PUT', `Patient/${id}`, patient('k-put', i % 50 === 20 ? { id: 'another' } : { id })));
    }
    const reply = await batch(list);
    const expected = list.map((_, i) => (i < 1000 ? (i % 100 === 50 ? 400 : 201) : (i - 1000) % 50 === 20 ? 400 : 201));
    assert.deepEqual(statuses(reply), expected);
    assert.equal(await total('k'), 990);
    assert.equal(await total('k-put'), 147);
    const again = await batch(list.slice(1000).map(({ request: { url } }) => request('DELETE', url)));
    assert.deepEqual(new Set(statuses(again)), new Set([204]));
    assert.equal(await total('k-put'), 0);
    const locations = entries(reply).flatMap(({ response }) => response!.location ?? []);
    assert.equal(new Set(locations).size, 990 + 147, 'each its own');
  });

  test('one resource changed twice: in the order of the entries', async () => {
    const reply = await batch([
      request('PUT', 'Patient/b-twice', patient('twice-1', { id: 'b-twice' })),
      request('PUT', 'Patient/b-twice', patient('twice-2', { id: 'b-twice' })),
      request('PUT', 'Patient/b-twice', patient('twice-3', { id: 'b-twice' })),
    ]);
    assert.deepEqual(statuses(reply), [201, 200, 200]);
    assert.deepEqual((await fhir('GET', 'Patient/b-twice')).json.identifier, patient('twice-3').identifier);
    const conditional = request('POST', 'Patient', patient('same'), { ifNoneExist: 'identifier=urn:bt|same' });
    assert.deepEqual(statuses(await batch([conditional, conditional, conditional])), [201, 200, 200]);
    assert.equal(await total('same'), 1);
  });

  test('deletions come first, then creates, updates and reads', async () => {
    await fhir('PUT', 'Patient/b-order', patient('order', { id: 'b-order' }));
    const reply = await batch([
      request('GET', by('order')),
      request('PUT', by('order'), patient('order', { active: true })),
      request('POST', 'Patient', patient('order'), { ifNoneExist: 'identifier=urn:bt|order' }),
      request('DELETE', 'Patient/b-order'),
    ]);
    assert.deepEqual(statuses(reply), [200, 200, 201, 204], reply.text);
    const [read, updated, created] = entries(reply);
    const id = created!.response!.location!.split('/')[1]!;
    assert.equal(updated!.response!.location, `Patient/${id}/_history/2`);
    const found = read!.resource!.entry as unknown as { resource: Element }[];
    assert.deepEqual(
      found.map(({ resource }) => [resource.id, resource.active]),
      [[id, true]],
    );
  });

  test('entries that refer to each other are refused; that is what transactions are for', async () => {
    const fullUrl = 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000ba7c';
    const reply = await batch([
      { fullUrl, ...request('POST', 'Patient', patient('urn')) },
      request('POST', 'Observation', {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: fullUrl },
      }),
    ]);
    assert.deepEqual(statuses(reply), [201, 400], reply.text);
    assert.deepEqual(issueOf(reply, 1).expression, ['Bundle.entry[1].resource.subject.reference']);
  });

  test('references stay as they are, whether entries are written together or alone', async () => {
    const other = 'http://other.example/fhir/Patient/b-ref';
    const conditional = { reference: by('found') };
    const list = (fullUrl: string, id: string): unknown[] => [
      { fullUrl, ...request('PUT', `Patient/${id}`, patient('ref', { id })) },
      request(
        'PUT',
        `Patient/${id}-2`,
        patient('ref', { id: `${id}-2`, generalPractitioner: [{ reference: fullUrl }] }),
      ),
      request('PUT', `Patient/${id}-3`, patient('ref', { id: `${id}-3`, generalPractitioner: [conditional] })),
      request('PUT', by(`${id}-4`), patient(`${id}-4`, { generalPractitioner: [conditional] })),
    ];
    const reply = await batch(list(other, 'b-ref'), { Prefer: 'return=representation' });
    assert.deepEqual(statuses(reply), [201, 201, 201, 201]);
    assert.deepEqual(
      entries(reply).map(({ resource }) => resource!.generalPractitioner),
      [undefined, [{ reference: other }], [conditional], [conditional]],
    );
  });

  test('return=representation and return=OperationOutcome', async () => {
    const list = [request('POST', 'Patient', patient('prefer')), request('DELETE', 'Patient/never')];
    const whole = entries(await batch(list, { Prefer: 'return=representation' }));
    assert.equal(whole[0]!.resource!.meta!.versionId, '1');
    const told = entries(await batch(list, { Prefer: 'return=OperationOutcome' }));
    assert.deepEqual(
      told.map(({ response }) => response!.outcome!.resourceType),
      ['OperationOutcome', 'OperationOutcome'],
    );
  });

  test('ids and criteria of other entries are not mixed up when many run at once', async () => {
    const list = Array.from({ length: 60 }, (_, i) => {
      const value = `mix-${i % 20}`;
      return request('POST', 'Patient', patient(value), { ifNoneExist: `identifier=urn:bt|${value}` });
    });
    const replies = await Promise.all([batch(list), batch(list.toReversed()), batch(list)]);
    const made = replies.flatMap(statuses).filter((status) => status === 201);
    assert.equal(made.length, 20);
    for (let i = 0; i < 20; i++) assert.equal(await total(`mix-${i}`), 1);
  });
});
