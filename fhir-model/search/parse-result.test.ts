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
        { reverse: false, source: 'Observation', param: 'subject', target: 'Patient' },
        { reverse: false, source: 'Observation', param: undefined },
        { reverse: true, source: 'Provenance', param: 'target' },
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
      ['_count', '_sort', '_total', '_summary', '_elements', '_include', '_include', '_revinclude'],
    );
  });

  test('_count: 0, absent, above the maximum', () => {
    assert.equal(parse('Patient', '_count=0').count, 0);
    assert.equal(parse('Patient', '').count, 20);
    const capped = parse('Patient', '_count=5000');
    assert.equal(capped.count, 1000);
    assert.equal(selfLinkQuery(capped), '_count=1000');
    assert.equal(parse('Patient', '', { countDefault: 20, countMax: 10 }).count, 10);
  });

  test('malformed', () => {
    for (const count of ['-1', 'x', '1.5', '1e3', '9999999999999999999'])
      rejects('Patient', `_count=${count}`, 'invalid-parameter', /is no number/);
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
    rejects('Patient', '_revinclude=*', 'invalid-parameter', /not of the form/);
    rejects('Patient', '_revinclude=Observation:*', 'unsupported', /name the parameter/);
    rejects('Patient', '_include:iterate=Observation:subject', 'unsupported', /direct includes/);
    rejects('Patient', '_sort:desc=x', 'unknown-parameter', /_sort/);
  });
});
