// What is wrong with a profile is told by name and place, never thrown: https://hl7.org/fhir/R4/profiling.html#limitations
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resource } from '../types.ts';
import { generateSnapshot } from './generate.ts';
import { extension, faultsOf, findAmong, made, place, profile, profileUrl, r4Url, told, typesOf } from './testing.ts';
import { chainMax, type StructureDefinition, type StructureElement } from './types.ts';

const whole = 'StructureDefinition';

describe('what widens the base', () => {
  test('cardinality: told, and the base stands', async () => {
    const { at, told } = await made(
      profile('wide', 'Observation', [
        { path: 'Observation.status', min: 0 },
        { path: 'Observation.value[x]', max: '2' },
        { path: 'Observation.subject', max: 'many' },
        { path: 'Observation.note', min: 3, max: '2' },
      ]),
    );
    assert.deepEqual(
      told,
      [0, 1, 2, 3].map((at) => `error snapshot-cardinality ${place(at)}`),
    );
    assert.deepEqual([at('Observation.status').min, at('Observation.value[x]').max], [1, '1']);
  });

  test('types that the base does not allow', async () => {
    const { at, told } = await made(
      profile('types', 'Observation', [
        { path: 'Observation.value[x]', type: [{ code: 'Quantity' }, { code: 'Address' }] },
        { path: 'Observation.code', type: [{ code: 'Coding' }] },
      ]),
    );
    assert.deepEqual(told, [`error snapshot-type ${place(0)}`, `error snapshot-type ${place(1)}`]);
    assert.deepEqual(
      [typesOf(at('Observation.value[x]')), typesOf(at('Observation.code'))],
      [['Quantity'], ['CodeableConcept']],
    );
  });

  test('a profile of another type than the element', async () => {
    const name = profile('name', 'HumanName', []);
    const type = [{ code: 'Address', profile: [name.url] }];
    assert.deepEqual(await faultsOf(profile('address', 'Patient', [{ path: 'Patient.address', type }]), [name]), [
      `error snapshot-type ${place(0)}`,
    ]);
  });

  test('targets, a binding, mustSupport: told as a warning', async () => {
    const base = profile('base', 'Patient', [{ path: 'Patient.gender', mustSupport: true }]);
    const derived = profile(
      'derived',
      'Patient',
      [
        { path: 'Patient.gender', binding: { strength: 'extensible' }, mustSupport: false },
        { path: 'Patient.managingOrganization', type: [{ code: 'Reference', targetProfile: [r4Url('Device')] }] },
      ],
      { baseDefinition: base.url },
    );
    const { at, told } = await made(derived, [base]);
    assert.deepEqual(told, [
      `warning snapshot-binding ${place(0)}`,
      `warning snapshot-must-support ${place(0)}`,
      `warning snapshot-target ${place(1)}`,
    ]);
    assert.equal(at('Patient.gender').mustSupport, true);
    assert.match(String(at('Patient.gender').binding?.valueSet), /administrative-gender/);
  });

  test('another fixed value; a pattern may say more, not other things', async () => {
    const base = profile('base', 'Observation', [
      { path: 'Observation.status', fixedCode: 'final' },
      { path: 'Observation.code', patternCodeableConcept: { coding: [{ system: 'urn:a', code: '1' }] } },
      { path: 'Observation.category', patternCodeableConcept: { coding: [{ system: 'urn:a', code: '1' }] } },
    ]);
    const derived = profile(
      'derived',
      'Observation',
      [
        { path: 'Observation.status', fixedCode: 'amended' },
        {
          path: 'Observation.code',
          patternCodeableConcept: { coding: [{ code: '1', system: 'urn:a', display: 'x' }] },
        },
        { path: 'Observation.category', patternCodeableConcept: { coding: [{ system: 'urn:b', code: '1' }] } },
      ],
      { baseDefinition: base.url },
    );
    assert.deepEqual(await faultsOf(derived, [base]), [
      `error snapshot-fixed ${place(0)}`,
      `error snapshot-fixed ${place(2)}`,
    ]);
  });

  test('a slice added to what is closed, or a closed slicing opened', async () => {
    const discriminator = [{ type: 'value', path: 'system' }];
    const base = profile('closed', 'Patient', [
      { path: 'Patient.identifier', slicing: { discriminator, rules: 'closed' } },
      { path: 'Patient.identifier', sliceName: 'a' },
    ]);
    const derived = profile(
      'opened',
      'Patient',
      [
        { path: 'Patient.identifier', slicing: { discriminator, rules: 'open' } },
        { path: 'Patient.identifier', sliceName: 'a', min: 1 },
        { path: 'Patient.identifier', sliceName: 'b' },
      ],
      { baseDefinition: base.url },
    );
    const { at, told } = await made(derived, [base]);
    assert.deepEqual(told, [`warning snapshot-slicing ${place(0)}`, `error snapshot-slicing ${place(2)}`]);
    assert.equal(at('Patient.identifier').slicing?.rules, 'closed');
  });

  test('slices that need more than there may be', async () => {
    const slicing = { discriminator: [{ type: 'value', path: 'use' }], rules: 'open' };
    const few = profile('few', 'Patient', [
      { path: 'Patient.name', slicing, max: '1' },
      { path: 'Patient.name', sliceName: 'a', min: 1 },
      { path: 'Patient.name', sliceName: 'b', min: 1 },
    ]);
    assert.deepEqual(await faultsOf(few), [`warning snapshot-cardinality ${place(0)}`]);
  });
});

describe('what is not there', () => {
  test('an element, with what it is missing in', async () => {
    const { issues, at, told } = await made(
      profile('lost', 'Patient', [
        { path: 'Patient.nose', min: 1 },
        { path: 'Patient.name.nose.tip', min: 1 },
        { path: 'Patient.gender', min: 1 },
      ]),
    );
    assert.deepEqual(
      told.sort(),
      [0, 1].map((at) => `error snapshot-element-unknown ${place(at)}`),
    );
    assert.deepEqual(issues.map(({ diagnostics }) => diagnostics).sort(), [
      'Patient.name has no element nose',
      'Patient.nose: Patient has no element nose',
    ]);
    assert.equal(at('Patient.gender').min, 1);
  });

  test('elements of a choice that is not made', async () => {
    const { told } = await made(profile('either', 'Observation', [{ path: 'Observation.value[x].unit', min: 1 }]));
    assert.deepEqual(told, [`error snapshot-several-types ${place(0)}`]);
    const wrong = profile('wrong', 'Observation', [{ path: 'Observation.valueAddress', min: 1 }]);
    assert.deepEqual(await faultsOf(wrong), [`error snapshot-element-unknown ${place(0)}`]);
  });

  test('the base, or one that it says it has', async () => {
    const lost = profile('lost', 'Patient', [], { baseDefinition: 'urn:nobody' });
    assert.deepEqual(await faultsOf(lost), [`error snapshot-base-unknown ${whole}`]);
    const { baseDefinition: _, ...none } = lost;
    assert.deepEqual(await faultsOf(none as Resource), [`error snapshot-base-unknown ${whole}`]);
    const other = profile('other', 'Patient', [], { baseDefinition: r4Url('Observation') });
    assert.deepEqual(await faultsOf(other), [`error snapshot-type ${whole}`]);
    const valueSet: Resource = { resourceType: 'ValueSet', url: 'urn:nobody' };
    assert.deepEqual(await faultsOf(lost, [valueSet]), [`error snapshot-base-unknown ${whole}`]);
  });

  test('what is wrong with the base is told of those that build on it', async () => {
    const base = profile('base', 'Patient', [{ path: 'Patient.nose', min: 1 }]);
    const derived = profile('derived', 'Patient', [{ path: 'Patient.name', min: 1 }], { baseDefinition: base.url });
    const { issues, at } = await made(derived, [base]);
    assert.deepEqual(told(issues), [`error snapshot-base-faulty ${whole}`]);
    assert.equal(issues[0]?.diagnostics, `${base.url}: Patient.nose: Patient has no element nose`);
    assert.equal(at('Patient.name').min, 1);
  });

  test('what a content reference means', async () => {
    const base = profile('broken', 'Questionnaire', [], {
      snapshot: {
        element: [
          { path: 'Questionnaire', min: 0, max: '*' },
          { path: 'Questionnaire.item', min: 0, max: '*', contentReference: '#Questionnaire.nothing' },
        ],
      },
    });
    const derived = profile('derived', 'Questionnaire', [{ path: 'Questionnaire.item.text', min: 1 }], {
      baseDefinition: base.url,
    });
    assert.deepEqual(await faultsOf(derived, [base]), [
      `error snapshot-content-reference ${place(0)}`,
      `error snapshot-element-unknown ${place(0)}`,
    ]);
  });

  test('slicing, where nothing tells the slices apart', async () => {
    const { ids, told } = await made(profile('bare', 'Patient', [{ path: 'Patient.name', sliceName: 'a' }]));
    assert.deepEqual(told, [`warning snapshot-slicing ${place(0)}`]);
    assert.ok(ids.includes('Patient.name:a'));
  });
});

describe('what leads back to itself', () => {
  test('a base', async () => {
    const [a, b] = ['a', 'b'].map((name) =>
      profile(name, 'Patient', [], { baseDefinition: profileUrl(name === 'a' ? 'b' : 'a') }),
    ) as [StructureDefinition, StructureDefinition];
    const { definition, issues } = await generateSnapshot(a, findAmong([a, b]));
    assert.equal(definition, undefined);
    assert.deepEqual(told(issues), [`error snapshot-base-faulty ${whole}`]);
    assert.match(String(issues[0]?.diagnostics), /It is made of itself: .*\/a → .*\/b → .*\/a$/);
    const self = profile('self', 'Patient', [], { baseDefinition: profileUrl('self') });
    assert.deepEqual(await faultsOf(self, [self]), [`error snapshot-cycle ${whole}`]);
  });

  test('an extension within itself', async () => {
    const own = extension('own', 'string', [
      { path: 'Extension.extension', sliceName: 'again', type: [{ code: 'Extension', profile: [profileUrl('own')] }] },
    ]);
    const { ids, told } = await made(own, [own]);
    assert.deepEqual(told, [`error snapshot-cycle ${place(3)}`]);
    assert.ok(ids.includes('Extension.extension:again'));
  });

  test(`more than ${chainMax} profiles of profiles`, async () => {
    const chain = Array.from({ length: chainMax + 1 }, (_, i) =>
      profile(`p${i}`, 'Patient', [], i === 0 ? {} : { baseDefinition: profileUrl(`p${i - 1}`) }),
    );
    const { ids } = await made(chain[chainMax - 1]!, chain);
    assert.equal(ids[0], 'Patient');
    const { issues } = await generateSnapshot(chain[chainMax]!, findAmong(chain));
    assert.match(String(issues[0]?.diagnostics), /More than 40 structures deep/);
  });

  test('each structure is tried once, however many ways lead to it', async () => {
    // Without that, 2 to the power of 30 tries.
    const twice = (name: string, profile: string): StructureElement => ({
      path: 'Extension.extension',
      sliceName: name,
      type: [{ code: 'Extension', profile: [profile] }],
    });
    const list = Array.from({ length: 30 }, (_, i) => {
      const next = profileUrl(`e${i + 1}`);
      return extension(`e${i}`, 'string', [twice('a', next), twice('b', `${next}|1`)]);
    });
    let asked = 0;
    const find = findAmong(list);
    const { issues } = await generateSnapshot(list[0]!, (canonical) => {
      asked++;
      return find(canonical);
    });
    assert.ok(asked < 70, `${asked} look-ups`);
    assert.deepEqual(issues, []);
  });
});

describe('what is no StructureDefinition', () => {
  const broken: [string, unknown][] = [
    ['no url', { resourceType: 'StructureDefinition', type: 'Patient' }],
    ['no type', { resourceType: 'StructureDefinition', url: 'urn:x' }],
    ['another resource', { resourceType: 'Patient' }],
    ['null', null],
    ['a differential that is a list', { ...profile('x', 'Patient', []), differential: [] }],
    ['elements that are no list', { ...profile('x', 'Patient', []), differential: { element: {} } }],
    ...(
      [
        null,
        {},
        { path: 1 },
        { path: '' },
        { path: 'Patient..name' },
        { path: 'Patient.name', min: '1' },
        { path: 'Patient.name', min: -1 },
        { path: 'Patient.name', max: 1 },
        { path: 'Patient.name', type: {} },
        { path: 'Patient.name', type: [{}] },
        { path: 'Patient.name', type: [{ code: 'HumanName', profile: 'x' }] },
        { path: 'Patient.name', slicing: [] },
        { path: 'Patient.name', constraint: [{}] },
        { path: 'Patient.name', binding: 'x' },
        { path: 'Patient. name' },
      ] as unknown[]
    ).map((element): [string, unknown] => [
      JSON.stringify(element),
      profile('x', 'Patient', [element as StructureElement]),
    ]),
  ];
  for (const [name, definition] of broken) {
    test(name, async () => {
      const { definition: result, issues } = await generateSnapshot(definition as Resource, findAmong([]));
      assert.equal(result, undefined);
      assert.deepEqual(
        issues.map(({ severity, messageId, code }) => [severity, messageId, code]),
        [['error', 'snapshot-malformed', 'structure']],
      );
    });
  }

  test('a base whose snapshot is no tree', async () => {
    for (const element of [[{ path: 'Patient.name' }], [{ path: 'Patient' }, { path: 'Patient.a.b' }], [{}], []]) {
      const { differential: _, ...base } = profile('base', 'Patient', []);
      const broken = { ...base, baseDefinition: 'urn:nobody', snapshot: { element } } as unknown as Resource;
      const issues = await faultsOf(profile('x', 'Patient', [], { baseDefinition: profileUrl('base') }), [broken]);
      assert.deepEqual(issues, [`error snapshot-base-faulty ${whole}`]);
    }
  });

  test('elements of another type than the one that it constrains, or of two', async () => {
    const other = profile('x', 'Patient', [{ path: 'Observation.status', min: 1 }]);
    assert.deepEqual(await faultsOf(other), [`error snapshot-type ${whole}`]);
    const both = profile('x', 'Patient', [{ path: 'Patient.name' }, { path: 'Observation.status' }]);
    assert.deepEqual(await faultsOf(both), [`error snapshot-malformed ${place(1)}`]);
  });

  test('slice names that would make other ids', async () => {
    for (const sliceName of ['', 'a.b', 'a:b']) {
      const { definition, issues } = await generateSnapshot(
        profile('x', 'Patient', [{ path: 'Patient.name', sliceName }]),
        findAmong([]),
      );
      assert.equal(definition, undefined);
      assert.deepEqual(told(issues), [`error snapshot-slice-name ${place(0)}`]);
    }
  });

  test('the same element twice', async () => {
    const twice = profile('twice', 'Patient', [
      { path: 'Patient.name', min: 1 },
      { path: 'Patient.gender', min: 1 },
      { path: 'Patient.name', max: '1' },
    ]);
    assert.deepEqual(await faultsOf(twice), [`error snapshot-slice-name ${place(2)}`]);
  });

  test('a look-up that fails is no fault of the profile', async () => {
    const fails = () => Promise.reject(new Error('database'));
    await assert.rejects(generateSnapshot(profile('x', 'Patient', []), fails), /database/);
  });
});
