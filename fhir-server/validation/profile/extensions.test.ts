// https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { against, base, extensionOf, findAmong, found, profileOf, validatorOf, validatorWith } from '../testing.ts';

const url = `${base}/StructureDefinition/x`;
const patient = (extension: JsonObject) => ({ resourceType: 'Patient', extension: [{ url, ...extension }] });

describe('an extension that is known', () => {
  it('keeps to its definition', async () => {
    const validator = validatorWith(extensionOf('x', 'code'));
    assert.deepEqual(await found(validator, patient({ valueCode: 'a' })), []);
    assert.deepEqual(await found(validator, patient({ valueString: 'a' })), [
      'error type Patient.extension[0].valueString',
    ]);
    assert.deepEqual(await found(validator, patient({ extension: [{ url: 'y', valueCode: 'a' }] })), [
      'error cardinality-max Patient.extension[0].extension',
      'error cardinality-min Patient.extension[0].value',
    ]);
  });

  it('stands where its context says', async () => {
    const at = (...context: JsonObject[]) => validatorWith(extensionOf('x', 'code', { context }));
    const element = (expression: string) => at({ type: 'element', expression });
    const extension = [{ url, valueCode: 'a' }];
    const named = { resourceType: 'Patient', name: [{ extension, text: 'x' }] };
    const family = { resourceType: 'Patient', name: [{ family: 'x', _family: { extension } }] };
    const wrong = (path: string) => [`error extension-context Patient.${path}.extension[0]`];
    for (const expression of ['HumanName', 'Patient.name', 'Element', '*']) {
      assert.deepEqual(await found(element(expression), named), [], expression);
    }
    assert.deepEqual(await found(element('Patient'), named), wrong('name[0]'));
    assert.deepEqual(await found(element('Person.name'), named), wrong('name[0]'));
    assert.deepEqual(await found(element('HumanName.family'), family), []);
    assert.deepEqual(await found(element('string'), family), []);
    assert.deepEqual(await found(element('HumanName'), family), wrong('name[0]._family'));
    assert.deepEqual(await found(element('DomainResource'), patient({ valueCode: 'a' })), []);
    assert.deepEqual(await found(element('Observation'), patient({ valueCode: 'a' })), [
      'error extension-context Patient.extension[0]',
    ]);
  });

  it('stands where a FHIRPath selects its element', async () => {
    const at = (expression: string) =>
      validatorWith(extensionOf('x', 'code', { context: [{ type: 'fhirpath', expression }] }));
    const extension = [{ url, valueCode: 'a' }];
    const same = { text: 'x', extension };
    const names = { resourceType: 'Patient', name: [same, { ...same }, { ...same, use: 'old' }] };
    const wrong = (...paths: string[]) => paths.map((path) => `error extension-context Patient.${path}extension[0]`);
    assert.deepEqual(await found(at('Patient.name'), names), []);
    assert.deepEqual(await found(at('Patient'), names), wrong('name[0].', 'name[1].', 'name[2].'));
    // Elements that are alike are told apart.
    assert.deepEqual(await found(at('Patient.name[1]'), names), wrong('name[0].', 'name[2].'));
    assert.deepEqual(await found(at("Patient.name.where(use = 'old')"), names), wrong('name[0].', 'name[1].'));
    assert.deepEqual(await found(at('Patient | Patient.name'), names), []);
    assert.deepEqual(await found(at('Observation.name'), names), wrong('name[0].', 'name[1].', 'name[2].'));
    // What begins with the type of an element.
    assert.deepEqual(await found(at("HumanName.where(use = 'old')"), names), wrong('name[0].', 'name[1].'));
    assert.deepEqual(await found(at('Patient'), patient({ valueCode: 'a' })), []);
    assert.deepEqual(await found(at('Patient.contact'), patient({ valueCode: 'a' })), wrong(''));

    const primitives = {
      resourceType: 'Patient',
      name: [{ given: ['x', 'x'], _given: [{ extension }, { extension }] }],
    };
    assert.deepEqual(await found(at('Patient.name.given'), primitives), []);
    assert.deepEqual(await found(at('Patient.name.given.first()'), primitives), wrong('name[0]._given[1].'));
    const choice = { resourceType: 'Patient', _deceasedBoolean: { extension } };
    assert.deepEqual(await found(at('Patient.deceased'), choice), []);
    assert.deepEqual(await found(at('Patient.deceased.ofType(dateTime)'), choice), wrong('_deceasedBoolean.'));

    const contained = { ...names, id: 'c', name: [same] };
    const outer = { resourceType: 'Patient', contained: [contained], managingOrganization: { reference: '#c' } };
    const told = async (expression: string) =>
      (await found(at(expression), outer)).filter((each) => each.includes(' extension'));
    assert.deepEqual(await told('Patient.name'), []);
    assert.deepEqual(await told('Patient.name.where(use.exists())'), wrong('contained[0].name[0].'));
  });

  it('is not refused where its FHIRPath can’t be evaluated, which is told', async () => {
    const context = (...expressions: string[]) => ({
      context: expressions.map((expression) => ({ type: 'fhirpath', expression })),
    });
    const untold = 'warning extension-context-untold Patient.extension[0]';
    for (const expression of ['Patient.(', 'Patient.nonsense(1)', "Patient.where(conformsTo('http://x'))"]) {
      const validator = validatorWith(extensionOf('x', 'code', context(expression)));
      assert.deepEqual(await found(validator, patient({ valueCode: 'a' })), [untold], expression);
    }
    const either = validatorWith(extensionOf('x', 'code', context('Patient.(', 'Patient')));
    assert.deepEqual(await found(either, patient({ valueCode: 'a' })), []);
  });

  it('stands in the choice that its context names', async () => {
    const validator = validatorWith(
      extensionOf('x', 'code', { context: [{ type: 'element', expression: 'Observation.value[x]' }] }),
    );
    const valueQuantity = { value: 1, extension: [{ url, valueCode: 'a' }] };
    assert.deepEqual(
      await found(validator, { resourceType: 'Observation', status: 'final', code: { text: 'x' }, valueQuantity }),
      [],
    );
  });

  it('stands in the extension that its context names', async () => {
    const outer = `${base}/StructureDefinition/outer`;
    const validator = validatorWith(
      extensionOf('x', 'code', { context: [{ type: 'extension', expression: outer }] }),
      profileOf('Extension', 'outer', [{ path: 'Extension' }, { path: 'Extension.url', fixedUri: outer }], {
        context: [{ type: 'element', expression: 'Patient' }],
      }),
    );
    const inner = [{ url, valueCode: 'a' }];
    assert.deepEqual(
      await found(validator, { resourceType: 'Patient', extension: [{ url: outer, extension: inner }] }),
      [],
    );
    assert.deepEqual(await found(validator, patient({ valueCode: 'a' })), [
      'error extension-context Patient.extension[0]',
    ]);
  });

  it('keeps to the context’s invariants', async () => {
    const validator = validatorWith(extensionOf('x', 'code', { contextInvariant: ["gender = 'female'"] }));
    assert.deepEqual(await found(validator, { ...patient({ valueCode: 'a' }), gender: 'female' }), []);
    assert.deepEqual(await found(validator, patient({ valueCode: 'a' })), [
      'error extension-context Patient.extension[0]',
    ]);
  });

  it('is a modifierExtension if and only if it is defined as one', async () => {
    const modifier = validatorWith(extensionOf('x', 'code', { modifier: true }));
    const asModifier = { resourceType: 'Patient', modifierExtension: [{ url, valueCode: 'a' }] };
    assert.deepEqual(await found(modifier, asModifier), []);
    assert.deepEqual(await found(modifier, patient({ valueCode: 'a' })), [
      'error extension-modifier Patient.extension[0]',
    ]);
    assert.deepEqual(await found(validatorWith(extensionOf('x', 'code')), asModifier), [
      'error extension-modifier Patient.modifierExtension[0]',
    ]);
  });

  it('is R4’s own, too', async () => {
    const of = (extension: JsonObject) => found(validatorWith(), { resourceType: 'Patient', extension: [extension] });
    const place = 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace';
    assert.deepEqual(await of({ url: place, valueAddress: { city: 'x' } }), []);
    assert.deepEqual(await of({ url: place, valueString: 'x' }), ['error type Patient.extension[0].valueString']);
  });
});

describe('an extension that is not known', () => {
  const unknown = patient({ valueCode: 'a' });

  it('is told, as severely as is asked for', async () => {
    assert.deepEqual(await found(validatorWith(), unknown), ['information extension-unknown Patient.extension[0]']);
    assert.deepEqual(await found(validatorWith(), unknown, { unknownExtension: 'error' }), [
      'error extension-unknown Patient.extension[0]',
    ]);
  });

  it('may not modify', async () => {
    assert.deepEqual(
      await found(validatorWith(), { resourceType: 'Patient', modifierExtension: [{ url, valueCode: 'a' }] }),
      ['error extension-modifier-unknown Patient.modifierExtension[0]'],
    );
  });

  it('is none in a topic: those of its elements, by any name that the guides write', async () => {
    const topic = (code: string, modifierExtension: JsonObject[], extension?: JsonObject[]) => ({
      ...{ resourceType: 'Basic', modifierExtension, ...(extension && { extension }) },
      code: { coding: [{ system: 'http://hl7.org/fhir/fhir-types', code }] },
    });
    const strict = { unknownExtension: 'error' } as const;
    const fhir = 'http://hl7.org/fhir';
    const elements = ['5.0', '4.3'].map((one) => `${fhir}/${one}/StructureDefinition/extension-SubscriptionTopic.`);
    for (const at of elements) {
      const status = [{ url: `${at}status`, valueCode: 'active' }];
      const criteria = { url: 'queryCriteria', extension: [{ url: 'current', valueString: 'status=final' }] };
      const trigger = {
        url: `${at}resourceTrigger`,
        extension: [{ url: `${at}resourceTrigger.resource`, valueUri: 'Encounter' }, criteria],
      };
      const more = [{ url: `${at}url`, valueUri: 'http://example.org/t' }, trigger];
      assert.deepEqual(await found(validatorWith(), topic('SubscriptionTopic', status, more), strict), []);
      assert.deepEqual(await found(validatorWith(), topic('ResearchStudy', status)), [
        'error extension-modifier-unknown Basic.modifierExtension[0]',
      ]);
    }
    const artifact = [{ url: `${fhir}/StructureDefinition/artifact-status`, valueCode: 'active' }];
    assert.deepEqual(await found(validatorWith(), topic('SubscriptionTopic', artifact), strict), []);
    const others = [
      { url, valueCode: 'a' },
      { url: `${elements[0]}pause`, valueCode: 'a' },
    ];
    const trigger = { url: `${elements[0]}resourceTrigger`, extension: [{ url, valueCode: 'a' }] };
    assert.deepEqual(await found(validatorWith(), topic('SubscriptionTopic', others, [trigger]), strict), [
      'error extension-modifier-unknown Basic.modifierExtension[0]',
      'error extension-modifier-unknown Basic.modifierExtension[1]',
      'error extension-unknown Basic.extension[0].extension[0]',
    ]);
  });

  it('has an absolute url, unless it is inside another', async () => {
    assert.deepEqual(
      await found(validatorWith(), { resourceType: 'Patient', extension: [{ url: 'x', valueCode: 'a' }] }),
      ['error extension-url Patient.extension[0]'],
    );
    assert.deepEqual(await found(validatorWith(), patient({ extension: [{ url: 'x', valueCode: 'a' }] })), [
      'information extension-unknown Patient.extension[0]',
    ]);
  });

  it('has parts that its definition has, and others by their own url', async () => {
    const part = (name: string, type: string) => [
      { id: `Extension.extension:${name}`, path: 'Extension.extension', sliceName: name },
      { id: `Extension.extension:${name}.url`, path: 'Extension.extension.url', fixedUri: name },
      { id: `Extension.extension:${name}.value[x]`, path: 'Extension.extension.value[x]', type: [{ code: type }] },
    ];
    const sliced = (rules: string) => {
      const slicing = { discriminator: [{ type: 'value', path: 'url' }], rules };
      const first = { path: 'Extension.extension', slicing };
      const own = { path: 'Extension.url', fixedUri: url };
      return profileOf('Extension', 'x', [first, ...part('code', 'code'), ...part('note', 'string'), own], {
        context: [{ type: 'element', expression: 'Patient' }],
      });
    };
    const other = { url: `${url}-other`, extension: [{ url: 'any', valueCode: 'a' }] };
    const parts = [
      { url: 'code', valueCode: 'a' },
      { url: 'cod', valueCode: 'a' },
      { url: 'note', valueString: 'a' },
      other,
    ];
    assert.deepEqual(await found(validatorWith(sliced('open')), patient({ extension: parts })), [
      'error extension-part Patient.extension[0].extension[1]',
      'information extension-unknown Patient.extension[0].extension[3]',
    ]);
    assert.deepEqual(await found(validatorWith(sliced('closed')), patient({ extension: parts.slice(0, 2) })), [
      'error slice-unmatched Patient.extension[0].extension[1]',
    ]);
  });

  it('is looked up a limited number of times, and then the resource is not valid', async () => {
    let lookups = 0;
    const extension = Array.from({ length: 2000 }, (_, i) => ({ url: `${url}-${i}`, valueCode: 'a' }));
    const validator = validatorOf(async () => {
      lookups++;
      return undefined;
    });
    const issues = await found(validator, { resourceType: 'Patient', extension }, { issuesMax: 5000 });
    assert.equal(issues.length, 1001);
    assert.equal(issues.at(-1), 'error lookups Patient');
    assert.equal(lookups, 1000);
  });
});

describe('a profile of an extension', () => {
  it('is asked of those of the extension that it is a profile of', async () => {
    const unknown: Resource = {
      ...profileOf('Extension', 'x-unknown', [{ path: 'Extension.value[x]', fixedCode: 'unknown' }]),
      baseDefinition: url,
      context: [{ type: 'element', expression: 'Patient' }],
    };
    const profile = profileOf('Patient', 'p', [
      {
        path: 'Patient.extension',
        slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' },
      },
      {
        ...{ id: 'Patient.extension:x', path: 'Patient.extension', sliceName: 'x', min: 1, max: '1' },
        type: [{ code: 'Extension', profile: [String(unknown.url)] }],
      },
    ]);
    const check = (valueCode: string) => against(profile, patient({ valueCode }), extensionOf('x', 'code'), unknown);
    assert.deepEqual(await check('unknown'), []);
    assert.deepEqual(await check('asked'), ['error fixed Patient.extension[0].valueCode']);
  });
});

describe('a profile that names many extensions', () => {
  it('has each definition read for its snapshot and for its own plan, and no more', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
    const definitions = names.map((name) => extensionOf(name, 'code'));
    const path = 'Patient.extension';
    const slices = definitions.map(({ url: of }, index) => ({
      ...{ id: `${path}:${names[index]}`, path, sliceName: String(names[index]), min: 0, max: '1' },
      type: [{ code: 'Extension', profile: [String(of)] }],
    }));
    const slicing = { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' };
    const profile = profileOf('Patient', 'p', [{ path, slicing }, ...slices]);
    const find = findAmong(profile, ...definitions);
    const asked: string[] = [];
    const validator = validatorOf((type, canonical) => {
      if (canonical.includes('/many-')) asked.push(canonical);
      return find(type, canonical);
    });
    const issues = await found(
      validator,
      { resourceType: 'Patient', active: true },
      { profiles: [String(profile.url)] },
    );
    assert.deepEqual(issues, []);
    const times = Map.groupBy(asked, (canonical) => canonical);
    assert.deepEqual([times.size, Math.max(...times.values().map(({ length }) => length))], [names.length, 2]);
  });
});

describe('something else for an extension', () => {
  it('is refused', async () => {
    const validator = validatorWith(profileOf('Patient', 'x', []));
    assert.deepEqual(await found(validator, patient({ valueCode: 'a' })), [
      'error extension-not-one Patient.extension[0]',
    ]);
  });
});

describe('how often an extension may stand at one element', () => {
  const twice = [
    { url, valueCode: 'a' },
    { url, valueCode: 'b' },
  ];
  const root = (max: string) => {
    const definition = extensionOf('x', 'code', { context: [{ type: 'element', expression: 'Element' }] });
    const { element } = definition.differential as { element: JsonObject[] };
    return validatorWith({ ...definition, differential: { element: [{ ...element[0], max }, ...element.slice(1)] } });
  };

  it('its definition says', async () => {
    assert.deepEqual(await found(root('1'), { resourceType: 'Patient', extension: twice }), [
      'error extension-max Patient.extension',
    ]);
    assert.deepEqual(await found(root('2'), { resourceType: 'Patient', extension: twice }), []);
    assert.deepEqual(await found(root('*'), { resourceType: 'Patient', extension: twice }), []);
  });

  it('counts at each element for itself', async () => {
    const name = twice.map((one) => ({ text: 'x', extension: [one] }));
    assert.deepEqual(await found(root('1'), { resourceType: 'Patient', name }), []);
    const _birthDate = { extension: twice };
    assert.deepEqual(await found(root('1'), { resourceType: 'Patient', birthDate: '1980', _birthDate }), [
      'error extension-max Patient._birthDate.extension',
    ]);
  });

  it('also of R4’s own: one place of birth', async () => {
    const one = { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', valueAddress: { city: 'x' } };
    assert.deepEqual(await found(validatorWith(), { resourceType: 'Patient', extension: [one] }), []);
    assert.deepEqual(await found(validatorWith(), { resourceType: 'Patient', extension: [one, one] }), [
      'error extension-max Patient.extension',
    ]);
  });
});
