// One order over several types: https://hl7.org/fhir/R4/search.html#sort, https://hl7.org/fhir/R4/search.html#type
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { rawJson, type TransactionEntry } from '#fhir-model';
import { isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs } from '../interactions/search.ts';
import { searchSystem } from '../interactions/search-system.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let core: Core;

before(async () => {
  const db = await testDatabase();
  core = await testCore(db);
  const put = (resourceType: string, more: object, id = 'a'): TransactionEntry => ({
    method: 'PUT',
    url: `${resourceType}/${id}`,
    resource: { resourceType, id, ...more },
  });
  const slot = { schedule: { reference: 'Schedule/1' }, status: 'free', end: '2026-01-02T11:00:00Z' };
  await createWriter(core).transaction(
    [
      put('GraphDefinition', { name: 'n', status: 'active', start: 'Patient' }),
      put('Slot', { ...slot, start: '2026-01-02T10:00:00Z' }),
      put('Appointment', { status: 'booked', participant: [{ status: 'accepted' }] }),
      ...['5', '1.5e150', '7e149', '-2e150'].map((value, i) =>
        put(
          ['ActivityDefinition', 'PlanDefinition'][i % 2]!,
          { status: 'active', useContext: [{ code: { code: 'age' }, valueQuantity: { value: rawJson(value) } }] },
          `i${i}`,
        ),
      ),
    ],
    { scope: everything },
  );
});

const search = (query: string): Promise<string> =>
  searchSystem(core, searchPairs(query), { scope: everything, db: core.store.db }, false);

for (const types of ['Slot,GraphDefinition', 'GraphDefinition,Slot']) {
  for (const sort of ['start', '-start', 'status,-start']) {
    test(`${types} have no order by ${sort}, a date and a code, in common`, async () => {
      await assert.rejects(search(`_type=${types}&_sort=${sort}`), (error) => {
        assert.ok(isCerebraError(error, 'unsupported'), String(error));
        assert.match(error.message, /'start' is of \w+ a \w+ and of \w+ a \w+ parameter/);
        return true;
      });
    });
  }
}

test('what both types have in one form orders them', async () => {
  const found = JSON.parse(await search('_type=Slot,Appointment&_sort=status'));
  assert.deepEqual(
    found.entry.map(({ resource }: { resource: { resourceType: string } }) => resource.resourceType),
    ['Appointment', 'Slot'],
  );
});

test('numbers are put in order whatever their length', async () => {
  const found = JSON.parse(await search('_type=ActivityDefinition,PlanDefinition&_sort=-context-quantity&_count=3'));
  assert.deepEqual(
    found.entry.map(({ resource }: { resource: { id: string } }) => resource.id),
    ['i1', 'i2', 'i0'],
  );
});
