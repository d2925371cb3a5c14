// What a snapshot is made of: https://hl7.org/fhir/R4/profiling.html#snapshot
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generateSnapshot } from './generate.ts';
import { extension, findAmong, keysOf, made, profile, profileUrl, r4, r4Url, typesOf } from './testing.ts';
import type { StructureDefinition } from './types.ts';

describe('a profile without slices', () => {
  test('an empty differential: the base as it is, below the same ids', async () => {
    const patient = (await r4(r4Url('Patient'))) as StructureDefinition;
    const { ids, told } = await made(profile('empty', 'Patient', []));
    assert.deepEqual(
      ids,
      patient.snapshot?.element.map(({ id }) => id),
    );
    assert.deepEqual(told, []);
  });

  test('cardinality, flags, binding, fixed values and texts stand over the base, the rest stays', async () => {
    const { at, told } = await made(
      profile('one', 'Patient', [
        { path: 'Patient', short: 'A person' },
        { path: 'Patient.name', min: 1, max: '3', mustSupport: true },
        { path: 'Patient.gender', binding: { strength: 'required', valueSet: 'http://test.example/vs' } },
        { path: 'Patient.active', fixedBoolean: true, comment: '...And more.', alias: ['Live'] },
      ]),
    );
    assert.equal(at('Patient').short, 'A person');
    const { min, max, mustSupport, base, short } = at('Patient.name');
    assert.deepEqual(
      { min, max, mustSupport, base, short },
      {
        ...{ min: 1, max: '3', mustSupport: true, short: 'A name associated with the patient' },
        base: { path: 'Patient.name', min: 0, max: '*' },
      },
    );
    assert.equal(at('Patient.gender').binding?.valueSet, 'http://test.example/vs');
    const active = at('Patient.active');
    assert.equal(active.fixedBoolean, true);
    assert.equal(active.isModifier, true);
    assert.match(String(active.comment), /^If a record is inactive.*\nAnd more\.$/s);
    assert.deepEqual(active.alias, ['Live']);
    assert.deepEqual(told, []);
  });

  test('aliases, conditions and mappings accumulate; the same is not there twice', async () => {
    const mapping = { identity: 'w5', map: 'FiveWs.status' };
    const { at } = await made(
      profile('mapped', 'Patient', [
        { path: 'Patient.active', mapping: [mapping, { identity: 'x', map: 'y' }], condition: ['t-1'] },
      ]),
    );
    const active = at('Patient.active');
    assert.deepEqual((active.mapping as { identity: string }[]).map(({ identity }) => identity).sort(), [
      'cda',
      'rim',
      'w5',
      'x',
    ]);
    assert.deepEqual(active.condition, ['t-1']);
  });

  test('constraints accumulate with their source; one that is said again by key replaces the former in its place', async () => {
    const { at } = await made(
      profile('ruled', 'Patient', [
        { path: 'Patient', constraint: [{ key: 'dom-6', severity: 'error', human: 'Needs text' }, { key: 't-1' }] },
      ]),
    );
    const root = at('Patient');
    assert.deepEqual(keysOf(root), ['dom-2', 'dom-3', 'dom-4', 'dom-5', 'dom-6', 't-1']);
    const [dom2, , , , dom6, t1] = root.constraint ?? [];
    assert.deepEqual([dom6?.severity, dom6?.source], ['error', profileUrl('ruled')]);
    assert.deepEqual([dom2?.source, t1?.source], [r4Url('DomainResource'), profileUrl('ruled')]);
  });

  test("what the mappings are to is told, the base's too", async () => {
    const own = { identity: 'x', uri: 'urn:x' };
    const base = profile('mapped', 'Patient', [], { mapping: [own, { identity: 'rim', uri: 'urn:other' }] });
    const { definition } = await generateSnapshot(
      profile('further', 'Patient', [], { baseDefinition: base.url }),
      findAmong([base]),
    );
    const mapping = definition?.mapping as { identity: string; uri: string }[];
    assert.deepEqual(mapping.map(({ identity }) => identity).sort(), ['cda', 'loinc', 'rim', 'v2', 'w5', 'x']);
    assert.equal(mapping.find(({ identity }) => identity === 'rim')?.uri, 'urn:other');
  });

  test('max 0 leaves the element in place', async () => {
    const { at, ids } = await made(profile('none', 'Patient', [{ path: 'Patient.photo', max: '0' }]));
    assert.equal(at('Patient.photo').max, '0');
    assert.equal(ids.indexOf('Patient.photo') + 1, ids.indexOf('Patient.contact'));
  });

  test('what the base says of its own standing is not inherited', async () => {
    const status = { url: r4Url('structuredefinition-standards-status'), valueCode: 'normative' };
    const other = { url: 'http://test.example/other', valueCode: 'x' };
    const base = profile('marked', 'Patient', [{ path: 'Patient.name', extension: [status, other] }]);
    assert.deepEqual((await made(base)).at('Patient.name').extension, [status, other]);
    const derived = profile('unmarked', 'Patient', [], { baseDefinition: base.url });
    assert.deepEqual((await made(derived, [base])).at('Patient.name').extension, [other]);
  });
});

describe('walking into what the base does not list', () => {
  test('a data type: all of its elements, those of the differential changed', async () => {
    const { ids, at, told } = await made(
      profile('family', 'Patient', [{ path: 'Patient.name.family', min: 1, mustSupport: true }]),
    );
    assert.deepEqual(
      ids.filter((id) => id.startsWith('Patient.name')),
      ['', '.id', '.extension', '.use', '.text', '.family', '.given', '.prefix', '.suffix', '.period'].map(
        (end) => `Patient.name${end}`,
      ),
    );
    const { min, base } = at('Patient.name.family');
    assert.deepEqual({ min, base }, { min: 1, base: { path: 'HumanName.family', min: 0, max: '1' } });
    assert.deepEqual(told, []);
  });

  test('several steps at once', async () => {
    const { at } = await made(
      profile('deep', 'Patient', [{ path: 'Patient.contact.relationship.coding.system', fixedUri: 'urn:x' }]),
    );
    assert.equal(at('Patient.contact.relationship.coding.system').fixedUri, 'urn:x');
    assert.equal(at('Patient.contact.relationship.coding').max, '*');
  });

  test('a profiled type: the elements of the profile', async () => {
    const name = profile('named', 'HumanName', [{ path: 'HumanName.family', min: 1 }], { kind: 'complex-type' });
    const { at, told } = await made(
      profile('usesNamed', 'Patient', [
        { path: 'Patient.name', type: [{ code: 'HumanName', profile: [name.url] }] },
        { path: 'Patient.name.given', min: 1 },
      ]),
      [name],
    );
    assert.equal(at('Patient.name.family').min, 1);
    assert.equal(at('Patient.name.given').min, 1);
    assert.deepEqual(told, []);
  });

  test('a choice narrowed to one type; two types have only what all elements have', async () => {
    const { at } = await made(
      profile('quantity', 'Observation', [
        { path: 'Observation.value[x]', type: [{ code: 'Quantity' }] },
        { path: 'Observation.value[x].code', min: 1 },
      ]),
    );
    assert.equal(at('Observation.value[x].code').min, 1);
    const both = await made(
      profile('both', 'Observation', [
        { path: 'Observation.value[x]', type: [{ code: 'Quantity' }, { code: 'string' }] },
        { path: 'Observation.value[x].extension', max: '0' },
      ]),
    );
    assert.deepEqual(
      both.ids.filter((id) => id.startsWith('Observation.value[x].')),
      ['Observation.value[x].id', 'Observation.value[x].extension'],
    );
    assert.deepEqual(both.told, []);
  });

  test('a resource within a resource', async () => {
    const { at, told } = await made(
      profile('bundled', 'Bundle', [
        { path: 'Bundle.entry.resource', type: [{ code: 'Patient' }] },
        { path: 'Bundle.entry.resource.name', min: 1 },
      ]),
    );
    assert.equal(at('Bundle.entry.resource.name').min, 1);
    assert.deepEqual(told, []);
  });

  test('a content reference: the elements that it means, as often as the differential goes on', async () => {
    const { at, told } = await made(
      profile('items', 'Questionnaire', [{ path: 'Questionnaire.item.item.item.linkId', short: 'Third' }]),
    );
    assert.equal(at('Questionnaire.item.item.item.linkId').short, 'Third');
    assert.equal(at('Questionnaire.item.item.item.item').contentReference, '#Questionnaire.item');
    const second = at('Questionnaire.item.item');
    assert.equal(second.contentReference, undefined);
    assert.deepEqual(typesOf(second), ['BackboneElement']);
    assert.deepEqual(told, []);
  });

  test('a content reference is of the structure that it stands in, also below another', async () => {
    const { at, told } = await made(
      profile('packed', 'Bundle', [
        { path: 'Bundle.entry.resource', type: [{ code: 'Questionnaire' }] },
        { path: 'Bundle.entry.resource.item.item.text', min: 1 },
      ]),
    );
    assert.equal(at('Bundle.entry.resource.item.item.text').min, 1);
    assert.deepEqual(told, []);
  });
});

describe('derivation', () => {
  test('a profile of a profile of a profile, none of which has a snapshot', async () => {
    const first = profile('first', 'Patient', [{ path: 'Patient.name', min: 1, constraint: [{ key: 'a-1' }] }]);
    const second = profile('second', 'Patient', [{ path: 'Patient.name.family', min: 1 }], {
      baseDefinition: first.url,
    });
    const third = profile('third', 'Patient', [{ path: 'Patient.name', max: '1' }], { baseDefinition: second.url });
    const { at, told } = await made(third, [first, second]);
    const { min, max, constraint } = at('Patient.name');
    assert.deepEqual([min, max, constraint?.at(-1)?.source], [1, '1', first.url]);
    assert.equal(at('Patient.name.family').min, 1);
    assert.deepEqual(told, []);
  });

  test('with |version, and by a snapshot of its own where it has one', async () => {
    const first = profile('v', 'Patient', [{ path: 'Patient.name', min: 1 }], {
      snapshot: {
        element: [
          { id: 'Patient', path: 'Patient' },
          { path: 'Patient.name', min: 0, max: '7' },
        ],
      },
    });
    const { ids, at } = await made(profile('w', 'Patient', [], { baseDefinition: `${first.url}|1.0.0` }), [first]);
    assert.deepEqual(ids, ['Patient', 'Patient.name']);
    assert.equal(at('Patient.name').max, '7');
  });

  test('another version of itself', async () => {
    const first = profile('same', 'Patient', [{ path: 'Patient.name', min: 1 }], { version: '1.0.0' });
    const second = profile('same', 'Patient', [{ path: 'Patient.gender', min: 1 }], {
      ...{ version: '2.0.0', baseDefinition: `${first.url}|1.0.0` },
    });
    const { at, told } = await made(second, [first]);
    assert.deepEqual([at('Patient.name').min, at('Patient.gender').min], [1, 1]);
    assert.deepEqual(told, []);
  });

  test('a type of its own: its elements after those of the base, with what holds of every element', async () => {
    const { ids, at, told } = await made(
      profile(
        'Pet',
        'Pet',
        [
          { path: 'Pet', short: 'An animal', max: '*' },
          { path: 'Pet.chip', min: 0, max: '1', type: [{ code: 'Identifier' }] },
          { path: 'Pet.owner', min: 1, max: '*', type: [{ code: 'BackboneElement' }] },
          { path: 'Pet.owner.name', min: 1, max: '1', type: [{ code: 'HumanName' }] },
        ],
        { derivation: 'specialization', kind: 'logical', baseDefinition: r4Url('Element') },
      ),
    );
    assert.deepEqual(ids, [
      ...['Pet', 'Pet.id', 'Pet.extension', 'Pet.chip', 'Pet.owner', 'Pet.owner.id'],
      ...['Pet.owner.extension', 'Pet.owner.modifierExtension', 'Pet.owner.name'],
    ]);
    assert.deepEqual(at('Pet.chip').base, { path: 'Pet.chip', min: 0, max: '1' });
    assert.deepEqual(at('Pet').base, { path: 'Pet', min: 0, max: '*' });
    assert.deepEqual(keysOf(at('Pet.owner.name')), ['ele-1']);
    assert.deepEqual(told, []);
  });

  test('a type without a base stands on its own, and can be constrained', async () => {
    const model = profile(
      'Thing',
      'http://test.example/Thing',
      [
        { path: 'Thing', min: 0, max: '*' },
        { path: 'Thing.part', min: 0, max: '*', type: [{ code: 'string' }] },
      ],
      { derivation: 'specialization', kind: 'logical', abstract: true },
    );
    const { baseDefinition: _, ...alone } = model;
    assert.deepEqual((await made(alone as StructureDefinition)).ids, ['Thing', 'Thing.part']);
    const rootless = { ...alone, differential: { element: [{ path: 'Thing.part', type: [{ code: 'string' }] }] } };
    assert.deepEqual((await made(rootless as StructureDefinition)).ids, ['Thing', 'Thing.part']);
    assert.deepEqual((await made({ ...alone, differential: { element: [] } } as StructureDefinition)).ids, ['Thing']);
    const few = profile('Few', 'http://test.example/Thing', [{ path: 'Thing.part', max: '2' }], {
      baseDefinition: model.url,
    });
    const { at, told } = await made(few, [alone as StructureDefinition]);
    assert.equal(at('Thing.part').max, '2');
    assert.deepEqual(told, []);
  });
});

describe('types', () => {
  test('of a choice, and targets of a reference, are narrowed', async () => {
    const group = profile('group', 'Group', []);
    const { at, told } = await made(
      profile('narrow', 'Observation', [
        { path: 'Observation.effective[x]', type: [{ code: 'dateTime' }, { code: 'Period' }] },
        { path: 'Observation.subject', type: [{ code: 'Reference', targetProfile: [r4Url('Patient'), group.url] }] },
      ]),
      [group],
    );
    assert.deepEqual(typesOf(at('Observation.effective[x]')), ['dateTime', 'Period']);
    assert.deepEqual(at('Observation.subject').type?.[0]?.targetProfile, [r4Url('Patient'), group.url]);
    assert.deepEqual(told, []);
  });

  test('an extension says what its definition says: texts, rules, how often', async () => {
    const trust = extension('trust', 'code', []);
    trust.differential!.element[0]!.constraint = [{ key: 'tr-1', severity: 'error', human: 'x' }];
    const { at, told } = await made(
      profile('extended', 'Patient', [
        { path: 'Patient.extension', sliceName: 'trust', type: [{ code: 'Extension', profile: [trust.url] }] },
      ]),
      [trust],
    );
    const slice = at('Patient.extension:trust');
    assert.deepEqual([slice.short, slice.min, slice.max], ['The trust', 0, '1']);
    assert.deepEqual(keysOf(slice), ['ele-1', 'ext-1', 'tr-1']);
    assert.equal(slice.constraint?.at(-1)?.source, trust.url);
    assert.deepEqual(told, []);
  });
});
