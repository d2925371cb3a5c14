// How strings are made comparable: https://hl7.org/fhir/R4/search.html#string

/** ASCII text that folding changes in nothing but case: no punctuation, only single inner spaces. */
const PLAIN = /^[A-Za-z0-9]+(?: [A-Za-z0-9]+)*$/;

/**
 * Letters whose marks Unicode does not take apart, and ligatures: the letters that Latin-ASCII of the CLDR makes of them
 * (https://cldr.unicode.org/index/cldr-spec/transliteration-guidelines). What is stored was folded so by migrations/0034_folded_letters.sql:
 * a letter more needs a migration more.
 */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th', ø: 'o', ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ŧ: 't', ı: 'i' },
  // At the end of a word, which a search for its beginning does not reach.
  ς: 'σ',
};
const MARKED = new RegExp(`[${Object.keys(LETTERS).join('')}]`, 'g');

/**
 * Lower case, no accents or other combining marks, no apostrophes or full stops, other punctuation as a space,
 * white space collapsed and trimmed: `O'Brien-Núñez` becomes `obrien nunez`, `Größe` `grosse`. The result may be empty.
 */
export function foldString(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}'’‘`.]+/gu, '')
    .replace(/[\p{P}\p{Cc}\s]+/gu, ' ')
    .trim()
    .toLowerCase()
    .replace(MARKED, (letter) => LETTERS[letter]!)
    .normalize('NFC');
}
