// The edges of $everything: times to the millisecond, what belongs to a record twice, attachments of all patients' records.
// https://hl7.org/fhir/R4/patient-operation-everything.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();
const ref = (reference: string) => ({ reference });
const subject = ref('Patient/p');
const code = { text: 'c' };

/** Yields when it was stored. */
async function put(resource: JsonObject): Promise<string> {
  const { status, json, text } = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.equal(status, 201, text);
  return json.meta!.lastUpdated!;
}

async function named(query: string, mode?: string): Promise<string[]> {
  const reply = await fhir('GET', query);
  assert.equal(reply.status, 200, reply.text);
  const shown = entries(reply).filter(({ search }) => mode === undefined || search?.mode === mode);
  return shown.map(({ resource }) => `${resource?.resourceType}/${resource?.id}`).sort();
}

describe('times', () => {
  const places = ['Patient/p/$everything', 'Patient/$everything'];
  let stored: string;

  before(async () => {
    await put({ resourceType: 'Patient', id: 'p', active: true });
    const observation = { resourceType: 'Observation', status: 'final', code, subject };
    await put({ ...observation, id: 'first', effectiveDateTime: '2020-05-02T00:00:00.000Z' });
    stored = await put({ ...observation, id: 'last', effectiveDateTime: '2020-05-03T23:59:59.999Z' });
  });

  for (const place of places) {
    const asked = (query: string) => named(`${place}?_type=Observation&${query}`);

    test(`${place}: the first and the last millisecond of the care asked for are part of it`, async () => {
      const [first, last] = ['Observation/first', 'Observation/last'];
      assert.deepEqual(await asked('start=2020-05-02&end=2020-05-03'), [first, last]);
      assert.deepEqual(await asked('start=2020-05-03'), [last]);
      assert.deepEqual(await asked('end=2020-05-02'), [first]);
      assert.deepEqual(await asked('start=2020-05-04'), []);
      assert.deepEqual(await asked('end=2020-05-01'), []);
    });

    test(`${place}: what changed at the time of _since has changed since`, async () => {
      assert.ok((await asked(`_since=${stored}`)).includes('Observation/last'));
    });
  }
});

test('what an encounter refers to and what is of it comes once; what is not of it is included', async () => {
  const diagnosis = ['of-it', 'before'].map((id) => ({ condition: ref(`Condition/${id}`) }));
  await put({ resourceType: 'Condition', id: 'before', code, subject });
  await put({ resourceType: 'Encounter', id: 'e', status: 'finished', class: { code: 'AMB' }, subject });
  await put({ resourceType: 'Condition', id: 'of-it', code, subject, encounter: ref('Encounter/e') });
  const { json } = await fhir('GET', 'Encounter/e');
  assert.equal((await fhir('PUT', 'Encounter/e', { ...json, diagnosis })).status, 200);
  assert.deepEqual(await named('Encounter/e/$everything', 'match'), ['Condition/of-it', 'Encounter/e']);
  assert.deepEqual(await named('Encounter/e/$everything', 'include'), ['Condition/before', 'Patient/p']);
});

test('Patient/$everything: attachments of the types asked for, and changed since', async () => {
  const scan = await put({ resourceType: 'Binary', id: 'scan', contentType: 'text/plain', data: 'QUJD' });
  const since = new Date(Date.parse(scan) + 1).toISOString();
  await waitFor(() => Date.now() > Date.parse(scan), 'the next millisecond');
  const content = [{ attachment: { url: 'Binary/scan' } }];
  await put({ resourceType: 'DocumentReference', id: 'doc', status: 'current', subject, content });
  const both = 'Patient/$everything?_type=Binary,DocumentReference';
  assert.deepEqual(await named(both), ['Binary/scan', 'DocumentReference/doc']);
  assert.deepEqual(await named(`${both}&_since=${since}`), ['DocumentReference/doc']);
  assert.deepEqual(await named('Patient/$everything?_type=DocumentReference'), ['DocumentReference/doc']);
});
