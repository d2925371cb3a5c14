// Which contained resource a reference names, in the index values of the container.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import type { Resource } from '../types.ts';
import { containedParam, containedTypes, createExtractor } from './contained.ts';
import { identifierParam } from './derived.ts';
import { familyPartsKey } from './family-parts.ts';
import { linkParam, placedParam, placesMax } from './places.ts';
import { parameters } from './search-testing.ts';
import type { IndexValue, SearchParam } from './types.ts';

const { resourceTypes } = await loadDefinitions();
const extract = createExtractor(parameters, { baseUrl: 'http://here' });

const param = (type: string, code: string): SearchParam => parameters.get(type, code)!;
const organization = (id: string, name: string, partOf?: string) => ({
  ...{ resourceType: 'Organization', id, name },
  ...(partOf && { partOf: { reference: partOf } }),
});
const valuesOf = (resource: object): IndexValue[] => extract(resource as Resource);

/** What links of the parameter there are: type and place. */
const linksOf = (values: IndexValue[], of: SearchParam): string[] =>
  values.flatMap((value) =>
    value.kind === 'token' && value.param.key === linkParam(of).key ? [`${value.code} ${value.system}`] : [],
  );
const textsOf = (values: IndexValue[], of: SearchParam): string[] =>
  values.flatMap((value) => (value.kind === 'string' && value.param.key === of.key ? [value.value] : []));

test('keys of places and links never meet others', () => {
  const names = new Map<number, string>();
  const note = (key: number, name: string) => {
    if (names.has(key)) assert.equal(names.get(key), name);
    names.set(key, name);
  };
  const places = Array.from({ length: placesMax }, (_, i) => i);
  for (const type of resourceTypes) {
    note(containedTypes(type).key, `${type} contains`);
    for (const each of parameters.list(type)) {
      const own = each.type === 'reference' ? [each, identifierParam(each)] : [each];
      for (const one of own) {
        const forms: [SearchParam, string][] = [
          ...([
            [one, 'own'],
            [containedParam(one), 'contained'],
          ] as [SearchParam, string][]),
          ...places.map((place): [SearchParam, string] => [placedParam(one, place), `place ${place}`]),
        ];
        for (const [form, what] of forms) {
          const name = `${one.resourceType}.${one.code} ${what}`;
          note(form.key, name);
          if (one.type === 'string') note(familyPartsKey(form), `${name} parts`);
          if (one === each && one.type === 'reference' && what !== 'contained')
            note(linkParam(form).key, `${name} link`);
        }
      }
    }
  }
  assert.ok(names.size > 60_000);
});

describe('values', () => {
  const name = param('Organization', 'name');
  const managing = param('Patient', 'organization');
  const practitioner = param('Patient', 'general-practitioner');

  test('are those of the contained resource that the reference names, by its number of its type', () => {
    const values = valuesOf({
      resourceType: 'Patient',
      contained: [
        { resourceType: 'Practitioner', id: 'p', name: [{ family: 'Doe' }] },
        organization('a', 'First'),
        organization('b', 'Second', '#a'),
        organization('c', 'Not named'),
      ],
      managingOrganization: { reference: '#b' },
      generalPractitioner: [{ reference: '#p' }, { reference: '#b' }, { reference: '#none' }, { reference: '#' }],
    });
    assert.deepEqual(linksOf(values, managing), ['Organization 1']);
    assert.deepEqual(linksOf(values, practitioner), ['Practitioner 0', 'Organization 1']);
    assert.deepEqual(linksOf(values, placedParam(param('Organization', 'partof'), 1)), ['Organization 0']);
    assert.deepEqual(
      [0, 1, 2, 3].map((place) => textsOf(values, placedParam(name, place))),
      [['First'], ['Second'], [], []],
    );
    assert.deepEqual(textsOf(values, placedParam(param('Practitioner', 'family'), 0)), ['Doe']);
    assert.equal(placedParam(name, 1), placedParam(name, 1));
    assert.equal(linkParam(managing), linkParam(managing));
  });

  test('of two with one id are those of the first; of the seventeenth of a type there is the link alone', () => {
    const many = Array.from({ length: placesMax + 1 }, (_, i) => organization(`o${i}`, `N${i}`));
    const patient = (contained: object[], reference: string) =>
      valuesOf({ resourceType: 'Patient', contained, managingOrganization: { reference } });
    assert.deepEqual(linksOf(patient(many, '#o15'), managing), ['Organization 15']);
    const last = patient(many, '#o16');
    assert.deepEqual(linksOf(last, managing), [`Organization ${placesMax}`]);
    assert.deepEqual(textsOf(last, placedParam(name, 16)), []);
    const twice = patient([organization('a', 'One'), organization('a', 'Two')], '#a');
    assert.deepEqual(linksOf(twice, managing), ['Organization 0']);
    assert.deepEqual(textsOf(twice, placedParam(name, 1)), []);
  });

  test('are there for canonical references, and for parameters that tell the type by resolve()', () => {
    const response = valuesOf({
      resourceType: 'QuestionnaireResponse',
      contained: [{ resourceType: 'Questionnaire', id: 'q', title: 'Asked' }],
      questionnaire: '#q',
    });
    assert.deepEqual(linksOf(response, param('QuestionnaireResponse', 'questionnaire')), ['Questionnaire 0']);
    assert.deepEqual(textsOf(response, placedParam(param('Questionnaire', 'title'), 0)), ['Asked']);
    const manager = param('EpisodeOfCare', 'care-manager');
    assert.deepEqual(
      [manager.expression, manager.sameAs],
      ['EpisodeOfCare.careManager.where(resolve() is Practitioner)', undefined],
    );
    const episode = (type: string) =>
      valuesOf({
        resourceType: 'EpisodeOfCare',
        contained: [{ resourceType: type, id: 'm' }],
        careManager: { reference: '#m' },
      });
    assert.deepEqual(linksOf(episode('Practitioner'), manager), ['Practitioner 0']);
    assert.deepEqual(linksOf(episode('PractitionerRole'), manager), []);
  });

  test('a resource without contained ones, or that names none of them, has no more than before', () => {
    const plain = { resourceType: 'Patient', managingOrganization: { reference: '#a' }, name: [{ family: '#a' }] };
    assert.equal(valuesOf(plain).filter((value) => value.param.contained).length, 0);
    const unnamed = valuesOf({ ...plain, managingOrganization: {}, contained: [organization('a', 'First')] });
    assert.deepEqual(linksOf(unnamed, managing), []);
    assert.deepEqual(textsOf(unnamed, placedParam(name, 0)), []);
  });

  test('what is no resource, or has no id, is passed over', () => {
    for (const contained of [
      null,
      5,
      {},
      [null],
      [5],
      [{}],
      [{ resourceType: 'Organization', id: 5 }],
      [{ resourceType: 'Organization' }],
    ]) {
      const values = valuesOf({
        resourceType: 'Patient',
        contained,
        managingOrganization: { reference: '#undefined' },
      });
      assert.deepEqual(linksOf(values, managing), []);
    }
    const strange = { resourceType: 'No/Type', id: 'x', partOf: { reference: '#x' } };
    const values = valuesOf({
      resourceType: 'Patient',
      contained: [strange],
      managingOrganization: { reference: '#x' },
    });
    assert.deepEqual(linksOf(values, managing), []);
  });
});
