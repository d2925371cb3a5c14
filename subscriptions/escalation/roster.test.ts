// A roster that has many Slots beside the one that says whose turn it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Resource, type ResourceReader, type StoredVersion, stringify } from '#fhir-model';
import { whoIsOnCall } from './recipients.ts';

const nowMs = Date.parse('2026-01-10T12:00:00Z');
const hourMs = 3_600_000;

const slot = (startMs: number, endMs: number): Resource => ({
  ...{ resourceType: 'Slot', status: 'free', schedule: { reference: 'Schedule/s' } },
  ...{ start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() },
});

const stored = (resource: Resource, id: string): StoredVersion => ({
  ...{ type: resource.resourceType, id, version: 1, updatedMs: 0, body: stringify(resource), deleted: false },
});

/** Pages of what a roster has, the latest first, as the store has them. */
async function onDuty(slots: readonly Resource[]) {
  const resources: Record<string, Resource> = {
    'Schedule/s': { resourceType: 'Schedule', id: 's', actor: [{ reference: 'Practitioner/n' }] },
    'Practitioner/n': { resourceType: 'Practitioner', id: 'n' },
  };
  const sorted = [...slots].sort((a, b) => (String(a.start) < String(b.start) ? 1 : -1));
  let pages = 0;
  const reader: ResourceReader = {
    async read(type, id) {
      const found = resources[`${type}/${id}`];
      return found && stored(found, id);
    },
    async search(type, query) {
      if (type !== 'Slot') return { resources: [], included: [] };
      pages++;
      const asked = new URLSearchParams(query);
      const from = Number(asked.get('_cursor') ?? 0);
      const to = from + Number(asked.get('_count'));
      const page = sorted.slice(from, to).map((one, i) => stored(one, String(from + i)));
      return { resources: page, included: [], ...(to < sorted.length ? { nextCursor: String(to) } : {}) };
    },
  };
  const directory = { reader, scope: { kind: 'everything' } as const, timeZone: 'UTC', baseUrl: 'https://x/fhir/R4' };
  const { recipients, notes } = await whoIsOnCall([{ reference: 'Schedule/s' }], [], nowMs, directory);
  return { is: recipients.map(({ reference }) => reference), notes, pages };
}

/** Of five minutes each, the last one ends before now. */
const appointments = (count: number) =>
  Array.from({ length: count }, (_, i) => slot(nowMs - (i + 2) * 300_000, nowMs - (i + 1) * 300_000));

test('the night in which appointments lie is found behind them', async () => {
  const night = slot(nowMs - 12 * hourMs, nowMs + hourMs);
  assert.deepEqual(await onDuty([night, ...appointments(140)]), { is: ['Practitioner/n'], notes: [], pages: 2 });
});

test('of a roster of years no more than a month is looked through, and of one with thousands of slots it is told', async () => {
  const nothing = 'Schedule/s: it has no slot for this time';
  const days = Array.from({ length: 2_000 }, (_, i) =>
    slot(nowMs - (i + 2) * 8 * hourMs, nowMs - (i + 1) * 8 * hourMs),
  );
  assert.deepEqual(await onDuty(days), { is: [], notes: [nothing], pages: 1 });
  const limit = 'Schedule/s: only the latest 1000 of its slots were looked at';
  assert.deepEqual(await onDuty(appointments(1_001)), { is: [], notes: [limit, nothing], pages: 10 });
});
