// Pairs of patients that are hard to tell apart, or hard to recognise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { featuresOf } from './match-features.ts';
import { compare } from './match-score.ts';
import { editDistance, isClose } from './match-text.ts';

const base: JsonObject = {
  identifier: [{ system: 'urn:test:mrn', value: '1234567' }],
  name: [{ family: 'Testperson', given: ['Alpha', 'Beta'] }],
  birthDate: '1980-01-02',
  gender: 'female',
  telecom: [{ system: 'phone', value: '+49 30 1234567' }],
  address: [{ line: ['Somestreet 1'], city: 'Sometown', postalCode: '12 345' }],
};

const { identifier: _identifier, ...anonymous } = base;
const { telecom: _telecom, address: _address, ...bare } = anonymous;

/** What the second says otherwise, the grade, and levels that matter. */
const pairs: [string, JsonObject, JsonObject, string, Record<string, string>][] = [
  ['the same', base, base, 'certain', { identifier: 'same', family: 'equal', given: 'equal', birthDate: 'equal' }],
  ['the same without an identifier', anonymous, anonymous, 'certain', { telecom: 'shared', address: 'street' }],
  ['name, date and gender alone', bare, bare, 'probable', {}],
  ['an identifier alone', { identifier: base.identifier! }, base, 'probable', { identifier: 'same' }],
  ['a name alone', { name: base.name! }, base, 'possible', { family: 'equal', given: 'equal' }],
  ['a family name alone', { name: [{ family: 'Testperson' }] }, base, 'certainly-not', { family: 'equal' }],
  [
    'twins: only the given name differs',
    anonymous,
    { ...anonymous, name: [{ family: 'Testperson', given: ['Omega'] }] },
    'possible',
    { given: 'differs', birthDate: 'equal', address: 'street' },
  ],
  [
    'twins of the same initial, told apart by their order of birth',
    { ...anonymous, name: [{ family: 'Testperson', given: ['A'] }], multipleBirthInteger: 1 },
    { ...anonymous, multipleBirthInteger: 2 },
    'possible',
    { given: 'initial', birthOrder: 'differs' },
  ],
  [
    'other numbers of no system say nothing',
    { ...base, identifier: [{ value: '1' }] },
    { ...base, identifier: [{ value: '2' }] },
    'certain',
    { address: 'street' },
  ],
  [
    'one number, another gender',
    base,
    { ...base, gender: 'male' },
    'probable',
    { identifier: 'same', gender: 'differs' },
  ],
  [
    'one number, another given name',
    base,
    { ...base, name: [{ family: 'Testperson', given: ['Omega'] }] },
    'probable',
    { identifier: 'same', given: 'differs' },
  ],
  [
    'a particle in common is no name in common',
    { ...anonymous, name: [{ family: 'de Vries', given: ['Alpha'] }] },
    { ...anonymous, name: [{ family: 'de Boer', given: ['Alpha'] }] },
    'probable',
    { family: 'differs', given: 'equal' },
  ],
  [
    'a middle initial in common is no name in common',
    { ...anonymous, name: [{ family: 'Testperson', given: ['Anna', 'M'] }] },
    { ...anonymous, name: [{ family: 'Testperson', given: ['Berta', 'M'] }] },
    'possible',
    { family: 'equal', given: 'differs' },
  ],
  [
    'a number with blanks around it',
    { ...bare, identifier: [{ system: 'urn:test:mrn', value: ' 1234567 ' }] },
    base,
    'certain',
    { identifier: 'same' },
  ],
  [
    'numbers that are blank are none',
    { ...bare, identifier: [{ system: 'urn:test:mrn', value: ' ' }] },
    { ...bare, identifier: [{ system: 'urn:test:mrn', value: '' }] },
    'probable',
    {},
  ],
  [
    'a number mistyped, and another one beside it',
    { ...bare, identifier: [{ system: 'urn:test:mrn', value: '1234567' }] },
    {
      ...bare,
      identifier: [
        { system: 'urn:test:mrn', value: '1234568' },
        { system: 'urn:test:mrn', value: '9999999' },
      ],
    },
    'probable',
    { identifier: 'close' },
  ],
  [
    'nothing but the person speaks for it: never certain',
    { ...bare, multipleBirthInteger: 1, identifier: [{ system: 'urn:test:mrn', value: '1234567' }] },
    { ...bare, multipleBirthInteger: 1, identifier: [{ system: 'urn:test:mrn', value: '1234568' }] },
    'probable',
    { identifier: 'close', birthOrder: 'equal' },
  ],
  [
    'one name twice is not swapped',
    { ...bare, name: [{ family: 'Kim', given: ['Kim'] }] },
    { ...bare, name: [{ family: 'Kim', given: ['Kim'] }] },
    'probable',
    { family: 'equal', given: 'equal' },
  ],
  [
    'a postal code with and without its blank',
    { ...bare, address: [{ postalCode: '12 345' }] },
    { ...bare, address: [{ postalCode: '12345' }] },
    'probable',
    { address: 'postalCode' },
  ],
  [
    'other postal codes, without streets',
    { ...bare, address: [{ postalCode: '12345' }] },
    { ...bare, address: [{ postalCode: '54321' }] },
    'probable',
    { address: 'differs' },
  ],
  [
    'father and son: one name, another date',
    anonymous,
    { ...anonymous, birthDate: '2005-06-07' },
    'possible',
    { birthDate: 'differs' },
  ],
  [
    'namesakes: another date, another place',
    bare,
    { ...bare, birthDate: '1955-11-30', address: [{ postalCode: '99999' }] },
    'certainly-not',
    { birthDate: 'differs' },
  ],
  [
    'family and given name swapped',
    anonymous,
    { ...anonymous, name: [{ family: 'Alpha', given: ['Testperson'] }] },
    'certain',
    { family: 'swapped', given: 'swapped' },
  ],
  [
    'a hyphenated name of which one part is known',
    bare,
    { ...bare, name: [{ family: 'Testperson-Gamma', given: ['Alpha'] }] },
    'probable',
    { family: 'part' },
  ],
  [
    'a hyphenated name written as two words, with accents',
    { ...bare, name: [{ family: 'Tést-Pérson', given: ['Álpha'] }] },
    { ...bare, name: [{ family: 'Test Person', given: ['ALPHA'] }] },
    'probable',
    { family: 'equal', given: 'equal' },
  ],
  [
    'a name changed by marriage, the former one kept',
    bare,
    {
      ...bare,
      name: [
        { family: 'Other', given: ['Alpha'] },
        { use: 'maiden', family: 'Testperson', given: ['Alpha'] },
      ],
    },
    'probable',
    { family: 'equal' },
  ],
  [
    'a name changed by marriage, the former one lost',
    { ...anonymous, address: [] },
    { ...anonymous, address: [], name: [{ family: 'Other', given: ['Alpha'] }] },
    'possible',
    { family: 'differs', telecom: 'shared' },
  ],
  [
    'misspelt twice',
    bare,
    { ...bare, name: [{ family: 'Testpersno', given: ['Alhpa'] }] },
    'probable',
    { family: 'close', given: 'close' },
  ],
  ['day and month swapped', bare, { ...bare, birthDate: '1980-02-01' }, 'probable', { birthDate: 'swapped' }],
  ['one digit of the date', bare, { ...bare, birthDate: '1980-01-03' }, 'possible', { birthDate: 'digit' }],
  ['only the year is known', bare, { ...bare, birthDate: '1980' }, 'possible', { birthDate: 'year' }],
  ['another year', bare, { ...bare, birthDate: '1981' }, 'certainly-not', { birthDate: 'differs' }],
  [
    'the date is missing, the telephone number is written otherwise',
    { ...anonymous, birthDate: undefined, address: [] },
    { ...bare, telecom: [{ system: 'phone', value: '030/1234567' }] },
    'probable',
    { telecom: 'shared' },
  ],
  ['another gender', bare, { ...bare, gender: 'male' }, 'possible', { gender: 'differs' }],
  ['an unknown gender says nothing', bare, { ...bare, gender: 'unknown' }, 'probable', {}],
  [
    'one identifier for two people',
    base,
    {
      identifier: base.identifier!,
      name: [{ family: 'Quite', given: ['Else'] }],
      birthDate: '1955-11-30',
      gender: 'male',
    },
    'certainly-not',
    { identifier: 'same', family: 'differs', given: 'differs', birthDate: 'differs', gender: 'differs' },
  ],
  [
    'an identifier mistyped',
    base,
    { ...base, identifier: [{ system: 'urn:test:mrn', value: '1234576' }] },
    'certain',
    { identifier: 'close' },
  ],
  [
    'values of different systems are not compared',
    base,
    { ...base, identifier: [{ system: 'urn:test:other', value: '7654321' }] },
    'certain',
    {},
  ],
];

for (const [name, a, b, grade, levels] of pairs) {
  test(name, () => {
    const found = compare(featuresOf(a), featuresOf(b));
    assert.equal(found.grade, grade, JSON.stringify(found));
    for (const [part, level] of Object.entries(levels)) {
      assert.equal((found.levels as Record<string, string>)[part], level, JSON.stringify(found));
    }
    assert.deepEqual(compare(featuresOf(b), featuresOf(a)), found, 'exchanged, the same');
    assert.ok(found.score >= 0 && found.score <= 1);
  });
}

test('scores of the weights in the table', () => {
  const scoreOf = (a: JsonObject, b: JsonObject) => compare(featuresOf(a), featuresOf(b)).score;
  // 4 + 3.5 + 6 + 1 - 10 = 4.5: 1 / (1 + 2^-4.5)
  assert.equal(scoreOf(bare, bare), 0.9577);
  // 4 - 4.5 + 6 + 1 + 3 + 3 - 10 = 2.5 would be 0.85: at most a half for what may be twins.
  assert.equal(scoreOf(anonymous, { ...anonymous, name: [{ family: 'Testperson', given: ['Omega'] }] }), 0.5);
  assert.equal(scoreOf({}, base), 0.001);
});

test('a name that is only a text', () => {
  assert.deepEqual(featuresOf({ name: [{ text: 'Alpha Beta Testperson' }] }).names, [
    { family: 'testperson', given: ['alpha', 'beta'] },
  ]);
});

test('edit distance', () => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abc', 'ab', 1],
    ['abc', 'xabc', 1],
    ['kitten', 'sitting', 3],
    ['abcdef', 'ghijkl', 4],
  ];
  for (const [a, b, wanted] of cases) {
    assert.equal(editDistance(a, b, 3), wanted, `${a} ${b}`);
    assert.equal(editDistance(b, a, 3), wanted, `${b} ${a}`);
  }
  assert.deepEqual(
    [isClose('abc', 'abd'), isClose('abcd', 'abce'), isClose('abcdefgh', 'abcdefxy')],
    [false, true, true],
  );
});
