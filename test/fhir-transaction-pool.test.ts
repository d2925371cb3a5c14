// Transactions that ask for more than their own connection tells, more of them than there are connections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests({ POOL_MAX: '3' });

const AT_ONCE = 8;
const all = (call: (i: number) => Promise<Reply>): Promise<Reply[]> =>
  Promise.all(Array.from({ length: AT_ONCE }, (_, i) => call(i)));
const statuses = (replies: readonly Reply[]): number[] => replies.map(({ status }) => status);
const done = new Array<number>(AT_ONCE).fill(200);

const put = (id: string) => ({
  request: { method: 'PUT', url: `Basic/${id}` },
  resource: { resourceType: 'Basic', id, code: { text: 'x' } },
});
const transaction = (id: string, url: string) =>
  fhir('POST', '', {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [put(id), { request: { method: 'GET', url } }],
  });

async function storeValueSet(url: string): Promise<void> {
  const include = [{ system: 'http://loinc.org', concept: [{ code: '2823-3' }] }];
  const valueSet = { resourceType: 'ValueSet', status: 'active', url, compose: { include } };
  assert.equal((await fhir('POST', 'ValueSet', valueSet)).status, 201);
}

test('GET metadata', async () => {
  const replies = await all((i) => transaction(`meta-${i}`, 'metadata?_elements=status'));
  assert.deepEqual(statuses(replies), done, replies[0]!.text);
  for (const reply of replies) assert.equal(entries(reply)[1]!.resource!.resourceType, 'CapabilityStatement');
});

test('a search by a value set', async () => {
  await storeValueSet('http://pool.example/potassium');
  const replies = await all((i) => transaction(`in-${i}`, 'Observation?code:in=http://pool.example/potassium'));
  assert.deepEqual(statuses(replies), done, replies[0]!.text);
  for (const reply of replies) assert.equal(entries(reply)[1]!.resource!.resourceType, 'Bundle');
});

test('criteria by a value set', async () => {
  await storeValueSet('http://pool.example/criteria');
  const body = {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
  };
  const headers = { 'If-None-Exist': 'code:in=http://pool.example/criteria' };
  const replies = await all(() => fhir('POST', 'Observation', body, headers));
  assert.deepEqual(statuses(replies).toSorted(), [...done.slice(1), 201]);
  assert.equal(new Set(replies.map(({ json }) => json.id)).size, 1);
});

test('conditional references by a value set', async () => {
  const url = 'http://pool.example/references';
  await storeValueSet(url);
  const { json } = await fhir('GET', 'Observation?_count=1');
  const { id } = (json.entry as unknown as { resource: { id: string } }[])[0]!.resource;
  const refer = (i: number) => {
    const result = [{ reference: `Observation?code:in=${url}&_id=${id}` }];
    const resource = {
      resourceType: 'DiagnosticReport',
      id: `refer-${i}`,
      status: 'final',
      code: { text: 'x' },
      result,
    };
    const entry = [{ request: { method: 'PUT', url: `DiagnosticReport/refer-${i}` }, resource }];
    return fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  };
  assert.deepEqual(statuses(await all(refer)), done);
  const { json: report } = await fhir('GET', 'DiagnosticReport/refer-0');
  assert.deepEqual(report.result, [{ reference: `Observation/${id}` }]);
});

test('conditional references by a value set that patches bring', async () => {
  const url = 'http://pool.example/patches';
  await storeValueSet(url);
  const { json } = await fhir('GET', 'Observation?_count=1');
  const { id } = (json.entry as unknown as { resource: { id: string } }[])[0]!.resource;
  const report = { resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' } };
  for (let i = 0; i < AT_ONCE; i++)
    await fhir('PUT', `DiagnosticReport/patched-${i}`, { ...report, id: `patched-${i}` });
  const value = [{ reference: `Observation?code:in=${url}&_id=${id}` }];
  const data = Buffer.from(JSON.stringify([{ op: 'add', path: '/result', value }])).toString('base64');
  const resource = { resourceType: 'Binary', contentType: 'application/json-patch+json', data };
  const refer = (i: number) => {
    const entry = [{ request: { method: 'PATCH', url: `DiagnosticReport/patched-${i}` }, resource }];
    return fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  };
  assert.deepEqual(statuses(await all(refer)), done);
  const { json: patched } = await fhir('GET', 'DiagnosticReport/patched-0');
  assert.deepEqual(patched.result, [{ reference: `Observation/${id}` }]);
});
