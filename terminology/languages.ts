// Languages that a caller prefers, and the texts that fit: https://www.rfc-editor.org/rfc/rfc9110#name-accept-language,
// https://www.rfc-editor.org/rfc/rfc4647 (lookup: `de` is served by `de-CH`, and `de-AT` by `de`).

export interface LanguageRange {
  /** Lower case; `*` is any. */
  tag: string;
  /** As it was given. */
  shown: string;
  /** 0 means: not this one. */
  weight: number;
}

/** Preferred first. */
export type Languages = readonly LanguageRange[];

const RANGES_MAX = 50;

function readRange(text: string): LanguageRange | undefined {
  const match = /^\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=([0-9](?:\.[0-9]{1,3})?))?\s*$/.exec(text);
  if (match === null) return undefined;
  const [, shown = '', weight = '1'] = match;
  return { tag: shown.toLowerCase(), shown, weight: Math.min(1, Number(weight)) };
}

/** Undefined where it is no list of languages; `*` alone, which HTTP clients send unasked, is none: an empty list. */
export function parseLanguages(text: string): Languages | undefined {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length > RANGES_MAX) return undefined;
  const ranges = parts.map(readRange);
  if (!ranges.every((range) => range !== undefined)) return undefined;
  const sorted = ranges.toSorted((a, b) => b.weight - a.weight);
  return sorted.every(({ tag, weight }) => tag === '*' && weight > 0) ? [] : sorted;
}

/** As a list again: `de, *; q=0`. */
export function languagesText(languages: Languages): string {
  const weighted = languages.some(({ weight }) => weight !== 1);
  const texts = languages.map(({ shown, weight }) => (weight === 1 ? shown : `${shown}; q=${weight}`));
  return texts.join(weighted ? ', ' : ',');
}

/** Whether a text in that language serves who asked for this one. */
export function languageFits(wanted: string, language: string | undefined): boolean {
  if (language === undefined) return false;
  const given = language.toLowerCase();
  return given === wanted || given.startsWith(`${wanted}-`) || wanted.startsWith(`${given}-`);
}

/** `*; q=0`: rather no text than one in another language. */
export const isStrict = (languages: Languages): boolean =>
  languages.some(({ tag, weight }) => tag === '*' && weight === 0);

/** Those that are wanted, without `*`. */
export const wantedTags = (languages: Languages): string[] =>
  languages.filter(({ tag, weight }) => tag !== '*' && weight > 0).map(({ tag }) => tag);

export interface LocalText {
  language?: string | undefined;
  value: string;
}

/** The one that serves best: of the first language that any is in, one of exactly that tag before others. */
export function bestText<T extends LocalText>(languages: Languages, texts: readonly T[]): T | undefined {
  for (const tag of wantedTags(languages)) {
    const exact = texts.find(({ language }) => language?.toLowerCase() === tag);
    const found = exact ?? texts.find(({ language }) => languageFits(tag, language));
    if (found) return found;
  }
  return undefined;
}

/** Whether a text is in one of the languages; all are where none is asked for. */
export const inLanguages =
  (tags: readonly string[]) =>
  ({ language }: { readonly language?: string | undefined }): boolean =>
    tags.length === 0 || tags.some((tag) => languageFits(tag, language));
