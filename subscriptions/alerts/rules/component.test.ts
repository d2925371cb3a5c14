// Limits on what may be a component, as of blood pressure: by the codes that a trigger names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { eventRule, ext, inForce, judged, minutes, quantity, reading, shortly } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const coded = (code: string): JsonObject => ({ code: { coding: [{ system: 'http://loinc.org', code }] } });
const on = (searchParam: string, ...codes: string[]): JsonObject => {
  const code = codes.map((one) => ({ system: 'http://loinc.org', code: one }));
  return { type: 'data-changed', data: [{ type: 'Observation', codeFilter: [{ searchParam, code }] }] };
};
const part = (code: string, value: number): JsonObject => ({
  ...coded(code),
  valueQuantity: quantity(value, 'mm[Hg]'),
});

function panel(id: string, systolic: number, diastolic: number, minute: number) {
  const { valueQuantity: _none, ...rest } = reading(id, 0, minute, coded('85354-9'));
  return { ...rest, component: [part('8480-6', systolic), part('8462-4', diastolic)] };
}

test('the value is that of the one component that the trigger names, or the Observation’s own', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const low = [ext('low', 'Quantity', quantity(90, 'mm[Hg]'))];
  const fall = [ext('change', 'Quantity', quantity(30, 'mm[Hg]')), ext('direction', 'Code', 'down')];
  const action = (extension: JsonObject[], trigger: JsonObject) => [{ title: 'Low', extension, trigger: [trigger] }];
  await inForce(
    rig,
    eventRule('combo', 'threshold', [], action(low, on('combo-code', '8480-6'))),
    eventRule('part', 'threshold', [], action(low, on('component-code', '8480-6'))),
    eventRule('two', 'threshold', [], action(low, on('component-code', '8480-6', '8462-4'))),
    eventRule('fall', 'delta', [minutes('window', 60)], action(fall, on('combo-code', '8480-6'))),
  );
  const all = async () =>
    Object.fromEntries(
      await Promise.all(['combo', 'part', 'two', 'fall'].map(async (id) => [id, await shortly(rig.db, id)])),
    );
  await judged(rig, panel('a', 120, 70, 1), panel('b', 85, 60, 2));
  const raised = 'active: 85 mm[Hg] (limit 90 mm[Hg])';
  const fell = 'active: from 120 mm[Hg] to 85 mm[Hg] within 1 min';
  assert.deepEqual(await all(), { combo: [raised], part: [raised], two: [], fall: [fell] });
  const alone = { ...coded('8480-6'), valueQuantity: quantity(110, 'mm[Hg]') };
  await judged(rig, reading('c', 0, 3, alone));
  assert.deepEqual((await all()).combo, [raised.replace('active', 'resolved')]);
  assert.deepEqual((await all()).part, [raised]);
  await judged(rig, panel('d', 95, 60, 4));
  assert.deepEqual((await all()).part, [raised.replace('active', 'resolved')]);
});
