// https://www.rfc-editor.org/rfc/rfc9110#name-accept-language
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestText, isStrict, languageFits, languagesText, parseLanguages, wantedTags } from './languages.ts';

const parsed = (text: string) => parseLanguages(text)!;

test('lists of languages, preferred first', () => {
  assert.deepEqual(wantedTags(parsed('de')), ['de']);
  assert.deepEqual(wantedTags(parsed('en;q=0.4, de-CH, fr; q=0.8')), ['de-ch', 'fr', 'en']);
  assert.deepEqual(wantedTags(parsed('de, en; q=0, *')), ['de']);
  assert.deepEqual(parsed('*'), []);
  assert.deepEqual(parsed(''), []);
  assert.equal(isStrict(parsed('de, *; q=0')), true);
  assert.equal(isStrict(parsed('de, *')), false);
  for (const wrong of [
    'd_e',
    'de; q=2000',
    'toolongalanguage',
    'de fr',
    'x'.repeat(100),
    Array(51).fill('de').join(),
  ]) {
    assert.equal(parseLanguages(wrong), undefined, wrong);
  }
});

test('are told as a list again', () => {
  for (const text of ['de', 'de,it,*', 'de, *; q=0', 'en, en-AU; q=0.4'])
    assert.equal(languagesText(parsed(text)), text);
});

test('a text serves in the language itself, in a variety of it, or in what it is a variety of', () => {
  assert.equal(languageFits('de', 'de-CH'), true);
  assert.equal(languageFits('de-at', 'de'), true);
  assert.equal(languageFits('de', 'den'), false);
  assert.equal(languageFits('de', undefined), false);
});

test('the text of the first language that there is, exactly that language before others', () => {
  const texts = [
    { language: 'de-CH', value: 'a' },
    { language: 'de', value: 'b' },
    { language: 'fr', value: 'c' },
  ];
  assert.equal(bestText(parsed('de'), texts)?.value, 'b');
  assert.equal(bestText(parsed('it, fr'), texts)?.value, 'c');
  assert.equal(bestText(parsed('it'), texts), undefined);
});
