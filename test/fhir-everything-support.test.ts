// Patient/$everything of all patients: what supports their records. https://hl7.org/fhir/R4/patient-operation-everything.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entries, linkOf } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();
const ref = (reference: string) => ({ reference });

const put = async (resource: JsonObject) =>
  assert.equal((await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource)).status, 201);
const observation = (id: string, more: JsonObject) =>
  put({ resourceType: 'Observation', id, status: 'final', code: { text: 'c' }, ...more });

async function doctors(query: string): Promise<string[]> {
  const found: string[] = [];
  for (let next: string | undefined = `Patient/$everything?_type=Practitioner${query}`; next !== undefined; ) {
    const reply = await fhir('GET', next);
    assert.equal(reply.status, 200, reply.text);
    found.push(...entries(reply).map(({ resource }) => resource?.id ?? ''));
    next = linkOf(reply, 'next');
  }
  return found.sort();
}

describe('what supports is referred to by a patient’s own', () => {
  before(async () => {
    for (const id of ['doc', 'doc-device', 'doc-old', 'doc-new']) await put({ resourceType: 'Practitioner', id });
    await put({ resourceType: 'Patient', id: 'p', generalPractitioner: [ref('Practitioner/doc')] });
    await put({ resourceType: 'Device', id: 'probe' });
    await observation('of-device', { subject: ref('Device/probe'), performer: [ref('Practitioner/doc-device')] });
    const old = { subject: ref('Patient/p'), effectiveDateTime: '2015-01-01' };
    await observation('old', { ...old, performer: [ref('Practitioner/doc-old')] });
    const recent = { subject: ref('Patient/p'), effectiveDateTime: '2021-01-01' };
    await observation('new', { ...recent, performer: [ref('Practitioner/doc-new')] });
  });

  test('and not by what is a device’s alone', async () => {
    assert.deepEqual(await doctors(''), ['doc', 'doc-new', 'doc-old']);
    assert.deepEqual(await doctors('&_count=1'), ['doc', 'doc-new', 'doc-old']);
  });

  test('with care dates by the care of that time, as of one patient', async () => {
    assert.deepEqual(await doctors('&start=2020-01-01'), ['doc', 'doc-new']);
    const one = await fhir('GET', 'Patient/p/$everything?start=2020-01-01&_type=Practitioner');
    assert.deepEqual(
      entries(one)
        .map(({ resource }) => resource?.id)
        .sort(),
      ['doc', 'doc-new'],
    );
  });
});
