// If-None-Exist: https://hl7.org/fhir/R4/http.html#ccreate
import { CerebraError } from '#platform';

/**
 * The criteria alone; clients send them after `?`, after the type or after its whole URL too. A question mark of a value
 * begins nothing. Throws `invalid` for criteria of another type: of this one they would mean something else.
 */
export function noneExistQuery(type: string, text: string, path: string): string {
  const [, before, query] = /^([^?=&]*)\?(.*)$/s.exec(text.trim()) ?? [];
  if (before === undefined || query === undefined) return text;
  const named = before.replace(/\/$/, '').split('/').at(-1)!;
  if (named === '' || named === type) return query;
  const why = `The criteria are of '${named.slice(0, 80)}', what is created is a ${type}: they must be of the same type`;
  throw new CerebraError('invalid', why, { expression: [path] });
}
