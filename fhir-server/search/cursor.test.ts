import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SearchQuery } from '#fhir-model';
import { assertSameSearch, decodeCursor, encodeCursor, type KeyKind } from './cursor.ts';
import { findRows, type PageContext } from './page.ts';

const made = (parts: unknown): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

describe('cursors', () => {
  const good: [KeyKind[], (string | null)[]][] = [
    [[], []],
    [['bigint'], ['-9223372036854775808']],
    [['bigint'], ['9223372036854775807']],
    [['numeric'], ['-0.000000000000000001']],
    [['text'], ['ünï "quoted" 😀'.repeat(5)]],
    [['text'], ['']],
    [['date', 'x'].map(() => 'bigint' as const), [null, '0']],
    [['instant'], ['253402300799999']],
    [['instant'], ['-62135596800000']],
  ];
  for (const [casts, keys] of good) {
    test(`${casts.join()} ${keys.join()}: what is made is read`, () => {
      assert.deepEqual(decodeCursor(encodeCursor({ rid: '12', keys }), casts), { rid: '12', keys });
    });
  }

  test('the number of criteria goes with it', () => {
    const cursor = { rid: '12', keys: ['a', null], given: 2 };
    assert.deepEqual(decodeCursor(encodeCursor(cursor), ['text', 'bigint']), cursor);
  });

  test('a search with fewer criteria is another one', () => {
    const cursor = { rid: '12', keys: [], given: 2 };
    assertSameSearch(cursor, { given: 2, ignored: ['_'] });
    assertSameSearch({ rid: '12', keys: [] }, { ignored: ['ward'] });
    assert.throws(() => assertSameSearch(cursor, { given: 1, ignored: ['ward'] }), {
      code: 'unknown-parameter',
      status: 400,
    });
    assert.throws(() => assertSameSearch(cursor, { given: 1, ignored: [] }), {
      code: 'invalid-parameter',
      status: 400,
    });
  });

  const bad: [string, string, KeyKind[]][] = [
    ['empty', '', []],
    ['no JSON', 'abc', []],
    ['no array', made({ rid: '1' }), []],
    ['no rid', made([]), []],
    ['a number as rid', made([1]), []],
    ['a rid of too many bits', made(['9223372036854775808']), []],
    ['SQL', made(['1; drop table resource']), []],
    ['too few keys', made(['1']), ['text']],
    ['too many keys', made(['1', 'a']), []],
    ['a key that is no text', made(['1', 5]), ['bigint']],
    ['text for a bigint', made(['1', 'abc']), ['bigint']],
    ['a bigint of too many bits', made(['1', '99999999999999999999']), ['bigint']],
    ['a time after the year 9999', made(['1', '253402300800000']), ['instant']],
    ['a time before the year 1', made(['1', '-62135596800001']), ['instant']],
    ['a time of too many bits', made(['1', '9223372036854775808']), ['instant']],
    ['NaN for a numeric', made(['1', 'NaN']), ['numeric']],
    ['Infinity for a numeric', made(['1', 'Infinity']), ['numeric']],
    ['an exponent', made(['1', '1e5']), ['numeric']],
    ['a NUL', made(['1', 'a\u0000b']), ['text']],
    ['a longer text than the index holds', made(['1', 'x'.repeat(201)]), ['text']],
    ['deep nesting', Buffer.from('['.repeat(5000)).toString('base64url'), []],
  ];
  for (const [what, text, casts] of bad) {
    test(`refused: ${what}`, () => {
      assert.throws(() => decodeCursor(text, casts), { code: 'invalid-parameter', status: 400 });
    });
  }

  // PostgreSQL has no such timestamp: it ended the search with an error of the server.
  for (const key of ['9223372036854775807', '-9223372036854775808', '253402300800000']) {
    test(`refused before anything is read: ${key} where changes are in their order`, async () => {
      const refuse = () => assert.fail('nothing is to be read');
      const page = { db: { query: refuse }, scope: { kind: 'everything' }, nowMs: 0 } as unknown as PageContext;
      const param = { code: '_lastUpdated', type: 'date', key: 1, resourceType: 'Patient' };
      const query = {
        ...{ type: 'Patient', count: 10, criteria: [], includes: [], used: [], ignored: [] },
        ...{ sort: [{ param, descending: false }], cursor: encodeCursor({ rid: '1', keys: [key] }) },
      } as unknown as SearchQuery;
      await assert.rejects(async () => findRows(page, query), { code: 'invalid-parameter', status: 400 });
    });
  }
});
