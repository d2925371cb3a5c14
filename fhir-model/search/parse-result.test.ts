// _count, _sort, _include and their like.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSearch, type SearchOptions, selfLinkQuery } from './parse.ts';
import { options, pairsOf, rejects } from './search-testing.ts';
import type { SearchQuery } from './types.ts';

const parse = (type: string, search: string, more: Partial<SearchOptions> = {}): SearchQuery =>
  parseSearch(type, pairsOf(search), { ...options, ...more });

describe('result parameters', () => {
  test('all of them', () => {
    const search =
      '_count=5&_sort=-date,_id&_total=accurate&_summary=data&_elements=code,subject&_include=Observation:subject:Patient' +
      '&_include=*&_revinclude=Provenance:target&_cursor=abc&_format=json&_pretty=true';
    const query = parse('Observation', search);
    assert.deepEqual(
      query.sort.map(({ param, descending }) => [param.code, descending]),
      [
        ['date', true],
        ['_id', false],
      ],
    );
    assert.deepEqual(
      query.includes.map(({ param, ...include }) => ({ ...include, param: param?.code })),
      [
        { reverse: false, iterate: false, source: 'Observation', param: 'subject', target: 'Patient' },
        { reverse: false, iterate: false, source: '*', param: undefined },
        { reverse: true, iterate: false, source: 'Provenance', param: 'target' },
      ],
    );
    const { count, total, summary, elements, cursor } = query;
    assert.deepEqual(
      { count, total, summary, elements, cursor },
      {
        count: 5,
        total: 'accurate',
        summary: 'data',
        elements: ['code', 'subject'],
        cursor: 'abc',
      },
    );
    assert.deepEqual(
      query.used.map(([name]) => name),
      [
        '_count',
        '_sort',
        '_total',
        '_summary',
        '_elements',
        '_include',
        '_include',
        '_revinclude',
        '_format',
        '_pretty',
      ],
    );
  });

  test('includes: wildcards and :iterate, once called :recurse', () => {
    const search =
      '_include:iterate=Observation:has-member&_include:recurse=Location:partof&_revinclude=*&_revinclude=Observation:*' +
      '&_include=Observation:*:Patient';
    assert.deepEqual(
      parse('Observation', search).includes.map(({ param, ...include }) => ({ ...include, param: param?.code })),
      [
        { reverse: false, iterate: true, source: 'Observation', param: 'has-member' },
        { reverse: false, iterate: true, source: 'Location', param: 'partof' },
        { reverse: true, iterate: false, source: '*', param: undefined },
        { reverse: true, iterate: false, source: 'Observation', param: undefined },
        { reverse: false, iterate: false, source: 'Observation', target: 'Patient', param: undefined },
      ],
    );
  });

  test('_sort may repeat, for further rules', () => {
    const { sort } = parse('Observation', '_sort=-date&_sort=status,_id');
    assert.deepEqual(
      sort.map(({ param, descending }) => [param.code, descending]),
      [
        ['date', true],
        ['status', false],
        ['_id', false],
      ],
    );
  });

  test('_contained and _containedType', () => {
    const { contained, containedAlone } = parse('Patient', '_contained=both&_containedType=contained');
    assert.deepEqual([contained, containedAlone], ['both', true]);
    assert.equal(parse('Patient', '_contained=false').contained, undefined);
  });

  test('_count: 0, absent, above the maximum', () => {
    assert.equal(parse('Patient', '_count=0').count, 0);
    assert.equal(parse('Patient', '').count, 20);
    const capped = parse('Patient', '_count=5000');
    assert.equal(capped.count, 1000);
    assert.equal(selfLinkQuery(capped), '_count=1000');
    assert.equal(parse('Patient', `_count=1${'0'.repeat(40)}`).count, 1000);
    assert.equal(parse('Patient', '', { countDefault: 20, countMax: 10 }).count, 10);
  });

  test('malformed', () => {
    for (const count of ['-1', 'x', '1.5', '1e3'])
      rejects('Patient', `_count=${count}`, 'invalid-parameter', /is no whole number/);
    rejects('Patient', '_count=', 'invalid-parameter', /has no value/);
    rejects('Patient', '_count=1&_count=2', 'invalid-parameter', /once/);
    rejects('Patient', '_total=exact', 'invalid-parameter', /none of none, estimate, accurate/);
    rejects('Patient', '_summary=yes', 'invalid-parameter', /none of true, text/);
    rejects('Patient', '_sort=nothing', 'unknown-parameter', /Patient has no parameter 'nothing'/);
    rejects('Location', '_sort=near', 'unsupported', /special/);
    rejects('Patient', '_elements=a b', 'invalid-parameter', /no element name/);
    rejects('Patient', '_elements=__proto__', 'invalid-parameter', /no element name/);
    rejects('Patient', '_include=Observation', 'invalid-parameter', /not of the form/);
    rejects('Patient', '_include=Observation:subject:Patient:x', 'invalid-parameter', /not of the form/);
    rejects('Patient', '_include=Nope:subject', 'invalid-parameter', /'Nope' is no resource type/);
    rejects('Patient', '_include=Observation:code', 'invalid-parameter', /no reference parameter 'code'/);
    rejects('Patient', '_include=Observation:subject:Nope', 'invalid-parameter', /'Nope' is no resource type/);
    rejects('Patient', '_include=Observation:subject:Account', 'invalid-parameter', /not to Account/);
    rejects('Patient', '_revinclude=Observation:subject:Patient:x', 'invalid-parameter', /not of the form/);
    rejects('Patient', '_contained=yes', 'invalid-parameter', /none of false, true, both/);
    rejects('Patient', '_containedType=alone', 'invalid-parameter', /none of container, contained/);
    rejects('Patient', '_elements=Name', 'invalid-parameter', /no element name/);
  });

  test('modifiers that they have not are refused, by lenient servers as well', () => {
    const names = [
      '_include:again',
      '_revinclude:iterate:again',
      '_sort:desc',
      '_count:not',
      '_total.x',
      '_summary:missing',
    ];
    for (const name of names) {
      rejects('Patient', `${name}=x`, 'invalid-parameter', /is no form of _/, name);
      assert.throws(() => parse('Patient', `${name}=x`, { strict: false }), { code: 'invalid-parameter' });
    }
    assert.deepEqual(parse('Patient', '_sorted=x&_includes:iterate=x', { strict: false }).ignored, [
      '_sorted',
      '_includes:iterate',
    ]);
  });
});
