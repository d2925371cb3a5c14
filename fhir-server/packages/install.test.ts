// Packages into the store: what is stored, under which id, and what becomes of those that were broken off.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import {
  type PackageSketch,
  packageOf,
  sampleProfile,
  sampleSearchParameter,
  sampleValueSet,
  testDatabase,
  waitFor,
} from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, emptyStore, everything, testCore } from '../testing.ts';
import type { InstallSummary } from './install.ts';
import { loadArchive, type PackageOptions } from './load.ts';
import { beginPackage, findInstalled, finishPackage, installedPackages } from './rows.ts';

const db = await testDatabase();
let core: Core;

beforeEach(async () => {
  await emptyStore(db);
  await db.query({ text: 'delete from fhir_package' });
  core = await testCore(db);
});

const options: PackageOptions = { scope: everything, examples: false, again: false, alone: false };

async function load(sketch: PackageSketch, more: Partial<PackageOptions> = {}): Promise<InstallSummary> {
  const summaries = await loadArchive(core, packageOf(sketch), { ...options, ...more });
  return summaries.at(-1)!;
}

async function read(type: string, id: string): Promise<Resource | undefined> {
  const found = await readCurrent(db, type, id, everything);
  return found?.body ? (JSON.parse(found.body) as Resource) : undefined;
}

const idsOf = async (type: string): Promise<string[]> =>
  (await db.query<{ id: string }>({ text: `select id from r_${type.toLowerCase()} order by id` })).map(({ id }) => id);

describe('a package', () => {
  const files = {
    '.index.json': '{"files":[]}',
    'ValueSet-colours.json': sampleValueSet('colours'),
    'StructureDefinition-painted.json': sampleProfile('painted', 'Patient'),
    'example/Patient-one.json': { resourceType: 'Patient', id: 'one' },
    'Patient-two.json': { resourceType: 'Patient', id: 'two' },
    'other/ValueSet-hidden.json': sampleValueSet('hidden'),
    'note.txt': 'text',
    'list.json': '[]',
  };

  test('brings its conformance resources, under ids of their own version', async () => {
    const summary = await load({ files });
    const { created, present, examples, faults, missing, outcome } = summary;
    assert.deepEqual(
      { created, present, examples, faults, missing, outcome },
      {
        ...{ created: 2, present: 0, examples: 0, faults: [], missing: [], outcome: 'installed' },
      },
    );
    assert.deepEqual(await idsOf('ValueSet'), ['colours-1.0.0']);
    assert.deepEqual(await idsOf('StructureDefinition'), ['painted-1.0.0']);
    assert.deepEqual(await idsOf('Patient'), []);
    assert.deepEqual(await installedPackages(db), [
      {
        ...{ name: 'test.guide', version: '1.0.0', canonical: 'http://test.example/test.guide' },
        ...{ title: 'Guide test.guide', resources: 2, refused: 0 },
      },
    ]);
    await assertStoreSound(core.store);
  });

  test('brings its examples if that is asked, under their own ids', async () => {
    await storeUpdate(core.store, { resourceType: 'Patient', id: 'one', active: true }, 'one', undefined, everything);
    const { created, examples } = await load({ files }, { examples: true });
    assert.deepEqual([created, examples], [2, 1]);
    assert.deepEqual(await idsOf('Patient'), ['one', 'two']);
    assert.equal((await read('Patient', 'one'))?.active, true);
  });

  test('that is installed is passed over, and loaded again if that is asked', async () => {
    await load({ files });
    assert.equal((await load({ files })).outcome, 'present');
    const { outcome, created, present } = await load({ files }, { again: true });
    assert.deepEqual([outcome, created, present], ['installed', 0, 2]);
  });

  test('comes back whole when parts of it were deleted', async () => {
    await load({ files });
    await storeDelete(core.store, 'ValueSet', 'colours-1.0.0', undefined, everything);
    const { created, present } = await load({ files }, { again: true });
    assert.deepEqual([created, present], [1, 1]);
    assert.equal((await read('ValueSet', 'colours-1.0.0'))?.meta?.versionId, '3');
    await assertStoreSound(core.store);
  });

  test('stands beside its other versions', async () => {
    await load({ files: { 'ValueSet-colours.json': sampleValueSet('colours', '1.0.0') } });
    await load({ version: '1.10.0', files: { 'ValueSet-colours.json': sampleValueSet('colours', '1.10.0') } });
    await load({ version: '1.9.0', files: { 'ValueSet-colours.json': sampleValueSet('colours', '1.9.0') } });
    assert.deepEqual(await idsOf('ValueSet'), ['colours-1.0.0', 'colours-1.10.0', 'colours-1.9.0']);
    const { canonicals } = core;
    const url = 'http://test.example/ValueSet/colours';
    assert.equal((await canonicals.find('ValueSet', url))?.version, '1.10.0');
    assert.equal((await canonicals.find('ValueSet', `${url}|1.0.0`))?.version, '1.0.0');
    assert.equal(await findInstalled(db, 'test.guide', '1.x'), '1.10.0');
    assert.equal(await findInstalled(db, 'test.guide', '1.9.0'), '1.9.0');
    assert.equal(await findInstalled(db, 'test.guide', '1.8.0'), undefined);
    assert.equal(await findInstalled(db, 'test.guide', 'current'), '1.10.0');
  });
});

describe('what is here already', () => {
  test('with the same canonical and version is left as it is', async () => {
    const mine = sampleValueSet('mine', '1.0.0', { url: 'http://test.example/ValueSet/colours', title: 'Mine' });
    const { id } = await storeCreate(core.store, mine, everything);
    const { created, present } = await load({ files: { 'a.json': sampleValueSet('colours') } });
    assert.deepEqual([created, present], [0, 1]);
    assert.deepEqual(await idsOf('ValueSet'), [id]);
    assert.equal((await read('ValueSet', id))?.title, 'Mine');
  });

  test('under the same id but another canonical keeps it', async () => {
    await load({ files: { 'a.json': sampleValueSet('colours') } });
    const other = sampleValueSet('colours', '1.0.0', { url: 'http://elsewhere.example/ValueSet/colours' });
    const sketch = { name: 'other.guide', files: { 'a.json': other } };
    assert.equal((await load(sketch)).created, 1);
    const ids = await idsOf('ValueSet');
    assert.equal(ids.length, 2);
    assert.equal((await load(sketch, { again: true })).present, 1);
    assert.deepEqual(await idsOf('ValueSet'), ids);
  });

  test('without url is known by its place in the package', async () => {
    const files = {
      'a.json': {
        ...{
          resourceType: 'NamingSystem',
          id: 'mrn',
          name: 'Test',
          status: 'active',
          kind: 'identifier',
          date: '2020',
        },
        uniqueId: [{ type: 'uri', value: 'http://test.example/mrn' }],
      },
    };
    assert.equal((await load({ files })).created, 1);
    const ids = await idsOf('NamingSystem');
    assert.match(ids.join(), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f-]{17}$/);
    const { created, present } = await load({ files }, { again: true });
    assert.deepEqual([created, present], [0, 1]);
    assert.deepEqual(await idsOf('NamingSystem'), ids);
  });

  test('ids that can’t be read are made of canonical and version', async () => {
    const long = 'x'.repeat(60);
    await load({
      files: { 'a.json': sampleValueSet(long, '1.0.0+build 7'), 'b.json': sampleValueSet('short', '1+2') },
    });
    const [readable, derived] = (await idsOf('ValueSet')).sort((a, b) => b.length - a.length).reverse();
    assert.equal(readable, 'short-1-2');
    assert.match(derived!, /^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  });
});

describe('what is wrong', () => {
  test('with single resources is told, and the rest is stored', async () => {
    const { created, faults } = await load({
      files: {
        'a.json': sampleValueSet('fine'),
        'b.json': sampleValueSet('wrong', '1.0.0', { status: 'great' }),
        'c.json': '{"resourceType":"ValueSet",',
        'd.json': { resourceType: 'ValueSet', id: 'e', status: 'active', text: '\0' },
        'e.json': sampleSearchParameter('nothing', 'Patient.nmae'),
      },
    });
    assert.equal(created, 1);
    const told = faults.map(({ file, issues }) => [file, issues[0]!.code, issues[0]!.expression?.[0]]);
    assert.deepEqual(told.sort(), [
      ['package/b.json', 'code-invalid', 'ValueSet.status'],
      ['package/c.json', 'structure', undefined],
      ['package/d.json', 'invalid', undefined],
      ['package/e.json', 'value', 'SearchParameter.expression'],
    ]);
    assert.deepEqual(
      (await installedPackages(db)).map(({ resources, refused }) => [resources, refused]),
      [[1, 4]],
    );
  });

  test('by a profile that a definition claims keeps nothing out', async () => {
    const url = 'http://test.example/CodeSystem/claims';
    const claims = {
      ...{ resourceType: 'CodeSystem', id: 'claims', url, version: '1', status: 'active', content: 'complete' },
      meta: { profile: ['http://hl7.org/fhir/StructureDefinition/shareablecodesystem'] },
    };
    const { created, faults } = await load({ files: { 'a.json': claims } });
    assert.deepEqual([created, faults], [1, []]);
  });

  test('with the archive or its manifest refuses it, and nothing is stored', async () => {
    const cases: [Buffer, string, RegExp][] = [
      [Buffer.from('no archive'), 'invalid', /not a gzip file/],
      [packageOf({ name: '../up' }), 'invalid', /has no name that is one/],
      [packageOf({ version: 'a b' }), 'invalid', /has no version that is one/],
      [packageOf({ fhirVersions: ['5.0.0'] }), 'unsupported', /is for FHIR 5\.0\.0/],
      [packageOf({ dependencies: { 'a/../b': '1' } }), 'invalid', /dependency that is none/],
      [packageOf({ files: { '../../evil.json': sampleValueSet('evil') } }), 'invalid', /leads out of the archive/],
    ];
    for (const [bytes, code, message] of cases) {
      await assert.rejects(
        loadArchive(core, bytes, options),
        (error) => isCerebraError(error) && error.code === code && message.test(error.message),
        String(message),
      );
    }
    assert.deepEqual(await installedPackages(db), []);
    assert.deepEqual(await idsOf('ValueSet'), []);
  });

  test('access that allows no changes', async () => {
    const scope = { kind: 'nothing' } as const;
    await assert.rejects(load({ files: { 'a.json': sampleValueSet('a') } }, { scope }), { code: 'forbidden' });
    assert.deepEqual(await installedPackages(db), []);
  });
});

describe('broken off', () => {
  const many = (n: number) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`v${i}.json`, sampleValueSet(`v${i}`)]));

  test('it is not installed; loaded again it is whole, and nothing is there twice', async () => {
    const stopping = new AbortController();
    const files = many(250);
    await assert.rejects(
      load({ files }, { signal: stopping.signal, onProgress: () => stopping.abort() }),
      (error) => isCerebraError(error, 'unavailable') && /load it again/.test(error.message),
    );
    assert.equal((await idsOf('ValueSet')).length, 100);
    assert.equal(await findInstalled(db, 'test.guide', '1.0.0'), undefined);
    assert.deepEqual(await db.query({ text: 'select name, state from fhir_package' }), [
      { name: 'test.guide', state: 'loading' },
    ]);
    const { created, present } = await load({ files });
    assert.deepEqual([created, present], [150, 100]);
    assert.equal(await findInstalled(db, 'test.guide', '1.0.0'), '1.0.0');
    await assertStoreSound(core.store);
  });

  test('two at once make one', async () => {
    const other = await testCore(db);
    const bytes = packageOf({ files: many(120) });
    const both = await Promise.all([loadArchive(core, bytes, options), loadArchive(other, bytes, options)]);
    const created = both.flat().reduce((sum, summary) => sum + summary.created, 0);
    assert.equal(created, 120);
    assert.equal((await idsOf('ValueSet')).length, 120);
    assert.equal((await installedPackages(db)).length, 1);
    await assertStoreSound(core.store);
  });
});

test('two that end at once wait for each other, whatever the order of what they stored', async () => {
  const manifest = {
    ...{ name: 'test.guide', version: '1.0.0', canonical: undefined, title: undefined },
    dependencies: new Map([['test.other', '2.0.0']]),
  };
  const resources = ['a', 'b'].map((id) => ({
    ...{ type: 'ValueSet', id, url: undefined, version: undefined, profileOf: undefined },
  }));
  await beginPackage(db, manifest, 'a.tgz');
  let other: Promise<void> | undefined;
  await db.tx(async (tx) => {
    await finishPackage(tx, manifest, resources, 0);
    other = db.tx((beside) => finishPackage(beside, manifest, resources.toReversed(), 1));
    other.catch(() => {});
    const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await waitFor(async () => (await db.query({ text: waiting })).length === 1, 'the other one waits');
  });
  await other;
  assert.deepEqual(
    (await installedPackages(db)).map(({ resources: count, refused }) => [count, refused]),
    [[2, 1]],
  );
  const parts = `select (select count(*)::int from fhir_package_resource) as resources,
    (select count(*)::int from fhir_package_dependency) as needs`;
  assert.deepEqual(await db.query({ text: parts }), [{ resources: 2, needs: 1 }]);
});

describe('search parameters', () => {
  test('index what is stored from then on; resources that are there are told', async () => {
    await storeCreate(core.store, { resourceType: 'Patient', birthDate: '1980-01-01' }, everything);
    const { unindexed } = await load({
      files: {
        'a.json': sampleSearchParameter('maiden', "Patient.extension('urn:maiden').value.ofType(string)"),
        'b.json': sampleSearchParameter('goal', 'Goal.description.text', { base: ['Goal'] }),
      },
    });
    assert.deepEqual(unindexed, ['Patient']);
    assert.equal(core.parameters.get('Patient', 'maiden')?.custom, true);
    assert.equal(core.parameters.get('Goal', 'goal')?.custom, true);
  });

  test('that are derived from R4’s are served by those', async () => {
    const derivedFrom = 'http://hl7.org/fhir/SearchParameter/individual-birthdate';
    const more = { code: 'birthdate', type: 'date', derivedFrom };
    const { faults, created } = await load({
      files: {
        'a.json': sampleSearchParameter('b', 'Patient.birthDate', more),
        'b.json': sampleSearchParameter('d', 'Patient.birthDate', { ...more, derivedFrom: `${derivedFrom}|4.0.1` }),
      },
    });
    assert.deepEqual([faults, created], [[], 2]);
    assert.equal(core.parameters.get('Patient', 'birthdate')?.custom, undefined);
    const other = sampleSearchParameter('c', 'Patient.birthDate', { code: 'birthdate', type: 'date' });
    const refused = await load({ version: '2.0.0', files: { 'a.json': other } });
    assert.deepEqual(
      refused.faults.map(({ issues }) => issues[0]!.code),
      ['duplicate'],
    );
  });

  test('of several versions the latest counts, whichever came first', async () => {
    const named = (version: string, url: string) =>
      sampleSearchParameter('mark', `Patient.extension('${url}').value.ofType(string)`, { version });
    await load({ version: '2.0.0', files: { 'a.json': named('2.0.0', 'urn:new') } });
    const { faults } = await load({ version: '1.0.0', files: { 'a.json': named('1.0.0', 'urn:old') } });
    assert.deepEqual(faults, []);
    assert.match(core.parameters.get('Patient', 'mark')?.expression ?? '', /urn:new/);
    await load({ version: '3.0.0', files: { 'a.json': named('3.0.0', 'urn:newest') } });
    assert.match(core.parameters.get('Patient', 'mark')?.expression ?? '', /urn:newest/);
  });

  const part = (id: string, expression: string, type: string) =>
    sampleSearchParameter(id, expression, { base: ['Observation'], type });
  const parts = {
    'b.json': part('part-code', 'Observation.component.code', 'token'),
    'c.json': part('part-value', 'Observation.component.valueQuantity', 'quantity'),
  };
  const composite = sampleSearchParameter('both', 'Observation.component', {
    ...{ base: ['Observation'], type: 'composite' },
    component: [
      { definition: 'http://test.example/SearchParameter/part-code', expression: 'code' },
      { definition: 'http://test.example/SearchParameter/part-value|1.0.0', expression: 'value.ofType(Quantity)' },
    ],
  });

  test('composites come after their parts; JSON’s names of choices are understood', async () => {
    const { faults } = await load({ files: { 'a.json': composite, ...parts } });
    assert.deepEqual(faults, []);
    assert.equal(core.parameters.get('Observation', 'both')?.custom, true);
  });

  test('composites of parts that another process has just stored', async () => {
    const other = await testCore(db);
    await load({ files: parts });
    assert.equal(other.parameters.get('Observation', 'part-code'), undefined);
    const bytes = packageOf({ version: '2.0.0', files: { 'a.json': composite } });
    const [summary] = await loadArchive(other, bytes, options);
    assert.deepEqual([summary!.faults, summary!.created], [[], 1]);
    assert.equal(other.parameters.get('Observation', 'both')?.custom, true);
  });
});
