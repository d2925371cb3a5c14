// StructureDefinition/$snapshot: https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const parameters = (...parameter: JsonObject[]) => ({ resourceType: 'Parameters', parameter });
const url = (name: string) => `http://test.example/StructureDefinition/${name}`;

const profile = (
  name: string,
  element: JsonObject[],
  more: JsonObject = {},
): JsonObject & { resourceType: string } => ({
  resourceType: 'StructureDefinition',
  url: url(name),
  name,
  status: 'draft',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  differential: { element },
  ...more,
});

const family = (name: string, more?: JsonObject) =>
  profile(name, [{ id: 'Patient.name.family', path: 'Patient.name.family', min: 1 }], more);

interface Element {
  id: string;
  min: number;
}

function elementsOf(body: unknown): Map<string, Element> {
  const { snapshot } = body as { snapshot: { element: Element[] } };
  return new Map(snapshot.element.map((element) => [element.id, element]));
}

describe('$snapshot', () => {
  test('of a definition that is posted, as it is or in Parameters: 200 with its snapshot, and nothing is stored', async () => {
    const definition = family('posted', {
      text: { status: 'empty', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
    });
    const bare = await fhir('POST', 'StructureDefinition/$snapshot', definition);
    assert.equal(bare.status, 200);
    const elements = elementsOf(bare.json);
    assert.equal(elements.size, 54);
    assert.equal(elements.get('Patient.name.family')?.min, 1);
    const { snapshot: _, mapping: __, ...rest } = bare.json as unknown as JsonObject;
    assert.deepEqual(rest, definition);
    const asked = parameters({ name: 'definition', resource: definition });
    const wrapped = await fhir('POST', 'StructureDefinition/$snapshot', asked);
    assert.deepEqual(wrapped.json, bare.json);
    const search = await fhir('GET', `StructureDefinition?url=${url('posted')}`);
    assert.equal((search.json as unknown as { total: number }).total, 0);
  });

  test('of a url: stored here, with or without version, or of R4', async () => {
    await fhir('POST', 'StructureDefinition', family('byUrl', { version: '1.0.0' }));
    for (const canonical of [url('byUrl'), `${url('byUrl')}|1.0.0`]) {
      const { status, json } = await fhir('GET', `StructureDefinition/$snapshot?url=${encodeURIComponent(canonical)}`);
      assert.equal(status, 200);
      assert.equal(elementsOf(json).get('Patient.name.family')?.min, 1);
    }
    const r4 = parameters({ name: 'url', valueString: 'http://hl7.org/fhir/StructureDefinition/bodyweight' });
    const { json } = await fhir('POST', 'StructureDefinition/$snapshot', r4);
    assert.equal(elementsOf(json).get('Observation.value[x]:valueQuantity.code')?.min, 1);
  });

  test('at instance level: of what is stored, its parameters ignored; another that is stored is its base', async () => {
    const base = await fhir('POST', 'StructureDefinition', family('base'));
    const gender = { id: 'Patient.gender', path: 'Patient.gender', min: 1 };
    const stored = await fhir('PUT', 'StructureDefinition/derived', {
      ...profile('derived', [gender], { baseDefinition: url('base') }),
      id: 'derived',
    });
    assert.deepEqual([base.status, stored.status], [201, 201]);
    const { status, json } = await fhir('GET', 'StructureDefinition/derived/$snapshot?url=urn:nobody');
    assert.equal(status, 200);
    const elements = elementsOf(json);
    assert.deepEqual([elements.get('Patient.name.family')?.min, elements.get('Patient.gender')?.min], [1, 1]);
    assert.equal(json.id, 'derived');
  });

  test('a definition that has a snapshot gets it anew; one that has nothing else keeps it', async () => {
    const wrong = {
      element: [
        {
          id: 'Patient',
          path: 'Patient',
          definition: 'x',
          min: 0,
          max: '*',
          base: { path: 'Patient', min: 0, max: '*' },
        },
      ],
    };
    const both = await fhir('POST', 'StructureDefinition/$snapshot', family('both', { snapshot: wrong }));
    assert.equal(elementsOf(both.json).size, 54);
    const { differential: _, ...only } = family('only', { snapshot: wrong });
    const kept = await fhir('POST', 'StructureDefinition/$snapshot', only);
    assert.deepEqual([...elementsOf(kept.json).keys()], ['Patient']);
  });

  test('numbers keep their digits', async () => {
    const definition = profile(
      'digits',
      [{ id: 'Observation.valueQuantity', path: 'Observation.valueQuantity', patternQuantity: 'HERE' }],
      { type: 'Observation', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Observation' },
    );
    const body = JSON.stringify(definition).replace('"HERE"', '{"value":1.50}');
    const times = (text: string) => text.match(/"patternQuantity":\{"value":1\.50\}/g)?.length;
    assert.equal(times((await fhir('POST', 'StructureDefinition/$snapshot', body)).text), 2);
    await fhir('POST', 'StructureDefinition', body);
    assert.equal(times((await fhir('GET', `StructureDefinition/$snapshot?url=${url('digits')}`)).text), 2);
    const derived = profile('further', [{ id: 'Observation', path: 'Observation' }], {
      ...{ type: 'Observation', baseDefinition: url('digits') },
    });
    assert.equal(times((await fhir('POST', 'StructureDefinition/$snapshot', derived)).text), 1);
  });

  test('a profile that contradicts its base: 422 that tells each fault and its place', async () => {
    const definition = profile('wrong', [
      { id: 'Patient.nose', path: 'Patient.nose', min: 1 },
      { id: 'Patient.gender', path: 'Patient.gender', max: '2' },
    ]);
    const { status, json } = await fhir('POST', 'StructureDefinition/$snapshot', definition);
    assert.equal(status, 422);
    const { issue } = json as unknown as { issue: { severity: string; code: string; expression: string[] }[] };
    assert.deepEqual(issue.map(({ severity, code, expression }) => [severity, code, ...expression]).sort(), [
      ['error', 'business-rule', 'StructureDefinition.differential.element[1]'],
      ['error', 'not-found', 'StructureDefinition.differential.element[0]'],
    ]);
    const lost = family('lost', { baseDefinition: 'http://test.example/nobody' });
    const reply = await fhir('POST', 'StructureDefinition/$snapshot', lost);
    assertOutcome(reply, 422, 'not-found', 'StructureDefinition');
  });

  test('what is missing or unknown', async () => {
    assertOutcome(await fhir('GET', 'StructureDefinition/$snapshot'), 400, 'required', 'definition');
    assertOutcome(await fhir('GET', 'StructureDefinition/$snapshot?url=urn:nobody'), 404, 'not-found', 'url');
    assertOutcome(await fhir('GET', 'StructureDefinition/nobody/$snapshot'), 404, 'not-found');
    await fhir('PUT', 'StructureDefinition/gone', { ...family('gone'), id: 'gone' });
    await fhir('DELETE', 'StructureDefinition/gone');
    assertOutcome(await fhir('GET', 'StructureDefinition/gone/$snapshot'), 410, 'deleted');
    assertOutcome(await fhir('GET', 'Patient/$snapshot'), 404, 'not-found');
    const patient = { resourceType: 'Patient' };
    assertOutcome(await fhir('POST', 'StructureDefinition/$snapshot', patient), 400, 'value', 'Patient');
  });

  test('a profile that is stored without a snapshot is validated against', async () => {
    await fhir('POST', 'StructureDefinition', family('checked'));
    const errors = async (name: JsonObject) => {
      const patient = { resourceType: 'Patient', name: [name] };
      const { status, json } = await fhir('POST', `Patient/$validate?profile=${url('checked')}`, patient);
      assert.equal(status, 200);
      const { issue } = json as unknown as { issue: { severity: string; expression?: string[] }[] };
      return issue.filter(({ severity }) => severity === 'error').map(({ expression }) => expression);
    };
    assert.deepEqual(await errors({ family: 'Test', given: ['Example'] }), []);
    const [missing, ...others] = await errors({ given: ['Example'] });
    assert.match(String(missing), /^Patient\.name\[0\]/);
    assert.deepEqual(others, []);
  });

  test('is told by the CapabilityStatement', async () => {
    const { json } = await fhir('GET', 'metadata');
    const { rest } = json as unknown as {
      rest: { resource: { type: string; operation?: { name: string; definition: string }[] }[] }[];
    };
    const operations = rest[0]?.resource.find(({ type }) => type === 'StructureDefinition')?.operation ?? [];
    const found = operations.find(({ name }) => name === 'snapshot');
    assert.equal(found?.definition, 'http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot');
  });
});
