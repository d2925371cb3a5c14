// RxNorm, ICD-10-CM, CVX and NDC: what becomes of their files. Everything in them is made up.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Db, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { elevenDigits } from './ndc.ts';
import { dump, load, testFolder, tsv, writeFiles } from './testing/rig.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const rrf = (rows: readonly (readonly string[])[]): string => rows.map((row) => `${row.join('|')}|\n`).join('');

describe('RxNorm', () => {
  const URL = 'http://www.nlm.nih.gov/research/umls/rxnorm';
  const name = (code: string, type: string, text: string, source = 'RXNORM', suppress = 'N'): string[] => [
    ...[code, 'ENG', '', '', '', '', '', `9${code}`, '', '', '', source, type, code, text, '', suppress, ''],
  ];
  const relation = (first: string, second: string, rela: string, source = 'RXNORM'): string[] => [
    ...[first, '', 'CUI', 'RO', second, '', 'CUI', rela, '1', '', source, source, '', '', '', ''],
  ];
  const files = {
    'rrf/RXNCONSO.RRF': rrf([
      name('900001', 'SY', 'Bloopin 5 MG Tab'),
      name('900001', 'SCD', 'bloopin 5 MG Oral Tablet'),
      name('900002', 'IN', 'bloopin'),
      name('900002', 'IN', 'BLOOPIN', 'MMSL'),
      name('900003', 'SBD', 'glorpol', 'RXNORM', 'O'),
    ]),
    'rrf/RXNREL.RRF': rrf([
      relation('900002', '900001', 'has_ingredient'),
      relation('900001', '900002', 'ingredient_of'),
      relation('900002', '900001', 'other', 'MMSL'),
      relation('900002', '999999', 'has_ingredient'),
    ]),
    'rrf/RXNSAT.RRF': rrf([
      ['900001', '', '', '', 'AUI', '900001', '', '', 'NDC', 'RXNORM', '00000123401', 'N', ''],
      ['900001', '', '', '', 'AUI', '900001', '', '', 'NDC', 'MMSL', '99999999999', 'N', ''],
    ]),
    'rrf/RXNSTY.RRF': rrf([['900002', 'T109', 'A1.4', 'Organic Chemical', 'AT1', '']]),
  };

  test('becomes concepts of the source RXNORM, with their relationships and attributes', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { ...files, 'RxNorm_full_02052024/readme.txt': '' });
    const { told, notes, systems } = await load(db, folder, { version: '02052024' });
    assert.deepEqual([told, notes], [["RXNREL.RRF:4: there is no concept '999999'"], []]);
    assert.deepEqual(systems, [{ url: URL, version: '02052024', concepts: 3, closure: 0 }]);
    assert.deepEqual(await dump(db, URL), {
      900001: {
        display: 'bloopin 5 MG Oral Tablet',
        designations: ['en SY Bloopin 5 MG Tab'],
        properties: ['NDC=00000123401', 'SAB=RXNORM', 'SUPPRESS=N', 'TTY=SCD', 'has_ingredient=900002'],
      },
      900002: {
        display: 'bloopin',
        properties: ['SAB=RXNORM', 'STY=T109 Organic Chemical', 'SUPPRESS=N', 'TTY=IN', 'ingredient_of=900001'],
      },
      900003: {
        ...{ display: 'glorpol', flags: 'inactive' },
        properties: ['SAB=RXNORM', 'SUPPRESS=O', 'TTY=SBD'],
      },
    });
  });

  test('rows that are cut off and codes that are none are told, once', async (t) => {
    const folder = await testFolder(t);
    const conso = `${files['rrf/RXNCONSO.RRF']}${rrf([name('x', 'IN', 'x')])}900009|ENG|`;
    await writeFiles(folder, { 'RXNCONSO.RRF': conso });
    const { told, notes } = await load(db, folder, { version: 'cut' });
    assert.deepEqual(told, [
      "RXNCONSO.RRF:6: 'x' is no RXCUI",
      'RXNCONSO.RRF:7: 2 fields, there are 18: the row is left out',
    ]);
    assert.equal(notes.length, 3);
  });

  test('without a row of its own it is refused', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'RXNCONSO.RRF': rrf([name('1', 'IN', 'x', 'MMSL')]) });
    await assert.rejects(
      load(db, folder),
      (error) => isCerebraError(error, 'invalid') && /source RXNORM/.test(error.message),
    );
  });
});

describe('ICD-10-CM', () => {
  const URL = 'http://hl7.org/fhir/sid/icd-10-cm';
  const tabular = `<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.tabular>
  <version>2031</version>
  <introduction><introSection type="title"><title>Bloops</title></introSection></introduction>
  <chapter>
    <name>1</name>
    <desc>Certain bloops (A00-A09)</desc>
    <includes><note>things that bloop</note></includes>
    <constructor>no entry</constructor>
    <sectionIndex><sectionRef first="A00" last="A09" id="A00-A09">Loud bloops</sectionRef></sectionIndex>
    <section id="A00-A09">
      <desc>Loud bloops (A00-A09)</desc>
      <diag><name>A00</name><desc>Bloop</desc>
        <excludes1><note>glorp (A01)</note><note>blip &amp; blop</note></excludes1>
        <diag><name>A00.0</name><desc>Bloop, left</desc>
          <inclusionTerm><note>Sinister bloop</note></inclusionTerm></diag>
        <diag><name>A00.1</name><desc>Bloop, right</desc></diag>
      </diag>
      <diag><name>A01</name><desc>Glorp</desc>
        <sevenChrNote><note>One of these is to be added</note></sevenChrNote>
        <sevenChrDef><extension char="A">first</extension><extension char="D">again</extension></sevenChrDef>
        <diag><name>A01.2</name><desc>Glorp of the nose</desc></diag>
      </diag>
    </section>
  </chapter>
</ICD10CM.tabular>`;
  const row = (order: string, code: string, flag: string, short: string, long: string): string =>
    `${order} ${code.padEnd(7)} ${flag} ${short.padEnd(60)} ${long}\r\n`;
  const order = [
    row('00001', 'A00', '0', 'Bloop', 'Bloop'),
    row('00002', 'A000', '1', 'Bloop, lft', 'Bloop, left side'),
    row('00003', 'A001', '1', 'Bloop, right', 'Bloop, right'),
    row('00004', 'A01', '0', 'Glorp', 'Glorp'),
    row('00005', 'A012', '0', 'Glorp of the nose', 'Glorp of the nose'),
    row('00006', 'A012XXA', '1', 'Glorp of nose, 1st', 'Glorp of the nose, first encounter'),
  ].join('');

  test('the tabular list and the order file complete each other', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'icd10cm-tabular-2031.xml': tabular, 'icd10cm-order-2031.txt': order });
    const { told, notes, systems } = await load(db, folder);
    assert.deepEqual([told, notes], [[], []]);
    assert.deepEqual(systems, [{ url: URL, version: '2031', concepts: 8, closure: 18 }]);
    const all = await dump(db, URL);
    assert.deepEqual(Object.keys(all), ['1', 'A00-A09', 'A00', 'A00.0', 'A00.1', 'A01', 'A01.2', 'A01.2XXA']);
    assert.deepEqual(all['1'], {
      ...{ display: 'Certain bloops (A00-A09)', flags: 'abstract' },
      properties: ['includes=things that bloop', 'kind=chapter'],
    });
    assert.deepEqual(all['A00.0'], {
      display: 'Bloop, left side',
      parents: ['A00'],
      ancestors: ['1', 'A00', 'A00-A09'],
      designations: ['en inclusionTerm Sinister bloop', 'en short Bloop, lft'],
      properties: ['billable=true', 'kind=code', 'order=2'],
    });
    assert.deepEqual(all.A00!.properties, [
      ...['billable=false', 'excludes1=blip & blop', 'excludes1=glorp (A01)', 'kind=code', 'order=1'],
    ]);
    assert.deepEqual(all['A01.2XXA'], {
      display: 'Glorp of the nose, first encounter',
      parents: ['A01.2'],
      ancestors: ['1', 'A00-A09', 'A01', 'A01.2'],
      designations: ['en short Glorp of nose, 1st'],
      properties: ['billable=true', 'kind=code', 'order=6'],
    });
  });

  test('the tabular list alone tells the codes with a seventh character', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'icd10cm_tabular_2031.xml': tabular });
    await load(db, folder, { version: 'tabular' });
    const all = await dump(db, URL, 'tabular');
    assert.deepEqual(
      Object.keys(all).filter((code) => code.startsWith('A01')),
      ['A01', 'A01.2', 'A01.2XXA', 'A01.2XXD'],
    );
    assert.equal(all['A01.2XXD']!.display, 'Glorp of the nose, again');
    assert.deepEqual(all['A01.2']!.properties, ['billable=false', 'kind=code']);
  });

  test('the order file alone tells the hierarchy by its codes', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, {
      'icd10cm_order_2031.txt': `${order}not a row\r\n${row('00007', 'A00', '0', 'B', 'B')}`,
    });
    const { told } = await load(db, folder, { version: 'order' });
    assert.deepEqual(told, [
      "icd10cm_order_2031.txt:7: not a row of the order file: 'not a row'",
      'icd10cm_order_2031.txt:8: the code A00 is there already',
    ]);
    const all = await dump(db, URL, 'order');
    assert.deepEqual(all['A01.2XXA']!.ancestors, ['A01', 'A01.2']);
  });

  for (const [what, content, text] of [
    ['not well-formed', tabular.replace('</section>', ''), /tabular_1\.xml:\d+: /],
    ['cut off', tabular.slice(0, 900), /tabular_1\.xml:\d+: /],
    ['empty', '', /the file is empty/],
    ['something else', '<html/>', /no code in it/],
    ['a bomb of entities', `<!DOCTYPE x [<!ENTITY a "bloop"><!ENTITY b "&a;&a;">]><x>&b;</x>`, /tabular_1\.xml:1: /],
    ['of an encoding that is not', tabular.replace('utf-8', 'utf-99'), /the encoding utf-99 is not known/],
  ] as const) {
    test(`a list that is ${what} is refused`, async (t) => {
      const folder = await testFolder(t);
      await writeFiles(folder, { 'icd10cm_tabular_1.xml': content });
      await assert.rejects(load(db, folder), (error) => isCerebraError(error, 'invalid') && text.test(error.message));
    });
  }
});

describe('CVX', () => {
  const URL = 'http://hl7.org/fhir/sid/cvx';

  test('the text file, in Windows-1252 and with bare carriage returns', async (t) => {
    const folder = await testFolder(t);
    const text = [
      '901 |bloop vaccine|bloop vaccine, live, oral|for caf\xe9s||Active|False|2030/09/30',
      '902 |glorp|glorp|||Inactive|False|2031/01/02',
      '903 |no vaccine|no vaccine given|||Active|True|2030/05/30',
      'abc|||||Active|False|',
      '904 |short',
    ];
    const rows = text.map((line) => line.replace('||Active|F', '|Active|F').replaceAll('|||', '||'));
    await writeFiles(folder, { 'cvx.txt': Buffer.from(rows.join('\r'), 'latin1') });
    const { told, notes, systems } = await load(db, `${folder}/cvx.txt`);
    assert.deepEqual(told, [
      'cvx.txt:5: 2 fields, a row of CVX has 7: the row is left out',
      "cvx.txt:4: 'abc' is no CVX code",
    ]);
    assert.match(notes[0]!, /^cvx\.txt:1: not UTF-8/);
    assert.deepEqual(systems, [{ url: URL, version: '20310102', concepts: 3, closure: 0 }]);
    assert.deepEqual(await dump(db, URL), {
      901: {
        display: 'bloop vaccine',
        designations: ['en full-name bloop vaccine, live, oral'],
        properties: ['nonvaccine=false', 'note=for cafés', 'status=Active', 'updated=2030-09-30'],
      },
      902: {
        ...{ display: 'glorp', flags: 'inactive' },
        properties: ['nonvaccine=false', 'status=Inactive', 'updated=2031-01-02'],
      },
      903: {
        display: 'no vaccine',
        designations: ['en full-name no vaccine given'],
        properties: ['nonvaccine=true', 'status=Active', 'updated=2030-05-30'],
      },
    });
  });

  test('the XML, in both forms', async (t) => {
    const folder = await testFolder(t);
    const head = "<?xml version='1.0' encoding='ISO-8859-1'?>";
    const elements = `<CVXInfo><ShortDescription>bloop</ShortDescription><FullVaccinename>bloop caf\xe9</FullVaccinename>
      <CVXCode>901 </CVXCode><Notes/><Status>Active</Status><LastUpdated>9/30/2030</LastUpdated></CVXInfo>`;
    const pair = (name: string, value: string): string => `<Name>${name}</Name><Value>${value} </Value>`;
    const pairs = `<CVXInfo>${pair('ShortDescription', 'glorp')}${pair('CVX Code', '902')}${pair('Status', 'Active')}</CVXInfo>`;
    await writeFiles(folder, { 'cvx.xml': Buffer.from(`${head}<CVXCodes>${elements}${pairs}</CVXCodes>`, 'latin1') });
    const { told } = await load(db, folder, { version: 'xml' });
    assert.deepEqual(told, []);
    const all = await dump(db, URL, 'xml');
    assert.deepEqual(all['901']!.designations, ['en full-name bloop café']);
    assert.deepEqual(all['902'], { display: 'glorp', properties: ['status=Active'] });
  });
});

describe('NDC', () => {
  const URL = 'http://hl7.org/fhir/sid/ndc';
  const productHeader = [
    ...['PRODUCTID', 'PRODUCTNDC', 'PRODUCTTYPENAME', 'PROPRIETARYNAME', 'NONPROPRIETARYNAME', 'DOSAGEFORMNAME'],
    ...['STARTMARKETINGDATE', 'ENDMARKETINGDATE', 'LABELERNAME'],
  ];
  const packageHeader = [
    ...['PRODUCTID', 'PRODUCTNDC', 'NDCPACKAGECODE', 'PACKAGEDESCRIPTION', 'STARTMARKETINGDATE', 'ENDMARKETINGDATE'],
  ];

  test('products, packages, and packages by eleven digits', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, {
      'ndctext/product.txt': tsv([
        productHeader,
        ['a', '9999-0001', 'HUMAN', 'Bloopin', 'bloop acid', 'TABLET', '20300131', '', 'Nobody'],
        ['b', '9999-0001', 'HUMAN', 'Bloopin', 'bloop acid', 'TABLET', '20300131', '', 'Nobody'],
        ['c', '99-1', 'HUMAN', 'x', 'x', 'x', '', '', ''],
      ]),
      'ndctext/package.txt': tsv([
        packageHeader,
        ['a', '9999-0001', '9999-0001-02', '10 TABLET in 1 BOTTLE (9999-0001-02)', '20300131', '20311231'],
        ['a', '9999-0001', '9999-0001-02', 'once more', '', ''],
        ['a', '9999-0001', '9999-1-2', 'x', '', ''],
      ]),
    });
    const { told, systems } = await load(db, folder, { version: '20310101' });
    assert.deepEqual(told, [
      "product.txt:4: '99-1' is no product's NDC",
      'package.txt:3: the code 9999-0001-02 is there already',
      "package.txt:4: '9999-1-2' is no package's NDC",
    ]);
    assert.deepEqual(systems, [{ url: URL, version: '20310101', concepts: 3, closure: 0 }]);
    const all = await dump(db, URL);
    assert.deepEqual(all['9999-0001'], {
      display: 'Bloopin (bloop acid) TABLET',
      properties: [
        ...['DOSAGEFORMNAME=TABLET', 'LABELERNAME=Nobody', 'NONPROPRIETARYNAME=bloop acid', 'PRODUCTTYPENAME=HUMAN'],
        ...['PROPRIETARYNAME=Bloopin', 'kind=product', 'started=2030-01-31'],
      ],
    });
    assert.deepEqual(all['9999-0001-02'], {
      display: '10 TABLET in 1 BOTTLE (9999-0001-02)',
      properties: ['ended=2031-12-31', 'kind=package', 'ndc11=09999000102', 'product=9999-0001', 'started=2030-01-31'],
    });
    assert.deepEqual(all['09999000102'], {
      display: '10 TABLET in 1 BOTTLE (9999-0001-02)',
      properties: ['kind=package-11', 'ndc10=9999-0001-02', 'product=9999-0001'],
    });
  });

  test('ten digits become eleven', () => {
    const of = ['1234-5678-90', '12345-678-90', '12345-6789-0', '12345-6789-01', '1234-567-89', '1234567890'].map(
      elevenDigits,
    );
    assert.deepEqual(of, ['01234567890', '12345067890', '12345678900', '12345678901', undefined, undefined]);
  });
});
