// Resources indexed by the search parameters that packages bring, also after a load that was broken off.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { isCerebraError } from '#platform';
import { type PackageSketch, packageOf, sampleSearchParameter, sampleValueSet, testDatabase } from '#platform/testing';
import { storeCreate } from '../store/store.ts';
import { everything, testCore } from '../testing.ts';
import { type LoadPackagesOptions, loadAndIndex } from './load-and-index.ts';

const db = await testDatabase();
const core = await testCore(db);
const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-packages-'));
after(() => rm(folder, { recursive: true, force: true }));

async function archive(sketch: PackageSketch): Promise<string> {
  const file = path.join(folder, `${sketch.name}.tgz`);
  await writeFile(file, packageOf(sketch));
  return file;
}

test('what a load that was broken off has not indexed the next one indexes', async () => {
  await storeCreate(core.store, { resourceType: 'Patient', birthDate: '1980-01-01' }, everything);
  const maiden = sampleSearchParameter('maiden', "Patient.extension('urn:maiden').value.ofType(string)");
  const names = [
    await archive({ name: 'first.guide', files: { 'a.json': maiden } }),
    await archive({ name: 'second.guide', files: { 'b.json': sampleValueSet('colours') } }),
  ];
  const indexed: string[][] = [];
  const load = async (more: Partial<LoadPackagesOptions> = {}): Promise<string[]> => {
    const options = { scope: everything, examples: false, again: false, alone: true, ...more };
    const onIndexing = (types: string[]) => indexed.push(types);
    const summaries = await loadAndIndex(core, names, { ...options, onIndexing }, undefined);
    return summaries.map(({ name, outcome }) => `${name} ${outcome}`);
  };
  const stopping = new AbortController();
  await assert.rejects(load({ signal: stopping.signal, onPackage: () => stopping.abort() }), (error) =>
    isCerebraError(error, 'unavailable'),
  );
  const isIndexed = async (): Promise<boolean> => {
    await core.store.registry.refresh();
    return core.store.registry.isIndexed(core.parameters.get('Patient', 'maiden')!);
  };
  assert.equal(await isIndexed(), false);
  assert.deepEqual(await load(), ['first.guide present', 'second.guide installed']);
  assert.deepEqual(indexed, [['Patient']]);
  assert.equal(await isIndexed(), true);
  assert.deepEqual(await load(), ['first.guide present', 'second.guide present']);
  assert.deepEqual(indexed, [['Patient']]);
});
