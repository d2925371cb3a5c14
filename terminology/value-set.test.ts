// What belongs to a value set, the same in memory and in the tables: https://hl7.org/fhir/R4/valueset.html#compositions,
// https://hl7.org/fhir/R4/valueset-filter-operator.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { CodeSystem } from './code-system.ts';
import { createCodeSystems } from './systems.ts';
import { testCanonicals } from './testing.ts';
import { ALL, and, type Formula, formulaOf, not, or, systemsOf } from './value-set-formula.ts';
import { withRegexBudget } from './value-set-regex.ts';
import { test as holds, select } from './value-set-select.ts';
import { type Asking, createValueSets, NO_RULES } from './value-sets.ts';
import { writeSystem } from './write-system.ts';

const CS = 'http://cs';
const codeSystem = {
  ...{ resourceType: 'CodeSystem', id: 'cs', meta: { versionId: '1' }, url: CS, version: '1', status: 'active' },
  ...{ content: 'complete', caseSensitive: true, hierarchyMeaning: 'is-a' },
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'unused', type: 'string' },
  ],
  concept: [
    {
      ...{ code: 'animal', display: 'Animal', property: [{ code: 'notSelectable', valueBoolean: true }] },
      concept: [
        {
          ...{ code: 'cat', display: 'Cat', definition: 'A cat' },
          property: [{ code: 'legs', valueInteger: 4 }],
          designation: [{ language: 'de', value: 'Kätzchen im Sack' }],
        },
        { code: 'bird', display: 'Étourneau bird', property: [{ code: 'legs', valueInteger: 2 }] },
      ],
    },
    { code: 'tiger', display: 'Tiger cat', property: [{ code: 'parent', valueCode: 'cat' }] },
    { code: 'stone', display: 'Stone', property: [{ code: 'status', valueCode: 'retired' }] },
  ],
} as unknown as Resource;

const valueSet = (url: string, compose: JsonObject): Resource => ({ resourceType: 'ValueSet', url, compose });
const asking: Asking = { asker: { scope: { kind: 'everything' } }, versions: NO_RULES, supplements: [] };

let db: Db;
const engines: Record<string, CodeSystem> = {};
before(async () => {
  db = await testDatabase();
  const canonicals = testCanonicals([codeSystem]);
  for (const [name, memoryConceptsMax] of [
    ['memory', 100],
    ['tables', 0],
  ] as const) {
    const systems = createCodeSystems({ db, canonicals, memoryConceptsMax });
    engines[name] = (await systems.find(CS, undefined, { scope: { kind: 'everything' } }))!;
  }
  assert.ok(engines.memory?.memory && engines.tables?.table, 'one of each kind');
});

const imports = [
  valueSet('http://vs/cats', {
    include: [{ system: CS, filter: [{ property: 'concept', op: 'is-a', value: 'cat' }] }],
  }),
  valueSet('http://vs/all', { include: [{ system: CS }] }),
  valueSet('http://vs/current', { inactive: false, include: [{ system: CS }] }),
  valueSet('http://vs/loop', { include: [{ valueSet: ['http://vs/pool'] }] }),
  valueSet('http://vs/pool', { include: [{ valueSet: ['http://vs/loop'] }] }),
];
const contains = [
  { system: CS, code: 'stone', contains: [{ system: CS, code: 'bird' }] },
  { system: CS, code: 'animal', abstract: true },
  { display: 'group' },
];
const stored: Resource = { resourceType: 'ValueSet', url: 'http://vs/stored', expansion: { total: 4, contains } };

const valueSets = () => {
  const canonicals = testCanonicals([codeSystem, ...imports, stored]);
  return createValueSets({ canonicals, systems: createCodeSystems({ db, canonicals }) });
};

async function codesOf(system: CodeSystem, where: Formula): Promise<string[]> {
  const { concepts, total } = await select(db, system, { where, words: [], offset: 0, count: 100 });
  assert.equal(total, concepts.length);
  return concepts.map(({ code }) => code);
}

/** The codes by each engine, which must agree. */
async function composed(compose: JsonObject): Promise<string[]> {
  const composition = await valueSets().composeResource(valueSet('http://vs', compose), asking);
  const found: string[][] = [];
  for (const system of Object.values(engines)) {
    const where = systemsOf(composition).length === 0 ? not(ALL) : formulaOf(composition, { url: CS, version: '1' });
    found.push((await codesOf(system, where)).toSorted());
  }
  assert.deepEqual(found[0], found[1]);
  return found[0]!;
}

const include = (...sets: JsonObject[]) => composed({ include: sets });
const filter = (property: string, op: string, value: string): JsonObject => ({
  ...{ system: CS, filter: [{ property, op, value }] },
});

describe('compose', () => {
  const everything = ['animal', 'bird', 'cat', 'stone', 'tiger'];
  const cases: [string, JsonObject, string[]][] = [
    ['concepts', { system: CS, concept: [{ code: 'cat' }, { code: 'none' }] }, ['cat']],
    ['a whole system', { system: CS }, everything],
    ['is-a', filter('concept', 'is-a', 'cat'), ['cat', 'tiger']],
    ['descendent-of', filter('concept', 'descendent-of', 'animal'), ['bird', 'cat', 'tiger']],
    ['is-not-a', filter('concept', 'is-not-a', 'animal'), ['stone']],
    ['generalizes', filter('concept', 'generalizes', 'tiger'), ['animal', 'cat', 'tiger']],
    ['child-of', filter('concept', 'child-of', 'animal'), ['bird', 'cat']],
    ['descendent-leaf', filter('concept', 'descendent-leaf', 'animal'), ['bird', 'tiger']],
    ['a property', filter('legs', '=', '4'), ['cat']],
    ['in', filter('legs', 'in', '2,4'), ['bird', 'cat']],
    ['not-in', filter('legs', 'not-in', '2, 4'), ['animal', 'stone', 'tiger']],
    ['codes in', filter('concept', 'in', 'cat, stone'), ['cat', 'stone']],
    ['exists', filter('legs', 'exists', 'true'), ['bird', 'cat']],
    ['exists not', filter('definition', 'exists', 'false'), ['animal', 'bird', 'stone', 'tiger']],
    ['a property that no concept has', filter('unused', '=', 'x'), []],
    ['a parent', filter('parent', '=', 'cat'), ['tiger']],
    ['a child', filter('child', '=', 'cat'), ['animal']],
    ['some parent', filter('parent', 'exists', 'true'), ['bird', 'cat', 'tiger']],
    ['inactive', filter('inactive', '=', 'true'), ['stone']],
    ['not inactive', filter('inactive', '=', 'false'), ['animal', 'bird', 'cat', 'tiger']],
    ['abstract', filter('notSelectable', '=', 'true'), ['animal']],
    ['a status', filter('status', '=', 'retired'), ['stone']],
    ['a display', filter('display', '=', 'Tiger cat'), ['tiger']],
    ['regex on codes, as a whole', filter('code', 'regex', '[a-z]{3,4}'), ['bird', 'cat']],
    ['regex with alternatives, as a whole', filter('code', 'regex', 'ca|cat|tig'), ['cat']],
    ['regex on a property', filter('legs', 'regex', '[24]'), ['bird', 'cat']],
    ['another value set', { valueSet: ['http://vs/cats'] }, ['cat', 'tiger']],
    ['in common with a value set', { ...filter('legs', '=', '4'), valueSet: ['http://vs/cats'] }, ['cat']],
    ['in common of two', { valueSet: ['http://vs/all', 'http://vs/cats'] }, ['cat', 'tiger']],
    ['one without inactive codes', { valueSet: ['http://vs/current'] }, ['animal', 'bird', 'cat', 'tiger']],
    ['one that was stored expanded', { valueSet: ['http://vs/stored'] }, ['bird', 'stone']],
    ['nothing in common', { system: 'http://x', valueSet: ['http://vs/cats'] }, []],
    [
      'two filters',
      {
        system: CS,
        filter: [filter('concept', 'is-a', 'animal'), filter('legs', 'exists', 'true')].flatMap(
          (each) => each.filter as JsonObject[],
        ),
      },
      ['bird', 'cat'],
    ],
    ['a version that is another', { system: CS, version: '2' }, []],
  ];
  for (const [name, set, expected] of cases) test(name, async () => assert.deepEqual(await include(set), expected));

  test('several are united, and excludes taken away', async () => {
    assert.deepEqual(await include({ system: CS, concept: [{ code: 'stone' }] }, { valueSet: ['http://vs/cats'] }), [
      ...['cat', 'stone', 'tiger'],
    ]);
    const exclude = [{ valueSet: ['http://vs/cats'] }];
    assert.deepEqual(await composed({ include: [{ system: CS }], exclude }), ['animal', 'bird', 'stone']);
    assert.deepEqual(await composed({ include: [{ valueSet: ['http://vs/cats'] }], exclude: [{ system: CS }] }), []);
  });

  test('implicit value sets', async () => {
    assert.deepEqual(await include({ valueSet: [`${CS}?fhir_vs`] }), everything);
    assert.deepEqual(await include({ valueSet: [`${CS}?fhir_vs=isa/cat`] }), ['cat', 'tiger']);
    await assert.rejects(include({ valueSet: [`${CS}?fhir_vs=what/cat`] }), { code: 'not-found' });
  });
});

describe('what is wrong with a value set is told', () => {
  const rejected: [string, JsonObject, object][] = [
    [
      'a place that is not there',
      filter('concept', 'is-a', 'unicorn'),
      { code: 'invalid-parameter', message: /no code 'unicorn'/ },
    ],
    [
      'a property that is not there',
      filter('wings', '=', '2'),
      { code: 'invalid-parameter', message: /no property 'wings'/ },
    ],
    [
      'an operator that is none',
      filter('concept', 'near', 'cat'),
      { code: 'unsupported', message: /'near' is none of =, is-a/ },
    ],
    [
      'a filter without value',
      { system: CS, filter: [{ property: 'concept', op: 'is-a' }] },
      { code: 'invalid', message: /has no value/ },
    ],
    [
      'a value set that is not known',
      { valueSet: ['http://vs/none'] },
      { code: 'not-found', message: /'http:\/\/vs\/none'/ },
    ],
    ['one that includes itself', { valueSet: ['http://vs/loop'] }, { code: 'invalid', message: /includes itself/ }],
    [
      'no regular expression',
      filter('code', 'regex', '('),
      { code: 'invalid-parameter', message: /no regular expression/ },
    ],
    ['a back reference', filter('code', 'regex', '(a+)\\1'), { code: 'unsupported', message: /back references/ }],
    ['look-around', filter('code', 'regex', '(?=a)a'), { code: 'unsupported' }],
    ['repeats of repeats', filter('code', 'regex', '((a{99}){99}){99}'), { code: 'unsupported', message: /multiply/ }],
    ['a long pattern', filter('code', 'regex', 'a'.repeat(501)), { code: 'unsupported', message: /500 characters/ }],
    ['ECL of what is no SNOMED CT', filter('constraint', '=', '<<cat'), { code: 'invalid-parameter' }],
  ];
  for (const [name, set, error] of rejected) test(name, () => assert.rejects(include(set), error));

  test('filters without end', async () => {
    const many = Array.from({ length: 1_001 }, () => filter('concept', 'is-a', 'cat'));
    await assert.rejects(composed({ include: many }), { code: 'too-costly', message: /more than 1000 filters/ });
    const lists = Array.from({ length: 5_000 }, (_, i) => ({
      system: CS,
      concept: [{ code: i === 7 ? 'cat' : `c${i}` }],
    }));
    assert.deepEqual(await composed({ include: lists }), ['cat']);
  });

  test('regular expressions that together take longer than a request has for them', async () => {
    // Each takes PostgreSQL some 1 ms.
    const slow = Array.from({ length: 100 }, (_, i) =>
      filter('display', 'regex', `(.*.*.*.*.*=.*){9}${'a'.repeat(i)}`),
    );
    const tooCostly = { code: 'too-costly', message: /more than the 5 ms that a request has/ };
    await assert.rejects(
      withRegexBudget(() => composed({ include: slow }), 5),
      tooCostly,
    );
    await withRegexBudget(async () => {
      for (let i = 0; i < 2; i++) await assert.rejects(composed({ include: slow }), tooCostly);
      await assert.rejects(include(filter('code', 'regex', 'cat')), tooCostly);
      assert.deepEqual(await include(filter('code', '=', 'cat')), ['cat']);
    }, 5);
    assert.deepEqual(await include(filter('code', 'regex', 'cat')), ['cat']);
  });

  test('a pattern that takes a backtracking engine for ever is done at once', async () => {
    assert.deepEqual(await include(filter('display', 'regex', '(([a-z])+.)+[A-Z]([a-z])+$|(a|a)*b')), []);
  });
});

describe('words', () => {
  const search = async (system: CodeSystem, words: string[], offset = 0, count = 10) => {
    const { concepts, total } = await select(db, system, { where: ALL, words, offset, count });
    return [concepts.map(({ code }) => code), total];
  };
  const cases: [string[], string[]][] = [
    [['cat'], ['cat', 'tiger']],
    [['ti', 'ca'], ['tiger']],
    [['etour'], ['bird']],
    [['katzchen', 'sa'], ['cat']],
    [['nothing'], []],
  ];
  for (const [words, expected] of cases) {
    test(words.join(' '), async () => {
      for (const system of Object.values(engines)) {
        assert.deepEqual(await search(system, words), [expected, expected.length]);
      }
    });
  }
  test('pages, and how many there are in all', async () => {
    for (const system of Object.values(engines)) {
      assert.deepEqual(await search(system, ['cat'], 1, 1), [['tiger'], 2]);
      assert.deepEqual(await search(system, ['cat'], 5, 1), [[], 2]);
      assert.deepEqual(await search(system, ['cat'], 0, 0), [[], 2]);
      assert.deepEqual(await search(system, [], 3, 1), [['tiger'], 5]);
    }
  });
});

/** A formula of any shape over the system's codes. */
function anyFormula(next: (below: number) => number, depth: number): Formula {
  const codes = ['animal', 'cat', 'bird', 'tiger', 'stone'];
  const code = codes[next(codes.length)]!;
  if (depth > 0 && next(3) > 0) {
    const parts = Array.from({ length: 1 + next(3) }, () => anyFormula(next, depth - 1));
    return [and(parts), or(parts), not(parts[0]!)][next(3)]!;
  }
  const leaves: Formula[] = [
    ALL,
    { kind: 'inactive' },
    { kind: 'abstract' },
    { kind: 'codes', codes: new Set(codes.slice(next(5))) },
    { kind: 'below', code, self: next(2) === 0 },
    { kind: 'above', code, self: next(2) === 0 },
    { kind: 'childOf', code },
    { kind: 'parentOf', code },
    { kind: 'leafBelow', code },
    { kind: 'value', field: { property: 'legs' }, anyOf: ['2'] },
    { kind: 'exists', field: 'definition' },
    { kind: 'regex', field: 'display', pattern: '.*t.*' },
  ];
  return leaves[next(leaves.length)]!;
}

test('any formula holds for the same concepts in memory and in the tables', async () => {
  const next = random(7);
  const { memory, tables } = engines as { memory: CodeSystem; tables: CodeSystem };
  const every = await select(db, tables, { where: ALL, words: [], offset: 0, count: 10 });
  for (let i = 0; i < 150; i++) {
    const where = anyFormula(next, 3);
    const expected = await codesOf(memory, where);
    assert.deepEqual(await codesOf(tables, where), expected, JSON.stringify(where));
    const each = await holds(db, tables, where, every.concepts);
    assert.deepEqual(
      every.concepts.filter((_, n) => each[n]).map(({ code }) => code),
      expected,
      JSON.stringify(where),
    );
  }
});

test('codes of a system that is not case sensitive are taken in any case', async () => {
  const insensitive = { ...codeSystem, id: 'any', url: 'http://any', caseSensitive: false } as Resource;
  const canonicals = testCanonicals([insensitive]);
  for (const memoryConceptsMax of [100, 0]) {
    const systems = createCodeSystems({ db, canonicals, memoryConceptsMax });
    const system = (await systems.find('http://any', undefined, { scope: { kind: 'everything' } }))!;
    assert.deepEqual(await codesOf(system, { kind: 'codes', codes: new Set(['CAT', 'Stone', 'none']) }), [
      'cat',
      'stone',
    ]);
    assert.deepEqual(await codesOf(system, { kind: 'below', code: 'CAT', self: true }), ['cat', 'tiger']);
  }
});

test('codes of a rule that is not case sensitive are taken in any case too', async () => {
  const systems = createCodeSystems({ db, canonicals: testCanonicals([]) });
  const takes = async (url: string, listed: string, code: string) => {
    const system = (await systems.find(url, undefined, { scope: { kind: 'everything' } }))!;
    const concept = (await system.concept(code))!;
    return (await holds(db, system, { kind: 'codes', codes: new Set([listed]) }, [concept]))[0];
  };
  assert.equal(await takes('urn:ietf:bcp:47', 'en-US', 'en-us'), true);
  assert.equal(await takes('urn:ietf:bcp:47', 'en-US', 'en-GB'), false);
  assert.equal(await takes('urn:ietf:bcp:13', 'text/plain', 'TEXT/Plain'), true);
  assert.equal(await takes('http://unitsofmeasure.org', 'mg', 'Mg'), false);
});

test('each code of a long list against another long list: both are folded once', async () => {
  const systems = createCodeSystems({ db, canonicals: testCanonicals([]) });
  const system = (await systems.find('urn:ietf:bcp:13', undefined, { scope: { kind: 'everything' } }))!;
  const names = (letter: string): string[] => Array.from({ length: 5_000 }, (_, i) => `text/${letter}${i}`);
  let looked = 0;
  class Watched extends Set<string> {
    override values(): SetIterator<string> {
      looked++;
      return super.values();
    }
  }
  const left = new Watched([...names('b'), 'TEXT/A7']);
  const where: Formula = {
    kind: 'and',
    of: [
      { kind: 'codes', codes: new Set(names('a')) },
      { kind: 'not', of: { kind: 'codes', codes: left } },
    ],
  };
  const { total } = await select(db, system, { where, words: [], offset: 0, count: 1 });
  assert.equal(total, 4_999);
  assert.equal(looked, 1);
});

test('words that most concepts have: the same pages whether or not they are known to be common', async () => {
  const about = { resourceType: 'CodeSystem', url: 'http://large', content: 'complete' } as unknown as Resource;
  const writer = await writeSystem(db, { url: 'http://large', version: '', about, caseSensitive: true });
  for (let i = 0; i < 6_000; i++) {
    const n = writer.add({
      code: `n${i}`,
      display: i % 100 === 7 ? 'rare word' : 'common word',
      inactive: i % 2 === 1,
    })!;
    if (i > 0) writer.parent(n, i < 3_000 ? 'n0' : 'n1');
  }
  await writer.finish();
  const systems = createCodeSystems({ db, canonicals: testCanonicals([]) });
  const system = (await systems.find('http://large', undefined, { scope: { kind: 'everything' } }))!;
  const page = async (where: Formula, words: string[], offset = 0, count = 3) => {
    const { concepts, total } = await select(db, system, { where, words, offset, count });
    return [concepts.map(({ code }) => code), total];
  };
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await page(ALL, ['common']), [['n0', 'n1', 'n2'], 5_940]);
    assert.deepEqual(await page(ALL, ['common'], 5_938), [['n5998', 'n5999'], 5_940]);
    assert.deepEqual(await page(ALL, ['rare']), [['n7', 'n107', 'n207'], 60]);
    // Not counted, until the index was asked.
    assert.deepEqual(await page(ALL, ['c']), [['n0', 'n1', 'n2'], i === 0 ? undefined : 5_940]);
    assert.deepEqual(await page(ALL, ['c'], 5_938), [['n5998', 'n5999'], 5_940]);
    assert.deepEqual(await page({ kind: 'below', code: 'n1', self: false }, ['c']), [
      ['n3000', 'n3001', 'n3002'],
      2_970,
    ]);
    assert.deepEqual(await page(not({ kind: 'inactive' }), ['c']), [['n0', 'n2', 'n4'], undefined]);
  }
  assert.deepEqual(await page({ kind: 'below', code: 'n0', self: true }, [], 5_998), [['n5998', 'n5999'], 6_000]);
  assert.deepEqual(await page(ALL, [], 5_999), [['n5999'], 6_000]);
});
