// The store as other rooms read it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import { createReader, createWriter } from './ports.ts';
import { everything, testCore } from './testing.ts';

test('other rooms have all that they ask for on one page, however little clients may have', async (t) => {
  const core = await testCore(await testDatabase(t));
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const patients = ids.map((id): Resource & { id: string } => ({ resourceType: 'Patient', id }));
  await createWriter(core).createIfAbsent(patients, { scope: everything });
  const limits = { ...core.limits, searchCountDefault: 2, searchCountMax: 2 };
  const reader = createReader({ ...core, limits });
  const query = `_id=${ids.join()}&_count=${ids.length}&_total=none`;
  const { resources, nextCursor } = await reader.search('Patient', query, everything);
  assert.deepEqual([resources.map(({ id }) => id).sort(), nextCursor], [ids, undefined]);
});
