// Values of somebody who is known by name alone: two of them are not one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  alertsOf,
  eventRule,
  ext,
  inForce,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';

const named = (display: string) => ({ subject: { display } });
const asOf = (of: object) => ({ subject: undefined, ...of });

async function found(rig: Rig, rule: string): Promise<string[]> {
  const rows = await alertsOf(rig.db, rule);
  return rows.map(({ subject, key, status }) => `${subject}|${key}|${status}`).sort();
}

test('limits: each value has its own alert, which somebody else’s does not end; one that becomes somebody’s is theirs', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
  await inForce(
    rig,
    eventRule('high', 'threshold', [], [{ title: 'High', extension: [high], trigger: [onCode('k')] }]),
  );
  await judged(rig, reading('a', 7, 1, named('A')), reading('b', 8, 2, named('B')), reading('c', 9, 3, asOf({})));
  assert.deepEqual(await found(rig, 'high'), ['|a|active', '|b|active', '|c|active']);
  await judged(rig, reading('d', 4, 4, named('A')), reading('b', 5, 2, named('B')));
  assert.deepEqual(await found(rig, 'high'), ['|a|active', '|b|resolved', '|c|active']);
  await judged(rig, reading('a', 7, 1, { subject: { reference: 'Patient/p1' } }));
  assert.deepEqual(await found(rig, 'high'), ['Patient/p1||active', '|a|resolved', '|b|resolved', '|c|active']);
});

test('over time nothing is found of them together', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const change = ext('change', 'Quantity', quantity(2, 'mmol/L'));
  await inForce(
    rig,
    eventRule(
      'delta',
      'delta',
      [minutes('window', 60)],
      [{ title: 'Rise', extension: [change], trigger: [onCode('k')] }],
    ),
  );
  await judged(
    rig,
    reading('a', 4, 1, named('A')),
    reading('b', 9, 2, named('B')),
    reading('c', 4, 3, asOf({})),
    reading('d', 9, 4, asOf({})),
    reading('e', 4, 1, { subject: { reference: 'Patient/p1' } }),
    reading('f', 9, 2, { subject: { reference: 'Patient/p1' } }),
  );
  assert.deepEqual(await found(rig, 'delta'), ['Patient/p1||active']);
});
