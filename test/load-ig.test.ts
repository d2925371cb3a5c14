// `cerebra load-ig` from outside: its exit codes and output, and that kill -9 leaves nothing half installed.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Db } from '#platform';
import { packageOf, sampleSearchParameter, sampleValueSet, waitFor } from '#platform/testing';
import { countOf, ground, run, start } from './command.ts';
import { checkStore } from './fault/checks.ts';
import { endThoseAtGate, openGate, shutGate } from './fault/gate.ts';

const stateOf = async (db: Db): Promise<string | undefined> =>
  (await db.query<{ state: string }>({ text: 'select state from fhir_package' }))[0]?.state;

test('loads, tells what became of each package, and says by its exit code whether all went well', async (t) => {
  const where = await ground(t);
  const files = { 'a.json': sampleValueSet('a'), 'b.json': sampleSearchParameter('mark', 'Patient.name.given') };
  await writeFile(path.join(where.folder, 'a.tgz'), packageOf({ files, dependencies: { 'gone.guide': '1.0.0' } }));
  const wrong = { 'a.json': sampleValueSet('w', '1.0.0', { status: 'great' }) };
  await writeFile(path.join(where.folder, 'w.tgz'), packageOf({ name: 'wrong.guide', files: wrong }));
  const first = await run(where, 'load-ig', 'a.tgz');
  assert.match(first.output, /^test\.guide#1\.0\.0: 2 resources stored; not here: gone\.guide#1\.0\.0$/m);
  assert.equal(first.code, 0, first.output);
  const second = await run(where, 'load-ig', 'a.tgz');
  assert.match(second.output, /^test\.guide#1\.0\.0: installed already; --again loads it; not here: gone/m);
  assert.equal(second.code, 0, second.output);
  const third = await run(where, 'load-ig', 'w.tgz');
  assert.match(third.output, /^package\/a\.json: ValueSet\.status/m);
  assert.match(third.output, /^wrong\.guide#1\.0\.0: 0 resources stored, 1 refused$/m);
  assert.equal(third.code, 2, third.output);
  const fourth = await run(where, 'load-ig', 'none.tgz');
  assert.match(fourth.output, /none\.tgz: there is no such file or folder/);
  assert.equal(fourth.code, 1, fourth.output);
  const fifth = await run(where, 'load-ig', '--help');
  assert.match(fifth.output, /^Usage: cerebra load-ig/);
  assert.equal(fifth.code, 0);
});

test('killed, it is not installed; the same command makes it whole', async (t) => {
  const where = await ground(t);
  const count = 1_500;
  const files = Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}.json`, sampleValueSet(`v${i}`)]));
  await writeFile(path.join(where.folder, 'a.tgz'), packageOf({ files }));
  // However fast it is, it does not come to its end before it is killed.
  await shutGate(where.db, 'fhir_package', `new.state = 'installed'`);
  const { child, ended } = start(where, 'load-ig', 'a.tgz');
  await waitFor(async () => (await countOf(where.db, 'r_valueset')) > 0, 'the first value sets');
  child.kill('SIGKILL');
  await ended;
  await endThoseAtGate(where.db);
  await openGate(where.db);
  assert.equal(await stateOf(where.db), 'loading');
  const again = await run(where, 'load-ig', 'a.tgz');
  assert.equal(again.code, 0, again.output);
  assert.equal(await stateOf(where.db), 'installed');
  assert.equal(await countOf(where.db, 'r_valueset'), count);
  assert.equal(await countOf(where.db, 'fhir_package_resource'), count);
  await checkStore(where.db);
});
