// What a profile asks of single elements: https://hl7.org/fhir/R4/elementdefinition.html
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JsonObject, rawJson } from '#fhir-model';
import { against, base, extensionOf, found, profileOf, validatorWith } from '../testing.ts';

const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };

describe('cardinality', () => {
  it('asks for a minimum, and at most for a maximum', async () => {
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.identifier', min: 1, max: '2' },
      { path: 'Patient.name.family', min: 1 },
      { path: 'Patient.photo', max: '0' },
    ]);
    assert.deepEqual(await against(profile, { resourceType: 'Patient' }), ['error cardinality-min Patient.identifier']);
    const identifier = [{ value: '1' }, { value: '2' }, { value: '3' }];
    const photo = [{ title: 'x' }];
    assert.deepEqual(await against(profile, { resourceType: 'Patient', identifier, photo, name: [{ text: 'x' }] }), [
      'error cardinality-max Patient.identifier',
      'error cardinality-min Patient.name[0].family',
      'error cardinality-max Patient.photo',
    ]);
    const good = { resourceType: 'Patient', identifier: [{ value: '1' }], name: [{ family: 'x' }, { family: 'y' }] };
    assert.deepEqual(await against(profile, good), []);
  });

  it('counts a primitive that has only extensions', async () => {
    const profile = profileOf('Patient', 'p', [{ path: 'Patient.birthDate', min: 1 }]);
    const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
    const patient = { resourceType: 'Patient', _birthDate: { extension: [{ url, valueCode: 'unknown' }] } };
    assert.deepEqual(await against(profile, patient), []);
  });

  it('asks for the value and the extensions of a primitive that is there', async () => {
    const url = `${base}/StructureDefinition/x`;
    const path = 'Patient.birthDate.extension';
    const one = { id: `${path}:x`, path, sliceName: 'x', min: 1, max: '1' };
    const profile = profileOf('Patient', 'p', [
      { path, slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' } },
      { ...one, type: [{ code: 'Extension', profile: [url] }] },
      { path: 'Patient.birthDate.value', min: 1 },
    ]);
    const of = (more: JsonObject) =>
      against(profile, { resourceType: 'Patient', ...more }, extensionOf('x', 'code', { context: [] }));
    const _birthDate = { extension: [{ url, valueCode: 'a' }] };
    assert.deepEqual(await of({ birthDate: '1980', _birthDate }), []);
    assert.deepEqual(await of({ birthDate: '1980' }), ['error cardinality-min Patient.birthDate.extension']);
    assert.deepEqual(await of({ _birthDate }), ['error cardinality-min Patient.birthDate.value']);
    assert.deepEqual(await of({}), []);
  });

  it('asks nothing of children of what is absent', async () => {
    const profile = profileOf('Patient', 'p', [{ path: 'Patient.contact.name', min: 1 }]);
    assert.deepEqual(await against(profile, { resourceType: 'Patient' }), []);
    assert.deepEqual(
      await against(profile, { resourceType: 'Patient', contact: [{ gender: 'female', telecom: [{}] }] }),
      ['error structure-structure Patient.contact[0].telecom[0]', 'error cardinality-min Patient.contact[0].name'],
    );
  });
});

describe('types', () => {
  it('of a choice', async () => {
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.value[x]', type: [{ code: 'Quantity' }, { code: 'string' }] },
    ]);
    assert.deepEqual(await against(profile, { ...observation, valueString: 'x' }), []);
    assert.deepEqual(await against(profile, { ...observation, valueInteger: 1 }), [
      'error type Observation.valueInteger',
    ]);
  });

  it('written as one of its names', async () => {
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.valueQuantity', min: 1, patternQuantity: { code: 'mg' } },
    ]);
    assert.deepEqual(
      await against(profile, { ...observation, valueQuantity: { value: 1, code: 'mg', system: 'urn:x' } }),
      [],
    );
    assert.deepEqual(
      await against(profile, { ...observation, valueQuantity: { value: 1, code: 'g', system: 'urn:x' } }),
      ['error pattern Observation.valueQuantity'],
    );
  });

  it('of resources in a Bundle, and their profiles', async () => {
    const named = profileOf('Patient', 'named', [{ path: 'Patient.name', min: 1 }]);
    const bundle = profileOf('Bundle', 'b', [
      { path: 'Bundle.entry.resource', type: [{ code: 'Patient', profile: [named.url!] }] },
    ]);
    const fullUrl = 'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10';
    const entry = (resource: JsonObject) => ({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ fullUrl, resource }],
    });
    assert.deepEqual(await against(bundle, entry({ resourceType: 'Patient', name: [{ text: 'x' }] }), named), []);
    assert.deepEqual(await against(bundle, entry({ resourceType: 'Patient' }), named), [
      'error cardinality-min Bundle.entry[0].resource.name',
    ]);
    assert.deepEqual(await against(bundle, entry(observation), named), ['error type Bundle.entry[0].resource']);
  });

  it('of data types with a profile', async () => {
    const money = profileOf('Quantity', 'kilos', [{ path: 'Quantity.code', min: 1, patternCode: 'kg' }]);
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.value[x]', type: [{ code: 'Quantity', profile: [money.url!] }] },
    ]);
    const of = (code: string) => ({
      ...observation,
      valueQuantity: { value: 1, code, system: 'http://unitsofmeasure.org' },
    });
    assert.deepEqual(await against(profile, of('kg'), money), []);
    assert.deepEqual(await against(profile, of('g'), money), ['error pattern Observation.valueQuantity.code']);
  });
});

describe('fixed[x] and pattern[x]', () => {
  const concept = { coding: [{ system: 'http://loinc.org', code: '1-8' }] };

  it('fixed: the same and nothing more', async () => {
    const profile = profileOf('Observation', 'o', [{ path: 'Observation.code', fixedCodeableConcept: concept }]);
    assert.deepEqual(await against(profile, { ...observation, code: concept }), []);
    assert.deepEqual(await against(profile, { ...observation, code: { ...concept, text: 'x' } }), [
      'error fixed Observation.code',
    ]);
  });

  it('pattern: at least that, whatever stands around it', async () => {
    const profile = profileOf('Observation', 'o', [{ path: 'Observation.code', patternCodeableConcept: concept }]);
    const coding = [
      { system: 'http://example.org', code: 'a' },
      { system: 'http://loinc.org', code: '1-8', display: 'x' },
    ];
    assert.deepEqual(await against(profile, { ...observation, code: { coding, text: 'x' } }), []);
    assert.deepEqual(await against(profile, { ...observation, code: { coding: coding.slice(0, 1) } }), [
      'error pattern Observation.code',
    ]);
  });

  it('numbers by value, however they are written', async () => {
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.value[x]', patternQuantity: { value: 1.5 }, type: [{ code: 'Quantity' }] },
    ]);
    const value = (digits: string) => ({
      ...observation,
      valueQuantity: { value: rawJson(digits) as unknown as number },
    });
    assert.deepEqual(await against(profile, value('1.50')), []);
    assert.deepEqual(await against(profile, value('1.51')), ['error pattern Observation.valueQuantity']);
  });

  it('of a primitive that has only extensions', async () => {
    const profile = profileOf('Patient', 'p', [{ path: 'Patient.active', fixedBoolean: true }]);
    const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
    const patient = { resourceType: 'Patient', _active: { extension: [{ url, valueCode: 'unknown' }] } };
    assert.deepEqual(await against(profile, patient), ['error fixed Patient.active']);
  });
});

describe('limits of values', () => {
  it('of dates, by what both of them tell', async () => {
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.birthDate', minValueDate: '1950-06', maxValueDate: '2000' },
    ]);
    const of = (birthDate: string) => against(profile, { resourceType: 'Patient', birthDate });
    assert.deepEqual(await of('1950-06-01'), []);
    assert.deepEqual(await of('1950'), []);
    assert.deepEqual(await of('1950-05-31'), ['error min-value Patient.birthDate']);
    assert.deepEqual(await of('2000-12-31'), []);
    assert.deepEqual(await of('2001'), ['error max-value Patient.birthDate']);
  });

  it('of dates, relative to now', async () => {
    const quantity = { value: 100, code: 'a', system: 'http://unitsofmeasure.org' };
    const profile = profileOf('Patient', 'p', [{ path: 'Patient.birthDate', minValueQuantity: quantity }]);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', birthDate: '1926-02-01' }), []);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', birthDate: '1925-11-30' }), [
      'error min-value Patient.birthDate',
    ]);
  });

  it('of quantities, in units that have something in common', async () => {
    const limit = { value: 10, code: 'kg', system: 'http://unitsofmeasure.org' };
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.value[x]', type: [{ code: 'Quantity' }], maxValueQuantity: limit },
    ]);
    const of = (value: number, code: string) =>
      against(profile, { ...observation, valueQuantity: { ...limit, value, code } });
    assert.deepEqual(await of(10, 'kg'), []);
    assert.deepEqual(await of(11, 'kg'), ['error max-value Observation.valueQuantity']);
    assert.deepEqual(await of(11, 'g'), []);
    assert.deepEqual(await of(10_000, 'g'), []);
    assert.deepEqual(await of(10_001, 'g'), ['error max-value Observation.valueQuantity']);
    assert.deepEqual(await of(154_323.583_529_414, '[gr]'), []);
    assert.deepEqual(await of(11, 'cm'), []);
  });

  it('of lengths', async () => {
    const profile = profileOf('Patient', 'p', [{ path: 'Patient.name.text', maxLength: 3 }]);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', name: [{ text: 'abc' }] }), []);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', name: [{ text: 'abcd' }] }), [
      'error max-length Patient.name[0].text',
    ]);
    // Each of these is two units of JavaScript's texts.
    assert.deepEqual(await against(profile, { resourceType: 'Patient', name: [{ text: '𠮷𠮷𠮷' }] }), []);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', name: [{ text: '𠮷𠮷𠮷𠮷' }] }), [
      'error max-length Patient.name[0].text',
    ]);
  });
});

describe('invariants', () => {
  const constraint = (expression: string, severity = 'error') => [{ key: 'x-1', severity, human: 'it', expression }];

  it('of a profile, by severity', async () => {
    const profile = (severity: string) =>
      profileOf('Patient', 'p', [{ path: 'Patient', constraint: constraint('name.exists()', severity) }]);
    assert.deepEqual(await against(profile('error'), { resourceType: 'Patient' }), ['error x-1 Patient']);
    assert.deepEqual(await against(profile('warning'), { resourceType: 'Patient' }), ['warning x-1 Patient']);
    assert.deepEqual(await against(profile('error'), { resourceType: 'Patient', name: [{ text: 'x' }] }), []);
  });

  it('of a choice know the type of its value', async () => {
    const expression = '($this is dateTime) and $this.toString().length() >= 8';
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.effective[x]', constraint: constraint(expression) },
    ]);
    assert.deepEqual(await against(profile, { ...observation, effectiveDateTime: '2020-01-01' }), []);
    assert.deepEqual(await against(profile, { ...observation, effectiveInstant: '2020-01-01T00:00:00Z' }), [
      'error x-1 Observation.effectiveInstant',
    ]);
  });

  it('see the resource around them', async () => {
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.name', constraint: constraint('%resource.active = true') },
    ]);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', active: true, name: [{ text: 'x' }] }), []);
    assert.deepEqual(await against(profile, { resourceType: 'Patient', active: false, name: [{ text: 'x' }] }), [
      'error x-1 Patient.name[0]',
    ]);
  });
});

describe('mustSupport', () => {
  it('is told where asked, and only of what is absent', async () => {
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.name', mustSupport: true },
      { path: 'Patient.gender', mustSupport: true },
    ]);
    const validator = validatorWith(profile);
    const patient = { resourceType: 'Patient', gender: 'female' };
    const profiles = [profile.url as string];
    assert.deepEqual(await found(validator, patient, { profiles }), []);
    assert.deepEqual(await found(validator, patient, { profiles, mustSupport: true }), [
      'information must-support Patient.name',
    ]);
  });
});

describe('profiles of what may stand there', () => {
  it('count for any resource where they are those of Resource', async () => {
    const born = profileOf('Patient', 'born', [{ path: 'Patient.birthDate', min: 1 }]);
    const profile = profileOf('Bundle', 'b', [
      { path: 'Bundle.entry.resource', type: [{ code: 'Resource', profile: [String(born.url)] }] },
    ]);
    const bundle = (resource: JsonObject) => ({
      ...{ resourceType: 'Bundle', type: 'collection' },
      entry: [{ fullUrl: 'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10', resource }],
    });
    const of = (resource: JsonObject) => against(profile, bundle(resource), born);
    assert.deepEqual(await of({ resourceType: 'Patient', birthDate: '1980' }), []);
    assert.deepEqual(await of({ resourceType: 'Patient' }), [
      'error cardinality-min Bundle.entry[0].resource.birthDate',
    ]);
    assert.deepEqual(await of(observation), ['error profile-type Bundle.entry[0].resource']);
  });
});

describe('content references', () => {
  it('take the content of the profile, not only that of the type', async () => {
    const profile = profileOf('Questionnaire', 'q', [{ path: 'Questionnaire.item.text', min: 1 }]);
    const questionnaire = (item: JsonObject[]) => ({ resourceType: 'Questionnaire', status: 'draft', item });
    const nested = [
      {
        linkId: '1',
        type: 'group',
        text: 'x',
        item: [{ linkId: '2', type: 'group', item: [{ linkId: '3', type: 'string' }] }],
      },
    ];
    assert.deepEqual(await against(profile, questionnaire(nested)), [
      'error cardinality-min Questionnaire.item[0].item[0].text',
      'error cardinality-min Questionnaire.item[0].item[0].item[0].text',
    ]);
  });

  it('take that of the structure which they name', async () => {
    const url = `${base}/StructureDefinition/q`;
    const element = (path: string, more: JsonObject = {}) => ({ id: path, path, min: 0, max: '*', ...more });
    const profile = (structure: string) =>
      profileOf('Questionnaire', 'q', [], {
        snapshot: {
          element: [
            element('Questionnaire'),
            element('Questionnaire.item', { type: [{ code: 'BackboneElement' }] }),
            element('Questionnaire.item.text', { min: 1, max: '1', type: [{ code: 'string' }] }),
            element('Questionnaire.item.item', { contentReference: `${structure}#Questionnaire.item` }),
          ],
        },
      });
    const item = [{ linkId: '1', type: 'group', text: 'x', item: [{ linkId: '2', type: 'string' }] }];
    const questionnaire = { resourceType: 'Questionnaire', status: 'draft', item };
    const missing = ['error cardinality-min Questionnaire.item[0].item[0].text'];
    assert.deepEqual(await against(profile(''), questionnaire), missing);
    assert.deepEqual(await against(profile(url), questionnaire), missing);
    const own = 'http://hl7.org/fhir/StructureDefinition/Questionnaire';
    assert.deepEqual(await against(profile(own), questionnaire), []);
  });
});

describe('claims', () => {
  const profile = profileOf('Patient', 'p', [{ path: 'Patient.name', min: 1 }], { version: '2.0.0' });
  const url = `${base}/StructureDefinition/p`;
  const patient = (claim: unknown) => ({ resourceType: 'Patient', meta: { profile: claim as string[] } });

  it('of known profiles are held against the resource, of unknown ones told', async () => {
    const validator = validatorWith(profile);
    assert.deepEqual(await found(validator, patient([url])), ['error cardinality-min Patient.name']);
    assert.deepEqual(await found(validator, patient([`${url}|2.0.0`])), ['error cardinality-min Patient.name']);
    assert.deepEqual(await found(validator, patient([`${url}|1.0.0`])), ['warning profile-unknown Patient']);
    assert.deepEqual(await found(validator, patient([url]), { level: 'base' }), []);
    assert.deepEqual(await found(validator, patient([url]), { level: 'structure' }), []);
  });

  it('of resources within others count where they stand', async () => {
    const bundle = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ fullUrl: 'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10', resource: patient([url]) }],
    };
    assert.deepEqual(await found(validatorWith(profile), bundle), [
      'error cardinality-min Bundle.entry[0].resource.name',
    ]);
  });

  it('of a profile of another type are wrong', async () => {
    assert.deepEqual(await found(validatorWith(profile), { ...observation, meta: { profile: [url] } }), [
      'error profile-type Observation',
    ]);
  });

  it('that are no list are the structure check’s', async () => {
    assert.deepEqual(await found(validatorWith(profile), patient(url)), [
      'error structure-structure Patient.meta.profile',
    ]);
  });

  it('of profiles that go round in a circle end', async () => {
    const round = profileOf('Bundle', 'round', [
      { path: 'Bundle.entry.resource', type: [{ code: 'Bundle', profile: [`${base}/StructureDefinition/round`] }] },
      { path: 'Bundle.identifier', min: 1 },
    ]);
    let bundle: JsonObject = { resourceType: 'Bundle', type: 'collection' };
    for (let i = 0; i < 5; i++) bundle = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: bundle }] };
    const issues = await against(round, bundle);
    assert.equal(issues.filter((issue) => issue.startsWith('error cardinality-min')).length, 6);
  });
});

describe('a narrative', () => {
  const div = (text: string) => ({
    status: 'generated',
    div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>`,
  });
  const bad = '<p onclick="x()">x</p>';
  const composition = (text: string) => ({
    ...{ resourceType: 'Composition', status: 'final', type: { text: 'x' }, date: '2020', title: 'x' },
    author: [{ display: 'x' }],
    section: [{ title: 'x', text: div(text) }],
  });

  it('is checked wherever it stands, and told once', async () => {
    const validator = validatorWith();
    assert.deepEqual(await found(validator, composition('<p>x</p>')), []);
    const [told, ...others] = await found(validator, composition(bad));
    assert.match(told ?? '', /^error xhtml-\S+ Composition.section\[0\].text.div$/);
    assert.deepEqual(others, []);
    assert.deepEqual(await found(validator, composition(bad), { level: 'structure' }), [
      'error structure-value Composition.section[0].text.div',
    ]);
    assert.deepEqual(await found(validator, composition('\u0001')), [
      'error structure-value Composition.section[0].text.div',
    ]);
  });
});
