// cerebra load: NDJSON, what is there already, what is refused, and going on after a stop.
import assert from 'node:assert/strict';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parseJson, type Resource, stringify } from '#fhir-model';
import { isCerebraError } from '#platform';
import { random } from '#platform/testing';
import { createReader } from '../ports.ts';
import { readVersion } from '../store/read.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything } from '../testing.ts';
import { createRig, ndjson, observation, patient } from './testing/rig.ts';

const counts = (created: number, updated = 0, present = 0, refused = 0) => ({ created, updated, present, refused });

describe('NDJSON', () => {
  test('is stored as if it had been put: bodies, history, index rows and change rows', async (t) => {
    const rig = await createRig(t);
    const patients = Array.from({ length: 300 }, (_, i) => patient(`p${i}`, `Müller "\\${i}"\n\té\u2028`));
    const observations = Array.from({ length: 700 }, (_, i) => observation(`o${i}`, `Patient/p${i % 300}`));
    await rig.file('Observation.ndjson', ndjson(observations));
    await rig.file('Patient.ndjson', ndjson(patients));
    const { summary, faults } = await rig.load([rig.folder], { threads: 2 });
    assert.deepEqual(summary.counts, counts(1000));
    assert.deepEqual(Object.fromEntries(summary.types), { Patient: counts(300), Observation: counts(700) });
    assert.deepEqual(faults, []);
    await assertStoreSound(rig.core.store);
    const { meta, ...rest } = (await rig.read('Patient', 'p7'))!;
    assert.deepEqual(rest, patients[7]);
    assert.equal(meta!.versionId, '1');
  });

  test('keeps the digits of decimals, and gives ids to resources without', async (t) => {
    const rig = await createRig(t);
    const line = stringify(observation(undefined, 'Patient/p')).replace('"value":72', '"value":72.00');
    await rig.file('a.ndjson', `${line}\r\n\n   \n${line}`);
    const { summary } = await rig.load([rig.folder]);
    assert.deepEqual(summary.counts, counts(2));
    const rows = await rig.db.query<{ id: string; body: string }>({ text: 'select id, body from r_observation' });
    assert.equal(new Set(rows.map(({ id }) => id)).size, 2);
    for (const { id, body } of rows) {
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      assert.ok(body.includes('"value":72.00'));
    }
    await assertStoreSound(rig.core.store);
  });

  test('unpacks .gz, as several members too', async (t) => {
    const rig = await createRig(t);
    const members = [[patient('a')], [patient('b'), patient('c')]].map((some) => gzipSync(ndjson(some)));
    await rig.file('Patient.ndjson.gz', Buffer.concat(members));
    assert.deepEqual((await rig.load([rig.folder])).summary.counts, counts(3));
  });

  test('refuses bad lines by number and loads the others', async (t) => {
    const rig = await createRig(t);
    const lines = [
      JSON.stringify(patient('good1')),
      '{"resourceType":"Patient",',
      '[]',
      '{"resourceType":"Patent"}',
      '{"id":"x"}',
      JSON.stringify({ ...patient('bad'), gender: 'blue' }),
      JSON.stringify({ ...patient('no good id!') }),
      '',
      JSON.stringify({ ...patient('long'), text: { status: 'generated', div: 'x'.repeat(3000) } }),
      JSON.stringify(patient('good2')),
    ];
    const broken = Buffer.concat([
      Buffer.from(`${lines.join('\n')}\n{"resourceType":"`),
      Buffer.from([0xff, 0xfe, 0x0a]),
    ]);
    await rig.file('a.ndjson', broken);
    const { summary, faults, expressions } = await rig.load([rig.folder], { lineBytesMax: 2000 });
    assert.deepEqual(summary.counts, counts(2, 0, 0, 8));
    assert.deepEqual(
      faults.map((text) => text.replace(/ found .*/, '')).sort(),
      [
        'a.ndjson:2: Not JSON at line 1, column 27: expected a name in quotes, found the end of the text',
        'a.ndjson:3: A resource must be a JSON object',
        'a.ndjson:4: resourceType must be one of R4\'s resource types, found "Patent"',
        "a.ndjson:5: resourceType must be one of R4's resource types, there is none",
        "a.ndjson:6: Patient.gender: 'blue' is not one of male, female, other, unknown",
        'a.ndjson:7: The id must match [A-Za-z0-9\\-\\.]{1,64}',
        'a.ndjson:9: The line is longer than BODY_BYTES_MAX allows',
        'a.ndjson:11: The line is not UTF-8',
      ]
        .map((text) => text.replace(/ found .*/, ''))
        .sort(),
    );
    assert.deepEqual(expressions[faults.findIndex((text) => text.startsWith('a.ndjson:6:'))], [['Patient.gender']]);
    assert.deepEqual(expressions[faults.findIndex((text) => text.startsWith('a.ndjson:7:'))], [['Patient.id']]);
    await assertStoreSound(rig.core.store);
  });

  test('has Bundles that are kept as they are, none that are to be carried out', async (t) => {
    const rig = await createRig(t);
    const bundle = (id: string, type: string) => {
      const request = { method: 'POST', url: 'Patient' };
      const isAsked = type === 'transaction' || type === 'batch';
      const entry = [{ fullUrl: `urn:uuid:${id}`, resource: patient('in'), ...(isAsked ? { request } : {}) }];
      return { resourceType: 'Bundle', id, type, entry };
    };
    const lines = [bundle('kept', 'collection'), bundle('t', 'transaction'), bundle('b', 'batch')];
    await rig.file('a.ndjson', ndjson(lines));
    const { summary, faults } = await rig.load([rig.folder], { validate: false });
    assert.deepEqual(summary.counts, counts(1, 0, 0, 2));
    const refusal = (type: string) =>
      `A Bundle of type ${type} is to be carried out, a line is stored as it is: give it a .json file of its own`;
    assert.deepEqual(faults, [`a.ndjson:2: ${refusal('transaction')}`, `a.ndjson:3: ${refusal('batch')}`]);
    assert.ok(await rig.read('Bundle', 'kept'));
    assert.equal(await rig.read('Bundle', 't'), undefined);
  });

  test('is not validated where that is not wanted', async (t) => {
    const rig = await createRig(t);
    await rig.file('a.ndjson', ndjson([{ ...patient('a'), gender: 'blue' }, patient('b', 'nul\u0000')]));
    const { summary, faults } = await rig.load([rig.folder], { validate: false });
    assert.deepEqual(summary.counts, counts(1, 0, 0, 1));
    assert.deepEqual(faults, ['a.ndjson:2: A text holds the character U+0000, which FHIR does not allow']);
    assert.equal((await rig.read('Patient', 'a'))!.gender, 'blue');
    await assertStoreSound(rig.core.store);
  });

  for (const existing of ['skip', 'update'] as const) {
    test(`that PostgreSQL can’t hold is refused alone (${existing})`, async (t) => {
      const rig = await createRig(t);
      // A constraint that nobody expects, as an operator may have added.
      await rig.db.query({ text: `alter table index_string add check (value not like 'forbidden%')` });
      const lines = Array.from({ length: 300 }, (_, i) => patient(`p${i}`));
      for (const i of [11, 12, 270]) lines[i] = patient(`p${i}`, 'Forbidden');
      await rig.load([await rig.file('first.ndjson', ndjson([patient('p3', 'Old'), patient('p12', 'Old')]))]);
      const { summary, faults } = await rig.load([await rig.file('a.ndjson', ndjson(lines))], { existing });
      const [created, updated, present] = existing === 'skip' ? [296, 0, 2] : [296, 1, 0];
      // One that is there and stays needs no room.
      const refused = existing === 'skip' ? [12, 271] : [12, 13, 271];
      assert.deepEqual(summary.counts, { created, updated, present, refused: refused.length });
      assert.deepEqual(
        faults.sort(),
        refused
          .map((line) => `a.ndjson:${line}: PostgreSQL can't hold a value of this resource (SQLSTATE 23514)`)
          .sort(),
      );
      await assertStoreSound(rig.core.store);
    });
  }
});

test('a transaction with a resource that PostgreSQL can’t hold is refused as a whole', async (t) => {
  const rig = await createRig(t);
  await rig.db.query({ text: `alter table index_string add check (value not like 'forbidden%')` });
  const post = (resource: Resource) => ({ resource, request: { method: 'POST', url: 'Patient' } });
  const bundleOf = (type: string, ...ids: string[]) =>
    JSON.stringify({
      ...{ resourceType: 'Bundle', type },
      entry: [post(patient(ids[0], 'Forbidden')), post(patient(ids[1])), post(patient(ids[2], 'Forbidden'))],
    });
  await rig.load([await rig.file('first.ndjson', ndjson([patient('u2', 'Old')]))]);
  const load = (name: string, content: string, existing: 'skip' | 'update') =>
    rig.file(name, content).then((file) => rig.load([file], { existing }));
  const why = "PostgreSQL can't hold a value of this resource (SQLSTATE 23514)";
  for (const existing of ['skip', 'update'] as const) {
    const { summary, faults, expressions } = await load(
      `${existing}.json`,
      bundleOf('transaction', 'u1', 'u2', 'u3'),
      existing,
    );
    assert.deepEqual(summary.counts, counts(0, 0, 0, 3), existing);
    assert.deepEqual([faults, expressions], [[`${existing}.json[0]: ${why}`], [[['Patient'], ['Patient']]]]);
  }
  assert.deepEqual((await rig.read('Patient', 'u2'))!.name, [{ family: 'Old' }]);
  assert.equal(await rig.count('Patient'), 1);
  const { summary, faults } = await load('batch.json', bundleOf('batch', 'b1', 'b2', 'b3'), 'skip');
  assert.deepEqual(summary.counts, counts(1, 0, 0, 2));
  assert.deepEqual(faults, [`batch.json[0]: ${why}`, `batch.json[2]: ${why}`]);
  await assertStoreSound(rig.core.store);
});

test('what stands behind a refused resource is found by its code, though both bring it', async (t) => {
  const rig = await createRig(t);
  await rig.db.query({ text: `alter table index_string add check (value not like 'forbidden%')` });
  const told = (id: string, family?: string) => ({
    ...patient(id, family),
    maritalStatus: { coding: [{ system: 'http://local', code: 'abc' }] },
    communication: [{ language: { coding: [{ system: 'http://local', code: 'abc' }] } }],
  });
  const lines = [told('bad', 'Forbidden'), ...Array.from({ length: 20 }, (_, i) => told(`p${i}`))];
  const { faults } = await rig.load([await rig.file('a.ndjson', ndjson(lines))]);
  assert.equal(faults.length, 1);
  const page = await createReader(rig.core).search('Patient', 'language=abc&_count=50', everything);
  assert.equal(page.resources.length, 20);
  await assertStoreSound(rig.core.store);
});

describe('what is there already', () => {
  test('stays as it is', async (t) => {
    const rig = await createRig(t);
    const first = await rig.file('a.ndjson', ndjson([patient('a'), patient('gone')]));
    await rig.load([first]);
    await storeDelete(rig.core.store, 'Patient', 'gone', undefined, everything);
    const second = await rig.file('b.ndjson', ndjson([patient('a', 'Changed'), patient('gone'), patient('new')]));
    const { summary } = await rig.load([second]);
    assert.deepEqual(summary.counts, counts(1, 0, 2));
    assert.deepEqual((await rig.read('Patient', 'a'))!.name, [{ family: 'Testperson' }]);
    assert.equal(await rig.read('Patient', 'gone'), undefined);
    await assertStoreSound(rig.core.store);
  });

  test('gets a new version if that is wanted and it differs; what was deleted comes back', async (t) => {
    const rig = await createRig(t);
    const first = await rig.file('a.ndjson', ndjson([patient('a'), patient('same'), patient('gone')]));
    await rig.load([first]);
    await storeDelete(rig.core.store, 'Patient', 'gone', undefined, everything);
    const all = [patient('a', 'Changed'), patient('same'), patient('gone', 'Back'), patient('new')];
    const second = await rig.file('b.ndjson', ndjson(all));
    const { summary } = await rig.load([second], { existing: 'update' });
    assert.deepEqual(summary.counts, counts(2, 1, 1));
    const versions = await Promise.all(['a', 'same', 'gone', 'new'].map((id) => rig.read('Patient', id)));
    assert.deepEqual(
      versions.map((one) => [one!.meta!.versionId, one!.name]),
      [
        ['2', [{ family: 'Changed' }]],
        ['1', [{ family: 'Testperson' }]],
        ['3', [{ family: 'Back' }]],
        ['1', [{ family: 'Testperson' }]],
      ],
    );
    await assertStoreSound(rig.core.store);
  });

  test('counts for ids that come twice in a file: the first stays, or the second follows it', async (t) => {
    const rig = await createRig(t);
    const twice = ndjson([patient('a', 'First'), patient('b'), patient('a', 'Second')]);
    const skipped = await rig.load([await rig.file('skip.ndjson', twice)]);
    assert.deepEqual(skipped.summary.counts, counts(2, 0, 1));
    assert.deepEqual((await rig.read('Patient', 'a'))!.name, [{ family: 'First' }]);
    const again = ndjson([patient('c', 'First'), patient('d'), patient('c', 'Second')]);
    const updated = await rig.load([await rig.file('update.ndjson', again)], { existing: 'update', threads: 2 });
    assert.deepEqual(updated.summary.counts, counts(2, 1));
    assert.deepEqual((await rig.read('Patient', 'c'))!.name, [{ family: 'Second' }]);
    const former = await readVersion(rig.db, 'Patient', 'c', 1, everything);
    assert.deepEqual((parseJson(former!.body).value as { name: unknown }).name, [{ family: 'First' }]);
    await assertStoreSound(rig.core.store);
  });
});

describe('a load that was broken off', () => {
  test('goes on where it was: nothing is lost and nothing comes twice, be it without ids', async (t) => {
    const rig = await createRig(t);
    const lines = Array.from({ length: 3000 }, (_, i) =>
      i % 2 === 0 ? patient(`p${i}`) : patient(undefined, `N${i}`),
    );
    lines[2900]!.gender = 'blue';
    await rig.file('Patient.ndjson', ndjson(lines));
    const stop = new AbortController();
    const first = await rig.load([rig.folder], {
      signal: stop.signal,
      onProgress: ({ counts: { created } }) => {
        if (created >= 500) stop.abort();
      },
    });
    assert.equal(first.summary.interrupted, true);
    assert.ok(first.summary.counts.created >= 500 && first.summary.counts.created < 2999);
    const second = await rig.load([rig.folder]);
    assert.deepEqual(second.known, ['Patient.ndjson']);
    assert.equal(first.summary.counts.created + second.summary.counts.created, 2999);
    assert.deepEqual(second.faults, [
      "Patient.ndjson:2901: Patient.gender: 'blue' is not one of male, female, other, unknown",
    ]);
    assert.equal(await rig.count('Patient'), 2999);
    const names = await rig.db.query<{ n: bigint }>({
      text: `select count(distinct value) as n from index_string where value like 'n%'`,
    });
    assert.equal(Number(names[0]!.n), 1500);
    await assertStoreSound(rig.core.store);
    const third = await rig.load([rig.folder]);
    assert.deepEqual([third.summary.counts, third.summary.filesKnown], [counts(0), 1]);
    assert.equal(await rig.count('Patient'), 2999);
    assert.deepEqual(await rig.db.query({ text: 'select * from load_range' }), []);
  });

  test('knows a changed file for another one, and loads one again when told', async (t) => {
    const rig = await createRig(t);
    const name = await rig.file('Patient.ndjson', ndjson([patient('a')]));
    await rig.load([name]);
    await appendFile(name, ndjson([patient('b')]));
    assert.deepEqual((await rig.load([name])).summary.counts, counts(1, 0, 1));
    assert.deepEqual((await rig.load([name])).summary.counts, counts(0));
    assert.deepEqual((await rig.load([name], { again: true })).summary.counts, counts(0, 0, 2));
  });

  test('leaves a file that can’t be read to its end unfinished', async (t) => {
    const rig = await createRig(t);
    const lines = ndjson(Array.from({ length: 3000 }, (_, i) => patient(`p${i}`, `Fixture${(i * 7919) % 997}`)));
    const packed = gzipSync(lines);
    const name = await rig.file('Patient.ndjson.gz', packed.subarray(0, packed.length - 500));
    const first = await rig.load([name]);
    assert.equal(first.summary.unreadable, 1);
    assert.deepEqual(first.faults, ["Patient.ndjson.gz: The file can't be read: unexpected end of file"]);
    const files = await rig.db.query({ text: 'select finished from load_file' });
    assert.deepEqual(files, [{ finished: null }]);
    await writeFile(name, packed);
    const second = await rig.load([name]);
    assert.equal(second.summary.counts.created + second.summary.counts.present, 3000);
    assert.equal(await rig.count('Patient'), 3000);
  });
});

describe('a load beside others', () => {
  for (const existing of ['skip', 'update'] as const) {
    test(`who create, change and delete the same ids: every line has its version (${existing})`, async (t) => {
      const rig = await createRig(t);
      const { store } = rig.core;
      const next = random(7);
      const names = Array.from({ length: 400 }, (_, i) => `p${i}`);
      await rig.file('Patient.ndjson', ndjson(names.map((id) => patient(id, 'Loaded'))));
      const put = (id: string) => storeUpdate(store, patient(id, 'Other'), id, undefined, everything);
      let isLoading = true;
      const others = Array.from({ length: 4 }, async () => {
        while (isLoading) {
          const id = names[next(names.length)]!;
          const write = next(3) === 0 ? storeDelete(store, 'Patient', id, undefined, everything) : put(id);
          await write.catch((error: unknown) => assert.ok(isCerebraError(error, 'version-conflict'), String(error)));
        }
      });
      const { summary, faults } = await rig.load([rig.folder], { existing });
      isLoading = false;
      await Promise.all(others);
      assert.deepEqual(faults, []);
      const { created, updated, present, refused } = summary.counts;
      assert.deepEqual([created + updated + present, refused], [400, 0]);
      const rows = await rig.db.query<{ n: bigint }>({
        text: `select count(*) as n from (select body from r_patient union all select body from h_patient) v
          where body like '%"Loaded"%'`,
      });
      assert.equal(Number(rows[0]!.n), created + updated);
      await assertStoreSound(store);
    });
  }
});

describe('files', () => {
  test('are found in folders below, each once; what others refer to comes first', async (t) => {
    const rig = await createRig(t);
    await mkdir(path.join(rig.folder, 'below/.hidden'), { recursive: true });
    await rig.file('below/.hidden/x.ndjson', ndjson([patient('hidden')]));
    await rig.file('readme.txt', 'no');
    const conditional = { ...observation('o', 'x'), subject: { reference: 'Patient?identifier=urn:x|1' } };
    await rig.file('Observation.ndjson', ndjson([conditional]));
    await rig.file(
      'below/Patient.001.ndjson',
      ndjson([{ ...patient('p'), identifier: [{ system: 'urn:x', value: '1' }] }]),
    );
    const { summary, faults } = await rig.load([rig.folder, path.join(rig.folder, 'below')]);
    assert.deepEqual(faults, []);
    assert.deepEqual([summary.files, summary.counts], [2, counts(2)]);
    assert.deepEqual((await rig.read('Observation', 'o'))!.subject, { reference: 'Patient/p' });
  });

  test('of other kinds, and those that are not there, are refused before anything is loaded', async (t) => {
    const rig = await createRig(t);
    const good = await rig.file('a.ndjson', ndjson([patient('a')]));
    const other = await rig.file('b.csv', 'x');
    const missing = path.join(rig.folder, 'c.ndjson');
    await assert.rejects(rig.load([good, other]), (error) => isCerebraError(error, 'config'));
    await assert.rejects(rig.load([good, missing]), (error) => isCerebraError(error, 'config'));
    assert.equal(await rig.count('Patient'), 0);
  });

  test('that go away while they wait are told of', async (t) => {
    const rig = await createRig(t);
    const name = await rig.file('a.json', JSON.stringify(patient('a')));
    const { findFiles } = await import('./files.ts');
    const files = await findFiles([name]);
    await rm(name);
    const { summary, faults } = await rig.load([], { files });
    assert.equal(summary.unreadable, 1);
    assert.match(faults[0]!, /^a\.json: The file can't be read: ENOENT/);
  });
});
