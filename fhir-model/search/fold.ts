// How strings are made comparable: https://hl7.org/fhir/R4/search.html#string

/** ASCII text that folding changes in nothing but case: no punctuation, only single inner spaces. */
const PLAIN = /^[A-Za-z0-9]+(?: [A-Za-z0-9]+)*$/;

/**
 * Lower case, no accents or other combining marks, no apostrophes or full stops, other punctuation as a space,
 * white space collapsed and trimmed: `O'Brien-Núñez` becomes `obrien nunez`. The result may be empty.
 */
export function foldString(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}'’‘`.]+/gu, '')
    .replace(/[\p{P}\p{Cc}\s]+/gu, ' ')
    .trim()
    .toLowerCase()
    .normalize('NFC');
}
