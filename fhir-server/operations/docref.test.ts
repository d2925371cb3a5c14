// DocumentReference/$docref of documents that hold their attachments: http://hl7.org/fhir/us/core/OperationDefinition/docref
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { createWriter } from '../ports.ts';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { everything, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

/** Four fit, since what is read ends with the body that fills it. */
const BYTES = Math.floor(PAGE_BYTES_MAX / 3.5);
const years = ['2020', '2021', '2022', '2023', '2024', '2025'];

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  const data = 'A'.repeat(BYTES - (BYTES % 4));
  const documents = years.map((year) => ({
    ...{ resourceType: 'DocumentReference', id: `d${year}`, status: 'current', date: `${year}-06-01T00:00:00Z` },
    ...{ type: { coding: [{ code: 'x' }] }, subject: { reference: 'Patient/p' }, content: [{ attachment: { data } }] },
  }));
  for (const one of [{ resourceType: 'Patient', id: 'p' }, ...documents]) {
    await createWriter(core).createIfAbsent([one], { scope: everything });
  }
});

async function docref(query: string): Promise<string[]> {
  const pairs = [...new URLSearchParams(`patient=p&${query}`)] as [string, string][];
  const target = { name: 'docref', type: 'DocumentReference' };
  const answer = await invoke(core, { target, method: 'GET', pairs, scope: everything, strict: true });
  const { entry = [] } = JSON.parse((answer as { text: string }).text) as { entry?: { resource: Resource }[] };
  return entry.map(({ resource }) => resource.id!);
}

test('of many large documents those that are asked for are given, the latest first', async () => {
  assert.deepEqual(await docref(''), ['d2025']);
  assert.deepEqual(await docref('start=2021&end=2023'), ['d2023', 'd2022', 'd2021']);
});

test('an answer that would fill the memory is refused', () =>
  assert.rejects(docref('start=2020'), (error) => isCerebraError(error, 'too-costly')));
