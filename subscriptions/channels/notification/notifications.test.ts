// How much of what is owed one notification reads and holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VersionKey } from '#fhir-model';
import { type Db, systemClock } from '#platform';
import { testLog } from '#platform/testing';
import { createNotifications, notificationBytesMax } from './notifications.ts';

const deliveries = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ number: BigInt(i + 1), type: 'Binary', id: `b${i + 1}`, version: 1, op: 'create' as const, changed_at: 0 },
  }));

/** Of events with resources of `length` characters: how many of `count` are told, and how many were read for it at once. */
async function fitting(count: number, length: number, content: 'full-resource' | 'id-only' = 'full-resource') {
  const reads: number[] = [];
  const notifications = createNotifications({
    ...{ db: {} as Db, clock: systemClock, log: testLog(), baseUrl: 'https://fhir.example.org' },
    ownerScope: () => ({ kind: 'everything' }),
    reader: { read: () => assert.fail('not read'), search: () => assert.fail('not searched') },
    feed: {
      async bodies(_db: unknown, versions: readonly VersionKey[]) {
        reads.push(versions.length);
        return versions.map(() => `"${'x'.repeat(length - 2)}"`);
      },
    },
  });
  const about = { subscription: 's', topic: 'urn:x', content, status: 'active', type: 'query-event' } as const;
  const made = await notifications.fitting(about, deliveries(count), (told) => ({
    errors: [{ text: `${told} told` }],
  }));
  const [status, ...entries] = JSON.parse(made.text).entry;
  assert.equal(status.resource.parameter.at(-1).valueCodeableConcept.text, `${made.count} told`);
  assert.equal(entries.length, made.count);
  assert.equal(entries.filter((one: object) => 'resource' in one).length, content === 'full-resource' ? made.count : 0);
  return { count: made.count, reads };
}

test('no more resources are read than one notification may hold, and few statements read them', async () => {
  const mib = 1024 * 1024;
  assert.deepEqual(await fitting(1_000, 3 * mib), { count: 2, reads: [8] });
  assert.deepEqual(await fitting(1_000, notificationBytesMax + 1), { count: 1, reads: [8] });
  assert.deepEqual(await fitting(1_000, mib / 2), { count: 16, reads: [8, 8, 1] });
  assert.deepEqual(await fitting(1_000, 1_000), { count: 1_000, reads: [8, 992] });
  assert.deepEqual(await fitting(5, 1_000), { count: 5, reads: [5] });
  assert.deepEqual(await fitting(1_000, mib, 'id-only'), { count: 1_000, reads: [] });
});

test('an entry was modified when its resource says, be it long before the event', async () => {
  const modified = { p1: '2026-01-01T00:00:00.000Z', p2: '2026-03-01T00:00:00.000Z' };
  const at = Date.parse(modified.p2);
  const notifications = createNotifications({
    ...{ db: {} as Db, clock: systemClock, log: testLog(), baseUrl: 'https://fhir.example.org' },
    ownerScope: () => ({ kind: 'everything' }),
    reader: { read: () => assert.fail('not read'), search: () => assert.fail('not searched') },
    feed: {
      bodies: async (_db: unknown, versions: readonly VersionKey[]) =>
        versions.map(({ id }) => {
          const meta = { versionId: '1', lastUpdated: modified[id as keyof typeof modified] };
          return JSON.stringify({ resourceType: 'Patient', id, meta });
        }),
    },
  });
  const told = { subscription: 's', topic: 'urn:x', content: 'full-resource', status: 'active' } as const;
  const events = ['p1', 'p2'].map((id, i) => ({
    ...{ number: BigInt(i + 1), type: 'Patient', id, version: 1, op: 'update' as const, changed_at: at },
  }));
  const text = await notifications.bundle({ ...told, type: 'event-notification' }, events);
  const [status, ...entries] = JSON.parse(text).entry;
  for (const { response, resource } of entries) assert.equal(response.lastModified, resource.meta.lastUpdated);
  assert.equal(entries.length, 2);
  const happened = status.resource.parameter
    .filter(({ name }: { name: string }) => name === 'notification-event')
    .map(({ part }: { part: { name: string; valueInstant?: string }[] }) => part[1]!.valueInstant);
  assert.deepEqual(happened, [modified.p2, modified.p2]);
});
