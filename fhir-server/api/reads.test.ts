// If-Modified-Since where versions follow each other within a second: https://hl7.org/fhir/R4/http.html#cread
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { everything, testCore } from '../testing.ts';
import { read } from './reads.ts';
import type { FhirRequest } from './request.ts';

let db: Db;
let core: Core;
let now = 0;

before(async () => {
  db = await testDatabase();
  core = await testCore(db, { now: () => now });
});

const at = (time: string): number => Date.parse(`2026-01-31T12:00:${time}Z`);
/** Last-Modified of what came in that second. */
const modified = (second: string): string => `Sat, 31 Jan 2026 12:00:${second} GMT`;

/** Versions of one patient, each at its time; `gone` deletes it. */
async function versions(id: string, ...times: (string | { gone: string })[]): Promise<void> {
  for (const time of times) {
    now = at(typeof time === 'string' ? time : time.gone);
    if (typeof time === 'string')
      await storeUpdate(core.store, { resourceType: 'Patient', id }, id, undefined, everything);
    else await storeDelete(core.store, 'Patient', id, undefined, everything);
  }
}

async function statusOf(id: string, since: string, more: Record<string, string> = {}): Promise<number> {
  const headers = { 'if-modified-since': since, ...more };
  const request = { req: { headers }, segments: ['Patient', id], queryString: '', pairs: [], scope: everything };
  const { status } = await read(core, request as unknown as FhirRequest);
  return status;
}

test('the only version, or the first of its second, is not modified', async () => {
  await versions('one', '05.900');
  assert.equal(await statusOf('one', modified('05')), 304);
  await versions('later', '05.900', '06.100');
  assert.equal(await statusOf('later', modified('06')), 304);
  assert.equal(await statusOf('later', modified('05')), 200);
  assert.equal(await statusOf('later', modified('30')), 304);
});

test('of two versions within a second a client may have the former', async () => {
  await versions('both', '05.100', '05.900');
  assert.equal(await statusOf('both', modified('05')), 200);
  assert.equal(await statusOf('both', modified('06')), 304);
  assert.equal(await statusOf('both', modified('05'), { 'if-none-match': 'W/"2"' }), 304);
  await versions('back', '05.100', { gone: '05.200' }, '05.900');
  assert.equal(await statusOf('back', modified('05')), 200);
});

test('what came before was expunged: it may have been of the same second', async () => {
  await versions('expunged', '05.100', '05.900');
  await db.query({ text: `delete from resource_history where id = 'expunged'` });
  assert.equal(await statusOf('expunged', modified('05')), 200);
});

test('If-None-Match has one tag, several or any, and outranks the date', async () => {
  await versions('tags', '05.900', '06.900');
  const tags: [string, number][] = [
    ['W/"2"', 304],
    ['"2"', 304],
    ['W/"1", W/"2"', 304],
    ['"1","2"', 304],
    ['*', 304],
    ['W/"1"', 200],
    ['"1", "12"', 200],
  ];
  for (const [tag, status] of tags) {
    // By the date alone the answer would be the other.
    const since = modified(status === 304 ? '00' : '30');
    assert.equal(await statusOf('tags', since, { 'if-none-match': tag }), status, tag);
  }
});

test('an instant, as entries of Bundles have it, is compared to the millisecond', async () => {
  await versions('instant', '05.100', '05.900');
  const instants: [string, number][] = [
    ['2026-01-31T12:00:05.899Z', 200],
    ['2026-01-31T12:00:05.900Z', 304],
    ['2026-01-31T13:00:05.900+01:00', 304],
    ['2026-01-31T12:00:05Z', 200],
    ['2026-01-31T12:00:06Z', 304],
  ];
  for (const [since, status] of instants) assert.equal(await statusOf('instant', since), status, since);
});
