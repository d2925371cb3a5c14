// Values that are told as `<5` or `>5`: https://hl7.org/fhir/R4/valueset-quantity-comparator.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventRule, ext, inForce, judged, onCode, quantity, reading, shortly } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const limit = (name: string, value: number) => ext(name, 'Quantity', quantity(value, 'mmol/L'));

test('a value that may be beyond the limit does not say that it is over', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const extension = [limit('low', 3), limit('high', 6)];
  await inForce(rig, eventRule('t', 'threshold', [], [{ title: 'K', extension, trigger: [onCode('k')] }]));
  let minute = 0;
  const says = async (value: number, comparator?: string) => {
    minute++;
    const valueQuantity = { ...quantity(value, 'mmol/L'), ...(comparator ? { comparator } : {}) };
    await judged(rig, reading(`o${minute}`, value, minute, { valueQuantity }));
    return (await shortly(rig.db, 't')).at(-1)!.split(':')[0];
  };
  assert.equal(await says(7), 'active');
  for (const comparator of ['>', '>=']) assert.equal(await says(5, comparator), 'active', comparator);
  assert.equal(await says(7, '<'), 'active');
  assert.equal(await says(5), 'resolved');
  assert.equal(await says(2), 'active');
  for (const comparator of ['<', '<=']) assert.equal(await says(4, comparator), 'active', comparator);
  assert.equal(await says(4), 'resolved');
});

test('with one limit a value that can only lie on its other side is over', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [{ title: 'K', extension: [limit('high', 6)], trigger: [onCode('k')] }]),
  );
  const below = { valueQuantity: { ...quantity(2, 'mmol/L'), comparator: '<' } };
  await judged(rig, reading('o1', 7, 1), reading('o2', 2, 2, below));
  assert.deepEqual(await shortly(rig.db, 't'), ['resolved: 7 mmol/L (limit 6 mmol/L)']);
});
