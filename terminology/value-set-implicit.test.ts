// Implicit value sets of loaded releases: https://hl7.org/fhir/R4/snomedct.html#implicit, https://hl7.org/fhir/R4/loinc.html#implicit
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { indexCodeSystem } from './memory-index.ts';
import { memorySystem } from './memory-system.ts';
import { createCodeSystems } from './systems.ts';
import type { TableSystem } from './tables.ts';
import { testCanonicals } from './testing.ts';
import { type Composition, type Formula, formulaOf, SNOMED, systemsOf } from './value-set-formula.ts';
import { planOf } from './value-set-plan.ts';
import { select } from './value-set-select.ts';
import { type Asking, createValueSets, NO_RULES, type ValueSets } from './value-sets.ts';
import { type SystemWriter, writeSystem } from './write-system.ts';

const EDITION = 'http://snomed.info/sct/900000000000207008';
const LOINC = 'http://loinc.org';
const asking: Asking = { asker: { scope: { kind: 'everything' } }, versions: NO_RULES, supplements: [] };

let db: Db;
let valueSets: ValueSets;

async function load(
  url: string,
  version: string,
  write: (writer: SystemWriter) => void,
  more: object = {},
): Promise<void> {
  const about = {
    resourceType: 'CodeSystem',
    url,
    version,
    content: 'complete',
    status: 'active',
    ...more,
  } as unknown as Resource;
  const writer = await writeSystem(db, { url, version, about, caseSensitive: true });
  write(writer);
  await writer.finish();
}

/** Invented concepts: 100001 > 100002 > 100003, 100004 with an attribute that leads to 100003; a reference set. */
function snomed(last: string) {
  return (writer: SystemWriter): void => {
    writer.add({ code: '100001', display: 'Top' });
    for (const [code, parent] of [
      ['100002', '100001'],
      ['100003', '100002'],
      ['100004', '100001'],
      [last, '100001'],
      ['900000000000455006', '100001'],
      ['700001', '900000000000455006'],
    ] as const) {
      writer.parent(writer.add({ code, display: `Concept ${code}` })!, parent);
    }
    writer.property(writer.numberOf('100004')!, { code: '200001', type: 'code', value: '100003' });
    writer.property(writer.numberOf('100003')!, { code: 'memberOf', type: 'code', value: '700001' });
  };
}

function loinc(writer: SystemWriter): void {
  writer.add({ code: 'LL1-1', display: 'List' });
  for (const code of ['LA1-1', 'LA2-9']) {
    writer.property(writer.add({ code, display: code })!, { code: 'LIST', type: 'code', value: 'LL1-1' });
  }
  writer.add({ code: 'LP1-1', display: 'Part' });
  const term = writer.add({ code: '1-8', display: 'Term' })!;
  writer.parent(term, 'LP1-1');
  writer.property(term, { code: 'SCALE_TYP', type: 'Coding', value: 'LP2-9', system: LOINC, display: 'Doc' });
}

before(async () => {
  db = await testDatabase();
  await load(SNOMED, `${EDITION}/version/20230101`, snomed('100005'));
  await load(SNOMED, `${EDITION}/version/20240101`, snomed('100006'));
  const axes = { property: [{ code: 'SCALE_TYP', type: 'Coding' }] };
  await load(LOINC, '2.77', loinc, axes);
  const canonicals = testCanonicals([]);
  valueSets = createValueSets({ canonicals, systems: createCodeSystems({ db, canonicals }) });
});

async function expanded(composition: Composition): Promise<string[]> {
  const found: string[] = [];
  for (const name of systemsOf(composition)) {
    const used = await valueSets.use(name, [], asking);
    assert.ok(used, `${name.url}|${name.version} is known`);
    const where = formulaOf(composition, name);
    const { concepts } = await select(db, used.system, { where, words: [], offset: 0, count: 100 });
    found.push(...concepts.map(({ code }) => code));
  }
  return found.toSorted();
}
const codes = async (url: string): Promise<string[]> => expanded(await valueSets.compose(url, asking));

const cases: [string, string[]][] = [
  [`${SNOMED}?fhir_vs=isa/100002`, ['100002', '100003']],
  [`${SNOMED}?fhir_vs=refset`, ['700001', '900000000000455006']],
  [`${SNOMED}?fhir_vs=refset/700001`, ['100003']],
  [`${SNOMED}?fhir_vs=ecl/<100001 MINUS <<900000000000455006`, ['100002', '100003', '100004', '100006']],
  [`${SNOMED}?fhir_vs=ecl/${encodeURIComponent('< 100001 : 200001 = << 100002')}`, ['100004']],
  [`${SNOMED}?fhir_vs=ecl/^700001 OR 100004`, ['100003', '100004']],
  [`${EDITION}/version/20230101?fhir_vs=ecl/100005 OR 100006`, ['100005']],
  [`${EDITION}?fhir_vs=ecl/100005 OR 100006`, ['100006']],
  [`${LOINC}/vs`, ['1-8', 'LA1-1', 'LA2-9', 'LL1-1', 'LP1-1']],
  [`${LOINC}/vs/LL1-1`, ['LA1-1', 'LA2-9']],
  [`${LOINC}/vs/LP1-1`, ['1-8', 'LP1-1']],
];
for (const [url, expected] of cases) test(url, async () => assert.deepEqual(await codes(url), expected));

test('what is none of them is not known', async () => {
  for (const url of [
    `${SNOMED}?fhir_vs=isa`,
    `${SNOMED}?fhir_vs=what/1`,
    `${LOINC}/vs/X`,
    'http://unitsofmeasure.org/vs/x',
  ]) {
    await assert.rejects(valueSets.compose(url, asking), { code: 'not-found' }, url);
  }
});

test('an expression that is wrong is refused with its place in it', async () => {
  await assert.rejects(codes(`${SNOMED}?fhir_vs=ecl/<< 100001 AND`), {
    code: 'invalid-parameter',
    message: /ECL at character/,
  });
});

test('filters on LOINC name parts by code and by name', async () => {
  const compose = async (...filter: { property: string; op: string; value: string }[]) => {
    const include = [{ system: LOINC, filter }];
    return expanded(await valueSets.composeResource({ resourceType: 'ValueSet', compose: { include } }, asking));
  };
  const scale = (value: string, op = '=') => ({ property: 'SCALE_TYP', op, value });
  const below = { property: 'concept', op: 'is-a', value: 'LP1-1' };
  for (const value of ['LP2-9', 'Doc', 'DOC']) {
    assert.deepEqual(await compose(scale(value)), ['1-8'], value);
    // As a test of what lies below a part, too.
    assert.deepEqual(await compose(below, scale(value)), ['1-8'], value);
    assert.deepEqual(await compose(below, scale(value, 'not-in')), ['LP1-1'], value);
  }
  assert.deepEqual(await compose(scale('Ord,Doc', 'in')), ['1-8']);
  assert.deepEqual(await compose(scale('Ord')), []);
  assert.deepEqual(await compose({ property: 'LIST', op: '=', value: 'll1-1' }), []);
});

test('codes of parts are looked for in the index of values, names of parts are not in it', () => {
  const about = {
    resourceType: 'CodeSystem',
    property: [{ code: 'SCALE_TYP', type: 'Coding' }],
  } as unknown as Resource;
  const table = { ...{ cs: 1, url: LOINC, version: '', about, caseSensitive: true }, concepts: 1, designations: 0 };
  const planned = (...anyOf: string[]) => {
    const where: Formula = { kind: 'value', field: { property: 'SCALE_TYP' }, anyOf };
    const { source, condition } = planOf(table as unknown as TableSystem, { where, words: [] }, new Map());
    assert.equal(condition, undefined);
    return /left\(value, 100\) = any/.test(source!);
  };
  assert.deepEqual([planned('LP2-9'), planned('LP2-9', 'LP30-1')], [true, true]);
  assert.deepEqual([planned('Doc'), planned('LP2-9', 'Doc')], [false, false]);
});

test('filters on LOINC name parts of a LOINC that is in memory, too', async () => {
  const scale = { code: 'SCALE_TYP', valueCoding: { system: LOINC, code: 'LP2-9', display: 'Doc' } };
  const few = {
    ...{ resourceType: 'CodeSystem', url: LOINC, version: '2.77', status: 'active', content: 'complete' },
    property: [{ code: 'SCALE_TYP', type: 'Coding' }],
    concept: [{ code: '1-8', property: [scale] }, { code: '2-6' }],
  };
  const system = memorySystem(indexCodeSystem(few as unknown as Resource));
  for (const [value, expected] of [
    ['LP2-9', ['1-8']],
    ['DOC', ['1-8']],
    ['Ord', []],
  ] as const) {
    const where: Formula = { kind: 'value', field: { property: 'SCALE_TYP' }, anyOf: [value] };
    const { concepts } = await select(db, system, { where, words: [], offset: 0, count: 10 });
    assert.deepEqual(
      concepts.map(({ code }) => code),
      expected,
    );
  }
});

test('filters of value sets on SNOMED CT', async () => {
  const compose = async (property: string, op: string, value: string) => {
    const include = [{ system: SNOMED, filter: [{ property, op, value }] }];
    return expanded(await valueSets.composeResource({ resourceType: 'ValueSet', compose: { include } }, asking));
  };
  assert.deepEqual(await compose('concept', 'in', '700001'), ['100003']);
  assert.deepEqual(await compose('constraint', '=', '<! 100001 MINUS 900000000000455006'), [
    '100002',
    '100004',
    '100006',
  ]);
  assert.deepEqual(await compose('200001', '=', '100003'), ['100004']);
});
