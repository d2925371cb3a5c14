import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, ResourceReader } from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import { testRules } from '../testing/rig.ts';
import { parseCriteria } from './criteria.ts';
import { createStoredSearch, keepMet, type StoredSearch, searchProblem } from './stored.ts';

test('criteria are split into what one resource decides and what the database does', async () => {
  const rules = await testRules();
  const split = (criteria: string) => {
    const { query, stored } = parseCriteria(criteria, rules);
    return [query.type, query.criteria.map(({ name }) => name), stored];
  };
  assert.deepEqual(split('/Observation?code=a&status=final'), ['Observation', ['code', 'status'], '']);
  assert.deepEqual(split('Observation?code=a&subject:Patient.name=x%26y'), [
    ...['Observation', ['code']],
    'subject%3APatient.name=x%26y',
  ]);
  assert.deepEqual(
    split('Patient?_has:Observation:patient:code=a&active=true&_has:Condition:patient:clinical-status=active'),
    [
      ...['Patient', ['active']],
      '_has%3AObservation%3Apatient%3Acode=a&_has%3ACondition%3Apatient%3Aclinical-status=active',
    ],
  );
  assert.deepEqual(split('Observation?code:in=http://x/vs'), ['Observation', [], 'code%3Ain=http%3A%2F%2Fx%2Fvs']);
  const refused: [string, RegExp][] = [
    ['Nothing?a=b', /must begin with a resource type/],
    ['Observation?nonsense=1', /nonsense/],
    ['Observation?subject:Patient.nonsense=1', /nonsense/],
    ['Observation?_revinclude=Provenance:target', /_revinclude is no criterion/],
    ['Observation?_contained=true&code=a', /_contained is no criterion/],
    ['Observation?_contained=both', /_contained is no criterion/],
    [`Observation?code=${'x'.repeat(8_200)}`, /longer than 8192 characters/],
  ];
  for (const [criteria, text] of refused) assert.throws(() => parseCriteria(criteria, rules), text);
});

const change = (id: string): Change => ({
  ...{ xid: 1n, seq: 1n, type: 'Observation', id, version: 1 },
  ...{ op: 'create', updatedMs: 0, body: '{}' },
});

test('one question for all changes and all Subscriptions that share it; order and others are kept', async () => {
  const asked: string[] = [];
  const search: StoredSearch = async (type, text, ids) => {
    asked.push(`${type}?${text} ${ids.length}`);
    return new Set(ids.filter((id) => Number(id) % 2 === 0));
  };
  const stored = { type: 'Observation', search: 'a.b=1' };
  const matches = Array.from({ length: 250 }, (_, i) => {
    const one = change(String(i));
    return [
      { subscriber: 's', change: one, stored },
      { subscriber: 'plain', change: one },
      { subscriber: 't', change: one, stored },
    ];
  }).flat();
  const { kept, failed } = await keepMet(matches, search);
  assert.deepEqual(asked, ['Observation?a.b=1 100', 'Observation?a.b=1 100', 'Observation?a.b=1 50']);
  assert.equal(failed.size, 0);
  const expected = matches.filter(({ subscriber, change: { id } }) => subscriber === 'plain' || Number(id) % 2 === 0);
  assert.deepEqual(kept, expected);
});

test('a search that is refused fails its own Subscriptions; one that can not be made fails the batch', async () => {
  const matches = ['bad', 'good'].map((subscriber) => {
    return { subscriber, change: change('1'), stored: { type: 'Observation', search: subscriber } };
  });
  const refusing: StoredSearch = async (_type, text, ids) => {
    if (text === 'bad') throw new CerebraError('invalid-parameter', 'the value set is not known');
    return new Set(ids);
  };
  const { kept, failed } = await keepMet(matches, refusing);
  assert.deepEqual(kept, [matches[1]]);
  assert.deepEqual([...failed], [['bad', 'Subscription.criteria: the value set is not known']]);
  const away: StoredSearch = () => Promise.reject(new CerebraError('unavailable', 'the database is away'));
  await assert.rejects(keepMet(matches, away), /away/);
  await assert.rejects(
    searchProblem(() => Promise.reject(new TypeError('a fault of ours'))),
    TypeError,
  );
});

test('a search that was stopped for its time is asked again, once the database answers: the machine may have stood still', async () => {
  const asked: string[] = [];
  const db = { query: async () => asked.push('awake') } as unknown as Queryable;
  const tooLong = new CerebraError('too-costly', 'The search was stopped after 20000 ms');
  const searchWith = (failures: CerebraError[]) => {
    const search: ResourceReader['search'] = async (_type, query) => {
      asked.push(query);
      const failure = failures.shift();
      if (failure) throw failure;
      return { resources: [{ id: 'b' }] } as Awaited<ReturnType<ResourceReader['search']>>;
    };
    return createStoredSearch(db, { search } as ResourceReader, { kind: 'everything' });
  };
  const query = 'a.b=1&_id=a,b&_count=2&_total=none';
  const found = await searchWith([tooLong, tooLong])('Observation', 'a.b=1', ['a', 'b']);
  assert.deepEqual([...found], ['b']);
  assert.deepEqual(asked.splice(0), [query, 'awake', query, 'awake', query]);
  await assert.rejects(searchWith([tooLong, tooLong, tooLong])('Observation', 'a.b=1', ['a', 'b']), /20000 ms/);
  assert.deepEqual(asked.splice(0), [query, 'awake', query, 'awake', query]);
  const refused = new CerebraError('invalid-parameter', 'the value set is not known');
  await assert.rejects(searchWith([refused])('Observation', 'a.b=1', ['a', 'b']), /not known/);
  assert.deepEqual(asked, [query]);
});

test('of matches that fill more than a page none is lost', async () => {
  const asked: string[] = [];
  const search: ResourceReader['search'] = async (_type, query) => {
    asked.push(query);
    const isFirst = !query.includes('_cursor');
    const page = isFirst ? { resources: [{ id: 'a' }], nextCursor: 'b=' } : { resources: [{ id: 'c' }] };
    return page as Awaited<ReturnType<ResourceReader['search']>>;
  };
  const stored = createStoredSearch({} as Queryable, { search } as ResourceReader, { kind: 'everything' });
  assert.deepEqual([...(await stored('Observation', 'a.b=1', ['a', 'b', 'c']))], ['a', 'c']);
  const query = 'a.b=1&_id=a,b,c&_count=3&_total=none';
  assert.deepEqual(asked, [query, `${query}&_cursor=b%3D`]);
});
