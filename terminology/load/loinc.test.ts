// LOINC releases: what becomes of their files. Terms, parts and answers are made up.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { type Db, isCerebraError } from '#platform';
import { testDatabase, zipOf } from '#platform/testing';
import { activeSystems } from '../tables.ts';
import { csv, dump, type Files, load, systemsThere, testFolder, writeFiles } from './testing/rig.ts';

const LOINC = 'http://loinc.org';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const termHeader = [
  ...[
    'LOINC_NUM',
    'COMPONENT',
    'PROPERTY',
    'TIME_ASPCT',
    'SYSTEM',
    'SCALE_TYP',
    'METHOD_TYP',
    'CLASS',
    'VersionLastChanged',
  ],
  ...['DefinitionDescription', 'STATUS', 'CONSUMER_NAME', 'CLASSTYPE', 'RELATEDNAMES2', 'SHORTNAME', 'ORDER_OBS'],
  ...['EXTERNAL_COPYRIGHT_NOTICE', 'LONG_COMMON_NAME', 'DisplayName'],
];
const terms = [
  termHeader,
  [
    ...[
      '90001-1',
      'Bloop',
      'SCnc',
      'Pt',
      'Ser',
      'Qn',
      '',
      'BLOOP',
      '9.4',
      'How much bloop there is, "exactly"',
      'ACTIVE',
      'Bloop, Blood',
    ],
    ...['1', 'Blp; Bloopness', 'Bloop Ser-sCnc', 'Both', '', 'Bloop [Moles/volume] in Serum', 'Bloop (S)'],
  ],
  [
    ...['90002-9', 'Glorp', 'Find', 'Pt', '^Patient', 'Ord', '', 'GLORP', '9.10', 'Two\r\nlines', 'DEPRECATED', ''],
    ...['2', '', 'Glorp', 'Observation', 'Copyright by nobody', 'Glorp, found', ''],
  ],
];

const linkHeader = [
  'LoincNumber',
  'LongCommonName',
  'PartNumber',
  'PartName',
  'PartCodeSystem',
  'PartTypeName',
  'LinkTypeName',
  'Property',
];
const link = (term: string, part: string, name: string, property: string): string[] => [
  ...[term, '', part, name, LOINC, 'COMPONENT', 'Primary', `http://loinc.org/property/${property}`],
];

const answerHeader = [
  'AnswerListId',
  'AnswerListName',
  'AnswerListOID',
  'AnswerStringId',
  'SequenceNumber',
  'DisplayText',
];

const files = (): Files => ({
  'Loinc_9.10/LoincTable/Loinc.csv': csv(terms),
  'Loinc_9.10/AccessoryFiles/PartFile/Part.csv': csv([
    ['PartNumber', 'PartTypeName', 'PartName', 'PartDisplayName', 'Status'],
    ['LP90001-1', 'COMPONENT', 'Bloop', 'Bloop, the part', 'ACTIVE'],
    ['LP90002-9', 'COMPONENT', 'Glorp', '', 'DEPRECATED'],
  ]),
  'Loinc_9.10/AccessoryFiles/PartFile/LoincPartLink_Primary.csv': csv([
    linkHeader,
    link('90001-1', 'LP90001-1', 'Bloop', 'COMPONENT'),
    link('90002-9', 'LP90002-9', 'Glorp', 'COMPONENT'),
  ]),
  'Loinc_9.10/AccessoryFiles/PartFile/LoincPartLink_Supplementary.csv': csv([
    linkHeader,
    link('90001-1', 'LP90001-1', 'Bloop', 'analyte'),
  ]),
  'Loinc_9.10/AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv': csv([
    ['PATH_TO_ROOT', 'SEQUENCE', 'IMMEDIATE_PARENT', 'CODE', 'CODE_TEXT'],
    ['', '1', '', 'LP99999-9', '{component}'],
    ['LP99999-9', '1', 'LP99999-9', 'LP90001-1', 'Bloop'],
    ['LP99999-9.LP90001-1', '1', 'LP90001-1', '90001-1', 'Bloop Ser-sCnc'],
    ['LP99999-9', '2', 'LP99999-9', '90001-1', 'Bloop Ser-sCnc'],
  ]),
  'Loinc_9.10/AccessoryFiles/AnswerFile/AnswerList.csv': csv([
    answerHeader,
    ['LL9001-1', 'Glorps', '', 'LA9001-1', '1', 'Some'],
    ['LL9001-1', 'Glorps', '', 'LA9002-9', '2', 'None'],
    ['LL9002-9', 'Elsewhere', '', '', '', ''],
  ]),
  'Loinc_9.10/AccessoryFiles/AnswerFile/LoincAnswerListLink.csv': csv([
    ['LoincNumber', 'LongCommonName', 'AnswerListId', 'AnswerListName', 'AnswerListLinkType', 'ApplicableContext'],
    ['90002-9', 'Glorp, found', 'LL9001-1', 'Glorps', 'NORMATIVE', ''],
  ]),
  'Loinc_9.10/AccessoryFiles/LinguisticVariants/LinguisticVariants.csv': csv([
    ['ID', 'ISO_LANGUAGE', 'ISO_COUNTRY', 'LANGUAGE_NAME', 'PRODUCER'],
    ['99', 'fr', 'FR', 'French', 'Nobody'],
  ]),
  'Loinc_9.10/AccessoryFiles/LinguisticVariants/frFR99LinguisticVariant.csv': csv([
    [
      'LOINC_NUM',
      'COMPONENT',
      'PROPERTY',
      'TIME_ASPCT',
      'SYSTEM',
      'SCALE_TYP',
      'METHOD_TYP',
      'LONG_COMMON_NAME',
      'SHORTNAME',
    ],
    ['90001-1', 'Bloup', 'SCnc', 'Pt', 'Sér', 'Qn', '', 'Bloup dans le sérum', ''],
    ['90002-9', 'Glorpe', 'Trouvé', 'Pt', '', 'Ord', '', '', ''],
  ]),
  'Loinc_9.10/LoincTable/MapTo.csv': csv([
    ['LOINC', 'MAP_TO', 'COMMENT'],
    ['90002-9', '90001-1', ''],
  ]),
});

describe('a release', () => {
  test('becomes terms, parts, answer lists and translations', async (t) => {
    const folder = await testFolder(t);
    const file = path.join(folder, 'Loinc_9.10.zip');
    await writeFile(file, zipOf(Object.entries(files()).map(([name, content]) => ({ name, content }))));
    const loaded = await load(db, file);
    assert.deepEqual([loaded.told, loaded.notes], [[], []]);
    assert.deepEqual(loaded.systems, [{ url: LOINC, version: '9.10', concepts: 9, closure: 3 }]);
    const all = await dump(db, LOINC);
    assert.deepEqual(all['90001-1'], {
      display: 'Bloop [Moles/volume] in Serum',
      definition: 'How much bloop there is, "exactly"',
      parents: ['LP90001-1', 'LP99999-9'],
      ancestors: ['LP90001-1', 'LP99999-9'],
      designations: [
        'en-US CONSUMER_NAME Bloop, Blood',
        'en-US DisplayName Bloop (S)',
        'en-US RELATEDNAMES2 Blp; Bloopness',
        'en-US SHORTNAME Bloop Ser-sCnc',
        'fr-FR LONG_COMMON_NAME Bloup dans le sérum',
      ],
      properties: [
        'CLASS=BLOOP',
        'CLASSTYPE=1',
        'COMPONENT=LP90001-1 Bloop',
        'ORDER_OBS=Both',
        'STATUS=ACTIVE',
        'VersionLastChanged=9.4',
        'analyte=LP90001-1 Bloop',
        'copyright=LOINC',
      ],
    });
    const glorp = all['90002-9']!;
    assert.deepEqual([glorp.flags, glorp.definition], ['inactive', 'Two\nlines']);
    assert.deepEqual(glorp.properties!.slice(-4), [
      ...['STATUS=DEPRECATED', 'VersionLastChanged=9.10', 'answer-list=LL9001-1', 'copyright=3rdParty'],
    ]);
    assert.ok(glorp.properties!.includes('COMPONENT=LP90002-9 Glorp'));
    assert.ok(glorp.properties!.includes('MAP_TO=90001-1'));
    assert.ok(glorp.designations!.includes('fr-FR FULLY_SPECIFIED_NAME Glorpe:Trouvé:Pt:Ord'));
    assert.deepEqual(all['LL9001-1'], {
      display: 'Glorps',
      properties: ['answer=LA9001-1', 'answer=LA9002-9', 'answers-for=90002-9'],
    });
    assert.deepEqual(all['LA9001-1'], { display: 'Some', properties: ['LIST=LL9001-1'] });
    assert.deepEqual(all['LL9002-9'], { display: 'Elsewhere' });
    assert.deepEqual(all['LP99999-9'], { display: '{component}' });
    assert.deepEqual(all['LP90002-9'], {
      ...{ display: 'Glorp', flags: 'inactive' },
      properties: ['PartTypeName=COMPONENT', 'STATUS=DEPRECATED'],
    });
    const system = (await activeSystems(db)).find(({ url }) => url === LOINC)!;
    assert.equal(system.caseSensitive, false);
  });

  test('of the table alone is loaded with texts for parts; its version is the latest that a term changed in', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'Loinc.csv': csv(terms) });
    const { notes, systems } = await load(db, folder, { again: true });
    assert.deepEqual(
      notes.map((note) => note.replace(/^[^:]*: /, '')),
      [
        'there is no LoincPartLink_Primary.csv: what it tells is missing',
        'there is no Part.csv: what it tells is missing',
        'there is no ComponentHierarchyBySystem.csv or MultiAxialHierarchy.csv: what it tells is missing',
        'there is no AnswerList.csv: what it tells is missing',
      ],
    );
    assert.deepEqual(systems, [{ url: LOINC, version: '9.10', concepts: 2, closure: 0 }]);
    assert.deepEqual((await dump(db, LOINC))['90001-1']!.properties!.slice(0, 2), ['CLASS=BLOOP', 'CLASSTYPE=1']);
  });
});

describe('what is wrong', () => {
  test('is told with file and line, quoted fields that span lines counted', async (t) => {
    const folder = await testFolder(t);
    const bad = csv([...terms, terms[1]!, ['no code', ...terms[1]!.slice(1)], ['90003-7', 'too', 'few']]);
    await writeFiles(folder, {
      ...files(),
      'Loinc_9.10/LoincTable/Loinc.csv': bad,
      'Loinc_9.10/AccessoryFiles/PartFile/LoincPartLink_Primary.csv': csv([
        linkHeader,
        link('1-1', 'LP1-1', 'x', 'SYSTEM'),
      ]),
    });
    const { told, systems } = await load(db, folder, { version: 'bad' });
    assert.deepEqual(told, [
      'Loinc.csv:7: 3 fields, the header has 19: the row is left out',
      'Loinc.csv:5: the code 90001-1 is there already',
      "Loinc.csv:6: 'no code' is no LOINC code",
      "LoincPartLink_Primary.csv:2: there is no code '1-1'",
    ]);
    assert.equal(systems[0]!.concepts, 9);
  });

  test('an open quote takes no more than its record; what comes after is told to be missing', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'Loinc.csv': `${csv(terms)}"90003-7,"open\n${'x,y\n'.repeat(100)}` });
    const { told, systems } = await load(db, folder, { version: 'open' });
    assert.deepEqual(told.length, 101);
    assert.match(told[0]!, /^Loinc\.csv:\d+: /);
    assert.equal(systems[0]!.concepts, 2);
  });

  test('a truncated archive is refused', async (t) => {
    const folder = await testFolder(t);
    const there = await systemsThere(db);
    const file = path.join(folder, 'Loinc_9.11.zip');
    const whole = zipOf(Object.entries(files()).map(([name, content]) => ({ name, content })));
    await writeFile(file, whole.subarray(0, -100));
    await assert.rejects(load(db, file), (error) => isCerebraError(error, 'invalid') && /cut off/.test(error.message));
    assert.deepEqual(await systemsThere(db), there);
  });
});
