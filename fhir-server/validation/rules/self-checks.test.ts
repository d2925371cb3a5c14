// Conformance resources in themselves: each rule by an example that breaks it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, loadDefinitions } from '#fhir-model';
import { capabilityStatementFaults } from './capability-statement.ts';
import { codeSystemFaults } from './code-system.ts';
import { conceptMapFaults } from './concept-map.ts';
import { operationDefinitionFaults } from './operation-definition.ts';
import { parametersFaults } from './parameters.ts';
import { questionnaireFaults } from './questionnaire.ts';
import { searchParameterFaults } from './search-parameter.ts';
import { structureDefinitionFaults } from './structure-definition.ts';
import { told } from './testing.ts';
import { valueSetFaults } from './value-set.ts';

const definitions = await loadDefinitions();
const parts = { definitions, isResourceType: definitions.isResourceType };

test('CodeSystem: content, codes, hierarchy', () => {
  const check = (more: JsonObject): string[] =>
    told(codeSystemFaults({ content: 'complete', caseSensitive: true, ...more }, 'CS'));
  const concept = [{ code: 'a', concept: [{ code: 'b' }] }, { code: 'c' }];
  assert.deepEqual(check({ concept, count: 3 }), []);
  assert.deepEqual(check({ concept, count: 2 }), ['warning code-system-count CS.count']);
  assert.deepEqual(check({ supplements: 'http://example.org' }), ['error code-system-supplement CS.content']);
  assert.deepEqual(check({ content: 'supplement' }), ['error code-system-supplement CS.supplements']);
  assert.deepEqual(check({ content: 'not-present', concept }), ['warning code-system-content CS.content']);
  const twice = [...concept, { code: 'b' }, { code: 'C' }];
  assert.deepEqual(check({ concept: twice }), ['error code-system-duplicate CS.concept[2].code']);
  assert.deepEqual(check({ concept: twice, caseSensitive: false }), [
    'error code-system-duplicate CS.concept[2].code',
    'warning code-system-case CS.concept[3].code',
  ]);
  const related = [
    { code: 'a' },
    { code: 'b', property: [{ code: 'parent', valueCode: 'a' }] },
    { code: 'c', property: [{ code: 'parent', valueCode: 'x' }] },
  ];
  assert.deepEqual(check({ concept: related }), ['warning code-system-hierarchy CS.concept[2].property[0]']);
});

test('CodeSystem: properties', () => {
  const uri = (name: string): string => `http://hl7.org/fhir/concept-properties#${name}`;
  const check = (property: JsonObject[], values: JsonObject[] = []): string[] =>
    told(codeSystemFaults({ content: 'complete', property, concept: [{ code: 'a', property: values }] }, 'CS'));
  assert.deepEqual(check([{ code: 'inactive', uri: uri('inactive'), type: 'boolean' }]), []);
  assert.deepEqual(check([{ code: 'inactive', uri: uri('inactive'), type: 'code' }]), [
    'error code-system-property-type CS.property[0].type',
  ]);
  assert.deepEqual(check([{ code: 'inactive', uri: uri('parent'), type: 'code' }]), [
    'error code-system-property-code CS.property[0].code',
  ]);
  assert.deepEqual(check([{ code: 'inactive', type: 'boolean' }]), ['warning code-system-property-uri CS.property[0]']);
  assert.deepEqual(
    check([
      { code: 'p', uri: 'u:1', type: 'code' },
      { code: 'p', uri: 'u:1', type: 'code' },
    ]),
    ['error code-system-property-twice CS.property[1].code', 'error code-system-property-twice CS.property[1].uri'],
  );
  const defined = [{ code: 'p', type: 'integer' }];
  assert.deepEqual(check(defined, [{ code: 'p', valueInteger: 1 }]), []);
  assert.deepEqual(
    check(defined, [
      { code: 'p', valueString: '1' },
      { code: 'q', valueString: '1' },
    ]),
    [
      'error code-system-property-value CS.concept[0].property[0]',
      'warning code-system-property-unknown CS.concept[0].property[1]',
    ],
  );
});

test('ValueSet: systems, filters, parameters, expansion', () => {
  const include = (one: JsonObject, more: JsonObject = {}): string[] =>
    told(valueSetFaults({ compose: { include: [one] }, ...more }, 'VS'));
  const system = 'http://loinc.org';
  const at = 'VS.compose.include[0]';
  assert.deepEqual(include({ system, concept: [{ code: 'a' }, { code: 'b' }] }), []);
  assert.deepEqual(include({ system: '#c1' }), [`error value-set-system ${at}.system`]);
  assert.deepEqual(include({ system: 'loinc' }), [`error value-set-system ${at}.system`]);
  assert.deepEqual(include({ system: 'http://hl7.org/fhir/ValueSet/x' }), [`warning value-set-system ${at}.system`]);
  assert.deepEqual(include({ system, concept: [{ code: 'a' }, { code: 'a' }] }), [
    `warning value-set-duplicate ${at}.concept[1].code`,
  ]);
  const filter = (one: JsonObject, more: JsonObject = {}): string[] =>
    include({ system, filter: [{ property: 'p', ...one }] }, more);
  assert.deepEqual(filter({ op: 'exists', value: 'true' }), []);
  assert.deepEqual(filter({ op: 'exists', value: 'yes' }), [`error value-set-filter ${at}.filter[0].value`]);
  assert.deepEqual(filter({ op: 'regex', value: '^a.*(?<!b)$' }), []);
  assert.deepEqual(filter({ op: 'regex', value: '(a' }), [`error value-set-filter ${at}.filter[0].value`]);
  assert.deepEqual(filter({ op: '=' }), [`error value-set-filter ${at}.filter[0].value`]);
  const computed = {
    url: 'http://hl7.org/fhir/StructureDefinition/cqf-expression',
    valueExpression: { expression: '%p-one' },
  };
  const declared = {
    extension: [
      {
        url: 'http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter',
        extension: [{ url: 'name', valueCode: 'p-one' }],
      },
    ],
  };
  assert.deepEqual(filter({ op: '=', _value: { extension: [computed] } }, declared), []);
  assert.deepEqual(filter({ op: '=', _value: { extension: [computed] } }), [
    `error value-set-parameter ${at}.filter[0].value`,
  ]);
  assert.deepEqual(told(valueSetFaults({ expansion: { total: 1, contains: [{}, {}] } }, 'VS')), [
    'warning value-set-total VS.expansion.total',
  ]);
});

test('ConceptMap', () => {
  const group = {
    source: 'http://a',
    target: 'http://b',
    element: [{ code: 'a', target: [{ code: 'b', equivalence: 'equal' }] }],
  };
  assert.deepEqual(told(conceptMapFaults({ group: [group] }, 'CM')), []);
  const wrong = {
    source: 'http://a',
    element: [
      { code: 'a', target: [{ equivalence: 'equal' }, { code: 'b', equivalence: 'unmatched' }] },
      { code: 'a', target: [{ equivalence: 'unmatched' }] },
    ],
  };
  assert.deepEqual(told(conceptMapFaults({ group: [wrong] }, 'CM')), [
    'warning concept-map-group CM.group[0]',
    'warning concept-map-duplicate CM.group[0].element[1].code',
    'warning concept-map-target CM.group[0].element[0].target[0]',
    'warning concept-map-target CM.group[0].element[0].target[1]',
  ]);
  const kept = { ...group, unmapped: { mode: 'provided' } };
  assert.deepEqual(told(conceptMapFaults({ group: [kept] }, 'CM')), [
    'warning concept-map-unmapped CM.group[0].unmapped.mode',
  ]);
});

test('Questionnaire: linkIds, conditions, options', () => {
  const check = (...item: JsonObject[]): string[] => told(questionnaireFaults({ item }, 'Q'));
  const one = { linkId: '1', type: 'boolean' };
  const when = (condition: JsonObject): JsonObject => ({ linkId: '2', type: 'string', enableWhen: [condition] });
  assert.deepEqual(check(one, when({ question: '1', operator: '=', answerBoolean: true })), []);
  assert.deepEqual(check(one, one), ['error questionnaire-link-id Q.item[1].linkId']);
  const at = 'error questionnaire-enable-when Q.item[1].enableWhen[0]';
  assert.deepEqual(check(one, when({ question: '9', operator: '=', answerBoolean: true })), [`${at}.question`]);
  assert.deepEqual(check(one, when({ question: '2', operator: 'exists', answerBoolean: true })), [`${at}.question`]);
  assert.deepEqual(check(one, when({ question: '1', operator: '>', answerBoolean: true })), [`${at}.operator`]);
  assert.deepEqual(check(one, when({ question: '1', operator: '=', answerString: 'x' })), [`${at}.answer`]);
  assert.deepEqual(
    check({ linkId: '1', type: 'group' }, when({ question: '1', operator: 'exists', answerBoolean: true })),
    ['warning questionnaire-enable-when Q.item[1].enableWhen[0].question'],
  );
  assert.deepEqual(check({ linkId: '1', type: 'choice', answerValueSet: '#vs' }), [
    'error questionnaire-value-set Q.item[0].answerValueSet',
  ]);
  assert.deepEqual(check({ linkId: '1', type: 'integer', initial: [{ valueString: 'x' }] }), [
    'error questionnaire-initial Q.item[0].initial[0]',
  ]);
});

test('Parameters: resources that are sent together', () => {
  const coverage = (reference: string): JsonObject => ({
    name: 'c',
    resource: { resourceType: 'Coverage', beneficiary: { reference } },
  });
  const check = (...parameter: JsonObject[]): string[] => told(parametersFaults({ parameter }, 'P'));
  const patient = { name: 'p', resource: { resourceType: 'Patient', id: '1' } };
  assert.deepEqual(check(patient, coverage('Patient/1')), []);
  assert.deepEqual(check(patient, coverage('Organization/1')), []);
  assert.deepEqual(check(coverage('Patient/2')), []);
  assert.deepEqual(check(patient, coverage('Patient/2')), [
    'error parameters-reference P.parameter[1].resource.beneficiary',
  ]);
  assert.deepEqual(check({ name: 'x', part: [patient, coverage('Patient/2')] }), [
    'error parameters-reference P.parameter[0].part[1].resource.beneficiary',
  ]);
});

test('SearchParameter', () => {
  const check = (more: JsonObject): string[] =>
    told(
      searchParameterFaults(
        { code: 'x', base: ['Patient'], type: 'string', expression: 'Patient.name', ...more },
        'SP',
        parts,
      ),
    );
  assert.deepEqual(check({}), []);
  assert.deepEqual(check({ expression: 'Patient.name.where(' }), ['error search-parameter-expression SP.expression']);
  assert.deepEqual(check({ expression: undefined }), ['warning search-parameter-expression SP']);
  assert.deepEqual(check({ base: ['Patience'] }), [
    'error search-parameter-base SP.base[0]',
    'warning search-parameter-base SP.expression',
  ]);
  assert.deepEqual(check({ expression: 'Group.name' }), ['warning search-parameter-base SP.expression']);
  assert.deepEqual(check({ target: ['Group'] }), ['warning search-parameter-target SP.target']);
  assert.deepEqual(check({ type: 'reference', target: ['Grouping'] }), ['error search-parameter-target SP.target[0]']);
  assert.deepEqual(check({ comparator: ['gt'] }), ['warning search-parameter-comparator SP.comparator']);
  assert.deepEqual(check({ modifier: ['exact', 'above'] }), ['warning search-parameter-modifier SP.modifier[1]']);
  assert.deepEqual(check({ type: 'composite' }), ['error search-parameter-component SP.component']);
  assert.deepEqual(check({ component: [{ expression: 'a' }, { expression: 'a b' }] }), [
    'error search-parameter-component SP.component',
    'error search-parameter-expression SP.component[1].expression',
  ]);
});

test('SearchParameter: elements that there are not', () => {
  const check = (expression: string): string[] =>
    told(searchParameterFaults({ code: 'a', base: ['Patient'], type: 'string', expression }, 'SP', parts));
  for (const right of [
    'Patient.name.family',
    'Patient.contact.name.text | Patient.name.text',
    'Patient.deceased',
    'Patient.meta.tag.code',
    'Patient.contained.name',
    'Patient.birthDate.extension.value',
    "Patient.extension('http://example.org/x').value",
  ]) {
    assert.deepEqual(check(right), [], right);
  }
  for (const wrong of ['Patient.nosuch', 'Patient.name | Patient.contact.nosuch.text', 'Patient.deceasedBoolean']) {
    assert.deepEqual(check(wrong), ['warning search-parameter-path SP.expression'], wrong);
  }
  const own = definitions.searchParameters.filter(({ expression }) => expression !== undefined);
  assert.ok(own.length > 1000);
  for (const { code, base, type, expression = '' } of own) {
    const faults = told(searchParameterFaults({ code, base, type, expression }, 'SP', parts));
    assert.deepEqual(
      faults.filter((line) => line.includes('search-parameter-path')),
      [],
      expression,
    );
  }
});

test('OperationDefinition', () => {
  const check = (more: JsonObject): string[] =>
    told(operationDefinitionFaults({ system: true, type: false, instance: false, ...more }, 'OD', parts));
  const parameter = { name: 'a', use: 'in', min: 0, max: '1', type: 'string' };
  assert.deepEqual(check({ parameter: [parameter, { ...parameter, use: 'out' }] }), []);
  assert.deepEqual(check({ parameter: [parameter, parameter] }), ['error operation-duplicate OD.parameter[1].name']);
  assert.deepEqual(check({ parameter: [{ ...parameter, type: 'text' }] }), [
    'error operation-type OD.parameter[0].type',
  ]);
  assert.deepEqual(check({ parameter: [{ ...parameter, max: 'many' }] }), ['error operation-max OD.parameter[0].max']);
  assert.deepEqual(check({ parameter: [{ ...parameter, min: 2 }] }), ['error operation-max OD.parameter[0].max']);
  assert.deepEqual(check({ parameter: [{ ...parameter, part: [parameter, parameter] }] }), [
    'warning operation-part OD.parameter[0]',
    'error operation-duplicate OD.parameter[0].part[1].name',
  ]);
  assert.deepEqual(check({ system: false }), ['error operation-level OD']);
  assert.deepEqual(check({ type: true }), ['warning operation-resource OD']);
  assert.deepEqual(check({ type: true, resource: ['Patient', 'Patience'] }), [
    'error operation-resource OD.resource[1]',
  ]);
});

test('CapabilityStatement', () => {
  const check = (resource: JsonObject): string[] =>
    told(capabilityStatementFaults({ rest: [{ resource: [{ type: 'Patient', ...resource }] }] }, 'C', parts));
  const at = 'C.rest[0].resource[0]';
  assert.deepEqual(
    check({
      interaction: [{ code: 'read' }],
      searchInclude: ['Patient:organization', '*'],
      operation: [{ name: 'match' }],
    }),
    [],
  );
  assert.deepEqual(check({ interaction: [{ code: 'read' }, { code: 'read' }] }), [
    `warning capability-duplicate ${at}.interaction[1].code`,
  ]);
  assert.deepEqual(check({ operation: [{ name: 'match' }, { name: 'match' }] }), [
    `warning capability-duplicate ${at}.operation[1].name`,
  ]);
  assert.deepEqual(check({ operation: [{ name: '$match' }] }), [
    `warning capability-operation ${at}.operation[0].name`,
  ]);
  assert.deepEqual(check({ searchInclude: ['Patience:x'] }), [`warning capability-include ${at}.searchInclude[0]`]);
  assert.deepEqual(check({ conditionalUpdate: true, conditionalCreate: true }), [
    `warning capability-conditional ${at}.conditionalUpdate`,
    `warning capability-conditional ${at}.conditionalCreate`,
  ]);
});

const profile = { type: 'Patient', kind: 'resource', derivation: 'constraint', url: 'http://example.org/p' };
const structure = (more: JsonObject): string[] => told(structureDefinitionFaults({ ...profile, ...more }, 'SD', parts));

test('StructureDefinition: what it is of', () => {
  assert.deepEqual(structure({}), []);
  assert.deepEqual(structure({ type: 'Patience' }), ['error structure-type SD.type']);
  assert.deepEqual(structure({ kind: 'complex-type' }), ['warning structure-kind SD.kind']);
  assert.deepEqual(structure({ derivation: undefined, baseDefinition: 'http://example.org' }), [
    'warning structure-derivation SD.derivation',
  ]);
  assert.deepEqual(structure({ derivation: 'specialization', type: 'Pet' }), [
    'warning structure-derivation SD.derivation',
  ]);
  assert.deepEqual(structure({ kind: 'logical', type: 'http://example.org/Pet' }), []);
  const context = [
    { type: 'element', expression: 'Patient.name' },
    { type: 'element', expression: 'Patience' },
  ];
  assert.deepEqual(structure({ context }), ['warning structure-context SD.context[1].expression']);
});

test('StructureDefinition: its elements', () => {
  const differential = (...element: JsonObject[]): string[] =>
    structure({ differential: { element: [{ id: 'Patient', path: 'Patient' }, ...element] } });
  const at = 'SD.differential.element[1]';
  const value = { id: 'Patient.extension:a.value[x]', path: 'Patient.extension.value[x]' };
  assert.deepEqual(differential({ ...value, type: [{ code: 'code' }], fixedCode: 'x' }), []);
  assert.deepEqual(differential({ id: 'Patient.named', path: 'Patient.name' }), [`warning element-id ${at}.id`]);
  assert.deepEqual(differential({ ...value, type: [{ code: 'code' }], patternString: 'x' }), [
    `error element-fixed ${at}.patternString`,
  ]);
  assert.deepEqual(differential({ ...value, type: [{ code: 'Coded' }] }), [`error element-type ${at}.type[0].code`]);
  const sliced = (path: string): JsonObject => ({
    ...value,
    slicing: { rules: 'open', discriminator: [{ type: 'value', path }] },
  });
  for (const path of [
    '$this',
    'code',
    'value.ofType(Quantity).code',
    "extension('http://example.org').value",
    'entry.resolve().code',
  ]) {
    assert.deepEqual(differential(sliced(path)), [], path);
  }
  assert.deepEqual(differential(sliced('coding.where(code=1)')), [
    `error element-discriminator ${at}.slicing.discriminator[0].path`,
  ]);
  const constraint = [
    { key: 'x-1', expression: 'a.exists()' },
    { key: 'x-2', expression: 'a.exists(' },
    { key: 'x-3', expression: "4 'mg' = 4 'mg'" },
  ];
  assert.deepEqual(differential({ ...value, constraint }), [`error element-constraint ${at}.constraint[1].expression`]);
});

test('StructureDefinition: its snapshot', () => {
  const snapshot = (...paths: [path: string, more?: JsonObject][]): string[] =>
    structure({ snapshot: { element: paths.map(([path, more]) => ({ path, ...more })) } });
  assert.deepEqual(
    snapshot(['Patient'], ['Patient.name', { slicing: {} }], ['Patient.name', { sliceName: 'a' }], ['Patient.name.id']),
    [],
  );
  assert.deepEqual(snapshot(['Patient'], ['Patient.name', { sliceName: 'a' }]), [
    'warning element-slice SD.snapshot.element[1].sliceName',
  ]);
  assert.deepEqual(snapshot(['Patient'], ['Patient.name.id']), ['error element-path SD.snapshot.element[1].path']);
});
