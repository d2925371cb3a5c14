import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languageTag, spokenLanguage } from './language.ts';

test('codes of ISO 639 are tags, words are none', () => {
  const tags = ['EN', 'eng', 'ara', 'de-ch', 'ENG-UK', 'ENGLISH', 'zz', '', 'e n'].map(languageTag);
  assert.deepEqual(tags, ['en', 'en', 'ar', 'de-CH', 'en-GB', undefined, undefined, undefined, undefined]);
});

test('a tag goes before the codes of the message', () => {
  const coding = [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0296', code: 'ara' }];
  assert.deepEqual(spokenLanguage({ coding, text: 'Arabic' }), {
    coding: [{ system: 'urn:ietf:bcp:47', code: 'ar' }, ...coding],
    text: 'Arabic',
  });
});

test('what is no code of a language is its words', () => {
  assert.deepEqual(spokenLanguage({ coding: [{ code: 'ENGLISH', display: 'English' }] }), { text: 'English' });
  assert.deepEqual(spokenLanguage({ coding: [{ code: 'Arabisch' }] }), { text: 'Arabisch' });
  assert.deepEqual(spokenLanguage({ text: 'Arabic' }), { text: 'Arabic' });
});
