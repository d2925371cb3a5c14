import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { found, query } from './search-testing.ts';

const valueSet = (url: string, version?: string) => ({ resourceType: 'ValueSet', status: 'draft', url, version });

describe('url|version on the parameter url', () => {
  for (const [search, resource, expected] of [
    ['url=http://e.org/a|2', valueSet('http://e.org/a', '2'), true],
    ['url=http://e.org/a|2', valueSet('http://e.org/a', '3'), false],
    ['url=http://e.org/a|2', valueSet('http://e.org/a'), false],
    ['url=http://e.org/a|2', valueSet('http://e.org/b', '2'), false],
    ['url=http://e.org/a', valueSet('http://e.org/a', '2'), true],
    ['url=http://e.org/a|2,http://e.org/b', valueSet('http://e.org/b', '7'), true],
    ['url=http://e.org/a|2,http://e.org/b', valueSet('http://e.org/a', '7'), false],
    ['url=http://e.org/a|2,http://e.org/b|3', valueSet('http://e.org/a', '3'), false],
    ['url=http://e.org/a|2,http://e.org/b|3', valueSet('http://e.org/b', '3'), true],
    ['url=http://e.org/a\\|2', valueSet('http://e.org/a', '2'), false],
    ['url=http://e.org/a\\|2', valueSet('http://e.org/a|2'), true],
    ['url=http://e.org/a|1\\,5', valueSet('http://e.org/a', '1,5'), true],
    ['url=http://e.org/a|', valueSet('http://e.org/a', '2'), false],
    ['url=http://e.org/a|2|3', valueSet('http://e.org/a', '2'), false],
    ['url:below=http://e.org/a|2', valueSet('http://e.org/a', '2'), false],
  ] as const) {
    test(`${search} ${expected ? 'finds' : 'does not find'} ${resource.url} ${resource.version ?? 'without one'}`, () =>
      assert.equal(found(search.replaceAll('|', '%7C'), resource), expected));
  }

  test('one is asked as url and version are', () => {
    const asked = (search: [string, string][]) =>
      query('ValueSet', search).criteria.map(({ param, values }) => [
        param.code,
        values.map(({ text: _, ...value }) => value),
      ]);
    assert.deepEqual(
      asked([['url', 'http://e.org/a|2']]),
      asked([
        ['url', 'http://e.org/a'],
        ['version', '2'],
      ]),
    );
  });

  test('what has no version is left alone', () =>
    assert.deepEqual(
      query('Subscription', [['url', 'http://e.org/a|2']]).criteria.map(({ values }) => values),
      [[{ kind: 'uri', text: 'http://e.org/a|2', value: 'http://e.org/a|2' }]],
    ));
});
