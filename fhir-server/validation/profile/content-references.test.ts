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

test('what a slice asks within it is not asked of what borrows the element', async () => {
  const type = 'CapabilityStatement';
  const backbone = { type: [{ code: 'BackboneElement' }] };
  const element = (place: string, more: JsonObject = {}) => {
    const id = `${type}${place}`;
    return { id, path: id.replaceAll(':server', ''), min: 0, max: '*', ...backbone, ...more };
  };
  const mode = { max: '1', type: [{ code: 'code' }] };
  const profile = profileOf(type, 'c', [], {
    snapshot: {
      element: [
        element('', { type: [] }),
        element('.rest', { slicing: { discriminator: [{ type: 'value', path: 'mode' }], rules: 'open' } }),
        element('.rest.mode', mode),
        element('.rest.resource'),
        element('.rest.resource.searchParam'),
        element('.rest.searchParam', { type: [], contentReference: `#${type}.rest.resource.searchParam` }),
        element('.rest:server', { sliceName: 'server' }),
        element('.rest:server.mode', { ...mode, min: 1, fixedCode: 'server' }),
        element('.rest:server.resource'),
        element('.rest:server.resource.searchParam'),
        element('.rest:server.resource.searchParam.documentation', { ...mode, min: 1, type: [{ code: 'markdown' }] }),
      ],
    },
  });
  const searchParam = [{ name: 'a', type: 'token' }];
  const statement = (rest: JsonObject) => ({
    ...{ resourceType: type, status: 'draft', date: '2026', kind: 'requirements', fhirVersion: '4.0.1' },
    ...{ format: ['json'], description: 'x', rest: [rest] },
  });
  assert.deepEqual(await against(profile, statement({ mode: 'client', searchParam })), []);
  const resource = [{ type: 'Patient', searchParam }];
  assert.deepEqual(await against(profile, statement({ mode: 'server', resource })), [
    `error cardinality-min ${type}.rest[0].resource[0].searchParam[0].documentation`,
  ]);
});
