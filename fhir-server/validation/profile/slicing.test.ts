// https://hl7.org/fhir/R4/profiling.html#slicing
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { against, extensionOf, profileOf } from '../testing.ts';

const slicing = (type: string, path: string, more: JsonObject = {}) => ({
  slicing: { discriminator: [{ type, path }], rules: 'open', ...more },
});
const patient = (identifier: JsonObject[]) => ({ resourceType: 'Patient', identifier });
const a = { system: 'http://example.org/a', value: '1' };
const b = { system: 'http://example.org/b', value: '2' };
const c = { system: 'http://example.org/c', value: '3' };

/** Patient.identifier with the slices a (1..1, with a value) and b (0..1). */
function identifiers(more: JsonObject = {}, extra: JsonObject[] = []): Resource {
  return profileOf('Patient', 'p', [
    { path: 'Patient.identifier', ...slicing('value', 'system', more) },
    { id: 'Patient.identifier:a', path: 'Patient.identifier', sliceName: 'a', min: 1, max: '1' },
    { id: 'Patient.identifier:a.system', path: 'Patient.identifier.system', min: 1, fixedUri: a.system },
    { id: 'Patient.identifier:a.value', path: 'Patient.identifier.value', min: 1 },
    { id: 'Patient.identifier:b', path: 'Patient.identifier', sliceName: 'b', max: '1' },
    { id: 'Patient.identifier:b.system', path: 'Patient.identifier.system', min: 1, patternUri: b.system },
    ...extra,
  ]);
}

describe('slicing by value', () => {
  it('asks of each slice what it asks, and nothing of what is of none', async () => {
    const profile = identifiers();
    assert.deepEqual(await against(profile, patient([c, a, b])), []);
    assert.deepEqual(await against(profile, patient([c])), ['error cardinality-min Patient.identifier']);
    assert.deepEqual(await against(profile, patient([{ system: a.system }])), [
      'error cardinality-min Patient.identifier[0].value',
    ]);
    assert.deepEqual(await against(profile, patient([a, b, b])), ['error cardinality-max Patient.identifier']);
  });

  it('closed: everything is of a slice', async () => {
    const profile = identifiers({ rules: 'closed' });
    assert.deepEqual(await against(profile, patient([a, b])), []);
    assert.deepEqual(await against(profile, patient([a, c])), ['error slice-unmatched Patient.identifier[1]']);
  });

  it('openAtEnd: what is of no slice stands last', async () => {
    const profile = identifiers({ rules: 'openAtEnd' });
    assert.deepEqual(await against(profile, patient([a, b, c])), []);
    assert.deepEqual(await against(profile, patient([a, c, b])), ['error slice-order Patient.identifier[2]']);
  });

  it('ordered: as the profile has them', async () => {
    const profile = identifiers({ ordered: true });
    assert.deepEqual(await against(profile, patient([a, c, b])), []);
    assert.deepEqual(await against(profile, patient([b, a])), ['error slice-order Patient.identifier[1]']);
  });

  it('@default takes what is of no other', async () => {
    const profile = identifiers({ rules: 'closed' }, [
      { id: 'Patient.identifier:@default', path: 'Patient.identifier', sliceName: '@default', max: '1' },
      { id: 'Patient.identifier:@default.use', path: 'Patient.identifier.use', min: 1 },
    ]);
    assert.deepEqual(await against(profile, patient([a, { ...c, use: 'old' }])), []);
    assert.deepEqual(await against(profile, patient([a, c])), ['error cardinality-min Patient.identifier[1].use']);
  });

  it('reslicing: slices of a slice', async () => {
    const reslice = (name: string, use: string, max: string) => [
      { id: `Patient.identifier:b/${name}`, path: 'Patient.identifier', sliceName: `b/${name}`, max },
      { id: `Patient.identifier:b/${name}.use`, path: 'Patient.identifier.use', min: 1, fixedCode: use },
    ];
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.identifier', ...slicing('value', 'system') },
      {
        id: 'Patient.identifier:b',
        path: 'Patient.identifier',
        sliceName: 'b',
        ...slicing('value', 'use', { rules: 'closed' }),
      },
      { id: 'Patient.identifier:b.system', path: 'Patient.identifier.system', min: 1, fixedUri: b.system },
      ...reslice('old', 'old', '*'),
      ...reslice('usual', 'usual', '1'),
    ]);
    const usual = { ...b, use: 'usual' };
    assert.deepEqual(await against(profile, patient([a, usual, { ...b, use: 'old' }, { ...b, use: 'old' }])), []);
    assert.deepEqual(await against(profile, patient([usual, usual])), ['error cardinality-max Patient.identifier']);
    assert.deepEqual(await against(profile, patient([{ ...b, use: 'temp' }])), [
      'error slice-unmatched Patient.identifier[0]',
    ]);
  });

  it('deep: a fixed code in the codings of a slice', async () => {
    const path = 'Observation.component';
    const profile = profileOf('Observation', 'o', [
      { path, ...slicing('value', 'code') },
      { id: `${path}:x`, path, sliceName: 'x', min: 1, max: '1' },
      { id: `${path}:x.code.coding`, path: `${path}.code.coding`, ...slicing('value', 'code') },
      { id: `${path}:x.code.coding:k`, path: `${path}.code.coding`, sliceName: 'k', min: 1, max: '1' },
      { id: `${path}:x.code.coding:k.code`, path: `${path}.code.coding.code`, min: 1, fixedCode: 'k' },
    ]);
    const component = (...codes: string[]) => ({
      code: { coding: codes.map((code) => ({ system: 'http://example.org', code })) },
      valueString: 'x',
    });
    const observation = (...component: JsonObject[]) => ({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      component,
    });
    assert.deepEqual(await against(profile, observation(component('a'), component('b', 'k'))), []);
    assert.deepEqual(await against(profile, observation(component('a'))), [
      'error cardinality-min Observation.component',
    ]);
  });

  it('by a required binding', async () => {
    const profile = profileOf('Patient', 'p', [
      { path: 'Patient.telecom', ...slicing('value', 'use', { rules: 'closed' }) },
      { id: 'Patient.telecom:x', path: 'Patient.telecom', sliceName: 'x' },
      {
        id: 'Patient.telecom:x.use',
        path: 'Patient.telecom.use',
        min: 1,
        binding: { strength: 'required', valueSet: 'http://example.org/fhir/ValueSet/uses' },
      },
    ]);
    const uses = {
      resourceType: 'ValueSet',
      url: 'http://example.org/fhir/ValueSet/uses',
      compose: { include: [{ system: 'http://hl7.org/fhir/contact-point-use', concept: [{ code: 'work' }] }] },
    };
    const telecom = (use: string) => ({ resourceType: 'Patient', telecom: [{ system: 'phone', value: '1', use }] });
    assert.deepEqual(await against(profile, telecom('work'), uses), []);
    assert.deepEqual(await against(profile, telecom('home'), uses), ['error slice-unmatched Patient.telecom[0]']);
  });

  it('told where an element is of several slices', async () => {
    const profile = identifiers({}, [
      { id: 'Patient.identifier:c', path: 'Patient.identifier', sliceName: 'c' },
      { id: 'Patient.identifier:c.system', path: 'Patient.identifier.system', min: 1, fixedUri: a.system },
    ]);
    assert.deepEqual(await against(profile, patient([a])), ['error slice-several Patient.identifier[0]']);
  });
});

describe('slicing by', () => {
  const observation = (more: JsonObject) => ({
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    ...more,
  });

  it('pattern', async () => {
    const path = 'Observation.category';
    const profile = profileOf('Observation', 'o', [
      { path, ...slicing('pattern', '$this') },
      {
        id: `${path}:x`,
        path,
        sliceName: 'x',
        min: 1,
        patternCodeableConcept: { coding: [{ code: 'x', system: 'urn:s' }] },
      },
    ]);
    const coding = (code: string) => ({ coding: [{ system: 'urn:s', code, display: 'y' }] });
    assert.deepEqual(await against(profile, observation({ category: [coding('z'), coding('x')] })), []);
    assert.deepEqual(await against(profile, observation({ category: [coding('z')] })), [
      'error cardinality-min Observation.category',
    ]);
  });

  it('type, of a choice', async () => {
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.value[x]', ...slicing('type', '$this', { rules: 'closed' }) },
      {
        id: 'Observation.value[x]:valueQuantity',
        path: 'Observation.value[x]',
        sliceName: 'valueQuantity',
        type: [{ code: 'Quantity' }],
      },
      { id: 'Observation.value[x]:valueQuantity.unit', path: 'Observation.value[x].unit', min: 1 },
    ]);
    assert.deepEqual(await against(profile, observation({ valueQuantity: { value: 1, unit: 'x' } })), []);
    assert.deepEqual(await against(profile, observation({ valueQuantity: { value: 1 } })), [
      'error cardinality-min Observation.valueQuantity.unit',
    ]);
    assert.deepEqual(await against(profile, observation({ valueString: 'x' })), [
      'error slice-unmatched Observation.valueString',
    ]);
  });

  it('type, of a reference’s target', async () => {
    const path = 'Observation.performer';
    const target = (type: string) => [
      { code: 'Reference', targetProfile: [`http://hl7.org/fhir/StructureDefinition/${type}`] },
    ];
    const profile = profileOf('Observation', 'o', [
      { path, ...slicing('type', '$this.resolve()') },
      { id: `${path}:who`, path, sliceName: 'who', min: 1, type: target('Practitioner') },
    ]);
    assert.deepEqual(await against(profile, observation({ performer: [{ reference: 'Practitioner/1' }] })), []);
    assert.deepEqual(await against(profile, observation({ performer: [{ reference: 'Organization/1' }] })), [
      'error cardinality-min Observation.performer',
    ]);
  });

  it('exists', async () => {
    const path = 'Patient.identifier';
    const profile = profileOf('Patient', 'p', [
      { path, ...slicing('exists', 'period') },
      { id: `${path}:dated`, path, sliceName: 'dated', max: '1' },
      { id: `${path}:dated.period`, path: `${path}.period`, min: 1 },
      { id: `${path}:undated`, path, sliceName: 'undated', min: 1 },
      { id: `${path}:undated.period`, path: `${path}.period`, max: '0' },
    ]);
    const dated = { ...a, period: { start: '2020' } };
    assert.deepEqual(await against(profile, patient([dated, b])), []);
    assert.deepEqual(await against(profile, patient([dated])), ['error cardinality-min Patient.identifier']);
    assert.deepEqual(await against(profile, patient([b, dated, dated])), ['error cardinality-max Patient.identifier']);
  });

  it('profile, of a reference’s target', async () => {
    const named = profileOf('Patient', 'named', [{ path: 'Patient.name', min: 1 }]);
    const path = 'List.entry';
    const profile = profileOf('List', 'l', [
      { path, ...slicing('profile', 'item.resolve()') },
      { id: `${path}:named`, path, sliceName: 'named', min: 1 },
      { id: `${path}:named.item`, path: `${path}.item`, type: [{ code: 'Reference', targetProfile: [named.url!] }] },
    ]);
    const list = (contained: JsonObject) => ({
      ...{ resourceType: 'List', status: 'current', mode: 'working' },
      contained: [{ resourceType: 'Patient', id: 'x', ...contained }],
      entry: [{ item: { reference: '#x' } }],
    });
    assert.deepEqual(await against(profile, list({ name: [{ text: 'x' }] }), named), []);
    assert.deepEqual(await against(profile, list({}), named), ['error cardinality-min List.entry']);
  });

  it('profile, which itself names others that have to be loaded', async () => {
    const path = 'List.entry';
    const listed = async (element: JsonObject, content: JsonObject, ...others: Resource[]) => {
      const named = profileOf('Patient', 'named', [element]);
      const profile = profileOf('List', 'l', [
        { path, ...slicing('profile', 'item.resolve()', { rules: 'closed' }) },
        { id: `${path}:named`, path, sliceName: 'named', min: 1 },
        { id: `${path}:named.item`, path: `${path}.item`, type: [{ code: 'Reference', targetProfile: [named.url!] }] },
      ]);
      const list = {
        ...{ resourceType: 'List', status: 'current', mode: 'working' },
        contained: [{ resourceType: 'Patient', id: 'x', ...content }],
        entry: [{ item: { reference: '#x' } }],
      };
      return against(profile, list, named, ...others);
    };
    const none = ['error cardinality-min List.entry', 'error slice-unmatched List.entry[0]'];
    const extension = extensionOf('kind', 'code');
    const only: Resource = {
      ...profileOf('Extension', 'kind-x', [{ path: 'Extension.value[x]', fixedCode: 'x' }]),
      ...{ baseDefinition: extension.url!, context: [{ type: 'element', expression: 'Patient' }] },
    };
    const slice = { id: 'Patient.extension:kind', path: 'Patient.extension', sliceName: 'kind', min: 1, max: '1' };
    const element = { ...slice, type: [{ code: 'Extension', profile: [only.url!] }] };
    const kind = (valueCode: string) => ({ extension: [{ url: extension.url!, valueCode }] });
    assert.deepEqual(await listed(element, kind('x'), extension, only), []);
    assert.deepEqual((await listed(element, kind('y'), extension, only)).toSorted(), none);
    const organization = profileOf('Organization', 'org', [{ path: 'Organization.name', min: 1 }]);
    const target = [{ code: 'Reference', targetProfile: [organization.url!] }];
    const managed = { path: 'Patient.managingOrganization', min: 1, type: target };
    const by = (type: string) => ({ managingOrganization: { reference: `${type}/1` } });
    assert.deepEqual(await listed(managed, by('Organization'), organization), []);
    assert.deepEqual((await listed(managed, {}, organization)).toSorted(), none);
  });

  it('value of an extension in it', async () => {
    const kind = extensionOf('kind', 'code', { context: [{ type: 'element', expression: 'Identifier' }] });
    const path = 'Patient.identifier';
    const profile = profileOf('Patient', 'p', [
      { path, ...slicing('value', `extension('${kind.url}').value`) },
      { id: `${path}:x`, path, sliceName: 'x', min: 1 },
      {
        id: `${path}:x.extension:kind`,
        path: `${path}.extension`,
        sliceName: 'kind',
        min: 1,
        type: [{ code: 'Extension', profile: [kind.url!] }],
      },
      {
        id: `${path}:x.extension:kind.value[x]`,
        path: `${path}.extension.value[x]`,
        min: 1,
        fixedCode: 'x',
        type: [{ code: 'code' }],
      },
    ]);
    const of = (valueCode: string) => patient([{ ...a, extension: [{ url: kind.url!, valueCode }] }]);
    assert.deepEqual(await against(profile, of('x'), kind), []);
    assert.deepEqual(await against(profile, of('y'), kind), ['error cardinality-min Patient.identifier']);
  });

  it('nothing that can be evaluated: neither counts nor refuses', async () => {
    const path = 'Patient.identifier';
    const profile = profileOf('Patient', 'p', [
      { path, ...slicing('value', 'value', { rules: 'closed' }) },
      { id: `${path}:x`, path, sliceName: 'x', min: 1 },
    ]);
    assert.deepEqual(await against(profile, patient([a])), []);
  });
});
