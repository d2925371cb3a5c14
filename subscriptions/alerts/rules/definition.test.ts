// What is wrong in a rule is told with its place, and no limit is without the unit that it was written with.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import { eventRule, ext, minutes, onCode, quantity } from '../../testing/alert-rules.ts';
import { testRules } from '../../testing/rules.ts';
import { readRule } from './definition.ts';

const rules = await testRules();
const limit = ext('high', 'Quantity', quantity(5, 'mmol/L'));

const read = (extension: JsonObject[], high: JsonObject = limit) =>
  readRule(
    eventRule('r', 'threshold', extension, [{ title: 'x', extension: [high], trigger: [onCode('k')] }]),
    1,
    rules,
  );

function placeOf(how: () => unknown): string {
  try {
    how();
    return '';
  } catch (error) {
    assert.ok(error instanceof CerebraError);
    return error.issues[0]?.expression?.[0] ?? '';
  }
}

const parts = (name: string, ...extension: JsonObject[]): JsonObject => ({
  url: `urn:cerebra:alert:${name}`,
  extension,
});
const time = (url: string, valueTime: string): JsonObject => ({ url, valueTime });
const within: JsonObject = { url: 'window', valueDuration: quantity(10, 'min') };
const [from, to] = [time('from', '22:00:00'), time('to', '07:00:00')];

test('the extension at fault is named', () => {
  const quiet = 'PlanDefinition.extension[1]';
  const cases: [JsonObject, string][] = [
    [ext('escalation', 'String', 'no id'), quiet],
    [ext('owner', 'Reference', { reference: 'Medication/1' }), quiet],
    [parts('storm', { url: 'count', valueInteger: 5 }), quiet],
    [parts('storm', { url: 'count', valueInteger: 1 }, within), quiet],
    [parts('storm', { url: 'count', valueInteger: 2 }, within), ''],
    [parts('quiet-hours', from), quiet],
    [parts('quiet-hours', from, from), `${quiet}.extension[1]`],
    [parts('quiet-hours', from, time('to', '07:00:00')), ''],
    [parts('quiet-hours', from, time('to', '22:00:30')), quiet],
    [parts('quiet-hours', from, { url: 'to', valueTime: '7 pm' }), `${quiet}.extension[1]`],
    [parts('quiet-hours', from, to, { url: 'time-zone', valueCode: 'Mars/Base' }), `${quiet}.extension[2]`],
    [parts('quiet-hours', from, to, { url: 'below', valueCode: 'worst' }), `${quiet}.extension[2]`],
  ];
  for (const [extension, place] of cases)
    assert.equal(
      placeOf(() => read([extension])),
      place,
      JSON.stringify(extension),
    );
  const kind = () => readRule(eventRule('r', 'guess', [], [{ title: 'x' }]), 1, rules);
  assert.equal(placeOf(kind), 'PlanDefinition.extension[0]');
});

test('a limit whose unit has no code is in that unit, where it is one', () => {
  const unitOf = (value: object) => read([], ext('high', 'Quantity', value)).actions[0]!.limits!.unit;
  assert.equal(unitOf({ value: 4, unit: 'mmol/L' }), 'mmol/L');
  assert.equal(unitOf({ value: 4, unit: 'millimoles', code: 'mmol/L' }), 'mmol/L');
  assert.equal(unitOf({ value: 6 }), '1');
  assert.equal(
    placeOf(() => unitOf({ value: 4, unit: 'millimoles' })),
    'PlanDefinition.action[0].extension[0].valueQuantity.code',
  );
  assert.equal(
    placeOf(() => read([{ ...minutes('window', 5) }])),
    'PlanDefinition.extension[1]',
  );
});

test('what would be passed over is refused, and named', () => {
  const action = { title: 'x', extension: [limit], trigger: [onCode('k')] };
  const place = (more: JsonObject, ofAction: JsonObject = {}, ofTrigger: JsonObject = {}) =>
    placeOf(() =>
      readRule(
        eventRule('r', 'threshold', [], [{ ...action, trigger: [onCode('k', ofTrigger)], ...ofAction }], more),
        1,
        rules,
      ),
    );
  assert.equal(place({}), '');
  assert.equal(place({ description: 'd', goalId: 'none of a PlanDefinition' }, { documentation: [], prefix: '1' }), '');
  assert.equal(place({ effectivePeriod: { end: '2025-12-31' } }), 'PlanDefinition.effectivePeriod');
  assert.equal(place({ library: ['http://x'] }), 'PlanDefinition.library');
  assert.equal(place({ goal: [{}] }), 'PlanDefinition.goal');
  for (const name of ['action', 'relatedAction', 'participant', 'input', 'dynamicValue', 'definitionCanonical']) {
    assert.equal(place({}, { [name]: [{}] }), `PlanDefinition.action[0].${name}`);
  }
  assert.equal(place({}, { timingDuration: quantity(5, 'min') }), 'PlanDefinition.action[0].timingDuration');
  assert.equal(place({}, {}, { timingDate: '2026-01-01' }), 'PlanDefinition.action[0].trigger[0].timingDate');
  assert.equal(place({}, { condition: [{ kind: 'start' }] }), 'PlanDefinition.action[0].condition[0].kind');
});
