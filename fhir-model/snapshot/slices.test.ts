// Slices in snapshots: https://hl7.org/fhir/R4/profiling.html#slicing
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { extension, made, place, profile, r4Url, typesOf } from './testing.ts';
import type { StructureElement } from './types.ts';

const bySystem = { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' };
const byUrl = { discriminator: [{ type: 'value', path: 'url' }], ordered: false, rules: 'open' };
const byType = (rules: string) => ({ discriminator: [{ type: 'type', path: '$this' }], ordered: false, rules });

const below = (ids: readonly string[], start: string): string[] => ids.filter((id) => id.startsWith(start));

const identifiers: StructureElement[] = [
  { path: 'Patient.identifier', slicing: bySystem, min: 1 },
  { path: 'Patient.identifier', sliceName: 'mrn', min: 1, max: '1' },
  { path: 'Patient.identifier.system', fixedUri: 'urn:mrn' },
  { path: 'Patient.identifier', sliceName: 'ssn', max: '1' },
  { path: 'Patient.identifier.system', fixedUri: 'urn:ssn' },
];

describe('slices', () => {
  test('stand after their element, in order, each with its own elements; without ids the order says what is whose', async () => {
    const { ids, at, told } = await made(profile('sliced', 'Patient', identifiers));
    const whole = below(ids, 'Patient.identifier');
    assert.equal(whole[0], 'Patient.identifier');
    assert.ok(whole.indexOf('Patient.identifier:mrn.system') < whole.indexOf('Patient.identifier:ssn'));
    assert.equal(at('Patient.identifier:mrn.system').fixedUri, 'urn:mrn');
    assert.equal(at('Patient.identifier:ssn.system').fixedUri, 'urn:ssn');
    assert.equal(at('Patient.identifier:mrn.system').path, 'Patient.identifier.system');
    assert.deepEqual(at('Patient.identifier').slicing, bySystem);
    const { min, max, slicing, sliceName } = at('Patient.identifier:ssn');
    assert.deepEqual({ min, max, slicing, sliceName }, { min: 0, max: '1', slicing: undefined, sliceName: 'ssn' });
    assert.ok(!ids.includes('Patient.identifier.system'));
    assert.deepEqual(told, []);
  });

  test('ids say it where the order does not', async () => {
    const { at, told } = await made(
      profile('byId', 'Patient', [
        ...identifiers.filter(({ path }) => path === 'Patient.identifier'),
        { id: 'Patient.identifier:mrn.system', path: 'Patient.identifier.system', fixedUri: 'urn:mrn' },
      ]),
    );
    assert.equal(at('Patient.identifier:mrn.system').fixedUri, 'urn:mrn');
    assert.deepEqual(told, []);
  });

  test('of a backbone element: each has all of its elements', async () => {
    const { ids, at } = await made(
      profile('components', 'Observation', [
        {
          path: 'Observation.component',
          slicing: { discriminator: [{ type: 'pattern', path: 'code' }], rules: 'closed' },
        },
        { path: 'Observation.component', sliceName: 'systolic', min: 1, max: '1' },
        { path: 'Observation.component.code', patternCodeableConcept: { text: 's' } },
      ]),
    );
    const names = (start: string) => below(ids, `${start}.`).map((id) => id.slice(start.length));
    assert.deepEqual(names('Observation.component:systolic'), names('Observation.component'));
    assert.deepEqual(at('Observation.component:systolic.code').patternCodeableConcept, { text: 's' });
    assert.equal(at('Observation.component.code').patternCodeableConcept, undefined);
  });

  test('of a base are changed, and others added after them', async () => {
    const base = profile('sliced', 'Patient', identifiers);
    const { ids, at, told } = await made(
      profile(
        'more',
        'Patient',
        [
          { path: 'Patient.identifier', sliceName: 'passport', max: '1' },
          { path: 'Patient.identifier', sliceName: 'mrn', mustSupport: true },
          { path: 'Patient.identifier.value', min: 1 },
        ],
        { baseDefinition: base.url },
      ),
      [base],
    );
    assert.deepEqual(
      ids.filter((id) => /^Patient\.identifier:[a-z]+$/.test(id)),
      ['Patient.identifier:mrn', 'Patient.identifier:ssn', 'Patient.identifier:passport'],
    );
    assert.equal(at('Patient.identifier:mrn.value').min, 1);
    assert.equal(at('Patient.identifier:mrn.system').fixedUri, 'urn:mrn');
    assert.equal(at('Patient.identifier:mrn').mustSupport, true);
    assert.deepEqual(told, []);
  });

  test('of slices: a/b starts from a and stands after it', async () => {
    const base = profile('sliced', 'Patient', identifiers);
    const { ids, at, told } = await made(
      profile(
        'resliced',
        'Patient',
        [
          {
            path: 'Patient.identifier',
            sliceName: 'mrn',
            slicing: { discriminator: [{ type: 'value', path: 'use' }], rules: 'open' },
          },
          { path: 'Patient.identifier', sliceName: 'mrn/old' },
          { path: 'Patient.identifier.use', fixedCode: 'old' },
          { path: 'Patient.identifier', sliceName: 'mrn/new' },
        ],
        { baseDefinition: base.url },
      ),
      [base],
    );
    assert.deepEqual(
      ids.filter((id) => /^Patient\.identifier:[^.]+$/.test(id)),
      ['Patient.identifier:mrn', 'Patient.identifier:mrn/old', 'Patient.identifier:mrn/new', 'Patient.identifier:ssn'],
    );
    assert.equal(at('Patient.identifier:mrn/old.system').fixedUri, 'urn:mrn');
    assert.equal(at('Patient.identifier:mrn/old.use').fixedCode, 'old');
    assert.deepEqual([at('Patient.identifier:mrn/old').min, at('Patient.identifier:mrn/old').slicing], [0, undefined]);
    assert.deepEqual(told, []);
  });

  test('within slices', async () => {
    const codes = { discriminator: [{ type: 'value', path: 'code' }], rules: 'open' };
    const { at, told } = await made(
      profile('nested', 'Observation', [
        { path: 'Observation.component', slicing: codes },
        { id: 'Observation.component:a', path: 'Observation.component', sliceName: 'a' },
        { id: 'Observation.component:a.code.coding', path: 'Observation.component.code.coding', slicing: bySystem },
        {
          id: 'Observation.component:a.code.coding:x',
          path: 'Observation.component.code.coding',
          sliceName: 'x',
          min: 1,
        },
        {
          id: 'Observation.component:a.code.coding:x.code',
          path: 'Observation.component.code.coding.code',
          fixedCode: 'c',
        },
      ]),
    );
    assert.equal(at('Observation.component:a.code.coding:x.code').fixedCode, 'c');
    assert.equal(at('Observation.component:a.code.coding:x.code').path, 'Observation.component.code.coding.code');
    assert.deepEqual(told, []);
  });

  test('by $index, and without a discriminator, are left as they are said', async () => {
    const position = { discriminator: [{ type: 'position', path: '$index' }], ordered: true, rules: 'openAtEnd' };
    const none = { description: 'by hand', rules: 'open' };
    const { at } = await made(
      profile('others', 'Patient', [
        { path: 'Patient.name', slicing: position },
        { path: 'Patient.name', sliceName: 'first' },
        { path: 'Patient.telecom', slicing: none },
        { path: 'Patient.telecom', sliceName: 'work' },
      ]),
    );
    assert.deepEqual([at('Patient.name').slicing, at('Patient.telecom').slicing], [position, none]);
  });
});

describe('extensions', () => {
  test('are sliced by url, also where the base says nothing of it', async () => {
    const one = extension('one', 'string');
    const { at, told } = await made(
      profile('extended', 'Patient', [
        { path: 'Patient.extension', sliceName: 'one', type: [{ code: 'Extension', profile: [one.url] }] },
        { path: 'Patient.modifierExtension', sliceName: 'two', type: [{ code: 'Extension', profile: [one.url] }] },
      ]),
      [one],
    );
    assert.deepEqual([at('Patient.extension').slicing, at('Patient.modifierExtension').slicing], [byUrl, byUrl]);
    assert.equal(at('Patient.modifierExtension:two').isModifier, true);
    assert.deepEqual(told, []);
  });

  test('nested ones: the ids say in which', async () => {
    const { at, told } = await made(
      profile(
        'race',
        'Extension',
        [
          { path: 'Extension.extension', sliceName: 'category', min: 1 },
          { path: 'Extension.extension.url', fixedUri: 'category' },
          { path: 'Extension.extension.value[x]', type: [{ code: 'Coding' }] },
        ],
        { kind: 'complex-type' },
      ),
    );
    assert.equal(at('Extension.extension:category.url').fixedUri, 'category');
    assert.deepEqual(typesOf(at('Extension.extension:category.value[x]')), ['Coding']);
    assert.deepEqual(told, []);
  });

  test('what the differential says within an extension stands over its definition', async () => {
    const one = extension('one', 'string');
    const { at, told } = await made(
      profile('within', 'Patient', [
        {
          id: 'Patient.extension:one',
          path: 'Patient.extension',
          sliceName: 'one',
          type: [{ code: 'Extension', profile: [one.url] }],
        },
        { id: 'Patient.extension:one.value[x]', path: 'Patient.extension.value[x]', maxLength: 5 },
      ]),
      [one],
    );
    const value = at('Patient.extension:one.value[x]');
    assert.deepEqual([value.min, value.maxLength, typesOf(value)], [1, 5, ['string']]);
    assert.equal(at('Patient.extension:one.url').fixedUri, one.url);
    assert.deepEqual(told, []);
  });

  test('an unknown one is told, and counts as an extension', async () => {
    const { at, told } = await made(
      profile('unknown', 'Patient', [
        { path: 'Patient.extension', sliceName: 'x', min: 1, type: [{ code: 'Extension', profile: ['urn:nobody'] }] },
      ]),
    );
    assert.equal(at('Patient.extension:x').min, 1);
    assert.deepEqual(told, [`warning snapshot-profile-unknown ${place(0)}`]);
  });
});

describe('choices of types', () => {
  const quantity = (more: Partial<StructureElement> = {}) => ({ path: 'Observation.valueQuantity', ...more });

  test('valueQuantity is the slice for Quantity: optional, it leaves the other types open', async () => {
    const { ids, at, told } = await made(
      profile('maybe', 'Observation', [
        quantity({ mustSupport: true }),
        { path: 'Observation.valueQuantity.code', min: 1 },
      ]),
    );
    const whole = at('Observation.value[x]');
    assert.deepEqual(whole.slicing, byType('open'));
    assert.equal(typesOf(whole).length, 11);
    const slice = at('Observation.value[x]:valueQuantity');
    assert.deepEqual(
      [slice.path, slice.sliceName, slice.min, typesOf(slice)],
      ['Observation.value[x]', 'valueQuantity', 0, ['Quantity']],
    );
    assert.equal(at('Observation.value[x]:valueQuantity.code').min, 1);
    assert.ok(!ids.includes('Observation.value[x].code'));
    assert.deepEqual(told, []);
  });

  test('mandatory, it is the only type', async () => {
    const { at } = await made(profile('must', 'Observation', [quantity({ min: 1 })]));
    const whole = at('Observation.value[x]');
    assert.deepEqual([whole.min, typesOf(whole), whole.slicing], [1, ['Quantity'], byType('closed')]);
  });

  for (const [name, element] of [
    ['by id', { id: 'Observation.value[x]:valueQuantity', path: 'Observation.valueQuantity' }],
    ['by slice name, which tells the type', { path: 'Observation.value[x]', sliceName: 'valueQuantity' }],
    [
      'by slice name and type',
      { path: 'Observation.value[x]', sliceName: 'valueQuantity', type: [{ code: 'Quantity' }] },
    ],
    [
      'in full',
      {
        id: 'Observation.value[x]:valueQuantity',
        path: 'Observation.value[x]',
        sliceName: 'valueQuantity',
        type: [{ code: 'Quantity' }],
      },
    ],
  ] as const) {
    test(`the same said ${name}`, async () => {
      const short = await made(profile('same', 'Observation', [quantity({ short: 'x' })]));
      const other = await made(
        profile('same', 'Observation', [{ ...(element as unknown as StructureElement), short: 'x' }]),
      );
      // Not as a whole: a failure would print all of it.
      for (const [i, element] of other.elements.entries()) assert.deepEqual(element, short.elements[i]);
      assert.deepEqual(other.ids, short.ids);
    });
  }

  test('beside what is said of all types', async () => {
    const { at, told } = await made(
      profile('beside', 'Observation', [
        { path: 'Observation.value[x]', min: 1, type: [{ code: 'Quantity' }, { code: 'string' }] },
        quantity({ short: 'q' }),
        { path: 'Observation.valueString', maxLength: 9 },
      ]),
    );
    const whole = at('Observation.value[x]');
    assert.deepEqual([whole.min, typesOf(whole), whole.slicing], [1, ['Quantity', 'string'], byType('closed')]);
    assert.equal(at('Observation.value[x]:valueString').maxLength, 9);
    assert.deepEqual(told, []);
  });

  test('within a slice it narrows the choice itself', async () => {
    const { at, ids } = await made(
      profile('within', 'Observation', [
        { path: 'Observation.component', slicing: { discriminator: [{ type: 'value', path: 'code' }], rules: 'open' } },
        { path: 'Observation.component', sliceName: 'a' },
        { path: 'Observation.component.valueQuantity.unit', min: 1 },
      ]),
    );
    assert.deepEqual(typesOf(at('Observation.component:a.value[x]')), ['Quantity']);
    assert.equal(at('Observation.component:a.value[x].unit').min, 1);
    assert.ok(!ids.some((id) => id.includes('value[x]:')));
  });

  test('a slice of the base is meant by its short form', async () => {
    const base = profile('maybe', 'Observation', [quantity({ short: 'q' })]);
    const { at, told } = await made(
      profile('derived', 'Observation', [quantity({ min: 1 })], { baseDefinition: base.url }),
      [base],
    );
    const slice = at('Observation.value[x]:valueQuantity');
    assert.deepEqual([slice.short, slice.min], ['q', 1]);
    assert.equal(at('Observation.value[x]').min, 1);
    assert.deepEqual(told, []);
  });

  test('a Reference of a choice, with its targets', async () => {
    const type = [{ code: 'Reference', targetProfile: [r4Url('Medication')] }];
    const { at, told } = await made(
      profile('drug', 'MedicationRequest', [{ path: 'MedicationRequest.medicationReference', min: 1, type }]),
    );
    assert.deepEqual(at('MedicationRequest.medication[x]:medicationReference').type, type);
    assert.deepEqual(typesOf(at('MedicationRequest.medication[x]')), ['Reference']);
    assert.deepEqual(told, []);
  });
});
