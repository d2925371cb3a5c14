import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ElementDefinition, loadDefinitions } from './definitions.ts';

const folder = await mkdtemp(join(tmpdir(), 'cerebra-definitions-'));
after(() => rm(folder, { recursive: true }));
const definitions = await loadDefinitions(join(folder, 'first'));

function element(type: string, name: string): ElementDefinition {
  const found = definitions.type(type)?.elements.find((candidate) => candidate.name === name);
  return found ?? assert.fail(`${type}.${name} is missing`);
}

function names(type: string): string[] {
  return definitions.type(type)?.elements.map(({ name }) => name) ?? [];
}

test("R4's 146 concrete resource types, sorted, and none of another origin", () => {
  assert.equal(definitions.resourceTypes.length, 146);
  assert.deepEqual(definitions.resourceTypes.slice(0, 3), ['Account', 'ActivityDefinition', 'AdverseEvent']);
  assert.deepEqual([...definitions.resourceTypes], [...definitions.resourceTypes].sort());
  for (const name of [
    'Resource',
    'DomainResource',
    'SubscriptionStatus',
    'Project',
    'ClientApplication',
    'Bot',
    'HumanName',
    '__proto__',
  ]) {
    assert.equal(definitions.isResourceType(name), false, name);
  }
  assert.equal(definitions.type('Project'), undefined);
});

test('elements: cardinality, types, targets, choice, nesting, content references', () => {
  assert.deepEqual(element('Observation', 'status'), {
    name: 'status',
    types: ['code'],
    min: 1,
    array: false,
    choice: false,
    valueSet: 'http://hl7.org/fhir/ValueSet/observation-status',
    binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/observation-status' },
    summary: true,
    modifier: true,
  });
  assert.deepEqual(
    element('Range', 'low').constraints?.map(({ key }) => key),
    ['sqty-1'],
  );
  assert.deepEqual(element('Observation', 'subject').targets, ['Patient', 'Group', 'Device', 'Location']);
  assert.deepEqual(element('Patient', 'deceased').types, ['boolean', 'dateTime']);
  assert.equal(element('Patient', 'deceased').choice, true);
  assert.deepEqual(element('Patient', 'contact').types, ['Patient.contact']);
  assert.deepEqual(element('Bundle.entry', 'link'), {
    name: 'link',
    types: ['Bundle.link'],
    min: 0,
    array: true,
    choice: false,
    contentReference: 'Bundle.link',
    summary: true,
  });
  assert.deepEqual(element('Patient', 'id').types, ['id']);
  assert.deepEqual(element('Patient.contact', 'id').types, ['string']);
  assert.deepEqual(element('Extension', 'url').types, ['uri']);
  assert.equal(element('Extension', 'value').types.length, 50);
  assert.deepEqual(names('Age'), names('Quantity'));
  assert.deepEqual(names('Patient').slice(0, 8), [
    'id',
    'meta',
    'implicitRules',
    'language',
    'text',
    'contained',
    'extension',
    'modifierExtension',
  ]);
});

test("what the package adds to R4's elements is left out, what it drops is there", () => {
  assert.deepEqual(names('Meta'), [
    'id',
    'extension',
    'versionId',
    'lastUpdated',
    'source',
    'profile',
    'security',
    'tag',
  ]);
  assert.ok(!names('Binary').includes('url'));
  assert.ok(!names('ResearchStudy').includes('comparisonGroup'));
  assert.ok(!names('HealthcareService').includes('offeredIn'));
  assert.equal(definitions.type('ResearchStudy.label'), undefined);
  assert.equal(element('EvidenceVariable.characteristic', 'definition').types.length, 6);
  assert.deepEqual(element('Bundle.entry.response', 'outcome').types, ['Resource']);
  assert.equal(element('ResearchStudy', 'status').valueSet, 'http://hl7.org/fhir/ValueSet/research-study-status');
});

test('codes of required bindings, where they can be listed', () => {
  assert.deepEqual(definitions.valueSet('http://hl7.org/fhir/ValueSet/administrative-gender'), [
    { system: 'http://hl7.org/fhir/administrative-gender', codes: ['male', 'female', 'other', 'unknown'] },
  ]);
  assert.deepEqual(definitions.valueSet('http://hl7.org/fhir/ValueSet/clinicalimpression-status')?.[0]?.codes, [
    'in-progress',
    'completed',
    'entered-in-error',
  ]);
  for (const unlisted of ['mimetypes', 'currencies', 'ucum-units']) {
    assert.equal(definitions.valueSet(`http://hl7.org/fhir/ValueSet/${unlisted}`), undefined, unlisted);
  }
});

test('search parameters, all of R4 and no other', () => {
  assert.equal(definitions.searchParameters.length, 1377);
  const birthdate = definitions.searchParameters.find(({ id }) => id === 'individual-birthdate');
  assert.equal(birthdate?.expression, 'Patient.birthDate | Person.birthDate | RelatedPerson.birthDate');
  assert.deepEqual(birthdate?.base, ['Patient', 'Person', 'RelatedPerson']);
  assert.equal(
    definitions.searchParameters.find(({ version }) => version !== '4.0.1'),
    undefined,
  );
});

test('compartments', () => {
  assert.deepEqual(definitions.compartment('Patient')?.resource.Observation, ['subject', 'performer']);
  assert.equal(definitions.compartment('Patient')?.resource.Practitioner, undefined);
  assert.equal(Object.keys(definitions.compartment('Patient')?.resource ?? {}).length, 66);
  assert.equal(definitions.compartment('Device')?.code, 'Device');
  assert.equal(definitions.compartment('Cat'), undefined);
});

test('regular expressions of primitives', () => {
  assert.equal(definitions.regex('id'), '[A-Za-z0-9\\-\\.]{1,64}');
  assert.equal(definitions.regex('xhtml'), undefined);
});

/** Loads in a process of its own, as a second server would. */
async function loadElsewhere(cacheDir: string): Promise<number> {
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  const module = JSON.stringify(fileURLToPath(new URL('./definitions.ts', import.meta.url)));
  const program = `const { loadDefinitions } = await import(${module});
    console.log((await loadDefinitions(${JSON.stringify(cacheDir)})).resourceTypes.length)`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return Number(stdout);
}

test('two processes may build at once; one whole file remains', async () => {
  const cacheDir = join(folder, 'both');
  assert.deepEqual(await Promise.all([loadElsewhere(cacheDir), loadElsewhere(cacheDir)]), [146, 146]);
  assert.equal((await readdir(cacheDir)).length, 1);
});

test('a file cut short is built anew', async () => {
  const [name = ''] = await readdir(join(folder, 'first'));
  const file = join(folder, 'first', name);
  const whole = await readFile(file, 'utf8');
  await writeFile(file, whole.slice(0, 1000));
  assert.equal(await loadElsewhere(join(folder, 'first')), 146);
  assert.equal(await readFile(file, 'utf8'), whole);
});

test('two loads in one process are one', () => {
  assert.equal(loadDefinitions(join(folder, 'first')), loadDefinitions(join(folder, 'first')));
});
