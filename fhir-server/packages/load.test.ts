// Where packages come from: archives, folders, registries; and what they depend on.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import {
  type PackageSketch,
  packageManifest,
  packageOf,
  sampleValueSet,
  startPackageRegistry,
  testDatabase,
} from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { emptyStore, everything, testCore } from '../testing.ts';
import type { InstallSummary } from './install.ts';
import { loadFrom, loadPackages, type PackageOptions } from './load.ts';

const db = await testDatabase();
const registry = await startPackageRegistry();
let core: Core;
let folder: string;

after(() => registry.close());
beforeEach(async () => {
  await emptyStore(db);
  await db.query({ text: 'delete from fhir_package' });
  core = await testCore(db);
  folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-packages-'));
  registry.answers.clear();
  registry.asked.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options: PackageOptions = { scope: everything, examples: false, again: false, alone: false };
const load = (names: string[], more: Partial<PackageOptions> = {}) =>
  loadPackages(core, names, { ...options, ...more });

const told = (summaries: readonly InstallSummary[]): string[] =>
  summaries.map(({ name, version, outcome, missing }) => {
    const lacking = missing.map((one) => ` -${one.name}#${one.version}`).join('');
    return `${name}#${version} ${outcome}${lacking}`;
  });

const files = (name: string): Record<string, Resource> => ({ [`${name}.json`]: sampleValueSet(name) });

async function archive(name: string, sketch: PackageSketch): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, packageOf(sketch));
  return file;
}

/** `top` needs `middle`, which needs `bottom`, which needs `top` again. */
const circle: Record<string, PackageSketch> = {
  top: { name: 'top.guide', dependencies: { 'middle.guide': '1.0.x' }, files: files('top') },
  middle: { name: 'middle.guide', dependencies: { 'bottom.guide': 'latest' }, files: files('middle') },
  bottom: {
    name: 'bottom.guide',
    dependencies: { 'top.guide': '1.0.0', 'gone.guide': '2.0.0' },
    files: files('bottom'),
  },
};

describe('files and folders', () => {
  test('what a package depends on is taken from beside it, first; what is not there is named', async () => {
    const top = await archive('top.tgz', circle.top!);
    await archive('a.tgz', circle.middle!);
    await archive('b.tgz', circle.bottom!);
    await archive('older.tgz', { ...circle.bottom, version: '0.9.0' });
    await writeFile(path.join(folder, 'rubbish.tgz'), 'rubbish');
    assert.deepEqual(told(await load([top])), [
      'bottom.guide#1.0.0 installed -gone.guide#2.0.0',
      'middle.guide#1.0.0 installed',
      'top.guide#1.0.0 installed',
    ]);
    assert.deepEqual(told(await load([top])), ['top.guide#1.0.0 present']);
  });

  test('any version beside it serves where none in particular is asked for', async () => {
    const needs: PackageSketch = { name: 'a.guide', dependencies: { 'b.guide': 'current', 'c.guide': 'dev' } };
    await archive('a.tgz', { ...needs, files: files('a') });
    await archive('b.tgz', { name: 'b.guide', version: '1.0.0-cibuild', files: files('b') });
    await archive('c.tgz', { name: 'c.guide', dependencies: { 'a.guide': 'current' }, files: files('c') });
    assert.deepEqual(told(await load([folder])), [
      'b.guide#1.0.0-cibuild installed',
      'c.guide#1.0.0 installed',
      'a.guide#1.0.0 installed',
    ]);
  });

  test('only what is named, if that is asked', async () => {
    const top = await archive('top.tgz', circle.top!);
    await archive('a.tgz', circle.middle!);
    assert.deepEqual(told(await load([top], { alone: true })), ['top.guide#1.0.0 installed -middle.guide#1.0.x']);
  });

  test('all of a folder, archives and unpacked packages', async () => {
    await archive('top.tgz', circle.top!);
    const unpacked = path.join(folder, 'middle', 'package');
    await mkdir(path.join(unpacked, 'example'), { recursive: true });
    await writeFile(path.join(unpacked, 'package.json'), JSON.stringify(packageManifest(circle.middle!)));
    await writeFile(path.join(unpacked, 'a.json'), JSON.stringify(sampleValueSet('middle')));
    await writeFile(path.join(folder, 'outside.json'), JSON.stringify(sampleValueSet('outside')));
    await symlink(path.join(folder, 'outside.json'), path.join(unpacked, 'link.json'));
    const summaries = await load([folder]);
    assert.deepEqual(told(summaries), [
      'middle.guide#1.0.0 installed -bottom.guide#latest',
      'top.guide#1.0.0 installed',
    ]);
    assert.deepEqual(
      summaries.map(({ created }) => created),
      [1, 1],
    );
  });

  test('what is not there, or is none', async () => {
    const cases: [string, RegExp][] = [
      [path.join(folder, 'none.tgz'), /no such file or folder/],
      ['no.such#1.0.0', /to take the package from a registry name one/],
      [folder, /no package in this folder/],
      [await archive('empty.tgz', { name: '' }), /has no name/],
    ];
    for (const [name, message] of cases) {
      await assert.rejects(load([name]), (error) => isCerebraError(error) && message.test(error.message), name);
    }
  });
});

describe('a registry', () => {
  const listing = (versions: string[], latest?: string) => ({
    versions: Object.fromEntries(versions.map((version) => [version, {}])),
    ...(latest === undefined ? {} : { 'dist-tags': { latest } }),
  });
  const offer = (sketch: PackageSketch, at = `/${sketch.name}/${sketch.version ?? '1.0.0'}`) =>
    registry.answers.set(at, packageOf(sketch));
  const withRegistry = { registry: `${registry.url}/` };

  test('has packages by name and version, and what they depend on', async (t) => {
    const { TMPDIR } = process.env;
    t.after(() => {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    });
    process.env.TMPDIR = folder;
    for (const sketch of Object.values(circle)) offer(sketch);
    registry.answers.set('/middle.guide', listing(['1.0.0', '1.1.0']));
    registry.answers.set('/bottom.guide', listing(['1.0.0', '3.0.0-ballot'], '1.0.0'));
    const summaries = await load(['top.guide#1.0.0'], withRegistry);
    assert.deepEqual(
      summaries.map(({ name }) => name),
      ['bottom.guide', 'middle.guide', 'top.guide'],
    );
    assert.deepEqual(registry.asked, [
      ...['/top.guide/1.0.0', '/middle.guide', '/middle.guide/1.0.0'],
      ...['/bottom.guide', '/bottom.guide/1.0.0', '/gone.guide/2.0.0'],
    ]);
    assert.deepEqual(await readdir(folder), []);
  });

  test('without version the latest is meant', async () => {
    registry.answers.set('/top.guide', listing(['1.0.0', '1.10.0', '1.9.0']));
    offer({ name: 'top.guide', version: '1.10.0' });
    assert.deepEqual(told(await load(['top.guide'], withRegistry)), ['top.guide#1.10.0 installed']);
  });

  test('is followed within itself, never elsewhere', async () => {
    offer(circle.bottom!, '/stored/bottom');
    registry.answers.set('/bottom.guide/1.0.0', '/stored/bottom');
    assert.equal((await load(['bottom.guide#1.0.0'], withRegistry)).length, 1);
    registry.answers.set('/top.guide/1.0.0', 'http://127.0.0.2:1/top');
    registry.answers.set('/middle.guide/1.0.0', '/middle.guide/1.0.0');
    await assert.rejects(load(['top.guide#1.0.0'], withRegistry), {
      code: 'unavailable',
      message: /leads elsewhere, to http:\/\/127\.0\.0\.2:1: not followed/,
    });
    await assert.rejects(load(['middle.guide#1.0.0'], withRegistry), { message: /redirects in a circle/ });
  });

  test('that lacks it, fails or is away is told as such', async () => {
    await assert.rejects(load(['top.guide#1.0.0'], withRegistry), { code: 'not-found' });
    registry.answers.set('/top.guide/1.0.0', 500);
    await assert.rejects(load(['top.guide#1.0.0'], withRegistry), { code: 'unavailable', message: /answers 500/ });
    registry.answers.set('/top.guide', Buffer.from('<html>'));
    await assert.rejects(load(['top.guide'], withRegistry), { code: 'unavailable', message: /is no JSON/ });
    const gone = { registry: 'http://127.0.0.1:1' };
    await assert.rejects(load(['top.guide#1.0.0'], gone), { code: 'unavailable', message: /does not answer/ });
    for (const wrong of ['file:///etc', 'packages.fhir.org', 'http://u:p@x.example']) {
      assert.throws(() => load(['top.guide#1.0.0'], { registry: wrong }), { code: 'invalid-parameter' }, wrong);
    }
  });

  test('a dependency that can’t be had is missing, and the rest goes on', async () => {
    const notes: string[] = [];
    const top = await archive('top.tgz', circle.top!);
    registry.answers.set('/middle.guide', 503);
    const summaries = await load([top], { ...withRegistry, onNote: (note) => notes.push(note) });
    assert.deepEqual(told(summaries), ['top.guide#1.0.0 installed -middle.guide#1.0.x']);
    assert.deepEqual(notes, [`${registry.url}/middle.guide: answers 503`]);
  });

  test('an archive by its address', async () => {
    offer(circle.bottom!, '/some/where.tgz');
    assert.equal((await loadFrom(core, `${registry.url}/some/where.tgz`, options)).length, 1);
    await assert.rejects(loadFrom(core, `${registry.url}/nothing`, options), { code: 'not-found' });
  });
});
