import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredVersion } from '#fhir-model';
import type { Db } from '#platform';
import { type EventPorts, focusChanges } from './events.ts';
import { changeOf } from './testing/topic.ts';

test('an event has happened when it was told of, to a resource that was changed long before as well', async () => {
  const encounter = { resourceType: 'Encounter', id: 'e', status: 'in-progress' };
  const stored: StoredVersion = {
    ...{ type: 'Encounter', id: 'e', version: 3, updatedMs: Date.UTC(2020, 0, 1), deleted: false },
    body: JSON.stringify(encounter),
  };
  const ports: EventPorts = {
    ...{ db: {} as Db, scope: { kind: 'everything' } },
    feed: { read: async () => ({ changes: [], more: false }) },
    reader: { read: async () => stored },
  };
  const carrier = { ...changeOf('create', { resourceType: 'Provenance', id: 'v' }), updatedMs: Date.UTC(2026, 0, 1) };
  const [change, ...others] = await focusChanges(ports, carrier, [{ type: 'Encounter', id: 'e' }], [carrier]);
  assert.deepEqual(others, []);
  assert.deepEqual(change, {
    ...{ xid: carrier.xid, seq: carrier.seq, type: 'Encounter', id: 'e', version: 3, op: 'update' },
    ...{ updatedMs: carrier.updatedMs, body: stored.body },
  });
});
