// Values and extensions of a repeating primitive stay together: https://hl7.org/fhir/R4/json.html#primitive
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '#fhir-model';
import { CerebraError } from '#platform';
import { stepAsserter } from './halves.ts';
import { applyJsonPatch, parseJsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';

const ext = { extension: [{ url: 'urn:x', valueString: 'of B' }] };
const person = () => ({
  name: [{ given: ['A', 'B', 'C'], _given: [null, ext] }, { given: ['D', 'E'] }],
  birthDate: '2000-01-01',
  _birthDate: ext,
});

interface Person {
  name: { given?: Json; _given?: Json }[];
  birthDate?: Json;
}

function patched(root: Json, document: Json): Person {
  const operations = parseJsonPatch(document);
  return applyJsonPatch(root, operations, stepAsserter(operations)) as unknown as Person;
}

const isParted = (error: unknown): boolean =>
  error instanceof CerebraError &&
  error.code === 'patch-failed' &&
  /belong together by position/.test(error.message) &&
  /patch '\/(?:name\/0\/)?_?given' as well/.test(error.message);

const given = '/name/0/given';
const extensions = '/name/0/_given';

describe('a JSON Patch of one of the two lists', () => {
  const refused: [string, Json][] = [
    ['removes a value before', [{ op: 'remove', path: `${given}/0` }]],
    ['removes the value itself', [{ op: 'remove', path: `${given}/1` }]],
    ['inserts a value before', [{ op: 'add', path: `${given}/1`, value: 'X' }]],
    ['moves a value', [{ op: 'move', from: `${given}/0`, path: `${given}/2` }]],
    ['moves a value there from elsewhere', [{ op: 'move', from: '/birthDate', path: `${given}/0` }]],
    ['copies a value there', [{ op: 'copy', from: `${given}/2`, path: `${given}/0` }]],
    ['replaces all values', [{ op: 'replace', path: given, value: ['B'] }]],
    ['sets all values', [{ op: 'add', path: given, value: ['B', 'A'] }]],
    ['copies all values there', [{ op: 'copy', from: '/name/1/given', path: given }]],
    ['moves all values there', [{ op: 'move', from: '/name/1/given', path: given }]],
    ['moves the extensions down', [{ op: 'remove', path: `${extensions}/0` }]],
    ['moves the extensions up', [{ op: 'add', path: `${extensions}/0`, value: null }]],
    [
      'copies the extension elsewhere and removes a value',
      [
        { op: 'copy', from: `${extensions}/1`, path: '/_gender' },
        { op: 'remove', path: `${given}/0` },
      ],
    ],
    [
      'tests the extensions and removes a value',
      [
        { op: 'test', path: extensions, value: [null, ext] },
        { op: 'remove', path: `${given}/0` },
      ],
    ],
  ];
  for (const [name, document] of refused) {
    test(`${name}: refused`, () => assert.throws(() => patched(person(), document), isParted));
  }

  test('the refusal tells which operation, and what to do', () => {
    const document = [
      { op: 'test', path: given, value: ['A', 'B', 'C'] },
      { op: 'remove', path: `${given}/0` },
    ];
    assert.throws(
      () => patched(person(), document),
      (error) => {
        assert.ok(error instanceof CerebraError);
        const text =
          "'/name/0/given' and '/name/0/_given' belong together by position, and this would part them: patch '/name/0/_given' as well";
        assert.equal(error.message, text);
        assert.deepEqual(error.issues[0]!.expression, ['patch[1]']);
        return true;
      },
    );
  });

  const done: [string, Json, Json, Json][] = [
    [
      'moves the extension away and removes its value',
      [
        { op: 'move', from: `${extensions}/1`, path: '/_gender' },
        { op: 'remove', path: `${given}/1` },
      ],
      ['A', 'C'],
      [null],
    ],
    [
      'replaces a value in its place',
      [{ op: 'replace', path: `${given}/1`, value: 'X' }],
      ['A', 'X', 'C'],
      [null, ext],
    ],
    ['removes a value after', [{ op: 'remove', path: `${given}/2` }], ['A', 'B'], [null, ext]],
    ['adds a value at the end', [{ op: 'add', path: `${given}/-`, value: 'D' }], ['A', 'B', 'C', 'D'], [null, ext]],
    ['moves values after', [{ op: 'add', path: `${given}/2`, value: 'X' }], ['A', 'B', 'X', 'C'], [null, ext]],
    ['sets the same value there', [{ op: 'replace', path: given, value: ['X', 'B'] }], ['X', 'B'], [null, ext]],
    ['takes the extension off', [{ op: 'remove', path: `${extensions}/1` }], ['A', 'B', 'C'], [null]],
    ['adds an extension', [{ op: 'add', path: `${extensions}/-`, value: ext }], ['A', 'B', 'C'], [null, ext, ext]],
    [
      'of both does as it says',
      [
        { op: 'remove', path: `${given}/0` },
        { op: 'remove', path: `${extensions}/0` },
      ],
      ['B', 'C'],
      [ext],
    ],
    [
      'sets both',
      [
        { op: 'replace', path: extensions, value: [ext] },
        { op: 'replace', path: given, value: ['B'] },
      ],
      ['B'],
      [ext],
    ],
  ];
  for (const [name, document, values, others] of done) {
    test(`${name}: done`, () => {
      const { given: left, _given: right } = patched(person(), document).name[0]!;
      assert.deepEqual([left, right], [values, others]);
    });
  }

  test('a single value, and lists without extensions, are left alone', () => {
    assert.equal(patched(person(), [{ op: 'replace', path: '/birthDate', value: '2001' }]).birthDate, '2001');
    const bare = { name: [{ given: ['A', 'B'] }, { family: 'x' }] };
    assert.deepEqual(patched(bare, [{ op: 'remove', path: `${given}/0` }]).name[0], { given: ['B'] });
    assert.equal(patched(person(), [{ op: 'remove', path: '/name/0' }]).name.length, 1);
  });
});

describe('a JSON Merge Patch', () => {
  test('that replaces the values alone is refused', () => {
    const target = person().name[0] as unknown as Json;
    assert.throws(() => mergePatch(target, { given: ['B'] }), isParted);
    assert.deepEqual(mergePatch(target, { given: ['B'], _given: null }), { given: ['B'] });
    assert.deepEqual(mergePatch(target, { given: ['A', 'B'] }), { given: ['A', 'B'], _given: [null, ext] });
  });
});
