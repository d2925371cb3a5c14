import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadCoreResources } from './core-resources.ts';
import { loadDefinitions } from './definitions.ts';
import type { Resource } from './types.ts';

const folder = await mkdtemp(join(tmpdir(), 'cerebra-core-'));
after(() => rm(folder, { recursive: true, force: true }));

const core = await loadCoreResources(join(folder, 'first'));
const definitions = await loadDefinitions();

const base = 'http://hl7.org/fhir/StructureDefinition/';

interface Element {
  path: string;
  min: number;
  max: string;
  base?: { path: string };
  binding?: { valueSet: string };
  type?: { code: string }[];
}

const elementsOf = (resource: Resource | undefined): Element[] =>
  (resource as unknown as { snapshot: { element: Element[] } }).snapshot.element;

test('R4’s own resources by url, without narrative', async () => {
  const patient = await core.read('StructureDefinition', `${base}Patient`);
  assert.deepEqual(
    [patient?.resourceType, patient?.name, patient?.version],
    ['StructureDefinition', 'Patient', '4.0.1'],
  );
  assert.equal(patient?.text, undefined);
  const genders = await core.read('CodeSystem', 'http://hl7.org/fhir/administrative-gender');
  assert.equal((genders!.concept as unknown[]).length, 4);
  assert.equal(core.version('CodeSystem', 'http://terminology.hl7.org/CodeSystem/v3-ActCode'), '2018-08-12');
  assert.equal((await core.read('ValueSet', 'http://hl7.org/fhir/ValueSet/languages'))?.status, 'draft');
  assert.equal(
    (await core.read('OperationDefinition', 'http://hl7.org/fhir/OperationDefinition/Patient-everything'))?.code,
    'everything',
  );
});

test('nothing of later versions, and nothing that is not there', async () => {
  assert.equal(core.version('StructureDefinition', `${base}SubscriptionStatus`), undefined);
  assert.equal(core.version('StructureDefinition', 'https://medplum.com/fhir/StructureDefinition/Project'), undefined);
  assert.equal(core.urls('SearchParameter').length, definitions.searchParameters.length);
  for (const [type, url] of [
    ['StructureDefinition', `${base}None`],
    ['Patient', `${base}Patient`],
    ['ValueSet', 'constructor'],
    ['__proto__', 'toString'],
  ] as const) {
    assert.equal(await core.read(type, url), undefined);
    assert.equal(core.version(type, url), undefined);
  }
});

test('snapshots of types have R4’s elements: those that the definitions have, in their order', async () => {
  for (const name of [...definitions.resourceTypes, 'Meta', 'HumanName', 'Timing', 'ElementDefinition']) {
    const own = elementsOf(await core.read('StructureDefinition', `${base}${name}`));
    const paths = own.map(({ path }) => path);
    assert.equal(new Set(paths).size, paths.length, name);
    const wanted = definitions
      .type(name)!
      .elements.map(({ name: element, choice }) => `${name}.${element}${choice ? '[x]' : ''}`);
    const top = paths.filter((path) => path.split('.').length === 2);
    assert.deepEqual(top, wanted, name);
    for (const path of paths.slice(1)) {
      assert.ok(paths.includes(path.slice(0, path.lastIndexOf('.'))), `${path} has its parent`);
    }
  }
});

test('what the package says differently is as HL7 wrote it', async () => {
  const study = elementsOf(await core.read('StructureDefinition', `${base}ResearchStudy`));
  assert.match(
    study.find(({ path }) => path === 'ResearchStudy.status')?.binding?.valueSet ?? '',
    /research-study-status\|4\.0\.1$/,
  );
  const variable = elementsOf(await core.read('StructureDefinition', `${base}EvidenceVariable`));
  const at = variable.findIndex(({ path }) => path === 'EvidenceVariable.characteristic.definition[x]');
  assert.equal(variable[at - 1]?.path, 'EvidenceVariable.characteristic.description');
  assert.equal(variable[at]?.base?.path, 'EvidenceVariable.characteristic.definition[x]');
  assert.equal(variable.find(({ path }) => path === 'EvidenceVariable.characteristic')?.min, 1);
  const bundle = elementsOf(await core.read('StructureDefinition', `${base}Bundle`));
  assert.deepEqual(bundle.find(({ path }) => path === 'Bundle.entry.response.outcome')?.type, [{ code: 'Resource' }]);
});

test('a file cut short is made anew; each call yields an object of its own', async () => {
  const cut = join(folder, 'cut');
  await (await loadCoreResources(cut)).read('StructureDefinition', `${base}Patient`);
  const [name = ''] = await readdir(cut);
  await truncate(join(cut, name), 10_000);
  const again = await loadCoreResources(`${cut}/.`);
  const [first, second] = [
    await again.read('StructureDefinition', `${base}Patient`),
    await again.read('StructureDefinition', `${base}Patient`),
  ];
  assert.deepEqual(first, second);
  assert.notEqual(first, second);
  assert.equal(loadCoreResources(cut), loadCoreResources(cut));
});
