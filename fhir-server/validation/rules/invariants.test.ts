// Invariants compiled here say what fhirpath.js says, over real resources and over ones that have been tampered with.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type JsonObject, loadDefinitions, parseJson } from '#fhir-model';
import { corpusFolder, random } from '#platform/testing';
import { libraryInvariant } from './fhirpath/library.ts';
import { createTypes } from './fhirpath/types.ts';
import { compileNatively, createInvariantCompiler, type Invariant, type Outcome } from './invariants.ts';
import { correctedExpression, corrections, handWritten } from './known-invariants.ts';
import { containers, sites } from './testing.ts';

const definitions = await loadDefinitions();
const compile = createInvariantCompiler(definitions);
const types = createTypes(definitions);

/** All of R4's own: expression and the type it is evaluated on. */
function ownInvariants(): [expression: string, type: string][] {
  const found = new Map<string, [string, string]>();
  const take = (type: string, expressions: { expression: string }[] = []): void => {
    for (const { expression } of expressions) found.set(`${type} ${expression}`, [expression, type]);
  };
  const seen = new Set<string>();
  const visit = (name: string): void => {
    const type = definitions.type(name);
    if (type === undefined || seen.has(name)) return;
    seen.add(name);
    take(name, type.constraints);
    for (const element of type.elements) {
      for (const elementType of element.types) {
        take(elementType, element.constraints);
        visit(elementType);
      }
    }
  };
  for (const name of ['Element', 'DomainResource', ...definitions.resourceTypes]) visit(name);
  return [...found.values()];
}

test('all invariants of R4 are compiled here, none needs the library', () => {
  const all = ownInvariants();
  assert.ok(all.length > 200, `${all.length} invariants`);
  const missing = all.filter(
    ([expression, type]) =>
      handWritten(expression) === undefined &&
      compileNatively(types, correctedExpression(expression), type) === undefined,
  );
  assert.deepEqual(missing, []);
});

test('each correction is of an invariant that R4 has', () => {
  const published = new Set(ownInvariants().map(([expression]) => expression.replace(/\s+/g, '')));
  assert.deepEqual(
    corrections.filter(({ published: text }) => !published.has(text.replace(/\s+/g, ''))),
    [],
  );
});

const authored: JsonObject[] = [
  {
    resourceType: 'Observation',
    id: 'o1',
    contained: [{ resourceType: 'Patient', id: 'p', meta: { versionId: '1' } }],
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
    subject: { reference: '#p' },
    effectivePeriod: { start: '2024-03-01T10:00:00Z', end: '2024-03-01T10:05:00+01:00' },
    valueQuantity: { value: 6.3, system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    referenceRange: [
      { low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.1, unit: 'mmol/L' }, appliesTo: [{ text: 'adult' }] },
      { age: { low: { value: 5 }, high: { value: 4 } } },
    ],
    component: [{ code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] } }],
  },
  {
    resourceType: 'Questionnaire',
    status: 'active',
    name: 'not an identifier',
    item: [
      { linkId: '1', type: 'group' },
      { linkId: '1', type: 'display', code: [{ code: 'x' }], required: true, item: [{ linkId: '2', type: 'string' }] },
      {
        linkId: '3',
        type: 'choice',
        answerOption: [{ valueString: 'a' }],
        initial: [{ valueString: 'a' }],
        enableWhen: [
          { question: '1', operator: 'exists', answerString: 'x' },
          { question: '2', operator: '=', answerBoolean: true },
        ],
      },
    ],
  },
  {
    resourceType: 'Bundle',
    type: 'document',
    total: 3,
    entry: [
      { fullUrl: 'http://example.org/Patient/1/_history/1', resource: { resourceType: 'Patient', id: '1' } },
      {
        fullUrl: 'http://example.org/Patient/2',
        resource: { resourceType: 'Patient', id: '2' },
        search: { mode: 'match' },
      },
      { fullUrl: 'http://example.org/Patient/2', resource: { resourceType: 'Patient', id: '2' } },
    ],
  },
  {
    resourceType: 'Timing',
    repeat: { duration: -1, period: 2, periodMax: 3, offset: 5, when: ['C'], timeOfDay: ['10:00:00'] },
  },
  {
    resourceType: 'StructureDefinition',
    url: 'http://example.org/StructureDefinition/x',
    name: 'X',
    status: 'draft',
    kind: 'resource',
    abstract: false,
    type: 'Patient',
    derivation: 'constraint',
    snapshot: {
      element: [
        { id: 'Patient', path: 'Patient' },
        { id: 'Observation.id', path: 'Observation.id', min: 1 },
      ],
    },
    differential: {
      element: [
        { id: 'Patient', path: 'Patient', slicing: { rules: 'open' } },
        { path: 'Patient.name', min: 2, max: '1' },
      ],
    },
  },
];

/** Of a folder, every nth resource that is not large. */
function corpusResources(folder: string, every: number): JsonObject[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  const found: JsonObject[] = [];
  for (const file of files.slice(0, 12)) {
    const bundle = parseJson(readFileSync(path.join(folder, file), 'utf8')).value as JsonObject;
    const entries = Array.isArray(bundle.entry)
      ? (bundle.entry as { resource?: JsonObject }[])
      : [{ resource: bundle }];
    entries.forEach(({ resource }, at) => {
      if (resource !== undefined && at % every === 0) found.push(resource);
    });
  }
  return found;
}

const strangers = ['entered-in-error', '#', 'home', '2020', '2020-01-01T00:00:00Z', '%', 'display', 'batch'];

/** Takes something away, or puts the value of one element into another. */
function tamper(resource: JsonObject, below: (limit: number) => number): void {
  const all = containers(resource);
  const target = all[below(all.length)] ?? {};
  const names = Object.keys(target).filter((name) => name !== 'resourceType');
  const name = names[below(names.length)];
  if (name === undefined) return;
  if (below(3) === 0 && !(Array.isArray(target) && target.length === 1)) {
    if (Array.isArray(target)) target.splice(Number(name), 1);
    else delete target[name];
  } else if (typeof target[name] === 'string') target[name] = strangers[below(strangers.length)] ?? '';
  else if (typeof target[name] === 'number') target[name] = below(200) - 50;
}

const byLibrary = new Map<string, Invariant>();

function libraryFor(expression: string, type: string): Invariant {
  const key = `${type} ${expression}`;
  const invariant = byLibrary.get(key) ?? libraryInvariant(correctedExpression(expression), type);
  byLibrary.set(key, invariant);
  return invariant;
}

/** Compares what both say wherever both say something; how many places, and how many of them break a rule. */
function compareBoth(resource: JsonObject): { places: number; broken: number } {
  let places = 0;
  let broken = 0;
  for (const { constraint, type, node, resource: own, rootResource, companion } of sites(definitions, resource)) {
    // fhirpath.js takes a narrative for an element without a value, and isn't told of a primitive's `_name` here.
    if (type === 'xhtml' || companion !== undefined) continue;
    // It doesn't order quantities without a unit.
    if (constraint.key === 'rng-2') continue;
    // What tampering has left empty the structure check refuses before any invariant is asked.
    if (typeof node === 'object' && Object.keys(node ?? {}).every((name) => name === 'resourceType')) continue;
    const here = compile(constraint.expression, type)(node, own, rootResource);
    const there = libraryFor(constraint.expression, type)(node, own, rootResource);
    if (typeof here !== 'boolean' || typeof there !== 'boolean') continue;
    assert.equal(here, there, `${constraint.key} on ${type} ${JSON.stringify(node).slice(0, 500)}`);
    places++;
    if (!here) broken++;
  }
  return { places, broken };
}

test('compiled here and evaluated by fhirpath.js, invariants say the same', () => {
  const below = random(20260101);
  const real = corpusResources(corpusFolder('synthea'), 40);
  let broken = 0;
  for (const resource of [...authored, ...real]) {
    const copies = real.length > 50 ? 1 : 6;
    broken += compareBoth(resource).broken;
    for (let copy = 0; copy < copies; copy++) {
      const tampered = structuredClone(resource);
      for (let change = 0; change <= below(4); change++) tamper(tampered, below);
      broken += compareBoth(tampered).broken;
    }
  }
  assert.ok(broken > 20, `${broken} broken rules were compared`);
});

function outcome(expression: string, type: string, node: unknown, around: JsonObject = {}): Outcome {
  const root = around.resourceType === undefined ? (node as JsonObject) : around;
  return compile(expression, type)(node as JsonObject, root, root);
}

test('what usual guides ask, US Core among them', () => {
  const name =
    "(family.exists() or given.exists()) xor extension.where(url='http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()";
  assert.equal(outcome(name, 'HumanName', { family: 'Testperson' }), true);
  assert.equal(outcome(name, 'HumanName', { text: 'Testperson' }), false);
  const absent = [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'masked' }];
  assert.equal(outcome(name, 'HumanName', { extension: absent }), true);
  const npi =
    '(((select(value.substring(0,1).toInteger()).select(iif($this<5, $this*2, (($this*2)-9))))+(value.substring(1,1).toInteger())+24)mod 10=0)';
  assert.equal(outcome(npi, 'Identifier', { value: '12' }), false);
  assert.equal(outcome(npi, 'Identifier', { value: '14' }), true);
  assert.equal(outcome("value.matches('^[0-9]{10}$')", 'Identifier', { value: '1234567893' }), true);
  assert.equal(
    outcome(
      "code.coding.where(code in '72166-2'|'11367-0').exists() implies value.is(CodeableConcept)",
      'Observation',
      {
        resourceType: 'Observation',
        code: { coding: [{ code: '72166-2' }] },
        valueQuantity: { value: 1 },
      },
    ),
    false,
  );
  assert.equal(
    outcome('telecom or endpoint', 'PractitionerRole', { resourceType: 'PractitionerRole', telecom: [{}] }),
    true,
  );
  assert.equal(
    outcome("category.memberOf('http://example.org/vs')", 'Condition', { resourceType: 'Condition', category: [{}] }),
    'cannot',
  );
  assert.equal(outcome('$this is DateTime implies $this.toString().length() >= 10', 'dateTime', '2024-03'), false);
  const repeated =
    '(QuestionnaireResponse|repeat(answer|item)).select(item.where(answer.value.exists()).linkId.isDistinct()).allTrue()';
  const item = {
    linkId: '1',
    answer: [{ valueBoolean: true, item: [{ linkId: '2', answer: [{ valueString: 'a' }] }] }],
  };
  assert.equal(
    outcome(repeated, 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', item: [item] }),
    true,
  );
  assert.equal(
    outcome(repeated, 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', item: [item, item] }),
    false,
  );
});

test('dates: an order that precision leaves open is no fault', () => {
  const period = 'start.hasValue().not() or end.hasValue().not() or (start <= end)';
  assert.equal(outcome(period, 'Period', { start: '2024-03-01', end: '2024-02-29' }), false);
  assert.equal(outcome(period, 'Period', { start: '2024-03', end: '2024' }), 'cannot');
  assert.equal(outcome(period, 'Period', { start: '2024-03-01T10:00:00+02:00', end: '2024-03-01T08:00:00Z' }), true);
  assert.equal(outcome(period, 'Period', { start: '2024-03-01T10:00:00.001Z', end: '2024-03-01T10:00:00Z' }), false);
});

test('decimals are compared by their digits, quantities in their units', () => {
  const { exact } = parseJson('{"low":{"value":0.1000000000000000000001},"high":{"value":0.1000000000000000000000}}');
  const range = 'low.empty() or high.empty() or (low <= high)';
  assert.equal(outcome(range, 'Range', exact), false);
  const ucum = 'http://unitsofmeasure.org';
  const gram = { value: 2, system: ucum, code: 'g' };
  const milligram = { value: 1500, system: ucum, code: 'mg' };
  assert.equal(outcome(range, 'Range', { low: milligram, high: gram }), true);
  assert.equal(outcome(range, 'Range', { low: gram, high: milligram }), false);
  assert.equal(outcome(range, 'Range', { low: gram, high: { value: 3, system: ucum, code: 'm' } }), 'cannot');
});

test('a primitive that has only extensions exists and has no value', () => {
  const companion = { extension: [{ url: 'http://example.org/e', valueString: 'x' }] };
  const patient = { resourceType: 'Patient', _birthDate: companion };
  assert.equal(outcome('birthDate.exists()', 'Patient', patient), true);
  assert.equal(outcome('birthDate.hasValue()', 'Patient', patient), false);
  assert.equal(outcome("birthDate.extension('http://example.org/e').value = 'x'", 'Patient', patient), true);
  assert.equal(
    compile('hasValue() or (children().count() > id.count())', 'date')(null, patient, patient, companion),
    true,
  );
  assert.equal(
    compile('hasValue() or (children().count() > id.count())', 'date')(null, patient, patient, { id: 'a' }),
    false,
  );
  assert.equal(compile('extension.exists()', 'date')('2020', patient, patient, companion), true);
});

test('contained references: by fragment, to the container, and dom-3', () => {
  const [dom3, ref1] = ['dom-3', 'ref-1'].map(
    (key) =>
      definitions.type(key === 'dom-3' ? 'DomainResource' : 'Reference')?.constraints?.find((one) => one.key === key)
        ?.expression ?? '',
  );
  const contained = { resourceType: 'Patient', id: 'p' };
  const observation = { resourceType: 'Observation', contained: [contained], subject: { reference: '#p' } };
  assert.equal(outcome(dom3 ?? '', 'Observation', observation), true);
  assert.equal(outcome(dom3 ?? '', 'Observation', { ...observation, subject: { reference: '#q' } }), false);
  const back = { resourceType: 'Provenance', id: 'v', target: [{ reference: '#' }] };
  assert.equal(outcome(dom3 ?? '', 'Observation', { resourceType: 'Observation', contained: [back] }), true);
  assert.equal(outcome(ref1 ?? '', 'Reference', { reference: '#p' }, observation), true);
  assert.equal(outcome(ref1 ?? '', 'Reference', { reference: '#q' }, observation), false);
  assert.equal(outcome(ref1 ?? '', 'Reference', { display: 'somebody' }, observation), true);
});

test('a reference to elsewhere tells the type of its target, and nothing more', () => {
  const onlyPractitioners = 'member.resolve().iif(empty(), true, ofType(Practitioner).exists())';
  const participant = (reference: string): Outcome =>
    outcome(onlyPractitioners, 'CareTeam.participant', { member: { reference } });
  assert.equal(participant('Practitioner/1'), true);
  assert.equal(participant('http://example.org/fhir/Practitioner/1'), true);
  assert.equal(participant('Patient/1'), false);
  assert.equal(participant('urn:uuid:00000000-0000-4000-8000-000000000001'), 'cannot');
  assert.equal(participant('http://example.org/Chicken/1'), 'cannot');
  assert.equal(
    outcome('member.resolve().name.exists()', 'CareTeam.participant', { member: { reference: 'Patient/1' } }),
    'cannot',
  );
  assert.equal(outcome(onlyPractitioners, 'CareTeam.participant', {}), true);
});

test('a hostile pattern or expression ends soon and is no fault, and told apart', () => {
  const text = `${'a'.repeat(5000)}!`;
  assert.equal(outcome("value.matches('^(a+)+$')", 'Identifier', { value: text }), false);
  assert.equal(outcome("value.matches('^(a|aa)*b?(x+x+)+y$')", 'Identifier', { value: text }), false);
  assert.equal(outcome("value.matches('^(a|b)*!$')", 'Identifier', { value: text }), true);
  assert.equal(outcome("value.matches('(?=a)(a+)+$')", 'Identifier', { value: text }), 'too-costly');
  assert.equal(outcome("value.matches('[')", 'Identifier', { value: text }), 'unreadable');
  assert.equal(outcome('((', 'Identifier', { value: text }), 'unreadable');
  assert.equal(outcome(`${'('.repeat(5000)}true`, 'Identifier', { value: text }), 'too-costly');
  const many = { resourceType: 'Patient', name: Array.from({ length: 300 }, () => ({ given: ['a', 'b', 'c'] })) };
  const nested = '%resource.descendants().select(%resource.descendants().select(%resource.descendants())).exists()';
  assert.equal(outcome(nested, 'Patient', many), 'too-costly');
  assert.equal(outcome(`${nested} ~ true`, 'Patient', many), 'too-costly');
  const doubled = `'x'${'.select($this & $this)'.repeat(60)}.length() > 0`;
  assert.equal(outcome(doubled, 'Patient', many), 'too-costly');
  assert.equal(outcome(`name${'.name'.repeat(3000)}.empty()`, 'Patient', many), 'too-costly');
  assert.equal(outcome('name.repeat($this).empty()', 'Patient', many), 'too-costly');
  assert.equal(outcome('value.noSuchFunction()', 'Identifier', { value: text }), 'unreadable');
});
