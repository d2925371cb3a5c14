import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceReader } from '#fhir-model';
import { createLookups } from './query.ts';

test('what is asked again is asked once, as long as the answers are not megabytes together', async () => {
  const asked: string[] = [];
  const reader: ResourceReader = {
    read: async () => undefined,
    async search(type, query) {
      asked.push(query);
      const text = 'x'.repeat(query.startsWith('large') ? 3_000_000 : 10);
      const body = JSON.stringify({ resourceType: type, text });
      return { resources: [{ type, id: '1', version: 1, updatedMs: 0, body, deleted: false }], included: [] };
    },
  };
  const lookups = createLookups(reader, { kind: 'everything' });
  const ask = async (...queries: string[]) => {
    asked.length = 0;
    for (const query of queries) assert.equal((await lookups.search('DocumentReference', query)).length, 1);
    return asked.join();
  };
  assert.equal(await ask('a', 'b', 'a', 'b'), 'a,b');
  assert.equal(await ask('large1', 'large2', 'large1', 'a'), 'large1,large2');
  // With the third one they are too much: the oldest go.
  assert.equal(await ask('large3', 'large3', 'large2', 'large3'), 'large3');
  assert.equal(await ask('large1', 'a'), 'large1,a');
});
