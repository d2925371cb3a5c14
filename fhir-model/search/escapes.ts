// Escapes and prefixes of search values: https://hl7.org/fhir/R4/search.html#escaping, https://hl7.org/fhir/R4/search.html#prefix
import type { Prefix } from './types.ts';

/** Splits at the separators that no backslash escapes; the parts keep their escapes. */
export function splitUnescaped(text: string, separator: ',' | '|' | '$'): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** Resolves `\,` `\|` `\$` `\\`; undefined where a backslash stands before anything else, which is illegal. */
export function unescapeValue(text: string): string | undefined {
  if (!text.includes('\\')) return text;
  if (/\\(?:[^,|$\\]|$)/.test(text.replace(/\\[,|$\\]/g, ''))) return undefined;
  return text.replace(/\\([,|$\\])/g, '$1');
}

/** The inverse of unescapeValue. */
export const escapeValue = (text: string): string => text.replace(/[\\,|$]/g, '\\$&');

const PREFIXED = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)/;

/** `gt5` is `{ prefix: 'gt', rest: '5' }`; without a prefix it is `eq`. */
export function splitPrefix(text: string): { prefix: Prefix; rest: string } {
  const match = PREFIXED.exec(text);
  return match ? { prefix: match[1] as Prefix, rest: text.slice(2) } : { prefix: 'eq', rest: text };
}
