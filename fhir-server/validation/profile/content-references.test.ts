// What an element borrows: https://hl7.org/fhir/R4/elementdefinition.html#contentReference
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { against, profileOf } from '../testing.ts';

test('an element that names one before it has the rules of that', async () => {
  const element = (path: string, more: JsonObject = {}) => ({ id: path, path, min: 0, max: '*', ...more });
  const profile = (structure: string) =>
    profileOf('Observation', 'o', [], {
      snapshot: {
        element: [
          element('Observation'),
          element('Observation.referenceRange', { type: [{ code: 'BackboneElement' }] }),
          element('Observation.referenceRange.text', { min: 1, max: '1', type: [{ code: 'string' }] }),
          element('Observation.component', { type: [{ code: 'BackboneElement' }] }),
          element('Observation.component.referenceRange', {
            contentReference: `${structure}#Observation.referenceRange`,
          }),
        ],
      },
    });
  const code = { text: 'x' };
  const component = [{ code, referenceRange: [{ low: { value: 1 } }] }];
  const observation = { resourceType: 'Observation', status: 'final', code, component };
  const missing = ['error cardinality-min Observation.component[0].referenceRange[0].text'];
  assert.deepEqual(await against(profile(''), observation), missing);
  const own = 'http://hl7.org/fhir/StructureDefinition/Observation';
  assert.deepEqual(await against(profile(own), observation), []);
  component[0]!.referenceRange = [{ text: 'y' } as never];
  assert.deepEqual(await against(profile(''), observation), []);
});
