// What parsers of names and values share: where they stand, and how they refuse. https://hl7.org/fhir/R4/search.html#errors
import { CerebraError, type ErrorCode } from '#platform';
import { unescapeValue } from './escapes.ts';
import type { SearchParam } from './types.ts';

/** What the parser of values needs to know besides the text. */
export interface ValueContext {
  /** The parameter's name as the client wrote it, for errors. */
  name: string;
  param: SearchParam;
  modifier: string | undefined;
  isResourceType: (type: string) => boolean;
  baseUrl: string | undefined;
}

/** The caller's own words, shortened for a message. */
export const quote = (text: string): string => `'${text.length > 80 ? `${text.slice(0, 80)}…` : text}'`;

/** An error about the parameter `name`. */
export const parameterError = (code: ErrorCode, name: string, diagnostics: string): CerebraError =>
  new CerebraError(
    code,
    `${diagnostics} (parameter ${quote(name)})`,
    name === '' ? {} : { expression: [name.slice(0, 256)] },
  );

export const invalid = (context: ValueContext, diagnostics: string): CerebraError =>
  parameterError('invalid-parameter', context.name, diagnostics);

/** The value without its escapes. */
export function unescaped(text: string, context: ValueContext): string {
  // PostgreSQL's text can't hold it, so nothing would be found.
  if (text.includes('\u0000')) throw invalid(context, 'the value has a NUL character');
  const value = unescapeValue(text);
  if (value === undefined) {
    throw invalid(context, `${quote(text)} has a backslash that escapes none of \\ , | $; write \\\\ for a backslash`);
  }
  return value;
}
