// SNOMED CT releases: what becomes of their files, and what is wrong with some.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { type Db, isCerebraError } from '#platform';
import { testDatabase, zipOf } from '#platform/testing';
import { activeSystems } from '../tables.ts';
import { CORE, ids, paths, rf2Files, rows } from './testing/rf2-release.ts';
import { dump, load, systemsThere, testFolder, tsv, writeFiles } from './testing/rig.ts';

const SNOMED = 'http://snomed.info/sct';
const VERSION = `${SNOMED}/${CORE}/version/20240131`;

let db: Db;

before(async () => {
  db = await testDatabase();
});

describe('a release', () => {
  test('becomes concepts with their hierarchy, names, attributes and reference sets', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files());
    const loaded = await load(db, folder);
    assert.deepEqual([loaded.told, loaded.notes], [[], []]);
    assert.deepEqual(loaded.systems, [{ url: SNOMED, version: VERSION, concepts: 16, closure: 27 }]);
    const all = await dump(db, SNOMED, VERSION);
    const common = ['effectiveTime=2024-01-31', `moduleId=${CORE}`];
    assert.deepEqual(all[ids.loudBlueBloop], {
      display: 'Loud blue bloop',
      parents: [ids.loudBloop, ids.blueBloop],
      ancestors: [ids.root, ids.finding, ids.bloop, ids.loudBloop, ids.blueBloop],
      designations: ['en 900000000000003001 Loud blue bloop (thing)', 'en preferredForLanguage Loud blue bloop'],
      properties: [
        `${ids.hasSite}#1=${ids.leftSite}`,
        `${ids.hasColour}#2=${ids.blue}`,
        ...common,
        'sufficientlyDefined=true',
      ],
    });
    assert.deepEqual(all[ids.blue], {
      display: 'Blue',
      parents: [ids.colour],
      ancestors: [ids.root, ids.colour],
      designations: [
        'en 900000000000003001 Blue (thing)',
        'en 900000000000013009 Azure',
        'en preferredForLanguage Blue',
      ],
      properties: [...common, 'sufficientlyDefined=false'],
    });
    assert.equal(all[ids.bloop]!.definition, 'A sound, or a spot, nobody knows');
    assert.deepEqual(all[ids.gone], {
      display: 'Bloop that is gone',
      flags: 'inactive',
      designations: ['en 900000000000003001 Bloop that is gone (thing)', 'en preferredForLanguage Bloop that is gone'],
      properties: [...common, `memberOf=${ids.refset}`, 'sufficientlyDefined=false'].sort(),
    });
    assert.ok(all[ids.loudBloop]!.properties!.includes(`${ids.count}#1=3`));
    assert.ok(all[ids.blueBloop]!.properties!.includes(`${ids.count}#1=0.5`));
  });

  test('has displays of the dialect that is asked for', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files());
    await load(db, folder, { version: 'us' });
    assert.equal((await dump(db, SNOMED, 'us'))[ids.colour]!.display, 'Color');
    await load(db, folder, { language: '900000000000508004', version: 'gb' });
    const { display, designations } = (await dump(db, SNOMED, 'gb'))[ids.colour]!;
    assert.equal(display, 'Colour');
    assert.deepEqual(designations, [
      'en-GB 900000000000003001 Colour (thing)',
      'en-GB preferredForLanguage Colour',
      'en-US preferredForLanguage Color',
    ]);
  });

  test('may be a ZIP archive; what it says of itself is kept', async (t) => {
    const folder = await testFolder(t);
    const file = path.join(folder, 'release.zip');
    await writeFile(file, zipOf(Object.entries(rf2Files()).map(([name, content]) => ({ name, content }))));
    await load(db, file, { again: true });
    const system = (await activeSystems(db)).find(({ version }) => version === VERSION);
    assert.equal(system!.version, VERSION);
    assert.equal(system!.caseSensitive, true);
    const { url, version, hierarchyMeaning, content } = system!.about as unknown as Record<string, unknown>;
    assert.deepEqual([url, version, hierarchyMeaning, content], [SNOMED, VERSION, 'is-a', 'complete']);
  });

  test('that is an extension’s is of its module', async (t) => {
    const folder = await testFolder(t);
    const dependency = ['moduleId', 'refsetId', 'referencedComponentId', 'sourceEffectiveTime', 'targetEffectiveTime'];
    const [edition, other] = ['731000124108', '5991000124107'];
    const row = (module: string, on: string): string[] => [
      'x',
      '20240301',
      '1',
      module,
      '900000000000534007',
      on,
      '20240301',
      '20240131',
    ];
    const files = rf2Files();
    files['x/sct2_Concept_Snapshot_US1000124_20240301.txt'] = tsv([rows().concept[0]!]);
    files['x/der2_ssRefset_ModuleDependencySnapshot_US1000124_20240301.txt'] = tsv([
      ['id', 'effectiveTime', 'active', ...dependency],
      row(edition, other),
      row(edition, CORE),
      row(other, CORE),
    ]);
    await writeFiles(folder, files);
    const { systems } = await load(db, folder);
    assert.deepEqual(
      systems.map(({ version }) => version),
      [`${SNOMED}/${edition}/version/20240301`],
    );
  });
});

describe('what is wrong with a release', () => {
  test('is told with file and line, and the rest is loaded', async (t) => {
    const folder = await testFolder(t);
    const { concept, description, relationship } = rows();
    const duplicate = [...concept.slice(0, 3), concept[2]!, ['x1', '20240131', '1', CORE, ''], ...concept.slice(3)];
    const bad = {
      concept: duplicate,
      description: [
        ...description,
        [...description[1]!.slice(0, 4), '99999999', ...description[1]!.slice(5)],
        ['short'],
      ],
      relationship: [
        ...relationship,
        relationship[1]!.map((value, i) => (i === 5 ? '99999999' : value)),
        // Closes a cycle: root below bloop.
        relationship[1]!.map((value, i) => (i === 4 ? ids.root : i === 5 ? ids.bloop : value)),
      ],
    };
    await writeFiles(folder, rf2Files(bad));
    const loaded = await load(db, folder, { version: 'bad' });
    assert.deepEqual(loaded.told.slice(0, -1), [
      'sct2_Concept_Snapshot_INT_20240131.txt:4: the concept 71100001 is there already',
      "sct2_Concept_Snapshot_INT_20240131.txt:5: 'x1' is no concept id",
      'sct2_Description_Snapshot-en_INT_20240131.txt:38: 1 fields, the header has 9: the row is left out',
      "sct2_Description_Snapshot-en_INT_20240131.txt:37: there is no concept '99999999'",
      "sct2_Relationship_Snapshot_INT_20240131.txt:23: there is no concept '99999999'",
    ]);
    assert.match(loaded.told.at(-1)!, /closes a cycle: it is left out$/);
    assert.deepEqual([loaded.faults, loaded.systems[0]!.concepts], [6, 16]);
  });

  test('refuses it with --strict, and nothing is left', async (t) => {
    const there = await systemsThere(db);
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files({ concept: [...rows().concept, ['x1', '20240131', '1', CORE, '']] }));
    await assert.rejects(
      load(db, folder, { strict: true, version: 'strict' }),
      (error) => isCerebraError(error, 'invalid') && /not loaded: 1 fault, and --strict/.test(error.message),
    );
    assert.deepEqual(await systemsThere(db), there);
  });

  test('refuses it with --strict also when only its hierarchy is', async (t) => {
    const there = await systemsThere(db);
    const folder = await testFolder(t);
    const { relationship } = rows();
    const cycle = relationship[1]!.map((value, i) => (i === 4 ? ids.root : i === 5 ? ids.bloop : value));
    await writeFiles(folder, rf2Files({ relationship: [...relationship, cycle] }));
    await assert.rejects(load(db, folder, { strict: true, version: 'strict' }), (error) =>
      isCerebraError(error, 'invalid'),
    );
    assert.deepEqual(await systemsThere(db), there);
  });

  const withoutFile = (name: string): ReturnType<typeof rf2Files> => {
    const files = rf2Files();
    delete files[name];
    return files;
  };
  const cases: [string, ReturnType<typeof rf2Files>, Parameters<typeof load>[2], RegExp][] = [
    ['no descriptions', withoutFile(paths.description), {}, /has no Snapshot file sct2_Description_/],
    [
      'a column is missing',
      rf2Files({ concept: [['id', 'active']] }),
      { version: 'wrong' },
      /the column effectiveTime, moduleId, .* is missing/,
    ],
    ['an empty file', { ...rf2Files(), [paths.concept]: '' }, { version: 'wrong' }, /the file is empty/],
    [
      'a language that is not there',
      rf2Files(),
      { language: '999', version: 'wrong' },
      /--language 999: .* there is 900000000000509007/,
    ],
    ['a module that is none', rf2Files(), { module: 'core' }, /--module core/],
  ];
  for (const [what, files, options, text] of cases) {
    test(`${what}: it is refused, and nothing is left`, async (t) => {
      const there = await systemsThere(db);
      const folder = await testFolder(t);
      await writeFiles(folder, files);
      await assert.rejects(
        load(db, folder, { ...options }),
        (error) => isCerebraError(error) && text.test(error.message),
      );
      assert.deepEqual(await systemsThere(db), there);
    });
  }

  test('no language reference set: fully specified names, and a note', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, withoutFile(paths.language));
    const { notes, told } = await load(db, folder, { version: 'unnamed' });
    assert.deepEqual(told, []);
    assert.match(notes[0]!, /no language reference set/);
    assert.equal((await dump(db, SNOMED, 'unnamed'))[ids.blue]!.display, 'Blue (thing)');
  });
});

describe('a load again', () => {
  test('passes over what is there, and takes its place with --again', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files());
    const version = 'again';
    const those = async () => (await activeSystems(db)).filter((system) => system.version === version);
    await load(db, folder, { version });
    const [first] = await those();
    const second = await load(db, folder, { version });
    assert.deepEqual([second.systems, second.known], [[], 1]);
    assert.deepEqual(second.knownSystems, [{ url: SNOMED, version, concepts: 16, closure: 0 }]);
    await load(db, folder, { version, again: true });
    const [third, ...more] = await those();
    assert.deepEqual(more, []);
    assert.notEqual(third!.cs, first!.cs);
  });

  test('at the same time ends with one of them there', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files());
    const both = await Promise.all([1, 2].map(() => load(db, folder, { version: 'both' })));
    assert.deepEqual(
      both.map(({ systems, told }) => [systems.length, told.length]),
      [
        [1, 0],
        [1, 0],
      ],
    );
    assert.equal((await activeSystems(db)).filter(({ version }) => version === 'both').length, 1);
  });

  test('that was broken off leaves nothing, and the next one begins clean', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, rf2Files());
    const there = await systemsThere(db);
    const stop = new AbortController();
    const broken = await load(db, folder, { version: 'broken', signal: stop.signal, onProgress: () => stop.abort() });
    assert.equal(broken.interrupted, true);
    assert.deepEqual(await systemsThere(db), there);
    assert.equal((await load(db, folder, { version: 'broken' })).systems.length, 1);
  });
});
