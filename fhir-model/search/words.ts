// The words of narratives and whole resources: https://hl7.org/fhir/R4/search.html#content
import { ownValue } from '#platform';
import { isRawJson } from '../json.ts';

/** Beyond these a narrative is not indexed: PostgreSQL's tsvector counts positions up to 16,383. */
const NARRATIVE_WORDS_MAX = 16_000;
const WORD_CHARACTERS_MAX = 100;
/** Of a tsvector, which holds 1,048,575: each word once, with 3 more, and 2 for each of its places. */
const NARRATIVE_BYTES_MAX = 1_000_000;
const WORD_BYTES_MAX = 3 * WORD_CHARACTERS_MAX + 5;

/** Folded words of letters and digits: without case and accents; anything else separates them. `O'Neil 5.4` has four. */
export function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}+/gu, '');
  const words = plain.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.map((word) => (word.length > WORD_CHARACTERS_MAX ? word.slice(0, WORD_CHARACTERS_MAX) : word));
}

/** The words by which a narrative is found: the first, as many as a tsvector holds. */
export function narrativeWords(text: string): string[] {
  const words = wordsOf(text).slice(0, NARRATIVE_WORDS_MAX);
  if (words.length * WORD_BYTES_MAX <= NARRATIVE_BYTES_MAX) return words;
  const known = new Set<string>();
  let bytes = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    bytes += known.has(word) ? 2 : Buffer.byteLength(word) + 5;
    if (bytes > NARRATIVE_BYTES_MAX) return words.slice(0, i);
    known.add(word);
  }
  return words;
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function decodeEntity(whole: string, name: string): string {
  if (!name.startsWith('#')) return ownValue(ENTITIES, name) ?? whole;
  const code = name[1] === 'x' || name[1] === 'X' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}

/** The text of XHTML, tags as spaces. In one pass: what has ten thousand `<` and no `>` costs no more than its length. */
export function xhtmlText(xhtml: string): string {
  let text = '';
  let at = 0;
  for (let open = xhtml.indexOf('<'); open !== -1; open = xhtml.indexOf('<', at)) {
    const close = xhtml.indexOf('>', open);
    if (close === -1) break;
    text += `${xhtml.slice(at, open)} `;
    at = close + 1;
  }
  text += xhtml.slice(at);
  return text.replace(/&(#?[A-Za-z0-9]{1,8});/g, decodeEntity);
}

function collect(value: unknown, out: string[]): void {
  if (typeof value === 'string') out.push(value.replace(/<\/?[a-z][^<>]*>/g, ' '));
  else if (typeof value === 'number' || typeof value === 'boolean') out.push(String(value));
  else if (isRawJson(value)) out.push(value.rawJSON);
  else if (Array.isArray(value)) for (const each of value) collect(each, out);
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) collect(each, out);
}

/** The words of all values of a resource, in order; names of elements are none. */
export function contentWords(resource: object): string[] {
  const values: string[] = [];
  collect(resource, values);
  return wordsOf(values.join(' '));
}
