// What one snapshot may cost: profiles come from anybody.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generateSnapshot } from './generate.ts';
import { faultsOf, findAmong, place, profile, told } from './testing.ts';
import { elementsMax, issuesMax, pathStepsTotalMax, type StructureElement, structuresMax } from './types.ts';

const whole = 'StructureDefinition';

describe('bounds', () => {
  test(`${elementsMax} elements of a differential, and of a snapshot`, async () => {
    const slicing = { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' };
    const slices = (count: number): StructureElement[] => [
      { path: 'Patient.identifier', slicing },
      ...Array.from({ length: count }, (_, i) => ({ path: 'Patient.identifier', sliceName: `s${i}` })),
    ];
    assert.deepEqual(await faultsOf(profile('long', 'Patient', slices(elementsMax))), [
      `error snapshot-too-costly ${whole}`,
    ]);
    const wide = slices(2000).flatMap((slice, i) =>
      i === 0 ? [slice] : [slice, { path: 'Patient.identifier.use', short: 'x' }],
    );
    const { definition, issues } = await generateSnapshot(profile('wide', 'Patient', wide), findAmong([]));
    assert.equal(definition, undefined);
    assert.deepEqual(told(issues), [`error snapshot-too-costly ${whole}`]);
  });

  test('steps of a path, and characters of a name', async () => {
    const path = `Questionnaire${'.item'.repeat(60)}`;
    assert.deepEqual(await faultsOf(profile('deep', 'Questionnaire', [{ path }])), [
      `error snapshot-too-costly ${place(0)}`,
    ]);
    const many = Array.from({ length: 3000 }, (_, i) => ({ path: `Questionnaire${'.item'.repeat(40)}.x${i}` }));
    assert.deepEqual(await faultsOf(profile('long', 'Questionnaire', many)), [
      `error snapshot-too-costly ${place(Math.floor(pathStepsTotalMax / 42))}`,
    ]);
    const sliceName = 'a/'.repeat(200);
    assert.deepEqual(await faultsOf(profile('name', 'Patient', [{ path: 'Patient.name', sliceName }])), [
      `error snapshot-malformed ${place(0)}`,
    ]);
  });

  test(`${structuresMax} structures`, async () => {
    const element = Array.from({ length: structuresMax + 5 }, (_, i) => ({
      path: 'Patient.extension',
      sliceName: `s${i}`,
      type: [{ code: 'Extension', profile: [`urn:x:${i}`] }],
    }));
    const issues = await faultsOf(profile('many', 'Patient', element));
    assert.equal(issues.length, issuesMax);
    assert.match(issues[0]!, /^warning snapshot-profile-unknown/);
    assert.match(issues.at(-1)!, /^error snapshot-too-costly/);
  });

  test('patterns too large to compare are not judged', async () => {
    const codes = (start: number) => Array.from({ length: 5000 }, (_, i) => ({ code: `c${start + i}` }));
    const element = (coding: { code: string }[]) => ({ path: 'Observation.code', patternCodeableConcept: { coding } });
    const base = profile('base', 'Observation', [element(codes(0))]);
    const more = { baseDefinition: base.url };
    const same = profile('same', 'Observation', [element(codes(0).reverse())], more);
    assert.deepEqual(await faultsOf(same, [base]), []);
    const few = profile('few', 'Observation', [element([{ code: 'c1' }])], more);
    assert.deepEqual(await faultsOf(few, [base]), [`error snapshot-fixed ${place(0)}`]);
  });
});
