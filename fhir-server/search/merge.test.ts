// One order over several types: https://hl7.org/fhir/R4/search.html#sort, https://hl7.org/fhir/R4/search.html#type
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { TransactionEntry } from '#fhir-model';
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
  const put = (resourceType: string, more: object): TransactionEntry => ({
    method: 'PUT',
    url: `${resourceType}/a`,
    resource: { resourceType, id: 'a', ...more },
  });
  const slot = { schedule: { reference: 'Schedule/1' }, status: 'free', end: '2026-01-02T11:00:00Z' };
  await createWriter(core).transaction(
    [
      put('GraphDefinition', { name: 'n', status: 'active', start: 'Patient' }),
      put('Slot', { ...slot, start: '2026-01-02T10:00:00Z' }),
      put('Appointment', { status: 'booked', participant: [{ status: 'accepted' }] }),
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
