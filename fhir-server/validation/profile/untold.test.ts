// Invariants that can't be evaluated are told, never taken for kept:
// https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { against, found, profileOf, validatorWith } from '../testing.ts';

const profile = (expression: string, severity = 'error') =>
  profileOf('Patient', 'p', [
    { path: 'Patient' },
    { path: 'Patient.name', constraint: [{ key: 'ex-1', severity, human: 'text', expression }] },
  ]);
const check = (expression: string, severity?: string): Promise<string[]> =>
  against(profile(expression, severity), { resourceType: 'Patient', name: [{ text: 'a' }, { text: 'b' }] });
const untold = ['warning invariant-untold Patient.name[0]'];

describe('an invariant', () => {
  it('that is kept or broken', async () => {
    assert.deepEqual(await check('text.exists()'), []);
    assert.deepEqual(await check("text = 'a'"), ['error ex-1 Patient.name[1]']);
  });

  it('that is no FHIRPath, or has functions that there are not: a warning, once', async () => {
    assert.deepEqual(await check('this is not fhirpath(('), untold);
    assert.deepEqual(await check('text.noSuchFunction()'), untold);
    assert.deepEqual(await check("text.matches('[')"), untold);
    assert.deepEqual(await check('((', 'warning'), untold);
  });

  it('whose evaluation is given up: a warning that names it and the reason', async () => {
    const costly = '(1|2|3).repeat($this + 1).count() > 0';
    assert.deepEqual(await check(costly), untold);
    const issues = await validatorWith(profile(costly)).validateResource(
      { resourceType: 'Patient', name: [{ text: 'a' }] },
      { profiles: [String(profile(costly).url)] },
    );
    assert.deepEqual(
      issues.map(({ code, diagnostics }) => [code, diagnostics]),
      [
        [
          'too-costly',
          "Patient.name[0]: whether ex-1 is kept can't be told: its evaluation would take too long (http://example.org/fhir/StructureDefinition/p)",
        ],
      ],
    );
  });

  it('what is not in the resource is nobody’s fault', async () => {
    assert.deepEqual(await check("memberOf('http://example.org/vs')"), []);
  });

  it('that is no FHIRPath is an error of the StructureDefinition', async () => {
    const text = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">A</div>' };
    const whole: JsonObject = { ...profile('this is not fhirpath(('), name: 'Test', text };
    assert.deepEqual(await found(validatorWith(), whole), [
      'error element-constraint StructureDefinition.differential.element[1].constraint[0].expression',
    ]);
  });
});
