// Delta and trend: values with a comparator, and actions that look at different values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import {
  eventRule,
  ext,
  inForce,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
  shortly,
} from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';
import { createMemory } from './memory.ts';
import type { Looked } from './over-time.ts';
import { delta, trend } from './over-time.ts';
import type { RuleAction } from './rule.ts';

type Text = `${'' | '<' | '<=' | '>' | '>='}${number}`;

/** What is said after the last of these, ten minutes apart: `raised …`, `cleared` or `hold`. */
function said(how: typeof delta, action: Partial<RuleAction>, texts: readonly Text[]): string {
  const memory = createMemory().of('Patient/p');
  let last = '';
  for (const [i, text] of texts.entries()) {
    const [, comparator = '', value] = /^([<>]=?)?(.+)$/.exec(text)!;
    const valueQuantity = { ...quantity(Number(value), 'ng/L'), ...(comparator ? { comparator } : {}) };
    const resource = reading(`o${i}`, 0, 0, { valueQuantity });
    const looked: Looked = { resource, previous: undefined, source: `o${i}`, atMs: i * 600_000, windowMs: 3_600_000 };
    const verdict = how({ triggers: [], ...action } as unknown as RuleAction, 0, looked, memory);
    last = verdict.state === 'raised' ? verdict.detail.replace(/ within.*|, now/, '') : verdict.state;
  }
  return last;
}

const change = (direction: 'up' | 'down' | 'both', percent = false): Partial<RuleAction> => ({
  change: { by: percent ? 50 : 5, unit: percent ? '' : 'ng/L', percent, direction },
});
const slope = (direction: 'up' | 'down' | 'both'): Partial<RuleAction> => ({
  slope: { perHour: 6, unit: 'ng/L', pointsMin: 3, direction },
});

test('a change against a value with a comparator is what is certain of it', () => {
  const cases: ['up' | 'down' | 'both', Text[], string][] = [
    ['up', ['<3', '15'], 'from <3 ng/L to 15 ng/L'],
    ['up', ['4', '<20'], 'cleared'],
    ['up', ['>100', '120'], 'cleared'],
    ['up', ['80', '>100'], 'from 80 ng/L to >100 ng/L'],
    ['up', ['98', '>100'], 'hold'],
    ['up', ['>100', '>=100'], 'hold'],
    ['up', ['<3', '<3'], 'cleared'],
    ['up', ['15', '<3'], 'cleared'],
    ['down', ['15', '<=3'], 'from 15 ng/L to <3 ng/L'],
    ['down', ['<5', '0'], 'cleared'],
    ['down', ['6', '<4'], 'hold'],
    ['down', ['4', '<3'], 'cleared'],
    ['down', ['>100', '60'], 'from >100 ng/L to 60 ng/L'],
    ['down', ['120', '>100'], 'cleared'],
    ['both', ['<3', '<3', '<3'], 'cleared'],
    ['both', ['4', '<20'], 'cleared'],
    // A value that was more before says nothing certain, another one does.
    ['up', ['10', '>100', '>120'], 'from 10 ng/L to >120 ng/L'],
  ];
  for (const [direction, texts, expected] of cases) {
    assert.equal(said(delta, change(direction), texts), expected, `${direction} ${texts.join(' ')}`);
  }
  assert.equal(said(delta, change('up', true), ['<3', '15']), 'from <3 to 15');
  assert.equal(said(delta, change('up', true), ['4', '<20']), 'cleared');
  assert.equal(said(delta, change('down', true), ['20', '<19']), 'hold');
});

test('a line through values with a comparator is as steep as is certain', () => {
  const cases: ['up' | 'down' | 'both', Text[], string][] = [
    ['up', ['<3', '4', '6'], 'rising by 9 ng/L an hour, 3 values 6'],
    ['up', ['3', '4', '<9'], 'hold'],
    ['up', ['>3', '4', '9'], 'hold'],
    ['up', ['3', '<4', '6'], 'rising by 9 ng/L an hour, 3 values 6'],
    ['up', ['3', '4', '>6'], 'rising by 9 ng/L an hour, 3 values >6'],
    ['up', ['3', '3', '>3'], 'hold'],
    ['up', ['3', '3', '<3'], 'cleared'],
    ['down', ['9', '6', '<3'], 'falling by 18 ng/L an hour, 3 values <3'],
    ['down', ['<9', '6', '3'], 'hold'],
    ['both', ['<1', '<1', '<1'], 'cleared'],
  ];
  for (const [direction, texts, expected] of cases) {
    assert.equal(said(trend as typeof delta, slope(direction), texts), expected, `${direction} ${texts.join(' ')}`);
  }
});

test('a value whose comparator is corrected takes the place of the former', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const extension = [ext('change', 'Quantity', quantity(5, 'mmol/L')), ext('direction', 'Code', 'up')];
  await inForce(
    rig,
    eventRule('d', 'delta', [minutes('window', 60)], [{ title: 'D', extension, trigger: [onCode('k')] }]),
  );
  const below = (id: string, value: number, minute: number) =>
    reading(id, value, minute, { valueQuantity: { ...quantity(value, 'mmol/L'), comparator: '<' } });
  await judged(rig, reading('a', 4, 1), below('b', 20, 2));
  assert.deepEqual(await shortly(rig.db, 'd'), []);
  await judged(rig, reading('b', 20, 2));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 20 mmol/L within 1 min']);
  await judged(rig, below('b', 20, 2));
  assert.deepEqual(await shortly(rig.db, 'd'), ['resolved: from 4 mmol/L to 20 mmol/L within 1 min']);
});

test('what another action looks at does not make an action forget its own values', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const extension = [ext('change', 'Quantity', quantity(5, 'mmol/L'))];
  const onEach = ['k', 'l'].map((code): JsonObject => ({ title: code, extension, trigger: [onCode(code)] }));
  await inForce(rig, eventRule('d', 'delta', [minutes('window', 60)], onEach));
  const l = (id: string, value: number, minute: number) =>
    reading(id, value, minute, { code: { coding: [{ system: 'http://x', code: 'l' }] } });
  // The result of minute 50 is stored after the monitor's of minute 90.
  await judged(rig, reading('a', 4, 1), l('b', 1, 90), reading('c', 10, 50));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 10 mmol/L within 49 min']);
  await judged(rig, l('e', 1, 200));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 10 mmol/L within 49 min']);
});

test('percentages are of values in one unit, whichever each laboratory reports', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const code = { coding: [{ system: 'http://loinc.org', code: '2160-0' }] };
  const data = [{ type: 'Observation', codeFilter: [{ path: 'code', code: code.coding }] }];
  const action = { title: 'Kidney injury', extension: [ext('change-percent', 'Decimal', 50)] };
  const trigger = [{ type: 'data-changed', data }];
  await inForce(rig, eventRule('d', 'delta', [minutes('window', 60)], [{ ...action, trigger }]));
  const creatinine = (id: string, value: number, unit: string, minute: number, rest: JsonObject = {}) =>
    reading(id, value, minute, { code, valueQuantity: quantity(value, unit), ...rest });
  await judged(
    rig,
    creatinine('a', 1, 'mg/dL', 1),
    creatinine('b', 88.42, 'umol/L', 2),
    creatinine('c', 1.2, 'U/L', 3),
  );
  assert.deepEqual(await shortly(rig.db, 'd'), []);
  await judged(rig, creatinine('e', 176.84, 'umol/L', 4));
  assert.equal((await shortly(rig.db, 'd')).length, 1);
  assert.match((await shortly(rig.db, 'd'))[0]!, /^active: from 1 to 2\.00\d* within 3 min$/);
  // Corrected to another unit it is the same again.
  await judged(rig, creatinine('e', 1.1, 'mg/dL', 4, { status: 'corrected' }));
  assert.match((await shortly(rig.db, 'd')).join(), /^resolved: /);
});
