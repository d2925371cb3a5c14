// Whatever a resource or a profile holds: an answer, never an exception, and work that grows with the size alone.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json, JsonObject, Resource } from '#fhir-model';
import { random } from '#platform/testing';
import { isObject } from '../json.ts';
import { base, extensionOf, found, profileOf, validatorOf, validatorWith } from '../testing.ts';

const junk: readonly Json[] = [
  ...[null, true, -1, 1.5, '', 'x', '#', '#x', 'http://example.org/x', '\u0000', '2020-13-45', 'a'.repeat(70)],
  ...[
    [],
    {},
    [[]],
    [null],
    ['a', {}],
    { a: 1 },
    { reference: 5 },
    { extension: [{}] },
    { coding: [{ code: 5, system: {} }] },
  ],
  { resourceType: 'Patient', contained: 'x' },
];

const isBranch = (value: Json | undefined): value is JsonObject | Json[] => Array.isArray(value) || isObject(value);

/** A copy in which something somewhere is something else, or gone. */
function mutated(source: JsonObject, below: (count: number) => number): JsonObject {
  const copy = structuredClone(source);
  let node: JsonObject | Json[] = copy;
  for (;;) {
    const fields = node as JsonObject;
    const names: string[] = Object.keys(fields).filter((name) => name !== 'resourceType');
    const name = names[below(Math.max(1, names.length))];
    if (name === undefined) return copy;
    const child: Json | undefined = fields[name];
    if (isBranch(child) && below(4) > 0) {
      node = child;
      continue;
    }
    const change = below(5);
    if (change === 0) delete fields[name];
    else if (change === 1) fields[`_${name}`] = structuredClone(child ?? null);
    else fields[name] = structuredClone(junk[below(junk.length)] ?? null);
    return copy;
  }
}

const observation = {
  ...{ resourceType: 'Observation', id: 'o', status: 'final', meta: { profile: [`${base}/StructureDefinition/o`] } },
  contained: [
    {
      resourceType: 'Patient',
      id: 'p',
      name: [{ family: 'x', _family: { extension: [{ url: 'http://example.org/y', valueCode: 'y' }] } }],
    },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '1-8' }], text: 'x' },
  subject: { reference: '#p' },
  extension: [{ url: `${base}/StructureDefinition/x`, valueCode: 'a' }],
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
  valueQuantity: { value: 1, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
  component: [
    { code: { text: 'a' }, valueString: 'x' },
    { code: { coding: [{ code: 'k', system: 'urn:k' }] }, valueInteger: 1 },
  ],
  effectivePeriod: { start: '2020-01-01', end: '2021-01-01T00:00:00Z' },
};

const profile = profileOf('Observation', 'o', [
  {
    path: 'Observation',
    constraint: [{ key: 'o-1', severity: 'error', human: 'it', expression: "status != 'draft'" }],
  },
  {
    path: 'Observation.subject',
    min: 1,
    type: [{ code: 'Reference', targetProfile: [`${base}/StructureDefinition/p`] }],
  },
  { path: 'Observation.code', binding: { strength: 'required', valueSet: `${base}/ValueSet/v` } },
  { path: 'Observation.component', slicing: { discriminator: [{ type: 'value', path: 'code' }], rules: 'closed' } },
  { id: 'Observation.component:k', path: 'Observation.component', sliceName: 'k', max: '1' },
  {
    id: 'Observation.component:k.code',
    path: 'Observation.component.code',
    patternCodeableConcept: { coding: [{ code: 'k' }] },
  },
  { path: 'Observation.value[x]', type: [{ code: 'Quantity' }], maxValueQuantity: { value: 5, code: 'kg' } },
]);
const patient = profileOf('Patient', 'p', [{ path: 'Patient.name', min: 1, maxLength: 3 }]);
const valueSet = {
  resourceType: 'ValueSet',
  url: `${base}/ValueSet/v`,
  compose: { include: [{ system: 'http://loinc.org', concept: [{ code: '1-8' }] }] },
};
const definitions: Resource[] = [profile, patient, valueSet, extensionOf('x', 'code')];

describe('anything', () => {
  it('in a resource has an answer', async () => {
    const below = random(1);
    const validator = validatorWith(...definitions);
    let invalid = 0;
    for (let i = 0; i < 1500; i++) {
      const issues = await found(validator, mutated(mutated(observation, below), below), { mustSupport: i % 2 === 0 });
      if (issues.some((issue) => issue.startsWith('error'))) invalid++;
    }
    assert.ok(invalid > 700, `${invalid} of 1500 found invalid`);
  });

  it('in a definition has an answer', async () => {
    const below = random(2);
    for (let i = 0; i < 300; i++) {
      const validator = validatorWith(...definitions.map((each) => mutated(each, below) as Resource));
      const issues = await found(validator, observation);
      assert.ok(
        issues.every((issue) => /^(?:error|warning|information) \S+ Observation/.test(issue)),
        issues.join('\n'),
      );
    }
  });

  it('that is no resource has an answer', async () => {
    for (const value of [undefined, null, 1, 'x', [], {}, { resourceType: 5 }, { resourceType: 'Nothing' }]) {
      const issues = await validatorWith().validateResource(value as unknown as Resource);
      assert.equal(issues[0]?.severity, 'error', JSON.stringify(value));
    }
  });
});

describe('work is bounded', () => {
  it('where resources point to each other in circles', async () => {
    const url = `${base}/StructureDefinition/l`;
    const round = profileOf('List', 'l', [
      { path: 'List.entry.item', type: [{ code: 'Reference', targetProfile: [url] }] },
    ]);
    const entry = Array.from({ length: 200 }, (_, i) => ({
      item: { reference: `http://example.org/fhir/List/${i % 4}` },
    }));
    const list = (id: string) => ({
      ...{ resourceType: 'List', id, status: 'current', mode: 'working' },
      entry,
      meta: { profile: [url] },
    });
    const entries = ['0', '1', '2', '3'].map((id) => ({
      fullUrl: `http://example.org/fhir/List/${id}`,
      resource: list(id),
    }));
    assert.deepEqual(
      await found(validatorWith(round), { resourceType: 'Bundle', type: 'collection', entry: entries }),
      [],
    );
  });

  it('where profiles ask for each other at every turn', async () => {
    const url = (name: string) => `${base}/StructureDefinition/${name}`;
    const both = [url('a'), url('b')];
    const names = (name: string) => ({
      ...profileOf('HumanName', name, []),
      snapshot: {
        element: [
          { id: 'HumanName', path: 'HumanName', type: [{ code: 'HumanName', profile: both }] },
          {
            id: 'HumanName.family',
            path: 'HumanName.family',
            min: 1,
            type: [{ code: 'string', profile: [url('s'), url('t')] }],
          },
        ],
      },
    });
    const strings = (name: string) => ({
      ...profileOf('string', name, []),
      snapshot: {
        element: [{ id: 'string', path: 'string', type: [{ code: 'string', profile: [url('s'), url('t')] }] }],
      },
    });
    const asking = profileOf('Patient', 'p', [{ path: 'Patient.name', type: [{ code: 'HumanName', profile: both }] }]);
    const known = [asking, names('a'), names('b'), strings('s'), strings('t')];
    const named = (name: JsonObject) => ({ resourceType: 'Patient', name: [name], meta: { profile: [url('p')] } });
    assert.deepEqual(await found(validatorWith(...known), named({ family: 'x' })), []);
    assert.deepEqual(await found(validatorWith(...known), named({ text: 'x' })), [
      'error profile-none Patient.name[0]',
    ]);
  });

  it('where a definition is beyond all measure', async () => {
    const deep = (steps: number) =>
      Array.from({ length: steps }, (_, i) => ({ path: `Patient${'.contact'.repeat(i)}` }));
    const wide = Array.from({ length: 20_000 }, (_, i) => ({ path: i === 0 ? 'Patient' : `Patient.x${i}` }));
    for (const element of [deep(2000), wide]) {
      const huge = { ...profileOf('Patient', 'p', []), snapshot: { element } };
      const claiming = { resourceType: 'Patient', meta: { profile: [`${base}/StructureDefinition/p`] } };
      assert.deepEqual(await found(validatorWith(huge), claiming), ['warning profile-unknown Patient']);
    }
  });

  it('where a resource claims thousands of profiles', async () => {
    let lookups = 0;
    const validator = validatorOf(async () => {
      lookups++;
      return undefined;
    });
    const claims = Array.from({ length: 5000 }, (_, i) => `http://example.org/p|${i}`);
    assert.deepEqual(await found(validator, { resourceType: 'Patient', meta: { profile: claims } }), [
      'error claims Patient.meta',
    ]);
    assert.equal(lookups, 0);
  });

  it('and errors are told however much there is to inform of', async () => {
    const extension = Array.from({ length: 500 }, (_, i) => ({ url: `http://example.org/x${i}`, valueCode: 'a' }));
    const link = [{ type: 'refer', other: { reference: 'Observation/1' } }];
    const issues = await found(validatorWith(), { resourceType: 'Patient', extension, link }, { issuesMax: 10 });
    assert.equal(issues.length, 10);
    assert.equal(
      issues.filter((issue) => issue.startsWith('error')).join(),
      'error reference-target Patient.link[0].other',
    );
  });
});

describe('what has to be loaded', () => {
  it('for a profile within a target’s profile is waited for', async () => {
    const inner = profileOf('HumanName', 'inner', [{ path: 'HumanName.family', min: 1 }]);
    const middle = profileOf('Patient', 'p', [
      { path: 'Patient.name', type: [{ code: 'HumanName', profile: [String(inner.url)] }] },
    ]);
    const outer = profileOf('Observation', 'o', [
      { path: 'Observation.subject', type: [{ code: 'Reference', targetProfile: [String(middle.url)] }] },
    ]);
    const of = (name: JsonObject) => ({
      ...{ resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: '#p' } },
      contained: [{ resourceType: 'Patient', id: 'p', name: [name] }],
      meta: { profile: [String(outer.url)] },
    });
    const validator = () => validatorWith(inner, middle, outer);
    assert.deepEqual(await found(validator(), of({ family: 'x' })), []);
    assert.deepEqual(await found(validator(), of({ text: 'x' })), ['error target-profile Observation.subject']);
  });

  it('is loaded once, and anew when definitions change', async () => {
    const { createResourceValidator } = await import('../validate.ts');
    const { loadDefinitions } = await import('#fhir-model');
    let lookups = 0;
    let known: Resource | undefined = patient;
    const source = {
      generation: 1,
      async find(type: string) {
        lookups += type === 'StructureDefinition' ? 1 : 0;
        return known;
      },
    };
    const validator = createResourceValidator({ definitions: await loadDefinitions(), profiles: source });
    const claiming = { resourceType: 'Patient', meta: { profile: [String(patient.url)] } };
    known = {
      ...patient,
      snapshot: {
        element: [
          { id: 'Patient', path: 'Patient' },
          { id: 'Patient.name', path: 'Patient.name', min: 1 },
        ],
      },
    };
    assert.deepEqual(await found(validator, claiming), ['error cardinality-min Patient.name']);
    assert.deepEqual(await found(validator, claiming), ['error cardinality-min Patient.name']);
    assert.equal(lookups, 1);
    known = undefined;
    source.generation = 2;
    assert.deepEqual(await found(validator, claiming), ['warning profile-unknown Patient']);
    assert.equal(lookups, 2);
  });
});
