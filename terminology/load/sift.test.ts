// Small CodeSystems with concepts that can't be loaded: these are told, the others are there.
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { CerebraError, type Db, type ErrorIssue, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { withoutBadCodes, withoutRefused } from './sift.ts';
import { load, testFolder, writeFiles } from './testing/rig.ts';

const head = { resourceType: 'CodeSystem', url: 'http://example.org/d', version: '1', status: 'active' };

function sifted(concept: unknown): { concept: unknown; told: string[] } {
  const told: string[] = [];
  const resource = { ...head, concept } as unknown as Resource;
  return { concept: withoutBadCodes(resource, (text) => told.push(text)).concept, told };
}

describe('codes', () => {
  test('that come twice, are none or are missing are left out and told', () => {
    const { concept, told } = sifted([
      { code: 'a', display: 'A' },
      ...[{ code: 'a', display: 'again' }, { code: ' b' }, {}, { code: 'c  d' }, { code: 7 }],
      { code: 'x'.repeat(2_001) },
      { code: 'c d', display: 'CD' },
    ]);
    assert.deepEqual(concept, [
      { code: 'a', display: 'A' },
      { code: 'c d', display: 'CD' },
    ]);
    assert.deepEqual(told, [
      "concept 2 has the code 'a', which is there already: it is left out",
      "concept 3 has ' b' as its code, which has white space where a code has none: it is left out",
      'concept 4 has no code: it is left out',
      "concept 5 has 'c  d' as its code, which has white space where a code has none: it is left out",
      'concept 6 has no code: it is left out',
      'concept 7 has a code of more than 2000 bytes: it is left out',
    ]);
  });

  test('within what is left out belong to what is around it, or to the first of its code', () => {
    const { concept, told } = sifted([
      { code: 'a', concept: [{ code: 'a1' }] },
      { code: 'b', concept: [{ concept: [{ code: 'b1' }] }, { code: 'a', concept: [{ code: 'a2' }] }] },
      { code: '', concept: [{ code: 'top' }] },
    ]);
    assert.deepEqual(concept, [
      { code: 'a', concept: [{ code: 'a1' }, { code: 'a2' }] },
      { code: 'b', concept: [{ code: 'b1' }] },
      { code: 'top' },
    ]);
    assert.deepEqual(told, [
      'concept 4 has no code: it is left out',
      "concept 6 has the code 'a', which is there already: it is left out",
      'concept 8 has no code: it is left out',
    ]);
  });

  test('without fault leave the resource as it is, and so does what is no list of concepts', () => {
    for (const concept of [[{ code: 'a' }], ['a', { code: 'b' }, { code: 'b' }], { code: 'a' }, undefined]) {
      assert.deepEqual(sifted(concept), { concept, told: [] });
    }
  });
});

const issue = (expression: string, diagnostics: string): ErrorIssue => ({
  ...{ severity: 'error', code: 'structure', diagnostics, expression: [expression] },
});

describe('a refusal', () => {
  const resource = {
    ...head,
    concept: [{ code: 'a', concept: [{ code: 'b' }, { code: 'c' }] }],
  } as unknown as Resource;

  test('of single concepts leaves those out', () => {
    const told: string[] = [];
    const place = 'CodeSystem.concept[0].concept[1]';
    const issues = [issue(`${place}.display`, `${place}.display: must be a string`)];
    const rest = withoutRefused(resource, issues, (text) => told.push(text));
    assert.deepEqual(rest?.concept, [{ code: 'a', concept: [{ code: 'b' }] }]);
    assert.deepEqual(told, ["the concept 'c' is refused: display: must be a string: it is left out"]);
  });

  test('of anything else is one of the whole', () => {
    const told: string[] = [];
    for (const expression of ['CodeSystem.status', 'CodeSystem.concept[7].code', 'CodeSystem']) {
      const issues = [issue('CodeSystem.concept[0].code', 'x'), issue(expression, 'y')];
      assert.equal(
        withoutRefused(resource, issues, (text) => told.push(text)),
        undefined,
      );
    }
    assert.equal(
      withoutRefused(resource, [], (text) => told.push(text)),
      undefined,
    );
    assert.deepEqual(told, []);
  });
});

describe('a small CodeSystem with faults', () => {
  let db: Db;
  before(async () => {
    db = await testDatabase();
  });
  const text = JSON.stringify({ ...head, concept: [{ code: 'a' }, { code: 'a' }, { code: 'bad' }, { code: 'c' }] });
  const codesOf = ({ concept }: Resource): string[] => (concept as { code: string }[]).map(({ code }) => code);

  /** Refuses the concept `bad`, as validation would. */
  async function store(resource: Resource): Promise<'created'> {
    const at = codesOf(resource).indexOf('bad');
    if (at === -1) return 'created';
    throw new CerebraError('invalid', 'bad', { issues: [issue(`CodeSystem.concept[${at}].code`, 'bad')] });
  }

  test('is stored without them', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'd.json': text });
    const offered: string[][] = [];
    const { told, stored, faults } = await load(db, folder, {
      store(resource) {
        offered.push(codesOf(resource));
        return store(resource);
      },
    });
    assert.deepEqual(offered, [
      ['a', 'bad', 'c'],
      ['a', 'c'],
    ]);
    assert.deepEqual(told, [
      "d.json: concept 2 has the code 'a', which is there already: it is left out",
      "d.json: the concept 'bad' is refused: bad: it is left out",
    ]);
    assert.deepEqual([stored.created, faults], [1, 2]);
  });

  test('is refused as a whole with --strict, before anything is stored', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'd.json': text });
    const never = () => Promise.reject(new Error('stored'));
    const loading = load(db, path.join(folder, 'd.json'), { strict: true, store: never });
    const message = 'CodeSystem http://example.org/d|1 is not loaded: 1 fault, and --strict wants none';
    await assert.rejects(loading, (error) => isCerebraError(error, 'invalid') && error.message === message);
  });
});
