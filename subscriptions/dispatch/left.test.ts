// Who is told of a version because of what it replaced.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, JsonObject, VersionKey } from '#fhir-model';
import { parseCriteria } from '../match/criteria.ts';
import { createMatcher } from '../match/matcher.ts';
import { testRules } from '../testing/rules.ts';
import { readLeaving } from './left.ts';

const unexpected = (id: string, error: unknown) => assert.fail(`${id}: ${error}`);

const bodyOf = (type: string, code: string, more: JsonObject = {}) =>
  JSON.stringify({ resourceType: type, id: 'r', status: 'final', code: { coding: [{ code }] }, ...more });

const change = (version: number, op: Change['op'], type = 'Observation'): Change => ({
  ...{ xid: 1n, seq: BigInt(version), type, id: 'r', version, op, updatedMs: 0 },
  body: op === 'delete' ? '' : bodyOf(type, 'other'),
});

async function rig(former: Record<string, string>) {
  const rules = await testRules();
  const matcher = createMatcher();
  const put = (id: string, criteria: string, more: { subscriber?: string; follows?: true } = {}) =>
    matcher.put({ id, query: parseCriteria(criteria, rules).query, ...more });
  put('a:0', 'Observation?code=a', { subscriber: 'a', follows: true });
  put('a:1', 'Observation?code=b', { subscriber: 'a', follows: true });
  put('a:2', 'Observation?status=final', { subscriber: 'a' });
  put('b', 'Observation?code=b', { follows: true });
  put('subscription', 'Observation?code=a');
  put('patients', 'Patient?active=true');
  const asked: VersionKey[][] = [];
  const bodies = async (keys: readonly VersionKey[]) => {
    asked.push([...keys]);
    return keys.map(({ type, id, version }) => former[`${type}/${id}/${version}`] ?? '');
  };
  const open = (batch: readonly Change[], anyType = false) =>
    readLeaving({ matcher, bodies, onMatchError: unexpected }, batch, anyType);
  return { put, open, asked };
}

test('whoever followed what was replaced, once, and not who is told already, nor Subscriptions', async () => {
  const { open } = await rig({
    'Observation/r/1': bodyOf('Observation', 'a'),
    'Observation/r/2': bodyOf('Observation', 'b'),
  });
  const [second, third] = [change(2, 'update'), change(3, 'update')];
  const leaving = await open([second, third]);
  assert.deepEqual([leaving.leftBy(second, []), leaving.leftBy(second, ['a'])], [['a'], []]);
  assert.deepEqual([leaving.leftBy(third, []), leaving.leftBy(third, ['a'])], [['a', 'b'], ['b']]);
  assert.deepEqual(leaving.leftBy(third, ['a', 'b']), []);
});

test('what was replaced says nothing that is followed, was a deletion, or is kept no longer', async () => {
  const { open } = await rig({ 'Observation/r/1': bodyOf('Observation', 'c'), 'Observation/r/2': '' });
  for (const one of [change(2, 'update'), change(3, 'update'), change(4, 'update')]) {
    const leaving = await open([one]);
    assert.deepEqual([leaving.concerns(one), leaving.leftBy(one, [])], [true, []]);
  }
});

test('the store is asked once for a batch, of updates of types that are followed, and for nothing else', async () => {
  const { open, asked, put } = await rig({ 'Patient/r/1': bodyOf('Patient', 'a', { active: true }) });
  const idle = [
    change(1, 'create'),
    change(2, 'delete'),
    change(2, 'update', 'Patient'),
    change(5, 'update', 'Device'),
  ];
  const leaving = await open(idle);
  assert.deepEqual(idle.map(leaving.concerns), [false, false, false, false]);
  assert.deepEqual(asked, []);
  await open([...idle, change(2, 'update'), change(3, 'update')]);
  const key = (version: number, type = 'Observation') => ({ type, id: 'r', version });
  assert.deepEqual(asked, [[key(1), key(2)]]);
  // Somebody may begin to follow patients within the batch.
  const patient = change(2, 'update', 'Patient');
  const begun = await open([patient], true);
  assert.deepEqual(begun.leftBy(patient, []), []);
  put('p', 'Patient?active=true', { follows: true });
  assert.deepEqual(begun.leftBy(patient, []), ['p']);
});
