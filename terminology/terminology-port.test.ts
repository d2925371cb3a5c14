// What searches and bindings ask of value sets and code systems: https://hl7.org/fhir/R4/valueset.html#compositions,
// https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/terminologies.html#binding
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type CodeToValidate, type Resource, stringify, type Terminology } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { createCodeSystems } from './systems.ts';
import { createTerminologyPort } from './terminology-port.ts';
import { type TestCanonicals, testCanonicals } from './testing.ts';
import { createValueSets } from './value-sets.ts';

const resource = (type: string, url: string, more: object): Resource =>
  ({ resourceType: type, url, status: 'active', ...more }) as unknown as Resource;

const animals = resource('CodeSystem', 'http://cs', {
  content: 'complete',
  caseSensitive: true,
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      concept: [
        { code: 'cat', display: 'Katze', property: [{ code: 'legs', valueInteger: 4 }] },
        { code: 'bird', property: [{ code: 'legs', valueInteger: 2 }] },
      ],
    },
    { code: 'tiger', property: [{ code: 'parent', valueCode: 'cat' }] },
    { code: 'stone' },
  ],
});
const grouped = resource('CodeSystem', 'http://g', {
  ...{ content: 'complete', hierarchyMeaning: 'grouped-by' },
  concept: [{ code: 'a', concept: [{ code: 'b' }] }],
});
const cyclic = resource('CodeSystem', 'http://c', {
  content: 'complete',
  concept: [
    { code: 'a', property: [{ code: 'parent', valueCode: 'b' }] },
    { code: 'b', property: [{ code: 'parent', valueCode: 'a' }] },
  ],
});
const fragment = resource('CodeSystem', 'http://part', { content: 'fragment', concept: [{ code: 'x' }] });
const of = (system: string, ...codes: string[]) => ({ system, concept: codes.map((code) => ({ code })) });
const cats = resource('ValueSet', 'http://vs/cats', { compose: { include: [of('http://cs', 'cat', 'tiger')] } });
const all = resource('ValueSet', 'http://vs/all', { compose: { include: [{ system: 'http://cs' }] } });
const hollow = resource('CodeSystem', 'http://hollow', { content: 'not-present' });
const known = [animals, grouped, cyclic, fragment, hollow, cats, all];

let db: Db;
let canonicals: TestCanonicals;
let port: Terminology;
const byId = {
  ...resource('ValueSet', 'http://vs/by-id', { compose: { include: [of('http://cs', 'cat')] } }),
  id: 'v',
};

before(async () => {
  db = await testDatabase();
  canonicals = testCanonicals(known);
  const systems = createCodeSystems({ db, canonicals });
  const read = async (type: string, id: string) =>
    type === 'ValueSet' && id === 'v'
      ? { type, id, version: 1, updatedMs: 0, body: stringify(byId), deleted: false }
      : undefined;
  port = createTerminologyPort({ systems, valueSets: createValueSets({ canonicals, systems }), reader: { read } });
});

const context = (codesMax = 100) => ({ db, scope: { kind: 'everything' } as const, codesMax });

async function codesOf(url: string, codesMax?: number): Promise<Record<string, unknown>> {
  const found = await port.valueSet(url, context(codesMax));
  return Object.fromEntries([...found].map(([system, some]) => [system, some === 'all' ? 'all' : [...some].sort()]));
}

function codes(body: object, codesMax?: number): Promise<Record<string, unknown>> {
  canonicals.set([...known, resource('ValueSet', 'http://vs', body)]);
  return codesOf('http://vs', codesMax);
}

const composed = (...include: object[]) => codes({ compose: { include } });
const filter = (property: string, op: string, value: string) => ({
  system: 'http://cs',
  filter: [{ property, op, value }],
});

describe('compose', () => {
  const cases: [string, object, unknown][] = [
    ['concepts', of('http://x', 'a', 'b'), { 'http://x': ['a', 'b'] }],
    ['a whole system, which need not be here', { system: 'http://x' }, { 'http://x': 'all' }],
    ['is-a', filter('concept', 'is-a', 'cat'), { 'http://cs': ['cat', 'tiger'] }],
    ['descendent-of', filter('concept', 'descendent-of', 'animal'), { 'http://cs': ['bird', 'cat', 'tiger'] }],
    ['is-not-a', filter('concept', 'is-not-a', 'animal'), { 'http://cs': ['stone'] }],
    ['generalizes', filter('concept', 'generalizes', 'tiger'), { 'http://cs': ['animal', 'cat', 'tiger'] }],
    ['a property', filter('legs', '=', '4'), { 'http://cs': ['cat'] }],
    ['in', filter('legs', 'in', '2,4'), { 'http://cs': ['bird', 'cat'] }],
    ['not-in', filter('legs', 'not-in', '2, 4'), { 'http://cs': ['animal', 'stone', 'tiger'] }],
    ['exists', filter('legs', 'exists', 'true'), { 'http://cs': ['bird', 'cat'] }],
    ['exists not', filter('display', 'exists', 'false'), { 'http://cs': ['bird', 'stone', 'tiger'] }],
    ['a parent', filter('parent', '=', 'cat'), { 'http://cs': ['tiger'] }],
    ['a regular expression', filter('code', 'regex', '.*t.*'), { 'http://cs': ['cat', 'stone', 'tiger'] }],
    ['another value set', { valueSet: ['http://vs/cats'] }, { 'http://cs': ['cat', 'tiger'] }],
    [
      'what system and value set have in common',
      { ...filter('legs', '=', '4'), valueSet: ['http://vs/cats'] },
      { 'http://cs': ['cat'] },
    ],
    [
      'what two value sets have in common',
      { valueSet: ['http://vs/all', 'http://vs/cats'] },
      { 'http://cs': ['cat', 'tiger'] },
    ],
    ['nothing in common', { system: 'http://x', valueSet: ['http://vs/cats'] }, {}],
  ];
  for (const [name, include, expected] of cases)
    test(name, async () => assert.deepEqual(await composed(include), expected));

  test('several includes are united', async () => {
    const both = await composed(of('http://cs', 'stone'), { valueSet: ['http://vs/cats'] });
    assert.deepEqual(both, { 'http://cs': ['cat', 'stone', 'tiger'] });
    assert.deepEqual(await composed(of('http://cs', 'stone'), { system: 'http://cs' }), { 'http://cs': 'all' });
  });

  test('codes that are listed of a system that is not here, where inactive ones are left out', async () => {
    const compose = { inactive: false, include: [of('http://x', 'a', 'b')], exclude: [of('http://x', 'b')] };
    assert.deepEqual(await codes({ compose }), { 'http://x': ['a'] });
    const active = resource('ValueSet', 'http://vs/b', {
      compose: { inactive: false, include: [of('http://x', 'b')] },
    });
    const without = { include: [of('http://x', 'a', 'b')], exclude: [{ valueSet: ['http://vs/b'] }] };
    canonicals.set([...known, active, resource('ValueSet', 'http://vs', { compose: without })]);
    assert.deepEqual(await codesOf('http://vs'), { 'http://x': ['a'] });
  });

  test('codes that are listed of a system that is stored in part, where inactive ones are left out', async () => {
    const status = [{ code: 'status', valueCode: 'inactive' }];
    const part = { content: 'fragment', concept: [{ code: 'x' }, { code: 'gone', property: status }] };
    const include = [of('http://some', 'x', 'gone', 'elsewhere'), of('http://hollow', 'a')];
    const set = resource('ValueSet', 'http://vs', { compose: { inactive: false, include } });
    canonicals.set([...known, resource('CodeSystem', 'http://some', part), set]);
    assert.deepEqual(await codesOf('http://vs'), { 'http://some': ['elsewhere', 'x'], 'http://hollow': ['a'] });
  });

  test('excludes', async () => {
    const compose = { include: [{ system: 'http://cs' }], exclude: [{ valueSet: ['http://vs/cats'] }] };
    assert.deepEqual(await codes({ compose }), { 'http://cs': ['animal', 'bird', 'stone'] });
    const none = { include: [{ valueSet: ['http://vs/cats'] }], exclude: [{ system: 'http://cs' }] };
    assert.deepEqual(await codes({ compose: none }), {});
  });

  test('by id, and implicit', async () => {
    assert.deepEqual(await codesOf('ValueSet/v'), { 'http://cs': ['cat'] });
    assert.deepEqual(await codesOf('http://cs?fhir_vs'), { 'http://cs': 'all' });
    assert.deepEqual(await codesOf('http://cs?fhir_vs=isa/cat'), { 'http://cs': ['cat', 'tiger'] });
  });

  test('what can not be told is refused', async () => {
    const bad = 'invalid-parameter';
    await assert.rejects(codesOf('http://vs/none'), { code: bad, message: /'http:\/\/vs\/none' is not known here/ });
    await assert.rejects(codesOf('ValueSet/none'), { code: bad, message: /'ValueSet\/none' is not known here/ });
    await assert.rejects(composed(filter('concept', 'is-a', 'unicorn')), { code: bad, message: /'unicorn'/ });
    await assert.rejects(composed({ ...filter('concept', 'is-a', 'x'), system: 'http://none' }), {
      code: bad,
      message: /code system 'http:\/\/none' is not known here/,
    });
    await assert.rejects(composed({ valueSet: ['http://vs/none'] }), { code: bad, message: /http:\/\/vs\/none/ });
    await assert.rejects(composed({ valueSet: ['http://vs'] }), { code: bad, message: /includes itself/ });
    await assert.rejects(composed(filter('concept', 'nearly', 'x')), { code: 'unsupported', message: /'nearly'/ });
    await assert.rejects(composed({ ...filter('concept', 'is-a', 'x'), system: 'http://part' }), {
      message: /not all of its codes/,
    });
    const exclude = { include: [{ system: 'http://part' }], exclude: [of('http://part', 'x')] };
    await assert.rejects(codes({ compose: exclude }), { message: /not all of its codes/ });
    await assert.rejects(codes({}), { code: 'unsupported', message: /neither a compose nor a whole expansion/ });
    const several = { include: [{ valueSet: ['http://vs/cats'] }] };
    await assert.rejects(codes({ compose: several }, 1), { code: 'too-costly' });
    const below = { include: [filter('concept', 'is-a', 'animal')] };
    await assert.rejects(codes({ compose: below }, 2), { code: 'too-costly' });
  });
});

describe('expansion', () => {
  const inner = [
    { system: 'http://x', code: 'b' },
    { abstract: true, system: 'http://x', code: 'c' },
  ];
  const contains = [{ system: 'http://x', code: 'a', contains: inner }, { display: 'group' }];
  test('nested, without what is abstract or has no code', async () => {
    assert.deepEqual(await codes({ expansion: { total: 4, contains } }), { 'http://x': ['a', 'b'] });
    assert.deepEqual(await codes({ expansion: { contains } }), { 'http://x': ['a', 'b'] });
  });
  test('a page of one is refused', async () => {
    await assert.rejects(codes({ expansion: { total: 5, contains } }), { code: 'unsupported' });
    await assert.rejects(codes({ expansion: { offset: 10, contains } }), { code: 'unsupported' });
  });
});

describe('above and below', () => {
  const related = async (system: string, code: string, direction: 'above' | 'below') =>
    [...(await port.subsumption(system, code, direction, context()))].sort();

  test('by nesting and by property', async () => {
    assert.deepEqual(await related('http://cs', 'animal', 'below'), ['animal', 'bird', 'cat', 'tiger']);
    assert.deepEqual(await related('http://cs', 'tiger', 'above'), ['animal', 'cat', 'tiger']);
  });
  test('cycles end, and nesting that means something else counts for nothing', async () => {
    assert.equal((await related('http://c', 'a', 'below')).includes('a'), true);
    assert.deepEqual(await related('http://g', 'a', 'below'), ['a']);
  });
  test('of what is not known', async () => {
    await assert.rejects(related('http://none', 'a', 'below'), {
      code: 'invalid-parameter',
      message: /is not known here/,
    });
    await assert.rejects(related('http://cs', 'none', 'above'), {
      code: 'invalid-parameter',
      message: /no code 'none'/,
    });
    // What is below it may be in the part that is not stored.
    await assert.rejects(related('http://part', 'x', 'below'), {
      code: 'invalid-parameter',
      message: /not all of its codes/,
    });
  });
});

describe('verdicts on codes', () => {
  const judge = (codes: CodeToValidate[]) => port.validateCodes(codes, context());

  test('in the order of the codes', async () => {
    const valueSet = 'http://vs/cats';
    const verdicts = await judge([
      { system: 'http://cs', code: 'cat', valueSet },
      { system: 'http://cs', code: 'stone', valueSet },
      { system: 'http://cs', code: 'unicorn', valueSet },
      { system: 'http://other', code: 'cat', valueSet },
      { code: 'tiger', valueSet },
      { code: 'stone', valueSet },
      { system: 'http://cs', code: 'cat', valueSet: 'http://vs/none' },
      { system: 'http://cs', code: 'cat' },
      { system: 'http://cs', code: 'unicorn' },
      { system: 'http://none', code: 'cat' },
      { system: 'http://part', code: 'y' },
      { system: 'http://unitsofmeasure.org', code: 'mg' },
      { system: 'http://hollow', code: 'x' },
      { system: 'http://hollow', code: 'x', valueSet: 'http://hollow?fhir_vs' },
    ]);
    assert.deepEqual(
      verdicts.map(({ result }) => result),
      ['valid', 'invalid', 'invalid', 'invalid', 'valid', 'invalid'].concat([
        'unknown',
        'valid',
        'invalid',
        'unknown',
        'unknown',
        'valid',
        'unknown',
        'unknown',
      ]),
    );
    assert.deepEqual(
      verdicts.slice(0, 3).map(({ inSystem }) => inSystem),
      [true, true, false],
    );
    for (const { result, message } of verdicts) assert.equal(message !== undefined, result !== 'valid');
  });

  test('a display that is none of the code is told beside the verdict', async () => {
    const [wrong, right] = await judge([
      { system: 'http://cs', code: 'cat', display: 'Dog', valueSet: 'http://vs/cats' },
      { system: 'http://cs', code: 'cat', display: 'katze' },
    ]);
    assert.equal(wrong?.result, 'valid');
    assert.match(wrong?.wrongDisplay ?? '', /'Dog'/);
    assert.equal(wrong?.display, 'Katze');
    assert.deepEqual(right, { result: 'valid', inSystem: true, display: 'Katze' });
  });

  test('of a system that is not known, but that the value set takes all of', async () => {
    canonicals.set([...known, resource('ValueSet', 'http://vs', { compose: { include: [{ system: 'http://far' }] } })]);
    const [far] = await judge([{ system: 'http://far', code: 'a', valueSet: 'http://vs' }]);
    assert.equal(far?.result, 'unknown');
    const compose = { include: [{ system: 'http://far' }], exclude: [of('http://far', 'b')] };
    canonicals.set([...known, resource('ValueSet', 'http://vs', { compose })]);
    const [without] = await judge([{ system: 'http://far', code: 'a', valueSet: 'http://vs' }]);
    assert.equal(without?.result, 'unknown');
  });

  test('of a system that is not known, but of which the value set lists the codes', async () => {
    canonicals.set([...known, resource('ValueSet', 'http://vs', { compose: { include: [of('http://far', 'a')] } })]);
    const verdicts = await judge(['a', 'b'].map((code) => ({ system: 'http://far', code, valueSet: 'http://vs' })));
    assert.deepEqual(
      verdicts.map(({ result }) => result),
      ['valid', 'invalid'],
    );
  });
});
