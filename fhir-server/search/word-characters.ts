// What stays in the words that PostgreSQL cuts a text into (`content_words`, migrations/0006_search_values.sql) and is in none of
// wordsOf's (fhir-model/search/words.ts): marks of other scripts than Latin, without which a search comes, and signs such as ≥ and €.
// https://hl7.org/fhir/R4/search.html#content

/** All that people write with marks, and emoji. Going through them takes 20 ms, at the first search. */
const BLOCKS = [
  [0x80, 0xd7ff],
  [0xe000, 0xfffd],
  [0x1f000, 0x1faff],
] as const;

const escaped = (code: number): string => `\\U${code.toString(16).padStart(8, '0')}`;

/** The characters of BLOCKS that meet it, as what stands in brackets of a regular expression of PostgreSQL. */
function rangesOf(isMeant: RegExp): string {
  let text = '';
  for (const [first, last] of BLOCKS) {
    let from: number | undefined;
    for (let code = first; code <= last + 1; code++) {
      const meets = code <= last && isMeant.test(String.fromCodePoint(code));
      if (meets) from ??= code;
      else if (from !== undefined) {
        text += `${escaped(from)}-${escaped(code - 1)}`;
        from = undefined;
      }
    }
  }
  return text;
}

interface Characters {
  marks: string;
  separators: string;
}

let known: Characters | undefined;

const characters = (): Characters => {
  known ??= { marks: `[${rangesOf(/\p{M}/u)}]+`, separators: `[ ${rangesOf(/[^\p{M}\p{L}\p{N}]/u)}]+` };
  return known;
};

/** The two forms of one letter: JavaScript writes the second where a word in capitals ends, PostgreSQL does not. */
export const oneSigma = (text: string): string => text.replaceAll('ς', 'σ');

/**
 * SQL for the words of `text`, which is JSON, with one space before and after each. `value` adds a value and yields its placeholder.
 * Most texts have nothing but ASCII left, once accents are gone, and cost no more than content_words. That takes what follows a
 * backslash for an escape, so pairs of them, which stand for one backslash of the text, are gone before.
 */
export function wordsSql(text: string, value: (given: unknown) => string): string {
  const { marks, separators } = characters();
  const plain = `regexp_replace(replace(w.words, 'ς', 'σ'), ${value(marks)}::text, '', 'g')`;
  return `(select case when octet_length(w.words) = char_length(w.words) then w.words
      else regexp_replace(${plain}, ${value(separators)}::text, ' ', 'g') end
    from (select content_words(replace(${text}, '\\\\', ' ')) as words offset 0) w)`;
}
