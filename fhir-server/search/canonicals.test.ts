// https://hl7.org/fhir/R4/references.html#canonical
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { compileExtractor, type Resource } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { canonicalReferences } from './canonicals.ts';

let core: Core;
const url = 'http://example.org/Library/a';
const plan = (id: string, library: string[]) => ({ resourceType: 'PlanDefinition', id, status: 'active', library });

before(async () => {
  core = await testCore(await testDatabase());
  const library = (id: string, version: string) => ({
    ...{ resourceType: 'Library', id, url, version, status: 'active' },
    type: { text: 'x' },
  });
  await createWriter(core).createIfAbsent(
    [library('one', '1'), library('two', '2'), plan('both', [`${url}|2`, url]), plan('second', [`${url}|2`])],
    { scope: everything },
  );
});

const ids = async (type: string, text: string): Promise<string[]> => {
  const query = parseQuery(core, type, searchPairs(text), true);
  const { included } = await search(core, query, { scope: everything, db: core.store.db });
  return included.map(({ id }) => id).sort();
};

test('a URL that is named with a version and without one means all versions', async () => {
  const include = '_include=PlanDefinition:depends-on';
  assert.deepEqual(await ids('PlanDefinition', `_id=both&${include}`), ['one', 'two']);
  assert.deepEqual(await ids('PlanDefinition', `_id=second&${include}`), ['two']);
  assert.deepEqual(await ids('Library', '_id=one&_revinclude=PlanDefinition:depends-on'), ['both']);
  assert.deepEqual(await ids('Library', '_id=two&_revinclude=PlanDefinition:depends-on'), ['both', 'second']);
});

const meant: [string, string[], string[]][] = [
  ['a version', ['u|1'], ['u 1']],
  ['none', ['u'], ['u']],
  ['both', ['u', 'u|1'], ['u', 'u', 'u 1']],
  ['two versions', ['u|1', 'u|2'], ['u 1', 'u 2']],
  ['a part of a version', ['u|1#p'], ['u 1', 'u 1']],
  ['a part', ['u#p'], ['u', 'u']],
];
for (const [what, library, expected] of meant) {
  test(`what a resource refers to that names ${what}`, () => {
    const param = core.parameters.get('PlanDefinition', 'depends-on')!;
    const named = plan(
      'p',
      library.map((text) => text.replace('u', url)),
    );
    const found = canonicalReferences(compileExtractor([param])(named as Resource));
    const texts = found.map((each) => [each.url.replace(url, 'u'), each.version].filter(Boolean).join(' '));
    assert.deepEqual(texts.sort(), expected);
  });
}
