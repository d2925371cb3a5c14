import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Issue, loadDefinitions, type Resource } from '#fhir-model';
import { createStructureValidator } from './structure.ts';

const validator = createStructureValidator(await loadDefinitions());

/** `code expression: diagnostics` of each issue; the diagnostics begin with the expression. */
function faults(resource: unknown): string[] {
  const issues: Issue[] = validator.validate(resource as Resource);
  return issues.map(({ severity, code, diagnostics, expression }) => {
    assert.equal(severity, 'error');
    assert.equal(expression?.length, 1);
    assert.ok(diagnostics.startsWith(`${expression?.[0]}: `), diagnostics);
    return `${code} ${diagnostics}`;
  });
}

const patient = (content: object) => ({ resourceType: 'Patient', ...content });
const code = { text: 'Potassium' };
const observation = (content: object) => ({ resourceType: 'Observation', status: 'final', code, ...content });

const cases: [string, unknown, string[]][] = [
  ['a resource of nothing but its type', patient({}), []],
  [
    'an unknown element',
    patient({ nickname: 'Bo' }),
    ['structure Patient.nickname: Patient has no element of this name'],
  ],
  [
    'an unknown nested element',
    patient({ contact: [{}, { nom: 'x' }] }),
    [
      'structure Patient.contact[0]: an object must not be empty',
      'structure Patient.contact[1].nom: Patient.contact has no element of this name',
    ],
  ],
  [
    'an unknown companion',
    patient({ _name: [{ id: 'x', extension: [{ url: 'u', valueString: 'v' }] }] }),
    ['structure Patient._name: Patient has no element of this name'],
  ],
  [
    'a companion where none can be',
    { resourceType: 'Basic', code, extension: [{ url: 'u', _url: { id: 'a' }, _id: { id: 'a' }, valueString: 'x' }] },
    [
      'structure Basic.extension[0]._url: Extension has no element of this name',
      'structure Basic.extension[0]._id: Extension has no element of this name',
    ],
  ],
  ['a missing element', { resourceType: 'Observation', status: 'final' }, ['required Observation.code: required']],
  [
    'a required primitive with only extensions',
    { resourceType: 'Observation', code, _status: { extension: [{ url: 'u', valueCode: 'unknown' }] } },
    [],
  ],
  [
    'a missing choice',
    { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject: { reference: 'Patient/1' } },
    ['required MedicationRequest.medication[x]: required, as one of medicationCodeableConcept, medicationReference'],
  ],
  [
    'two of a choice',
    observation({ valueString: 'x', valueQuantity: { value: 1 } }),
    ['structure Observation: only one of value[x] may be present, found valueQuantity, valueString'],
  ],
  [
    'two of a choice, the other order',
    observation({ valueQuantity: { value: 1 }, valueString: 'x' }),
    ['structure Observation: only one of value[x] may be present, found valueQuantity, valueString'],
  ],
  [
    'two of a choice, one by its companion',
    observation({ valueString: 'x', _valueBoolean: { extension: [{ url: 'u', valueString: 'v' }] } }),
    ['structure Observation: only one of value[x] may be present, found valueString, valueBoolean'],
  ],
  [
    'one of a choice and its own companion',
    observation({ valueString: 'x', _valueString: { id: 'a', extension: [{ url: 'u', valueString: 'v' }] } }),
    [],
  ],
  [
    'a choice of a type it does not have',
    observation({ valueAddress: {} }),
    ['structure Observation.valueAddress: Observation has no element of this name'],
  ],
  [
    'a single value for an array',
    patient({ name: { family: 'Test' } }),
    ['structure Patient.name: must be an array, found an object'],
  ],
  [
    'an array for a single value',
    patient({ gender: ['male'] }),
    ['structure Patient.gender: must be a single value, found an array'],
  ],
  [
    'arrays in arrays',
    patient({ name: [[{ family: 'Test' }]] }),
    ['structure Patient.name[0]: must be an object (HumanName), found an array'],
  ],
  ['an empty array', patient({ name: [] }), ['structure Patient.name: an array must not be empty']],
  ['an empty object', patient({ maritalStatus: {} }), ['structure Patient.maritalStatus: an object must not be empty']],
  ['an empty string', patient({ name: [{ family: '' }] }), ['value Patient.name[0].family: must not be empty']],
  [
    'null',
    patient({ gender: null, maritalStatus: null, name: [null], contact: null }),
    [
      'structure Patient.gender: null is not allowed',
      'structure Patient.maritalStatus: null is not allowed',
      'structure Patient.name[0]: null is not allowed',
      'structure Patient.contact: must be an array, found null',
    ],
  ],
  [
    'nulls that pair',
    patient({ name: [{ given: ['A', null], _given: [null, { extension: [{ url: 'u', valueString: 'v' }] }] }] }),
    [],
  ],
  [
    'nulls that do not pair',
    patient({ name: [{ given: ['A', null, null], _given: [null, null] }] }),
    [
      'structure Patient.name[0].given[1]: null needs a counterpart in _given',
      'structure Patient.name[0].given[2]: null needs a counterpart in _given',
      'structure Patient.name[0]._given[1]: null needs a counterpart in given',
    ],
  ],
  [
    'a companion of the wrong form',
    patient({ birthDate: '1970-01-01', _birthDate: 'x', name: [{ _given: { id: 'a' } }] }),
    [
      'structure Patient._birthDate: must be an object (Element), found a string',
      'structure Patient.name[0]._given: must be an array, found an object',
    ],
  ],
  [
    'wrong JSON types',
    patient({
      active: 'true',
      multipleBirthInteger: '1',
      gender: 1,
      name: ['Test'],
      maritalStatus: 'M',
      birthDate: {},
    }),
    [
      'structure Patient.active: must be a boolean (boolean), found a string',
      'structure Patient.multipleBirthInteger: must be a number (integer), found a string',
      'structure Patient.gender: must be a string (code), found a number',
      'structure Patient.name[0]: must be an object (HumanName), found a string',
      'structure Patient.maritalStatus: must be an object (CodeableConcept), found a string',
      'structure Patient.birthDate: must be a string (date), found an object',
    ],
  ],
  [
    'lexical faults',
    patient({ id: 'a b', birthDate: '1970-02-30', multipleBirthInteger: 1.5, language: 'en ' }),
    [
      'value Patient.id: must be 1 to 64 of A-Z, a-z, 0-9, - and . (id)',
      'value Patient.birthDate: must be a date: YYYY, YYYY-MM or YYYY-MM-DD (date)',
      'value Patient.multipleBirthInteger: must be a whole number of 32 bits (integer)',
      'value Patient.language: must be a code: no leading, trailing or repeated white space (code)',
    ],
  ],
  [
    'a code outside its required binding',
    patient({ gender: 'm', link: [{ other: { reference: 'Patient/1' }, type: 'seealso' }] }),
    ["code-invalid Patient.gender: 'm' is not one of male, female, other, unknown"],
  ],
  [
    'a code outside a long list',
    {
      resourceType: 'CompartmentDefinition',
      url: 'u',
      name: 'n',
      status: 'draft',
      code: 'Patient',
      search: true,
      resource: [{ code: 'Cat' }],
    },
    [
      "code-invalid CompartmentDefinition.resource[0].code: 'Cat' is not one of http://hl7.org/fhir/ValueSet/resource-types",
    ],
  ],
  ['a code without a list', { resourceType: 'Binary', contentType: 'application/x-anything' }, []],
  [
    'a CodeableConcept outside its required binding',
    {
      resourceType: 'Condition',
      subject: { reference: 'Patient/1' },
      clinicalStatus: { coding: [{ system: 'http://x', code: 'active' }] },
      verificationStatus: { text: 'confirmed' },
    },
    [
      'code-invalid Condition.clinicalStatus: needs a coding of the value set http://hl7.org/fhir/ValueSet/condition-clinical',
      'code-invalid Condition.verificationStatus: needs a coding of the value set http://hl7.org/fhir/ValueSet/condition-ver-status',
    ],
  ],
  [
    'a CodeableConcept inside its required binding, or absent with a reason',
    {
      resourceType: 'Condition',
      subject: { reference: 'Patient/1' },
      clinicalStatus: {
        coding: [
          { system: 'http://x', code: 'x' },
          { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
        ],
      },
      verificationStatus: {
        extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
      },
    },
    [],
  ],
  [
    'extensions',
    patient({
      extension: [
        { url: 'u' },
        { valueString: 'x' },
        { url: 'u', valueString: 'x', extension: [{ url: 'v', valueString: 'y' }] },
        { url: 'u', extension: [{ url: 'v', valueCode: 'c' }] },
      ],
    }),
    [
      'invariant Patient.extension[0]: ext-1: must have either extensions or value[x], and not both',
      'required Patient.extension[1].url: required',
      'invariant Patient.extension[2]: ext-1: must have either extensions or value[x], and not both',
    ],
  ],
  [
    'an element with only an id',
    patient({
      maritalStatus: { id: 'a' },
      _birthDate: { id: 'b' },
      birthDate: '1970',
      _gender: { id: 'c' },
      name: [{ given: ['A', null], _given: [{ id: 'd' }, { id: 'e' }] }],
    }),
    [
      'invariant Patient.maritalStatus: ele-1: needs a value or children besides its id',
      'invariant Patient._gender: ele-1: needs a value or children besides its id',
      'invariant Patient.name[0]._given[1]: ele-1: needs a value or children besides its id',
    ],
  ],
  [
    'contained resources',
    patient({
      contained: [
        { resourceType: 'Organization', id: 'o', nom: 'x' },
        { resourceType: 'Organization', contained: [{ resourceType: 'Basic', code }] },
        { id: 'x' },
        3,
      ],
    }),
    [
      'structure Patient.contained[0].nom: Organization has no element of this name',
      'invariant Patient.contained[1].contained: dom-2: a contained resource must not contain others',
      'required Patient.contained[2].resourceType: required',
      'structure Patient.contained[3]: must be an object (Resource), found a number',
    ],
  ],
  [
    'resources in a Bundle',
    {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        { resource: patient({ gender: 'm' }), request: { method: 'POST' } },
        { resource: { resourceType: 'Cat' } },
      ],
    },
    [
      "code-invalid Bundle.entry[0].resource.gender: 'm' is not one of male, female, other, unknown",
      'required Bundle.entry[0].request.url: required',
      "structure Bundle.entry[1].resource.resourceType: must be one of R4's resource types, found 'Cat'",
    ],
  ],
  [
    'resources and parts in Parameters',
    {
      resourceType: 'Parameters',
      parameter: [
        { name: 'a', resource: patient({ x: 1 }) },
        { name: 'b', part: [{ valueString: 'x' }] },
      ],
    },
    [
      'structure Parameters.parameter[0].resource.x: Patient has no element of this name',
      'required Parameters.parameter[1].part[0].name: required',
    ],
  ],
  [
    'content references',
    {
      resourceType: 'Questionnaire',
      status: 'draft',
      item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'x' }] }],
    },
    [
      "code-invalid Questionnaire.item[0].item[0].type: 'x' is not one of group, display, question, boolean, decimal, integer, date, dateTime, time, string, text, url, choice, open-choice, attachment, reference, quantity",
    ],
  ],
  [
    'resourceType elsewhere',
    patient({ maritalStatus: { resourceType: 'CodeableConcept', text: 'x' } }),
    ['structure Patient.maritalStatus.resourceType: CodeableConcept has no element of this name'],
  ],
  ['no resource type', {}, ['required Resource.resourceType: required']],
  [
    'an unknown resource type',
    { resourceType: 'Cat' },
    ["structure Cat.resourceType: must be one of R4's resource types, found 'Cat'"],
  ],
  [
    'an abstract resource type',
    { resourceType: 'DomainResource' },
    ["structure DomainResource.resourceType: must be one of R4's resource types, found 'DomainResource'"],
  ],
  [
    'a data type as resource',
    { resourceType: 'HumanName', family: 'x' },
    ["structure HumanName.resourceType: must be one of R4's resource types, found 'HumanName'"],
  ],
  [
    'a resource type that is no text',
    { resourceType: ['Patient'] },
    ["structure Resource.resourceType: must be one of R4's resource types, found an array"],
  ],
  ['no object', [patient({})], ['structure Resource: a resource must be an object, found an array']],
  ['text', 'Patient', ['structure Resource: a resource must be an object, found a string']],
  ['null for a resource', null, ['structure Resource: a resource must be an object, found null']],
];

for (const [name, resource, expected] of cases) {
  test(name, () => assert.deepEqual(faults(resource), expected));
}
