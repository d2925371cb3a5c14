// https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/codesystem.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { indexCodeSystem, related } from './code-system.ts';
import { codesOf, type Sources } from './value-set.ts';

const system = indexCodeSystem({
  ...{ resourceType: 'CodeSystem', url: 'http://cs', content: 'complete' },
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      concept: [
        { code: 'cat', property: [{ code: 'legs', valueInteger: 4 }] },
        { code: 'bird', property: [{ code: 'legs', valueInteger: 2 }] },
      ],
    },
    { code: 'tiger', property: [{ code: 'parent', valueCode: 'cat' }] },
    { code: 'stone' },
  ],
} as Resource);
const fragment = indexCodeSystem({
  resourceType: 'CodeSystem',
  url: 'http://part',
  content: 'fragment',
  concept: [{ code: 'x' }],
} as Resource);

const sources = (codesMax = 100): Sources => ({
  codesMax,
  async valueSet(url) {
    if (url === 'http://vs/cats') return new Map([['http://cs', new Set(['cat', 'tiger'])]]);
    if (url === 'http://vs/all') return new Map([['http://cs', 'all']]);
    throw new Error(`unknown ${url}`);
  },
  async codeSystem(url) {
    if (url === 'http://cs') return system;
    if (url === 'http://part') return fragment;
    throw new Error(`unknown ${url}`);
  },
});

async function codes(body: object, codesMax?: number): Promise<Record<string, unknown>> {
  const found = await codesOf({ resourceType: 'ValueSet', url: 'http://vs', ...body } as Resource, sources(codesMax));
  return Object.fromEntries([...found].map(([url, some]) => [url, some === 'all' ? 'all' : [...some].sort()]));
}

const composed = (...include: object[]) => codes({ compose: { include } });
const filter = (property: string, op: string, value: string) => ({
  system: 'http://cs',
  filter: [{ property, op, value }],
});

describe('compose', () => {
  const cases: [string, object, unknown][] = [
    ['concepts', { system: 'http://x', concept: [{ code: 'a' }, { code: 'b' }] }, { 'http://x': ['a', 'b'] }],
    ['a whole system, which need not be here', { system: 'http://x' }, { 'http://x': 'all' }],
    ['is-a', filter('concept', 'is-a', 'cat'), { 'http://cs': ['cat', 'tiger'] }],
    ['descendent-of', filter('concept', 'descendent-of', 'animal'), { 'http://cs': ['bird', 'cat', 'tiger'] }],
    ['is-not-a', filter('concept', 'is-not-a', 'animal'), { 'http://cs': ['stone'] }],
    ['generalizes', filter('concept', 'generalizes', 'tiger'), { 'http://cs': ['animal', 'cat', 'tiger'] }],
    ['a property', filter('legs', '=', '4'), { 'http://cs': ['cat'] }],
    ['in', filter('legs', 'in', '2,4'), { 'http://cs': ['bird', 'cat'] }],
    ['not-in', filter('legs', 'not-in', '2, 4'), { 'http://cs': ['animal', 'stone', 'tiger'] }],
    ['exists', filter('legs', 'exists', 'true'), { 'http://cs': ['bird', 'cat'] }],
    ['exists not', filter('display', 'exists', 'false'), { 'http://cs': ['bird', 'cat', 'stone', 'tiger'] }],
    ['a parent', filter('parent', '=', 'cat'), { 'http://cs': ['tiger'] }],
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
    const both = await composed(
      { system: 'http://cs', concept: [{ code: 'stone' }] },
      { valueSet: ['http://vs/cats'] },
    );
    assert.deepEqual(both, { 'http://cs': ['cat', 'stone', 'tiger'] });
    assert.deepEqual(await composed({ system: 'http://cs', concept: [{ code: 'stone' }] }, { system: 'http://cs' }), {
      'http://cs': 'all',
    });
  });

  test('excludes', async () => {
    const compose = { include: [{ system: 'http://cs' }], exclude: [{ valueSet: ['http://vs/cats'] }] };
    assert.deepEqual(await codes({ compose }), { 'http://cs': ['animal', 'bird', 'stone'] });
    assert.deepEqual(
      await codes({ compose: { include: [{ valueSet: ['http://vs/cats'] }], exclude: [{ system: 'http://cs' }] } }),
      {},
    );
  });

  test('what can not be told is refused', async () => {
    await assert.rejects(composed(filter('concept', 'is-a', 'unicorn')), {
      code: 'invalid-parameter',
      message: /no code 'unicorn'/,
    });
    await assert.rejects(composed(filter('concept', 'regex', '(a+)+$')), { code: 'unsupported', message: /'regex'/ });
    await assert.rejects(composed({ ...filter('concept', 'is-a', 'x'), system: 'http://part' }), {
      message: /not all of its codes/,
    });
    await assert.rejects(
      codes({
        compose: {
          include: [{ system: 'http://part' }],
          exclude: [{ system: 'http://part', concept: [{ code: 'x' }] }],
        },
      }),
      /not all of its codes/,
    );
    await assert.rejects(composed({}), { code: 'unsupported', message: /neither a system nor a value set/ });
    await assert.rejects(codes({}), { code: 'unsupported', message: /neither a compose nor a whole expansion/ });
    await assert.rejects(codes({ compose: { include: [{ valueSet: ['http://vs/cats'] }] } }, 1), {
      code: 'too-costly',
    });
  });
});

describe('expansion', () => {
  const contains = [
    {
      system: 'http://x',
      code: 'a',
      contains: [
        { system: 'http://x', code: 'b' },
        { abstract: true, system: 'http://x', code: 'c' },
      ],
    },
    { display: 'group' },
  ];
  test('nested, without what is abstract or has no code', async () => {
    assert.deepEqual(await codes({ expansion: { total: 4, contains } }), { 'http://x': ['a', 'b'] });
    assert.deepEqual(await codes({ expansion: { contains } }), { 'http://x': ['a', 'b'] });
  });
  test('a page of one is refused', async () => {
    await assert.rejects(codes({ expansion: { total: 5, contains } }), { code: 'unsupported' });
    await assert.rejects(codes({ expansion: { offset: 10, contains } }), { code: 'unsupported' });
  });
});

describe('code systems', () => {
  test('above and below, by nesting and by property', () => {
    assert.deepEqual([...related(system, 'animal', 'below')].sort(), ['animal', 'bird', 'cat', 'tiger']);
    assert.deepEqual([...related(system, 'tiger', 'above')].sort(), ['animal', 'cat', 'tiger']);
  });

  test('cycles end, and nesting that means something else counts for nothing', () => {
    const cyclic = indexCodeSystem({
      ...{ resourceType: 'CodeSystem', url: 'http://c', content: 'complete' },
      concept: [
        { code: 'a', property: [{ code: 'parent', valueCode: 'b' }] },
        {
          code: 'b',
          property: [
            { code: 'child', valueCode: 'a' },
            { code: 'parent', valueCode: 'a' },
          ],
        },
      ],
    } as Resource);
    assert.deepEqual([...related(cyclic, 'a', 'below')].sort(), ['a', 'b']);
    const grouped = indexCodeSystem({
      ...{ resourceType: 'CodeSystem', url: 'http://g', content: 'complete', hierarchyMeaning: 'grouped-by' },
      concept: [{ code: 'a', concept: [{ code: 'b' }] }],
    } as Resource);
    assert.deepEqual([...related(grouped, 'a', 'below')], ['a']);
  });
});
