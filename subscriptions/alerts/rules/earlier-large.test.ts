// How much of what the store had before is read at once: documents may have megabytes each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessScope, ResourceReader, StoredVersion, VersionKey } from '#fhir-model';
import type { Db } from '#platform';
import { eventRule, ext, minutes, onCode, quantity, reading } from '../../testing/alert-rules.ts';
import { testRules } from '../../testing/rules.ts';
import { readRule } from './definition.ts';
import { earlierOf } from './earlier.ts';

const scope: AccessScope = { kind: 'everything' };
const thenMs = Date.UTC(2026, 0, 1);

/** A store with `stood` Observations from before, and `changed` ones in version 3, each of so many characters. */
async function read(stood: number, changed: number, characters: number) {
  const change = ext('change', 'Quantity', quantity(1, 'mmol/L'));
  const action = { title: 'Jump', extension: [change], trigger: [onCode('k')] };
  const rule = readRule(eventRule('d', 'delta', [minutes('window', 60)], [action]), 1, await testRules());
  const bodyOf = (id: string, version: number) => {
    const lastUpdated = new Date(thenMs + (version - 2.5) * 60_000).toISOString();
    const text = 'x'.repeat(characters);
    return JSON.stringify({ ...reading(id, 1, 0), meta: { lastUpdated }, note: [{ text }] });
  };
  const pages: [kind: string, count: number][] = [];
  const search: ResourceReader['search'] = async (_type, query) => {
    const asked = new URLSearchParams(query);
    const isStood = asked.getAll('_lastUpdated').some((one) => one.startsWith('lt'));
    const count = Number(asked.get('_count'));
    const from = Number(asked.get('_cursor') ?? 0);
    const all = isStood ? stood : changed;
    pages.push([isStood ? 'stood' : 'changed', count]);
    const resources = Array.from({ length: Math.min(count, all - from) }, (_, i): StoredVersion => {
      const id = `${isStood ? 's' : 'c'}${from + i}`;
      const version = isStood ? 1 : 3;
      return { type: 'Observation', id, version, updatedMs: thenMs, deleted: false, body: bodyOf(id, version) };
    });
    return { resources, included: [], ...(from + count < all ? { nextCursor: String(from + count) } : {}) };
  };
  const versions: number[] = [];
  const bodies = async (_db: unknown, keys: readonly VersionKey[]) => {
    versions.push(keys.length);
    return keys.map(({ id, version }) => bodyOf(id, version));
  };
  const before = { sinceMs: thenMs - 3_600_000, beforeMs: thenMs };
  const found = await earlierOf(rule, reading('now', 1, 0), before, {
    ...{ db: {} as Db, feed: { bodies }, reader: { search }, scope },
  });
  return { pages, versions, found: found.map(({ id, version }) => `${id}/${version}`) };
}

test('of small resources all are read, in few pages', async () => {
  const { pages, versions, found } = await read(1_000, 300, 200);
  assert.deepEqual(pages, [
    ...[20, 200, 200, 200, 200, 200].map((count) => ['stood', count]),
    ...[20, 200, 200].map((count) => ['changed', count]),
  ]);
  // Two versions before each of 300.
  assert.deepEqual(versions, [20, 200, 200, 180]);
  assert.equal(found.length, 1_300);
  assert.deepEqual([found[0], found.at(-1)], ['s0/1', 'c299/2']);
});

test('of large ones so many as have 16 MB of text, the latest first', async () => {
  const { pages, versions, found } = await read(1_000, 300, 500_000);
  assert.deepEqual(pages, [
    ['stood', 20],
    ['stood', 13],
    ['stood', 1],
    ['changed', 20],
    ['changed', 13],
    ['changed', 1],
  ]);
  assert.deepEqual(versions, [20, 13, 1]);
  assert.deepEqual([found.length, found[33], found.at(-1)], [34 + 17, 's33/1', 'c16/2']);
});
